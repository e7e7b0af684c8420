//! Memory in huge pages. Copies of units begin a page; what they have not taken of it yet, the interpreter's allocator may have
//! ([`crate::heap`]).
//!
//! A huge page is in memory as a whole from the first byte on that is touched: so nobody begins one for the sake of little.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::pages::page_size;
use crate::unwaited::if_free;

/// Size and alignment of a huge page.
pub const HUGE: usize = 2 * 1024 * 1024;

/// Addresses are taken from the system in regions of this size, or of what is asked for if that is more: little for a process that
/// may have few of them.
const REGION: usize = 4 * 1024 * 1024;

/// What copies get at once, if there is no reason for more.
const PIECE: usize = 256 * 1024;

/// By no more than this what [`take`] gives is larger than what it is asked for: a piece is, or what is missing to whole pages.
pub const MORE: u32 = PIECE as u32;

/// Everything begins and ends at a multiple of this, which is what the interpreter's allocator cuts its arenas into.
const GRAIN: usize = 16 * 1024;

/// So many arenas can be lent at the same time.
const LENDING: usize = 256;

/// The region that is in use.
static CURRENT: Mutex<Region> = Mutex::new(Region { next: 0, begun: 0, end: 0 });

/// What is lent, to be looked at without a lock; 0 where there is nothing.
static LENT: [AtomicUsize; LENDING] = [const { AtomicUsize::new(0) }; LENDING];

/// Addresses, filled from the start.
#[derive(Debug)]
struct Region {
    /// The first that nobody has.
    next: usize,
    /// Where the huge page ends that was begun last.
    begun: usize,
    end: usize,
}

/// What somebody has who wants more: where it ends, and how many bytes are left of it.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// Address behind the last byte.
    pub end: usize,
    /// Bytes before that.
    pub left: usize,
}

/// At least `size` bytes for copies, whole pages, from a huge page that was begun before if it has some left; what follows on the
/// `rest` of what they have needs to be so much less. `None` without memory.
pub fn take(size: usize, rest: Option<Rest>) -> Option<Range<usize>> {
    let grain = page_size().max(GRAIN);
    let size = size.checked_next_multiple_of(grain)?;
    let missing = |rest: Rest| Some((rest.end, size.checked_sub(rest.left)?.checked_next_multiple_of(grain)?));
    let taken = if_free(&CURRENT, |region| match rest.and_then(missing) {
        Some((end, missing)) if end == region.next && missing <= region.end - region.next => region.take(missing),
        _ => region.take(size),
    });
    // Somebody else is at it: in this process, or when it was forked.
    taken.unwrap_or_else(|| reserve(size).map(|start| start..start + size))
}

/// `size` bytes, whole pages, of a huge page that was begun, if it has so many. They are to be given back by [`give_back`] alone.
pub fn borrow(size: usize) -> Option<usize> {
    if_free(&CURRENT, |region| {
        let free = LENT.iter().find(|lent| lent.load(Ordering::Relaxed) == 0)?;
        let lent = region.borrow(size)?;
        // Only here, where nobody else is, one that is free is taken.
        free.store(lent, Ordering::Release);
        Some(lent)
    })
    .flatten()
}

/// Gives what [`borrow`] gave to the system, with its size; `false` for everything else.
pub fn give_back(address: usize, size: usize) -> bool {
    // Before it is free: what the system puts there next is somebody else's.
    let was_lent = |lent: &AtomicUsize| lent.compare_exchange(address, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    if address == 0 || !LENT.iter().any(was_lent) {
        return false;
    }
    // SAFETY: whole pages of a mapping that nobody else has.
    unsafe { libc::munmap(address as *mut libc::c_void, size) };
    true
}

impl Region {
    /// `size` is a multiple of the grain.
    fn take(&mut self, size: usize) -> Option<Range<usize>> {
        if self.end - self.next < size {
            *self = Region::new(size)?;
        }
        let least = self.next + size;
        if least > self.begun {
            self.begun = least.next_multiple_of(HUGE);
        }
        let taken = self.next..self.begun.min(self.next + size.max(PIECE));
        self.next = taken.end;
        Some(taken)
    }

    fn borrow(&mut self, size: usize) -> Option<usize> {
        if size == 0 || !size.is_multiple_of(page_size()) || self.begun - self.next < size {
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
        Some(Region { next: start, begun: start, end: start + size })
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

/// Held by tests that take from the region: who comes second would get other memory.
#[cfg(test)]
pub fn one_by_one() -> std::sync::MutexGuard<'static, ()> {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    ONE_BY_ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_begun_for_copies_only_and_lent_to_its_end() {
        let mut region = Region::new(1).unwrap();
        assert!(region.next.is_multiple_of(HUGE) && region.end - region.next == REGION);
        let start = region.next;
        assert_eq!(region.borrow(page_size()), None, "nothing was begun");
        assert_eq!(region.take(GRAIN), Some(start..start + PIECE));
        assert_eq!((region.borrow(0), region.borrow(page_size() + 1)), (None, None), "no whole pages");
        let lent = HUGE / 2;
        assert_eq!(region.borrow(lent), Some(start + PIECE));
        assert_eq!(region.borrow(lent), None, "more than is left");
        assert_eq!(region.take(2 * PIECE), Some(start + PIECE + lent..start + 3 * PIECE + lent));
        // What is left of the page, then the next one.
        assert_eq!(region.take(GRAIN), Some(start + HUGE - PIECE..start + HUGE));
        let most = region.take(HUGE / 2 + GRAIN).unwrap();
        assert_eq!(most, start + HUGE..start + HUGE + HUGE / 2 + GRAIN);
        assert_eq!((region.borrow(HUGE / 2), region.borrow(HUGE / 4)), (None, Some(most.end)));
        // SAFETY: written to by nobody but this test.
        unsafe { std::ptr::write_bytes(most.start as *mut u8, 1, most.len()) };
    }

    #[test]
    fn pieces_go_on_over_the_end_of_a_page() {
        let mut region = Region::new(1).unwrap();
        let start = region.next;
        let size = 700 * 1024 / GRAIN * GRAIN;
        for number in 0..REGION / size {
            assert_eq!(region.take(size).unwrap(), start + number * size..start + (number + 1) * size);
        }
        assert_eq!(region.begun, region.end);
        assert!(region.take(size).is_some_and(|next| next.start != start));
    }

    #[test]
    fn a_region_that_is_full_is_followed_by_another() {
        let mut region = Region::new(3 * REGION - 1).unwrap();
        assert_eq!(region.end - region.next, 3 * REGION);
        let (first, end) = (region.next, region.end);
        assert_eq!(region.take(3 * REGION - GRAIN), Some(first..end - GRAIN));
        assert_eq!(region.take(GRAIN), Some(end - GRAIN..end));
        let next = region.take(GRAIN).unwrap();
        assert!(next.start != end && region.end - next.start == REGION, "{next:x?}");
        assert_eq!(region.take(usize::MAX & !(GRAIN - 1)), None);
        assert_eq!(region.take(GRAIN).map(|range| range.start), Some(next.end), "it is still there");
    }

    #[test]
    fn who_finds_the_region_in_use_gets_memory_all_the_same() {
        let _alone = one_by_one();
        if_free(&CURRENT, |_| {
            let alone = take(1, None).unwrap();
            assert_eq!(alone.len(), page_size().max(GRAIN));
            // SAFETY: just taken.
            unsafe { std::ptr::write_bytes(alone.start as *mut u8, 1, alone.len()) };
            assert_eq!(borrow(page_size()), None);
        });
    }

    #[test]
    fn what_was_not_lent_is_not_given_back() {
        assert!(!give_back(0, GRAIN));
        let memory = reserve(GRAIN).unwrap();
        assert!(!give_back(memory, GRAIN));
        // SAFETY: it is still mapped.
        unsafe { std::ptr::write_bytes(memory as *mut u8, 1, GRAIN) };
    }
}
