convoke::cnn! {
    const WIDTH = 4_611_686_018_427_387_904;

    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> conv1: conv(WIDTH * 2, kernel: 3)
    }
}

fn main() {}
