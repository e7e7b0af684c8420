//! Addresses of the interpreter's own objects that image objects point to.

use std::ptr::NonNull;

use cds_layout::format::Extern;
use pyo3_ffi as ffi;

use crate::elf;
use crate::fixup::Failure;
use crate::image::Image;
use crate::py::{self, PyObject};
use crate::strings;
use crate::table::Pointers;

/// The externs of an image, resolved when first needed.
#[derive(Debug)]
pub struct Externs {
    addresses: Pointers<PyObject>,
}

impl Externs {
    /// Nothing resolved yet.
    pub fn new(image: &Image) -> Self {
        Externs { addresses: Pointers::new(image.counts().externs) }
    }

    /// Actual and predicted address of extern `number`.
    pub fn address(&self, image: &Image, number: u32) -> Result<(u64, u64), Failure> {
        let record = image.extern_(number).ok_or(Failure::Malformed)?;
        let actual = match self.addresses.get(number) {
            Some(known) => known,
            None => {
                let found = resolve(record.object)?;
                self.addresses.set(number, found);
                found
            }
        };
        Ok((actual.as_ptr() as u64, record.predicted))
    }
}

/// The object itself. The reference to it is kept for ever.
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
        Extern::Latin1(character) => py::latin1(character)?.into_ptr(),
        Extern::InternedLatin1(character) => {
            let string = py::latin1(character)?.into_ptr();
            // SAFETY: a `str`, and a reference that was just taken.
            unsafe { strings::intern(string) }.ok_or(Failure::Python)?.as_ptr()
        }
    };
    NonNull::new(pointer).ok_or(Failure::Python)
}
