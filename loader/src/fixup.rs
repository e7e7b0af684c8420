//! Fixes up units: rewrites the slots whose predictions fail in this process, once per unit.

use std::ptr::NonNull;

use cds_layout::cpython::{Head, Layout};
use cds_layout::format::{self, CHUNK, Extern, Slots, TypeId};
use pyo3_ffi as ffi;

use crate::externs::{self, Externs};
use crate::image::{Image, Malformed};
use crate::py::{self, Object, PyObject};
use crate::relocate::Moves;
use crate::strings::Strings;
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
    /// 1 for a piece of the pool that is ready.
    chunks: Bytes,
    externs: Externs,
    strings: Strings,
    /// Offsets in the head of an object.
    head: Head,
    /// `&PyTuple_Type`
    tuple_type: u64,
}

/// A string that is not where slots have it.
struct Misplaced {
    /// Number of its slot list.
    list: usize,
    predicted: u64,
    canonical: u64,
}

impl Fixups {
    /// Nothing fixed up yet.
    pub fn new(image: &Image, layout: &'static Layout) -> Result<Self, Failure> {
        let counts = image.counts();
        Ok(Fixups {
            units: Bytes::new(counts.units),
            chunks: Bytes::new(counts.chunks),
            externs: Externs::default(),
            strings: Strings::new(image, layout)?,
            head: layout.head,
            tuple_type: externs::resolve(Extern::Type(TypeId::Tuple))?.as_ptr() as u64,
        })
    }

    /// Makes the objects of `unit` usable.
    ///
    /// Nothing else runs meanwhile: no thread ever sees half of it.
    pub fn fix(&self, image: &Image, unit: u32, filename: Option<&Filename<'_>>) -> Result<(), Failure> {
        match self.units.get(unit) {
            Some(DONE) => return Ok(()),
            Some(TODO) => {}
            Some(BUSY) => return Err(Failure::Busy),
            _ => return Err(Failure::Malformed),
        }
        // Should anything below run Python code after all, it gets an error and not half a unit.
        self.units.set(unit, BUSY);
        let result = py::without_collections(|| self.apply(image, unit, filename));
        self.units.set(unit, if result.is_ok() { DONE } else { FAILED });
        image.table_was_read();
        result
    }

    fn apply(&self, image: &Image, unit: u32, filename: Option<&Filename<'_>>) -> Result<(), Failure> {
        let unit = image.unit(unit).ok_or(Failure::Malformed)?;
        let front = unit.front()?;
        let distance = self.externs.distance(image)?;
        let moves = Moves::new(image, distance);
        match &moves {
            Some(moves) => {
                for range in unit.record.ranges() {
                    image.relocate(range, moves)?;
                }
                for chunk in unit.back()?.chunks() {
                    self.prepare_chunk(image, chunk.ok_or(Failure::Malformed)?, Some(moves))?;
                }
            }
            None => image.prefault(unit.record.written)?,
        }

        let mut misplaced = Vec::new();
        let mut list = 0;
        let mut check = |predicted: u64, canonical: NonNull<PyObject>| {
            let canonical = canonical.as_ptr() as u64;
            if canonical != predicted {
                misplaced.push(Misplaced { list, predicted, canonical });
            }
            list += 1;
        };
        let ensure = |offset: u32| self.prepare_string(image, offset, moves.as_ref());
        for number in front.statics() {
            let number = number.ok_or(Failure::Malformed)?;
            let (predicted, canonical) = self.strings.of_interpreter(image, number, distance, ensure)?;
            check(predicted, canonical);
        }
        for offset in front.strings() {
            let offset = offset.ok_or(Failure::Malformed)?;
            ensure(offset)?;
            let (own, canonical) = self.strings.canonical(image, offset)?;
            check(own as u64, canonical);
        }
        if !misplaced.is_empty() {
            let back = unit.back()?;
            let mut lists = back.slots().enumerate();
            for Misplaced { list, predicted, canonical } in misplaced {
                let slots = lists.find(|(number, _)| *number == list).and_then(|(_, slots)| slots);
                image.replace_all(slots.ok_or(Failure::Malformed)?, predicted, canonical)?;
            }
        }

        for group in front.frozensets() {
            let (items, slots) = group.ok_or(Failure::Malformed)?;
            self.frozenset(image, items, slots)?;
        }
        match (front.filename().ok_or(Failure::Malformed)?, filename) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Failure::Malformed),
            (Some(own), Some(filename)) => {
                let (value, predicted) = self.file_name(image, own, filename)?;
                if value != predicted {
                    for range in unit.record.ranges() {
                        image.replace_in(range, predicted, value)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Gets a piece of the pool ready, once: moves the addresses in it, if that is to be done.
    fn prepare_chunk(&self, image: &Image, number: u32, moves: Option<&Moves>) -> Result<(), Failure> {
        if self.chunks.get(number) == Some(0) {
            let range = image.chunk(number).ok_or(Failure::Malformed)?;
            match moves {
                Some(moves) => image.relocate(range, moves)?,
                None => image.prefault(range)?,
            }
            self.chunks.set(number, 1);
        }
        Ok(())
    }

    /// The same for the string at `offset`, if it is in the pool. Its head may lie in two pieces.
    fn prepare_string(&self, image: &Image, offset: u32, moves: Option<&Moves>) -> Result<(), Failure> {
        if !image.is_in_pool(offset) {
            return Ok(());
        }
        let (first, last) = (offset / CHUNK, offset.saturating_add(self.strings.head_size() - 1) / CHUNK);
        self.prepare_chunk(image, first, moves)?;
        if last != first && image.chunk(last).is_some() {
            self.prepare_chunk(image, last, moves)?;
        }
        Ok(())
    }

    /// The tuple at `offset`, which was fixed up before.
    pub fn tuple(&self, image: &Image, offset: u32) -> Result<*mut PyObject, Failure> {
        let tuple = image.object(offset, self.head.object_size)?;
        if image.read(offset.checked_add(self.head.type_).ok_or(Failure::Malformed)?)? != self.tuple_type {
            return Err(Failure::Malformed);
        }
        Ok(tuple)
    }

    /// Sees to it that all slots hold a frozenset of the items of the tuple at `offset`. A slot that units share may have one
    /// already. References to frozensets are given to the image.
    fn frozenset(&self, image: &Image, offset: u32, slots: Slots<'_>) -> Result<(), Failure> {
        let mut empty = 0;
        for slot in slots.clone() {
            if image.read(slot.ok_or(Failure::Malformed)?)? == 0 {
                empty += 1;
            }
        }
        if empty == 0 {
            return Ok(());
        }
        let items = self.tuple(image, offset)?;
        // SAFETY: a tuple of the image, whose slots were fixed up before; a new reference comes back.
        let frozenset = unsafe { py::steal(ffi::PyFrozenSet_New(items)) }?;
        for slot in slots {
            let slot = slot.ok_or(Failure::Malformed)?;
            if image.read(slot)? == 0 {
                image.write(slot, frozenset.clone().into_ptr() as u64)?;
            }
        }
        Ok(())
    }

    /// Address of the string that is the module's file name, and the address that slots hold until they are fixed up.
    fn file_name(&self, image: &Image, own: format::Filename, filename: &Filename<'_>) -> Result<(u64, u64), Failure> {
        let predicted = image.object(own.string, self.strings.head_size())?;
        let string = if filename.predicted { predicted } else { filename.path.clone().into_ptr() };
        let string = if own.interned {
            // SAFETY: a string of the image, whose slots were fixed up before, or a reference that was just taken.
            unsafe { self.strings.intern(string) }.ok_or(Failure::Python)?.as_ptr()
        } else {
            string
        };
        Ok((string as u64, predicted as u64))
    }
}
