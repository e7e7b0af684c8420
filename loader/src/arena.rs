//! Memory for copies of units: one area, filled from its start and never given back.

use crate::pages::prefault;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Size and alignment of a huge page.
const HUGE: usize = 2 * 1024 * 1024;

/// So much of the area has pages of the usual size: a program that uses little shall not have a huge page for it.
/// A huge page takes about as long as a hundred usual ones.
const SMALL: usize = HUGE;

/// Copies lie as far from each other as the processor's caches need.
const ALIGN: u32 = 64;

/// The area.
#[derive(Debug)]
pub struct Arena {
    /// Bytes that may be taken.
    size: usize,
    /// Where it starts, once something was taken; `None` if the system refused.
    start: OnceLock<Option<usize>>,
    /// How much was taken.
    taken: AtomicU32,
}

impl Arena {
    /// An area for `count` pieces of `size` bytes together. Nothing is reserved yet.
    pub fn new(size: usize, count: usize) -> Arena {
        Arena { size: size + count * ALIGN as usize, start: OnceLock::new(), taken: AtomicU32::new(0) }
    }

    /// The offset of `size` bytes that nobody had before; `None` without memory.
    pub fn take(&self, size: u32) -> Option<u32> {
        let start = self.start()?;
        let offset = self.taken.load(Ordering::Relaxed);
        let end = offset.checked_add(size)?.checked_next_multiple_of(ALIGN)?;
        if end as usize > self.size {
            return None;
        }
        // The GIL is held: nobody else takes at the same time.
        self.taken.store(end, Ordering::Relaxed);
        // Huge pages come by themselves.
        if (offset as usize) < SMALL {
            prefault(start + offset as usize, (size as usize).min(SMALL - offset as usize));
        }
        Some(offset)
    }

    /// Address of what has this offset.
    pub fn address(&self, offset: u32) -> Option<usize> {
        Some(self.start()? + offset as usize)
    }

    /// Whether an address was taken.
    pub fn contains(&self, address: usize) -> bool {
        let start = self.start.get().copied().flatten();
        let offset = start.and_then(|start| address.checked_sub(start));
        offset.is_some_and(|offset| offset < self.taken.load(Ordering::Relaxed) as usize)
    }

    fn start(&self) -> Option<usize> {
        *self.start.get_or_init(|| reserve(self.size))
    }
}

/// Reserves addresses for `size` bytes, of which all but the first [`SMALL`] may be in huge pages.
fn reserve(size: usize) -> Option<usize> {
    let length = size + HUGE + SMALL;
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    // SAFETY: a new mapping.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    let huge = (mapped as usize + SMALL).next_multiple_of(HUGE);
    let rest = mapped as usize + length - huge;
    // A system without huge pages refuses, which changes nothing else.
    // SAFETY: the rest of the mapping.
    unsafe { libc::madvise(huge as *mut libc::c_void, rest, libc::MADV_HUGEPAGE) };
    Some(huge - SMALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_apart_and_inside() {
        let arena = Arena::new(3 * HUGE, 3);
        assert!(!arena.contains(0));
        let (first, second) = (arena.take(1).unwrap(), arena.take(HUGE as u32).unwrap());
        assert_eq!((first, second), (0, ALIGN));
        let address = arena.address(second).unwrap();
        assert!((address - ALIGN as usize + SMALL).is_multiple_of(HUGE));
        assert!(arena.contains(address) && !arena.contains(address + 2 * HUGE));
        assert_eq!(arena.take(3 * HUGE as u32), None);
        let last = arena.address(arena.take(HUGE as u32).unwrap()).unwrap();
        // SAFETY: taken from the area.
        unsafe { std::ptr::write_bytes(last as *mut u8, 1, HUGE) };
    }
}
