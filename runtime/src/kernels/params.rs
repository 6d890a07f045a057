//! The parameters of each kernel family: the constants of a call, and what the call reads and writes.

use super::winograd::alpha;
use crate::activation::ActivationCode;

/// Whether a call reads or writes an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Only read.
    Read,
    /// Only written.
    Write,
}

/// One dimension of an access: `count` places, `stride` elements apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim {
    /// Places; 0 means that nothing is accessed.
    pub count: u32,
    /// Elements from one place to the next.
    pub stride: u32,
}

/// The elements that a call accesses through one of its pointers: runs of `len` consecutive elements at the offsets
/// `Σ iᵢ · strideᵢ`, `iᵢ < countᵢ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The operand's name in messages and in LIR text.
    pub name: &'static str,
    /// Read or written.
    pub role: Role,
    /// Outer dimensions, any order.
    pub dims: Vec<Dim>,
    /// Consecutive elements at each place; [`u32::MAX`] where they are too many for 32 bits.
    pub len: u32,
}

impl Access {
    fn new(name: &'static str, role: Role, dims: &[(u32, u32)], len: u32) -> Self {
        let dims = dims.iter().map(|&(count, stride)| Dim { count, stride }).collect();
        Self { name, role, dims, len }
    }

    /// Elements from the pointer to one past the last element accessed; 0 where nothing is, [`u64::MAX`] where they
    /// are too many to count.
    #[must_use]
    pub fn span(&self) -> u64 {
        if self.len == 0 || self.dims.iter().any(|dim| dim.count == 0) {
            return 0;
        }
        if self.len == u32::MAX {
            return u64::MAX;
        }
        let places = self.dims.iter().map(|dim| u64::from(dim.count - 1) * u64::from(dim.stride));
        places.fold(u64::from(self.len), u64::saturating_add)
    }
}

/// The product of counts, [`u32::MAX`] where it has more than 32 bits: then [`Access::span`] fits no buffer.
fn product(counts: &[u32]) -> u32 {
    if counts.contains(&0) {
        return 0;
    }
    counts.iter().fold(1, |product, &count| product.saturating_mul(count))
}

/// The value of one field of a parameter struct, for printing and parsing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    /// A count, stride, or code.
    U32(u32),
    /// A constant.
    F32(f32),
}

/// A type that can be a field of a parameter struct: one or more 4-byte words without padding.
trait Word: Sized {
    fn put(&self, name: &'static str, out: &mut Vec<(String, Field)>);
    fn get(name: &'static str, find: &dyn Fn(&str) -> Option<Field>) -> Result<Self, String>;
    /// The value as Rust, with paths from the runtime's root.
    fn rust(&self) -> String;
}

impl Word for u32 {
    fn put(&self, name: &'static str, out: &mut Vec<(String, Field)>) {
        out.push((name.to_owned(), Field::U32(*self)));
    }
    fn get(name: &'static str, find: &dyn Fn(&str) -> Option<Field>) -> Result<Self, String> {
        match find(name) {
            Some(Field::U32(value)) => Ok(value),
            Some(Field::F32(_)) => Err(format!("`{name}` expects a whole number")),
            None => Err(format!("`{name}` is missing")),
        }
    }
    fn rust(&self) -> String {
        self.to_string()
    }
}

impl Word for f32 {
    fn put(&self, name: &'static str, out: &mut Vec<(String, Field)>) {
        out.push((name.to_owned(), Field::F32(*self)));
    }
    fn get(name: &'static str, find: &dyn Fn(&str) -> Option<Field>) -> Result<Self, String> {
        match find(name) {
            Some(Field::F32(value)) => Ok(value),
            Some(Field::U32(_)) => Err(format!("`{name}` expects a number with a decimal point")),
            None => Err(format!("`{name}` is missing")),
        }
    }
    fn rust(&self) -> String {
        if self.is_finite() { format!("{self:?}") } else { format!("f32::from_bits({})", self.to_bits()) }
    }
}

impl Word for ActivationCode {
    fn put(&self, _: &'static str, out: &mut Vec<(String, Field)>) {
        out.push(("activation".to_owned(), Field::U32(self.kind)));
        out.push(("alpha".to_owned(), Field::F32(self.alpha)));
        out.push(("beta".to_owned(), Field::F32(self.beta)));
    }
    fn get(_: &'static str, find: &dyn Fn(&str) -> Option<Field>) -> Result<Self, String> {
        let code = Self {
            kind: u32::get("activation", find)?,
            alpha: f32::get("alpha", find)?,
            beta: f32::get("beta", find)?,
        };
        code.decode().map(|_| code).ok_or_else(|| format!("`activation` {} is unknown", code.kind))
    }
    fn rust(&self) -> String {
        let [alpha, beta] = [self.alpha.rust(), self.beta.rust()];
        format!("activation::ActivationCode {{ kind: {}, alpha: {alpha}, beta: {beta} }}", self.kind)
    }
}

macro_rules! word_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant = $code),+ }

        impl Word for $name {
            fn put(&self, name: &'static str, out: &mut Vec<(String, Field)>) {
                out.push((name.to_owned(), Field::U32(*self as u32)));
            }
            fn get(name: &'static str, find: &dyn Fn(&str) -> Option<Field>) -> Result<Self, String> {
                match u32::get(name, find)? {
                    $($code => Ok(Self::$variant),)+
                    other => Err(format!("`{name}` {other} is unknown")),
                }
            }
            fn rust(&self) -> String {
                match self { $(Self::$variant => concat!("kernels::", stringify!($name), "::", stringify!($variant))),+ }
                    .to_owned()
            }
        }
    };
}

word_enum! {
    /// What a [`Pool`] computes from the elements of its window that lie inside the source.
    PoolKind {
        /// Their maximum, `if b < a { a } else { b }` in row-major order, from −∞.
        Max = 0,
        /// Their sum in row-major order, divided by their count.
        Average = 1,
        /// Their sum in row-major order, divided by the number of the window's elements that lie inside the source or its
        /// padding.
        AverageIncludePad = 2,
    }
}

word_enum! {
    /// An elementwise operation of two operands.
    BinaryOp {
        /// `a + b`.
        Add = 0,
        /// `a − b`.
        Sub = 1,
        /// `a · b`.
        Mul = 2,
        /// `a / b`.
        Div = 3,
        /// `if b < a { a } else { b }`.
        Max = 4,
        /// `if a < b { a } else { b }`.
        Min = 5,
    }
}

word_enum! {
    /// How the second operand of a [`Binary`] meets the first.
    Broadcast {
        /// Element by element: the same rows, `b_pitch` apart.
        Full = 0,
        /// One vector of `block` elements, repeated along each row.
        Lanes = 1,
        /// One element for all.
        Scalar = 2,
    }
}

macro_rules! families {
    ($($(#[$meta:meta])* $name:ident = $text:literal { $($(#[$fmeta:meta])* $field:ident : $type:ty),+ $(,)? })+) => {
        /// A meaning that kernels implement.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Family { $($(#[$meta])* $name),+ }

        impl Family {
            /// All families.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in kernel names and LIR text.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }

        $($(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type),+ })+

        /// The constants of one call.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Params { $(#[allow(missing_docs)] $name($name)),+ }

        impl Params {
            /// The family of the call.
            #[must_use]
            pub const fn family(&self) -> Family {
                match self { $(Self::$name(_) => Family::$name),+ }
            }

            /// The parameter struct as a Rust expression, with paths from the runtime's root, for generated Rust.
            #[must_use]
            pub fn rust(&self) -> String {
                match self {
                    $(Self::$name(params) => {
                        let fields = [$(format!("{}: {}", stringify!($field), Word::rust(&params.$field))),+];
                        format!("kernels::{} {{ {} }}", stringify!($name), fields.join(", "))
                    })+
                }
            }

            /// The fields in order, for printing and for constant data.
            #[must_use]
            pub fn fields(&self) -> Vec<(String, Field)> {
                let mut out = Vec::new();
                match self { $(Self::$name(params) => { $(Word::put(&params.$field, stringify!($field), &mut out);)+ }),+ }
                out
            }

            /// The parameters of `family` with the fields that `find` knows.
            ///
            /// # Errors
            /// Says which field is missing or has a value outside its type.
            pub fn from_fields(family: Family, find: &dyn Fn(&str) -> Option<Field>) -> Result<Self, String> {
                Ok(match family {
                    $(Family::$name => Self::$name($name { $($field: Word::get(stringify!($field), find)?),+ })),+
                })
            }

            /// The parameter struct as an untyped pointer, as [`Entry`](super::Entry) takes it.
            #[must_use]
            pub const fn as_ptr(&self) -> *const () {
                match self { $(Self::$name(params) => std::ptr::from_ref(params).cast()),+ }
            }

            /// What the call reads and writes, in the order of its pointers. The first is the destination.
            #[must_use]
            pub fn accesses(&self) -> Vec<Access> {
                match self { $(Self::$name(params) => params.accesses()),+ }
            }
        }
    };
}

families! {
    /// Direct convolution of one tile: `mr` neighbouring output pixels of one row × `nr` blocks of output channels.
    ///
    /// `dst[n·dst_block + p·dst_px + l] = act(Σ src[o·outer_stride + y·kh_stride + x·kw_stride + p·px + i] · w + bias [+ residual])`
    ///
    /// The sum starts from `bias[n·block + l]` and is one chain of FMAs in the order (o, y, x, i); then the residual
    /// is added; then the activation applies. Weights lie as `[outer][kh][kw][inner][nr][block]`, with `tail` instead of
    /// `inner` in the last block of input channels.
    /// Pointers: dst, src, weights, bias, and residual where `residual` is 1.
    /// A blocked source has `inner` = its block and `px` = block · stride; a planar (NCHW) source has `inner` = 1,
    /// `outer` = its channels and `px` = stride. A linear layer is one pixel with `px` = `kh` = `kw` = 1.
    Conv = "conv" {
        /// Output pixels.
        mr: u32,
        /// Blocks of output channels.
        nr: u32,
        /// Output channels of one block.
        block: u32,
        /// Source elements between neighbouring output pixels.
        px: u32,
        /// Blocks of input channels.
        outer: u32,
        /// Source elements between blocks of input channels.
        outer_stride: u32,
        /// Height of the window.
        kh: u32,
        /// Source elements between rows of the window (dilation included).
        kh_stride: u32,
        /// Width of the window.
        kw: u32,
        /// Source elements between columns of the window (dilation included).
        kw_stride: u32,
        /// Consecutive input channels of one block.
        inner: u32,
        /// Input channels of the last block; at most `inner`.
        tail: u32,
        /// Destination elements between blocks of output channels.
        dst_block: u32,
        /// Destination and residual elements between pixels; at least `block`.
        dst_px: u32,
        /// 1 where a residual is added, else 0.
        residual: u32,
        /// Residual elements between blocks of output channels.
        residual_block: u32,
        /// What applies last.
        activation: ActivationCode,
    }

    /// Depthwise convolution of `mr` neighbouring output pixels of one row × one block of channels.
    ///
    /// `dst[p·dst_px + l] = act(Σ src[y·kh_stride + x·kw_stride + p·px + l] · weights[(y·kw + x)·block + l] + bias[l] [+ residual])`
    ///
    /// The order is that of [`Conv`]. Pointers: dst, src, weights, bias, and residual where `residual` is 1.
    Depthwise = "depthwise" {
        /// Output pixels.
        mr: u32,
        /// Channels of one block.
        block: u32,
        /// Source elements between neighbouring output pixels.
        px: u32,
        /// Height of the window.
        kh: u32,
        /// Source elements between rows of the window.
        kh_stride: u32,
        /// Width of the window.
        kw: u32,
        /// Source elements between columns of the window.
        kw_stride: u32,
        /// Destination and residual elements between pixels; at least `block`.
        dst_px: u32,
        /// 1 where a residual is added, else 0.
        residual: u32,
        /// What applies last.
        activation: ActivationCode,
    }

    /// Direct convolution of `len` neighbouring pixels of one row of a planar (NCHW) tensor × `nr` output channels, at
    /// stride 1, lanes over pixels: for channels too few to fill a vector.
    ///
    /// `dst[n·dst_plane + p] = act(Σ src[o·outer_stride + y·kh_stride + x·kw_stride + p] · weights[((o·kh + y)·kw + x)·nr + n] + bias[n])`
    ///
    /// The order is that of [`Conv`]. Pointers: dst, src, weights, bias.
    Planar = "planar" {
        /// Output channels.
        nr: u32,
        /// Output pixels.
        len: u32,
        /// Input channels.
        outer: u32,
        /// Source elements between input channels.
        outer_stride: u32,
        /// Height of the window.
        kh: u32,
        /// Source elements between rows of the window.
        kh_stride: u32,
        /// Width of the window.
        kw: u32,
        /// Source elements between columns of the window.
        kw_stride: u32,
        /// Destination elements between output channels.
        dst_plane: u32,
        /// What applies last.
        activation: ActivationCode,
    }

    /// The gradient of a convolution by some of its weights: `nr` groups of `mr` vectors, each a sum over the pixels of
    /// some images.
    ///
    /// `dst[n·dst_group + m·dst_step + l] = Σ src[i·src_image + y·src_row + x·src_px + n·src_group + m] · g[i·g_image + y·g_row + x·g_px + n·g_group + l] [+ residual]`
    ///
    /// The sum starts from 0 and is one chain of FMAs in the order (i, y, x); then the residual is added. Groups are
    /// blocks of output channels, and `src_group` is 0; or they are taps, and `g_group` is 0. Pointers: dst, src, g, and
    /// residual, which lies as dst does, where `residual` is 1.
    WeightGradient = "weight_gradient" {
        /// Neighbouring elements of the source: input channels of a block, or taps in a row.
        mr: u32,
        /// Groups.
        nr: u32,
        /// Output channels of one block.
        block: u32,
        /// Images.
        images: u32,
        /// Source elements between images.
        src_image: u32,
        /// Elements of G between images.
        g_image: u32,
        /// Rows of G.
        rows: u32,
        /// Source elements between the windows of neighbouring rows.
        src_row: u32,
        /// Elements of G between rows.
        g_row: u32,
        /// Pixels of a row.
        cols: u32,
        /// Source elements between the windows of neighbouring pixels.
        src_px: u32,
        /// Elements of G between pixels.
        g_px: u32,
        /// Source elements between groups.
        src_group: u32,
        /// Elements of G between groups.
        g_group: u32,
        /// Destination elements between groups.
        dst_group: u32,
        /// Destination elements between the vectors of a group.
        dst_step: u32,
        /// 1 where a residual is added, else 0.
        residual: u32,
    }

    /// The gradient of a depthwise convolution by the weights of one block of channels, a sum over the pixels of some
    /// images.
    ///
    /// `dst[u·dst_row + v·block + l] = Σ src[i·src_image + y·src_row + x·src_px + u·kh_stride + v·kw_stride + l] · g[i·g_image + y·g_row + x·block + l] [+ residual]`
    ///
    /// Order and pointers are those of [`WeightGradient`].
    DepthwiseGradient = "depthwise_gradient" {
        /// Taps in a row.
        kw: u32,
        /// Rows of taps.
        kh: u32,
        /// Channels of one block.
        block: u32,
        /// Images.
        images: u32,
        /// Source elements between images.
        src_image: u32,
        /// Elements of G between images.
        g_image: u32,
        /// Rows of G.
        rows: u32,
        /// Source elements between the windows of neighbouring rows.
        src_row: u32,
        /// Elements of G between rows.
        g_row: u32,
        /// Pixels of a row.
        cols: u32,
        /// Source elements between the windows of neighbouring pixels.
        src_px: u32,
        /// Source elements between rows of taps.
        kh_stride: u32,
        /// Source elements between taps of a row.
        kw_stride: u32,
        /// Destination elements between rows of taps.
        dst_row: u32,
        /// 1 where a residual is added, else 0.
        residual: u32,
    }

    /// Tiles of one row of the input of a convolution by F(*m*, 3), transformed: `Bᵀ d B` of [`winograd`](super::winograd)
    /// for each lane of one block of channels.
    ///
    /// Tile *t* is the square of side *m* + 2 at column *m*·*t* of `src`, `rows` + 2 rows and `cols` + 2 columns of which
    /// exist; the others are zero. Its point *i*, counted by rows, goes to `dst[i·dst_point + t·block + l]`. There are
    /// ⌈cols / m⌉ tiles. Pointers: dst, src.
    WinogradInput = "winograd_input" {
        /// Rows and columns of results for one tile, 2 or 4.
        m: u32,
        /// Channels of one block.
        block: u32,
        /// Rows of results, at most `m`.
        rows: u32,
        /// Columns of results.
        cols: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
        /// Elements between points of the transformed tiles.
        dst_point: u32,
    }

    /// Tiles of one row of the result of a convolution by F(*m*, 3), transformed back: `Aᵀ x A` of
    /// [`winograd`](super::winograd) for each lane of one block of channels.
    ///
    /// `dst[y·dst_pitch + x·block + l] = act((Aᵀ x A)[y, x] + bias[l] [+ residual])`
    ///
    /// for `y` < `rows`, `x` < `cols`; point *i* of tile *t*, counted by rows, is `src[i·src_point + t·block + l]`.
    /// There are ⌈cols / m⌉ tiles. Pointers: dst, src, bias, and residual where `residual` is 1.
    WinogradOutput = "winograd_output" {
        /// Rows and columns of one tile, 2 or 4.
        m: u32,
        /// Channels of one block.
        block: u32,
        /// Rows, at most `m`.
        rows: u32,
        /// Columns.
        cols: u32,
        /// Elements between points of the sums.
        src_point: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// 1 where a residual is added, else 0.
        residual: u32,
        /// Elements between rows of the residual.
        residual_pitch: u32,
        /// What applies last.
        activation: ActivationCode,
    }

    /// Pooling of one plane of one block of channels; the window is clipped to the source. A sum is the sum of the sums
    /// of its rows: over large planes it loses far less than one element after the other would.
    ///
    /// Pointers: dst, src. Rows lie `dst_pitch` and `src_pitch` elements apart, pixels `block`.
    Pool = "pool" {
        /// What is computed.
        kind: PoolKind,
        /// Channels of one block.
        block: u32,
        /// Rows of the source.
        in_h: u32,
        /// Columns of the source.
        in_w: u32,
        /// Rows of the result.
        out_h: u32,
        /// Columns of the result.
        out_w: u32,
        /// Height of the window.
        kh: u32,
        /// Width of the window.
        kw: u32,
        /// Rows between windows.
        stride_h: u32,
        /// Columns between windows.
        stride_w: u32,
        /// Rows of padding above.
        pad_top: u32,
        /// Columns of padding to the left.
        pad_left: u32,
        /// Rows of padding below; windows may reach beyond.
        pad_bottom: u32,
        /// Columns of padding to the right; windows may reach beyond.
        pad_right: u32,
        /// Rows between rows of a window.
        dilation_h: u32,
        /// Columns between columns of a window.
        dilation_w: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
    }

    /// Pooling of rows of one plane of a planar (NCHW) tensor, lanes over results; every window lies inside the source.
    ///
    /// `dst[y·dst_pitch + x] = ⨁ src[y·row_stride + i·kh_stride + x·stride + j·kw_stride]`, `⨁` being that of [`PoolKind`].
    /// Pointers: dst, src.
    PlanarPool = "planar_pool" {
        /// What is computed.
        kind: PoolKind,
        /// Rows of results.
        rows: u32,
        /// Results of a row.
        len: u32,
        /// Height of the window.
        kh: u32,
        /// Width of the window.
        kw: u32,
        /// Source elements between rows of windows.
        row_stride: u32,
        /// Source elements between neighbouring windows.
        stride: u32,
        /// Source elements between rows of a window.
        kh_stride: u32,
        /// Source elements between columns of a window.
        kw_stride: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
    }

    /// An activation over `rows` rows of `len` elements. Pointers: dst, src (which may be equal).
    Map = "map" {
        /// Rows.
        rows: u32,
        /// Elements of a row.
        len: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
        /// The function.
        activation: ActivationCode,
    }

    /// `dst = act(a op b)` over `rows` rows of `len` elements. Pointers: dst, a, b.
    Binary = "binary" {
        /// The operation.
        op: BinaryOp,
        /// How `b` meets `a`.
        broadcast: Broadcast,
        /// Elements of one vector of `b` where it is [`Broadcast::Lanes`]; `len` is a multiple of it.
        block: u32,
        /// Rows.
        rows: u32,
        /// Elements of a row.
        len: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// Elements between rows of `a`.
        a_pitch: u32,
        /// Elements between rows of `b` where it is [`Broadcast::Full`].
        b_pitch: u32,
        /// What applies last.
        activation: ActivationCode,
    }

    /// `dst = act(fma(src, scale, shift))`, scale and shift being vectors of `block` elements repeated along each row:
    /// a BatchNorm that no convolution took in. Pointers: dst, src, scale, shift.
    Affine = "affine" {
        /// Elements of one vector of scale and shift; `len` is a multiple of it.
        block: u32,
        /// Rows.
        rows: u32,
        /// Elements of a row.
        len: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
        /// What applies last.
        activation: ActivationCode,
    }

    /// Sets `rows` rows of `len` elements to `value`. Pointers: dst.
    Fill = "fill" {
        /// Rows.
        rows: u32,
        /// Elements of a row.
        len: u32,
        /// Elements between rows.
        dst_pitch: u32,
        /// The value.
        value: f32,
    }

    /// Copies `rows` rows of `len` elements. Pointers: dst, src.
    Copy = "copy" {
        /// Rows.
        rows: u32,
        /// Elements of a row.
        len: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
    }

    /// NCHW to nChw*B*c, one block of channels: `dst[y·dst_pitch + x·block + c] = src[c·src_plane + y·src_pitch + x]`,
    /// and 0 for `c ≥ channels`. Pointers: dst, src.
    Block = "block" {
        /// Channels of one block of the result.
        block: u32,
        /// Channels of the source that this block holds; at most `block`.
        channels: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// Elements between channels of the source.
        src_plane: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
    }

    /// nChw*B*c to NCHW, one block of channels: `dst[c·dst_plane + y·dst_pitch + x] = src[y·src_pitch + x·block + c]`
    /// for `c < channels`. Pointers: dst, src.
    Unblock = "unblock" {
        /// Channels of one block of the source.
        block: u32,
        /// Channels of the result that this block holds; at most `block`.
        channels: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Elements between channels of the result.
        dst_plane: u32,
        /// Elements between rows of the result.
        dst_pitch: u32,
        /// Elements between rows of the source.
        src_pitch: u32,
    }
}

impl Params {
    /// Whether operand `operand` may be the destination itself, with the same first element and the same dimensions:
    /// each of its elements is read before the call writes it, and never after.
    #[must_use]
    pub const fn in_place(&self, operand: usize) -> bool {
        match self {
            Self::Conv(_) | Self::Depthwise(_) => operand == 4,
            Self::WinogradOutput(_) | Self::WeightGradient(_) | Self::DepthwiseGradient(_) => operand == 3,
            Self::Map(_) | Self::Affine(_) => operand == 1,
            Self::Binary(params) => operand == 1 || operand == 2 && matches!(params.broadcast, Broadcast::Full),
            Self::Planar(_)
            | Self::WinogradInput(_)
            | Self::Pool(_)
            | Self::PlanarPool(_)
            | Self::Fill(_)
            | Self::Copy(_)
            | Self::Block(_)
            | Self::Unblock(_) => false,
        }
    }
}

use Role::{Read, Write};

/// The pixels of a tile, one run where nothing lies between them: dimensions and their runs.
fn pixels(mr: u32, block: u32, px: u32) -> (Vec<(u32, u32)>, u32) {
    if px == block { (Vec::new(), product(&[mr, block])) } else { (vec![(mr, px)], block) }
}

impl Conv {
    fn accesses(&self) -> Vec<Access> {
        let (pixels, run) = pixels(self.mr, self.block, self.dst_px);
        let channels = match self.outer.checked_sub(1) {
            Some(full) => product(&[full, self.inner]).saturating_add(self.tail),
            None => 0,
        };
        let weights = [channels, self.kh, self.kw, self.nr, self.block];
        let inner = if self.outer > 1 { self.inner } else { self.tail };
        let window =
            [(self.outer, self.outer_stride), (self.kh, self.kh_stride), (self.kw, self.kw_stride), (self.mr, self.px)];
        let mut accesses = vec![
            Access::new("dst", Write, &[&[(self.nr, self.dst_block)], &pixels[..]].concat(), run),
            Access::new("src", Read, &window, inner),
            Access::new("weights", Read, &[], product(&weights)),
            Access::new("bias", Read, &[], product(&[self.nr, self.block])),
        ];
        if self.residual == 1 {
            accesses.push(Access::new(
                "residual",
                Read,
                &[&[(self.nr, self.residual_block)], &pixels[..]].concat(),
                run,
            ));
        }
        accesses
    }
}

impl Depthwise {
    fn accesses(&self) -> Vec<Access> {
        let (pixels, run) = pixels(self.mr, self.block, self.dst_px);
        let window = [(self.kh, self.kh_stride), (self.kw, self.kw_stride), (self.mr, self.px)];
        let mut accesses = vec![
            Access::new("dst", Write, &pixels, run),
            Access::new("src", Read, &window, self.block),
            Access::new("weights", Read, &[], product(&[self.kh, self.kw, self.block])),
            Access::new("bias", Read, &[], self.block),
        ];
        if self.residual == 1 {
            accesses.push(Access::new("residual", Read, &pixels, run));
        }
        accesses
    }
}

impl WeightGradient {
    fn accesses(&self) -> Vec<Access> {
        let source = [(self.images, self.src_image), (self.rows, self.src_row), (self.cols, self.src_px)];
        let pixels = [(self.images, self.g_image), (self.rows, self.g_row), (self.cols, self.g_px)];
        let sums = [(self.nr, self.dst_group), (self.mr, self.dst_step)];
        let mut accesses = vec![
            Access::new("dst", Write, &sums, self.block),
            Access::new("src", Read, &[&source[..], &[(self.nr, self.src_group)]].concat(), self.mr),
            Access::new("g", Read, &[&pixels[..], &[(self.nr, self.g_group)]].concat(), self.block),
        ];
        if self.residual == 1 {
            accesses.push(Access::new("residual", Read, &sums, self.block));
        }
        accesses
    }
}

impl DepthwiseGradient {
    fn accesses(&self) -> Vec<Access> {
        let source = [(self.images, self.src_image), (self.rows, self.src_row), (self.cols, self.src_px)];
        let taps = [(self.kh, self.kh_stride), (self.kw, self.kw_stride)];
        let row = product(&[self.kw, self.block]);
        let mut accesses = vec![
            Access::new("dst", Write, &[(self.kh, self.dst_row)], row),
            Access::new("src", Read, &[source.as_slice(), taps.as_slice()].concat(), self.block),
            Access::new(
                "g",
                Read,
                &[(self.images, self.g_image), (self.rows, self.g_row)],
                product(&[self.cols, self.block]),
            ),
        ];
        if self.residual == 1 {
            accesses.push(Access::new("residual", Read, &[(self.kh, self.dst_row)], row));
        }
        accesses
    }
}

impl Planar {
    fn accesses(&self) -> Vec<Access> {
        let window = [(self.outer, self.outer_stride), (self.kh, self.kh_stride), (self.kw, self.kw_stride)];
        vec![
            Access::new("dst", Write, &[(self.nr, self.dst_plane)], self.len),
            Access::new("src", Read, &window, self.len),
            Access::new("weights", Read, &[], product(&[self.outer, self.kh, self.kw, self.nr])),
            Access::new("bias", Read, &[], self.nr),
        ]
    }
}

impl WinogradInput {
    /// The tiles of the row.
    pub(super) const fn tiles(&self) -> u32 {
        if self.m == 0 { 0 } else { self.cols.div_ceil(self.m) }
    }

    fn accesses(&self) -> Vec<Access> {
        let (points, tiles) = (alpha(self.m).map_or(0, |a| a * a), product(&[self.tiles(), self.block]));
        let some = u32::from(points > 0 && self.rows > 0 && self.cols > 0);
        let columns = product(&[some, self.cols.saturating_add(2), self.block]);
        vec![
            Access::new("dst", Write, &[(points * some, self.dst_point)], tiles),
            Access::new("src", Read, &[(self.rows.saturating_add(2), self.src_pitch)], columns),
        ]
    }
}

impl PlanarPool {
    fn accesses(&self) -> Vec<Access> {
        let rows = [(self.rows, self.row_stride), (self.kh, self.kh_stride)];
        let columns = [(self.kw, self.kw_stride), (self.len, self.stride)];
        vec![
            Access::new("dst", Write, &[(self.rows, self.dst_pitch)], self.len),
            Access::new("src", Read, &[rows, columns].concat(), 1),
        ]
    }
}

impl WinogradOutput {
    /// The tiles of the row.
    pub(super) const fn tiles(&self) -> u32 {
        if self.m == 0 { 0 } else { self.cols.div_ceil(self.m) }
    }

    fn accesses(&self) -> Vec<Access> {
        let (points, tiles) = (alpha(self.m).map_or(0, |a| a * a), product(&[self.tiles(), self.block]));
        let row = product(&[self.cols, self.block]);
        let mut accesses = vec![
            Access::new("dst", Write, &[(self.rows, self.dst_pitch)], row),
            Access::new("src", Read, &[(points, self.src_point)], tiles),
            Access::new("bias", Read, &[], self.block),
        ];
        if self.residual == 1 {
            accesses.push(Access::new("residual", Read, &[(self.rows, self.residual_pitch)], row));
        }
        accesses
    }
}

impl Pool {
    fn accesses(&self) -> Vec<Access> {
        vec![
            Access::new("dst", Write, &[(self.out_h, self.dst_pitch)], product(&[self.out_w, self.block])),
            Access::new("src", Read, &[(self.in_h, self.src_pitch)], product(&[self.in_w, self.block])),
        ]
    }
}

impl Map {
    fn accesses(&self) -> Vec<Access> {
        vec![
            Access::new("dst", Write, &[(self.rows, self.dst_pitch)], self.len),
            Access::new("src", Read, &[(self.rows, self.src_pitch)], self.len),
        ]
    }
}

impl Binary {
    fn accesses(&self) -> Vec<Access> {
        let b = match self.broadcast {
            Broadcast::Full => Access::new("b", Read, &[(self.rows, self.b_pitch)], self.len),
            Broadcast::Lanes => Access::new("b", Read, &[], self.block),
            Broadcast::Scalar => Access::new("b", Read, &[], 1),
        };
        vec![
            Access::new("dst", Write, &[(self.rows, self.dst_pitch)], self.len),
            Access::new("a", Read, &[(self.rows, self.a_pitch)], self.len),
            b,
        ]
    }
}

impl Affine {
    fn accesses(&self) -> Vec<Access> {
        vec![
            Access::new("dst", Write, &[(self.rows, self.dst_pitch)], self.len),
            Access::new("src", Read, &[(self.rows, self.src_pitch)], self.len),
            Access::new("scale", Read, &[], self.block),
            Access::new("shift", Read, &[], self.block),
        ]
    }
}

impl Fill {
    fn accesses(&self) -> Vec<Access> {
        vec![Access::new("dst", Write, &[(self.rows, self.dst_pitch)], self.len)]
    }
}

impl Copy {
    fn accesses(&self) -> Vec<Access> {
        vec![
            Access::new("dst", Write, &[(self.rows, self.dst_pitch)], self.len),
            Access::new("src", Read, &[(self.rows, self.src_pitch)], self.len),
        ]
    }
}

impl Block {
    fn accesses(&self) -> Vec<Access> {
        vec![
            Access::new("dst", Write, &[(self.h, self.dst_pitch)], product(&[self.w, self.block])),
            Access::new("src", Read, &[(self.channels, self.src_plane), (self.h, self.src_pitch)], self.w),
        ]
    }
}

impl Unblock {
    fn accesses(&self) -> Vec<Access> {
        vec![
            Access::new("dst", Write, &[(self.channels, self.dst_plane), (self.h, self.dst_pitch)], self.w),
            Access::new("src", Read, &[(self.h, self.src_pitch)], product(&[self.w, self.block])),
        ]
    }
}
