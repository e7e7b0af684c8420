//! Why an image is not used.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use cds_layout::cpython::supported;
use cds_layout::format::{FORMAT_VERSION, HeaderError, IdentityKind};

use crate::identity::Identity;

/// The first check that failed, with both sides where there are two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The file is not there.
    NoFile,
    /// The file cannot be opened or read.
    Unreadable(String),
    /// It is a directory, a device or a pipe.
    NotAFile,
    /// The first page holds no header of an image.
    Header(HeaderError),
    /// For another processor: `e_machine` of image and loader.
    Machine(u16, u16),
    /// For another kind of build of CPython.
    Abi(&'static str),
    /// For another version: `PY_VERSION_HEX` of image and interpreter.
    Version(u32, u32),
    /// For another build.
    Identity(Identity, Identity),
    /// Compiled at another optimisation level: of image and interpreter.
    Optimize(u8, i64),
    /// Shorter or longer than when it was built: size in the header and on disk.
    FileSize(u64, u64),
    /// `--check-hash-based-pycs always` with an image that checks nothing.
    Unchecked,
    /// A version of CPython that no image can be for.
    UnsupportedVersion(u32),
    /// A build of CPython that no image can be for.
    UnsupportedBuild(&'static str),
    /// The running interpreter cannot be identified.
    NoIdentity,
    /// Line tables of code objects carry no columns in this process.
    NoDebugRanges,
    /// An interpreter beside the main one.
    Subinterpreter,
    /// Another copy of the loader uses an image in this interpreter.
    OtherLoader,
    /// The runtime was finalised and initialised again in this process.
    Reinitialized,
    /// The dynamic linker refused the file.
    Link(String),
    /// The mapped file is not the one that was judged.
    Replaced,
    /// A table of the image is damaged.
    Malformed(&'static str),
    /// `sys.meta_path` has no `PathFinder` to stand before.
    NoPathFinder,
    /// An exception while setting up.
    Python(String),
    /// Another image is in use.
    OtherImage(PathBuf),
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoFile => f.write_str("no such file"),
            Reason::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Reason::NotAFile => f.write_str("not a regular file"),
            Reason::Header(error) => header_error(f, *error),
            Reason::Machine(image, loader) => {
                write!(f, "built for ELF machine {image}, this loader is for machine {loader}")
            }
            Reason::Abi(kind) => write!(f, "built for a {kind} build of CPython, this interpreter is a default build"),
            Reason::Version(image, running) => {
                write!(f, "built for CPython {}, this interpreter is {}", Hex(*image), Hex(*running))
            }
            Reason::Identity(image, running) => {
                write!(f, "built for {}, this interpreter is {}", Id(image), Id(running))
            }
            Reason::Optimize(image, running) => {
                write!(f, "built for optimization level {image}, this interpreter runs at level {running}")
            }
            Reason::FileSize(recorded, now) => {
                write!(f, "built with a size of {recorded} bytes, the file has {now} bytes")
            }
            Reason::Unchecked => {
                f.write_str("built without checks of the sources, --check-hash-based-pycs always demands them")
            }
            Reason::UnsupportedVersion(running) => {
                write!(f, "this interpreter is CPython {}, supported are {}", Hex(*running), supported())
            }
            Reason::UnsupportedBuild(kind) => {
                write!(f, "this interpreter is a {kind} build of CPython, supported are default builds")
            }
            Reason::NoIdentity => f.write_str("this interpreter's ELF object cannot be identified"),
            Reason::NoDebugRanges => {
                f.write_str("built with columns in line tables, this interpreter runs with `-X no_debug_ranges`")
            }
            Reason::Subinterpreter => f.write_str("code objects are not shared with subinterpreters"),
            Reason::OtherLoader => f.write_str("another copy of the loader has an image in use"),
            Reason::Reinitialized => f.write_str("the Python runtime was initialized a second time in this process"),
            Reason::Link(error) => write!(f, "cannot be mapped: {error}"),
            Reason::Replaced => f.write_str("the file was replaced while it was being mapped"),
            Reason::Malformed(what) => write!(f, "damaged: {what}"),
            Reason::NoPathFinder => f.write_str("`sys.meta_path` has no `PathFinder`"),
            Reason::Python(error) => write!(f, "cannot be set up: {error}"),
            Reason::OtherImage(path) => write!(f, "the image {} is in use in this process", path.display()),
        }
    }
}

fn header_error(f: &mut Formatter<'_>, error: HeaderError) -> fmt::Result {
    match error {
        HeaderError::NotElf => f.write_str("not an ELF file"),
        HeaderError::WrongElf => f.write_str("not a 64-bit little-endian ELF shared object"),
        HeaderError::NoNote => f.write_str("an ELF file, but not an image"),
        HeaderError::BadNote => f.write_str("damaged: identity note"),
        HeaderError::FormatVersion(image) => {
            write!(f, "built with format version {image}, this loader reads version {FORMAT_VERSION}")
        }
        HeaderError::Checksum => f.write_str("damaged: header checksum"),
        HeaderError::BadField => f.write_str("damaged: header field"),
    }
}

/// `PY_VERSION_HEX` as people write it: `3.13.0`, `3.14.0rc2`.
struct Hex(u32);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [major, minor, micro, release] = self.0.to_be_bytes();
        write!(f, "{major}.{minor}.{micro}")?;
        match release >> 4 {
            0xa => write!(f, "a{}", release & 15),
            0xb => write!(f, "b{}", release & 15),
            0xc => write!(f, "rc{}", release & 15),
            _ => Ok(()),
        }
    }
}

struct Id<'a>(&'a Identity);

impl Display for Id<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            IdentityKind::BuildId => "build-id ",
            IdentityKind::Substitute => "substitute id ",
        })?;
        self.0.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
