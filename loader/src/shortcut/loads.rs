//! What is being loaded natively, and by which thread: in the place of module locks, until somebody asks for one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::py::{self, Object};

/// The modules that are being loaded, in the order in which that began. The lock is never held while Python runs.
#[derive(Debug, Default)]
pub struct Loads {
    loads: Mutex<Vec<Load>>,
    count: AtomicU64,
}

/// One of them.
#[derive(Debug)]
pub struct Load {
    number: u64,
    name: Object,
    /// As `_thread.get_ident()` has it.
    thread: u64,
    /// Whether it is only to be loaded, by an import that this one is in the middle of.
    waits: bool,
    /// Its `_ModuleLock`, held by the thread, if somebody has asked for it.
    pub lock: Option<Object>,
}

/// The calling thread, as `_thread.get_ident()` has it.
pub fn this_thread() -> u64 {
    // SAFETY: always succeeds.
    unsafe { libc::pthread_self() as u64 }
}

impl Loads {
    fn with<T>(&self, body: impl FnOnce(&mut Vec<Load>) -> T) -> T {
        body(&mut self.loads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// This thread begins to load a module, or says that it will before it is done with another one (`waits`). The number tells
    /// the load from others.
    pub fn enter(&self, name: &Object, waits: bool) -> u64 {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let load = Load { number, name: name.clone(), thread: this_thread(), waits, lock: None };
        self.with(|loads| loads.push(load));
        number
    }

    /// The load has ended, however.
    pub fn leave(&self, number: u64) -> Option<Load> {
        self.with(|loads| Some(loads.remove(loads.iter().rposition(|load| load.number == number)?)))
    }

    /// The thread that loads a module.
    pub fn thread_of(&self, name: &str) -> Option<u64> {
        self.with(|loads| find(loads, name).map(|load| load.thread))
    }

    /// Whether any thread is at a module. It may be entered again by the thread that has said that it will load it.
    pub fn is_loaded(&self, name: &str) -> bool {
        let this = this_thread();
        self.with(|loads| {
            let is_it = |load: &&Load| load.name.text().is_ok_and(|known| known == name);
            loads.iter().filter(is_it).any(|load| !load.waits || load.thread != this)
        })
    }

    /// Whether this thread loads a module.
    pub fn is_own(&self, name: &str) -> bool {
        self.thread_of(name).is_some_and(|thread| thread == this_thread())
    }

    /// Notes the lock of a module that is being loaded; gives the thread that holds it unless it was noted before.
    pub fn note_lock(&self, name: &str, lock: &Object) -> Option<u64> {
        self.with(|loads| {
            let load = find(loads, name).filter(|load| load.lock.is_none())?;
            load.lock = Some(lock.clone());
            Some(load.thread)
        })
    }
}

fn find<'a>(loads: &'a mut [Load], name: &str) -> Option<&'a mut Load> {
    loads.iter_mut().find(|load| {
        let known = load.name.text();
        if known.is_err() {
            py::clear();
        }
        known.is_ok_and(|known| known == name)
    })
}
