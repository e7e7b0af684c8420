//! Memory in huge pages. Copies of units begin a page; what they have not taken of it yet, the interpreter's allocator may have
//! ([`crate::heap`]).
//!
//! A huge page is in memory as a whole from the first byte on that is touched: so nobody begins one for the sake of little.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};

use crate::pages::page_size;

/// Size and alignment of a huge page.
pub const HUGE: usize = 2 * 1024 * 1024;

/// Addresses are taken from the system in regions of this size, or of what is asked for if that is more. What a process does not
/// need counts neither against its limit nor against what the system has promised.
const REGION: usize = 4 * 1024 * 1024;

/// What copies get at once, if there is no reason for more.
const PIECE: usize = 256 * 1024;

/// No more regions than these lend pages to the interpreter.
const LENDING: usize = 64;

/// The region that is in use.
static CURRENT: Mutex<Region> = Mutex::new(Region { next: 0, begun: 0, end: 0, lends: false });

/// Starts and ends of the regions that lend pages, to be looked at without a lock.
static REGIONS: [[AtomicUsize; 2]; LENDING] = [const { [AtomicUsize::new(0), AtomicUsize::new(0)] }; LENDING];

/// Addresses, filled from the start.
#[derive(Debug)]
struct Region {
    /// The first that nobody has.
    next: usize,
    /// Where the huge page ends that was begun last.
    begun: usize,
    end: usize,
    /// Whether it is in [`REGIONS`].
    lends: bool,
}

/// Does something with the region. Nobody waits, in a child of a fork least of all.
fn with_region<T>(body: impl FnOnce(&mut Region) -> Option<T>) -> Option<T> {
    match CURRENT.try_lock() {
        Ok(mut region) => body(&mut region),
        Err(TryLockError::Poisoned(poisoned)) => body(&mut poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// At least `size` bytes for copies, whole pages, from a huge page that was begun before if there are so many left in it; `None`
/// without memory.
pub fn take(size: usize) -> Option<Range<usize>> {
    with_region(|region| region.take(size.checked_next_multiple_of(page_size())?))
}

/// `size` bytes, whole pages, of a huge page that was begun, if it has so many.
pub fn borrow(size: usize) -> Option<usize> {
    with_region(|region| region.borrow(size))
}

/// Whether [`borrow`] has given this address.
pub fn has_lent(address: usize) -> bool {
    REGIONS.iter().any(|[start, end]| (start.load(Ordering::Relaxed)..end.load(Ordering::Acquire)).contains(&address))
}

impl Region {
    fn take(&mut self, size: usize) -> Option<Range<usize>> {
        let mut end = self.begun;
        if end - self.next < size {
            let start = self.begun;
            if self.end - start < size {
                *self = Region::new(size)?;
            } else {
                self.next = start;
            }
            end = (self.next + size).next_multiple_of(HUGE);
            self.begun = end;
        }
        let taken = self.next..end.min(self.next + size.max(PIECE));
        self.next = taken.end;
        Some(taken)
    }

    fn borrow(&mut self, size: usize) -> Option<usize> {
        if !self.lends || size == 0 || !size.is_multiple_of(page_size()) || self.begun - self.next < size {
            return None;
        }
        let lent = self.next;
        self.next += size;
        Some(lent)
    }

    /// Addresses for `size` bytes at least.
    fn new(size: usize) -> Option<Region> {
        let size = size.max(REGION).checked_next_multiple_of(HUGE)?;
        let start = reserve(size)?;
        // A system without huge pages refuses, which changes nothing else.
        // SAFETY: a mapping of this size.
        unsafe { libc::madvise(start as *mut libc::c_void, size, libc::MADV_HUGEPAGE) };
        let end = start + size;
        let free = REGIONS.iter().find(|[first, _]| first.load(Ordering::Relaxed) == 0);
        if let Some([first, last]) = free {
            first.store(start, Ordering::Relaxed);
            last.store(end, Ordering::Release);
        }
        Some(Region { next: start, begun: start, end, lends: free.is_some() })
    }
}

/// Memory of `size` bytes, whole pages, at a multiple of [`HUGE`].
pub fn reserve(size: usize) -> Option<usize> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), size.checked_add(HUGE)?, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    let start = (mapped as usize).next_multiple_of(HUGE);
    let before = start - mapped as usize;
    for (address, length) in [(mapped as usize, before), (start + size, HUGE - before)] {
        if length != 0 {
            // SAFETY: ends of the new mapping that nobody uses.
            unsafe { libc::munmap(address as *mut libc::c_void, length) };
        }
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_begun_for_copies_only_and_lent_to_its_end() {
        let mut region = Region::new(1).unwrap();
        assert!(region.lends && region.next.is_multiple_of(HUGE) && region.end - region.next == REGION);
        let start = region.next;
        assert_eq!(region.borrow(page_size()), None, "nothing was begun");
        assert_eq!(region.take(page_size()), Some(start..start + PIECE));
        assert_eq!((region.borrow(0), region.borrow(page_size() + 1)), (None, None), "no whole pages");
        let lent = HUGE / 2;
        assert_eq!(region.borrow(lent), Some(start + PIECE));
        assert!(has_lent(start + PIECE) && !has_lent(start - 1) && !has_lent(region.end));
        assert_eq!(region.borrow(lent), None, "more than is left");
        // What is left of the page, then the next one.
        assert_eq!(region.take(2 * PIECE), Some(start + PIECE + lent..start + 3 * PIECE + lent));
        assert_eq!(region.take(PIECE), Some(start + HUGE - PIECE..start + HUGE));
        let most = region.take(HUGE / 2 + page_size()).unwrap();
        assert_eq!(most, start + HUGE..start + HUGE + HUGE / 2 + page_size());
        assert_eq!((region.borrow(HUGE / 2), region.borrow(HUGE / 4)), (None, Some(most.end)));
        // SAFETY: written to by nobody but this test.
        unsafe { std::ptr::write_bytes(most.start as *mut u8, 1, most.len()) };
    }

    #[test]
    fn a_region_that_is_full_is_followed_by_another() {
        let mut region = Region::new(3 * REGION - 1).unwrap();
        assert_eq!(region.end - region.next, 3 * REGION);
        let (first, end) = (region.next, region.end);
        assert_eq!(region.take(3 * REGION - page_size()), Some(first..end - page_size()));
        assert_eq!(region.take(page_size()), Some(end - page_size()..end));
        let next = region.take(page_size()).unwrap();
        assert!(next.start != end && region.end - next.start == REGION, "{next:x?}");
        assert_eq!(region.take(usize::MAX & !(page_size() - 1)), None);
        assert_eq!(region.take(page_size()).map(|range| range.start), Some(next.end), "it is still there");
    }
}
