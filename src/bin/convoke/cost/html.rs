//! The report as a page of its own: no scripts, nothing from elsewhere.

use std::error::Error;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::format::{NONE, count, maybe, shape, short};
use super::plots;
use super::report::{FormTotal, LayerRow, Machine, Network, Numbers, Report};
use super::text::describe;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn page(report: &Report) -> Result<String, Box<dyn Error>> {
    let Report { network, machine, factorized, .. } = report;
    let machine = machine.as_ref();
    let title = format!("{}: what it costs", network.name);
    let factorized = match factorized {
        Some(to) => {
            let kept = to.outcomes.iter().filter_map(|outcome| Some((&outcome.layer, outcome.kept.as_ref()?)));
            let kept: Vec<_> = kept.collect();
            html! {
                h2 { "With " (to.kind.replace('_', " ")) " convolutions" }
                (totals(&to.network.total, Some(&network.total)))
                (section_of_layers(&to.network, machine)?)
                @if !kept.is_empty() {
                    details {
                        summary { (kept.len()) " convolutions stay as they are" }
                        ul { @for (layer, reason) in kept { li { code { (layer) } ": " (reason) } } }
                    }
                }
            }
        }
        None => html! {},
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (network.name) }
                    p.lead { "What it costs" @if let Some(machine) = machine { " on one core" (of(machine)) } }
                }
                main {
                    (totals(&network.total, None))
                    h2 { "Layers" }
                    (section_of_layers(network, machine)?)
                    (section_of_forms(report)?)
                    (factorized)
                    (definitions())
                }
                footer { "convoke " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    Ok(page.into_string())
}

fn of(machine: &Machine) -> String {
    let [peak, memory, cache] =
        [machine.peak, machine.memory_bandwidth, machine.cache_bandwidth].map(|value| short(value / 1e9));
    format!(": {}, {peak} GFLOP/s, {memory} GB/s from memory, {cache} GB/s from L2", machine.isa)
}

/// Tiles of the totals, with the factors by which they are less than `before`.
fn totals(total: &Numbers, before: Option<&Numbers>) -> Markup {
    let factor = |now: f64, before: Option<f64>| before.map(|before| before / now).filter(|factor| factor.is_finite());
    let least = |numbers: &Numbers| numbers.time.map(|time| time.minimum);
    let tile = |name: &str, value: String, unit: &str, less: Option<f64>| {
        html! {
            div.tile {
                dt { (name) }
                dd { (value) " " span.unit { (unit) } @if let Some(less) = less { " " span.less { (short(less)) "× less" } } }
            }
        }
    };
    let [parameters, macs, bytes] =
        [|n: &Numbers| n.parameters as f64, |n: &Numbers| n.macs as f64, |n: &Numbers| n.bytes as f64]
            .map(|of| factor(of(total), before.map(of)));
    html! {
        dl.tiles {
            (tile("Parameters", count(total.parameters), "", parameters))
            (tile("Multiply-accumulates", count(total.macs), "", macs))
            (tile("Arithmetic", short(total.flops as f64 / 1e9), "GFLOP", None))
            (tile("Bytes moved", short(total.bytes as f64 / 1e6), "MB", bytes))
            (tile("Intensity", maybe(total.intensity), "FLOP/byte", None))
            @if let (Some(time), Some(speed)) = (least(total), total.speed()) {
                (tile("Time", short(time * 1e3), &format!("ms, {} GFLOP/s", short(speed / 1e9)), factor(time, before.and_then(least))))
            }
        }
    }
}

fn section_of_layers(network: &Network, machine: Option<&Machine>) -> Result<Markup, Box<dyn Error>> {
    let roofline = machine.map(|machine| plots::roofline(&network.layers, machine)).transpose()?.flatten();
    let has = |kind: &str| network.layers.iter().any(|layer| plots::shown_kind(layer.kind) == kind);
    let kinds: Vec<_> = plots::kinds().filter(|kind| has(kind)).collect();
    let legend =
        html! { ul.legend { @for kind in &kinds { li { i style=(format!("background:var(--{kind})")) {} (kind) } } } };
    Ok(html! {
        section {
            figure {
                figcaption { (if machine.is_some() { "Time" } else { "Multiply-accumulates" }) " of each layer" (legend) }
                (PreEscaped(plots::layers(&network.layers)?))
            }
            @if let Some(roofline) = roofline {
                figure {
                    figcaption {
                        "Roofline: how near each layer comes to what the core can do" (legend)
                        p {
                            "Left of the ridge memory limits, right of it arithmetic. Tensors that a cache still holds "
                            "let a layer exceed the roof of memory."
                        }
                    }
                    (PreEscaped(roofline))
                }
            }
            (table_of_layers(network, machine))
        }
    })
}

fn table_of_layers(network: &Network, machine: Option<&Machine>) -> Markup {
    let least = |layer: &LayerRow| layer.numbers.time.map_or(0.0, |time| time.minimum);
    let longest = network.layers.iter().map(least).fold(0.0, f64::max);
    let numbers = |numbers: &Numbers, share: Option<f64>| {
        let speed = numbers.speed();
        html! {
            td { (count(numbers.parameters)) }
            td { (short(numbers.macs as f64 / 1e6)) }
            td { (short(numbers.flops as f64 / 1e6)) }
            td { (short(numbers.bytes as f64 / 1e6)) }
            td { (maybe(numbers.intensity)) }
            @if let Some(machine) = machine {
                td.bar[share.is_some()] style=[share.map(|share| format!("--share:{:.1}%", 100.0 * share))] {
                    (maybe(numbers.time.map(|time| time.minimum * 1e6)))
                }
                td { (maybe(speed.map(|speed| speed / 1e9))) }
                td { (maybe(speed.map(|speed| 100.0 * speed / machine.peak))) }
            }
        }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of layers" {
            table {
                thead {
                    tr {
                        th scope="col" { "Layer" }
                        th scope="col" { "Kind" }
                        th scope="col" { "Output" }
                        @for column in ["Parameters", "MMAC", "MFLOP", "MB", "FLOP/byte"] { th.number scope="col" { (column) } }
                        @if machine.is_some() {
                            @for column in ["µs", "GFLOP/s", "% of peak"] { th.number scope="col" { (column) } }
                        }
                    }
                }
                tbody {
                    @for layer in &network.layers {
                        tr {
                            th scope="row" title=[(!layer.fused.is_empty()).then(|| format!("with {}", layer.fused.join(", ")))] { (layer.name) }
                            td.text { i style=(format!("background:var(--{})", plots::shown_kind(layer.kind))) {} (layer.kind) }
                            td.text { (shape(&layer.output)) }
                            (numbers(&layer.numbers, Some(least(layer) / longest)))
                        }
                    }
                    @if let Some(time) = network.layout_time {
                        tr {
                            th scope="row" { "Layouts and halos" }
                            td.text {} td.text {}
                            @for _ in 0..5 { td {} }
                            td.bar style=(format!("--share:{:.1}%", 100.0 * time.minimum / longest)) { (short(time.minimum * 1e6)) }
                            td {} td {}
                        }
                    }
                }
                tfoot {
                    tr { th scope="row" { "Total" } td.text {} td.text {} (numbers(&network.total, None)) }
                }
            }
        }
    }
}

fn section_of_forms(report: &Report) -> Result<Markup, Box<dyn Error>> {
    if report.convolutions.is_empty() {
        return Ok(html! {
            section {
                h2 { "Convolutions in other forms" }
                p { "No convolution has windows of more than one pixel and channel: all are factorised." }
            }
        });
    }
    let measured = report.machine.is_some();
    Ok(html! {
        section {
            h2 { "Convolutions in other forms" }
            figure {
                figcaption {
                    "All convolutions in each form"
                    ul.legend {
                        @for (measure, color) in plots::MEASURES.iter().take(if measured { 3 } else { 2 }) {
                            li { i style=(format!("background:var(--{color})")) {} (measure) }
                        }
                    }
                }
                (PreEscaped(plots::forms(&report.forms)?))
            }
            (table_of_totals(&report.forms, measured))
            (table_of_forms(report))
            p.note {
                @match &report.weights {
                    Some(file) => { "Error: ‖W − W′‖ / ‖W‖ of the nearest weight of the form to " code { (file) } "." }
                    None => { "Errors are not available: the weights are fresh. Trained ones are given with " code { "--weights FILE" } "." }
                }
            }
        }
    })
}

fn table_of_totals(totals: &[FormTotal], measured: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of forms" {
            table {
                thead {
                    tr {
                        th scope="col" { "Form" }
                        th scope="col" { "Weights of one" }
                        @for column in ["Layers", "Weights", "MMAC", "Ratio"] { th.number scope="col" { (column) } }
                        @if measured { th.number scope="col" { "ms" } }
                    }
                }
                tbody {
                    @for total in totals {
                        tr {
                            th scope="row" { (total.form.replace('_', " ")) }
                            td.text { (total.formula) }
                            td { (total.layers) }
                            td { (count(total.weights)) }
                            td { (short(total.macs as f64 / 1e6)) }
                            td { (short(total.ratio)) "×" }
                            @if measured { td { (maybe(total.time.map(|time| time.minimum * 1e3))) } }
                        }
                    }
                }
            }
        }
    }
}

fn table_of_forms(report: &Report) -> Markup {
    let (measured, trained) = (report.machine.is_some(), report.weights.is_some());
    let columns = 3 + usize::from(trained) + usize::from(measured);
    let times = report.convolutions.iter().flat_map(|convolution| &convolution.forms);
    let longest = times.filter_map(|form| form.time).map(|time| time.minimum).fold(0.0, f64::max);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of convolutions and forms" {
            table.groups {
                thead {
                    tr {
                        th scope="col" { "Convolution" }
                        th scope="col" { "C→H" }
                        th scope="col" { "Window" }
                        th scope="col" { "Result" }
                        th scope="col" { "Form" }
                        @for column in ["Weights", "MMAC", "Ratio"] { th.number scope="col" { (column) } }
                        @if trained { th.number scope="col" { "Error" } }
                        @if measured { th.number scope="col" { "µs" } }
                    }
                }
                @for convolution in &report.convolutions {
                    @let [name, channels, window, result] = describe(convolution);
                    @let rows = convolution.forms.len();
                    tbody {
                        @for (index, form) in convolution.forms.iter().enumerate() {
                            tr {
                                @if index == 0 {
                                    th scope="rowgroup" rowspan=(rows) {
                                        (name)
                                        @if convolution.layers.len() > 1 {
                                            span.alike title=(convolution.layers.join(", ")) {
                                                "and " (convolution.layers.len() - 1) " alike"
                                            }
                                        }
                                    }
                                    @for cell in [channels.as_str(), window.as_str(), result.as_str()] {
                                        td.text rowspan=(rows) { (cell) }
                                    }
                                }
                                td.text { (form.form.replace('_', " ")) }
                                @if let Some(reason) = &form.not_available {
                                    td.text.reason colspan=(columns) { (NONE) " " (reason) }
                                } @else {
                                td { (form.weights.map_or_else(|| NONE.to_owned(), count)) }
                                td { (maybe(form.macs.map(|macs| macs as f64 / 1e6))) }
                                td { (maybe(form.ratio)) @if form.ratio.is_some() { "×" } }
                                @if trained { td { (maybe(form.error)) } }
                                @if measured {
                                    td.bar style=[form.time.map(|t| format!("--share:{:.1}%", 100.0 * t.minimum / longest))] {
                                        (maybe(form.time.map(|time| time.minimum * 1e6)))
                                    }
                                }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn definitions() -> Markup {
    html! {
        section {
            h2 { "What the numbers mean" }
            dl.definitions {
                dt { "MAC, FLOP" }
                dd { "A multiply-accumulate of a convolution or linear layer; 1 MAC = 2 FLOP. No other arithmetic counts." }
                dt { "Parameters" }
                dd { "Trained numbers: all but the running statistics of batch normalisation." }
                dt { "Bytes moved" }
                dd { "Compulsory traffic: each operand read once, each result written once, as float32." }
                dt { "Time" }
                dd { "The least of several runs as machine code on one core. A layer's is that within the whole network; a form's that of the convolution alone, in the layout that it asks for." }
                dt { "Ratio" }
                dd { "MACs of the normal convolution over those of the form." }
            }
        }
    }
}
