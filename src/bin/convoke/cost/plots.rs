//! The plots of the page: SVG whose colours are the page's, so that they follow its light or dark scheme.

use std::error::Error;
use std::fmt::Display;

use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::format::{count, short};
use super::report::{FormTotal, LayerRow, Machine};

/// An SVG element.
type Plot = Result<String, Box<dyn Error>>;

/// Width of every plot, in its own units; the page scales it.
const WIDTH: u32 = 960;

/// A colour that the page defines. Plots are drawn in a code for it, which then becomes the variable's name.
struct Variable {
    code: RGBColor,
    name: &'static str,
}

const fn variable(code: u8, name: &'static str) -> Variable {
    Variable { code: RGBColor(1, 2, code), name }
}

const INK: Variable = variable(0, "--ink");
const MUTED: Variable = variable(1, "--muted");
const RULE: Variable = variable(2, "--rule");

/// The kinds of layers that have a colour, and all others.
const KINDS: [(&str, Variable); 6] = [
    ("conv", variable(3, "--conv")),
    ("pointwise", variable(4, "--pointwise")),
    ("depthwise", variable(5, "--depthwise")),
    ("grouped", variable(6, "--grouped")),
    ("linear", variable(7, "--linear")),
    ("other", variable(8, "--other")),
];

/// The kinds under which layers are shown.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, _)| *kind)
}

/// The kind under which a layer is shown.
pub(crate) fn shown_kind(kind: &str) -> &'static str {
    kinds().find(|known| *known == kind).unwrap_or("other")
}

fn color_of(kind: &str) -> RGBColor {
    KINDS.iter().find(|(known, _)| *known == kind).map_or(MUTED.code, |(_, variable)| variable.code)
}

/// FLOP per second of each layer over its arithmetic intensity, under the roofs of one core. `None` where no layer was
/// measured.
pub(crate) fn roofline(layers: &[LayerRow], machine: &Machine) -> Result<Option<String>, Box<dyn Error>> {
    let points = layers.iter().filter_map(|layer| {
        let (intensity, speed) = (layer.numbers.intensity?, layer.numbers.speed()?);
        (intensity > 0.0).then_some((intensity, speed / 1e9, shown_kind(layer.kind), layer))
    });
    let points: Vec<_> = points.collect();
    if points.is_empty() {
        return Ok(None);
    }
    let [peak, memory, cache] =
        [machine.peak, machine.memory_bandwidth, machine.cache_bandwidth].map(|roof| roof / 1e9);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = range(&mut points.iter().map(|point| point.0).chain([peak / memory, peak / cache]));
    let (bottom, _) = range(&mut points.iter().map(|point| point.1).chain([peak / 10.0]));
    let (left, right, bottom, top) = (left / 1.6, right * 1.6, bottom / 1.6, peak * 1.7);
    let svg = draw(420, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d((left..right).log_scale(), (bottom..top).log_scale())?;
        style(&mut chart.configure_mesh()).x_desc("arithmetic intensity, FLOP per byte").y_desc("GFLOP/s").draw()?;
        for (bandwidth, name, width) in [(memory, "memory", 2), (cache, "L2", 1)] {
            let ridge = peak / bandwidth;
            let start = left.max(bottom / bandwidth);
            let roof = [(start, start * bandwidth), (ridge, peak)];
            chart.draw_series([PathElement::new(roof, INK.code.stroke_width(width))])?;
            if bandwidth > memory {
                let shelf = [(ridge, peak), (peak / memory, peak)];
                chart.draw_series([PathElement::new(shelf, INK.code.stroke_width(width))])?;
            }
            let label = format!("{name} {} GB/s", short(bandwidth));
            // Above the middle of the slope, as it appears.
            let at = (start * ridge).sqrt();
            let anchored = text(13, &INK).pos(Pos::new(HPos::Right, VPos::Bottom));
            chart.draw_series([EmptyElement::at((at, at * bandwidth)) + Text::new(label, (-6, -4), anchored)])?;
        }
        chart.draw_series([PathElement::new([(peak / memory, peak), (right, peak)], INK.code.stroke_width(2))])?;
        let anchored = text(13, &INK).pos(Pos::new(HPos::Right, VPos::Bottom));
        let label = format!("{} peak {} GFLOP/s", machine.isa, short(peak));
        chart.draw_series([EmptyElement::at((right, peak)) + Text::new(label, (-6, -6), anchored)])?;
        let circle = |&(x, y, kind, _): &(f64, f64, &str, _)| Circle::new((x, y), 5, color_of(kind).mix(0.8).filled());
        chart.draw_series(points.iter().map(circle))?;
        Ok(())
    })?;
    let titles = points.iter().map(|(intensity, speed, _, layer)| {
        let percent = short(100.0 * speed / peak);
        format!("{}: {} FLOP/byte, {} GFLOP/s, {percent} % of peak", layer.name, short(*intensity), short(*speed))
    });
    let title = "Roofline: speed of each layer over its arithmetic intensity";
    Ok(Some(finish(&svg, title, "circle", titles)))
}

/// A bar for each layer, as high as its time; as its MACs where there are no times.
pub(crate) fn layers(layers: &[LayerRow]) -> Plot {
    let measured = layers.iter().any(|layer| layer.numbers.time.is_some());
    let height = |layer: &LayerRow| match layer.numbers.time {
        Some(time) => time.minimum * 1e6,
        None => layer.numbers.macs as f64 / 1e6,
    };
    let unit = if measured { "µs" } else { "MMAC" };
    let top = layers.iter().map(height).fold(0.0, f64::max).max(1e-3) * 1.05;
    let width = layers.len().max(1) as f64;
    let svg = draw(300, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..width, 0.0..top)?;
        let mut mesh = chart.configure_mesh();
        style(&mut mesh).disable_x_mesh().x_labels(0).x_desc("layers, first to last").y_desc(unit).draw()?;
        chart.draw_series((0..).zip(layers).map(|(index, layer): (u32, _)| {
            let left = f64::from(index);
            let corners = [(left + 0.1, 0.0), (left + 0.9, height(layer))];
            Rectangle::new(corners, color_of(shown_kind(layer.kind)).filled())
        }))?;
        Ok(())
    })?;
    let titles = layers.iter().map(|layer| format!("{} ({}): {} {unit}", layer.name, layer.kind, short(height(layer))));
    let title = format!("{} of each layer", if measured { "Time" } else { "Multiply-accumulates" });
    Ok(finish(&svg, title, "rect", titles))
}

/// What the bars of [`forms`] stand for, with the colour of each.
pub(crate) const MEASURES: [(&str, &str); 3] = [("weights", "conv"), ("MAC", "pointwise"), ("time", "depthwise")];

/// Weights, MACs and time of all convolutions in each form, in per cent of the normal ones.
pub(crate) fn forms(totals: &[FormTotal]) -> Plot {
    let Some(normal) = totals.first() else { return Err("there are no forms".into()) };
    let percent = |value: Option<f64>, of: Option<f64>| value.zip(of).map(|(value, of)| 100.0 * value / of);
    let values = |total: &FormTotal| {
        let least = |total: &FormTotal| total.time.map(|time| time.minimum);
        [
            percent(Some(total.weights as f64), Some(normal.weights as f64)),
            percent(Some(total.macs as f64), Some(normal.macs as f64)),
            percent(least(total), least(normal)),
        ]
    };
    let mut bars = Vec::new();
    for (row, total) in (0_u32..).zip(totals) {
        for (place, (value, measure)) in (0_u32..).zip(values(total).into_iter().zip(MEASURES)) {
            bars.extend(value.map(|value| (f64::from(row) + 0.14 + 0.24 * f64::from(place), value, measure, total)));
        }
    }
    let right = bars.iter().map(|bar| bar.1).fold(100.0, f64::max) * 1.12;
    let rows = totals.len() as f64;
    let svg = draw(60 + 58 * u32::try_from(totals.len())?, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .x_label_area_size(44)
            .y_label_area_size(150)
            .build_cartesian_2d(0.0..right, rows..0.0)?;
        let mut mesh = chart.configure_mesh();
        style(&mut mesh).disable_y_mesh().y_labels(0).x_desc("per cent of the normal convolutions").draw()?;
        let rectangle = |&(y, value, (_, color), _): &(f64, f64, (&str, &str), _)| {
            Rectangle::new([(0.0, y), (value, y + 0.22)], color_of(color).filled())
        };
        chart.draw_series(bars.iter().map(rectangle))?;
        let label = |&(y, value, ..): &(f64, f64, _, _)| {
            let anchored = text(12, &INK).pos(Pos::new(HPos::Left, VPos::Center));
            EmptyElement::at((value, y + 0.11)) + Text::new(short(value), (5, 0), anchored)
        };
        chart.draw_series(bars.iter().map(label))?;
        let name = |(row, total): (u32, &FormTotal)| {
            let anchored = text(14, &INK).pos(Pos::new(HPos::Right, VPos::Center));
            EmptyElement::at((0.0, f64::from(row) + 0.5)) + Text::new(total.form.replace('_', " "), (-10, 0), anchored)
        };
        chart.draw_series((0..).zip(totals).map(name))?;
        Ok(())
    })?;
    let titles =
        bars.iter().map(|(_, value, (measure, _), total)| format!("{}: {} % {measure}", total.form, short(*value)));
    Ok(finish(&svg, "Weights, multiply-accumulates and time in each form", "rect", titles))
}

/// Axes, grid and labels as all plots have them.
fn style<'m, 'a, 'b, X, Y, D>(mesh: &'m mut MeshStyle<'a, 'b, X, Y, D>) -> &'m mut MeshStyle<'a, 'b, X, Y, D>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
    D: DrawingBackend,
{
    mesh.x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .axis_style(MUTED.code)
        .bold_line_style(RULE.code)
        .light_line_style(TRANSPARENT)
        .label_style(text(13, &MUTED))
        .axis_desc_style(text(14, &INK))
}

/// The label of a tick: whole numbers without decimals.
fn tick(value: &f64) -> String {
    if value.fract().abs() < 1e-9 { count(value.round() as u64) } else { short(*value) }
}

fn text(size: u32, color: &Variable) -> TextStyle<'_> {
    TextStyle::from(("sans-serif", size).into_font()).color(&color.code)
}

/// An SVG of this height.
fn draw(height: u32, content: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>>) -> Plot {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
    content(&root)?;
    root.present().map_err(|error| error.to_string())?;
    drop(root);
    Ok(svg)
}

/// The SVG as an element of the page: colours become variables, its size the page's, and each `mark` (`circle`,
/// `rect`), in the order in which they were drawn, gets a title that shows under the pointer and is read aloud.
fn finish(svg: &str, title: impl Display, mark: &str, titles: impl Iterator<Item = String>) -> String {
    let mut titles = titles;
    let mut finished = String::with_capacity(2 * svg.len());
    let (opening, closing) = (format!("<{mark} "), format!("</{mark}>"));
    for line in svg.lines() {
        if let Some(attributes) = line.strip_prefix("<svg ") {
            let view = attributes.find("viewBox").map_or(attributes, |at| &attributes[at..]);
            let title = escape(&title.to_string());
            finished.push_str(&format!("<svg role=\"img\" aria-label=\"{title}\" {view}\n<title>{title}</title>"));
        } else if let (true, Some(element), Some(title)) = (
            line.starts_with(&opening),
            line.strip_suffix("/>"),
            if line.starts_with(&opening) { titles.next() } else { None },
        ) {
            finished.push_str(&format!("{element}><title>{}</title>{closing}", escape(&title)));
        } else {
            finished.push_str(line);
        }
        finished.push('\n');
    }
    let variables = [&INK, &MUTED, &RULE].into_iter().chain(KINDS.iter().map(|(_, variable)| variable));
    for Variable { code: RGBColor(r, g, b), name } in variables {
        finished = finished.replace(&format!("#{r:02X}{g:02X}{b:02X}"), &format!("var({name})"));
    }
    finished
}

/// The text with XML's own characters as entities.
fn escape(text: &str) -> String {
    maud::html! { (text) }.into_string()
}
