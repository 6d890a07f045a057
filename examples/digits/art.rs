//! Grey images as text: two pixels to a character, one above the other.

use std::fmt::Write as _;

/// A grey image, row-major, 255 the brightest.
#[derive(Clone, Copy)]
pub(crate) struct Grey<'a> {
    pub(crate) width: usize,
    pub(crate) pixels: &'a [u8],
}

/// How to draw.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// 24 shades of grey, by the escape sequences of terminals.
    Shades,
    /// Characters alone: a pixel is there or not.
    Plain,
}

/// Images side by side, each above its caption, without the margins that are empty.
pub(crate) fn row(images: &[(Grey<'_>, String)], style: Style) -> String {
    let blocks: Vec<Block> = images.iter().map(|(image, caption)| Block::new(*image, caption, style)).collect();
    let lines = blocks.iter().map(|block| block.lines.len()).max().unwrap_or(0);
    let mut text = String::new();
    for line in 0..lines {
        for (i, block) in blocks.iter().enumerate() {
            let (drawn, columns) = block.lines.get(line).map_or(("", 0), |line| (line, block.columns));
            text.push_str(if i > 0 { "   " } else { "" });
            text.push_str(drawn);
            text.extend(std::iter::repeat_n(' ', block.width - columns));
        }
        end_line(&mut text);
    }
    for (i, block) in blocks.iter().enumerate() {
        let _ = write!(text, "{}{:width$}", if i > 0 { "   " } else { "" }, block.caption, width = block.width);
    }
    end_line(&mut text);
    text
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// An image drawn.
struct Block<'a> {
    lines: Vec<String>,
    /// Characters that a line shows.
    columns: usize,
    caption: &'a str,
    /// Characters that the block takes: those of the lines or of the caption.
    width: usize,
}

impl<'a> Block<'a> {
    fn new(image: Grey<'_>, caption: &'a str, style: Style) -> Self {
        let height = image.pixels.len() / image.width;
        let pixel = |y: usize, x: usize| if y < height { image.pixels[y * image.width + x] } else { 0 };
        let inked = |x: &usize| (0..height).any(|y| pixel(y, *x) > 0);
        let first = (0..image.width).find(inked).unwrap_or(0);
        let last = (0..image.width).rfind(inked).unwrap_or(0);
        let lines = (0..height)
            .step_by(2)
            .map(|y| {
                let cells = (first..=last).map(|x| cell(pixel(y, x), pixel(y + 1, x), style));
                let reset = if style == Style::Shades { "\x1b[0m" } else { "" };
                cells.chain([reset.to_owned()]).collect()
            })
            .collect();
        let columns = last + 1 - first;
        Self { lines, columns, caption, width: columns.max(caption.chars().count()) }
    }
}

/// Two pixels in one character.
fn cell(upper: u8, lower: u8, style: Style) -> String {
    // The 24 shades of grey of xterm's 256 colours begin at 232.
    let shade = |pixel: u8| 232 + u32::from(pixel) * 24 / 256;
    match style {
        Style::Shades => format!("\x1b[38;5;{}m\x1b[48;5;{}m▀", shade(upper), shade(lower)),
        Style::Plain => match (upper > 127, lower > 127) {
            (false, false) => " ",
            (true, false) => "▀",
            (false, true) => "▄",
            (true, true) => "█",
        }
        .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_side_by_side() {
        let seven = [0, 255, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0];
        let one = [0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200, 0];
        let images = [
            (Grey { width: 4, pixels: &seven }, "seven".to_owned()),
            (Grey { width: 4, pixels: &one }, "1".to_owned()),
        ];
        assert_eq!(row(&images, Style::Plain), "▀█      █\n▀       ▀\nseven   1\n");
    }

    #[test]
    fn draws_shades() {
        let text = row(&[(Grey { width: 1, pixels: &[255, 1] }, String::new())], Style::Shades);
        assert_eq!(text, "\x1b[38;5;255m\x1b[48;5;232m▀\x1b[0m\n\n");
    }
}
