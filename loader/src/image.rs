//! A checked view of a mapped image: every table read is bounds-checked here.

use std::borrow::Cow;
use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};

use cds_layout::format::{
    DirectoryRecord, ExternRecord, Header, Index, ModuleRecord, NamedRecord, Numbered, Range, Reader, RootRecord, SLOT,
    Section, SectionKind, StaticRecord, TextRef, UnitUse, checksum32, tables_checksum,
};

use crate::failure::Failure;
use crate::file::{self, ImageFile};
use crate::malformed::Malformed;
use crate::map::Mapping;
use crate::memory::Memory;
use crate::pages::give_back;
use crate::reason::Reason;
use crate::segment::Segment;
use crate::unit::Unit;

/// The image of this process.
#[derive(Debug)]
pub struct Image {
    /// The header, as judged.
    pub header: Header,
    /// The file that it is mapped from.
    pub file: ImageFile,
    /// The objects where they are mapped.
    pub objects: Segment,
    base: usize,
    tables: Tables,
    /// How many units were read.
    units_read: AtomicU32,
    /// Where bodies were read, from which offset to which.
    bodies_read: [AtomicU32; 2],
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
            numbered: Numbered::new(table(SectionKind::Numbered)?)
                .ok_or(Reason::Malformed(SectionKind::Numbered.elf_name()))?,
            named: table(SectionKind::Named)?,
            recipes: table(SectionKind::Recipes)?,
        };
        let objects = Segment::new(&header, base, objects);
        let image = Image {
            header,
            file,
            objects,
            base,
            tables,
            units_read: AtomicU32::new(0),
            bodies_read: NOTHING_READ.map(AtomicU32::new),
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

    /// Whether `address` lies in the image.
    pub fn contains(&self, address: usize) -> bool {
        address.checked_sub(self.base).is_some_and(|offset| (offset as u64) < self.header.span)
    }

    /// The record of the module with this full name.
    pub fn find(&self, name: &str) -> Option<(u32, ModuleRecord<'static>)> {
        Index::new(self.tables.index)?
            .candidates(name.as_bytes())
            .filter_map(|number| Some((number, ModuleRecord::of_number(self.tables.modules, number)?)))
            .find(|(_, module)| module.name == name)
    }

    /// All module records that are as the builder wrote them, up to one whose end is not known.
    pub fn modules(&self) -> impl Iterator<Item = ModuleRecord<'static>> {
        let mut reader = Reader::new(self.tables.modules);
        let records = std::iter::from_fn(move || ModuleRecord::decode_checked(&mut reader));
        records.filter(|(_, agrees)| *agrees).map(|(module, _)| module)
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

    /// The texts that many units have.
    pub fn numbered(&self) -> Numbered<'static> {
        self.tables.numbered
    }

    /// The bytes of a unit, where they are mapped.
    fn unit_bytes(&self, unit: Range) -> Option<&'static [u8]> {
        let start = unit.start as usize;
        self.tables.units.get(start..start.checked_add(unit.size as usize)?)
    }

    /// A unit, where it is mapped.
    pub fn unit(&self, unit: Range) -> Option<Unit> {
        Unit::new(Cow::Borrowed(self.unit_bytes(unit)?))
    }

    /// A copy of a unit, read from the file.
    pub fn read_unit(&self, file: &File, unit: Range) -> Result<Unit, Failure> {
        // Nothing of it is read where it is mapped: that would make its neighbours resident.
        let mapped = self.unit_bytes(unit).ok_or(Malformed)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(mapped.len()).map_err(|_| Failure::Memory)?;
        bytes.resize(mapped.len(), 0);
        file::read(file, (mapped.as_ptr() as usize - self.base) as u64, &mut bytes)?;
        Unit::new(Cow::Owned(bytes)).ok_or(Failure::Malformed)
    }

    /// Notes that a unit is read from the mapping with these bodies, and its objects if they are copied. Around each page that
    /// is read the system maps others: now and then they are given back, or a process would in time have all of them resident.
    pub fn reads_mapping(&self, bodies: Range) {
        const EVERY: u32 = 16;
        let [start, end] = &self.bodies_read;
        if bodies.size != 0 {
            start.fetch_min(bodies.start, Ordering::Relaxed);
            end.fetch_max(bodies.start.saturating_add(bodies.size), Ordering::Relaxed);
        }
        if self.units_read.fetch_add(1, Ordering::Relaxed) % EVERY != EVERY - 1 {
            return;
        }
        let tables = self.tables.units.as_ptr_range();
        give_back(tables.start as usize, tables.end as usize);
        if self.header.units == UnitUse::Copied {
            self.objects.give_back_units();
        } else {
            // Between bodies in place there is nothing else, and nobody writes to them.
            let [no_start, no_end] = NOTHING_READ;
            let (start, end) = (start.swap(no_start, Ordering::Relaxed), end.swap(no_end, Ordering::Relaxed));
            self.objects.give_back(start, end);
        }
    }

    /// Numbers of records.
    pub fn counts(&self) -> Counts {
        let tables = &self.tables;
        Counts {
            roots: tables.roots.len() / RootRecord::SIZE,
            externs: tables.externs.len() / ExternRecord::SIZE,
            named: tables.named.len() / NamedRecord::SIZE,
        }
    }

    /// Text that a record points to.
    pub fn text(&self, text: TextRef) -> Option<&'static str> {
        text.get(self.tables.text)
    }

    /// The objects where they are in the file.
    pub fn memory(&self) -> Memory<'_> {
        Memory::in_place(&self.objects)
    }
}

/// From where to where, if no bodies were read.
const NOTHING_READ: [u32; 2] = [u32::MAX, 0];

/// How many records some tables have.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Roots.
    pub roots: usize,
    /// Externs.
    pub externs: usize,
    /// Named objects.
    pub named: usize,
}
