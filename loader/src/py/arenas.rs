//! What the interpreter's allocator for small objects gets its arenas from.

use std::ffi::c_void;

use super::call::HangThread;
use crate::elf;

/// `PyObjectArenaAllocator` (`Include/cpython/objimpl.h`, the same since CPython 3.4).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ArenaAllocator {
    /// What the functions get first.
    pub context: *mut c_void,
    /// Gives so many bytes, or null.
    pub alloc: Option<unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void>,
    /// Takes back what `alloc` gave, with its size.
    pub free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize)>,
}

// SAFETY: it says what to call; whoever calls it has to care for the rest.
unsafe impl Send for ArenaAllocator {}
// SAFETY: the same.
unsafe impl Sync for ArenaAllocator {}

/// They may wait for a lock of the interpreter's, and give up the GIL meanwhile.
type Exchange = unsafe extern "C-unwind" fn(*mut ArenaAllocator);

/// One of the two functions for it, which are not part of the stable ABI.
fn exchange(name: &std::ffi::CStr) -> Option<Exchange> {
    // SAFETY: both take a pointer to the structure and return nothing.
    elf::symbol(name).map(|address| unsafe { std::mem::transmute::<usize, Exchange>(address) })
}

/// Puts what `allocator` makes of the one that there is into its place, if that can be done.
///
/// # Safety
///
/// What it gives may be used until it is taken back, and it takes back what the other one gave.
pub unsafe fn replace_arena_allocator(allocator: impl FnOnce(ArenaAllocator) -> Option<ArenaAllocator>) {
    let get = exchange(c"PyObject_GetArenaAllocator");
    let (Some(get), Some(set)) = (get, exchange(c"PyObject_SetArenaAllocator")) else { return };
    let mut current = ArenaAllocator { context: std::ptr::null_mut(), alloc: None, free: None };
    let hang = HangThread;
    // SAFETY: writes the structure.
    unsafe { get(&raw mut current) };
    if let Some(mut own) = allocator(current) {
        // SAFETY: reads the structure; and what this function asks for.
        unsafe { set(&raw mut own) };
    }
    std::mem::forget(hang);
}
