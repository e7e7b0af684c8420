//! What became of the image: `cds_loader.status()` and the summary at exit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::active::Active;
use crate::entry::{Entry, look};
use crate::py::{self, Methods, Object, PyMethodDef, PyObject};
use crate::reason::Reason;
use crate::talk::say;

/// What `activate()` came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing was to be done.
    Off,
    /// There is no image.
    Absent,
    /// An image is in use.
    Active,
    /// The image at this path is not used.
    Rejected(PathBuf, Reason),
}

static OUTCOME: Mutex<Outcome> = Mutex::new(Outcome::Off);

/// Remembers the outcome.
pub fn record(outcome: Outcome) {
    *OUTCOME.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
}

/// The dict that `status()` returns.
pub fn status() -> py::Result<Object> {
    let entry = look();
    let outcome = match entry {
        Entry::Subinterpreter => Outcome::Off,
        _ => OUTCOME.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    };
    let active = Active::get().filter(|_| matches!(outcome, Outcome::Active) && entry == Entry::Again);
    let (state, image, reason) = match &outcome {
        _ if active.is_some() => ("active", active.map(|active| active.path.clone()), None),
        Outcome::Off => ("off", None, None),
        Outcome::Absent => ("absent", None, None),
        Outcome::Active => ("rejected", None, Some(Reason::Reinitialized.to_string())),
        Outcome::Rejected(path, reason) => ("rejected", Some(path.clone()), Some(reason.to_string())),
    };

    let dict = py::dict()?;
    let set = |name, value: Option<Object>| dict.set_item(&py::interned(name)?, &value.unwrap_or_else(py::none));
    let number = |value: u64| py::integer(value as i64);
    let load = |counter: &AtomicU64| number(counter.load(Ordering::Relaxed));
    set(c"state", Some(py::string(state)?))?;
    set(c"image", image.map(|path| py::path_string(path.as_os_str().as_encoded_bytes())).transpose()?)?;
    set(c"reason", reason.map(|reason| py::string(&reason)).transpose()?)?;
    set(c"modules", active.map(|active| number(active.image.header.module_count.into())).transpose()?)?;
    set(c"served", active.map(|active| load(&active.counters.served)).transpose()?)?;
    set(c"base", active.map(|active| py::string(base(active))).transpose()?)?;
    set(c"patched_slots", active.map(|active| number(active.image.objects.patched())).transpose()?)?;
    Ok(dict)
}

fn base(active: &Active) -> &'static str {
    if active.image.is_at_preferred_base() { "preferred" } else { "relocated" }
}

static SUMMARIZE: Methods<2> =
    Methods([py::method_without_arguments(c"_summarize", summarize, c"Print what was served."), PyMethodDef::zeroed()]);

/// Prints one line when the interpreter exits.
pub fn summarize_at_exit() -> py::Result<()> {
    py::import(c"atexit")?.get(c"register")?.call(&[&py::function(&SUMMARIZE.0[0])?])?;
    Ok(())
}

unsafe extern "C" fn summarize(_self: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    if let Some(active) = Active::get() {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &active.counters;
        say(format_args!(
            "{}: {} modules served, {} located, {} left to the ordinary import, {} not in the image; \
             {} base, {} slots patched",
            active.path.display(),
            load(&counters.served),
            load(&counters.located),
            load(&counters.aside),
            load(&counters.unknown),
            base(active),
            active.image.objects.patched(),
        ));
    }
    py::none().into_ptr()
}
