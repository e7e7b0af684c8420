//! Addresses of the interpreter's own objects that image objects point to.

use std::ptr::NonNull;
use std::sync::OnceLock;

use cds_layout::format::Extern;
use pyo3_ffi as ffi;

use crate::elf;
use crate::failure::Failure;
use crate::image::Image;
use crate::py::{self, PyObject};

/// How far the interpreter's objects are from where the image's words have them.
#[derive(Debug, Default)]
pub struct Externs {
    distance: OnceLock<Option<u64>>,
}

impl Externs {
    /// The distance, which is the same for all of them: they lie in one file.
    pub fn distance(&self, image: &Image) -> Result<u64, Failure> {
        if let Some(known) = self.distance.get() {
            return known.ok_or(Failure::Malformed);
        }
        let found = common_distance(image);
        // Without memory, say, it may be known another time.
        if !matches!(found, Err(Failure::Memory | Failure::Python)) {
            let _ = self.distance.set(found.ok());
        }
        found
    }
}

fn common_distance(image: &Image) -> Result<u64, Failure> {
    let mut common = None;
    for number in 0..image.counts().externs as u32 {
        let record = image.extern_(number).ok_or(Failure::Malformed)?;
        let distance = (resolve(record.object)?.as_ptr() as u64).wrapping_sub(record.predicted);
        if *common.get_or_insert(distance) != distance {
            return Err(Failure::Malformed);
        }
    }
    common.ok_or(Failure::Malformed)
}

/// The object itself, which lives as long as the interpreter.
pub fn resolve(object: Extern) -> Result<NonNull<PyObject>, Failure> {
    let pointer = match object {
        Extern::Type(type_) => elf::symbol_named(type_.symbol()).ok_or(Failure::Python)? as *mut PyObject,
        Extern::None => py::none().into_ptr(),
        Extern::False => py::boolean(false).into_ptr(),
        Extern::True => py::boolean(true).into_ptr(),
        // SAFETY: the address of a static object.
        Extern::Ellipsis => unsafe { ffi::Py_Ellipsis() },
        Extern::EmptyStr => py::string("")?.into_ptr(),
        // SAFETY: a new reference to the empty bytes object, which is one in the whole interpreter.
        Extern::EmptyBytes => unsafe { py::steal(ffi::PyBytes_FromStringAndSize(std::ptr::null(), 0)) }?.into_ptr(),
        Extern::Byte(byte) => {
            // SAFETY: one byte to read; the singleton comes back, a static object.
            unsafe { py::steal(ffi::PyBytes_FromStringAndSize((&raw const byte).cast(), 1)) }?.into_ptr()
        }
        Extern::EmptyTuple => py::tuple(&[])?.into_ptr(),
        Extern::SmallInt(value) => py::integer(i64::from(value))?.into_ptr(),
        // Which of two strings an interned one is, is known when it is interned: those are static strings.
        Extern::Latin1(character) | Extern::InternedLatin1(character) => py::latin1(character)?.into_ptr(),
    };
    NonNull::new(pointer).ok_or(Failure::Python)
}
