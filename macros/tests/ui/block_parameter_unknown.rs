convoke::cnn! {
    block basic(x, width, stride = 1) {
        x -> conv1: conv(width, kernel: 3, stride: stride)
    }

    pub network Net(image: f32[1, 3, 32, 32]) -> features {
        image -> layer1: basic(16, strides: 2)
    }
}

fn main() {}
