//! The interpreter's heap grows into the huge pages that copies of units have begun, as long as imports run.
//!
//! Its allocator for small objects gets memory in arenas of a megabyte, each page of which has a fault of its own; half of what imports
//! wait for in the system are such faults. What copies leave of a huge page is in memory anyway.
//!
//! The allocator may be changed at any time, and whoever changes it after this asks the functions here in his turn; what another
//! allocator gave before or gives beside this one goes back to it. Each arena is a mapping of its own to the system, so that `munmap`
//! takes it back: the interpreter's own allocator, should it be put back, does nothing else.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::huge;
use crate::nesting;
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
    // Only for threads that import, and while they do.
    if size >= LEAST
        && nesting::is_in_import()
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
    if size >= LEAST && huge::give_back(address as usize, size) {
        return;
    }
    if let Some(original) = ORIGINAL.get().and_then(|original| original.free) {
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
        map(ptr::null_mut(), size)
    }

    unsafe extern "C" fn other_free(context: *mut c_void, address: *mut c_void, size: usize) {
        assert_eq!(context as usize, CONTEXT);
        OTHERS.fetch_sub(size, Ordering::Relaxed);
        // SAFETY: from `other_alloc`.
        unsafe { libc::munmap(address, size) };
    }

    fn map(address: *mut c_void, size: usize) -> *mut c_void {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let flags = if address.is_null() { flags & !libc::MAP_FIXED_NOREPLACE } else { flags };
        // SAFETY: a new mapping, where there is none.
        unsafe { libc::mmap(address, size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) }
    }

    fn is_mapped(address: *mut c_void) -> bool {
        let mut residence = [0u8];
        // SAFETY: asks for one page.
        unsafe { libc::mincore(address, 1, residence.as_mut_ptr()) == 0 }
    }

    #[test]
    fn arenas_come_from_huge_pages_during_imports_only() {
        const ARENA: usize = 1024 * 1024;
        let _alone = huge::one_by_one();
        let context = CONTEXT as *mut c_void;
        let others = || OTHERS.load(Ordering::Relaxed);
        ORIGINAL.set(ArenaAllocator { context, alloc: Some(other_alloc), free: Some(other_free) }).unwrap();
        let get = || {
            // Begins a page.
            huge::take(huge::HUGE + 1, None).unwrap();
            // SAFETY: as the interpreter calls it.
            unsafe { alloc(context, ARENA) }
        };
        // SAFETY: as the interpreter calls it, with what was given.
        let give = |address, size| unsafe { free(context, address, size) };
        let outside = get();
        assert_eq!(others(), ARENA);
        let import = nesting::Nested::begin();
        let inside = get();
        assert_eq!(others(), ARENA, "not from the other allocator");
        // SAFETY: so many bytes were given.
        unsafe { ptr::write_bytes(inside.cast::<u8>(), 1, ARENA) };
        // SAFETY: as the interpreter calls it.
        let small = unsafe { alloc(context, LEAST - 1) };
        assert_eq!(others(), ARENA + LEAST - 1, "too small");
        drop(import);
        let late = get();
        assert_eq!(others(), 2 * ARENA + LEAST - 1, "behind the import");
        give(small, LEAST - 1);
        give(late, ARENA);
        assert!(is_mapped(inside));
        give(inside, ARENA);
        assert!(!is_mapped(inside));
        assert_eq!(others(), ARENA);
        // What another allocator has in the place of one that was given back is its own.
        assert_eq!(map(inside, ARENA), inside);
        give(inside, ARENA);
        assert_eq!(others(), 0, "it went to the other allocator");
        OTHERS.fetch_add(ARENA, Ordering::Relaxed);
        give(outside, ARENA);
        assert_eq!(others(), 0);
    }
}
