//! Units whose objects are copied to memory of their own.

use std::fs::File;
use std::sync::atomic::Ordering;

use cds_layout::format::{Entry, Name, Range, SLOT};

use super::{Fixups, Ready, Task, keep_file_name};
use crate::bodies::Bodies;
use crate::failure::Failure;
use crate::file::Verdict;
use crate::kept;
use crate::py::PyObject;
use crate::segment::Copied;
use crate::texts::Room;
use crate::unit::Unit;

/// As many strings as most units have.
const TEXTS: usize = 256;

/// A string, and in how many slots it is that stay.
type Slots = (*mut PyObject, usize);

/// A unit as it was read, and memory for it.
struct Copy {
    unit: Unit,
    bodies: Bodies,
    own: Range,
    /// Where its objects are among the copies. Room for strings follows on them.
    offset: u32,
    size: u32,
    address: usize,
}

impl Copy {
    /// The words of the objects.
    fn words(&mut self) -> &mut [u64] {
        // SAFETY: taken for this copy, which nobody else has.
        unsafe { words_at(self.address, self.own) }
    }
}

/// The words of a copy.
///
/// # Safety
///
/// Nobody else has the memory at `address`, a multiple of a slot's size, that the objects `own` are copied to.
unsafe fn words_at<'a>(address: usize, own: Range) -> &'a mut [u64] {
    // SAFETY: as this function says.
    unsafe { std::slice::from_raw_parts_mut(address as *mut u64, (own.size / SLOT) as usize) }
}

impl Fixups {
    /// The unit, and the offset of its objects among the copies.
    pub(super) fn copied(&self, task: &Task<'_>) -> Result<Ready, Failure> {
        let mut copy = match self.read_file(task)? {
            Some(copy) => copy,
            None => {
                task.image.reads_mapping(Range::default());
                self.read(task, None)?
            }
        };
        let (own, offset, size, address) = (copy.own, copy.offset, copy.size, copy.address);
        // SAFETY: just taken, and it follows on the objects.
        let mut room = unsafe { Room::new(address + own.size as usize, size - own.size) };
        let (texts, filename) = self.texts(task, &copy.unit, &mut room).inspect_err(|_| {
            // Strings that were made are the interpreter's by now.
            if room.left() == size - own.size {
                self.copies.shrink(offset, size, 0);
            }
        })?;
        let objects = &task.image.objects;
        let moves = objects.moves_of_copy(task.externs, own, address);
        objects.adapt(copy.words(), &moves, &texts);
        objects.adapt(copy.bodies.words(), &moves, &texts);
        if let Some((string, slots)) = filename {
            keep_file_name(string, slots);
        }
        self.copies.shrink(offset, size, size - room.left());
        Ok(Ready { unit: copy.unit, bodies: copy.bodies, offset })
    }

    /// `None` if the name of the image stands for another file by now, or for none that can be read: what is mapped is still right.
    fn read_file(&self, task: &Task<'_>) -> Result<Option<Copy>, Failure> {
        if self.replaced.load(Ordering::Relaxed) {
            return Ok(None);
        }
        loop {
            let Some(open) = kept::open(&task.image.file) else { return Ok(None) };
            let copy = self.read(task, Some(open.file()));
            // Asked when all was read, and before anything of it is used: the file may be changed meanwhile, and the descriptor may
            // stand for another one, where a program closes what it does not know.
            match open.judge() {
                Verdict::Same => {
                    open.keep();
                    return copy.map(Some);
                }
                Verdict::Changed => return Err(Failure::Malformed),
                Verdict::Other => {
                    if let Ok(copy) = copy {
                        self.copies.shrink(copy.offset, copy.size, 0);
                    }
                    // What has the name may still be the image.
                    if !open.was_kept {
                        self.replaced.store(true, Ordering::Relaxed);
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reads the unit from a file, or from the mapping.
    fn read(&self, task: &Task<'_>, file: Option<&File>) -> Result<Copy, Failure> {
        let Task { image, unit, .. } = *task;
        let unit = match file {
            Some(file) => image.read_unit(file, unit)?,
            None => image.unit(unit).ok_or(Failure::Malformed)?,
        };
        let (bodies, own) = image.objects.own_ranges(&unit.record)?;
        // Nothing moves the addresses of bodies.
        let mut bodies = self.bodies.room(bodies, image.objects.predicted(bodies.start))?;
        let room = unit.front()?.texts().ok_or(Failure::Malformed)?.room;
        let size = own.size.checked_add(room).ok_or(Failure::Malformed)?;
        let offset = self.copies.take(size).ok_or(Failure::Memory)?;
        let address = self.copies.address(offset).ok_or(Failure::Python)?;
        let once = Copied { range: unit.record.bodies, words: bodies.words() };
        // SAFETY: just taken.
        let staying = Copied { range: own, words: unsafe { words_at(address, own) } };
        image.objects.copy(file, once, staying).inspect_err(|_| self.copies.shrink(offset, size, 0))?;
        Ok(Copy { unit, bodies, own, offset, size, address })
    }

    /// Addresses of the strings that the image has no objects for, in their order: the name of the file is the last one, of which a
    /// reference was taken. In how many slots it is that stay.
    fn texts(&self, task: &Task<'_>, unit: &Unit, room: &mut Room) -> Result<(Vec<u64>, Option<Slots>), Failure> {
        let Task { image, externs, ref moves, .. } = *task;
        let (front, staying) = (unit.front()?, unit.record.staying().ok_or(Failure::Malformed)?);
        let mut texts = Vec::new();
        texts.try_reserve(TEXTS).map_err(|_| Failure::Memory)?;
        let mut push = |string: *mut _| {
            texts.try_reserve(1).map_err(|_| Failure::Memory)?;
            texts.push(string as u64);
            Ok::<(), Failure>(())
        };
        for entry in front.texts().ok_or(Failure::Malformed)? {
            let string = match entry.ok_or(Failure::Malformed)? {
                Entry::Numbered(number) => self.maker.numbered(image, &self.strings, number, room)?,
                Entry::Text(text) => self.maker.make(&self.strings, text, room)?,
                Entry::Static(number) => {
                    let ensure = |offset| self.prepare_string(image, offset, moves);
                    self.strings.of_interpreter(image, &image.memory(), number, externs, ensure)?.1
                }
            };
            push(string.as_ptr())?;
        }
        let mut slots_of_name = None;
        if let Some(filename) = front.filename().ok_or(Failure::Malformed)?
            && let Name::Text(slots) = filename.string
        {
            // A reference is taken for each: there are no more than words.
            if slots > staying.size / SLOT {
                return Err(Failure::Malformed);
            }
            let path = task.filename.ok_or(Failure::Malformed)?.path.clone().into_ptr();
            let string = self.file_name(path, filename.interned)?;
            push(string)?;
            slots_of_name = Some((string, slots as usize));
        }
        Ok((texts, slots_of_name))
    }
}
