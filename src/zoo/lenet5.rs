//! LeNet-5, the first convolutional network in wide use.

crate::cnn! {
    /// LeNet-5 as it is taught today: ten classes of 32×32 grey images, tanh, average pooling.
    ///
    /// LeCun, Bottou, Bengio, Haffner: "Gradient-Based Learning Applied to Document Recognition", Proceedings of the
    /// IEEE 86(11), 1998, section II.B.
    pub network LeNet5(image: f32[1, 1, 32, 32]; classes = 10) -> logits {
        image
            -> conv1: conv(6, kernel: 5) -> tanh -> avg_pool(2)
            -> conv2: conv(16, kernel: 5) -> tanh -> avg_pool(2)
            -> conv3: conv(120, kernel: 5) -> tanh -> flatten
            -> fc1: linear(84) -> tanh
            -> fc2: linear(classes)
    }
}
