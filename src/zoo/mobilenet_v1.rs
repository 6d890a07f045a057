//! MobileNet, of depthwise separable convolutions.

crate::cnn! {
    block bn_relu6(x) {
        x -> self: batch_norm -> act: relu6
    }

    block separable_unit(x, channels, stride = 1) {
        x -> conv_dw: depthwise(3, stride: stride, padding: 1, bias: false) -> bn1: bn_relu6
          -> conv_pw: pointwise(channels, bias: false) -> bn2: bn_relu6
    }

    /// MobileNet at full width: a thousand classes of 224×224 images.
    ///
    /// Howard et al.: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    /// arXiv:1704.04861, table 1. Parameters are named as in timm's `mobilenetv1_100`.
    pub network MobileNetV1(image: f32[1, 3, 224, 224]) -> logits {
        // channels, repeats, stride of the first
        const STAGES = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)];
        image
            -> conv_stem: conv(32, kernel: 3, stride: 2, padding: 1, bias: false) -> bn1: bn_relu6
            -> blocks: for (i, (channels, repeats, stride)) in enumerate(STAGES) {
                for j in 0..repeats {
                    {i}.{j}: separable_unit(channels, stride: if j == 0 { stride } else { 1 })
                }
            }
            -> global_pool: { pool: global_avg_pool -> flatten: flatten }
            -> classifier: linear(1000)
    }
}
