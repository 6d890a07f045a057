convoke::cnn! {
    pub network Net(image, classes = 10) -> logits {
        image -> flatten -> fc: linear(classes)
    }
}

fn main() {}
