//! The report for a terminal.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::format::{NONE, count, maybe, shape, short};
use super::report::{Convolution, FormTotal, Machine, Network, Numbers, Report};

/// Writes the report; headings are bold where `bold` says so.
pub(crate) fn write(out: &mut dyn Write, report: &Report, bold: bool) -> io::Result<()> {
    let heading = |text: &str| if bold { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    writeln!(out, "{}", heading(&report.network.name))?;
    write_total(out, &report.network.total)?;
    if let Some(machine) = &report.machine {
        write_machine(out, machine)?;
    }
    writeln!(out, "\n{}\n{}", heading("Layers, as they run"), layers(&report.network, report.machine.as_ref()))?;
    if let Some(factorized) = &report.factorized {
        let Network { name, total, .. } = &factorized.network;
        writeln!(out, "\n{}", heading(&format!("{name} with {} convolutions", factorized.kind)))?;
        write_total(out, total)?;
        writeln!(out, "\n{}", layers(&factorized.network, report.machine.as_ref()))?;
        for outcome in &factorized.outcomes {
            if let Some(reason) = &outcome.kept {
                writeln!(out, "kept {}: {reason}", outcome.layer)?;
            }
        }
    }
    if report.convolutions.is_empty() {
        return writeln!(out, "\nNo convolution has windows of more than one pixel and channel: all are factorised.");
    }
    writeln!(out, "\n{}\n{}", heading("Convolutions in other forms"), convolutions(report))?;
    for convolution in &report.convolutions {
        for form in &convolution.forms {
            if let Some(reason) = &form.not_available {
                writeln!(out, "{} is not {}: {reason}", convolution.layers[0], form.form)?;
            }
        }
    }
    writeln!(out, "\n{}\n{}", heading("All of them together"), forms(&report.forms))?;
    match &report.weights {
        Some(file) => writeln!(out, "error: ‖W − W′‖ / ‖W‖ of the nearest weight of the form to {file}"),
        None => writeln!(out, "error: not available, the weights are fresh; give trained ones with --weights FILE"),
    }
}

fn write_total(out: &mut dyn Write, total: &Numbers) -> io::Result<()> {
    let Numbers { parameters, macs, flops, bytes, .. } = *total;
    let flops = short(flops as f64 / 1e9);
    writeln!(out, "{} parameters · {} MAC = {flops} GFLOP (1 MAC = 2 FLOP)", count(parameters), count(macs))?;
    write!(out, "{} MB moved · {} FLOP/byte", short(bytes as f64 / 1e6), maybe(total.intensity))?;
    if let (Some(time), Some(speed)) = (total.time, total.speed()) {
        write!(out, " · {} ms = {} GFLOP/s on one core", short(time.minimum * 1e3), short(speed / 1e9))?;
    }
    writeln!(out)
}

fn write_machine(out: &mut dyn Write, machine: &Machine) -> io::Result<()> {
    let [peak, memory, cache] =
        [machine.peak, machine.memory_bandwidth, machine.cache_bandwidth].map(|value| short(value / 1e9));
    writeln!(out, "one core, {}: {peak} GFLOP/s, {memory} GB/s from memory, {cache} GB/s from L2", machine.isa)
}

/// A table of these columns, of which the first `left` are text.
fn table(columns: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule)).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().copied());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if index < left { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

fn layers(network: &Network, machine: Option<&Machine>) -> String {
    let columns =
        ["layer", "kind", "output", "parameters", "MMAC", "MFLOP", "MB", "FLOP/byte", "µs", "GFLOP/s", "% of peak"];
    let mut table = table(&columns[..if machine.is_some() { 11 } else { 8 }], 3);
    let row = |name: &str, kind: &str, output: String, numbers: &Numbers| {
        let speed = numbers.speed();
        let mut row = vec![
            name.to_owned(),
            kind.to_owned(),
            output,
            count(numbers.parameters),
            short(numbers.macs as f64 / 1e6),
            short(numbers.flops as f64 / 1e6),
            short(numbers.bytes as f64 / 1e6),
            maybe(numbers.intensity),
        ];
        if let Some(machine) = machine {
            row.push(maybe(numbers.time.map(|time| time.minimum * 1e6)));
            row.push(maybe(speed.map(|speed| speed / 1e9)));
            row.push(maybe(speed.map(|speed| 100.0 * speed / machine.peak)));
        }
        row
    };
    for layer in &network.layers {
        table.add_row(row(&layer.name, layer.kind, shape(&layer.output), &layer.numbers));
    }
    if let Some(time) = network.layout_time {
        let mut cells = vec![String::new(); columns.len()];
        cells[0] = "layouts and halos".to_owned();
        cells[8] = short(time.minimum * 1e6);
        table.add_row(cells);
    }
    table.add_row(row("total", "", String::new(), &network.total));
    table.trim_fmt()
}

fn convolutions(report: &Report) -> String {
    let columns = ["convolution", "C→H", "window", "result", "form", "weights", "MMAC", "ratio", "error", "µs"];
    let mut table = table(&columns[..if report.machine.is_some() { 10 } else { 9 }], 5);
    for convolution in &report.convolutions {
        for (index, form) in convolution.forms.iter().enumerate() {
            let [name, channels, window, result] = match index {
                0 => describe(convolution),
                1 if convolution.layers.len() > 1 => {
                    [format!("and {} alike", convolution.layers.len() - 1), String::new(), String::new(), String::new()]
                }
                _ => Default::default(),
            };
            let mut row = vec![name, channels, window, result, form.form.to_owned()];
            row.push(form.weights.map_or_else(|| NONE.to_owned(), count));
            row.push(maybe(form.macs.map(|macs| macs as f64 / 1e6)));
            row.extend([maybe(form.ratio), maybe(form.error)]);
            if report.machine.is_some() {
                row.push(maybe(form.time.map(|time| time.minimum * 1e6)));
            }
            table.add_row(row);
        }
    }
    table.trim_fmt()
}

/// Name, channels, window and result.
pub(crate) fn describe(convolution: &Convolution) -> [String; 4] {
    let Convolution { layers, channels, filters, kernel: [kh, kw], stride: [sh, sw], groups, result, .. } = convolution;
    let stride = match (sh, sw) {
        (1, 1) => String::new(),
        (down, right) if down == right => format!(" /{down}"),
        (down, right) => format!(" /{down}×{right}"),
    };
    let groups = if *groups == 1 { String::new() } else { format!(" in {groups} groups") };
    [
        layers[0].clone(),
        format!("{channels}→{filters}{groups}"),
        format!("{kh}×{kw}{stride}"),
        format!("{}×{}", result[0], result[1]),
    ]
}

fn forms(totals: &[FormTotal]) -> String {
    let measured = totals.iter().any(|total| total.time.is_some());
    let columns = ["form", "weights of one", "layers", "weights", "MMAC", "ratio", "ms"];
    let mut table = table(&columns[..if measured { 7 } else { 6 }], 2);
    for total in totals {
        let mut row = vec![
            total.form.to_owned(),
            total.formula.to_owned(),
            count(total.layers as u64),
            count(total.weights),
            short(total.macs as f64 / 1e6),
            short(total.ratio),
        ];
        if measured {
            row.push(maybe(total.time.map(|time| time.minimum * 1e3)));
        }
        table.add_row(row);
    }
    table.trim_fmt()
}
