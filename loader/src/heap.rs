//! The interpreter's heap grows into the huge pages that copies of units have begun, as long as imports run.
//!
//! Its allocator for small objects gets memory in arenas of a megabyte, each page of which has a fault of its own; half of what imports
//! wait for in the system are such faults. What copies leave of a huge page is in memory anyway.
//!
//! The allocator may be changed at any time, and whoever changes it after this asks the functions here in his turn. Each arena is a
//! mapping of its own to the system, so that `munmap` takes it back: the interpreter's own allocator, should it be put back, does
//! nothing else.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::huge;
use crate::kept;
use crate::py::{self, ArenaAllocator};

/// What is less is no arena: the interpreter has its stacks of frames from there, too, in pieces that threads come and go with.
const LEAST: usize = 256 * 1024;

/// The allocator that there was.
static ORIGINAL: OnceLock<ArenaAllocator> = OnceLock::new();

/// From now on the interpreter's heap may grow into huge pages. Does nothing the second time.
pub fn grow_into_huge_pages() {
    static TRIED: AtomicBool = AtomicBool::new(false);
    if TRIED.swap(true, Ordering::Relaxed) {
        return;
    }
    let own = |original: ArenaAllocator| {
        let context = original.context;
        original.alloc.and(original.free.map(drop))?;
        ORIGINAL.set(original).ok()?;
        Some(ArenaAllocator { context, alloc: Some(alloc), free: Some(free) })
    };
    // SAFETY: as the functions say.
    unsafe { py::replace_arena_allocator(own) };
}

/// Called by the interpreter, by any of its threads: gives an arena.
unsafe extern "C" fn alloc(context: *mut c_void, size: usize) -> *mut c_void {
    // Only in the thread that copies units, and while it does.
    if size >= LEAST
        && kept::Import::is_in_progress()
        && let Some(address) = huge::borrow(size)
    {
        return address as *mut c_void;
    }
    match ORIGINAL.get().and_then(|original| original.alloc) {
        // SAFETY: called as it was before.
        Some(original) => unsafe { original(context, size) },
        None => ptr::null_mut(),
    }
}

/// Takes back what [`alloc`] gave, or the original before it.
unsafe extern "C" fn free(context: *mut c_void, address: *mut c_void, size: usize) {
    if huge::has_lent(address as usize) {
        // SAFETY: whole pages of a mapping that nobody else has.
        unsafe { libc::munmap(address, size) };
    } else if let Some(original) = ORIGINAL.get().and_then(|original| original.free) {
        // SAFETY: called as it was before, with what it gave.
        unsafe { original(context, address, size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// What the allocator that there was has to give.
    static OTHERS: AtomicUsize = AtomicUsize::new(0);
    const CONTEXT: usize = 12;

    unsafe extern "C" fn other_alloc(context: *mut c_void, size: usize) -> *mut c_void {
        assert_eq!(context as usize, CONTEXT);
        OTHERS.fetch_add(size, Ordering::Relaxed);
        // SAFETY: memory for a test.
        unsafe { libc::malloc(size) }
    }

    unsafe extern "C" fn other_free(context: *mut c_void, address: *mut c_void, size: usize) {
        assert_eq!(context as usize, CONTEXT);
        OTHERS.fetch_sub(size, Ordering::Relaxed);
        // SAFETY: from `other_alloc`.
        unsafe { libc::free(address) };
    }

    fn is_mapped(address: *mut c_void) -> bool {
        let mut residence = [0u8];
        // SAFETY: asks for one page.
        unsafe { libc::mincore(address, 1, residence.as_mut_ptr()) == 0 }
    }

    #[test]
    fn arenas_come_from_huge_pages_during_imports_only() {
        const ARENA: usize = 1024 * 1024;
        let context = CONTEXT as *mut c_void;
        let others = || OTHERS.load(Ordering::Relaxed);
        ORIGINAL.set(ArenaAllocator { context, alloc: Some(other_alloc), free: Some(other_free) }).unwrap();
        // Other tests use the same region.
        let borrow = || {
            huge::take(huge::HUGE + 1).unwrap();
            // SAFETY: as the interpreter calls it.
            unsafe { alloc(context, ARENA) }
        };
        let outside = borrow();
        assert_eq!((others(), huge::has_lent(outside as usize)), (ARENA, false));
        let import = kept::Import::begin();
        let inside = (0..8).map(|_| borrow()).find(|address| huge::has_lent(*address as usize)).unwrap();
        // SAFETY: so many bytes were given.
        unsafe { ptr::write_bytes(inside.cast::<u8>(), 1, ARENA) };
        let before = others();
        // SAFETY: as the interpreter calls it.
        let small = unsafe { alloc(context, 16 * 1024) };
        assert_eq!(others(), before + 16 * 1024, "too small");
        drop(import);
        let late = borrow();
        assert_eq!(others(), before + 16 * 1024 + ARENA, "behind the import");
        assert!(is_mapped(inside));
        // SAFETY: what was given above, with its size.
        unsafe {
            free(context, inside, ARENA);
            free(context, small, 16 * 1024);
            free(context, late, ARENA);
            free(context, outside, ARENA);
        }
        assert!(!is_mapped(inside));
        assert_eq!(others(), before - ARENA);
    }
}
