//! VGG-16: depth of 3×3 convolutions and nothing else.

crate::cnn! {
    /// VGG-16: a thousand classes of 224×224 images.
    ///
    /// Simonyan and Zisserman: "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, table 1,
    /// column D. Parameters are named as in torchvision's `vgg16`.
    pub network VGG16(image: f32[1, 3, 224, 224]; classes = 1000) -> logits {
        let x = image;
        let i = 0;
        for (repeats, channels) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)] {
            for _ in 0..repeats {
                x = x -> features.{i}: conv(channels, kernel: 3, padding: 1) -> features.{i + 1}: relu;
                i = i + 2;
            }
            x = x -> features.{i}: max_pool(2);
            i = i + 1;
        }
        x -> flatten
          -> classifier: { 0: linear(4096) -> 1: relu -> 3: linear(4096) -> 4: relu -> 6: linear(classes) }
    }
}
