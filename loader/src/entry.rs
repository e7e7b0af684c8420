//! Who asks: the main interpreter or another one, of the first runtime in this process or of a later one.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::py;

/// Which Python runtime of this process asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The main interpreter, for the first time.
    First,
    /// The main interpreter, once more.
    Again,
    /// The main interpreter of a runtime that was initialised after another one was finalised. Objects of
    /// the image still point to what was freed with that one.
    SecondRuntime,
    /// Another interpreter. Code objects, which interpreters write to, must not be shared with it.
    Subinterpreter,
}

/// Whether a runtime of this process has asked before.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The mark in the interpreter's own dict, which goes with it.
const MARK: &std::ffi::CStr = c"cds_loader";

/// Looks who asks, without leaving a mark.
pub fn look() -> Entry {
    if !py::in_main_interpreter() {
        return Entry::Subinterpreter;
    }
    let marked = || -> py::Result<bool> {
        let Some(dict) = py::interpreter_dict() else { return Ok(false) };
        Ok(dict.item(&py::interned(MARK)?)?.is_some())
    };
    let marked = marked().unwrap_or_else(|_| {
        py::clear();
        false
    });
    match (marked, ENTERED.load(Ordering::Relaxed)) {
        (true, _) => Entry::Again,
        (false, false) => Entry::First,
        (false, true) => Entry::SecondRuntime,
    }
}

/// Looks who asks and leaves a mark.
pub fn enter() -> Entry {
    let entry = look();
    if entry == Entry::First {
        ENTERED.store(true, Ordering::Relaxed);
        let mark = || -> py::Result<()> {
            let dict = py::interpreter_dict().ok_or(py::Raised)?;
            dict.set_item(&py::interned(MARK)?, &py::boolean(true))
        };
        if mark().is_err() {
            py::clear();
        }
    }
    entry
}
