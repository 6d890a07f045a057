convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        let x: f32[1, 16, 32, 32] = image -> conv1: conv(16, kernel: 3);
        x -> relu
    }
}

fn main() {}
