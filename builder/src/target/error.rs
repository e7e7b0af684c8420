//! Why an interpreter cannot be a target.

use std::io;
use std::path::PathBuf;

use cds_layout::cpython::supported;

/// Why an interpreter cannot be a target, or a profile not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No such file, and no such name on `PATH`.
    #[error("no interpreter `{}`", python.display())]
    NotFound {
        /// As it was asked for.
        python: PathBuf,
    },
    /// The file cannot be run.
    #[error("`{}` cannot be run", python.display())]
    NotExecutable {
        /// As it was asked for.
        python: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ran, and failed.
    #[error("`{}` did not answer: {status}{}", python.display(), tail(stderr))]
    Failed {
        /// As it was asked for.
        python: PathBuf,
        /// How it ended.
        status: String,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// It answered something that cannot be understood.
    #[error("`{}` gave an answer that is not understood", python.display())]
    Answer {
        /// As it was asked for.
        python: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A path that neither JSON nor an image can hold.
    #[error("`{}` has the path `{path}`, which is not UTF-8", python.display())]
    NotText {
        /// As it was asked for.
        python: PathBuf,
        /// The path, with replacement characters.
        path: String,
    },
    /// Another Python.
    #[error("`{}` is {implementation}, not CPython", python.display())]
    NotCPython {
        /// As it was asked for.
        python: PathBuf,
        /// `sys.implementation.name`.
        implementation: String,
    },
    /// A version without a row in the layout tables.
    #[error("`{}` is CPython {version}, which is not supported", python.display())]
    UnsupportedVersion {
        /// The interpreter or the profile.
        python: PathBuf,
        /// Its version.
        version: String,
    },
    /// A debug or free-threaded build.
    #[error("`{}` is a {build} build of CPython {version}, which is not supported", python.display())]
    UnsupportedBuild {
        /// The interpreter or the profile.
        python: PathBuf,
        /// Its version.
        version: String,
        /// `debug` or `free-threaded`.
        build: &'static str,
    },
    /// An ELF file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An ELF file is damaged or of a kind that no supported CPython has.
    #[error("`{}` is not an ELF file of an interpreter: {reason}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No mapped file defines `PyCode_Type` where the process has it.
    #[error("no ELF file of `{}` defines `PyCode_Type`", python.display())]
    NoElf {
        /// As it was asked for.
        python: PathBuf,
    },
    /// The process has an object elsewhere than its ELF file says.
    #[error("`{}` has `{symbol}` at {elf:#x}, the running interpreter at {live:#x}", path.display())]
    SymbolDisagrees {
        /// The ELF file.
        path: PathBuf,
        /// The object's symbol.
        symbol: String,
        /// `st_value`.
        elf: u64,
        /// Address in the process less the load bias.
        live: u64,
    },
    /// A symbol that must be there is not.
    #[error("`{}` has no symbol `{symbol}`", path.display())]
    NoSymbol {
        /// The ELF file.
        path: PathBuf,
        /// The name looked for.
        symbol: String,
    },
    /// A profile cannot be read.
    #[error("cannot read the target profile `{}`", path.display())]
    ReadProfile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A profile cannot be written.
    #[error("cannot write the target profile `{}`", path.display())]
    WriteProfile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A profile is not JSON, or lacks fields.
    #[error("`{}` is not a target profile", path.display())]
    ParseProfile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A profile of another version of this program.
    #[error("the target profile `{}` has schema {schema}, this program reads schema {expected}", path.display())]
    ProfileSchema {
        /// The file.
        path: PathBuf,
        /// Its `schema`.
        schema: u64,
        /// The schema that is understood.
        expected: u64,
    },
    /// A profile with a value that no interpreter has.
    #[error("the target profile `{}` is not valid: {reason}", path.display())]
    BadProfile {
        /// The file.
        path: PathBuf,
        /// Which value, and why.
        reason: String,
    },
}

impl TargetError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            TargetError::NotFound { .. } => Some("name an interpreter with `--python`".to_owned()),
            TargetError::Failed { .. } => Some("is it a Python interpreter, and does it start?".to_owned()),
            TargetError::NotText { .. } => {
                Some("all paths of an interpreter and its environment must be UTF-8".to_owned())
            }
            TargetError::NotCPython { .. } | TargetError::UnsupportedVersion { .. } => {
                Some(format!("supported are CPython {}", supported()))
            }
            TargetError::UnsupportedBuild { .. } => {
                Some("objects are laid out differently in such builds; use a default build".to_owned())
            }
            TargetError::NoElf { .. } => {
                Some("the interpreter's symbol table is needed; a stripped static build has none".to_owned())
            }
            TargetError::SymbolDisagrees { .. } => {
                Some("the file may have been replaced while the interpreter ran; try again".to_owned())
            }
            TargetError::ProfileSchema { .. } | TargetError::ParseProfile { .. } | TargetError::BadProfile { .. } => {
                Some("write the profile anew with this program".to_owned())
            }
            _ => None,
        }
    }
}

fn tail(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("\n{stderr}") }
}
