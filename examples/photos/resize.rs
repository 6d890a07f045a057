//! Antialiased bicubic resampling (Keys 1981, a = −1/2), as PIL and torchvision do it, of the part that is kept.

use image::RgbImage;

/// The part of a resized image that is kept: `length` pixels from `start` on, of `full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) full: u32,
    pub(crate) start: u32,
    pub(crate) length: u32,
}

/// Resizes `image` to `horizontal.full` × `vertical.full` pixels and cuts the two windows out; the rest is not computed.
pub(crate) fn resize(image: &RgbImage, horizontal: Window, vertical: Window) -> RgbImage {
    let columns = Filter::all(image.width(), horizontal);
    let rows = Filter::all(image.height(), vertical);
    let first = rows.iter().map(|row| row.first).min().unwrap_or(0);
    let last = rows.iter().map(|row| row.first + row.weights.len()).max().unwrap_or(0);
    let stride = 3 * image.width() as usize;
    let narrow: Vec<[f32; 3]> = image.as_raw()[first * stride..last * stride]
        .chunks_exact(stride)
        .flat_map(|line| {
            let pixel = |x: usize| [0, 1, 2].map(|channel| f32::from(line[3 * x + channel]));
            columns.iter().map(move |column| column.apply(pixel))
        })
        .collect();
    let width = horizontal.length;
    RgbImage::from_fn(width, vertical.length, |x, y| {
        let row = &rows[y as usize];
        let pixel = row.apply(|y| narrow[(y - first) * width as usize + x as usize]);
        // Casts of floats saturate: overshoots of the cubic end at 0 and 255.
        image::Rgb(pixel.map(|value| value.round() as u8))
    })
}

/// The weights of one pixel of the result.
struct Filter {
    /// The first pixel of the source.
    first: usize,
    /// Of the pixels from there on; their sum is 1.
    weights: Vec<f32>,
}

impl Filter {
    /// The filters of a window of a line that has `source` pixels.
    fn all(source: u32, window: Window) -> Vec<Self> {
        let scale = f64::from(source) / f64::from(window.full);
        // Where the image shrinks, the cubic becomes as wide as the pixels of the result: that is the antialiasing.
        let stretch = scale.max(1.0);
        (window.start..window.start + window.length)
            .map(|x| {
                let centre = (f64::from(x) + 0.5) * scale;
                let reach = 2.0 * stretch;
                let first = (centre - reach + 0.5).floor().max(0.0) as usize;
                let last = ((centre + reach + 0.5).floor() as usize).min(source as usize);
                let weight = |x: usize| cubic((x as f64 + 0.5 - centre) / stretch);
                let sum: f64 = (first..last).map(weight).sum();
                Self { first, weights: (first..last).map(|x| (weight(x) / sum) as f32).collect() }
            })
            .collect()
    }

    fn apply(&self, pixel: impl Fn(usize) -> [f32; 3]) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for (x, weight) in (self.first..).zip(&self.weights) {
            for (sum, value) in sum.iter_mut().zip(pixel(x)) {
                *sum += weight * value;
            }
        }
        sum
    }
}

/// The cubic convolution kernel (Keys: Cubic Convolution Interpolation for Digital Image Processing, 1981, equation 15).
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(length: u32) -> Window {
        Window { full: length, start: 0, length }
    }

    fn test_image(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 7 + y) as u8, (x ^ y) as u8, (x * y) as u8]))
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let image = test_image(17, 9);
        assert_eq!(resize(&image, whole(17), whole(9)), image);
    }

    #[test]
    fn a_window_is_a_part_of_the_whole() {
        let image = test_image(50, 40);
        let full = resize(&image, whole(30), whole(64));
        let part =
            resize(&image, Window { full: 30, start: 4, length: 20 }, Window { full: 64, start: 31, length: 10 });
        assert_eq!(part, image::imageops::crop_imm(&full, 4, 31, 20, 10).to_image());
    }

    #[test]
    fn constants_stay() {
        let image = RgbImage::from_pixel(3, 1000, image::Rgb([9, 0, 255]));
        let resized = resize(&image, whole(11), whole(7));
        assert!(resized.pixels().all(|pixel| pixel.0 == [9, 0, 255]));
    }

    /// What PIL 13 computes for this line: `Image.resize((n, 1), Image.BICUBIC)`.
    #[test]
    fn agrees_with_pil() {
        let line: [u8; 8] = [10, 200, 30, 40, 250, 0, 90, 120];
        let image = RgbImage::from_fn(8, 1, |x, _| image::Rgb([line[x as usize]; 3]));
        let table: [(u32, &[u8]); 3] = [
            (3, &[87, 104, 89]),
            (5, &[90, 72, 139, 67, 106]),
            (12, &[0, 109, 190, 52, 11, 69, 239, 133, 0, 75, 111, 122]),
        ];
        for (width, expected) in table {
            let resized: Vec<u8> = resize(&image, whole(width), whole(1)).pixels().map(|pixel| pixel.0[0]).collect();
            assert_eq!(resized, expected, "{width}");
        }
    }
}
