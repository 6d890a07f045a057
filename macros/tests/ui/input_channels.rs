convoke::cnn! {
    block basic(x, width) {
        x -> conv1: conv(width, kernel: 3, padding: 1, in_channels: 64) -> relu
    }

    pub network Net(image: f32[1, 3, 56, 56]) -> features {
        image
            -> layer2.1: { conv1: conv(32, kernel: 3, stride: 2, padding: 1) -> relu }
            -> layer3.0: basic(64)
    }
}

fn main() {}
