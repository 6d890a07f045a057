//! Residual networks, and with squeeze-and-excitation.

crate::cnn! {
    /// Two 3×3 convolutions.
    block basic(x, width, stride) {
        let main = x
            -> conv1: conv(width, kernel: 3, stride: stride, padding: 1, bias: false) -> bn1: batch_norm -> relu
            -> conv2: conv(width, kernel: 3, padding: 1, bias: false) -> bn2: batch_norm;
        main + shortcut(x, width, stride) -> relu
    }

    /// 1×1 to `width` channels, 3×3, 1×1 to four times as many (figure 5). The stride is the 3×3's, as in torchvision.
    block bottleneck(x, width, stride, gated = false) {
        let main = x
            -> conv1: conv(width, kernel: 1, bias: false) -> bn1: batch_norm -> relu
            -> conv2: conv(width, kernel: 3, stride: stride, padding: 1, bias: false) -> bn2: batch_norm -> relu
            -> conv3: conv(4 * width, kernel: 1, bias: false) -> bn3: batch_norm
            -> if gated { se: squeeze_excite(4 * width / 16) };
        main + shortcut(x, 4 * width, stride) -> relu
    }

    /// The bottleneck whose sum is of gated channels.
    block se_bottleneck(x, width, stride) {
        bottleneck(x, width, stride, gated: true)
    }

    /// The identity, or where shapes change a projection (section 3.3, option B).
    block shortcut(x, channels, stride) {
        x -> if stride != 1 || x.channels != channels {
            downsample: { 0: conv(channels, kernel: 1, stride: stride, bias: false) -> 1: batch_norm }
        }
    }

    network ResNet(image: f32[1, 3, size, size]; block, repeats, size = 224, classes = 1000) -> logits {
        image
            -> conv1: conv(64, kernel: 7, stride: 2, padding: 3, bias: false) -> bn1: batch_norm -> relu
            -> maxpool: max_pool(3, stride: 2, padding: 1)
            -> for (i, count) in enumerate(repeats) {
                for j in 0..count {
                    layer{i + 1}.{j}: block(64 << i, if i > 0 && j == 0 { 2 } else { 1 })
                }
            }
            -> global_avg_pool -> flatten -> fc: linear(classes)
    }

    /// ResNet-18: a thousand classes of 224×224 images.
    ///
    /// He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016, table 1. Parameters are named as
    /// in torchvision's `resnet18`.
    pub network ResNet18 = ResNet(block: basic, repeats: [2, 2, 2, 2]);
    /// ResNet-34: as [`ResNet18`], deeper; torchvision's `resnet34`.
    pub network ResNet34 = ResNet(block: basic, repeats: [3, 4, 6, 3]);
    /// ResNet-50: as [`ResNet18`], of bottlenecks; torchvision's `resnet50`.
    pub network ResNet50 = ResNet(block: bottleneck, repeats: [3, 4, 6, 3]);
    /// ResNet-101: as [`ResNet50`], deeper; torchvision's `resnet101`.
    pub network ResNet101 = ResNet(block: bottleneck, repeats: [3, 4, 23, 3]);
    /// ResNet-152: as [`ResNet50`], deeper; torchvision's `resnet152`.
    pub network ResNet152 = ResNet(block: bottleneck, repeats: [3, 8, 36, 3]);
    /// SE-ResNet-50: [`ResNet50`] with squeeze-and-excitation in each block.
    ///
    /// Hu, Shen, Sun: "Squeeze-and-Excitation Networks", CVPR 2018, table 1 and figure 3. Parameters are named as in
    /// timm's `seresnet50`.
    pub network SeResNet50 = ResNet(block: se_bottleneck, repeats: [3, 4, 6, 3]);
}
