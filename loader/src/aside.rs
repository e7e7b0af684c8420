//! Why the loader steps aside.

use std::fmt::{self, Display, Formatter};

use crate::failure::Failure;
use crate::malformed::Malformed;
use crate::py;

/// Why the ordinary search, or the ordinary loader, is to run for a module of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aside {
    /// A namespace package: its path depends on the whole of `sys.path`.
    Namespace,
    /// Its code was handed out before, and code objects change while they run.
    SecondImport,
    /// The search path does not name its directory.
    NotOnPath,
    /// Its path is not ASCII and the file system's encoding is not UTF-8.
    PathEncoding,
    /// An entry before it on the search path may provide the name.
    Shadowed(String),
    /// An entry of the search path is searched in its own way.
    Importer(String),
    /// `sys.pycache_prefix` is another one than at activation.
    OtherCaches,
    /// A tool has replaced a method of the import system.
    Replaced,
    /// Its directory has another file that comes first, or the file is gone.
    Directory(String),
    /// The source is not the one that was stamped.
    SourceChanged,
    /// The loader was made for another file.
    OtherFile,
    /// A table of the image is damaged.
    Malformed,
    /// It is just being fixed up.
    Busy,
    /// The system gives no more memory.
    NoMemory,
    /// An exception, which was dropped.
    Exception,
    /// An exception that somebody else's finder or hook has raised, or a signal's handler meanwhile: it is as ever for the importer.
    Raised,
}

impl Display for Aside {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Aside::Namespace => f.write_str("namespace package"),
            Aside::SecondImport => f.write_str("imported a second time"),
            Aside::NotOnPath => f.write_str("its directory is not on the search path"),
            Aside::PathEncoding => f.write_str("the file system encoding is not UTF-8"),
            Aside::Shadowed(entry) => write!(f, "shadowed by {entry}"),
            Aside::Importer(entry) => write!(f, "{entry} is searched by another finder"),
            Aside::OtherCaches => f.write_str("sys.pycache_prefix was changed"),
            Aside::Replaced => f.write_str("a method of importlib was replaced"),
            Aside::Directory(path) => write!(f, "directory changed: {path}"),
            Aside::SourceChanged => f.write_str("source changed"),
            Aside::OtherFile => f.write_str("loader is for another file"),
            Aside::Malformed => f.write_str("image is damaged"),
            Aside::Busy => f.write_str("being prepared elsewhere"),
            Aside::NoMemory => f.write_str("no memory"),
            Aside::Exception | Aside::Raised => f.write_str("an exception in the search"),
        }
    }
}

impl From<Malformed> for Aside {
    fn from(_: Malformed) -> Self {
        Aside::Malformed
    }
}

impl From<Failure> for Aside {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Malformed => Aside::Malformed,
            Failure::Memory => Aside::NoMemory,
            Failure::Python => Aside::Exception,
            Failure::Busy => Aside::Busy,
            Failure::Gone => Aside::SecondImport,
        }
    }
}

impl From<py::Raised> for Aside {
    /// The exception stays set: who gives the answer clears it or lets it pass.
    fn from(_: py::Raised) -> Self {
        Aside::Exception
    }
}
