//! Curves in a picture, PNG.

use std::error::Error;
use std::path::Path;

use font8x8::{BASIC_FONTS, UnicodeFonts as _};
use image::{Rgb, RgbImage};
use plotters::prelude::*;

/// Pixels of the picture, and of the margin that labels take.
const SIZE: (u32, u32) = (960, 540);
const MARGIN: i32 = 72;
/// Pixels of a character.
const CHARACTER: i32 = 8;

/// The colours of curves: of Okabe and Ito's palette, which everybody can tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// A curve.
#[derive(Debug)]
pub(crate) struct Curve {
    /// What it shows; ASCII.
    pub(crate) name: String,
    /// x and y.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws curves over x to `path`, y by its logarithm. What is not above 0 is left out.
pub(crate) fn draw(path: &Path, title: &str, x: &str, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let visible = |curve: &Curve| -> Vec<(f64, f64)> {
        curve.points.iter().filter(|(_, y)| *y > 0.0 && y.is_finite()).map(|(x, y)| (*x, y.log10())).collect()
    };
    let curves: Vec<(&str, Vec<(f64, f64)>)> = curves.iter().map(|curve| (&*curve.name, visible(curve))).collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = all().map(of).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low < high { low..high } else { low.min(0.0) - 1.0..low.max(0.0) + 1.0 }
    };
    let mut pixels = vec![255; (3 * SIZE.0 * SIZE.1) as usize];
    let mut labels: Vec<(i32, i32, String, RGBColor)> = vec![
        (MARGIN, MARGIN / 3, title.to_owned(), BLACK),
        (SIZE.0 as i32 / 2 - x.len() as i32 * CHARACTER / 2, SIZE.1 as i32 - MARGIN / 3, x.to_owned(), BLACK),
    ];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area).margin(MARGIN).build_cartesian_2d(range(|p| p.0), range(|p| p.1))?;
        let (across, up) = (chart.x_range(), chart.y_range());
        let mut rule = |from: (f64, f64), to: (f64, f64)| {
            chart.draw_series([PathElement::new([from, to], RGBColor(220, 220, 220))]).map(|_| ())
        };
        for x in ticks(across.start, across.end) {
            rule((x, up.start), (x, up.end))?;
        }
        for y in ticks(up.start, up.end) {
            rule((across.start, y), (across.end, y))?;
        }
        for x in ticks(across.start, across.end) {
            let (column, row) = chart.backend_coord(&(x, up.start));
            labels.push((column - CHARACTER, row + CHARACTER, short(x), BLACK));
        }
        for y in ticks(up.start, up.end) {
            let (column, row) = chart.backend_coord(&(across.start, y));
            labels.push((column - 60, row - CHARACTER / 2, format!("{:.1e}", 10_f64.powf(y)), BLACK));
        }
        for (index, (name, points)) in curves.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            // Piece by piece: the corners of a wide path would be as long as its angles are sharp.
            let piece =
                |ends: &[(f64, f64)]| PathElement::new(ends.to_vec(), colour.stroke_width(1 + index.min(1) as u32));
            chart.draw_series(points.windows(2).map(piece))?;
            let row = MARGIN + 4 + 14 * index as i32;
            labels.push((SIZE.0 as i32 - MARGIN - 8 - name.len() as i32 * CHARACTER, row, (*name).to_owned(), colour));
        }
        area.present()?;
    }
    let mut picture = RgbImage::from_raw(SIZE.0, SIZE.1, pixels).ok_or("the picture has another size")?;
    for (column, row, text, colour) in labels {
        write(&mut picture, column, row, &text, colour);
    }
    Ok(picture.save(path)?)
}

/// Whole multiples of 1, 2 or 5 times a power of ten, about five of them, between two numbers.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= raw).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    (first..).map(|tick| tick as f64 * step).take_while(|tick| *tick <= high).take(12).collect()
}

/// A number without needless digits.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes ASCII at a place, eight pixels a character.
fn write(picture: &mut RgbImage, column: i32, row: i32, text: &str, colour: RGBColor) {
    for (place, character) in (0..).zip(text.chars()) {
        let Some(rows) = BASIC_FONTS.get(character) else { continue };
        for (down, bits) in (0..).zip(rows) {
            for right in (0..CHARACTER).filter(|right| bits >> right & 1 == 1) {
                let at = (column + place * CHARACTER + right, row + down);
                if let (Ok(x), Ok(y)) = (u32::try_from(at.0), u32::try_from(at.1))
                    && x < picture.width()
                    && y < picture.height()
                {
                    picture.put_pixel(x, y, Rgb([colour.0, colour.1, colour.2]));
                }
            }
        }
    }
}
