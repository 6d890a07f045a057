convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> conv1: cnov(16, kernel: 3) -> relu
    }
}

fn main() {}
