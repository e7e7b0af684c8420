//! How many imports are in progress in a thread, one inside the other.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// As long as it lives, an import is in progress in this thread.
#[derive(Debug)]
pub struct Nested(());

impl Nested {
    /// One begins.
    pub fn begin() -> Nested {
        DEPTH.set(DEPTH.get().saturating_add(1));
        Nested(())
    }

    /// Whether no other import is around this one, if it is the innermost.
    pub fn is_outermost(&self) -> bool {
        DEPTH.get() == 1
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// How many imports are in progress in this thread.
pub fn depth() -> u32 {
    DEPTH.get()
}

/// Whether an import is in progress in this thread.
pub fn is_in_import() -> bool {
    DEPTH.get() != 0
}
