//! Bounds-checked access to the tables of an image.

use super::ImageError;
use cds_layout::format::{
    DirectoryRecord, ExternRecord, Header, Index, ModuleRecord, NamedRecord, Range, Reader, RootRecord, Section,
    SectionKind, StaticRecord, TextRef, UnitRecord, UnitTables, find_header,
};
use std::collections::BTreeMap;

/// A readable image. Records are decoded, tables are borrowed.
#[derive(Debug)]
pub struct Image<'a> {
    /// The whole file.
    pub bytes: &'a [u8],
    /// The header.
    pub header: Header,
    /// Position of the header.
    pub header_position: usize,
    /// Sections by kind.
    pub sections: BTreeMap<SectionKind, Section>,
    /// Roots.
    pub roots: Vec<RootRecord>,
    /// Directories.
    pub directories: Vec<DirectoryRecord>,
    /// Modules.
    pub modules: Vec<ModuleRecord<'a>>,
    /// How many bytes behind them are no records.
    pub beyond_modules: usize,
    /// Externs.
    pub externs: Vec<ExternRecord>,
    /// Interned strings that the interpreter has copies of.
    pub statics: Vec<StaticRecord>,
    /// Where units lie in their section, in the order of that: all that modules and named objects say they have, and that are there.
    pub places: Vec<Range>,
    /// Where their objects lie.
    pub units: Vec<UnitRecord>,
    /// Named objects.
    pub named: Vec<NamedRecord>,
}

impl<'a> Image<'a> {
    /// Reads header and records.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (header, header_position) = find_header(bytes).map_err(ImageError::Header)?;
        if header.file_size != bytes.len() as u64 {
            return Err(ImageError::Size { actual: bytes.len() as u64, expected: header.file_size });
        }
        let sections = sections(bytes, &header)?;
        let mut image = Image {
            bytes,
            header,
            header_position,
            sections,
            roots: Vec::new(),
            directories: Vec::new(),
            modules: Vec::new(),
            beyond_modules: 0,
            externs: Vec::new(),
            statics: Vec::new(),
            places: Vec::new(),
            units: Vec::new(),
            named: Vec::new(),
        };
        image.roots = image.records(SectionKind::Roots, RootRecord::decode)?;
        image.directories = image.records(SectionKind::Directories, DirectoryRecord::decode)?;
        // What is damaged is for `verify` to say.
        let mut rest = Reader::new(image.section(SectionKind::Modules));
        loop {
            let mut next = rest;
            let Some(module) = ModuleRecord::decode(&mut next) else { break };
            image.modules.push(module);
            rest = next;
        }
        image.beyond_modules = rest.rest().len();
        image.externs = image.records(SectionKind::Externs, ExternRecord::decode)?;
        image.statics = image.records(SectionKind::StaticStrings, StaticRecord::decode)?;
        image.named = image.records(SectionKind::Named, NamedRecord::decode)?;
        let of_modules = image.modules.iter().map(|module| module.unit);
        let places = of_modules.chain(image.named.iter().map(|object| object.unit));
        let record = |place| Some((place, UnitRecord::split(image.unit_bytes(place)?)?.0));
        let mut units: Vec<(Range, UnitRecord)> = places.filter_map(record).collect();
        units.sort_by_key(|(place, _)| (place.start, place.size));
        units.dedup_by_key(|(place, _)| *place);
        (image.places, image.units) = units.into_iter().unzip();
        Ok(image)
    }

    /// Bytes of a section; empty if it is not there.
    pub fn section(&self, kind: SectionKind) -> &'a [u8] {
        self.sections.get(&kind).map_or(&[], |s| &self.bytes[s.position as usize..(s.position + s.size) as usize])
    }

    fn records<T>(
        &self,
        kind: SectionKind,
        decode: impl Fn(&mut Reader<'a>) -> Option<T>,
    ) -> Result<Vec<T>, ImageError> {
        let mut r = Reader::new(self.section(kind));
        let mut out = Vec::new();
        while !r.is_empty() {
            out.push(decode(&mut r).ok_or(ImageError::Record(kind.elf_name(), out.len()))?);
        }
        Ok(out)
    }

    /// Text that a record points to; empty if it is out of bounds.
    pub fn text(&self, text: TextRef) -> &'a str {
        text.get(self.section(SectionKind::Text)).unwrap_or_default()
    }

    /// The module index.
    pub fn index(&self) -> Option<Index<'a>> {
        Index::new(self.section(SectionKind::ModuleIndex))
    }

    /// The number of the unit that lies there.
    pub fn unit_at(&self, place: Range) -> Option<u32> {
        let number = self.places.binary_search_by_key(&(place.start, place.size), |unit| (unit.start, unit.size));
        number.ok().map(|number| number as u32)
    }

    /// The record of the unit that lies there.
    pub fn unit_record(&self, place: Range) -> Option<&UnitRecord> {
        self.units.get(self.unit_at(place)? as usize)
    }

    /// The bytes of the unit that lies there.
    fn unit_bytes(&self, place: Range) -> Option<&'a [u8]> {
        let start = place.start as usize;
        self.section(SectionKind::Units).get(start..start.checked_add(place.size as usize)?)
    }

    /// The record and the table of a unit.
    fn split(&self, number: u32) -> Option<(UnitRecord, &'a [u8])> {
        UnitRecord::split(self.unit_bytes(*self.places.get(number as usize)?)?)
    }

    /// The bytes of a unit's table: its front and its back.
    pub fn table_bytes(&self, number: u32) -> Option<(&'a [u8], &'a [u8])> {
        let (record, table) = self.split(number)?;
        table.split_at_checked(record.front as usize)
    }

    /// Fixups of a unit; `None` if they are malformed.
    pub fn unit(&self, number: u32) -> Option<UnitTables<'a>> {
        let (record, table) = self.split(number)?;
        UnitTables::decode(table, record.front, record.origin())
    }

    /// Bytes that belong alone to the unit that lies there; 0 if there is none.
    pub fn unit_size(&self, place: Range) -> u32 {
        let Some(unit) = self.unit_record(place) else { return 0 };
        unit.ranges().iter().fold(unit.mapped.size, |sum, range| sum.saturating_add(range.size))
    }

    /// The word at an offset of the objects.
    pub fn word(&self, offset: u32) -> Option<u64> {
        let start = offset as usize;
        Some(u64::from_le_bytes(self.section(SectionKind::Objects).get(start..start.checked_add(8)?)?.try_into().ok()?))
    }

    /// What slots that point to the object at this offset hold in the file.
    pub fn address(&self, offset: u32) -> u64 {
        let objects = self.sections.get(&SectionKind::Objects).map_or(0, |section| section.position);
        self.header.preferred_base.wrapping_add(u64::from(objects)).wrapping_add(u64::from(offset))
    }

    /// The path of a directory at build time.
    pub fn directory_path(&self, number: u32) -> Option<String> {
        let directory = self.directories.get(number as usize)?;
        let root = self.text(self.roots.get(directory.root as usize)?.predicted);
        Some(match self.text(directory.relative) {
            "" => root.to_owned(),
            below => format!("{root}/{below}"),
        })
    }

    /// The path of a module's file at build time.
    pub fn module_path(&self, module: &ModuleRecord<'_>) -> Option<String> {
        Some([&*self.directory_path(module.directory)?, "/", module.tail(), module.suffix].concat())
    }
}

fn sections(bytes: &[u8], header: &Header) -> Result<BTreeMap<SectionKind, Section>, ImageError> {
    let mut sections = BTreeMap::new();
    let start = bytes.get(header.sections as usize..);
    let mut r = Reader::new(start.ok_or_else(|| ImageError::Directory("it lies beyond the file".into()))?);
    for number in 0..header.section_count {
        let section =
            Section::decode(&mut r).ok_or_else(|| ImageError::Directory(format!("it ends before entry {number}")))?;
        if u64::from(section.position) + u64::from(section.size) > bytes.len() as u64 {
            return Err(ImageError::Directory(format!("section {} lies beyond the file", section.kind)));
        }
        if let Some(kind) = SectionKind::from_u32(section.kind)
            && sections.insert(kind, section).is_some()
        {
            return Err(ImageError::Directory(format!("two sections of kind {}", section.kind)));
        }
    }
    Ok(sections)
}
