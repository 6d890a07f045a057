//! Memory for one operand of a call, built so that an access outside of the stated ones shows.

use proptest::test_runner::TestCaseError;

use crate::kernels::{Access, Role};

/// The elements that a call may access through one pointer. They end where a page begins that nothing may touch;
/// elements in gaps are NaN where the operand is read, and keep their value where it is written.
pub(super) struct Operand {
    name: &'static str,
    mapping: *mut libc::c_void,
    bytes: usize,
    len: usize,
    accessed: Vec<bool>,
}

const PAGE: usize = 4096;
const UNTOUCHED: u32 = 0x4234_5678;

impl Operand {
    pub(super) fn new(access: &Access, seed: u64) -> Self {
        let len = access.span() as usize;
        let mut accessed = vec![false; len];
        let mut places = vec![0usize];
        for dim in &access.dims {
            places = (0..dim.count as usize)
                .flat_map(|i| places.iter().map(move |place| place + i * dim.stride as usize))
                .collect();
        }
        places.iter().filter(|_| len != 0).for_each(|&place| accessed[place..place + access.len as usize].fill(true));

        let bytes = (len * 4).next_multiple_of(PAGE) + PAGE;
        // SAFETY: a new private mapping; its last page becomes inaccessible.
        let mapping = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let mapping = libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0);
            assert_ne!(mapping, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(mapping.byte_add(bytes - PAGE), PAGE, libc::PROT_NONE), 0);
            mapping
        };
        let mut operand = Self { name: access.name, mapping, bytes, len, accessed };
        let mut values = Values(seed);
        for i in 0..len {
            let value = match access.role {
                Role::Write => f32::from_bits(UNTOUCHED),
                Role::Read if operand.accessed[i] => values.next(),
                Role::Read => f32::NAN,
            };
            operand.elements_mut()[i] = value;
        }
        operand
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.elements_mut().as_mut_ptr()
    }

    fn elements(&self) -> &[f32] {
        // SAFETY: the last `len` elements before the inaccessible page, which this struct owns.
        unsafe {
            std::slice::from_raw_parts(self.mapping.byte_add(self.bytes - PAGE).cast::<f32>().sub(self.len), self.len)
        }
    }

    fn elements_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `elements`; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.elements().as_ptr().cast_mut(), self.len) }
    }

    /// Takes over the values of an operand with the same access.
    pub(super) fn fill_from(&mut self, other: &Self) {
        self.elements_mut().copy_from_slice(other.elements());
    }

    /// Fails where bits differ from `expected`, all NaNs being equal, and where a gap was written.
    pub(super) fn check(&self, expected: &Self) -> Result<(), TestCaseError> {
        self.compare(expected, |_| true)
    }

    /// As [`check`](Self::check), for the elements that may be accessed.
    pub(super) fn check_accessed(&self, expected: &Self) -> Result<(), TestCaseError> {
        self.compare(expected, |i| self.accessed[i])
    }

    fn compare(&self, expected: &Self, asked: impl Fn(usize) -> bool) -> Result<(), TestCaseError> {
        for (i, (&found, &expected)) in self.elements().iter().zip(expected.elements()).enumerate() {
            let equal = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            if !equal && asked(i) {
                let what = if self.accessed[i] { "is" } else { "(which nothing may write) is" };
                let name = self.name;
                return Err(TestCaseError::fail(format!("{name}[{i}] {what} {found:e}, expected {expected:e}")));
            }
        }
        Ok(())
    }
}

impl Drop for Operand {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`.
        unsafe { libc::munmap(self.mapping, self.bytes) };
    }
}

/// Mostly ordinary values, some that are zero, large, infinite or NaN.
struct Values(u64);

impl Values {
    fn next(&mut self) -> f32 {
        // Knuth's MMIX generator.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (self.0 >> 33) as u32;
        match bits % 512 {
            0 => 0.0,
            1 => -0.0,
            2 => 1e30,
            3 => f32::INFINITY,
            4 => f32::NAN,
            _ => (bits >> 9) as f32 / (1 << 21) as f32 - 2.0,
        }
    }
}
