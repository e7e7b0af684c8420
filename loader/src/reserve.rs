//! A reserve of memory, for when the system gives none: a collection that cannot grow ends the process, which is not for a
//! loader to do. The interpreter notices the same in the next moment, and raises `MemoryError`; and while much of the reserve is in
//! use, imports are importlib's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of the reserve; nothing of it is resident before it is used.
const SIZE: usize = 64 << 10;

/// Bytes of its blocks. A piece has whole ones, and begins at such a boundary.
const BLOCK: usize = 64;

/// Bytes of a piece at most: what grows without end, as a list of a directory's names, is not to take the reserve from all others. Such
/// collections ask whether they can grow.
const LARGEST: usize = 8 << 10;

/// Blocks in use at most where an import begins.
const ENOUGH: usize = SIZE / BLOCK / 2;

/// The memory, and which of its blocks are in use.
#[repr(align(64))]
struct Reserve {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: Mutex<[bool; SIZE / BLOCK]>,
    /// How many are.
    count: AtomicUsize,
}

// SAFETY: a piece of the bytes belongs to who was given it, and `used` says which are given.
unsafe impl Sync for Reserve {}

static RESERVE: Reserve = Reserve::new();

/// Whether so little of the reserve is left that nothing should be begun.
pub fn is_low() -> bool {
    RESERVE.is_low()
}

/// How many blocks a piece of so many bytes has.
fn blocks(size: usize) -> usize {
    size.div_ceil(BLOCK).max(1)
}

impl Reserve {
    const fn new() -> Reserve {
        let used = Mutex::new([false; SIZE / BLOCK]);
        Reserve { bytes: UnsafeCell::new([0; SIZE]), used, count: AtomicUsize::new(0) }
    }

    fn used(&self) -> MutexGuard<'_, [bool; SIZE / BLOCK]> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_low(&self) -> bool {
        self.count.load(Ordering::Relaxed) > ENOUGH
    }

    /// A piece, or null if there is not so much left in one place.
    fn take(&self, layout: Layout) -> *mut u8 {
        // No alignment within the bytes makes up for one that is larger than their own.
        if layout.size() > LARGEST || layout.align() > BLOCK {
            return ptr::null_mut();
        }
        let count = blocks(layout.size());
        let mut used = self.used();
        let Some(first) = used.windows(count).position(|blocks| !blocks.contains(&true)) else {
            return ptr::null_mut();
        };
        used[first..first + count].fill(true);
        self.count.fetch_add(count, Ordering::Relaxed);
        self.bytes.get().cast::<u8>().wrapping_add(first * BLOCK)
    }

    /// The first block of a piece, if it is one of the reserve.
    fn block(&self, piece: *mut u8) -> Option<usize> {
        let place = (piece as usize).wrapping_sub(self.bytes.get() as usize);
        (place < SIZE).then_some(place / BLOCK)
    }

    /// A piece of so many bytes, from this block on, is in use no more.
    fn give_back(&self, first: usize, size: usize) {
        let count = blocks(size);
        self.used()[first..first + count].fill(false);
        self.count.fetch_sub(count, Ordering::Relaxed);
    }
}

/// The system's memory, and the reserve behind it.
pub struct Allocator;

// SAFETY: what the system gives is the system's, and what the reserve gives is aligned and nobody else's, as `take` says.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { RESERVE.take(layout) } else { memory }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if !memory.is_null() {
            return memory;
        }
        let memory = RESERVE.take(layout);
        if !memory.is_null() {
            // SAFETY: so many bytes were given; somebody may have had them before.
            unsafe { memory.write_bytes(0, layout.size()) };
        }
        memory
    }

    #[inline(never)]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match RESERVE.block(memory) {
            Some(first) => RESERVE.give_back(first, layout.size()),
            // SAFETY: the caller's promise: it was not the reserve that gave it.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if RESERVE.block(memory).is_none() {
            // SAFETY: the caller's promise.
            let moved = unsafe { System.realloc(memory, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller promises that the size fits. The new memory is another one; both have the bytes that are copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(memory, moved, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_apart_and_come_again() {
        let reserve = Box::new(Reserve::new());
        let piece = |size, align| reserve.take(Layout::from_size_align(size, align).unwrap());
        let block = |piece| reserve.block(piece).unwrap();
        let [first, second, third] = [(3, 1), (65, 16), (64, 64)].map(|(size, align)| piece(size, align));
        assert_eq!([first, second, third].map(block), [0, 1, 3]);
        reserve.give_back(1, 65);
        // One place is too small for this, and for these it is not.
        assert_eq!([129, 64, 1].map(|size| block(piece(size, 1))), [4, 1, 2]);
        assert!(piece(LARGEST + 1, 1).is_null() && piece(8, 4096).is_null());
        assert_eq!(reserve.block(first.wrapping_sub(1)), None);
        assert_eq!(reserve.block(first.wrapping_add(SIZE)), None);
    }

    #[test]
    fn it_is_low_when_half_of_it_is_in_use_and_ends() {
        let reserve = Box::new(Reserve::new());
        let piece = || reserve.take(Layout::from_size_align(LARGEST, 8).unwrap());
        for number in 0..SIZE / LARGEST {
            assert_eq!(reserve.is_low(), number * LARGEST > SIZE / 2, "{number}");
            assert!(!piece().is_null());
        }
        assert!(piece().is_null() && reserve.is_low());
        (0..SIZE / LARGEST).for_each(|number| reserve.give_back(number * LARGEST / BLOCK, LARGEST));
        assert!(!reserve.is_low());
    }

    #[test]
    fn what_grows_keeps_its_bytes() {
        let small = Layout::from_size_align(8, 8).unwrap();
        // SAFETY: a piece of the reserve, which is moved and given back.
        unsafe {
            let memory = RESERVE.take(small);
            memory.cast::<u64>().write(0x0123_4567_89ab_cdef);
            let moved = Allocator.realloc(memory, small, 4096);
            assert!(RESERVE.block(moved).is_none());
            assert_eq!(moved.cast::<u64>().read(), 0x0123_4567_89ab_cdef);
            Allocator.dealloc(moved, Layout::from_size_align(4096, 8).unwrap());
        }
    }
}
