convoke::cnn! {
    pub netwrok Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> relu
    }
}

fn main() {}
