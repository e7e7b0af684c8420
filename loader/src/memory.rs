//! The objects that a unit refers to, where they lie in this process. Every access to a slot is bounds-checked here.

use cds_layout::format::{Range, SLOT, Slots};

use crate::malformed::Malformed;
use crate::py::PyObject;
use crate::segment::Segment;

/// Objects that lie together: where in the image, and at which address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece {
    /// Offsets in the image.
    pub range: Range,
    /// Address of the first byte.
    pub address: usize,
}

impl Piece {
    /// Address of `size` bytes at `offset`, if they are in it.
    fn locate(&self, offset: u32, size: u32) -> Option<usize> {
        let within = offset.checked_sub(self.range.start)?;
        (u64::from(within) + u64::from(size) <= u64::from(self.range.size)).then_some(self.address + within as usize)
    }
}

/// The pool, which is where it is in the image, objects that are there, too, or were copied, and bodies, in a buffer.
///
/// Offsets are those of the image, wherever the objects are.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    objects: &'a Segment,
    own: Piece,
    bodies: Piece,
}

impl<'a> Memory<'a> {
    /// The pool and the objects `own`, which were copied to memory that is never given back.
    pub fn copied(objects: &'a Segment, own: Piece) -> Self {
        Memory { objects, own, bodies: Piece::default() }
    }

    /// All objects, where they are in the image.
    pub fn in_place(objects: &'a Segment) -> Self {
        let range = objects.of_units();
        let own = Piece { range, address: objects.address() + range.start as usize };
        Memory { objects, own, bodies: Piece::default() }
    }

    /// With bodies that lie elsewhere.
    pub fn with_bodies(self, bodies: Piece) -> Self {
        Memory { bodies, ..self }
    }

    /// Address of `size` bytes at `offset`.
    fn locate(&self, offset: u32, size: u32) -> Result<usize, Malformed> {
        if u64::from(offset) + u64::from(size) <= u64::from(self.objects.pool()) {
            return Ok(self.objects.address() + offset as usize);
        }
        self.bodies.locate(offset, size).or_else(|| self.own.locate(offset, size)).ok_or(Malformed)
    }

    fn slot(&self, offset: u32) -> Result<*mut u64, Malformed> {
        if !offset.is_multiple_of(SLOT) {
            return Err(Malformed);
        }
        Ok(self.locate(offset, SLOT)? as *mut u64)
    }

    /// Address of the object at `offset`, of at least `size` bytes.
    pub fn object(&self, offset: u32, size: u32) -> Result<*mut PyObject, Malformed> {
        if !offset.is_multiple_of(SLOT) {
            return Err(Malformed);
        }
        Ok(self.locate(offset, size)? as *mut PyObject)
    }

    /// Asks the processor to have the head of the object at `offset` at hand soon.
    pub fn prefetch(&self, offset: u32) {
        #[cfg(target_arch = "x86_64")]
        if let Ok(address) = self.locate(offset, SLOT) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint, about an address within the objects.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }

    /// What the slot at `offset` holds.
    pub fn read(&self, offset: u32) -> Result<u64, Malformed> {
        let slot = self.slot(offset)?;
        // SAFETY: an aligned slot within the objects; the GIL is held, so nobody writes to it now.
        Ok(unsafe { slot.read() })
    }

    /// Writes to a slot that is empty, or of an object that nobody else knows.
    pub fn write(&self, offset: u32, value: u64) -> Result<(), Malformed> {
        let slot = self.slot(offset)?;
        // SAFETY: an aligned slot within the writable objects; the GIL is held.
        unsafe { slot.write(value) };
        Ok(())
    }

    /// Writes `value` to slots that hold their prediction, or `value` already: then nothing is written,
    /// because an unnecessary write would make a page private.
    pub fn replace_all(&self, slots: Slots<'_>, predicted: u64, value: u64) -> Result<(), Malformed> {
        let mut written = 0;
        for offset in slots {
            let slot = self.slot(offset.ok_or(Malformed)?)?;
            // SAFETY: an aligned slot within the writable objects; the GIL is held, so nobody else uses it now.
            unsafe {
                match slot.read() {
                    old if old == predicted => {
                        slot.write(value);
                        written += 1;
                    }
                    old if old == value => {}
                    _ => return Err(Malformed),
                }
            }
        }
        self.objects.count_patched(written);
        Ok(())
    }

    /// Replaces a word wherever it is in a range of objects that nobody has used yet; how often it was there.
    pub fn replace_in(&self, range: Range, old: u64, new: u64) -> Result<usize, Malformed> {
        if !range.start.is_multiple_of(SLOT) {
            return Err(Malformed);
        }
        let start = self.locate(range.start, range.size)? as *mut u64;
        // SAFETY: aligned words within the writable objects, and as this function says.
        let words = unsafe { std::slice::from_raw_parts_mut(start, (range.size / SLOT) as usize) };
        let found = words.iter_mut().filter(|word| **word == old).map(|word| *word = new).count();
        self.objects.count_patched(found as u64);
        Ok(found)
    }
}
