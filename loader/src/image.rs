//! A checked view of a mapped image: every table read is bounds-checked here.

use std::borrow::Cow;
use std::fs::File;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cds_layout::format::{
    CHUNK, DirectoryRecord, ExternRecord, Header, Index, ModuleRecord, NamedRecord, Numbered, Range, Reader,
    RootRecord, SLOT, Section, SectionKind, StaticRecord, TextRef, UnitRecord, UnitUse, checksum32, tables_checksum,
};

use crate::file::{self, ImageFile};
use crate::malformed::Malformed;
use crate::map::Mapping;
use crate::memory::Memory;
use crate::pages::{give_back, prefault};
use crate::reason::Reason;
use crate::relocate::{Moves, TextWords, Window};
use crate::unit::Unit;

/// The image of this process.
#[derive(Debug)]
pub struct Image {
    /// The header, as judged.
    pub header: Header,
    /// The file that it is mapped from.
    pub file: ImageFile,
    base: usize,
    tables: Tables,
    /// Address of the objects.
    objects: usize,
    /// Their bytes.
    size: u32,
    patched: AtomicU64,
    /// How many units were read.
    units_read: AtomicU32,
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
    statics: &'static [u8],
    units: &'static [u8],
    fixups: &'static [u8],
    numbered: Numbered<'static>,
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
    /// Checks where the sections of a mapped image lie.
    pub fn new(mapping: &Mapping, header: Header, file: ImageFile) -> Result<Image, Reason> {
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
        if u64::from(end) > header.span
            || !writable
            || !objects.position.is_multiple_of(SLOT)
            || header.pool > objects.size
        {
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
            statics: table(SectionKind::StaticStrings)?,
            units: table(SectionKind::Units)?,
            fixups: table(SectionKind::Fixups)?,
            numbered: Numbered::new(table(SectionKind::Numbered)?)
                .ok_or(Reason::Malformed(SectionKind::Numbered.elf_name()))?,
            named: table(SectionKind::Named)?,
            recipes: table(SectionKind::Recipes)?,
        };
        if tables.modules.len() / ModuleRecord::SIZE < header.module_count as usize {
            return Err(Reason::Malformed(SectionKind::Modules.elf_name()));
        }
        let (objects, size) = (base + objects.position as usize, objects.size);
        let image = Image {
            header,
            file,
            base,
            tables,
            objects,
            size,
            patched: AtomicU64::new(0),
            units_read: AtomicU32::new(0),
        };
        let roots = (0..image.counts().roots as u32).map(|number| image.root(number));
        let roots: Vec<RootRecord> = roots.collect::<Option<_>>().ok_or(Reason::Malformed("roots"))?;
        let text = |text| image.text(text).unwrap_or_default();
        let addresses = [image.tables.externs, image.tables.statics];
        if tables_checksum(&roots, addresses, text) != image.header.tables_checksum {
            return Err(Reason::Malformed("checksum of roots, externs and static strings"));
        }
        Ok(image)
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
        (module.checksum == module.sum(self.text(module.name)?, self.text(module.file)?)).then_some(module)
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

    /// A string that the interpreter has a copy of.
    pub fn static_string(&self, number: u32) -> Option<StaticRecord> {
        record(self.tables.statics, number, StaticRecord::SIZE, StaticRecord::decode)
    }

    /// A text that many units have.
    pub fn numbered(&self, number: u32) -> Option<&'static [u8]> {
        self.tables.numbered.text(number)
    }

    /// A unit's record, which was checked with its table before.
    pub fn unit_record(&self, number: u32) -> Option<UnitRecord> {
        record(self.tables.units, number, UnitRecord::SIZE, UnitRecord::decode)
    }

    /// Where the table of a unit lies in the section of fixups.
    fn table_of(&self, number: u32, unit: &UnitRecord) -> Option<std::ops::Range<usize>> {
        let next = self.unit_record(number.checked_add(1)?);
        let range = unit.table as usize..next.map_or(self.tables.fixups.len(), |next| next.table as usize);
        (range.start <= range.end && range.end <= self.tables.fixups.len()).then_some(range)
    }

    /// A unit and its table, where they are mapped.
    pub fn unit(&self, number: u32) -> Option<Unit> {
        let record = self.unit_record(number)?;
        Unit::new(record, Cow::Borrowed(&self.tables.fixups[self.table_of(number, &record)?]))
    }

    /// A unit and a copy of its table, read from the file.
    pub fn read_unit(&self, file: &File, number: u32) -> Result<Unit, Malformed> {
        let record = self.unit_record(number).ok_or(Malformed)?;
        let range = self.table_of(number, &record).ok_or(Malformed)?;
        let start = self.tables.fixups.as_ptr() as usize - self.base + range.start;
        let mut table = Vec::new();
        table.try_reserve_exact(range.len()).map_err(|_| Malformed)?;
        table.resize(range.len(), 0);
        file::read(file, start as u64, &mut table)?;
        Unit::new(record, Cow::Owned(table)).ok_or(Malformed)
    }

    /// The objects of a unit that can be copied: one range beyond the pool.
    pub fn own_range(&self, unit: &UnitRecord) -> Result<Range, Malformed> {
        let is_own = |own: &Range| own.start >= self.header.pool && own.size.is_multiple_of(SLOT);
        let own = unit.whole().filter(is_own).ok_or(Malformed)?;
        self.words(own)?;
        Ok(own)
    }

    /// Copies a range of objects to `address`, from the file or from the mapping.
    ///
    /// # Safety
    ///
    /// Nobody else has the `range.size` bytes at `address`, which is a multiple of a slot's size.
    pub unsafe fn copy(&self, file: Option<&File>, range: Range, address: usize) -> Result<(), Malformed> {
        let (start, count) = self.words(range)?;
        // SAFETY: as this function says.
        let to = unsafe { std::slice::from_raw_parts_mut(address as *mut u64, count) };
        match file {
            Some(file) => {
                // SAFETY: the same words.
                let bytes = unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), size_of_val(to)) };
                file::read(file, (start as usize - self.base) as u64, bytes)?;
            }
            // SAFETY: aligned words of an object that stays mapped, to which nobody writes: all units are copied, or none.
            None => to.copy_from_slice(unsafe { std::slice::from_raw_parts(start, count) }),
        }
        Ok(())
    }

    /// Moves all addresses in a copy of a range, and puts strings where words stand for them: `texts` are those that the unit
    /// has no objects for, in their order.
    ///
    /// # Safety
    ///
    /// The copy is at `address`, and nobody else has it.
    pub unsafe fn adapt(&self, range: Range, address: usize, moves: &Moves, texts: &[u64]) {
        // SAFETY: as this function says.
        let words = unsafe { std::slice::from_raw_parts_mut(address as *mut u64, (range.size / SLOT) as usize) };
        let texts = TextWords { start: self.predicted(self.size), addresses: texts };
        self.count_patched(moves.apply_with(words, &texts));
    }

    /// Notes that a unit's table is read from the mapping, and its objects if they are copied. Around each page that is read the
    /// system maps others: now and then they are given back, or a process would in time have all of them resident.
    pub fn reads_mapping(&self) {
        const EVERY: u32 = 16;
        if self.units_read.fetch_add(1, Ordering::Relaxed) % EVERY != EVERY - 1 {
            return;
        }
        let tables = self.tables.fixups.as_ptr_range();
        give_back(tables.start as usize, tables.end as usize);
        if self.header.units == UnitUse::Copied {
            give_back(self.objects + self.header.pool as usize, self.objects + self.size as usize);
        }
    }

    /// What has to be moved of objects that lie in the image, where the interpreter's addresses are so far from their words.
    pub fn moves(&self, externs: u64) -> Moves {
        let start = self.header.preferred_base;
        let distance = (self.base as u64).wrapping_sub(start);
        Moves::default().and(self.externs(externs)).and(Window { start, size: self.header.span, distance })
    }

    /// The same for the objects of a unit whose own ones were copied to `address`: then those of the image that it points to
    /// lie in the pool.
    pub fn moves_of_copy(&self, externs: u64, own: Range, address: usize) -> Moves {
        let moved = (self.base as u64).wrapping_sub(self.header.preferred_base);
        let (pool, start) = (self.predicted(0), self.predicted(own.start));
        let distance = (address as u64).wrapping_sub(start);
        Moves::default()
            .and(self.externs(externs))
            .and(Window { start: pool, size: u64::from(self.header.pool), distance: moved })
            .and(Window { start, size: u64::from(own.size), distance })
    }

    fn externs(&self, distance: u64) -> Window {
        Window { start: self.header.externs_start, size: self.header.externs_size, distance }
    }

    /// What slots that point to the object at an offset hold in the file.
    fn predicted(&self, offset: u32) -> u64 {
        let objects = (self.objects - self.base) as u64;
        self.header.preferred_base.wrapping_add(objects).wrapping_add(u64::from(offset))
    }

    /// Numbers of records.
    pub fn counts(&self) -> Counts {
        let tables = &self.tables;
        Counts {
            roots: tables.roots.len() / RootRecord::SIZE,
            directories: tables.directories.len() / DirectoryRecord::SIZE,
            externs: tables.externs.len() / ExternRecord::SIZE,
            statics: tables.statics.len() / StaticRecord::SIZE,
            units: tables.units.len() / UnitRecord::SIZE,
            named: tables.named.len() / NamedRecord::SIZE,
            numbered: tables.numbered.count() as usize,
            chunks: self.header.pool.div_ceil(CHUNK) as usize,
        }
    }

    /// Text that a record points to.
    pub fn text(&self, text: TextRef) -> Option<&'static str> {
        text.get(self.tables.text)
    }

    /// Address of the objects.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// The objects where they are in the file.
    pub fn memory(&self) -> Memory<'_> {
        let pool = self.header.pool;
        let own = Range { start: pool, size: self.size - pool };
        Memory::new(self, own, self.objects + pool as usize)
    }

    /// Counts slots that were written.
    pub fn count_patched(&self, slots: u64) {
        self.patched.fetch_add(slots, Ordering::Relaxed);
    }

    /// The words of a range of objects: where the first one is, and how many there are.
    fn words(&self, range: Range) -> Result<(*mut u64, usize), Malformed> {
        let end = u64::from(range.start) + u64::from(range.size);
        if end > u64::from(self.size) || !range.start.is_multiple_of(SLOT) {
            return Err(Malformed);
        }
        Ok(((self.objects + range.start as usize) as *mut u64, (range.size / SLOT) as usize))
    }

    /// Gets the pages of a range ready to be written to.
    pub fn prefault(&self, range: Range) -> Result<(), Malformed> {
        let (start, count) = self.words(range)?;
        prefault(start as usize, count * size_of::<u64>());
        Ok(())
    }

    /// Moves all addresses in a range of objects that nobody has used yet.
    pub fn relocate(&self, range: Range, moves: &Moves) -> Result<(), Malformed> {
        let (start, count) = self.words(range)?;
        prefault(start as usize, count * size_of::<u64>());
        // SAFETY: aligned words in a writable segment of an object that stays mapped, and as this function says.
        let words = unsafe { std::slice::from_raw_parts_mut(start, count) };
        self.count_patched(moves.apply(words));
        Ok(())
    }

    /// The piece of the pool with this number.
    pub fn chunk(&self, number: u32) -> Option<Range> {
        let start = number.checked_mul(CHUNK).filter(|start| *start < self.header.pool)?;
        Some(Range { start, size: CHUNK.min(self.header.pool - start) })
    }

    /// Whether an offset lies in the pool.
    pub fn is_in_pool(&self, offset: u32) -> bool {
        offset < self.header.pool
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
    /// Strings that the interpreter has copies of.
    pub statics: usize,
    /// Fixup units.
    pub units: usize,
    /// Named objects.
    pub named: usize,
    /// Texts that many units have.
    pub numbered: usize,
    /// Pieces of the pool.
    pub chunks: usize,
}
