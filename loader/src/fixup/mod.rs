//! Fixes up units: rewrites the slots whose predictions fail in this process, once per unit.

mod copied;

use std::ptr::NonNull;
use std::sync::atomic::AtomicBool;

use cds_layout::cpython::{Head, Layout};
use cds_layout::format::{self, CHUNK, MAX_SPAN, Name, Range, Slots, UnitRecord, UnitUse};
use pyo3_ffi as ffi;

use crate::arena::Arena;
use crate::bodies::{self, Bodies};
use crate::externs::Externs;
use crate::failure::Failure;
use crate::image::Image;
use crate::memory::{Memory, Piece};
use crate::py::{self, Object, PyObject};
use crate::relocate::Moves;
use crate::segment::Copied;
use crate::strings::Strings;
use crate::table::Numbers;
use crate::texts;
use crate::unit::Unit;

/// States of a unit that was asked for, or of a piece of the pool. A unit that was copied has, when it is done, the offset of the copy plus
/// `DONE`. It is begun anew if there was no memory: nobody has seen anything of the copy but strings.
const BUSY: u64 = 0;
const DAMAGED: u64 = 1;
const REFUSED: u64 = 2;
const AGAIN: u64 = 3;
const DONE: u64 = 4;

/// Bits of the number of a unit, which tells where it lies in the image, and of a piece of the pool.
const UNITS: u32 = (MAX_SPAN / UnitRecord::ALIGN as u64).ilog2() + 1;
const CHUNKS: u32 = (MAX_SPAN / CHUNK as u64).ilog2() + 1;

/// How many strings ahead of the one that is interned memory is asked for: about as long as that takes.
const AHEAD: usize = 8;

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
    units: Numbers<UNITS>,
    copies: Arena,
    /// The pieces of the pool that are ready.
    chunks: Numbers<CHUNKS>,
    externs: Externs,
    strings: Strings,
    maker: texts::Maker,
    bodies: bodies::Maker,
    /// Whether another file has the name of the image.
    replaced: AtomicBool,
    /// Offsets in the head of an object.
    head: Head,
}

/// What is to be done: a unit that nobody has used.
struct Task<'a> {
    image: &'a Image,
    unit: Range,
    filename: Option<&'a Filename<'a>>,
    /// How far the interpreter's objects are from the words in the file.
    externs: u64,
    /// What is left to be done to objects where they are mapped.
    moves: Moves,
}

/// A unit whose objects are where they are going to be used. Strings of the image's own may still have to be replaced.
struct Ready {
    unit: Unit,
    bodies: Bodies,
    /// Where its objects are among the copies, if they were copied.
    offset: u32,
}

/// The number of a unit, if one can lie there.
fn number_of(unit: Range) -> Result<u32, Failure> {
    let can_be = unit.start.is_multiple_of(UnitRecord::ALIGN) && unit.size as usize >= UnitRecord::SIZE;
    if can_be { Ok(unit.start / UnitRecord::ALIGN) } else { Err(Failure::Malformed) }
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
    pub fn new(layout: &'static Layout) -> Result<Self, Failure> {
        Ok(Fixups {
            units: Numbers::new(),
            copies: Arena::default(),
            chunks: Numbers::new(),
            externs: Externs::default(),
            strings: Strings::new(layout)?,
            maker: texts::Maker::new(layout)?,
            bodies: bodies::Maker::new(layout)?,
            replaced: AtomicBool::new(false),
            head: layout.head,
        })
    }

    /// Makes the objects of a named object's unit usable.
    pub fn fix<'a>(&self, image: &'a Image, unit: Range) -> Result<Memory<'a>, Failure> {
        let offset = match self.state(unit)? {
            Some(offset) => offset,
            None => self.once(image, unit, None, |_| Ok(()))?.0,
        };
        // What is mapped may have been overwritten since.
        let unit = image.unit(unit).ok_or(Failure::Malformed)?;
        self.memory(image, &unit.record, offset)
    }

    /// Makes the objects of a module's unit usable, once; its code, which is at the offset `root`.
    pub fn code(&self, image: &Image, unit: Range, filename: &Filename<'_>, root: u32) -> Result<Object, Failure> {
        match self.state(unit)? {
            Some(_) => Err(Failure::Gone),
            None => Ok(self.once(image, unit, Some(filename), |bodies| self.bodies.make(bodies, root))?.1),
        }
    }

    /// The offset of a copy, or any number for a unit in place, if it was made usable; `None` if nobody has used it.
    fn state(&self, unit: Range) -> Result<Option<u32>, Failure> {
        match self.units.get(number_of(unit)?) {
            None | Some(AGAIN) => Ok(None),
            Some(BUSY) => Err(Failure::Busy),
            Some(DAMAGED) => Err(Failure::Malformed),
            Some(REFUSED) => Err(Failure::Python),
            Some(done) => Ok(Some(u32::try_from(done - DONE).map_err(|_| Failure::Malformed)?)),
        }
    }

    /// Makes the objects of a unit usable that nobody has used, and something of its bodies.
    ///
    /// Nothing else runs meanwhile: no thread ever sees half of it.
    fn once<T>(
        &self,
        image: &Image,
        unit: Range,
        filename: Option<&Filename<'_>>,
        make: impl FnOnce(&Bodies) -> Result<T, Failure>,
    ) -> Result<(u32, T), Failure> {
        let number = number_of(unit)?;
        // Should anything below run Python code after all, it gets an error and not half a unit.
        if !self.units.try_set(number, BUSY) {
            return Err(Failure::Memory);
        }
        let result = py::without_collections(|| {
            let externs = self.externs.distance(image)?;
            let task = Task { image, unit, filename, externs, moves: image.objects.moves(externs) };
            let (bodies, offset) = self.apply(&task)?;
            let made = make(&bodies);
            self.bodies.done(bodies);
            Ok((offset, made?))
        });
        let state = match &result {
            Ok((offset, _)) => DONE + u64::from(*offset),
            Err(Failure::Memory) if image.header.units == UnitUse::Copied => AGAIN,
            Err(Failure::Memory | Failure::Python) => REFUSED,
            Err(Failure::Malformed | Failure::Busy | Failure::Gone) => DAMAGED,
        };
        self.units.set(number, state);
        result
    }

    /// Where the objects of a unit are, of which a copy would be at `offset`.
    fn memory<'a>(&self, image: &'a Image, unit: &UnitRecord, offset: u32) -> Result<Memory<'a>, Failure> {
        match image.header.units {
            UnitUse::InPlace => Ok(image.memory()),
            UnitUse::Copied => {
                let (_, range) = image.objects.own_ranges(unit)?;
                let address = self.copies.address(offset).ok_or(Failure::Python)?;
                Ok(Memory::copied(&image.objects, Piece { range, address }))
            }
        }
    }

    /// Whether the object at this address belongs to the image.
    pub fn owns(&self, image: &Image, address: usize) -> bool {
        image.contains(address) || self.copies.contains(address)
    }

    /// A unit whose objects are where they were mapped.
    fn in_place(&self, task: &Task<'_>) -> Result<Ready, Failure> {
        let Task { image, ref moves, .. } = *task;
        let unit = image.unit(task.unit).ok_or(Failure::Malformed)?;
        image.reads_mapping(unit.record.bodies);
        if unit.front()?.has_text_words().ok_or(Failure::Malformed)? {
            return Err(Failure::Malformed);
        }
        let UnitRecord { bodies: range, written, read, cold, .. } = unit.record;
        let mut bodies = self.bodies.room(range, image.objects.address() as u64 + u64::from(range.start))?;
        image.objects.copy_mapped(Copied { range, words: bodies.words() })?;
        if moves.is_empty() {
            image.objects.prefault(written)?;
        } else {
            [written, read, cold].into_iter().try_for_each(|range| image.objects.relocate(range, moves))?;
            image.objects.adapt(bodies.words(), moves, &[]);
        }
        Ok(Ready { unit, bodies, offset: 0 })
    }

    /// The unit's bodies, and where its objects are among the copies.
    fn apply(&self, task: &Task<'_>) -> Result<(Bodies, u32), Failure> {
        let Task { image, externs, ref moves, .. } = *task;
        let Ready { unit, mut bodies, offset } = match image.header.units {
            UnitUse::InPlace => self.in_place(task)?,
            UnitUse::Copied => self.copied(task)?,
        };
        let memory = self.memory(image, &unit.record, offset)?.with_bodies(bodies.piece());
        let front = unit.front()?;
        let mut back = None;
        if !moves.is_empty() {
            for chunk in back.insert(unit.back()?).chunks() {
                self.prepare_chunk(image, chunk.ok_or(Failure::Malformed)?, moves)?;
            }
        }

        let mut misplaced = Vec::new();
        let mut list = 0;
        let mut check = |predicted: u64, canonical: NonNull<PyObject>| {
            let canonical = canonical.as_ptr() as u64;
            if canonical != predicted {
                misplaced.try_reserve(1).map_err(|_| Failure::Memory)?;
                misplaced.push(Misplaced { list, predicted, canonical });
            }
            list += 1;
            Ok::<(), Failure>(())
        };
        let ensure = |offset: u32| self.prepare_string(image, offset, moves);
        for number in front.statics() {
            let number = number.ok_or(Failure::Malformed)?;
            let (predicted, canonical) = self.strings.of_interpreter(image, &memory, number, externs, ensure)?;
            check(predicted, canonical)?;
        }
        let mut ahead = front.strings().skip(AHEAD);
        for offset in front.strings() {
            let offset = offset.ok_or(Failure::Malformed)?;
            if let Some(Some(next)) = ahead.next() {
                memory.prefetch(next);
            }
            ensure(offset)?;
            let (own, canonical) = self.strings.canonical(&memory, offset)?;
            check(own as u64, canonical)?;
        }
        if !misplaced.is_empty() {
            let back = match back {
                Some(back) => back,
                None => unit.back()?,
            };
            let mut lists = back.slots().enumerate();
            for Misplaced { list, predicted, canonical } in misplaced {
                let slots = lists.find(|(number, _)| *number == list).and_then(|(_, slots)| slots);
                memory.replace_all(slots.ok_or(Failure::Malformed)?, predicted, canonical)?;
            }
        }

        for group in front.frozensets() {
            let (items, slots) = group.ok_or(Failure::Malformed)?;
            self.frozenset(&memory, &mut bodies, items, slots)?;
        }
        if let Some(format::Filename { string: Name::Own(own), interned }) =
            front.filename().ok_or(Failure::Malformed)?
        {
            let filename = task.filename.ok_or(Failure::Malformed)?;
            let predicted = memory.object(own, self.strings.least_size())?;
            let string = if filename.predicted { predicted } else { filename.path.clone().into_ptr() };
            let string = self.file_name(string, interned)?;
            if string != predicted {
                let [range, staying @ ..] = unit.record.ranges();
                memory.replace_in(range, predicted as u64, string as u64)?;
                let mut slots = 0;
                for range in staying {
                    slots += memory.replace_in(range, predicted as u64, string as u64)?;
                }
                keep_file_name(string, slots);
            }
        }
        Ok((bodies, offset))
    }

    /// Gets a piece of the pool ready, once: moves the addresses in it, if that is to be done.
    fn prepare_chunk(&self, image: &Image, number: u32, moves: &Moves) -> Result<(), Failure> {
        match self.chunks.get(number) {
            Some(DONE) => return Ok(()),
            // Who began with it failed.
            Some(_) => return Err(Failure::Malformed),
            None => {}
        }
        let range = image.objects.chunk(number).ok_or(Failure::Malformed)?;
        // What was moved is not moved again: it is noted before, which may need memory.
        if !self.chunks.try_set(number, BUSY) {
            return Err(Failure::Memory);
        }
        if moves.is_empty() { image.objects.prefault(range) } else { image.objects.relocate(range, moves) }?;
        self.chunks.set(number, DONE);
        Ok(())
    }

    /// The same for the string at `offset`, if it is in the pool. Its head may lie in two pieces.
    fn prepare_string(&self, image: &Image, offset: u32, moves: &Moves) -> Result<(), Failure> {
        if !image.objects.is_in_pool(offset) {
            return Ok(());
        }
        let (first, last) = (offset / CHUNK, offset.saturating_add(self.strings.head_size() - 1) / CHUNK);
        self.prepare_chunk(image, first, moves)?;
        if last != first && image.objects.chunk(last).is_some() {
            self.prepare_chunk(image, last, moves)?;
        }
        Ok(())
    }

    /// The tuple at `offset`, which was fixed up before.
    pub fn tuple(&self, memory: &Memory<'_>, offset: u32) -> Result<*mut PyObject, Failure> {
        let tuple = memory.object(offset, self.head.object_size)?;
        if memory.read(offset.checked_add(self.head.type_).ok_or(Failure::Malformed)?)? != self.bodies.tuple_type() {
            return Err(Failure::Malformed);
        }
        Ok(tuple)
    }

    /// Sees to it that all slots hold a frozenset of the items of the tuple at `offset`. A slot that units share may have one
    /// already. References to frozensets are given to the image, or to bodies.
    fn frozenset(
        &self,
        memory: &Memory<'_>,
        bodies: &mut Bodies,
        offset: u32,
        slots: Slots<'_>,
    ) -> Result<(), Failure> {
        let mut frozenset: Option<Object> = None;
        for slot in slots {
            let slot = slot.ok_or(Failure::Malformed)?;
            if memory.read(slot)? != 0 {
                continue;
            }
            let value = match &frozenset {
                Some(made) => made.clone(),
                None => {
                    let items = self.tuple(memory, offset)?;
                    // SAFETY: a tuple of the image, whose slots were fixed up before; a new reference comes back.
                    let made = unsafe { py::steal(ffi::PyFrozenSet_New(items)) }?;
                    frozenset.insert(made).clone()
                }
            };
            let held = bodies.hold(slot, &value)?;
            memory.write(slot, if held { value.as_ptr() } else { value.into_ptr() } as u64)?;
        }
        Ok(())
    }

    /// The string that is the module's file name: `string`, a string of the image whose slots were fixed up before or a
    /// reference that was just taken, or that which is interned in its stead.
    fn file_name(&self, string: *mut PyObject, interned: bool) -> Result<*mut PyObject, Failure> {
        if !interned {
            return Ok(string);
        }
        // SAFETY: as this function says.
        Ok(unsafe { self.strings.intern(string) }.ok_or(Failure::Memory)?.as_ptr())
    }
}

/// Takes references to a file name for all slots of objects that stay and hold it; there is one already. The interpreter may put another name into a
/// code object, and gives the reference to this one back.
fn keep_file_name(string: *mut PyObject, slots: usize) {
    for _ in 1..slots {
        // SAFETY: a live object.
        unsafe { ffi::Py_IncRef(string) };
    }
}
