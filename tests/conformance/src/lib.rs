//! One list of programs, run by every backend: the interpreter, Cranelift's machine code, and generated Rust, each
//! with one thread and with two. Their results must have equal bits.
//!
//! To add a case, add it to [`convoke_conformance_cases::all`]: the build script writes its Rust, and the tests run it
//! everywhere.

mod check;

mod generated {
    /// The name of a case, and the network that generated Rust makes of it.
    type NamedNetwork = (&'static str, fn() -> convoke_runtime::Network);

    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

pub use check::{Backend, check};
