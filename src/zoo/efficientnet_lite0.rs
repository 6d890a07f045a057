//! EfficientNet-Lite0, for phones: no squeeze-and-excitation, ReLU6.

crate::cnn! {
    block bn(x) {
        x -> self: batch_norm(eps: 1e-3)
    }

    /// An inverted residual (Sandler et al. 2018), as EfficientNet has it (Tan and Le 2019, table 1: MBConv).
    block mbconv(x, channels, kernel, stride, expansion) {
        let hidden = x.channels * expansion;
        let y = x
            -> if expansion != 1 { _expand_conv: pointwise(hidden, bias: false) -> _bn0: bn -> relu6 }
            -> _depthwise_conv: depthwise(kernel, stride: stride, padding: "same", bias: false) -> _bn1: bn -> relu6
            -> _project_conv: pointwise(channels, bias: false) -> _bn2: bn;
        if stride == 1 && x.channels == channels { x + y } else { y }
    }

    /// EfficientNet-Lite0: a thousand classes of 224×224 images, (pixel − 127) / 128.
    ///
    /// Tan and Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, in the variant
    /// of github.com/tensorflow/tpu, `models/official/efficientnet/lite`. Parameters are named as in
    /// efficientnet_lite_pytorch; padding is TensorFlow's, whose odd pixel goes to the bottom and the right.
    pub network EfficientNetLite0(image: f32[1, 3, size, size]; size = 224, classes = 1000) -> logits {
        // kernel, repeats, stride of the first, expansion, channels
        const STAGES = [
            (3, 1, 1, 1, 16), (3, 2, 2, 6, 24), (5, 2, 2, 6, 40), (3, 3, 2, 6, 80), (5, 3, 1, 6, 112), (5, 4, 2, 6, 192),
            (3, 1, 1, 6, 320),
        ];
        let x = image -> _conv_stem: conv(32, kernel: 3, stride: 2, padding: "same", bias: false) -> _bn0: bn -> relu6;
        let i = 0;
        for (kernel, repeats, stride, expansion, channels) in STAGES {
            for j in 0..repeats {
                x = x -> _blocks.{i}: mbconv(channels, kernel, if j == 0 { stride } else { 1 }, expansion);
                i = i + 1;
            }
        }
        x -> _conv_head: conv(1280, kernel: 1, bias: false) -> _bn1: bn -> relu6
          -> global_avg_pool -> flatten -> _fc: linear(classes)
    }
}
