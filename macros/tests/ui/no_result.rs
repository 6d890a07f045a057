convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        let x = image -> relu;
    }
}

fn main() {}
