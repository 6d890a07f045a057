//! ONNX, the exchange format of networks: its [messages](proto).

pub mod proto;
