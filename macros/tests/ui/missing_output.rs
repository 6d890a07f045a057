convoke::cnn! {
    pub network Net(image: f32[1, 3, 32, 32]) {
        image -> flatten -> fc: linear(10)
    }
}

fn main() {}
