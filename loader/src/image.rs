//! A checked view of a mapped image: every table read and every slot write is bounds-checked here.

use std::sync::atomic::{AtomicU64, Ordering};

use cds_layout::format::{
    DirectoryRecord, ExternRecord, Header, Index, ModuleRecord, NamedRecord, Reader, RootRecord, SLOT, Section,
    SectionKind, Slots, TextRef, UnitReader, UnitRecord, checksum32, read_slots, tables_checksum,
};

use crate::map::Mapping;
use crate::py::PyObject;
use crate::reason::Reason;

/// A table or slot of the image is not what a builder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The image of this process.
#[derive(Debug)]
pub struct Image {
    /// The header, as judged.
    pub header: Header,
    base: usize,
    tables: Tables,
    /// Start and end position of the objects.
    objects: (u32, u32),
    patched: AtomicU64,
}

/// The read-only sections.
#[derive(Debug, Default)]
struct Tables {
    text: &'static [u8],
    roots: &'static [u8],
    directories: &'static [u8],
    modules: &'static [u8],
    index: &'static [u8],
    externs: &'static [u8],
    strings: &'static [u8],
    static_strings: &'static [u8],
    units: &'static [u8],
    fixups: &'static [u8],
    eager_base: &'static [u8],
    named: &'static [u8],
    recipes: &'static [u8],
}

/// Record `number` of a table of records.
fn record<T>(
    table: &'static [u8],
    number: u32,
    size: usize,
    decode: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Option<T> {
    let start = (number as usize).checked_mul(size)?;
    decode(&mut Reader::new(table.get(start..start.checked_add(size)?)?))
}

impl Image {
    /// Checks where the sections of a mapped image lie, and relocates what is not relocated module by module.
    pub fn new(mapping: &Mapping, header: Header) -> Result<Image, Reason> {
        let base = mapping.base;
        let slice = |position: u32, size: u32| -> Option<&'static [u8]> {
            let end = u64::from(position) + u64::from(size);
            let start = base.checked_add(position as usize)?;
            if end > header.span || !mapping.object.covers(start, size as usize, false) {
                return None;
            }
            // SAFETY: the range lies in a loaded segment of an object that stays mapped. `new` refuses the
            // image if it overlaps the objects, the only bytes that anybody writes to.
            Some(unsafe { std::slice::from_raw_parts(start as *const u8, size as usize) })
        };
        let size = (Section::SIZE as u32).checked_mul(header.section_count);
        let directory = size.and_then(|size| slice(header.sections, size)).ok_or(Reason::Malformed("sections"))?;
        let mut reader = Reader::new(directory);
        let sections: Vec<Section> = std::iter::from_fn(|| Section::decode(&mut reader)).collect();

        let section = |kind: SectionKind| sections.iter().find(|s| s.kind == kind as u32).copied();
        let objects = section(SectionKind::Objects).ok_or(Reason::Malformed("objects"))?;
        let end = objects.position.checked_add(objects.size).ok_or(Reason::Malformed("objects"))?;
        let writable = mapping.object.covers(base + objects.position as usize, objects.size as usize, true);
        if u64::from(end) > header.span || !writable || !objects.position.is_multiple_of(SLOT) {
            return Err(Reason::Malformed("objects"));
        }
        let overlaps = |position: u32, size: u32| {
            size > 0 && position < end && u64::from(objects.position) < u64::from(position) + u64::from(size)
        };
        if overlaps(header.sections, directory.len() as u32) {
            return Err(Reason::Malformed("sections"));
        }
        let table = |kind: SectionKind| {
            let Some(s) = section(kind) else { return Ok(&[][..]) };
            let bytes = slice(s.position, s.size).filter(|_| !overlaps(s.position, s.size));
            bytes.ok_or(Reason::Malformed(kind.elf_name()))
        };
        let tables = Tables {
            text: table(SectionKind::Text)?,
            roots: table(SectionKind::Roots)?,
            directories: table(SectionKind::Directories)?,
            modules: table(SectionKind::Modules)?,
            index: table(SectionKind::ModuleIndex)?,
            externs: table(SectionKind::Externs)?,
            strings: table(SectionKind::Strings)?,
            static_strings: table(SectionKind::StaticStrings)?,
            units: table(SectionKind::Units)?,
            fixups: table(SectionKind::Fixups)?,
            eager_base: table(SectionKind::EagerBase)?,
            named: table(SectionKind::Named)?,
            recipes: table(SectionKind::Recipes)?,
        };
        if tables.modules.len() / ModuleRecord::SIZE < header.module_count as usize {
            return Err(Reason::Malformed(SectionKind::Modules.elf_name()));
        }
        let objects = (objects.position, end);
        let image = Image { header, base, tables, objects, patched: AtomicU64::new(0) };
        let roots = (0..image.counts().roots as u32).map(|number| image.root(number));
        let roots: Vec<RootRecord> = roots.collect::<Option<_>>().ok_or(Reason::Malformed("roots"))?;
        let text = |text| image.text(text).unwrap_or_default();
        let addresses = [image.tables.externs, image.tables.static_strings];
        if tables_checksum(&roots, addresses, text) != image.header.tables_checksum {
            return Err(Reason::Malformed("checksum of roots, externs and static strings"));
        }
        image.relocate_eagerly().map_err(|Malformed| Reason::Malformed(SectionKind::EagerBase.elf_name()))?;
        Ok(image)
    }

    fn relocate_eagerly(&self) -> Result<(), Malformed> {
        if self.is_at_preferred_base() {
            return Ok(());
        }
        read_slots(Reader::new(self.tables.eager_base))
            .ok_or(Malformed)?
            .try_for_each(|slot| self.relocate(slot.ok_or(Malformed)?))
    }

    /// Address of the start of the image.
    pub fn base(&self) -> usize {
        self.base
    }

    /// Whether the image lies where its addresses assume.
    pub fn is_at_preferred_base(&self) -> bool {
        self.base as u64 == self.header.preferred_base
    }

    /// How many slots were written so far.
    pub fn patched(&self) -> u64 {
        self.patched.load(Ordering::Relaxed)
    }

    /// Whether `address` lies in the image.
    pub fn contains(&self, address: usize) -> bool {
        address.checked_sub(self.base).is_some_and(|offset| (offset as u64) < self.header.span)
    }

    /// The record of the module with this full name.
    pub fn find(&self, name: &str) -> Option<(u32, ModuleRecord)> {
        Index::new(self.tables.index)?
            .candidates(name.as_bytes())
            .filter_map(|number| Some((number, self.module(number)?)))
            .find(|(_, module)| self.text(module.name) == Some(name))
    }

    /// A module record.
    pub fn module(&self, number: u32) -> Option<ModuleRecord> {
        if number >= self.header.module_count {
            return None;
        }
        let module = record(self.tables.modules, number, ModuleRecord::SIZE, ModuleRecord::decode)?;
        (module.checksum == module.sum(self.text(module.file)?)).then_some(module)
    }

    /// The record of a named object.
    pub fn named(&self, number: u32) -> Option<NamedRecord> {
        let named = record(self.tables.named, number, NamedRecord::SIZE, NamedRecord::decode)?;
        (named.checksum == named.sum(self.text(named.name)?)).then_some(named)
    }

    /// The recipe of a named object.
    pub fn recipe(&self, named: &NamedRecord) -> Option<&'static [u8]> {
        named.recipe(self.tables.recipes).filter(|recipe| checksum32(&[recipe]) == named.recipe_checksum)
    }

    /// A directory record.
    pub fn directory(&self, number: u32) -> Option<DirectoryRecord> {
        let directory = record(self.tables.directories, number, DirectoryRecord::SIZE, DirectoryRecord::decode)?;
        (directory.checksum == directory.sum(self.text(directory.relative)?)).then_some(directory)
    }

    /// A root record.
    pub fn root(&self, number: u32) -> Option<RootRecord> {
        record(self.tables.roots, number, RootRecord::SIZE, RootRecord::decode)
    }

    /// An extern record.
    pub fn extern_(&self, number: u32) -> Option<ExternRecord> {
        record(self.tables.externs, number, ExternRecord::SIZE, ExternRecord::decode)
    }

    /// Position of an interned string.
    pub fn string(&self, number: u32) -> Option<u32> {
        record(self.tables.strings, number, 4, |r| r.u32())
    }

    /// Predicted address of the interpreter's own copy of an interned string, if it has one.
    pub fn static_string(&self, number: u32) -> Option<u64> {
        record(self.tables.static_strings, number, 8, |r| r.u64())
    }

    /// Fixup tables of a unit.
    pub fn unit(&self, number: u32) -> Option<UnitReader<'static>> {
        let unit = |number| record(self.tables.units, number, UnitRecord::SIZE, UnitRecord::decode);
        let this = unit(number)?;
        let end = unit(number.checked_add(1)?).map_or(self.tables.fixups.len(), |next| next.start as usize);
        let table = self.tables.fixups.get(this.start as usize..end)?;
        if UnitRecord::checksum(table) != this.checksum {
            return None;
        }
        UnitReader::new(table)
    }

    /// Number of records.
    pub fn counts(&self) -> Counts {
        Counts {
            roots: self.tables.roots.len() / RootRecord::SIZE,
            directories: self.tables.directories.len() / DirectoryRecord::SIZE,
            externs: self.tables.externs.len() / ExternRecord::SIZE,
            strings: self.tables.strings.len() / 4,
            units: self.tables.units.len() / UnitRecord::SIZE,
            named: self.tables.named.len() / NamedRecord::SIZE,
        }
    }

    /// A piece of text.
    pub fn text(&self, text: TextRef) -> Option<&'static str> {
        text.get(self.tables.text)
    }

    /// Address of the slot at `position`, if it is one.
    fn slot(&self, position: u32) -> Result<*mut u64, Malformed> {
        let (start, end) = self.objects;
        if !position.is_multiple_of(SLOT) || position < start || u64::from(position) + u64::from(SLOT) > u64::from(end)
        {
            return Err(Malformed);
        }
        Ok((self.base + position as usize) as *mut u64)
    }

    /// What the slot at `position` holds.
    pub fn read(&self, position: u32) -> Result<u64, Malformed> {
        let slot = self.slot(position)?;
        // SAFETY: an aligned slot within the mapped objects; the GIL is held, so nobody writes to it now.
        Ok(unsafe { slot.read() })
    }

    /// Writes `value` to a slot that holds its prediction, or `value` already: then nothing is written,
    /// because an unnecessary write would make a page private.
    pub fn replace(&self, position: u32, predicted: u64, value: u64) -> Result<(), Malformed> {
        let slot = self.slot(position)?;
        // SAFETY: an aligned slot within the mapped, writable objects; the GIL is held, so nobody else uses it now.
        unsafe {
            match slot.read() {
                old if old == value => {}
                old if old == predicted => {
                    slot.write(value);
                    self.patched.fetch_add(1, Ordering::Relaxed);
                }
                _ => return Err(Malformed),
            }
        }
        Ok(())
    }

    /// [`Image::replace`] for every slot of a list.
    pub fn replace_all(&self, slots: Slots<'_>, predicted: u64, value: u64) -> Result<(), Malformed> {
        let (start, end) = self.objects;
        let last = end.checked_sub(SLOT).ok_or(Malformed)?;
        let mut written = 0;
        for position in slots {
            // Positions in a list are multiples of a slot's size, and so is the start of the image.
            let position = position.filter(|position| (start..=last).contains(position)).ok_or(Malformed)?;
            let slot = (self.base + position as usize) as *mut u64;
            // SAFETY: an aligned slot within the mapped, writable objects; the GIL is held, so nobody else uses it now.
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
        self.patched.fetch_add(written, Ordering::Relaxed);
        Ok(())
    }

    /// The address of a position if the image were at its preferred base: what the builder wrote into slots.
    pub fn predicted(&self, position: u32) -> u64 {
        self.header.preferred_base.wrapping_add(u64::from(position))
    }

    /// Adds the distance from the preferred base to a slot that holds an address of the image.
    pub fn relocate(&self, position: u32) -> Result<(), Malformed> {
        let old = self.read(position)?;
        let offset = old.wrapping_sub(self.header.preferred_base);
        if offset >= self.header.span {
            return Err(Malformed);
        }
        self.replace(position, old, (self.base as u64).wrapping_add(offset))
    }

    /// Address of the object at `position`, of at least `size` bytes.
    pub fn object(&self, position: u32, size: u32) -> Result<*mut PyObject, Malformed> {
        self.slot(position)?;
        if u64::from(position) + u64::from(size) > u64::from(self.objects.1) {
            return Err(Malformed);
        }
        Ok((self.base + position as usize) as *mut PyObject)
    }
}

/// How many records some tables have.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Roots.
    pub roots: usize,
    /// Directories.
    pub directories: usize,
    /// Externs.
    pub externs: usize,
    /// Interned strings.
    pub strings: usize,
    /// Fixup units.
    pub units: usize,
    /// Named objects.
    pub named: usize,
}
