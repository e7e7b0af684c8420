//! Fixes up units: rewrites the slots whose predictions fail in this process, once per unit.

use std::ptr::NonNull;

use cds_layout::cpython::{Head, Layout};
use cds_layout::format::{Extern, SLOT, TypeId, UnitReader};
use pyo3_ffi as ffi;

use crate::externs::{self, Externs};
use crate::image::{Image, Malformed};
use crate::py::{self, Object, PyObject};
use crate::strings::{self, Strings};
use crate::table::Bytes;

/// Why a unit cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A table is not what a builder writes. For good.
    Malformed,
    /// The interpreter refused something, most likely memory. For good.
    Python,
    /// Another thread, or this one further up the stack, is at it.
    Busy,
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Failure::Malformed
    }
}

impl From<py::Raised> for Failure {
    fn from(_: py::Raised) -> Self {
        py::clear();
        Failure::Python
    }
}

/// States of a unit.
const TODO: u8 = 0;
const BUSY: u8 = 1;
const DONE: u8 = 2;
const FAILED: u8 = 3;

/// The file name of the module that a unit belongs to.
#[derive(Debug)]
pub struct Filename<'a> {
    /// The path in this process, a `str`.
    pub path: &'a Object,
    /// Whether the image's own string says the same.
    pub predicted: bool,
}

/// What was fixed up so far.
#[derive(Debug)]
pub struct Fixups {
    units: Bytes,
    externs: Externs,
    strings: Strings,
    /// Offsets in the head of an object.
    head: Head,
    /// `&PyTuple_Type`
    tuple_type: u64,
}

impl Fixups {
    /// Nothing fixed up yet.
    pub fn new(image: &Image, layout: &'static Layout) -> Result<Self, Failure> {
        Ok(Fixups {
            units: Bytes::new(image.counts().units),
            externs: Externs::new(image),
            strings: Strings::new(image, layout)?,
            head: layout.head,
            tuple_type: externs::resolve(Extern::Type(TypeId::Tuple))?.as_ptr() as u64,
        })
    }

    /// Makes the objects of `unit` usable, after those of the units that it needs.
    ///
    /// Nothing else runs meanwhile: no thread ever sees half of it.
    pub fn fix(&self, image: &Image, unit: u32, filename: Option<&Filename<'_>>) -> Result<(), Failure> {
        if self.units.get(unit) == Some(DONE) {
            return Ok(());
        }
        py::without_collections(|| self.fix_all(image, unit, filename))
    }

    fn fix_all(&self, image: &Image, unit: u32, filename: Option<&Filename<'_>>) -> Result<(), Failure> {
        let reader = image.unit(unit).ok_or(Failure::Malformed)?;
        for needed in reader.units() {
            let needed = needed.ok_or(Failure::Malformed)?;
            // The list is complete and in order of need, so one level is enough: no recursion, no cycles.
            if self.units.get(needed) != Some(DONE) {
                self.fix_one(image, needed, &image.unit(needed).ok_or(Failure::Malformed)?, None)?;
            }
        }
        self.fix_one(image, unit, &reader, filename)
    }

    fn fix_one(
        &self,
        image: &Image,
        unit: u32,
        reader: &UnitReader<'_>,
        filename: Option<&Filename<'_>>,
    ) -> Result<(), Failure> {
        match self.units.get(unit) {
            Some(DONE) => return Ok(()),
            Some(TODO) => {}
            Some(BUSY) => return Err(Failure::Busy),
            _ => return Err(Failure::Malformed),
        }
        for needed in reader.units() {
            match self.units.get(needed.ok_or(Failure::Malformed)?) {
                Some(DONE) => {}
                Some(BUSY) => return Err(Failure::Busy),
                _ => return Err(Failure::Malformed),
            }
        }
        // Should anything below run Python code after all, it gets an error and not half a unit.
        self.units.set(unit, BUSY);
        let result = self.apply(image, reader, filename);
        self.units.set(unit, if result.is_ok() { DONE } else { FAILED });
        result
    }

    fn apply(&self, image: &Image, unit: &UnitReader<'_>, filename: Option<&Filename<'_>>) -> Result<(), Failure> {
        if !image.is_at_preferred_base() {
            for slot in unit.base().ok_or(Failure::Malformed)? {
                image.relocate(slot.ok_or(Failure::Malformed)?)?;
            }
        }
        for group in unit.externs() {
            let (number, slots) = group.ok_or(Failure::Malformed)?;
            let (actual, predicted) = self.externs.address(image, number)?;
            if actual != predicted {
                image.replace_all(slots, predicted, actual)?;
            }
        }
        for group in unit.strings() {
            let (number, slots) = group.ok_or(Failure::Malformed)?;
            let (canonical, predicted) = self.strings.canonical(image, number, &slots)?;
            if canonical != predicted {
                image.replace_all(slots, predicted, canonical)?;
            }
        }
        for group in unit.frozensets() {
            let (items, slots) = group.ok_or(Failure::Malformed)?;
            let frozenset = self.frozenset(image, items)?;
            image.replace_all(slots, 0, frozenset.as_ptr() as u64)?;
        }
        match (unit.filename().ok_or(Failure::Malformed)?, filename) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Failure::Malformed),
            (Some((position, interned, slots)), Some(filename)) => {
                let (value, predicted) = file_name(image, position, interned, filename)?;
                if value != predicted {
                    image.replace_all(slots, predicted, value)?;
                }
                Ok(())
            }
        }
    }

    /// The tuple at `position`, which was fixed up before.
    pub fn tuple(&self, image: &Image, position: u32) -> Result<*mut PyObject, Failure> {
        let tuple = image.object(position, self.head.object_size)?;
        if image.read(position.checked_add(self.head.type_).ok_or(Failure::Malformed)?)? != self.tuple_type {
            return Err(Failure::Malformed);
        }
        Ok(tuple)
    }

    /// A frozenset of the items of the tuple at `position`. The reference to it is given to the image.
    fn frozenset(&self, image: &Image, position: u32) -> Result<NonNull<PyObject>, Failure> {
        let items = self.tuple(image, position)?;
        // SAFETY: a tuple of the image, whose slots were fixed up before; a new reference comes back.
        let frozenset = unsafe { py::steal(ffi::PyFrozenSet_New(items)) }?;
        NonNull::new(frozenset.into_ptr()).ok_or(Failure::Python)
    }
}

/// Address of the string that is the module's file name, and the address that slots hold until they are fixed up.
fn file_name(image: &Image, position: u32, interned: bool, filename: &Filename<'_>) -> Result<(u64, u64), Failure> {
    let own = image.object(position, SLOT)?;
    let string = if filename.predicted { own } else { filename.path.clone().into_ptr() };
    let string = if interned {
        // SAFETY: a string of the image, whose slots were fixed up before, or a reference that was just taken.
        unsafe { strings::intern(string) }.ok_or(Failure::Python)?.as_ptr()
    } else {
        string
    };
    Ok((string as u64, image.predicted(position)))
}
