//! Reads an emitted image back with `goblin` and compares it with what was planned.

use super::emit::{Contents, Frame};
use cds_layout::format::{Header, IMAGE_SYMBOL, SectionKind, checksum32, find_header};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_LOAD};
use goblin::elf::{Elf, header::ET_DYN};
use sha2::{Digest, Sha256};

/// The file does not say what the plan meant: a defect of the builder.
#[derive(Debug, thiserror::Error)]
#[error("the written image differs from the plan: {0}")]
pub struct CheckError(String);

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(CheckError(format!($($message)+)));
        }
    };
}

/// Compares the bytes of an image with its plan.
pub fn check(image: &[u8], contents: &Contents, frame: &Frame) -> Result<(), CheckError> {
    let elf = Elf::parse(image).map_err(|e| CheckError(format!("not an ELF file: {e}")))?;
    let base = contents.header.preferred_base;
    ensure!(elf.header.e_type == ET_DYN, "type {}", elf.header.e_type);
    ensure!(elf.header.e_machine == contents.machine.e_machine, "machine {}", elf.header.e_machine);
    segments(&elf, base, frame)?;
    ensure!(elf.dynrelas.is_empty() && elf.dynrels.is_empty() && elf.pltrelocs.is_empty(), "it has relocations");
    ensure!(elf.libraries.is_empty(), "it needs libraries");

    let exported: Vec<_> = elf.dynsyms.iter().filter(|s| s.st_value != 0).collect();
    ensure!(exported.len() == 1, "{} dynamic symbols", exported.len());
    ensure!(elf.dynstrtab.get_at(exported[0].st_name) == Some(IMAGE_SYMBOL), "the dynamic symbol has another name");
    ensure!(exported[0].st_value == base + u64::from(frame.header), "`{IMAGE_SYMBOL}` at {:#x}", exported[0].st_value);

    sections(&elf, image, contents, frame)?;
    symbols(&elf, contents, frame)?;
    header(image, contents, frame)
}

fn segments(elf: &Elf<'_>, base: u64, frame: &Frame) -> Result<(), CheckError> {
    let loads: Vec<_> = elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD).collect();
    ensure!(loads.len() == 2, "{} loadable segments", loads.len());
    for p in &elf.program_headers {
        ensure!(p.p_flags & PF_X == 0, "an executable segment at {:#x}", p.p_offset);
        ensure!(
            p.p_type == PT_GNU_STACK || p.p_vaddr == base + p.p_offset,
            "segment at {:#x} is displaced",
            p.p_offset
        );
    }
    ensure!(loads[0].p_flags == PF_R && loads[1].p_flags == PF_R | PF_W, "segment permissions");
    ensure!(loads[0].p_offset == 0 && loads[0].p_filesz == u64::from(frame.read_only_end), "the read-only segment");
    let writable = (u64::from(frame.dynamic), u64::from(frame.span));
    ensure!((loads[1].p_offset, loads[1].p_offset + loads[1].p_memsz) == writable, "the writable segment");
    ensure!(elf.program_headers.iter().any(|p| p.p_type == PT_DYNAMIC), "no dynamic segment");
    Ok(())
}

fn sections(elf: &Elf<'_>, image: &[u8], contents: &Contents, frame: &Frame) -> Result<(), CheckError> {
    let planned = contents
        .tables
        .iter()
        .zip(&frame.tables)
        .map(|((kind, bytes), &position)| (*kind, bytes, position))
        .chain([(SectionKind::Objects, &contents.objects, frame.objects)]);
    for (kind, bytes, position) in planned {
        let name = kind.elf_name();
        let section = elf.section_headers.iter().find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(name));
        let Some(section) = section else { return Err(CheckError(format!("no section `{name}`"))) };
        ensure!(section.sh_offset == u64::from(position), "section `{name}` at {:#x}", section.sh_offset);
        ensure!(section.sh_addr == contents.header.preferred_base + u64::from(position), "address of `{name}`");
        let start = position as usize;
        ensure!(image.get(start..start + bytes.len()) == Some(&bytes[..]), "contents of `{name}`");
        ensure!(section.sh_size == bytes.len() as u64, "size of `{name}`");
    }
    Ok(())
}

fn symbols(elf: &Elf<'_>, contents: &Contents, frame: &Frame) -> Result<(), CheckError> {
    let start = contents.header.preferred_base + u64::from(frame.objects);
    let found: Vec<_> = elf.syms.iter().skip(1).collect();
    ensure!(found.len() == contents.symbols.len(), "{} static symbols", found.len());
    for (symbol, planned) in found.iter().zip(&contents.symbols) {
        let agrees = elf.strtab.get_at(symbol.st_name) == Some(planned.name.as_str())
            && symbol.st_value == start + u64::from(planned.start)
            && symbol.st_size == u64::from(planned.size);
        ensure!(agrees, "symbol `{}`", planned.name);
    }
    Ok(())
}

fn header(image: &[u8], contents: &Contents, frame: &Frame) -> Result<(), CheckError> {
    let (header, position) = find_header(image).map_err(|e| CheckError(format!("the identity note: {e:?}")))?;
    ensure!(position == frame.header as usize, "the header lies at {position:#x}");
    ensure!(header.file_size == image.len() as u64, "the header names a size of {} bytes", header.file_size);
    ensure!(header.span == u64::from(frame.span), "the header names a span of {:#x}", header.span);
    ensure!(header.digest == digest(image, position), "the digest");
    let dynamic = &image[frame.dynamic as usize..frame.dynamic_end as usize];
    ensure!(header.dynamic_checksum == checksum32(&[dynamic]), "the checksum of the dynamic segment");
    let planned = Header {
        digest: header.digest,
        dynamic_checksum: header.dynamic_checksum,
        file_size: header.file_size,
        span: header.span,
        sections: frame.directory,
        section_count: contents.tables.len() as u32 + 1,
        ..contents.header.clone()
    };
    ensure!(header == planned, "the header");
    Ok(())
}

/// The digest that belongs into the header at `position`.
pub fn digest(image: &[u8], position: usize) -> [u8; 32] {
    let start = position + Header::DIGEST_OFFSET;
    let mut hasher = Sha256::new();
    hasher.update(&image[..start]);
    hasher.update([0; 40]);
    hasher.update(&image[start + 40..]);
    hasher.finalize().into()
}
