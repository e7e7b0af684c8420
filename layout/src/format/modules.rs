//! Module, directory and root records.

use super::checksum::checksum32;
use super::codec::{Reader, Writer};

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

/// One importable module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleRecord {
    /// Full dotted name.
    pub name: TextRef,
    /// File name below `directory`: `os.py`, `json/__init__.py`; empty for namespace packages.
    pub file: TextRef,
    /// Number of the directory whose search finds the module.
    pub directory: u32,
    /// For packages the number of the package's own directory (its `__path__`), otherwise [`NONE`].
    pub package: u32,
    /// Kind.
    pub kind: ModuleKind,
    /// Offset of the root code object; [`NONE`] where there is only a location.
    pub code: u32,
    /// Number of the fixup unit; [`NONE`] where there is no code.
    pub unit: u32,
    /// What [`ModuleRecord::sum`] gives for the record and its file name.
    pub checksum: u32,
    /// Stamp of the source; zero where nothing is checked.
    pub stamp: Stamp,
}

impl ModuleRecord {
    /// Size of a record.
    pub const SIZE: usize = 64;
    /// Appends the record.
    pub fn encode(&self, w: &mut Writer) {
        self.name.encode(w);
        self.file.encode(w);
        w.u32(self.directory);
        w.u32(self.package);
        w.u32(self.kind as u32);
        w.u32(self.code);
        w.u32(self.unit);
        w.u32(self.checksum);
        w.u64(self.stamp.mtime_ns as u64);
        w.u64(self.stamp.size);
        w.u64(self.stamp.hash);
    }
    /// Takes a record.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let name = TextRef::decode(r)?;
        let file = TextRef::decode(r)?;
        let directory = r.u32()?;
        let package = r.u32()?;
        let kind = match r.u32()? {
            0 => ModuleKind::Source,
            1 => ModuleKind::Sourceless,
            2 => ModuleKind::Extension,
            3 => ModuleKind::Namespace,
            _ => return None,
        };
        let code = r.u32()?;
        let unit = r.u32()?;
        let checksum = r.u32()?;
        let stamp = Stamp { mtime_ns: r.u64()? as i64, size: r.u64()?, hash: r.u64()? };
        Some(ModuleRecord { name, file, directory, package, kind, code, unit, checksum, stamp })
    }
    /// The checksum of the record with its name and that of its file.
    pub fn sum(&self, name: &str, file: &str) -> u32 {
        let mut w = Writer { bytes: Vec::with_capacity(Self::SIZE) };
        ModuleRecord { checksum: 0, ..*self }.encode(&mut w);
        checksum32(&[&w.bytes, name.as_bytes(), file.as_bytes()])
    }
    /// Whether the module is a package.
    pub fn is_package(&self) -> bool {
        self.package != NONE
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
