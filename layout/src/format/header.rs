//! The identity note: what an image is for, in the first page of the file.

use super::checksum::checksum64;
use super::codec::{Reader, Writer};
use super::{FIRST_PAGE, FORMAT_VERSION};

/// Owner name of the ELF note that holds the header, without its terminating zero.
pub const NOTE_NAME: &[u8] = b"CDS";

/// Type of that note.
pub const NOTE_TYPE: u32 = 1;

/// Size of the header in bytes.
pub const HEADER_SIZE: usize = 176;

const MAGIC: [u8; 8] = *b"CDSIMAGE";

/// How the target is identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// `NT_GNU_BUILD_ID` of the ELF file that holds the interpreter.
    BuildId = 1,
    /// [`super::substitute_identity`], for interpreters without a build-id: weaker.
    Substitute = 2,
}

/// How the loader makes sure that a source has not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidationMode {
    /// Modification time and size of the source agree.
    Timestamp = 0,
    /// `importlib.util.source_hash` of the source agrees.
    CheckedHash = 1,
    /// Nothing is looked at.
    UncheckedHash = 2,
}

/// How the loader makes a unit's objects usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnitUse {
    /// Where they are in the image. Pages to which nothing is written are shared by processes.
    #[default]
    InPlace = 0,
    /// In a copy of the unit, but for what lies in the pool.
    Copied = 1,
}

/// Build options of the target that change object layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AbiFlags {
    /// `Py_DEBUG`.
    pub debug: bool,
    /// `Py_GIL_DISABLED`.
    pub free_threaded: bool,
}

/// The header of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// [`FORMAT_VERSION`] of the builder.
    pub format_version: u32,
    /// ELF `e_machine`.
    pub machine: u16,
    /// `PY_VERSION_HEX` of the target.
    pub hexversion: u32,
    /// Build options of the target.
    pub abi: AbiFlags,
    /// `sys.flags.optimize` that the code was compiled with.
    pub optimize: u8,
    /// How sources are checked.
    pub invalidation: InvalidationMode,
    /// What `identity` holds.
    pub identity_kind: IdentityKind,
    /// Build-id of the target or its substitute, at most 32 bytes.
    pub identity: Vec<u8>,
    /// How units are used.
    pub units: UnitUse,
    /// The base that addresses in the image assume.
    pub preferred_base: u64,
    /// Bytes from the base to the end of the last segment.
    pub span: u64,
    /// Size of the whole file.
    pub file_size: u64,
    /// Position of the section directory.
    pub sections: u32,
    /// Number of entries in the section directory.
    pub section_count: u32,
    /// Number of module records.
    pub module_count: u32,
    /// [`checksum32`](super::checksum32) of the dynamic segment, which the dynamic linker believes.
    pub dynamic_checksum: u32,
    /// [`checksum32`](super::checksum32) of the sections of roots and externs, and of the roots' texts.
    pub tables_checksum: u32,
    /// Bytes of the pool, which the objects begin with.
    pub pool: u32,
    /// Slots that hold addresses of the interpreter hold words from this one on: the addresses themselves, or others if they
    /// differ from process to process.
    pub externs_start: u64,
    /// How many such words there are. No other word of the objects is one of them.
    pub externs_size: u64,
    /// SHA-256 of the file with this field and the checksum zeroed. Checked by `cds-build verify`, not at load.
    pub digest: [u8; 32],
}

/// Why the first page of a file is not the header of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer bytes than an ELF header, or no ELF magic.
    NotElf,
    /// An ELF file of another class, byte order or type.
    WrongElf,
    /// No identity note in the first page.
    NoNote,
    /// The note has another magic or size.
    BadNote,
    /// Another format version; its number.
    FormatVersion(u32),
    /// The bytes before the checksum do not add up to it.
    Checksum,
    /// A field has a value that no builder writes.
    BadField,
}

/// Offset of the digest within the header.
const DIGEST_OFFSET: usize = HEADER_SIZE - 8 - 32;

impl Header {
    /// Offset of the digest within the encoded header.
    pub const DIGEST_OFFSET: usize = DIGEST_OFFSET;
    /// Offset of the checksum within the encoded header: its last eight bytes.
    pub const CHECKSUM_OFFSET: usize = HEADER_SIZE - 8;

    /// The header as bytes; the checksum is zero until [`Header::seal`] fills it in.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut w = Writer::new();
        w.raw(&MAGIC);
        w.u32(self.format_version);
        w.u32(HEADER_SIZE as u32);
        w.u32(self.hexversion);
        w.u16(self.machine);
        w.u8(u8::from(self.abi.debug) | u8::from(self.abi.free_threaded) << 1);
        w.u8(self.optimize);
        w.u8(self.invalidation as u8);
        w.u8(self.identity_kind as u8);
        w.u8(self.identity.len() as u8);
        w.u8(self.units as u8);
        let mut identity = [0; 32];
        let len = self.identity.len().min(32);
        identity[..len].copy_from_slice(&self.identity[..len]);
        w.raw(&identity);
        w.u32(0);
        w.u64(self.preferred_base);
        w.u64(self.span);
        w.u64(self.file_size);
        w.u32(self.sections);
        w.u32(self.section_count);
        w.u32(self.module_count);
        w.u32(self.dynamic_checksum);
        w.u32(self.tables_checksum);
        w.u32(self.pool);
        w.u64(self.externs_start);
        w.u64(self.externs_size);
        w.bytes.resize(DIGEST_OFFSET, 0);
        w.raw(&self.digest);
        w.u64(0);
        w.bytes.try_into().expect("the fields fill the header exactly")
    }

    /// Writes the checksum of `page[..end]` into the last eight bytes before `end`, the end of the header.
    pub fn seal(page: &mut [u8], end: usize) {
        let sum = checksum64(&page[..end - 8]);
        page[end - 8..end].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads an encoded header without looking at its checksum.
    pub fn decode(bytes: &[u8]) -> Result<Header, HeaderError> {
        let mut r = Reader::new(bytes);
        if r.fixed() != Some(MAGIC) {
            return Err(HeaderError::BadNote);
        }
        let format_version = r.u32().ok_or(HeaderError::BadNote)?;
        if format_version != FORMAT_VERSION {
            return Err(HeaderError::FormatVersion(format_version));
        }
        if r.u32() != Some(HEADER_SIZE as u32) || bytes.len() != HEADER_SIZE {
            return Err(HeaderError::BadNote);
        }
        Self::decode_fields(format_version, bytes, r).ok_or(HeaderError::BadField)
    }

    fn decode_fields(format_version: u32, bytes: &[u8], mut r: Reader<'_>) -> Option<Header> {
        let hexversion = r.u32()?;
        let machine = r.u16()?;
        let abi = r.u8()?;
        let optimize = r.u8()?;
        let invalidation = match r.u8()? {
            0 => InvalidationMode::Timestamp,
            1 => InvalidationMode::CheckedHash,
            2 => InvalidationMode::UncheckedHash,
            _ => return None,
        };
        let identity_kind = match r.u8()? {
            1 => IdentityKind::BuildId,
            2 => IdentityKind::Substitute,
            _ => return None,
        };
        let identity_len = usize::from(r.u8()?);
        let units = match r.u8()? {
            0 => UnitUse::InPlace,
            1 => UnitUse::Copied,
            _ => return None,
        };
        let identity = r.fixed::<32>()?.get(..identity_len)?.to_vec();
        r.u32()?;
        Some(Header {
            format_version,
            machine,
            hexversion,
            abi: AbiFlags { debug: abi & 1 != 0, free_threaded: abi & 2 != 0 },
            optimize,
            invalidation,
            identity_kind,
            identity,
            units,
            preferred_base: r.u64()?,
            span: r.u64()?,
            file_size: r.u64()?,
            sections: r.u32()?,
            section_count: r.u32()?,
            module_count: r.u32()?,
            dynamic_checksum: r.u32()?,
            tables_checksum: r.u32()?,
            pool: r.u32()?,
            externs_start: r.u64()?,
            externs_size: r.u64()?,
            digest: bytes[DIGEST_OFFSET..DIGEST_OFFSET + 32].try_into().ok()?,
        })
    }
}

/// Finds, checks and decodes the header in the first page of an image.
///
/// Returns the header and its position. `page` may be shorter than [`FIRST_PAGE`] if the file is.
pub fn find_header(page: &[u8]) -> Result<(Header, usize), HeaderError> {
    if page.len() < 64 || page[..4] != *b"\x7fELF" {
        return Err(HeaderError::NotElf);
    }
    // 64-bit, little-endian, ET_DYN.
    if page[4] != 2 || page[5] != 1 || page[16..18] != [3, 0] {
        return Err(HeaderError::WrongElf);
    }
    let (at, len) = find_note(page).ok_or(HeaderError::NoNote)?;
    let bytes = page.get(at..at + len).ok_or(HeaderError::NoNote)?;
    let header = Header::decode(bytes)?;
    let stored = u64::from_le_bytes(bytes[HEADER_SIZE - 8..].try_into().expect("eight bytes"));
    if stored != checksum64(&page[..at + HEADER_SIZE - 8]) {
        return Err(HeaderError::Checksum);
    }
    Ok((header, at))
}

/// File offset and size of the dynamic segment.
pub fn dynamic_segment(page: &[u8]) -> Option<(u64, u64)> {
    const PT_DYNAMIC: u32 = 2;
    segments(page)?.find(|s| s.kind == PT_DYNAMIC).map(|s| (s.start, s.size))
}

/// One program header, as far as it matters here.
struct Segment {
    kind: u32,
    start: u64,
    size: u64,
}

/// The program headers in the first page; those that do not fit into it are left out.
fn segments(page: &[u8]) -> Option<impl Iterator<Item = Segment> + '_> {
    let phoff = Reader::new(page.get(32..)?).u64()?;
    let phentsize = u64::from(Reader::new(page.get(54..)?).u16()?);
    let phnum = u64::from(Reader::new(page.get(56..)?).u16()?);
    Some((0..phnum).filter_map(move |i| {
        let at = usize::try_from(phoff.checked_add(i * phentsize)?).ok()?;
        let mut ph = Reader::new(page.get(at..)?);
        let kind = ph.u32()?;
        ph.u32()?;
        let start = ph.u64()?;
        ph.take(16)?;
        Some(Segment { kind, start, size: ph.u64()? })
    }))
}

/// Position and size of the description of the identity note.
fn find_note(page: &[u8]) -> Option<(usize, usize)> {
    const PT_NOTE: u32 = 4;
    let page = &page[..page.len().min(FIRST_PAGE)];
    segments(page)?.filter(|s| s.kind == PT_NOTE).find_map(|segment| {
        let mut at = usize::try_from(segment.start).ok()?;
        let end = at.checked_add(usize::try_from(segment.size).ok()?)?;
        while at < end {
            let mut note = Reader::new(page.get(at..)?);
            let name_len = usize::try_from(note.u32()?).ok()?;
            let len = usize::try_from(note.u32()?).ok()?;
            let kind = note.u32()?;
            let name = note.rest().get(..name_len)?;
            let desc = at.checked_add(12)?.checked_add(name_len.checked_next_multiple_of(4)?)?;
            if kind == NOTE_TYPE && name.strip_suffix(b"\0") == Some(NOTE_NAME) {
                return Some((desc, len));
            }
            at = desc.checked_add(len)?.checked_next_multiple_of(4)?;
        }
        None
    })
}
