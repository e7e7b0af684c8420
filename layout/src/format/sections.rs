//! The section directory: where each table of an image lies.

use super::codec::{Reader, Writer};

/// What a section holds. Unknown kinds are skipped, so that new content can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum SectionKind {
    /// UTF-8 text that roots, directories and named objects point into.
    Text = 1,
    /// [`super::RootRecord`]s.
    Roots = 2,
    /// [`super::DirectoryRecord`]s.
    Directories = 3,
    /// [`super::ModuleRecord`]s, each with its texts.
    Modules = 4,
    /// [`super::Index`]: hash table over module names.
    ModuleIndex = 5,
    /// [`super::ExternRecord`]s.
    Externs = 6,
    /// Units one after the other: a [`super::UnitRecord`] and the table of its fixups.
    Units = 8,
    /// The objects.
    Objects = 11,
    /// JSON text about target and build, for people.
    Notes = 12,
    /// [`super::NamedRecord`]s.
    Named = 13,
    /// The named objects' recipes, see [`super::Step`].
    Recipes = 14,
    /// [`super::StaticRecord`]s.
    StaticStrings = 15,
    /// [`super::Numbered`]: texts that many units have.
    Numbered = 16,
}

impl SectionKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [SectionKind; 13] = [
        SectionKind::Text,
        SectionKind::Roots,
        SectionKind::Directories,
        SectionKind::Modules,
        SectionKind::ModuleIndex,
        SectionKind::Externs,
        SectionKind::Units,
        SectionKind::Objects,
        SectionKind::Notes,
        SectionKind::Named,
        SectionKind::Recipes,
        SectionKind::StaticStrings,
        SectionKind::Numbered,
    ];

    /// The kind with this number.
    pub fn from_u32(v: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as u32 == v)
    }

    /// The ELF section name.
    pub fn elf_name(self) -> &'static str {
        match self {
            SectionKind::Text => ".cds.text",
            SectionKind::Roots => ".cds.roots",
            SectionKind::Directories => ".cds.dirs",
            SectionKind::Modules => ".cds.modules",
            SectionKind::ModuleIndex => ".cds.index",
            SectionKind::Externs => ".cds.externs",
            SectionKind::Units => ".cds.units",
            SectionKind::Objects => ".cds.objects",
            SectionKind::Notes => ".cds.notes",
            SectionKind::Named => ".cds.named",
            SectionKind::Recipes => ".cds.recipes",
            SectionKind::StaticStrings => ".cds.statics",
            SectionKind::Numbered => ".cds.strings",
        }
    }
}

/// One entry of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// [`SectionKind`] as a number.
    pub kind: u32,
    /// Position.
    pub position: u32,
    /// Size in bytes.
    pub size: u32,
}

impl Section {
    /// Size of an entry.
    pub const SIZE: usize = 16;

    /// Appends the entry.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.kind);
        w.u32(0);
        w.u32(self.position);
        w.u32(self.size);
    }

    /// Takes an entry.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let kind = r.u32()?;
        r.u32()?;
        Some(Section { kind, position: r.u32()?, size: r.u32()? })
    }
}
