//! The machine that a plan is for.

use convoke_runtime::Isa;

/// What lowering may know of the machine. Nothing after `lower` asks what the host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The instruction set whose kernels are called.
    pub isa: Isa,
    /// Threads that work is balanced for. A run may use another number.
    pub threads: u32,
    /// Bytes of one core's second-level cache.
    pub l2: usize,
}

impl Target {
    /// A machine with this instruction set, 2 threads and 1 MiB of second-level cache per core.
    #[must_use]
    pub fn new(isa: Isa) -> Self {
        Self { isa, threads: 2, l2: 1 << 20 }
    }

    /// This machine, its instruction set capped by `CONVOKE_ISA`.
    #[must_use]
    pub fn host() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
        Self { threads, ..Self::new(Isa::detect()) }
    }

    /// Channels of one block of the blocked layout.
    #[must_use]
    pub fn block(&self) -> usize {
        self.isa.lanes()
    }
}
