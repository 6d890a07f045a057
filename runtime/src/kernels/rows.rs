//! Macros that make rows of the kernel table: the functions that enable an instruction set and their [`Ukernel`]s.
//!
//! The functions have names of their own instead of generic arguments, so that their machine code is made once, in
//! this crate, with this crate's optimisation, however the caller is compiled.
//!
//! [`Ukernel`]: super::Ukernel

/// The instructions that a token of [`simd`](crate::simd) stands for, as `target_feature` wants them.
macro_rules! with_features {
    (avx512 $($item:tt)+) => {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        $($item)+
    };
    (avx2 $($item:tt)+) => {
        #[target_feature(enable = "avx2,fma")]
        $($item)+
    };
    (neon $($item:tt)+) => {
        #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
        $($item)+
    };
}
pub(super) use with_features;

/// The function `scalar` of a family, which calls `$definition(args, params)`, and its row `SCALAR`.
macro_rules! scalar_row {
    ($family:ident, $name:literal, $definition:path) => {
        #[doc = concat!("`", $name, "_scalar`: the definition.")]
        ///
        /// # Safety
        /// That of [`Entry`](crate::kernels::Entry) for this family.
        pub unsafe extern "C" fn scalar(args: *const *mut f32, params: *const ()) {
            // SAFETY: the caller's promise.
            unsafe { $definition(args, params) }
        }

        /// The row of `scalar`.
        pub(super) const SCALAR: crate::kernels::Ukernel = crate::kernels::Ukernel {
            name: concat!($name, "_scalar"),
            family: crate::kernels::Family::$family,
            isa: crate::Isa::Scalar,
            tile: crate::kernels::Tile { mr: 0, nr: 0, block: 0, px: 0 },
            entry: scalar,
            path: concat!("kernels::", $name, "::scalar"),
        };
    };
}
pub(super) use scalar_row;

/// The functions of a family without register tile, one for each instruction set, which call
/// `$body::<S>(token, args, params)`, and their rows `VECTOR`. Where `$block` is true, a row requires a block of as
/// many channels as it has lanes.
macro_rules! vector_rows {
    ($family:ident, $name:literal, $body:path, block: $block:literal) => {
        $crate::kernels::rows::vector_rows!(@function avx512, Avx512, target_arch = "x86_64", $name, $body);
        $crate::kernels::rows::vector_rows!(@function avx2, Avx2, target_arch = "x86_64", $name, $body);
        $crate::kernels::rows::vector_rows!(@function neon, Neon, any(test, target_arch = "aarch64"), $name, $body);

        /// The rows of the instruction sets.
        pub(super) const VECTOR: &[crate::kernels::Ukernel] = &[
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::rows::vector_rows!(@row avx512, Avx512, $family, $name, $block),
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::rows::vector_rows!(@row avx2, Avx2, $family, $name, $block),
            #[cfg(any(test, target_arch = "aarch64"))]
            $crate::kernels::rows::vector_rows!(@row neon, Neon, $family, $name, $block),
        ];
    };
    (@function $isa:ident, $token:ident, $cfg:meta, $name:literal, $body:path) => {
        $crate::kernels::rows::with_features! { $isa
            #[cfg($cfg)]
            #[doc = concat!("`", $name, "_", stringify!($isa), "`.")]
            ///
            /// # Safety
            /// That of [`Entry`](crate::kernels::Entry) for this family; this processor runs this instruction set.
            pub unsafe extern "C" fn $isa(args: *const *mut f32, params: *const ()) {
                // SAFETY: the caller's promises.
                unsafe { $body(crate::simd::$token::new(), args, params) }
            }
        }
    };
    (@row $isa:ident, $token:ident, $family:ident, $name:literal, $block:literal) => {
        crate::kernels::Ukernel {
            name: concat!($name, "_", stringify!($isa)),
            family: crate::kernels::Family::$family,
            isa: crate::Isa::$token,
            tile: crate::kernels::Tile {
                mr: 0,
                nr: 0,
                block: if $block { crate::Isa::$token.lanes() as u32 } else { 0 },
                px: 0,
            },
            entry: $isa,
            path: concat!("kernels::", $name, "::", stringify!($isa)),
        }
    };
}
pub(super) use vector_rows;

/// The module of one instruction set of a family with register tiles: `pN::nN::mN` for each source pitch, number of
/// blocks and number of pixels, each calling `super::tile::<S, MR, NR, PX>(token, args, params)`.
macro_rules! tile_rows {
    (
        $isa:ident, $token:ident, $family:ident, $name:literal;
        $([$($p:ident $px:literal)+] * $tiles:tt)+
    ) => {
        #[doc = concat!("Rows for ", stringify!($token), ".")]
        pub mod $isa {
            $($($crate::kernels::rows::tile_rows!(@pitch $isa, $token, $family, $name, $p $px $tiles);)+)+

            /// The rows of this instruction set.
            pub(in crate::kernels) const ROWS: &[&[&[crate::kernels::Ukernel]]] = &[$($($p::ROWS),+),+];
        }
    };
    (
        @pitch $isa:ident, $token:ident, $family:ident, $name:literal, $p:ident $px:literal
        [$($n:ident $nr:literal: $($m:ident $mr:literal)+;)+]
    ) => {
        #[doc = concat!("Output pixels ", $px, " source elements apart.")]
        pub mod $p {
            $(#[doc = concat!("Blocks of output channels: ", $nr, ".")]
            pub mod $n {
                $($crate::kernels::rows::with_features! { $isa
                    #[doc = concat!("Output pixels: ", $mr, ".")]
                    ///
                    /// # Safety
                    /// That of [`Entry`](crate::kernels::Entry) for this family and tile; this processor runs this
                    /// instruction set.
                    pub unsafe extern "C" fn $m(args: *const *mut f32, params: *const ()) {
                        use crate::simd::$token;

                        // SAFETY: the caller's promises.
                        unsafe { super::super::super::tile::<$token, $mr, $nr, $px>($token::new(), args, params) }
                    }
                })+

                pub(in crate::kernels) const ROWS: &[crate::kernels::Ukernel] = &[$(crate::kernels::Ukernel {
                    name: $crate::kernels::rows::tile_rows!(@name $family, $name, $mr, $nr, $px, $isa),
                    family: crate::kernels::Family::$family,
                    isa: crate::Isa::$token,
                    tile: crate::kernels::Tile { mr: $mr, nr: $nr, block: crate::Isa::$token.lanes() as u32, px: $px },
                    entry: $m,
                    path: concat!(
                        "kernels::", $name, "::", stringify!($isa), "::",
                        stringify!($p), "::", stringify!($n), "::", stringify!($m)
                    ),
                }),+];
            })+

            pub(in crate::kernels) const ROWS: &[&[crate::kernels::Ukernel]] = &[$($n::ROWS),+];
        }
    };
    (@name Depthwise, $name:literal, $mr:literal, $nr:literal, $px:literal, $isa:ident) => {
        concat!($name, "_", $mr, "_p", $px, "_", stringify!($isa))
    };
    (@name $family:ident, $name:literal, $mr:literal, $nr:literal, $px:literal, $isa:ident) => {
        concat!($name, "_", $mr, "x", $nr, "_p", $px, "_", stringify!($isa))
    };
}
pub(super) use tile_rows;
