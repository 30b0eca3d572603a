//! The memory of a plugin.
//!
//! A transform makes and drops a handful of small values for each document, so what an allocation costs is a good
//! part of what a document costs. Small ones are taken from lists of their size, and go back there. Rust's own
//! allocator gets the rest, and hands out the space that the lists are filled from.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// What sizes are rounded up to, and what every small value is aligned to, in bytes.
const STEP: usize = 16;

/// How many lists there are: the last one's values have 1,024 bytes.
const LISTS: usize = 64;

/// How much is asked for at once, in bytes. Each time it is twice as much, since memory that grows often is slow:
/// the host has to map each part of it.
const FIRST_CHUNK: usize = 32 << 10;
const LARGEST_CHUNK: usize = 256 << 10;

/// Lists of free space, by size.
pub(crate) struct Lists(UnsafeCell<Space>);

struct Space {
    /// For each size the space that was freed last. It begins with the address of what was freed before.
    free: [*mut u8; LISTS],
    /// The rest of a chunk, which nobody has had yet.
    fresh: *mut u8,
    left: usize,
    /// How large the next chunk is.
    chunk: usize,
}

// SAFETY: a component has one thread. Its instructions have no atomics, or this would not compile (see the
// module's `cfg`).
#[cfg(target_family = "wasm")]
unsafe impl Sync for Lists {}

impl Lists {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Space {
            free: [ptr::null_mut(); LISTS],
            fresh: ptr::null_mut(),
            left: 0,
            chunk: FIRST_CHUNK,
        }))
    }
}

/// The list that a value belongs to; None if it is too large, or wants to be aligned more.
#[inline(always)]
const fn list(layout: &Layout) -> Option<usize> {
    let list = layout.size().wrapping_sub(1) / STEP;
    if list < LISTS && layout.align() <= STEP {
        Some(list)
    } else {
        None
    }
}

impl Space {
    /// Space of which there is none on its list.
    #[inline(always)]
    fn more(&mut self, list: usize) -> *mut u8 {
        let size = (list + 1) * STEP;
        if self.left < size && !self.refill() && !self.refill() {
            return ptr::null_mut();
        }
        let space = self.fresh;
        // SAFETY: so much is left of the chunk.
        self.fresh = unsafe { space.add(size) };
        self.left -= size;
        space
    }

    /// Gets a chunk. If there is no room for it, the next one that is asked for is the smallest.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        // SAFETY: the size is not zero, and the alignment a power of two.
        let layout = unsafe { Layout::from_size_align_unchecked(self.chunk, STEP) };
        // SAFETY: the layout's size is not zero.
        let chunk = unsafe { System.alloc(layout) };
        if chunk.is_null() {
            self.chunk = FIRST_CHUNK;
            return false;
        }
        // What is left of the chunk before is less than one small value, and stays unused.
        (self.fresh, self.left) = (chunk, self.chunk);
        self.chunk = (2 * self.chunk).min(LARGEST_CHUNK);
        true
    }
}

// SAFETY: what is handed out is of a list's size, which is at least the layout's, and aligned to `STEP`, as chunks
// are and sizes keep it; nobody else has it until it is given back. A value comes back with the layout that it was
// asked for, and so to the list that it came from. Nothing here allocates by itself or panics.
unsafe impl GlobalAlloc for Lists {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(list) = list(&layout) else {
            // SAFETY: the caller's promises are the same.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: there is one thread, and nothing below calls back.
        let space = unsafe { &mut *self.0.get() };
        let free = space.free[list];
        if free.is_null() {
            return space.more(list);
        }
        // SAFETY: space on a list begins with an address, written by `dealloc`.
        space.free[list] = unsafe { free.cast::<*mut u8>().read() };
        free
    }

    #[inline]
    unsafe fn dealloc(&self, value: *mut u8, layout: Layout) {
        let Some(list) = list(&layout) else {
            // SAFETY: the caller's promises are the same.
            return unsafe { System.dealloc(value, layout) };
        };
        // SAFETY: there is one thread, and nothing below calls back.
        let space = unsafe { &mut *self.0.get() };
        // SAFETY: the value has at least `STEP` bytes, is aligned to as many, and nobody uses it any more.
        unsafe { value.cast::<*mut u8>().write(space.free[list]) };
        space.free[list] = value;
    }

    #[inline]
    unsafe fn realloc(&self, value: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size, rounded up to the alignment, does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (list(&layout), list(&wanted)) {
            (None, None) => {
                // SAFETY: the caller's promises are the same.
                unsafe { System.realloc(value, layout, size) }
            }
            (Some(from), Some(to)) if from == to => value,
            _ => {
                // SAFETY: the size is not zero, as the caller promises.
                let moved = unsafe { self.alloc(wanted) };
                if !moved.is_null() {
                    // SAFETY: both have so many bytes, and the new one is nobody else's.
                    unsafe { ptr::copy_nonoverlapping(value, moved, layout.size().min(size)) };
                    // SAFETY: the value is the caller's, with this layout, and is not used any more.
                    unsafe { self.dealloc(value, layout) };
                }
                moved
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value that is in use, and the byte that it is full of.
    struct Held {
        value: *mut u8,
        layout: Layout,
        byte: u8,
    }

    impl Held {
        fn new(value: *mut u8, layout: Layout, byte: u8) -> Self {
            assert!(!value.is_null());
            assert_eq!(value as usize % layout.align(), 0);
            // SAFETY: the allocator has just handed it out with this size.
            unsafe { value.write_bytes(byte, layout.size()) };
            Self {
                value,
                layout,
                byte,
            }
        }

        fn is_whole(&self, bytes: usize) -> bool {
            // SAFETY: it is in use, and so large, and written to.
            let text = unsafe { std::slice::from_raw_parts(self.value, bytes) };
            text.iter().all(|byte| *byte == self.byte)
        }
    }

    proptest! {
        #[test]
        fn no_two_values_share_a_byte(
            calls in proptest::collection::vec(
                (0_u8..3, prop_oneof![1_usize..2_100, 1_usize..64], 0_u32..6, any::<prop::sample::Index>()),
                1..400),
        ) {
            let lists = Lists::new();
            let mut held: Vec<Held> = Vec::new();
            for (number, (call, size, align, which)) in calls.into_iter().enumerate() {
                let byte = number as u8;
                match call {
                    0 if !held.is_empty() => {
                        let old = held.swap_remove(which.index(held.len()));
                        prop_assert!(old.is_whole(old.layout.size()));
                        // SAFETY: it is in use, and of this layout.
                        unsafe { lists.dealloc(old.value, old.layout) };
                    }
                    1 if !held.is_empty() => {
                        let old = held.swap_remove(which.index(held.len()));
                        // SAFETY: it is in use, of this layout, and the size is not zero.
                        let value = unsafe { lists.realloc(old.value, old.layout, size) };
                        let moved = Held { value, ..old };
                        prop_assert!(moved.is_whole(size.min(moved.layout.size())));
                        let layout = Layout::from_size_align(size, moved.layout.align()).unwrap();
                        held.push(Held::new(value, layout, byte));
                    }
                    _ => {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        // SAFETY: the size is not zero.
                        held.push(Held::new(unsafe { lists.alloc(layout) }, layout, byte));
                    }
                }
                prop_assert!(held.iter().all(|held| held.is_whole(held.layout.size())));
            }
            for old in held {
                // SAFETY: it is in use, and of this layout.
                unsafe { lists.dealloc(old.value, old.layout) };
            }
        }
    }
}
