convoke::include_onnx! { pub Missing = "missing.onnx" }

fn main() {}
