//! `PYCDSGC=pause`: no cyclic garbage is collected while modules of the image execute.
//!
//! The threshold of the youngest generation is 0 meanwhile, which `gc.set_threshold` documents as "no collections". The flag
//! behind `gc.enable()` and `gc.disable()` is left alone: what a module does to it holds afterwards.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::py::{self, Object, Result};

/// The functions of `gc`, and what is to be restored.
#[derive(Debug)]
pub struct Pause {
    get_threshold: Object,
    set_threshold: Object,
    /// How many modules execute, one inside the other or in several threads.
    depth: AtomicU32,
    /// The threshold to restore; 0 if there was none.
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

    fn threshold(&self) -> Result<i64> {
        self.get_threshold.call(&[])?.tuple_item(0)?.to_i64()
    }

    fn set(&self, threshold: i64) -> Result<()> {
        self.set_threshold.call(&[&py::integer(threshold)?]).map(drop)
    }

    /// A module begins. No exception is set, before and after.
    pub fn enter(&self) {
        if self.depth.fetch_add(1, Ordering::Relaxed) != 0 {
            return;
        }
        let threshold = self.threshold().unwrap_or(0);
        let paused = threshold != 0 && self.set(0).is_ok();
        self.saved.store(if paused { threshold } else { 0 }, Ordering::Relaxed);
        py::clear();
    }

    /// A module has ended. No exception is set, before and after.
    pub fn leave(&self) {
        if self.depth.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        let saved = self.saved.swap(0, Ordering::Relaxed);
        // A module may have set a threshold of its own, which then holds.
        if saved != 0 && self.threshold().is_ok_and(|now| now == 0) && self.set(saved).is_err() {
            py::clear();
        }
        py::clear();
    }
}
