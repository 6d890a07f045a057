convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        concat(image, image -> max_pool(2), axis: 1)
    }
}

fn main() {}
