//! Pictures as inputs of networks.

use std::error::Error;
use std::path::Path;

use convoke::Tensor;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageReader};

/// Mean and standard deviation of ImageNet's pixels, red, green and blue, as torchvision's networks are trained with.
const IMAGENET: ([f32; 3], [f32; 3]) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);

/// The picture in a file as a tensor of `shape`, which is to be 1 C H W with C 1 (grey) or 3: turned as its camera was
/// held, scaled to cover H W, the middle cut out; `(pixel − mean) / scale`, each one number or one for each channel.
pub(crate) fn read(path: &Path, shape: &[usize], mean: &[f32], scale: &[f32]) -> Result<Tensor, Box<dyn Error>> {
    let &[1, channels @ (1 | 3), height, width] = shape else {
        return Err(format!("--image: expected an input of shape [1, 1 or 3, H, W], the network's is {shape:?}").into());
    };
    let default = if channels == 1 { (&[0.0][..], &[255.0][..]) } else { (&IMAGENET.0[..], &IMAGENET.1[..]) };
    let constants = |name: &str, given: &[f32], default: &[f32]| match if given.is_empty() { default } else { given } {
        [one] => Ok(vec![*one; channels]),
        all if all.len() == channels => Ok(all.to_vec()),
        all => Err(format!("--{name}: expected 1 or {channels} numbers, found {}", all.len())),
    };
    let (mean, scale) = (constants("mean", mean, default.0)?, constants("scale", scale, default.1)?);
    let image = decode(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let image = image.resize_to_fill(u32::try_from(width)?, u32::try_from(height)?, FilterType::CatmullRom);
    let pixels = if channels == 1 { image.into_luma8().into_raw() } else { image.into_rgb8().into_raw() };
    let mut tensor = Tensor::zeros(shape);
    for (channel, plane) in tensor.data_mut().chunks_exact_mut(height * width).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(pixels.iter().skip(channel).step_by(channels)) {
            *value = (f32::from(*pixel) - mean[channel]) / scale[channel];
        }
    }
    Ok(tensor)
}

fn decode(path: &Path) -> Result<DynamicImage, Box<dyn Error>> {
    let mut decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_scaled_and_centred() {
        let path = std::env::temp_dir().join(format!("convoke-picture-{}.png", std::process::id()));
        // Black, red, black: the middle is kept.
        let image = image::RgbImage::from_fn(6, 2, |x, _| image::Rgb(if x / 2 == 1 { [255, 0, 127] } else { [0; 3] }));
        image.save(&path).unwrap();
        let tensor = read(&path, &[1, 3, 2, 2], &[127.0], &[128.0, 128.0, 1.0]);
        let refused = [(&[1, 2, 2, 2][..], &[][..]), (&[1, 3, 2, 2], &[1.0, 2.0])];
        let refused = refused.map(|(shape, mean)| read(&path, shape, mean, &[]).unwrap_err().to_string());
        std::fs::remove_file(&path).unwrap();
        let planes = [[1.0; 4], [-127.0 / 128.0; 4], [0.0; 4]].concat();
        assert_eq!(tensor.unwrap(), Tensor::from_vec(&[1, 3, 2, 2], planes).unwrap());
        assert_eq!(refused[0], "--image: expected an input of shape [1, 1 or 3, H, W], the network's is [1, 2, 2, 2]");
        assert_eq!(refused[1], "--mean: expected 1 or 3 numbers, found 2");
    }
}
