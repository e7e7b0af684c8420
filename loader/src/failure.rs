//! Why objects of an image cannot be used.

use crate::malformed::Malformed;
use crate::py;

/// Why a unit cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A table is not what a builder writes. For good.
    Malformed,
    /// The system gives no memory: it may do so later.
    Memory,
    /// The interpreter refused something. For good.
    Python,
    /// Another thread, or this one further up the stack, is at it.
    Busy,
    /// Its code was handed out, which happens once.
    Gone,
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Failure::Malformed
    }
}

impl From<py::Raised> for Failure {
    fn from(_: py::Raised) -> Self {
        let failure = if py::is_memory_error() { Failure::Memory } else { Failure::Python };
        py::clear();
        failure
    }
}
