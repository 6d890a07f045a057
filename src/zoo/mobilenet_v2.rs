//! MobileNetV2, of inverted residuals.

crate::cnn! {
    block conv_bn_relu6(x, channels, kernel = 1, stride = 1, groups = 1) {
        x -> 0: conv(channels, kernel: kernel, stride: stride, padding: kernel / 2, groups: groups, bias: false)
          -> 1: batch_norm -> 2: relu6
    }

    /// Expansion, depthwise convolution, linear bottleneck (section 3.2).
    block inverted_residual(x, channels, stride, expansion) {
        let hidden = x.channels * expansion;
        let y = x -> conv: |x| {
            let i = 0;
            if expansion != 1 {
                x = x -> {i}: conv_bn_relu6(hidden);
                i = i + 1;
            }
            x -> {i}: conv_bn_relu6(hidden, kernel: 3, stride: stride, groups: hidden)
              -> {i + 1}: conv(channels, kernel: 1, bias: false) -> {i + 2}: batch_norm
        };
        if stride == 1 && x.channels == channels { x + y } else { y }
    }

    /// MobileNetV2 at full width: a thousand classes of 224×224 images.
    ///
    /// `width` multiplies the channels, but for the last layer's where it is less than one (section 4, footnote 2).
    ///
    /// Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
    /// table 2. Parameters are named as in torchvision's `mobilenet_v2`.
    pub network MobileNetV2(image: f32[1, 3, size, size]; width = 1.0, size = 224, classes = 1000) -> logits {
        // expansion, channels, repeats, stride of the first
        const STAGES = [
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ];
        let x = image -> features.0: conv_bn_relu6(divisible(32 * width), kernel: 3, stride: 2);
        let i = 0;
        for (expansion, channels, repeats, stride) in STAGES {
            for j in 0..repeats {
                i = i + 1;
                x = x -> features.{i}:
                    inverted_residual(divisible(channels * width), if j == 0 { stride } else { 1 }, expansion);
            }
        }
        x -> features.18: conv_bn_relu6(divisible(1280 * max(1.0, width)))
          -> global_avg_pool -> flatten -> classifier.1: linear(classes)
    }

    /// [`MobileNetV2`] with 1.4 times the channels.
    pub network MobileNetV2W140 = MobileNetV2(width: 1.4);
    /// [`MobileNetV2`] with three quarters of the channels.
    pub network MobileNetV2W075 = MobileNetV2(width: 0.75);
    /// [`MobileNetV2`] with half of the channels.
    pub network MobileNetV2W050 = MobileNetV2(width: 0.5);
    /// [`MobileNetV2`] with 0.35 of the channels.
    pub network MobileNetV2W035 = MobileNetV2(width: 0.35);
}
