//! Interned strings of the image: which object is the canonical one in this process.

use std::ptr::NonNull;

use cds_layout::cpython::Layout;
use cds_layout::format::{Extern, SLOT, StaticText, TypeId};
use pyo3_ffi as ffi;

use crate::externs;
use crate::failure::Failure;
use crate::image::Image;
use crate::memory::Memory;
use crate::py::{self, PyObject};
use crate::table::Pointers;

/// Which strings are canonical.
///
/// Of an image's own string its state says that it is, once it was interned. One that turned out to be another copy of
/// what was interned already is never used by anybody: in it, the slot of the type is cleared and that of the hash has
/// the address of the canonical copy.
#[derive(Debug)]
pub struct Strings {
    /// The canonical copies of strings that the interpreter has copies of, asked for when first needed. One owned
    /// reference to each is kept for ever.
    statics: Pointers<PyObject>,
    layout: &'static Layout,
    /// `&PyUnicode_Type`
    str_type: u64,
}

impl Strings {
    /// Nothing interned yet.
    pub fn new(layout: &'static Layout) -> Result<Self, Failure> {
        let str_type = externs::resolve(Extern::Type(TypeId::Str))?.as_ptr() as u64;
        Ok(Strings { statics: Pointers::new(), layout, str_type })
    }

    /// Bytes of a string before its characters, at most.
    pub fn head_size(&self) -> u32 {
        self.layout.str_.compact_data
    }

    /// Bytes of a string at least.
    pub fn least_size(&self) -> u32 {
        self.layout.str_.ascii_data
    }

    /// Address of the image's own copy of the string at `offset`, and the canonical copy.
    pub fn canonical(&self, memory: &Memory<'_>, offset: u32) -> Result<(*mut PyObject, NonNull<PyObject>), Failure> {
        let rows = &self.layout.str_;
        let slot = |at: u32| offset.checked_add(at).ok_or(Failure::Malformed);
        let own = memory.object(offset, rows.ascii_data)?;
        // SAFETY: within the object, as the line before says; the GIL is held.
        let state = unsafe { own.byte_add(rows.state as usize).cast::<u32>().read() };
        if memory.read(slot(self.layout.head.type_)?)? == 0 {
            let canonical = memory.read(slot(rows.hash)?)? as *mut PyObject;
            // There is none if it could not be interned.
            return Ok((own, NonNull::new(canonical).ok_or(Failure::Python)?));
        }
        if state & rows.bits.interned_mask != 0 {
            return Ok((own, NonNull::new(own).ok_or(Failure::Malformed)?));
        }
        Ok((own, self.intern_own(memory, offset, own)?))
    }

    /// Hands the image's own copy to the interpreter, once.
    fn intern_own(&self, memory: &Memory<'_>, offset: u32, own: *mut PyObject) -> Result<NonNull<PyObject>, Failure> {
        let head = &self.layout.head;
        let slot = |at: u32| offset.checked_add(at).ok_or(Failure::Malformed);
        // Nobody has seen the string yet: any other count means that it is none.
        if memory.read(slot(head.refcnt)?)? != self.layout.refcount.initial
            || memory.read(slot(head.type_)?)? != self.str_type
        {
            return Err(Failure::Malformed);
        }
        // SAFETY: an object in the image, which is a `str`.
        let Some(canonical) = (unsafe { self.intern(own) }) else {
            // Nobody has the string yet, and nobody gets it: its state may say that it is interned although it is not.
            memory.write(slot(head.type_)?, 0)?;
            memory.write(slot(self.layout.str_.hash)?, 0)?;
            return Err(Failure::Memory);
        };
        if canonical.as_ptr() != own {
            memory.write(slot(head.type_)?, 0)?;
            memory.write(slot(self.layout.str_.hash)?, canonical.as_ptr() as u64)?;
        }
        Ok(canonical)
    }

    /// What slots hold that point to the interpreter's string `number`, and its canonical copy.
    ///
    /// `distance` is that of the interpreter's addresses; `ensure` makes the head of a string of the image usable.
    pub fn of_interpreter(
        &self,
        image: &Image,
        memory: &Memory<'_>,
        number: u32,
        distance: u64,
        ensure: impl Fn(u32) -> Result<(), Failure>,
    ) -> Result<(u64, NonNull<PyObject>), Failure> {
        let record = image.static_string(number).ok_or(Failure::Malformed)?;
        let predicted = record.predicted.wrapping_add(distance);
        if let Some(known) = self.statics.get(number) {
            return Ok((predicted, known));
        }
        let canonical = match record.text {
            StaticText::Latin1(character) => {
                let string = py::latin1(character)?.into_ptr();
                // SAFETY: a `str`, and a reference that was just taken.
                unsafe { self.intern(string) }.ok_or(Failure::Memory)?
            }
            StaticText::Own(offset) => match self.static_copy(memory, offset, predicted)? {
                Some(canonical) => canonical,
                None => {
                    ensure(offset)?;
                    self.canonical(memory, offset)?.1
                }
            },
        };
        self.statics.set(number, canonical);
        Ok((predicted, canonical))
    }

    /// The interpreter's own copy of the string at `offset`, if it lies at `address` as predicted and is interned: then nothing
    /// is hashed and nothing is written.
    fn static_copy(
        &self,
        memory: &Memory<'_>,
        offset: u32,
        address: u64,
    ) -> Result<Option<NonNull<PyObject>>, Failure> {
        if !address.is_multiple_of(u64::from(SLOT)) {
            return Err(Failure::Malformed);
        }
        let rows = &self.layout.str_;
        let at = |row: u32| offset.checked_add(row).ok_or(Failure::Malformed);
        let length = memory.read(at(rows.length)?)?;
        let size = u32::try_from(length).ok().and_then(|n| n.checked_add(rows.ascii_data)).ok_or(Failure::Malformed)?;
        let own = memory.object(offset, size)? as u64;
        let shape = (7 << rows.bits.kind_shift) | rows.bits.compact | rows.bits.ascii;
        // SAFETY: `own` is checked to lie in the image. `address` is that of a string in the file that this build of the
        // interpreter was loaded from (the header's checksum covers it), at the distance at which all of its other objects
        // were found.
        let same = unsafe {
            let word = |base: u64, row: u32| ((base + u64::from(row)) as *const u64).read();
            let state = |base: u64| ((base + u64::from(rows.state)) as *const u32).read();
            let text = |base: u64| {
                std::slice::from_raw_parts((base + u64::from(rows.ascii_data)) as *const u8, length as usize)
            };
            word(address, self.layout.head.type_) == self.str_type
                && word(address, rows.length) == length
                && (state(address) ^ state(own)) & shape == 0
                && state(own) & rows.bits.ascii != 0
                && state(address) & rows.bits.interned_mask != 0
                && text(address) == text(own)
        };
        if !same {
            return Ok(None);
        }
        // SAFETY: a live object. The reference is kept for ever.
        unsafe { ffi::Py_IncRef(address as *mut PyObject) };
        Ok(NonNull::new(address as *mut PyObject))
    }

    /// The interned string that equals `string`, with a reference that the caller owns; `None` if there was no memory.
    ///
    /// # Safety
    ///
    /// * `string` is a live `str` object; the reference to it that is used up is one that nobody counts
    ///   (an image object) or one that the caller owned.
    pub unsafe fn intern(&self, string: *mut PyObject) -> Option<NonNull<PyObject>> {
        let mut pointer = string;
        // `PyUnicode_InternInPlace` (Objects/unicodeobject.c) drops the reference to `string` where another
        // copy is canonical: image objects are immortal or their count starts far from zero. Without memory it gives
        // back what it got: silently until 3.12, later with an exception and a state that pretends.
        // SAFETY: a live object.
        unsafe { ffi::PyUnicode_InternInPlace(&mut pointer) };
        if py::raised() {
            py::clear();
            return None;
        }
        let rows = &self.layout.str_;
        // SAFETY: a live `str` object, which has a state at this offset.
        let state = unsafe { pointer.byte_add(rows.state as usize).cast::<u32>().read() };
        NonNull::new(pointer).filter(|_| state & rows.bits.interned_mask != 0)
    }
}
