//! Units whose objects are copied to memory of their own.

use std::fs::File;

use cds_layout::format::{Entry, Front};

use super::{Fixups, Task};
use crate::failure::Failure;
use crate::file::Verdict;
use crate::relocate::Moves;
use crate::texts::Room;
use crate::unit::Unit;

/// As many strings as most units have.
const TEXTS: usize = 256;

impl Fixups {
    /// The unit, and the offset of its objects among the copies.
    pub(super) fn copied(&self, task: &Task<'_>) -> Result<(Unit, u32), Failure> {
        if let Some(file) = task.image.file.open() {
            let result = self.copied_from(task, Some(&file));
            // Asked when all was read: the name may stand for another file by now, and so may the descriptor, where a program
            // closes what it does not know. What was read is checked before it is believed.
            match task.image.file.judge(&file) {
                Verdict::Same => return result,
                Verdict::Changed => return Err(Failure::Malformed),
                Verdict::Other => {}
            }
        }
        task.image.reads_mapping();
        self.copied_from(task, None)
    }

    /// The same from a file, or from the mapping.
    fn copied_from(&self, task: &Task<'_>, file: Option<&File>) -> Result<(Unit, u32), Failure> {
        let Task { image, number, .. } = *task;
        let unit = match file {
            Some(file) => image.read_unit(file, number)?,
            None => image.unit(number).ok_or(Failure::Malformed)?,
        };
        let front = unit.front()?;
        let own = image.own_range(&unit.record)?;
        let room = front.texts().ok_or(Failure::Malformed)?.room;
        let size = own.size.checked_add(room).ok_or(Failure::Malformed)?;
        let offset = self.copies.take(size).ok_or(Failure::Python)?;
        let address = self.copies.address(offset).ok_or(Failure::Python)?;
        // SAFETY: just taken, and it follows on the copy.
        let mut room = unsafe { Room::new(address + own.size as usize, room) };
        let texts = self.texts(task, &front, &mut room)?;
        let moves = Moves::of_copy(image, task.externs, own, address);
        // SAFETY: just taken.
        unsafe { image.copy(file, own, address, &moves, &texts) }?;
        self.copies.give_back(room.left());
        Ok((unit, offset))
    }

    /// Addresses of the strings that the image has no objects for, in their order: the name of the file is the last one.
    fn texts(&self, task: &Task<'_>, front: &Front<'_>, room: &mut Room) -> Result<Vec<u64>, Failure> {
        let Task { image, externs, ref moves, .. } = *task;
        let mut texts = Vec::with_capacity(TEXTS);
        for entry in front.texts().ok_or(Failure::Malformed)? {
            let string = match entry.ok_or(Failure::Malformed)? {
                Entry::Text(text) => self.maker.canonical(&self.strings, text, room)?,
                Entry::Static(number) => {
                    let ensure = |offset| self.prepare_string(image, offset, moves);
                    self.strings.of_interpreter(image, &image.memory(), number, externs, ensure)?.1
                }
            };
            texts.push(string.as_ptr() as u64);
        }
        if let Some(own) = front.filename().ok_or(Failure::Malformed)?
            && own.string.is_none()
        {
            let path = task.filename.ok_or(Failure::Malformed)?.path.clone().into_ptr();
            texts.push(self.file_name(path, own.interned)? as u64);
        }
        Ok(texts)
    }
}
