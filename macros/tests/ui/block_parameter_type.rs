convoke::cnn! {
    block head(x: f32[_, 64, _, _], classes) {
        x -> global_avg_pool -> flatten -> fc: linear(classes)
    }

    pub network Net(image: f32[1, 3, 32, 32]) -> logits {
        image -> stem: conv(32, kernel: 3) -> head: head(10)
    }
}

fn main() {}
