convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) -> (boxes, scores) {
        image -> boxes: conv(4, kernel: 1)
    }
}

fn main() {}
