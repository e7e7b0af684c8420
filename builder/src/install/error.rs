//! What can go wrong when the loader is put into an environment.

use std::io;
use std::path::{Path, PathBuf};

/// Error of [`super::install`], [`super::uninstall`] and [`super::find_loader`].
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file that this program did not write has one of the names.
    #[error("`{path}` was not written by `cds-build install`, or was changed since: it is not overwritten")]
    Foreign {
        /// That file.
        path: PathBuf,
    },
    /// The environment belongs to the operating system (PEP 668).
    #[error("the environment of `{executable}` is externally managed")]
    ExternallyManaged {
        /// The interpreter.
        executable: PathBuf,
    },
    /// The site directory is missing or not on `sys.path`, so the start file would never be read.
    #[error("`{site}` is not a site directory of `{executable}`: {reason}")]
    NoSite {
        /// The directory.
        site: PathBuf,
        /// The interpreter.
        executable: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No loader was given, and none found.
    #[error("no loader found: neither {}", .tried.iter().map(|p| format!("`{}`", p.display())).collect::<Vec<_>>().join(" nor "))]
    NoLoader {
        /// Where it was looked for.
        tried: Vec<PathBuf>,
    },
    /// The file is no `cds_loader` extension for this machine.
    #[error("`{path}` is not a `cds_loader` extension: {reason}")]
    NotALoader {
        /// The file.
        path: PathBuf,
        /// Which check it fails.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written, renamed or removed.
    #[error("cannot change `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest is no manifest.
    #[error("`{path}` is not readable as the manifest of an installation")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl InstallError {
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        InstallError::Write { path: path.to_owned(), source }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            InstallError::Foreign { .. } => "move the file away if it is not needed, then try again",
            InstallError::ExternallyManaged { .. } => {
                "make a virtual environment with `python3 -m venv DIR` and pass its interpreter with `--python`"
            }
            InstallError::NoSite { .. } => "pass the interpreter of the environment with `--python`",
            InstallError::NoLoader { .. } => "pass the file with `--loader FILE`, or install the package with pip",
            InstallError::NotALoader { .. } => "`cargo build --release -p cds-loader` makes one",
            InstallError::Write { source, .. }
                if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                "the environment is not writable by this user; use a virtual environment of your own"
            }
            InstallError::Manifest { .. } => {
                "remove the file by hand; the loader's files are then treated as somebody else's"
            }
            InstallError::Read { .. } | InstallError::Write { .. } => return None,
        })
    }
}
