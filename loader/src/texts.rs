//! Makes interned strings of their text.
//!
//! What the interpreter does not have yet is made where the copy of the unit ends, and stays there; of what it has
//! nothing is left.

use std::ptr::NonNull;

use cds_layout::cpython::Layout;
use cds_layout::format::{Characters, Extern, MAX_NUMBERS, SLOT, Text, TypeId, block_of};

use crate::externs;
use crate::failure::Failure;
use crate::image::Image;
use crate::py::{self, PyObject};
use crate::strings::Strings;
use crate::table::{Numbers, Pointers};

/// Words of the head of an ASCII string at most.
const HEAD: usize = 6;

/// Memory for strings, filled from its start.
#[derive(Debug)]
pub struct Room {
    address: usize,
    left: u32,
}

impl Room {
    /// # Safety
    ///
    /// Nobody else has the `size` bytes at `address`, a multiple of a slot's size, and they are never given back.
    pub unsafe fn new(address: usize, size: u32) -> Room {
        Room { address, left: size }
    }

    /// Bytes that are not filled.
    pub fn left(&self) -> u32 {
        self.left
    }
}

/// What all ASCII strings have in common.
#[derive(Debug)]
pub struct Maker {
    layout: &'static Layout,
    /// Their head, but for the length.
    head: [u64; HEAD],
    known: Known,
}

/// What is known of the texts with numbers.
#[derive(Debug)]
struct Known {
    /// The string of each that was needed. One owned reference is kept for ever.
    strings: Pointers<PyObject>,
    /// The blocks of texts that are whole.
    blocks: Numbers<BLOCKS>,
}

/// Bits of the number of a block: there are fewer than numbers.
const BLOCKS: u32 = MAX_NUMBERS.ilog2() + 1;

impl Known {
    /// The text, whose block is checked once.
    fn text(&self, image: &Image, number: u32) -> Option<&'static [u8]> {
        let (texts, block) = (image.numbered(), block_of(number));
        if self.blocks.get(block).is_none() {
            if !texts.is_whole(block) {
                return None;
            }
            self.blocks.set(block, 1);
        }
        texts.text_of_whole_block(number)
    }
}

impl Maker {
    /// For strings of this interpreter.
    pub fn new(layout: &'static Layout) -> Result<Maker, Failure> {
        let rows = &layout.str_;
        let words = [
            (layout.head.refcnt, layout.refcount.initial),
            (layout.head.type_, externs::resolve(Extern::Type(TypeId::Str))?.as_ptr() as u64),
            (rows.hash, u64::MAX),
            (rows.state, u64::from(rows.new_state(1, true))),
        ];
        let mut head = [0; HEAD];
        for (offset, value) in words {
            let word = head.get_mut((offset / SLOT) as usize).filter(|_| offset.is_multiple_of(SLOT));
            *word.ok_or(Failure::Malformed)? = value;
        }
        let fits = rows.ascii_data.is_multiple_of(SLOT) && rows.ascii_data as usize <= size_of_val(&head);
        if fits {
            Ok(Maker { layout, head, known: Known { strings: Pointers::new(), blocks: Numbers::new() } })
        } else {
            Err(Failure::Malformed)
        }
    }

    /// The canonical copy of the string whose text has this number.
    #[inline]
    pub fn numbered(
        &self,
        image: &Image,
        strings: &Strings,
        number: u32,
        room: &mut Room,
    ) -> Result<NonNull<PyObject>, Failure> {
        if let Some(known) = self.known.strings.get(number) {
            return Ok(known);
        }
        let bytes = self.known.text(image, number).ok_or(Failure::Malformed)?;
        let canonical = self.make(strings, Text { characters: Characters::Ascii, bytes }, room)?;
        self.known.strings.set(number, canonical);
        Ok(canonical)
    }

    /// The canonical copy of the string with this text.
    pub fn make(&self, strings: &Strings, text: Text<'_>, room: &mut Room) -> Result<NonNull<PyObject>, Failure> {
        if text.characters != Characters::Ascii {
            let mut points = Vec::new();
            points.try_reserve_exact(text.bytes.len()).map_err(|_| Failure::Memory)?;
            points.extend(text.code_points().map(|point| point as libc::wchar_t));
            let string = py::string_of_code_points(&points)?.into_ptr();
            // SAFETY: a new string, and the reference to it.
            return unsafe { strings.intern(string) }.ok_or(Failure::Memory);
        }
        let rows = &self.layout.str_;
        let length = u32::try_from(text.bytes.len()).map_err(|_| Failure::Malformed)?;
        let size = length.checked_add(rows.ascii_data + SLOT).ok_or(Failure::Malformed)? & !(SLOT - 1);
        let left = room.left.checked_sub(size).ok_or(Failure::Malformed)?;
        // SAFETY: `size` bytes that nobody else has, as `Room::new` says: the head, the characters, and at least one byte more.
        let canonical = unsafe {
            let (start, words) = (room.address as *mut u64, (rows.ascii_data / SLOT) as usize);
            // Zeros up to the end, then the rest over them.
            start.add((size / SLOT) as usize - 1).write(0);
            std::ptr::copy_nonoverlapping(self.head.as_ptr(), start, words);
            start.add((rows.length / SLOT) as usize).write(u64::from(length));
            std::ptr::copy_nonoverlapping(text.bytes.as_ptr(), start.add(words).cast(), text.bytes.len());
            strings.intern(start.cast())
        };
        let canonical = canonical.ok_or(Failure::Memory)?;
        if canonical.as_ptr() as usize == room.address {
            (room.address, room.left) = (room.address + size as usize, left);
        }
        Ok(canonical)
    }
}
