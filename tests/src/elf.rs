//! Parts of ELF files: sections by name, the header of an image.

use anyhow::{Context, Result};
use cds_layout::format::{Header, find_header};
use goblin::elf::{Elf, SectionHeader};

/// The section with this name.
pub fn section<'a>(elf: &'a Elf<'_>, name: &str) -> Result<&'a SectionHeader> {
    let found = elf.section_headers.iter().find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(name));
    found.with_context(|| format!("no section `{name}`"))
}

/// The header of an image, and where it lies.
pub fn header(image: &[u8]) -> Result<(Header, usize)> {
    find_header(image).map_err(|error| anyhow::anyhow!("no header: {error:?}"))
}

/// What a section has in the file.
pub fn contents<'a>(bytes: &'a [u8], section: &SectionHeader) -> &'a [u8] {
    section.file_range().and_then(|range| bytes.get(range)).unwrap_or_default()
}
