convoke::cnn! {
    const WIDTHS = [16, 32];

    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> for i in 0..3 { conv{i}: conv(WIDTHS[i], kernel: 3) }
    }
}

fn main() {}
