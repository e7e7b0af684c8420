//! Module, directory and root records.

use super::checksum::checksum32;
use super::codec::{Reader, Writer};
use super::units::Range;

/// No module, directory, unit or object: an index or offset that is not there.
pub const NONE: u32 = u32::MAX;

/// A piece of the text section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextRef {
    /// Offset within the text section.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl TextRef {
    pub(super) fn encode(self, w: &mut Writer) {
        w.u32(self.start);
        w.u32(self.len);
    }
    pub(super) fn decode(r: &mut Reader<'_>) -> Option<Self> {
        Some(TextRef { start: r.u32()?, len: r.u32()? })
    }
    /// The text, if it lies within `text` and is UTF-8.
    pub fn get<'a>(&self, text: &'a [u8]) -> Option<&'a str> {
        let start = self.start as usize;
        std::str::from_utf8(text.get(start..start.checked_add(self.len as usize)?)?).ok()
    }
}

/// What a root's path is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum RootKind {
    /// `sys.prefix`
    Prefix = 0,
    /// `sys.base_prefix`
    BasePrefix = 1,
    /// `sys.exec_prefix`
    ExecPrefix = 2,
    /// `sys.base_exec_prefix`
    BaseExecPrefix = 3,
    /// Nothing: the path is absolute.
    Absolute = 4,
}

/// A directory that modules were taken from: an entry of `sys.path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootRecord {
    /// What `relative` is relative to.
    pub kind: RootKind,
    /// Path below the prefix, without a leading slash; the whole path for [`RootKind::Absolute`].
    pub relative: TextRef,
    /// The path at build time, exactly as the target's `sys.path` has it.
    pub predicted: TextRef,
}

impl RootRecord {
    /// Size of a record.
    pub const SIZE: usize = 24;
    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.kind as u32);
        w.u32(0);
        self.relative.encode(w);
        self.predicted.encode(w);
    }
    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let kind = match r.u32()? {
            0 => RootKind::Prefix,
            1 => RootKind::BasePrefix,
            2 => RootKind::ExecPrefix,
            3 => RootKind::BaseExecPrefix,
            4 => RootKind::Absolute,
            _ => return None,
        };
        r.u32()?;
        Some(RootRecord { kind, relative: TextRef::decode(r)?, predicted: TextRef::decode(r)? })
    }
}

/// A directory that modules lie in: a root or a package directory below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryRecord {
    /// Number of its root.
    pub root: u32,
    /// Path below the root with `/` between the parts; empty for the root itself.
    pub relative: TextRef,
    /// Modification time in nanoseconds when it was listed; 0 where it is to be listed at run time, as roots are.
    pub mtime_ns: i64,
    /// What [`DirectoryRecord::sum`] gives for the record and its path.
    pub checksum: u32,
}

impl DirectoryRecord {
    /// Size of a record.
    pub const SIZE: usize = 24;
    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.root);
        w.u32(self.checksum);
        self.relative.encode(w);
        w.u64(self.mtime_ns as u64);
    }
    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let root = r.u32()?;
        let checksum = r.u32()?;
        Some(DirectoryRecord { root, checksum, relative: TextRef::decode(r)?, mtime_ns: r.u64()? as i64 })
    }
    /// The checksum of the record with its path `relative`.
    pub fn sum(&self, relative: &str) -> u32 {
        let mut w = Writer::new();
        DirectoryRecord { checksum: 0, ..*self }.encode(&mut w);
        checksum32(&[&w.bytes, relative.as_bytes()])
    }
}

/// Kind of a module record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ModuleKind {
    /// Code from a source file (`SourceFileLoader`).
    Source = 0,
    /// Code from a `.pyc` without source (`SourcelessFileLoader`): location only.
    Sourceless = 1,
    /// Extension module (`ExtensionFileLoader`): location only.
    Extension = 2,
    /// Namespace package: location only.
    Namespace = 3,
}

/// Modification time, size and hash of a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Modification time in nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Size in bytes.
    pub size: u64,
    /// `importlib.util.source_hash` of the contents, as a little-endian number.
    pub hash: u64,
}

impl Stamp {
    /// Whether a file with this modification time and size is the file that was stamped.
    ///
    /// Archives and container layers keep whole seconds only: a time without a fraction is compared by seconds.
    pub fn agrees(&self, mtime_ns: i64, size: u64) -> bool {
        self.size == size && same_time(self.mtime_ns, mtime_ns)
    }
}

fn same_time(recorded: i64, now: i64) -> bool {
    const SECOND: i64 = 1_000_000_000;
    recorded == now || (now.rem_euclid(SECOND) == 0 && recorded.div_euclid(SECOND) == now.div_euclid(SECOND))
}

impl DirectoryRecord {
    /// Whether a directory with this modification time has the entries that it had when it was listed.
    ///
    /// Trees whose times were all set to one early moment (reproducible archives) keep it whatever happens to them.
    pub fn agrees(&self, mtime_ns: i64) -> bool {
        /// 1980-01-02, the day after the earliest time that zip archives have.
        const MEANINGFUL: i64 = 315_619_200 * 1_000_000_000;
        self.mtime_ns >= MEANINGFUL && same_time(self.mtime_ns, mtime_ns)
    }
}

/// One importable module: all that has to be known of it to find it, with its texts, in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleRecord<'a> {
    /// Full dotted name.
    pub name: &'a str,
    /// What the path of the file below `directory` has behind the last part of the name: `.py`, `/__init__.py`; empty for namespace
    /// packages.
    pub suffix: &'a str,
    /// Number of the directory whose search finds the module.
    pub directory: u32,
    /// For packages the number of the package's own directory (its `__path__`), otherwise [`NONE`].
    pub package: u32,
    /// Kind.
    pub kind: ModuleKind,
    /// Offset of the root code object; [`NONE`] where there is only a location.
    pub code: u32,
    /// Where its fixup unit lies in the section of these; nothing where there is no code.
    pub unit: Range,
    /// Stamp of the source; zero where nothing is checked.
    pub stamp: Stamp,
}

impl<'a> ModuleRecord<'a> {
    /// What the offset of each record is a multiple of. The *number* of a record is its offset divided by that.
    pub const ALIGN: usize = 8;

    /// Bytes before the texts.
    const HEAD: usize = 52;

    /// The last part of the name.
    pub fn tail(&self) -> &'a str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// Whether the module is a package.
    pub fn is_package(&self) -> bool {
        self.package != NONE
    }

    /// Appends the record, and zeros up to where the next one starts; its number. `None` if a text is longer than those of any file.
    pub fn encode(&self, w: &mut Writer) -> Option<u32> {
        let start = w.bytes.len();
        w.u32(0);
        w.u16(self.name.len().try_into().ok()?);
        w.u8(self.suffix.len().try_into().ok()?);
        w.u8(self.kind as u8);
        for number in [self.directory, self.package, self.code, self.unit.start, self.unit.size] {
            w.u32(number);
        }
        for number in [self.stamp.mtime_ns as u64, self.stamp.size, self.stamp.hash] {
            w.u64(number);
        }
        w.raw(self.name.as_bytes());
        w.raw(self.suffix.as_bytes());
        w.align(Self::ALIGN);
        let (checksum, bytes) = w.bytes.get_mut(start..)?.split_first_chunk_mut::<4>()?;
        *checksum = checksum32(&[bytes]).to_le_bytes();
        u32::try_from(start / Self::ALIGN).ok()
    }

    /// Takes a record.
    pub fn decode(r: &mut Reader<'a>) -> Option<Self> {
        r.u32()?;
        let [name, suffix] = [r.u16()?, r.u8()?.into()];
        let kind = match r.u8()? {
            0 => ModuleKind::Source,
            1 => ModuleKind::Sourceless,
            2 => ModuleKind::Extension,
            3 => ModuleKind::Namespace,
            _ => return None,
        };
        let (directory, package, code) = (r.u32()?, r.u32()?, r.u32()?);
        let unit = Range { start: r.u32()?, size: r.u32()? };
        let stamp = Stamp { mtime_ns: r.u64()? as i64, size: r.u64()?, hash: r.u64()? };
        let mut text = |len: u16| std::str::from_utf8(r.take(len.into())?).ok();
        let (name, suffix) = (text(name)?, text(suffix)?);
        let size = Self::HEAD + name.len() + suffix.len();
        r.take(size.next_multiple_of(Self::ALIGN) - size)?;
        Some(ModuleRecord { name, suffix, directory, package, kind, code, unit, stamp })
    }

    /// The same, and whether the record's checksum agrees with it.
    pub fn decode_checked(r: &mut Reader<'a>) -> Option<(Self, bool)> {
        let before = r.rest();
        let module = Self::decode(r)?;
        let (checksum, bytes) = before.get(..before.len() - r.rest().len())?.split_first_chunk::<4>()?;
        Some((module, checksum32(&[bytes]) == u32::from_le_bytes(*checksum)))
    }

    /// The record with this number in the section of modules, if it is as the builder wrote it.
    pub fn of_number(section: &'a [u8], number: u32) -> Option<Self> {
        let mut r = Reader::new(section.get((number as usize).checked_mul(Self::ALIGN)?..)?);
        Self::decode_checked(&mut r).filter(|(_, agrees)| *agrees).map(|(module, _)| module)
    }
}

/// [`super::Header::tables_checksum`]: over the roots with their texts and the bytes of the sections with addresses in the
/// interpreter: externs and static strings.
pub fn tables_checksum<'a>(roots: &[RootRecord], addresses: [&[u8]; 2], text: impl Fn(TextRef) -> &'a str) -> u32 {
    let mut w = Writer::new();
    for root in roots {
        root.encode(&mut w);
        w.raw(text(root.relative).as_bytes());
        w.u8(0);
        w.raw(text(root.predicted).as_bytes());
        w.u8(0);
    }
    checksum32(&[&w.bytes, addresses[0], addresses[1]])
}
