convoke::cnn! {
    pub network Net(image: f32[1, 3, 8, 8]) -> logits {
        image -> max_pool(2) -> conv1: conv(16, kernel: 5)
    }
}

fn main() {}
