//! Interned strings of the image: which object is the canonical one in this process.

use std::ptr::NonNull;

use cds_layout::format::{Extern, TypeId};
use pyo3_ffi as ffi;

use crate::externs;
use crate::fixup::Failure;
use crate::image::Image;
use crate::py::PyObject;
use crate::table::Pointers;

/// The canonical copies, asked for when first needed. One owned reference to each is kept for ever, so
/// that no copy is freed while image objects point to it.
#[derive(Debug)]
pub struct Strings {
    canonical: Pointers<PyObject>,
    /// Offset of `ob_type` in an object.
    type_offset: u32,
    /// `&PyUnicode_Type`
    str_type: u64,
}

impl Strings {
    /// Nothing interned yet.
    pub fn new(image: &Image, type_offset: u32) -> Result<Self, Failure> {
        let str_type = externs::resolve(Extern::Type(TypeId::Str))?.as_ptr() as u64;
        Ok(Strings { canonical: Pointers::new(image.counts().strings), type_offset, str_type })
    }

    /// Address of the canonical copy of string `number`, and the address that slots hold until they are fixed up.
    pub fn canonical(&self, image: &Image, number: u32) -> Result<(u64, u64), Failure> {
        let position = image.string(number).ok_or(Failure::Malformed)?;
        let own = image.object(position, ASCII_SIZE)?;
        let canonical = match self.canonical.get(number) {
            Some(known) => known,
            None => {
                let type_slot = position.checked_add(self.type_offset).ok_or(Failure::Malformed)?;
                image.write(type_slot, self.str_type)?;
                // SAFETY: an object in the image, whose type was just set to `str`.
                let canonical = unsafe { intern(own) }.ok_or(Failure::Python)?;
                self.canonical.set(number, canonical);
                canonical
            }
        };
        Ok((canonical.as_ptr() as u64, image.predicted(position)))
    }
}

/// A lower bound for the size of a string object: `sizeof(PyASCIIObject)` of the leanest version.
pub const ASCII_SIZE: u32 = 40;

/// The interned string that equals `string`, with a reference that the caller owns.
///
/// # Safety
///
/// * `string` is a live `str` object; the reference to it that is used up is one that nobody counts
///   (an image object) or one that the caller owned.
pub unsafe fn intern(string: *mut PyObject) -> Option<NonNull<PyObject>> {
    let mut pointer = string;
    // `PyUnicode_InternInPlace` (Objects/unicodeobject.c) drops the reference to `string` where another
    // copy is canonical: image objects are immortal or their count starts far from zero.
    // SAFETY: a live object.
    unsafe { ffi::PyUnicode_InternInPlace(&mut pointer) };
    NonNull::new(pointer)
}
