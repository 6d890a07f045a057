//! [`AlignedVec`]: zeroed memory that begins on a cache line.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use memmap2::MmapMut;

use crate::Element;

/// Where an [`AlignedVec`] begins: a multiple of this many bytes, the line of a cache and the widest vector register.
pub const ALIGNMENT: usize = 64;

/// A value that begins on a boundary of [`ALIGNMENT`] bytes: for files that are part of a program.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<T: ?Sized>(pub T);

const _: () = assert!(align_of::<Aligned<u8>>() == ALIGNMENT);

/// Bytes of a huge page, from which on memory comes as pages of its own. A gigabyte in pages of 4 KiB misses the
/// TLB at every row of a weight matrix, and its first touch costs a quarter of a million faults.
const HUGE_PAGE: usize = 2 << 20;

/// A fixed number of elements, zeroed at first, beginning on a boundary of [`ALIGNMENT`] bytes.
///
/// From 2 MiB on it asks for huge pages where the system has them; memory that is never touched is then never backed.
pub struct AlignedVec<T: Element> {
    start: NonNull<T>,
    len: usize,
    owner: Owner,
}

/// What gives an [`AlignedVec`]'s memory back.
enum Owner {
    /// The global allocator; nothing where the layout is of no bytes.
    Heap(Layout),
    /// Pages of their own, unmapped when this is dropped.
    Pages { _pages: MmapMut },
}

// SAFETY: an `AlignedVec` owns its memory alone, as a `Box<[T]>` does, and elements are `Send`.
unsafe impl<T: Element> Send for AlignedVec<T> {}
// SAFETY: a shared `AlignedVec` only hands out `&[T]`, and elements are `Sync`.
unsafe impl<T: Element> Sync for AlignedVec<T> {}

impl<T: Element> AlignedVec<T> {
    /// `len` zeros.
    ///
    /// # Panics
    /// Where the bytes exceed `isize::MAX`. As everywhere in Rust, running out of memory ends the process.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let layout = Layout::array::<T>(len).and_then(|layout| layout.align_to(ALIGNMENT));
        let layout = layout.unwrap_or_else(|_| panic!("{len} elements of {} exceed the address space", T::NAME));
        if layout.size() >= HUGE_PAGE
            && let Some((start, pages)) = map(layout.size())
        {
            return Self { start: start.cast(), len, owner: Owner::Pages { _pages: pages } };
        }
        let start = if layout.size() == 0 {
            layout.dangling_ptr()
        } else {
            // SAFETY: the layout is not of size zero.
            NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
        };
        Self { start: start.cast(), len, owner: Owner::Heap(layout) }
    }

    /// The address of the first element. It stays valid while the vector lives, wherever it is moved, and whatever is
    /// written through [`as_mut_ptr`](Self::as_mut_ptr) or a slice that is no longer held.
    #[must_use]
    pub const fn as_ptr(&self) -> *const T {
        self.start.as_ptr()
    }

    /// The address of the first element, for writing. It stays valid while the vector lives, wherever it is moved;
    /// who writes through it must not hold a slice of the vector meanwhile.
    #[must_use]
    pub const fn as_mut_ptr(&mut self) -> *mut T {
        self.start.as_ptr()
    }
}

/// Zeroed pages for `bytes` bytes, huge ones where the system has them.
fn map(bytes: usize) -> Option<(NonNull<u8>, MmapMut)> {
    // Linux puts a mapping on a huge page's boundary only where its length is a multiple of one.
    let mut pages = MmapMut::map_anon(bytes.checked_next_multiple_of(HUGE_PAGE)?).ok()?;
    #[cfg(target_os = "linux")]
    {
        // A kernel without huge pages refuses; the memory is as good without.
        let _ = pages.advise(memmap2::Advice::HugePage);
    }
    let start = NonNull::new(pages.as_mut_ptr())?;
    start.addr().get().is_multiple_of(ALIGNMENT).then_some((start, pages))
}

impl<T: Element> Drop for AlignedVec<T> {
    fn drop(&mut self) {
        match self.owner {
            Owner::Heap(layout) if layout.size() > 0 => {
                // SAFETY: `zeroed` allocated this address with this layout, and nothing frees it but this drop.
                unsafe { dealloc(self.start.as_ptr().cast(), layout) }
            }
            Owner::Heap(_) | Owner::Pages { .. } => {}
        }
    }
}

impl<T: Element> Deref for AlignedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `start` is aligned and valid for `len` elements, which were zeroed at first, a valid value of every
        // `Element`; they are borrowed as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Element> DerefMut for AlignedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Element> From<&[T]> for AlignedVec<T> {
    fn from(elements: &[T]) -> Self {
        let mut vec = Self::zeroed(elements.len());
        vec.copy_from_slice(elements);
        vec
    }
}

impl<T: Element> Clone for AlignedVec<T> {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl<T: Element> PartialEq for AlignedVec<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Element> fmt::Debug for AlignedVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_zeroed_on_a_line() {
        // Small, just below, at and above the size that is mapped.
        for len in [1, 3, 1000, HUGE_PAGE / 4 - 1, HUGE_PAGE / 4, HUGE_PAGE / 4 + 1, HUGE_PAGE] {
            let mut vec = AlignedVec::<f32>::zeroed(len);
            assert_eq!(vec.len(), len);
            assert_eq!(vec.as_ptr().addr() % ALIGNMENT, 0);
            assert!(vec.iter().all(|x| *x == 0.0));
            vec[len - 1] = 1.0;
            let copy = vec.clone();
            assert_eq!(copy.as_ptr().addr() % ALIGNMENT, 0);
            assert!(copy == vec);
        }
    }

    #[test]
    fn may_be_empty() {
        let vec = AlignedVec::<i64>::zeroed(0);
        assert!(vec.is_empty());
        assert_eq!(vec.as_ptr().addr() % ALIGNMENT, 0);
        assert!(vec.clone().is_empty());
    }

    #[test]
    #[should_panic(expected = "exceed the address space")]
    fn refuses_more_than_the_address_space() {
        drop(AlignedVec::<f32>::zeroed(usize::MAX / 2));
    }

    #[test]
    fn keeps_its_address_when_moved() {
        let mut vec = AlignedVec::<f32>::zeroed(10);
        let address = vec.as_mut_ptr();
        let moved = Box::new(vec);
        assert_eq!(moved.as_ptr(), address.cast_const());
    }
}
