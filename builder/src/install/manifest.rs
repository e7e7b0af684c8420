//! The record of an installation: which files were written, and with what content.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::InstallError;
use crate::file;

/// File name of the record, beside the files.
pub const MANIFEST: &str = "cds_loader.manifest.json";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    name: String,
    /// SHA-256 of the content, in hex.
    sha256: String,
}

impl Entry {
    pub(super) fn new(name: &str, bytes: &[u8]) -> Self {
        Entry { name: name.to_owned(), sha256: hash(bytes) }
    }
}

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the program that wrote it.
    installed_by: String,
    /// A name may be listed with several contents while an update is under way.
    files: Vec<Entry>,
}

impl Manifest {
    pub(super) fn new(files: Vec<Entry>) -> Self {
        Manifest { installed_by: concat!("cds-build ", env!("CARGO_PKG_VERSION")).to_owned(), files }
    }

    /// The record of a site directory, `None` if it has none.
    pub(super) fn load(site: &Path) -> Result<Option<Self>, InstallError> {
        let path = site.join(MANIFEST);
        match file::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|source| InstallError::Manifest { path, source })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(InstallError::Read { path, source }),
        }
    }

    pub(super) fn save(&self, site: &Path) -> Result<(), InstallError> {
        let mut text = serde_json::to_vec_pretty(self).expect("strings only");
        text.push(b'\n');
        super::put(&site.join(MANIFEST), &text, 0o644)
    }

    /// This record with the entries of another one.
    pub(super) fn with(&self, other: &Manifest) -> Manifest {
        let mut both = self.clone();
        both.files.extend(other.files.iter().filter(|e| !self.files.contains(e)).cloned());
        both
    }

    /// Whether the file `name` with this content was written by an installation.
    pub(super) fn owns(&self, name: &str, sha256: &str) -> bool {
        self.files.iter().any(|e| e.name == name && e.sha256 == sha256)
    }
}

/// SHA-256 in hex.
pub(super) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
