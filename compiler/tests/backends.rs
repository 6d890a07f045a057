//! What backends make of a program, as text, and what they refuse. That their results agree is tested by
//! `convoke-conformance`.

#[path = "support/files.rs"]
mod files;

use convoke_compiler::lir::Program;
use convoke_runtime::Isa;

fn parse(text: &str) -> Program {
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A program of one step that adds 1 to 64 elements.
fn increment() -> Program {
    parse(
        "program increment : scalar
         input x : f32[64]
         output y : f32[64]
         arena 0 weights 0
         buffer x : 64 = input 0
         buffer y : 64 = output 0
         fn increment(mut y: 64, x: 64) {
             for i0 in 0..8 parallel {
                 %r0:8 = load x[8*i0]
                 %r1:8 = const 1.0
                 %r0:8 = add %r0 %r1
                 store y[8*i0] = %r0
             }
         }
         step increment = increment(y, x) threads 1",
    )
}

/// A program that reads beyond its input.
fn out_of_bounds() -> Program {
    let mut program = increment();
    program.functions[0].params[1].len = 63;
    program
}

#[cfg(feature = "jit")]
mod jit {
    use convoke_compiler::backend::jit::{self, JitError};
    use convoke_runtime::{Parameters, Tensor};

    use super::{Isa, files, increment, out_of_bounds, parse};

    #[test]
    fn clif() {
        files::run("backend/clif", |text| jit::clif(&parse(text)).unwrap());
    }

    #[test]
    fn models_keep_their_code() {
        let mut model = jit::compile(&increment()).unwrap().model(&Parameters::default()).unwrap();
        let y = model.run(&[&Tensor::zeros(&[64])]).unwrap();
        assert_eq!(y[0].data(), [1.0; 64]);
    }

    /// Bytes of address space that this process has mapped.
    #[cfg(target_os = "linux")]
    fn mapped_bytes() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').next().unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn dropped_code_is_freed() {
        let (program, before) = (increment(), mapped_bytes());
        for _ in 0..64 {
            drop(jit::compile(&program).unwrap());
        }
        // Each reserves 64 MiB; other tests run at the same time, and need some, too.
        let grown = mapped_bytes().saturating_sub(before);
        assert!(grown < 1 << 30, "{grown} bytes more are mapped");
    }

    #[test]
    fn refuses_faults_and_other_machines() {
        assert!(matches!(jit::compile(&out_of_bounds()), Err(JitError::Faults(_))));
        assert!(matches!(jit::clif(&out_of_bounds()), Err(JitError::Faults(_))));
        let mut program = increment();
        program.isa = if cfg!(target_arch = "x86_64") { Isa::Neon } else { Isa::Avx2 };
        let error = jit::compile(&program).unwrap_err();
        assert!(matches!(&error, JitError::Isa { needs, .. } if *needs == program.isa), "{error}");
    }
}

#[cfg(feature = "rust")]
mod rust {
    use convoke_compiler::backend::rust::{RustError, RustOptions, emit, emit_all, source};

    use super::{Isa, files, increment, out_of_bounds, parse};

    #[test]
    fn generated() {
        files::run("backend/rust", |text| source(emit(&parse(text), &RustOptions::default()).unwrap()));
    }

    #[test]
    fn refuses_faults_and_incomplete_lists() {
        let options = RustOptions::default();
        let (scalar, mut avx2) = (increment(), increment());
        avx2.isa = Isa::Avx2;
        assert!(matches!(emit(&out_of_bounds(), &options), Err(RustError::Faults(_))));
        assert!(matches!(emit_all(&[scalar.clone(), out_of_bounds()], &options), Err(RustError::Twice { .. })));
        assert!(matches!(emit_all(&[out_of_bounds()], &options), Err(RustError::Faults(_))));
        assert!(matches!(emit_all(&[], &options), Err(RustError::NoFallback { .. })));
        let error = emit_all(std::slice::from_ref(&avx2), &options).unwrap_err();
        let expected = "Rust source for `increment`: expected a program for `scalar` to fall back on, found avx2";
        assert_eq!(error.to_string(), expected);
        assert!(emit_all(&[avx2, scalar], &options).is_ok());
    }
}
