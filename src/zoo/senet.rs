//! SENet-154, the network of squeeze-and-excitation that won ILSVRC 2017.

crate::cnn! {
    /// A bottleneck of ResNeXt (64 groups) with squeeze-and-excitation; where it strides, the projection is 3×3.
    block bottleneck(x, width, stride) {
        let channels = 4 * width;
        let main = x
            -> conv1: conv(2 * width, kernel: 1, bias: false) -> bn1: batch_norm -> relu
            -> conv2: conv(channels, kernel: 3, stride: stride, padding: 1, groups: 64, bias: false)
            -> bn2: batch_norm -> relu
            -> conv3: conv(channels, kernel: 1, bias: false) -> bn3: batch_norm
            -> se_module: squeeze_excite(channels / 16);
        let kernel = if stride == 1 { 1 } else { 3 };
        let skip = x -> if stride != 1 || x.channels != channels {
            downsample: {
                0: conv(channels, kernel: kernel, stride: stride, padding: kernel / 2, bias: false) -> 1: batch_norm
            }
        };
        main + skip -> relu
    }

    /// SENet-154: a thousand classes of 224×224 images.
    ///
    /// Hu, Shen, Sun: "Squeeze-and-Excitation Networks", CVPR 2018, section 6.1 and appendix. Parameters are named as
    /// in timm's `legacy_senet154`.
    pub network SENet154(image: f32[1, 3, size, size]; size = 224, classes = 1000) -> logits {
        image
            -> layer0: {
                conv1: conv(64, kernel: 3, stride: 2, padding: 1, bias: false) -> bn1: batch_norm -> relu
                -> conv2: conv(64, kernel: 3, padding: 1, bias: false) -> bn2: batch_norm -> relu
                -> conv3: conv(128, kernel: 3, padding: 1, bias: false) -> bn3: batch_norm -> relu
                -> pool0: max_pool(3, stride: 2, ceil_mode: true)
            }
            -> for (i, count) in enumerate([3, 8, 36, 3]) {
                for j in 0..count {
                    layer{i + 1}.{j}: bottleneck(64 << i, if i > 0 && j == 0 { 2 } else { 1 })
                }
            }
            -> global_avg_pool -> flatten -> last_linear: linear(classes)
    }
}
