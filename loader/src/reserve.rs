//! A reserve of memory, for when the system gives none: a collection that cannot grow ends the process, which is not for a
//! loader to do. The interpreter notices the same in the next moment, and raises `MemoryError`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the reserve; nothing of it is resident before it is used.
const SIZE: usize = 64 << 10;

/// The reserve begins anew whenever nothing of it is in use.
#[repr(align(64))]
struct Reserve {
    bytes: UnsafeCell<[u8; SIZE]>,
    /// How many pieces are in use, above 32 bits with the end of the last one.
    state: AtomicU64,
}

// SAFETY: a piece of the bytes belongs to who was given it, and `state` says which are given.
unsafe impl Sync for Reserve {}

static RESERVE: Reserve = Reserve::new();

impl Reserve {
    const fn new() -> Reserve {
        Reserve { bytes: UnsafeCell::new([0; SIZE]), state: AtomicU64::new(0) }
    }

    /// A piece, or null if there is not so much left.
    fn take(&self, layout: Layout) -> *mut u8 {
        let next = |state: u64| {
            let (pieces, end) = (state >> 32, state & u64::from(u32::MAX));
            let start = end.next_multiple_of(layout.align() as u64);
            let end = start.checked_add(layout.size() as u64).filter(|end| *end <= SIZE as u64)?;
            // No alignment within the bytes makes up for one that is larger than their own.
            (layout.align() <= align_of::<Reserve>()).then_some((pieces + 1) << 32 | end)
        };
        match self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, next) {
            Ok(before) => {
                let start = (before & u64::from(u32::MAX)).next_multiple_of(layout.align() as u64);
                self.bytes.get().cast::<u8>().wrapping_add(start as usize)
            }
            Err(_) => ptr::null_mut(),
        }
    }

    /// Whether it is a piece of the reserve.
    fn has(&self, piece: *mut u8) -> bool {
        (piece as usize).wrapping_sub(self.bytes.get() as usize) < SIZE
    }

    /// A piece is in use no more.
    fn give_back(&self) {
        let next = |state: u64| Some(if state >> 32 <= 1 { 0 } else { state - (1 << 32) });
        // Always gives `Some`.
        let _ = self.state.fetch_update(Ordering::Release, Ordering::Relaxed, next);
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
        if RESERVE.has(memory) {
            RESERVE.give_back();
        } else {
            // SAFETY: the caller's promise: it was not the reserve that gave it.
            unsafe { System.dealloc(memory, layout) };
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !RESERVE.has(memory) {
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
    fn pieces_are_apart_and_come_again_when_all_were_given_back() {
        let reserve = Box::new(Reserve::new());
        let piece = |size, align| reserve.take(Layout::from_size_align(size, align).unwrap());
        let (first, second) = (piece(3, 1), piece(64, 16));
        assert!(reserve.has(first) && reserve.has(second) && second as usize - first as usize == 16);
        assert!(!piece(SIZE - 80, 1).is_null() && piece(1, 1).is_null() && piece(8, 4096).is_null());
        (0..2).for_each(|_| reserve.give_back());
        assert!(piece(1, 1).is_null());
        reserve.give_back();
        assert_eq!(piece(SIZE, 64), first);
        assert!(!reserve.has(first.wrapping_sub(1)) && !reserve.has(first.wrapping_add(SIZE)));
    }

    #[test]
    fn what_grows_keeps_its_bytes() {
        let small = Layout::from_size_align(8, 8).unwrap();
        // SAFETY: a piece of the reserve, which is moved and given back.
        unsafe {
            let memory = RESERVE.take(small);
            memory.cast::<u64>().write(0x0123_4567_89ab_cdef);
            let moved = Allocator.realloc(memory, small, 4096);
            assert!(!RESERVE.has(moved));
            assert_eq!(moved.cast::<u64>().read(), 0x0123_4567_89ab_cdef);
            Allocator.dealloc(moved, Layout::from_size_align(4096, 8).unwrap());
        }
    }
}
