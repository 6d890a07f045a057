// The file's path is relative to the crate of these tests, which trybuild makes.
convoke::include_onnx! { pub Strange = "../../../../tests/data/unsupported.onnx" }

fn main() {}
