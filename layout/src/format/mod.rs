//! The image format: every constant and every record of `site-cds.so`, defined once.
//!
//! All numbers are little-endian. A *position* is an offset from the start of the image, which is
//! both its offset in the file and its offset from the mapped base. Places of objects are *offsets* from the start of the
//! objects, so that no table depends on how large the tables are. `docs/format.md` explains the parts.

mod checksum;
mod codec;
mod externs;
mod fixups;
mod header;
mod identity;
mod index;
mod modules;
mod named;
mod numbered;
mod recipes;
mod sections;
#[cfg(test)]
mod tests;
mod texts;
mod units;

pub use checksum::{checksum32, checksum64};
pub use codec::{Reader, Writer};
pub use externs::{Extern, ExternRecord, StaticRecord, StaticText, TypeId};
pub use fixups::{Ascending, Back, Filename, Front, Group, Name, Slots, UnitTables};
pub use header::{
    AbiFlags, HEADER_SIZE, Header, HeaderError, IdentityKind, InvalidationMode, NOTE_NAME, NOTE_TYPE, UnitUse,
    dynamic_segment, find_header,
};
pub use identity::{SYMBOLS as IDENTITY_SYMBOLS, substitute_identity};
pub use index::{Index, MAX_NUMBER, build_index, hash_name};
pub use modules::{
    DirectoryRecord, ModuleKind, ModuleRecord, NONE, RootKind, RootRecord, Stamp, TextRef, tables_checksum,
};
pub use named::{NamedRecord, ValueKind};
pub use numbered::{MAX_NUMBERS, Numbered, block_of, encode_numbered};
pub use recipes::{Step, leaves_of, steps};
pub use sections::{Section, SectionKind};
pub use texts::{Characters, Entry, Text, TextTable, Texts};
pub use units::{Range, UnitRecord};

/// Version of everything in this module. A loader uses only images of its own version.
pub const FORMAT_VERSION: u32 = 9;

/// How many bytes at the start of an image are enough to judge it.
pub const FIRST_PAGE: usize = 4096;

/// Alignment of segments in file and memory: the largest page size in common use (aarch64).
pub const SEGMENT_ALIGN: u64 = 64 * 1024;

/// Lowest preferred base. Below the area where Linux maps programs and libraries, above the heap of non-PIE programs.
pub const BASE_MIN: u64 = 0x0800_0000_0000;

/// End of the area of preferred bases.
pub const BASE_MAX: u64 = 0x5000_0000_0000;

/// Largest span of an image: positions are 32-bit.
pub const MAX_SPAN: u64 = u32::MAX as u64;

/// Objects that units share lie in the pool, which is moved to the addresses of a process in pieces of this size: a page.
pub const CHUNK: u32 = 4096;

/// Alignment of objects and of every slot that a fixup names.
pub const SLOT: u32 = 8;

/// Name of the dynamic symbol at the header. The base of a mapped image is its address less the header's position.
pub const IMAGE_SYMBOL: &str = "cds_image";

/// How a line of a list of modules starts that names a directory of the search path. Other lines that start with `#` are
/// comments; all others are module names.
pub const PATH_LINE: &str = "#path ";
