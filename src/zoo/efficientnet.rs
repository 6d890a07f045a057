//! EfficientNet: one network, and a rule that scales its depth, width and resolution together.

crate::cnn! {
    block conv_bn_silu(x, channels, kernel = 1, stride = 1, groups = 1, eps) {
        x -> 0: conv(channels, kernel: kernel, stride: stride, padding: kernel / 2, groups: groups, bias: false)
          -> 1: batch_norm(eps: eps) -> 2: silu
    }

    /// An inverted residual with squeeze-and-excitation (table 1: MBConv).
    block mbconv(x, channels, kernel, stride, expansion, eps) {
        let hidden = divisible(x.channels * expansion);
        let y = x -> block: |x| {
            let squeeze = max(1, x.channels / 4);
            let i = 0;
            if expansion != 1 {
                x = x -> {i}: conv_bn_silu(hidden, eps: eps);
                i = i + 1;
            }
            x -> {i}: conv_bn_silu(hidden, kernel: kernel, stride: stride, groups: hidden, eps: eps)
              -> {i + 1}: squeeze_excite(squeeze, activation: silu)
              -> {i + 2}: { 0: conv(channels, kernel: 1, bias: false) -> 1: batch_norm(eps: eps) }
        };
        if stride == 1 && x.channels == channels { x + y } else { y }
    }

    /// Compound scaling (section 3.3): `phi` says how much more there is to spend. The bases were found by a search at
    /// `phi` = 1 (section 4) under depth · width² · resolution² ≈ 2, so that the work grows by 2 to the power of `phi`.
    const DEPTH = 1.2;
    const WIDTH = 1.1;
    const RESOLUTION = 1.15;

    network EfficientNet(
        image: f32[1, 3, size, size];
        phi,
        depth = pow(DEPTH, phi),
        width = pow(WIDTH, phi),
        size = round(224 * pow(RESOLUTION, phi)),
        eps = 1e-5,
        classes = 1000,
    ) -> logits {
        // kernel, repeats, stride of the first, expansion, channels: table 1
        const STAGES = [
            (3, 1, 1, 1, 16), (3, 2, 2, 6, 24), (5, 2, 2, 6, 40), (3, 3, 2, 6, 80), (5, 3, 1, 6, 112), (5, 4, 2, 6, 192),
            (3, 1, 1, 6, 320),
        ];
        image
            -> features.0: conv_bn_silu(divisible(32 * width), kernel: 3, stride: 2, eps: eps)
            -> for (i, (kernel, repeats, stride, expansion, channels)) in enumerate(STAGES) {
                for j in 0..ceil(repeats * depth) {
                    features.{i + 1}.{j}: mbconv(
                        divisible(channels * width), kernel, if j == 0 { stride } else { 1 }, expansion, eps)
                }
            }
            -> features.8: conv_bn_silu(4 * divisible(320 * width), eps: eps)
            -> global_avg_pool -> flatten -> classifier.1: linear(classes)
    }

    /// EfficientNet-B0: a thousand classes of 224×224 images.
    ///
    /// Tan and Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, table 1.
    /// Parameters are named as in torchvision's `efficientnet_b0`.
    pub network EfficientNetB0 = EfficientNet(phi: 0);
    // What the authors published for B1 to B7 is the rule's result, rounded by hand; torchvision takes B2 at 288 pixels
    // instead of 260, and the authors' epsilon from B5 on.
    /// EfficientNet-B1: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b1`.
    pub network EfficientNetB1 = EfficientNet(phi: 0.5, depth: 1.1, width: 1.0, size: 240);
    /// EfficientNet-B2: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b2`.
    pub network EfficientNetB2 = EfficientNet(phi: 1, depth: 1.2, width: 1.1, size: 288);
    /// EfficientNet-B3: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b3`.
    pub network EfficientNetB3 = EfficientNet(phi: 2, depth: 1.4, width: 1.2, size: 300);
    /// EfficientNet-B4: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b4`.
    pub network EfficientNetB4 = EfficientNet(phi: 3.5, depth: 1.8, width: 1.4, size: 380);
    /// EfficientNet-B5: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b5`.
    pub network EfficientNetB5 = EfficientNet(phi: 5, depth: 2.2, width: 1.6, size: 456, eps: 1e-3);
    /// EfficientNet-B6: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b6`.
    pub network EfficientNetB6 = EfficientNet(phi: 6, depth: 2.6, width: 1.8, size: 528, eps: 1e-3);
    /// EfficientNet-B7: [`EfficientNetB0`], scaled; torchvision's `efficientnet_b7`.
    pub network EfficientNetB7 = EfficientNet(phi: 7, depth: 3.1, width: 2.0, size: 600, eps: 1e-3);
}
