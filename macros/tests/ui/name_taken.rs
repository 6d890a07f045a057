convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> for i in 0..3 { conv: conv(3, kernel: 3) -> relu }
    }
}

fn main() {}
