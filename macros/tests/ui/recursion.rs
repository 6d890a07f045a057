convoke::cnn! {
    block again(x) {
        x -> relu -> again
    }

    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> again
    }
}

fn main() {}
