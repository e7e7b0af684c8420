//! `PYCDSGC=pause`: no cyclic garbage is collected while modules of the image execute.
//!
//! The threshold of the youngest generation is as high as it gets meanwhile. The flag behind `gc.enable()` and `gc.disable()`
//! is left alone: what a module does to it holds afterwards, and so does a threshold that a module sets.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::active::Active;
use crate::py::{self, Object, PyMethodDef, PyObject, Result};

/// The threshold of a pause: no counter gets there, and nobody sets it by chance.
const PAUSED: i64 = i32::MAX as i64;

thread_local! {
    /// How many modules execute in this thread, one inside the other.
    static OWN_DEPTH: Cell<u32> = const { Cell::new(0) };
}

static METHODS: py::Methods<2> = py::Methods([
    py::method_without_arguments(c"_after_fork", after_fork, c"_after_fork($module, /)\n--\n\nForget other threads."),
    PyMethodDef::zeroed(),
]);

/// The functions of `gc`, and what is to be restored.
#[derive(Debug)]
pub struct Pause {
    get_threshold: Object,
    set_threshold: Object,
    /// How many modules execute in all threads.
    depth: AtomicU32,
    /// The threshold to restore; 0 if nothing is to be.
    saved: AtomicI64,
}

impl Pause {
    /// Looks the functions up.
    pub fn new() -> Result<Pause> {
        let gc = py::import(c"gc")?;
        Ok(Pause {
            get_threshold: gc.get(c"get_threshold")?,
            set_threshold: gc.get(c"set_threshold")?,
            depth: AtomicU32::new(0),
            saved: AtomicI64::new(0),
        })
    }

    /// Sees to it that a child does not wait for modules of threads that it does not have.
    pub fn survive_forks(&self) -> Result<()> {
        let register = py::import(c"posix")?.get(c"register_at_fork")?;
        let function = py::function(&METHODS.0[0])?;
        register.call_with(&[], &py::interned(c"after_in_child")?, &function).map(drop)
    }

    fn threshold(&self) -> Result<i64> {
        self.get_threshold.call(&[])?.tuple_item(0)?.to_i64()
    }

    fn set(&self, threshold: i64) -> Result<()> {
        self.set_threshold.call(&[&py::integer(threshold)?]).map(drop)
    }

    /// A module begins. No exception is set, before and after.
    fn enter(&self) {
        OWN_DEPTH.set(OWN_DEPTH.get() + 1);
        if self.depth.fetch_add(1, Ordering::Relaxed) != 0 {
            return;
        }
        let threshold = self.threshold().unwrap_or(0);
        let paused = threshold != 0 && self.set(PAUSED).is_ok();
        self.saved.store(if paused { threshold } else { 0 }, Ordering::Relaxed);
        py::clear();
    }

    /// A module has ended. No exception is set, before and after.
    fn leave(&self) {
        OWN_DEPTH.set(OWN_DEPTH.get().saturating_sub(1));
        if self.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.resume();
        }
    }

    /// Runs `body`, which executes a module. No exception is set before.
    pub fn during<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        self.enter();
        py::finally(body(), || {
            self.leave();
            Ok(())
        })
    }

    fn resume(&self) {
        let saved = self.saved.swap(0, Ordering::Relaxed);
        if saved != 0 && self.threshold().is_ok_and(|now| now == PAUSED) {
            let _ = self.set(saved);
        }
        py::clear();
    }
}

/// In a child only the thread that forked goes on.
unsafe extern "C" fn after_fork(_self: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    if let Some(pause) = Active::get().and_then(|active| active.pause.as_ref()) {
        let own = OWN_DEPTH.get();
        if pause.depth.swap(own, Ordering::Relaxed) != 0 && own == 0 {
            pause.resume();
        }
    }
    py::none().into_ptr()
}
