convoke::cnn! {
    network Template(image: f32[1, 3, 32, 32]; width, classes = 10) -> logits {
        image -> stem: conv(width, kernel: 3) -> flatten -> fc: linear(classes)
    }

    pub network Wide = Template(widht: 64);
}

fn main() {}
