//! Interned strings of the image: which object is the canonical one in this process.

use std::ptr::NonNull;

use cds_layout::cpython::Layout;
use cds_layout::format::{Extern, SLOT, Slots, TypeId};
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
    layout: &'static Layout,
    /// `&PyUnicode_Type`, and its prediction.
    str_type: (u64, u64),
}

impl Strings {
    /// Nothing interned yet.
    pub fn new(image: &Image, layout: &'static Layout) -> Result<Self, Failure> {
        let type_ = Extern::Type(TypeId::Str);
        let predicted = (0..image.counts().externs as u32)
            .filter_map(|number| image.extern_(number))
            .find(|record| record.object == type_)
            .map_or(0, |record| record.predicted);
        let str_type = (externs::resolve(type_)?.as_ptr() as u64, predicted);
        Ok(Strings { canonical: Pointers::new(image.counts().strings), layout, str_type })
    }

    /// Address of the canonical copy of string `number`, and what slots that point to the string hold in the file.
    ///
    /// `slots` are some such slots.
    pub fn canonical(&self, image: &Image, number: u32, slots: &Slots<'_>) -> Result<(u64, u64), Failure> {
        let position = image.string(number).ok_or(Failure::Malformed)?;
        let static_ = image.static_string(number);
        let predicted = static_.unwrap_or_else(|| image.predicted(position));
        let canonical = match self.canonical.get(number) {
            Some(known) => known,
            // Slot and table must agree where the string lies before anything is taken for one.
            None => {
                let witness = slots.clone().next().flatten().ok_or(Failure::Malformed)?;
                if image.read(witness)? != predicted {
                    return Err(Failure::Malformed);
                }
                let canonical = match static_ {
                    Some(address) => match self.static_copy(image, position, address)? {
                        Some(canonical) => canonical,
                        None => self.intern_own(image, position)?,
                    },
                    None => self.intern_own(image, position)?,
                };
                self.canonical.set(number, canonical);
                canonical
            }
        };
        Ok((canonical.as_ptr() as u64, predicted))
    }

    /// The interpreter's own copy of the string at `position`, if it lies at `address` as predicted: then nothing is hashed and
    /// nothing is written.
    fn static_copy(&self, image: &Image, position: u32, address: u64) -> Result<Option<NonNull<PyObject>>, Failure> {
        let (actual, predicted) = self.str_type;
        // The type at its predicted address is in the same file, which is mapped where the builder saw it. Which file that
        // is, the identity in the header says.
        if actual != predicted || actual == 0 || !address.is_multiple_of(u64::from(SLOT)) {
            return Ok(None);
        }
        let rows = &self.layout.str_;
        let at = |offset: u32| position.checked_add(offset).ok_or(Failure::Malformed);
        let length = image.read(at(rows.length)?)?;
        let size = u32::try_from(length).ok().and_then(|n| n.checked_add(rows.ascii_data)).ok_or(Failure::Malformed)?;
        let own = image.object(position, size)? as u64;
        let shape = (7 << rows.bits.kind_shift) | rows.bits.compact | rows.bits.ascii;
        // SAFETY: `own` is checked to lie in the image. `address` is that of a string inside `_PyRuntime` of this build of the
        // interpreter (the header's checksum covers it), which is mapped as it was for the builder, and lives for ever.
        let same = unsafe {
            let word = |base: u64, offset: u32| ((base + u64::from(offset)) as *const u64).read();
            let state = |base: u64| ((base + u64::from(rows.state)) as *const u32).read();
            let text = |base: u64| {
                std::slice::from_raw_parts((base + u64::from(rows.ascii_data)) as *const u8, length as usize)
            };
            word(address, self.layout.head.type_) == actual
                && word(address, rows.length) == length
                && (state(address) ^ state(own)) & shape == 0
                && state(own) & rows.bits.ascii != 0
                && state(address) & rows.bits.interned_mask != 0
                && text(address) == text(own)
        };
        if !same {
            return Ok(None);
        }
        // SAFETY: a live object. The reference is kept for ever, as that to any canonical copy.
        unsafe { ffi::Py_IncRef(address as *mut PyObject) };
        Ok(NonNull::new(address as *mut PyObject))
    }

    /// Hands the image's own copy to the interpreter, once.
    fn intern_own(&self, image: &Image, position: u32) -> Result<NonNull<PyObject>, Failure> {
        let head = &self.layout.head;
        let slot = |offset: u32| position.checked_add(offset).ok_or(Failure::Malformed);
        let own = image.object(position, self.layout.str_.ascii_data)?;
        // Nobody has seen the string yet: any other count means that it is none.
        if image.read(slot(head.refcnt)?)? != self.layout.refcount.initial {
            return Err(Failure::Malformed);
        }
        let (actual, predicted) = self.str_type;
        image.replace(slot(head.type_)?, predicted, actual)?;
        // SAFETY: an object in the image, whose type was just set to `str`.
        unsafe { intern(own) }.ok_or(Failure::Python)
    }
}

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
