//! Sections of ELF files, by name.

use anyhow::{Context, Result};
use goblin::elf::{Elf, SectionHeader};

/// The section with this name.
pub fn section<'a>(elf: &'a Elf<'_>, name: &str) -> Result<&'a SectionHeader> {
    let found = elf.section_headers.iter().find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(name));
    found.with_context(|| format!("no section `{name}`"))
}
