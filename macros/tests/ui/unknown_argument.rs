convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> conv1: conv(16, kernel: 3, strid: 2) -> relu
    }
}

fn main() {}
