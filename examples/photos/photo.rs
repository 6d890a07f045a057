//! Photos as the network wants them: 224×224 pixels, (pixel − 127) / 128, N C H W.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use convoke::Tensor;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageReader, RgbImage};

use crate::resize::{Window, resize};

/// The side of the network's image.
const SIDE: u32 = 224;
/// The shorter side of a photo before its centre is cut out.
const SHORT: u32 = 256;

/// The jpg and png files of a folder, in the order of their names.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_photo = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        ["jpg", "jpeg", "png"].iter().any(|known| known.eq_ignore_ascii_case(extension)) && !path.is_dir()
    };
    let paths: Vec<PathBuf> = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    let mut photos: Vec<PathBuf> = paths.into_iter().filter(is_photo).collect();
    photos.sort();
    Ok(photos)
}

/// Reads a photo, whatever its size, and makes it the network's input.
pub(crate) fn read(path: &Path) -> Result<Tensor, ImageError> {
    Ok(tensor(&crop(&decode(path)?)))
}

/// The pixels of a file, turned as its camera was held. The content says what the format is, not the file's name.
fn decode(path: &Path) -> Result<RgbImage, ImageError> {
    let reader = ImageReader::new(BufReader::new(File::open(path)?)).with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

/// The image itself where it is 224×224; else its short side resized to 256 and the 224×224 in the middle cut out.
fn crop(image: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    if (width, height) == (SIDE, SIDE) {
        return image.clone();
    }
    let short = u64::from(width.min(height));
    let window = |side: u32| {
        let full = u64::from(SHORT) * u64::from(side) / short;
        // Beyond four thousand million pixels, only for images thinner than a hair, the middle is where it is.
        let full = u32::try_from(full).unwrap_or(u32::MAX);
        Window { full, start: (full - SIDE) / 2, length: SIDE }
    };
    resize(image, window(width), window(height))
}

fn tensor(image: &RgbImage) -> Tensor {
    let side = SIDE as usize;
    let mut tensor = Tensor::zeros(&[1, 3, side, side]);
    for (channel, plane) in tensor.data_mut().chunks_exact_mut(side * side).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(image.pixels()) {
            *value = (f32::from(pixel.0[channel]) - 127.0) / 128.0;
        }
    }
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_becomes_224() {
        for (width, height) in [(224, 224), (224, 225), (1, 1), (1, 3000), (640, 480), (31, 17)] {
            let image = RgbImage::from_pixel(width, height, image::Rgb([127, 255, 63]));
            let tensor = tensor(&crop(&image));
            assert_eq!(tensor.shape(), [1, 3, 224, 224], "{width}×{height}");
            let plane = 224 * 224;
            assert_eq!([0, plane, 2 * plane].map(|i| tensor.data()[i]), [0.0, 1.0, -0.5], "{width}×{height}");
        }
    }

    #[test]
    fn the_middle_is_kept() {
        // 512×256 becomes 512×256, of which columns 144..368 and rows 16..240 are kept.
        let image = RgbImage::from_fn(512, 256, |x, y| image::Rgb([(x / 2) as u8, y as u8, 0]));
        assert_eq!(crop(&image), image::imageops::crop_imm(&image, 144, 16, 224, 224).to_image());
    }

    #[test]
    fn what_is_no_image_is_an_error() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(matches!(read(Path::new(manifest)), Err(ImageError::Unsupported(_))));
        assert!(matches!(read(Path::new("no/such/photo.png")), Err(ImageError::IoError(_))));
    }
}
