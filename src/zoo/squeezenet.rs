//! SqueezeNet 1.1, fifty times smaller than AlexNet.

crate::cnn! {
    /// Few channels, then many of 1×1 and of 3×3 (section 3.2).
    block fire(x, squeeze, expand) {
        let s = x -> squeeze: conv(squeeze, kernel: 1) -> relu;
        concat(
            s -> expand1x1: conv(expand, kernel: 1) -> relu,
            s -> expand3x3: conv(expand, kernel: 3, padding: 1) -> relu,
        )
    }

    /// SqueezeNet 1.1: a thousand classes of 224×224 images.
    ///
    /// Iandola et al.: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    /// arXiv:1602.07360, in the authors' version 1.1. Parameters are named as in torchvision's `squeezenet1_1`.
    pub network SqueezeNet(image: f32[1, 3, size, size]; size = 224, classes = 1000) -> logits {
        image
            -> features: {
                0: conv(64, kernel: 3, stride: 2) -> 1: relu
                -> 2: max_pool(3, stride: 2, ceil_mode: true) -> 3: fire(16, 64) -> 4: fire(16, 64)
                -> 5: max_pool(3, stride: 2, ceil_mode: true) -> 6: fire(32, 128) -> 7: fire(32, 128)
                -> 8: max_pool(3, stride: 2, ceil_mode: true) -> 9: fire(48, 192) -> 10: fire(48, 192)
                -> 11: fire(64, 256) -> 12: fire(64, 256)
            }
            -> classifier: { 1: conv(classes, kernel: 1) -> 2: relu -> 3: global_avg_pool } -> flatten
    }
}
