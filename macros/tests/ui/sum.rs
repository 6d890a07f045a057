convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        let main = image -> conv1: conv(16, kernel: 3, stride: 2, padding: 1);
        let skip = image -> conv2: conv(16, kernel: 1);
        main + skip -> relu
    }
}

fn main() {}
