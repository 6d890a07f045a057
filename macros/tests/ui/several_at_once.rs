convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> (a, b) {
        let a = image -> conv1: conv(16, kernel: 33);
        let b = image -> conv2: conv(16, kernel: 3, bais: false);
        let c = image -> fc: linear(clases);
        (a, b + c)
    }

    pub network Other(image: f32[1, 3, 32, 32]) -> logits {
        image -> reshape([1, 3, 32, 33])
    }
}

fn main() {}
