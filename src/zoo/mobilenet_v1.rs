//! MobileNet, of depthwise separable convolutions.

crate::cnn! {
    block bn_relu6(x) {
        x -> self: batch_norm -> act: relu6
    }

    /// A depthwise separable convolution (section 3.1, figure 3).
    block separable_unit(x, channels, stride = 1) {
        x -> conv_dw: depthwise(3, stride: stride, padding: 1, bias: false) -> bn1: bn_relu6
          -> conv_pw: pointwise(channels, bias: false) -> bn2: bn_relu6
    }

    /// MobileNet at full width: a thousand classes of 224×224 images.
    ///
    /// `width` and `size` are the paper's multipliers α and 224 · ρ (sections 3.3 and 3.4).
    ///
    /// Howard et al.: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    /// arXiv:1704.04861, table 1. Parameters are named as in timm's `mobilenetv1_100`.
    pub network MobileNetV1(image: f32[1, 3, size, size]; width = 1.0, size = 224, classes = 1000) -> logits {
        // channels, repeats, stride of the first
        const STAGES = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)];
        image
            -> conv_stem: conv(divisible(32 * width), kernel: 3, stride: 2, padding: 1, bias: false) -> bn1: bn_relu6
            -> blocks: for (i, (channels, repeats, stride)) in enumerate(STAGES) {
                for j in 0..repeats {
                    {i}.{j}: separable_unit(divisible(channels * width), stride: if j == 0 { stride } else { 1 })
                }
            }
            -> global_pool: { pool: global_avg_pool -> flatten: flatten }
            -> classifier: linear(classes)
    }

    /// [`MobileNetV1`] with three quarters of the channels.
    pub network MobileNetV1W075 = MobileNetV1(width: 0.75);
    /// [`MobileNetV1`] with half of the channels.
    pub network MobileNetV1W050 = MobileNetV1(width: 0.5);
    /// [`MobileNetV1`] with a quarter of the channels.
    pub network MobileNetV1W025 = MobileNetV1(width: 0.25);
}
