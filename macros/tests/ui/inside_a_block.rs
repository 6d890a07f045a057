convoke::cnn! {
    block bottleneck(x, width, stride) {
        let main = x
            -> conv1: conv(width, kernel: 1)
            -> conv2: conv(4 * width, kernel: 3, stride: stride, padding: 1);
        main + x -> relu
    }

    pub network Net(image: f32[1, 3, 64, 64]) -> features {
        image -> stem: conv(64, kernel: 1) -> layer1.0: bottleneck(16, 1) -> layer1.1: bottleneck(16, 2)
    }
}

fn main() {}
