//! Densely connected networks: every layer reads all layers before it.

crate::cnn! {
    /// 1×1 to four times the growth, 3×3 to the growth, each after its activation (DenseNet-B, section 3).
    block dense_layer(x, growth) {
        x -> norm1: batch_norm -> relu -> conv1: conv(4 * growth, kernel: 1, bias: false)
          -> norm2: batch_norm -> relu -> conv2: conv(growth, kernel: 3, padding: 1, bias: false)
    }

    block dense_block(x, count, growth) {
        let parts = [x];
        for j in 0..count {
            parts = parts + [concat(parts) -> denselayer{j + 1}: dense_layer(growth)];
        }
        concat(parts)
    }

    /// Halves channels (compression θ = 0.5) and extents.
    block transition(x) {
        x -> norm: batch_norm -> relu -> conv: conv(x.channels / 2, kernel: 1, bias: false) -> pool: avg_pool(2)
    }

    network DenseNet(image: f32[1, 3, size, size]; repeats, growth = 32, size = 224, classes = 1000) -> logits {
        image
            -> features: {
                conv0: conv(2 * growth, kernel: 7, stride: 2, padding: 3, bias: false) -> norm0: batch_norm -> relu
                -> pool0: max_pool(3, stride: 2, padding: 1)
                -> for (i, count) in enumerate(repeats) {
                    denseblock{i + 1}: dense_block(count, growth)
                    -> if i + 1 < len(repeats) { transition{i + 1}: transition }
                }
                -> norm5: batch_norm
            }
            -> relu -> global_avg_pool -> flatten -> classifier: linear(classes)
    }

    /// DenseNet-121: a thousand classes of 224×224 images.
    ///
    /// Huang, Liu, van der Maaten, Weinberger: "Densely Connected Convolutional Networks", CVPR 2017, table 1.
    /// Parameters are named as in torchvision's `densenet121`.
    pub network DenseNet121 = DenseNet(repeats: [6, 12, 24, 16]);
    /// DenseNet-161: as [`DenseNet121`], deeper, and each layer adds 48 channels; torchvision's `densenet161`.
    pub network DenseNet161 = DenseNet(repeats: [6, 12, 36, 24], growth: 48);
    /// DenseNet-169: as [`DenseNet121`], deeper; torchvision's `densenet169`.
    pub network DenseNet169 = DenseNet(repeats: [6, 12, 32, 32]);
    /// DenseNet-201: as [`DenseNet121`], deeper; torchvision's `densenet201`.
    pub network DenseNet201 = DenseNet(repeats: [6, 12, 48, 32]);
}
