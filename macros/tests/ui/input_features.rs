convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> max_pool(2) -> flatten -> fc: linear(10, in_features: 3072)
    }
}

fn main() {}
