//! What the system is told about pages.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes in a page of this system.
pub fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    // SAFETY: a number is asked for.
    *SIZE.get_or_init(|| usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096))
}

/// Gives pages back that lie within a range to which nothing was written. They are read again from the file.
pub fn give_back(start: usize, end: usize) {
    let (start, end) = (start.next_multiple_of(page_size()), end & !(page_size() - 1));
    if start < end {
        // SAFETY: pages of the image with nothing else in them.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// Makes the pages that are about to be written to private. To read them first would make their neighbours resident, too.
pub fn prefault(start: usize, size: usize) {
    /// `MADV_POPULATE_WRITE` (Linux 5.14); older kernels refuse, and every page has its fault.
    const POPULATE_WRITE: libc::c_int = 23;
    /// From so many pages on, one call takes less time than a fault for each.
    const MANY: usize = 3;
    if size == 0 {
        return;
    }
    let (first, end) = (start & !(page_size() - 1), start + size);
    if (end - first).div_ceil(page_size()) >= MANY {
        // SAFETY: writable pages, whose contents stay as they are.
        unsafe { libc::madvise(first as *mut libc::c_void, end - first, POPULATE_WRITE) };
        return;
    }
    for page in (first..end).step_by(page_size()) {
        // Whether it succeeds or not, x86 takes it for a write.
        // SAFETY: a byte of a writable page, which stays as it is.
        let _ = unsafe { &*(page as *const AtomicU8) }.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}
