//! The code of modules and of their classes, which runs once.
//!
//! The objects that run are made here, on the interpreter's heap, as the ones would be that are read from a `.pyc`: when they
//! have run, the interpreter frees them. Of the image they have their bytes, and everything else that they point to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cds_layout::cpython::{CodeSource, Layout, Repr};
use cds_layout::format::{Extern, Range, SLOT, TypeId};

use crate::externs;
use crate::failure::Failure;
use crate::memory::Piece;
use crate::py::{self, Object, PyObject};

/// What the objects are told by, and where their parts are.
#[derive(Debug)]
pub struct Maker {
    layout: &'static Layout,
    /// `&PyCode_Type`
    code: u64,
    /// `&PyTuple_Type`
    tuple: u64,
    /// `&PyBytes_Type`
    bytes: u64,
    /// Words of a code object that point to objects: constants, names and line table, which may be its own, and the rest.
    own: [usize; OWN.len()],
    others: Vec<usize>,
    spare: Mutex<Vec<u64>>,
}

/// What code objects may have for themselves.
const OWN: [CodeSource; 3] = [CodeSource::Consts, CodeSource::Names, CodeSource::LineTable];

/// As many words of memory are kept from one unit to the next: more than most have. A larger piece, got and given back again and
/// again, would make the C library give pages back to the system and get new ones.
const SPARE: usize = 8 * 1024;

/// The bodies of a unit, in memory that is there only until objects were made of them.
#[derive(Debug)]
pub struct Bodies {
    range: Range,
    words: Vec<u64>,
    /// What words hold that point to the first one.
    start: u64,
    /// References to what was made for slots of these.
    held: Vec<Object>,
}

impl Bodies {
    /// Takes over the reference of a slot of these, if it is one, until they are gone.
    pub fn hold(&mut self, slot: u32, object: &Object) -> Result<bool, Failure> {
        let is_own = slot.wrapping_sub(self.range.start) < self.range.size;
        if is_own {
            self.held.try_reserve(1).map_err(|_| Failure::Memory)?;
            self.held.push(object.clone());
        }
        Ok(is_own)
    }

    /// Their words.
    pub fn words(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Where they are.
    pub fn piece(&mut self) -> Piece {
        Piece { range: self.range, address: self.words.as_mut_ptr() as usize }
    }

    /// Which word the object is at that `word` points to, if it is one of these.
    fn find(&self, word: u64) -> Option<usize> {
        let distance = word.wrapping_sub(self.start);
        (distance < u64::from(self.range.size)).then_some((distance / u64::from(SLOT)) as usize)
    }
}

/// A new reference to an object that stays, as a slot has it that points to no body.
fn other(word: u64) -> Result<Object, Failure> {
    // SAFETY: what slots hold in which predictions were made right: an object of the image or of the interpreter, which stays.
    unsafe { py::borrow(word as *mut PyObject) }.map(|object| object.clone()).ok_or(Failure::Malformed)
}

impl Maker {
    /// For objects of this interpreter.
    pub fn new(layout: &'static Layout) -> Result<Maker, Failure> {
        let address = |type_| Ok::<_, Failure>(externs::resolve(Extern::Type(type_))?.as_ptr() as u64);
        let pointers = || layout.code.fields.iter().filter(|field| field.repr == Repr::Ptr);
        let mut own = [0; OWN.len()];
        for (index, source) in own.iter_mut().zip(OWN) {
            let field = pointers().find(|field| field.source == source).ok_or(Failure::Malformed)?;
            *index = (field.offset / SLOT) as usize;
        }
        let is_object = |source| !matches!(source, CodeSource::Constant(_) | CodeSource::Unset);
        let others = pointers().filter(|field| is_object(field.source) && !OWN.contains(&field.source));
        Ok(Maker {
            layout,
            code: address(TypeId::Code)?,
            tuple: address(TypeId::Tuple)?,
            bytes: address(TypeId::Bytes)?,
            own,
            others: others.map(|field| (field.offset / SLOT) as usize).collect(),
            spare: Mutex::default(),
        })
    }

    /// `&PyTuple_Type`
    pub fn tuple_type(&self) -> u64 {
        self.tuple
    }

    /// Room for the bodies at `range`; words that point to them take them for where `start` is.
    pub fn room(&self, range: Range, start: u64) -> Result<Bodies, Failure> {
        let count = (range.size / SLOT) as usize;
        let mut words = std::mem::take(&mut *self.spare());
        words.try_reserve_exact(count.saturating_sub(words.len())).map_err(|_| Failure::Memory)?;
        words.resize(count, 0);
        Ok(Bodies { range, words, start, held: Vec::new() })
    }

    /// Takes the memory back.
    pub fn done(&self, bodies: Bodies) {
        if bodies.words.capacity() <= SPARE {
            *self.spare() = bodies.words;
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<u64>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The code object at the offset `root` of the image, of bodies whose addresses and strings are those of this process.
    pub fn make(&self, bodies: &Bodies, root: u32) -> Result<Object, Failure> {
        let within = root.checked_sub(bodies.range.start).ok_or(Failure::Malformed)?;
        self.code(bodies, (within / SLOT) as usize)
    }

    fn code(&self, bodies: &Bodies, at: usize) -> Result<Object, Failure> {
        let units = self.size(bodies, at, self.code)?;
        let bytecode = units.checked_mul(2).and_then(|bytes| bytes.checked_add(self.layout.code.bytecode as usize));
        let count = bytecode.ok_or(Failure::Malformed)?.div_ceil(SLOT as usize);
        let end = at.checked_add(count).ok_or(Failure::Malformed)?;
        let words = bodies.words.get(at..end).ok_or(Failure::Malformed)?;
        let word = |index: usize| words.get(index).copied().ok_or(Failure::Malformed);
        // Whatever goes wrong here: there is no object yet that is not whole.
        let [consts, names, linetable] = self.own;
        let own = [
            self.tuple(bodies, at, word(consts)?)?,
            self.tuple(bodies, at, word(names)?)?,
            self.bytes(bodies, word(linetable)?)?,
        ];
        let stays = |word: u64| word != 0 && bodies.find(word).is_none();
        if !self.others.iter().all(|&index| word(index).is_ok_and(stays)) {
            return Err(Failure::Malformed);
        }
        // SAFETY: `PyCode_Type` is that of the interpreter, whose layout this is: the object has `count` words.
        let code = unsafe { py::new_variable(self.code as *mut PyObject, units) }?;
        let head = (self.layout.head.size / SLOT) as usize + 1;
        // SAFETY: as above; nobody else has seen it, and the head stays as it is.
        unsafe {
            let new = code.as_ptr().cast::<u64>();
            std::ptr::copy_nonoverlapping(words[head..].as_ptr(), new.add(head), count - head);
            for (object, index) in own.into_iter().zip(self.own) {
                new.add(index).write(object.into_ptr() as u64);
            }
        }
        // Its references: to what was looked at above.
        for object in self.others.iter().filter_map(|&index| other(*words.get(index)?).ok()) {
            object.into_ptr();
        }
        Ok(code)
    }

    /// The size of an object, if it has this type.
    fn size(&self, bodies: &Bodies, at: usize, type_: u64) -> Result<usize, Failure> {
        let head = &self.layout.head;
        let word = |offset: u32| bodies.words.get(at.checked_add((offset / SLOT) as usize)?).copied();
        match (word(head.type_), word(head.size)) {
            (Some(found), Some(size)) if found == type_ => usize::try_from(size).map_err(|_| Failure::Malformed),
            _ => Err(Failure::Malformed),
        }
    }

    /// What a code object has for its constants or names: a tuple of the bodies, or one that other objects use, too.
    fn tuple(&self, bodies: &Bodies, user: usize, word: u64) -> Result<Object, Failure> {
        let Some(at) = bodies.find(word) else { return other(word) };
        let count = self.size(bodies, at, self.tuple)?;
        let first = at.checked_add((self.layout.tuple_items / SLOT) as usize).ok_or(Failure::Malformed)?;
        let end = first.checked_add(count).ok_or(Failure::Malformed)?;
        // Users come first, so that nothing goes round in circles.
        let items = bodies.words.get(first..end).filter(|_| at > user).ok_or(Failure::Malformed)?;
        let tuple = py::Tuple::new(count)?;
        for (number, &word) in items.iter().enumerate() {
            let item = match bodies.find(word) {
                Some(code) if code > at => self.code(bodies, code)?,
                Some(_) => return Err(Failure::Malformed),
                None => other(word)?,
            };
            // SAFETY: the tuple has as many items.
            unsafe { tuple.set(self.layout.tuple_items, number, item) };
        }
        Ok(tuple.untracked())
    }

    /// What a code object has for its line table.
    fn bytes(&self, bodies: &Bodies, word: u64) -> Result<Object, Failure> {
        let Some(at) = bodies.find(word) else { return other(word) };
        let size = self.size(bodies, at, self.bytes)?;
        let first = (self.layout.bytes_data / SLOT) as usize;
        let words = bodies.words.get(at..).and_then(|words| words.get(first..)).ok_or(Failure::Malformed)?;
        // SAFETY: all bytes of words are.
        let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), size_of_val(words)) };
        Ok(py::bytes(bytes.get(..size).ok_or(Failure::Malformed)?)?)
    }
}
