convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> conv1: conv(2 * image.chanels, kernel: 3)
    }
}

fn main() {}
