//! Writes the ELF file. What is reserved in [`frame`] is what [`emit`] writes, in the same order.
//!
//! One read-only segment (headers, dynamic symbol table, section directory and notes in the first page, then the
//! tables), one writable segment (`.dynamic` and the objects), nothing executable, no relocations.
//! File offsets equal positions.

use super::machine::Machine;
use super::windows::{dynamic_start, table_start};
use cds_layout::format::{
    CHUNK, HEADER_SIZE, Header, IMAGE_SYMBOL, NOTE_NAME, NOTE_TYPE, Section, SectionKind, Writer as Bytes, checksum32,
};
use object::elf;
use object::write::StringId;
use object::write::elf::{FileHeader, ProgramHeader, SectionHeader, SectionIndex, Sym, Writer};
use sha2::{Digest, Sha256};

/// Everything that goes into the file.
#[derive(Debug)]
pub struct Contents {
    /// Machine of the target.
    pub machine: Machine,
    /// The header; sizes, positions and digest are filled in by [`emit`].
    pub header: Header,
    /// Read-only tables in file order.
    pub tables: Vec<(SectionKind, Vec<u8>)>,
    /// The objects.
    pub objects: Vec<u8>,
    /// Static symbols, by offset from the start of the objects.
    pub symbols: Vec<Symbol>,
    /// `NT_GNU_BUILD_ID` of the image itself.
    pub build_id: [u8; 20],
}

/// A static symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Name.
    pub name: String,
    /// Offset from the start of the objects.
    pub start: u32,
    /// Size in bytes.
    pub size: u32,
}

/// Where the parts lie in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Position of the header (the description of the identity note).
    pub header: u32,
    /// Position of the section directory.
    pub directory: u32,
    /// Positions of the tables.
    pub tables: Vec<u32>,
    /// End of the read-only segment.
    pub read_only_end: u32,
    /// Position of `.dynamic`, the start of the writable segment.
    pub dynamic: u32,
    /// End of `.dynamic`.
    pub dynamic_end: u32,
    /// Position of the objects.
    pub objects: u32,
    /// End of the writable segment.
    pub span: u32,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// `object` refused.
    #[error("cannot write the ELF file")]
    Object(#[from] object::write::Error),
    /// Positions are 32-bit.
    #[error("the image would be larger than 4 GiB; build several images or exclude modules with `--exclude`")]
    TooLarge,
}

const PROGRAM_HEADERS: u32 = 5;
const DYNAMIC_ENTRIES: usize = 6;
const BLOOM: u32 = 1;
const BUCKETS: u32 = 1;
const NOTE_HEAD: u64 = 12 + 4;
const IDENTITY_NOTE: u64 = NOTE_HEAD + HEADER_SIZE as u64;
const BUILD_ID_NOTE: u64 = NOTE_HEAD + 20;
/// The linker writes to `.dynamic`, which lies before the objects: it gets pages of its own.
const OBJECT_ALIGN: u64 = CHUNK as u64;

/// Positions for tables and objects of these sizes.
pub fn frame(tables: &[(SectionKind, usize)], objects: usize) -> Result<Frame, EmitError> {
    let mut sink = Vec::new();
    let mut w = Writer::new(object::Endianness::Little, true, &mut sink);
    w.add_dynamic_string(IMAGE_SYMBOL.as_bytes());
    reserve(&mut w, tables, objects).map(|(frame, _)| frame)
}

/// Kinds and sizes of tables.
pub fn sizes(tables: &[(SectionKind, Vec<u8>)]) -> Vec<(SectionKind, usize)> {
    tables.iter().map(|(kind, bytes)| (*kind, bytes.len())).collect()
}

struct Indexes {
    identity_note: SectionIndex,
    objects: SectionIndex,
    gnu_hash: u64,
    dynsym: u64,
    dynstr: u64,
    identity: u64,
    build_id: u64,
}

/// Reserves everything up to the end of the writable segment.
fn reserve(
    w: &mut Writer<'_>,
    table_sizes: &[(SectionKind, usize)],
    objects: usize,
) -> Result<(Frame, Indexes), EmitError> {
    w.reserve_null_section_index();
    w.reserve_gnu_hash_section_index();
    w.reserve_dynsym_section_index();
    w.reserve_dynstr_section_index();
    w.reserve_section_index(); // the section directory
    w.reserve_section_index(); // the build-id
    let identity_note = w.reserve_section_index();
    for _ in table_sizes {
        w.reserve_section_index();
    }
    w.reserve_dynamic_section_index();
    let objects_index = w.reserve_section_index();

    w.reserve_file_header();
    w.reserve_program_headers(PROGRAM_HEADERS);
    w.reserve_dynamic_symbol_index();
    let gnu_hash = w.reserve_gnu_hash(BLOOM, BUCKETS, 1);
    let dynsym = w.reserve_dynsym();
    let dynstr = w.reserve_dynstr()?;
    let directory = w.reserve(((table_sizes.len() + 1) * Section::SIZE) as u64, 8);
    // The header's checksum covers everything before it: what the dynamic linker and the loader believe unseen.
    let build_id = w.reserve(BUILD_ID_NOTE, 4);
    let identity = w.reserve(IDENTITY_NOTE, 4);
    let mut tables = Vec::with_capacity(table_sizes.len());
    for (number, (_, size)) in table_sizes.iter().enumerate() {
        w.reserve_until(table_start(table_sizes, number, w.reserved_len()));
        tables.push(narrow(w.reserve(*size as u64, 8))?);
    }
    let read_only_end = narrow(w.reserved_len())?;
    w.reserve_until(dynamic_start(w.reserved_len()));
    let dynamic = narrow(w.reserve_dynamic(DYNAMIC_ENTRIES))?;
    let dynamic_end = narrow(w.reserved_len())?;
    let objects = narrow(w.reserve(objects as u64, OBJECT_ALIGN))?;
    let span = narrow(w.reserved_len())?;
    let header = narrow(identity + NOTE_HEAD)?;
    let frame =
        Frame { header, directory: narrow(directory)?, tables, read_only_end, dynamic, dynamic_end, objects, span };
    Ok((frame, Indexes { identity_note, objects: objects_index, gnu_hash, dynsym, dynstr, identity, build_id }))
}

fn narrow(v: u64) -> Result<u32, EmitError> {
    u32::try_from(v).map_err(|_| EmitError::TooLarge)
}

/// Writes the file.
pub fn emit(contents: &Contents) -> Result<Vec<u8>, EmitError> {
    let sizes = sizes(&contents.tables);
    let mut out = Vec::new();
    let mut w = Writer::new(object::Endianness::Little, true, &mut out);
    let names = Names::add(&mut w, contents);
    let (frame, at) = reserve(&mut w, &sizes, contents.objects.len())?;

    for _ in &contents.symbols {
        w.reserve_symbol_index(Some(at.objects));
    }
    w.reserve_symtab_section_index();
    w.reserve_strtab_section_index();
    w.reserve_shstrtab_section_index();
    w.reserve_symtab();
    w.reserve_strtab()?;
    w.reserve_shstrtab()?;
    w.reserve_section_headers();

    let mut header = contents.header.clone();
    header.file_size = w.reserved_len();
    header.span = u64::from(frame.span);
    header.sections = frame.directory;
    header.section_count = contents.tables.len() as u32 + 1;
    header.digest = [0; 32];
    let dynamic = dynamic(&header, &at, w.dynstr_len());
    header.dynamic_checksum = checksum32(&[&dynamic]);

    let base = header.preferred_base;
    w.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_DYN,
        e_machine: elf::Machine(contents.machine.e_machine),
        e_entry: 0,
        e_flags: elf::FileFlags(0),
    })?;
    write_program_headers(&mut w, contents, &frame, &at);
    w.write_gnu_hash(1, 0, BLOOM, BUCKETS, 1, |_| elf::gnu_hash(IMAGE_SYMBOL.as_bytes()));
    w.write_null_dynamic_symbol();
    w.write_dynamic_symbol(&Sym {
        section: Some(at.identity_note.0),
        st_name: w.dynamic_string_offset(Some(names.image)),
        st_info: elf::SymbolInfo::new(elf::STB_GLOBAL, elf::STT_OBJECT),
        st_other: elf::SymbolOther(0),
        st_shndx: elf::SymbolSection(0),
        st_value: base + u64::from(frame.header),
        st_size: HEADER_SIZE as u64,
    });
    w.write_dynstr();
    w.pad_until(u64::from(frame.directory));
    w.write(&directory(contents, &frame));
    w.pad_until(at.build_id);
    w.write(&note(b"GNU", 3, &contents.build_id));
    w.pad_until(at.identity);
    w.write(&note(NOTE_NAME, NOTE_TYPE, &header.encode()));
    for ((_, bytes), &position) in contents.tables.iter().zip(&frame.tables) {
        w.pad_until(u64::from(position));
        w.write(bytes);
    }
    w.pad_until(u64::from(frame.dynamic));
    w.write_align_dynamic();
    w.write(&dynamic);
    w.pad_until(u64::from(frame.objects));
    w.write(&contents.objects);
    write_symbols(&mut w, contents, &frame, &at, &names);
    w.write_strtab();
    w.write_shstrtab();
    write_section_headers(&mut w, contents, &frame, &at, &names);
    debug_assert_eq!(w.len(), header.file_size);
    drop(w);

    seal(&mut out, frame.header as usize);
    Ok(out)
}

/// Fills in digest and checksum of a complete image.
fn seal(image: &mut [u8], header: usize) {
    let digest = Sha256::digest(&image);
    let at = header + Header::DIGEST_OFFSET;
    image[at..at + 32].copy_from_slice(&digest);
    Header::seal(image, header + HEADER_SIZE);
}

/// The contents of `.dynamic`.
fn dynamic(header: &Header, at: &Indexes, strings: u32) -> Vec<u8> {
    let base = header.preferred_base;
    let entries: [(elf::DynamicTag, u64); DYNAMIC_ENTRIES] = [
        (elf::DT_GNU_HASH, base + at.gnu_hash),
        (elf::DT_SYMTAB, base + at.dynsym),
        (elf::DT_STRTAB, base + at.dynstr),
        (elf::DT_STRSZ, u64::from(strings)),
        (elf::DT_SYMENT, 24),
        (elf::DT_NULL, 0),
    ];
    let mut w = Bytes::new();
    for (tag, value) in entries {
        w.u64(tag.0 as u64);
        w.u64(value);
    }
    w.bytes
}

fn note(name: &[u8], kind: u32, description: &[u8]) -> Vec<u8> {
    debug_assert_eq!(name.len(), 3);
    let mut w = Bytes::new();
    w.u32(name.len() as u32 + 1);
    w.u32(description.len() as u32);
    w.u32(kind);
    w.raw(name);
    w.u8(0);
    w.raw(description);
    w.bytes
}

fn directory(contents: &Contents, frame: &Frame) -> Vec<u8> {
    let mut w = Bytes::new();
    for ((kind, bytes), &position) in contents.tables.iter().zip(&frame.tables) {
        Section { kind: *kind as u32, position, size: bytes.len() as u32 }.encode(&mut w);
    }
    let objects =
        Section { kind: SectionKind::Objects as u32, position: frame.objects, size: contents.objects.len() as u32 };
    objects.encode(&mut w);
    w.bytes
}

struct Names {
    image: StringId,
    sections: Vec<StringId>,
    symbols: Vec<StringId>,
}

const FIXED_SECTIONS: [&str; 3] = [".cds.directory", ".note.gnu.build-id", ".note.cds"];

impl Names {
    fn add<'a>(w: &mut Writer<'a>, contents: &'a Contents) -> Self {
        let tables = contents.tables.iter().map(|(kind, _)| kind.elf_name());
        let sections = FIXED_SECTIONS
            .into_iter()
            .chain(tables)
            .chain([SectionKind::Objects.elf_name()])
            .map(|name| w.add_section_name(name.as_bytes()))
            .collect();
        Names {
            image: w.add_dynamic_string(IMAGE_SYMBOL.as_bytes()),
            sections,
            symbols: contents.symbols.iter().map(|s| w.add_string(s.name.as_bytes())).collect(),
        }
    }
}

fn write_program_headers(w: &mut Writer<'_>, contents: &Contents, frame: &Frame, at: &Indexes) {
    let base = contents.header.preferred_base;
    let page = contents.machine.page;
    let r = elf::ProgramFlags(elf::PF_R.0);
    let rw = elf::ProgramFlags(elf::PF_R.0 | elf::PF_W.0);
    let dynamic = u64::from(frame.dynamic);
    let notes = at.identity + IDENTITY_NOTE - at.build_id;
    let segments = [
        (elf::PT_LOAD, r, 0, u64::from(frame.read_only_end), page),
        (elf::PT_LOAD, rw, dynamic, u64::from(frame.span) - dynamic, page),
        (elf::PT_DYNAMIC, rw, dynamic, DYNAMIC_ENTRIES as u64 * 16, 8),
        (elf::PT_NOTE, r, at.build_id, notes, 4),
    ];
    w.write_align_program_headers();
    for (p_type, p_flags, p_offset, size, p_align) in segments {
        let p_vaddr = base + p_offset;
        w.write_program_header(&ProgramHeader {
            p_type,
            p_flags,
            p_offset,
            p_vaddr,
            p_paddr: p_vaddr,
            p_filesz: size,
            p_memsz: size,
            p_align,
        });
    }
    w.write_program_header(&ProgramHeader {
        p_type: elf::PT_GNU_STACK,
        p_flags: rw,
        p_offset: 0,
        p_vaddr: 0,
        p_paddr: 0,
        p_filesz: 0,
        p_memsz: 0,
        p_align: 16,
    });
}

fn write_symbols(w: &mut Writer<'_>, contents: &Contents, frame: &Frame, at: &Indexes, names: &Names) {
    w.write_null_symbol();
    for (symbol, &name) in contents.symbols.iter().zip(&names.symbols) {
        let st_name = w.string_offset(Some(name));
        w.write_symbol(&Sym {
            section: Some(at.objects.0),
            st_name,
            st_info: elf::SymbolInfo::new(elf::STB_LOCAL, elf::STT_OBJECT),
            st_other: elf::SymbolOther(0),
            st_shndx: elf::SymbolSection(0),
            st_value: contents.header.preferred_base + u64::from(frame.objects) + u64::from(symbol.start),
            st_size: u64::from(symbol.size),
        });
    }
}

fn write_section_headers(w: &mut Writer<'_>, contents: &Contents, frame: &Frame, at: &Indexes, names: &Names) {
    let base = contents.header.preferred_base;
    let alloc = elf::SectionFlags(elf::SHF_ALLOC.0);
    let mut ids = names.sections.iter();
    let mut plain = |w: &mut Writer<'_>, sh_type, sh_flags, sh_offset: u64, sh_size: u64, sh_addralign| {
        let sh_name = w.section_name_offset(ids.next().copied());
        w.write_section_header(&SectionHeader {
            sh_name,
            sh_type,
            sh_flags,
            sh_addr: base + sh_offset,
            sh_offset,
            sh_size,
            sh_link: 0,
            sh_info: 0,
            sh_addralign,
            sh_entsize: 0,
        });
    };
    w.write_null_section_header();
    w.write_gnu_hash_section_header(base + at.gnu_hash);
    w.write_dynsym_section_header(base + at.dynsym, 1);
    w.write_dynstr_section_header(base + at.dynstr);
    let directory = (contents.tables.len() + 1) * Section::SIZE;
    plain(w, elf::SHT_PROGBITS, alloc, u64::from(frame.directory), directory as u64, 8);
    plain(w, elf::SHT_NOTE, alloc, at.build_id, BUILD_ID_NOTE, 4);
    plain(w, elf::SHT_NOTE, alloc, at.identity, IDENTITY_NOTE, 4);
    for ((_, bytes), &position) in contents.tables.iter().zip(&frame.tables) {
        plain(w, elf::SHT_PROGBITS, alloc, u64::from(position), bytes.len() as u64, 8);
    }
    w.write_dynamic_section_header(base + u64::from(frame.dynamic));
    let writable = elf::SectionFlags(elf::SHF_ALLOC.0 | elf::SHF_WRITE.0);
    let objects = contents.objects.len() as u64;
    plain(w, elf::SHT_PROGBITS, writable, u64::from(frame.objects), objects, OBJECT_ALIGN);
    w.write_symtab_section_header(contents.symbols.len() as u32 + 1);
    w.write_strtab_section_header();
    w.write_shstrtab_section_header();
}
