//! Instruction sets that kernels are written for, and which of them this machine has.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// An instruction set for which microkernels exist, from the least to the most capable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub enum Isa {
    /// Portable Rust: the definition that every other row of the kernel table is tested against.
    Scalar,
    /// AArch64's 128-bit vectors with FMA.
    Neon,
    /// x86-64-v3: 256-bit vectors and FMA.
    Avx2,
    /// x86-64-v4: 512-bit vectors.
    Avx512,
}

impl Isa {
    /// All instruction sets, least capable first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name in `CONVOKE_ISA`, in plans and in kernel names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Float32 lanes of one vector register; channels in one block of the blocked layout nChw*B*c for this set.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Scalar | Self::Avx2 => 8,
            Self::Neon => 4,
            Self::Avx512 => 16,
        }
    }

    /// Whether this processor (and its operating system) runs this set.
    #[must_use]
    pub fn available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// The most capable set of this machine, capped by the environment variable `CONVOKE_ISA`
    /// (`scalar`, `neon`, `avx2` or `avx512`; another value is ignored). Read once per process.
    #[must_use]
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let cap = std::env::var("CONVOKE_ISA").ok().and_then(|name| name.parse().ok()).unwrap_or(Self::Avx512);
            Self::ALL.into_iter().rev().find(|isa| *isa <= cap && isa.available()).unwrap_or(Self::Scalar)
        })
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| format!("unknown instruction set `{name}`: expected scalar, neon, avx2 or avx512"))
    }
}
