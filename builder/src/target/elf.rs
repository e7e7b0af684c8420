//! The interpreter's ELF file: symbols, segments and build-id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cds_layout::format::{IDENTITY_SYMBOLS, IdentityKind, substitute_identity};
use goblin::elf::header::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC};
use goblin::elf::note::NT_GNU_BUILD_ID;
use goblin::elf::program_header::PT_LOAD;
use goblin::elf::section_header::SHN_UNDEF;
use goblin::elf::{Elf, Sym};
use goblin::strtab::Strtab;

use super::TargetError;
use super::identity::{Identity, MAX_IDENTITY};
use crate::file;

/// Offsets within a page, for the smallest pages in use.
const PAGE_MASK: u64 = 0xfff;

/// What is known of an ELF file.
pub struct ElfFile {
    /// The file.
    pub path: PathBuf,
    /// `e_machine`
    pub machine: u16,
    /// Whether the file is `ET_DYN`: its addresses get a load bias.
    pub moves: bool,
    /// Addresses and sizes of the symbols it defines, of those that were asked for.
    symbols: BTreeMap<String, (u64, u64)>,
    /// `PT_LOAD` segments.
    loads: Vec<Load>,
    /// Program headers as the file has them.
    phdrs: Vec<u8>,
    /// `NT_GNU_BUILD_ID`
    build_id: Option<Vec<u8>>,
}

struct Load {
    offset: u64,
    vaddr: u64,
    memsz: u64,
}

impl ElfFile {
    /// Reads a file, and of its symbols those of the given names.
    pub fn read(path: &Path, names: &[&str]) -> Result<ElfFile, TargetError> {
        let data = file::read(path).map_err(|source| TargetError::Read { path: path.to_owned(), source })?;
        let bad = |reason: String| TargetError::Elf { path: path.to_owned(), reason };
        let elf = Elf::parse(&data).map_err(|e| bad(e.to_string()))?;
        let header = &elf.header;
        if !elf.is_64 || !elf.little_endian {
            return Err(bad("it is not 64-bit little-endian".to_owned()));
        }
        if ![EM_X86_64, EM_AARCH64].contains(&header.e_machine) {
            return Err(bad(format!("machine {} is not supported", header.e_machine)));
        }
        if ![ET_EXEC, ET_DYN].contains(&header.e_type) {
            return Err(bad(format!("type {} is neither ET_EXEC nor ET_DYN", header.e_type)));
        }
        let loads = elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD);
        let phdrs = usize::try_from(header.e_phoff)
            .ok()
            .and_then(|start| data.get(start..)?.get(..usize::from(header.e_phentsize) * usize::from(header.e_phnum)))
            .ok_or_else(|| bad("its program headers lie outside the file".to_owned()))?;
        Ok(ElfFile {
            path: path.to_owned(),
            machine: header.e_machine,
            moves: header.e_type == ET_DYN,
            symbols: symbols(&elf, names),
            loads: loads.map(|p| Load { offset: p.p_offset, vaddr: p.p_vaddr, memsz: p.p_memsz }).collect(),
            phdrs: phdrs.to_owned(),
            build_id: build_id(&elf, &data).map_err(bad)?,
        })
    }

    /// Link-time address of a symbol that the file defines.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.symbols.get(name).map(|&(address, _)| address)
    }

    /// The load bias of a process that has the file's first byte at `address`.
    pub fn bias(&self, address: u64) -> Option<u64> {
        let first = self.loads.iter().find(|l| l.offset & !PAGE_MASK == 0)?;
        Some(address.wrapping_sub(first.vaddr.wrapping_sub(first.offset)))
    }

    /// Whether a link-time address lies in a segment of the file.
    pub fn contains(&self, address: u64) -> bool {
        self.loads.iter().any(|l| address >= l.vaddr && address - l.vaddr < l.memsz)
    }

    /// The build-id, or the substitute of an interpreter with this `sys.version`.
    pub fn identity(&self, version_text: &str) -> Result<Identity, TargetError> {
        if let Some(bytes) = &self.build_id {
            return Ok(Identity { kind: IdentityKind::BuildId, bytes: bytes.clone() });
        }
        let addresses: Vec<u64> = IDENTITY_SYMBOLS
            .iter()
            .map(|&name| {
                let missing = || TargetError::NoSymbol { path: self.path.clone(), symbol: name.to_owned() };
                self.symbol(name).ok_or_else(missing)
            })
            .collect::<Result<_, _>>()?;
        let bytes = substitute_identity(version_text, &self.phdrs, &addresses);
        Ok(Identity { kind: IdentityKind::Substitute, bytes: bytes.to_vec() })
    }
}

/// Values of the named symbols, from the dynamic table and, for what it lacks, from the static one.
fn symbols(elf: &Elf<'_>, names: &[&str]) -> BTreeMap<String, (u64, u64)> {
    let mut out = BTreeMap::new();
    let mut take = |symbol: Sym, strings: &Strtab<'_>| {
        if symbol.st_shndx == SHN_UNDEF as usize || symbol.st_bind() == goblin::elf::sym::STB_LOCAL {
            return;
        }
        if let Some(name) = strings.get_at(symbol.st_name)
            && names.contains(&name)
        {
            out.entry(name.to_owned()).or_insert((symbol.st_value, symbol.st_size));
        }
    };
    elf.dynsyms.iter().for_each(|s| take(s, &elf.dynstrtab));
    elf.syms.iter().for_each(|s| take(s, &elf.strtab));
    out
}

fn build_id(elf: &Elf<'_>, data: &[u8]) -> Result<Option<Vec<u8>>, String> {
    for note in elf.iter_note_headers(data).into_iter().flatten() {
        let note = note.map_err(|e| format!("its notes are damaged: {e}"))?;
        if note.n_type == NT_GNU_BUILD_ID && note.name == "GNU" {
            let len = note.desc.len();
            if len == 0 || len > MAX_IDENTITY {
                return Err(format!("its build-id has {len} bytes, not 1 to {MAX_IDENTITY}"));
            }
            return Ok(Some(note.desc.to_vec()));
        }
    }
    Ok(None)
}
