//! Units whose objects are copied to memory of their own.

use std::fs::File;
use std::sync::atomic::Ordering;

use cds_layout::format::{Entry, Front, Name, Range, SLOT};

use super::{Fixups, Task, keep_file_name};
use crate::failure::Failure;
use crate::file::Verdict;
use crate::kept;
use crate::texts::Room;
use crate::unit::Unit;

/// As many strings as most units have.
const TEXTS: usize = 256;

/// A unit as it was read, and memory for it.
struct Copy {
    unit: Unit,
    own: Range,
    /// Where its objects are among the copies. Room for strings follows on them.
    offset: u32,
    size: u32,
    address: usize,
}

impl Fixups {
    /// The unit, and the offset of its objects among the copies.
    pub(super) fn copied(&self, task: &Task<'_>) -> Result<(Unit, u32), Failure> {
        let copy = match self.read_file(task)? {
            Some(copy) => copy,
            None => {
                task.image.reads_mapping();
                self.read(task, None)?
            }
        };
        let Copy { unit, own, offset, size, address } = copy;
        // SAFETY: just taken, and it follows on the objects.
        let mut room = unsafe { Room::new(address + own.size as usize, size - own.size) };
        let texts = self.texts(task, &unit.front()?, own, &mut room)?;
        let moves = task.image.objects.moves_of_copy(task.externs, own, address);
        // SAFETY: just taken, and filled.
        unsafe { task.image.objects.adapt(own, address, &moves, &texts) };
        self.copies.shrink(offset, size, size - room.left());
        Ok((unit, offset))
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
        let Task { image, number, .. } = *task;
        let unit = match file {
            Some(file) => image.read_unit(file, number)?,
            None => image.unit(number).ok_or(Failure::Malformed)?,
        };
        let own = image.objects.own_range(&unit.record)?;
        let room = unit.front()?.texts().ok_or(Failure::Malformed)?.room;
        let size = own.size.checked_add(room).ok_or(Failure::Malformed)?;
        let offset = self.copies.take(size).ok_or(Failure::Python)?;
        let address = self.copies.address(offset).ok_or(Failure::Python)?;
        // SAFETY: just taken.
        unsafe { image.objects.copy(file, own, address) }.inspect_err(|_| self.copies.shrink(offset, size, 0))?;
        Ok(Copy { unit, own, offset, size, address })
    }

    /// Addresses of the strings that the image has no objects for, in their order: the name of the file is the last one.
    fn texts(&self, task: &Task<'_>, front: &Front<'_>, own: Range, room: &mut Room) -> Result<Vec<u64>, Failure> {
        let Task { image, externs, ref moves, .. } = *task;
        let mut texts = Vec::new();
        texts.try_reserve(TEXTS).map_err(|_| Failure::Python)?;
        let mut push = |string: *mut _| {
            texts.try_reserve(1).map_err(|_| Failure::Python)?;
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
        if let Some(filename) = front.filename().ok_or(Failure::Malformed)?
            && let Name::Text(slots) = filename.string
        {
            // A reference is taken for each: there are no more than words.
            if slots > own.size / SLOT {
                return Err(Failure::Malformed);
            }
            let path = task.filename.ok_or(Failure::Malformed)?.path.clone().into_ptr();
            let string = self.file_name(path, filename.interned)?;
            keep_file_name(string, slots as usize);
            push(string)?;
        }
        Ok(texts)
    }
}
