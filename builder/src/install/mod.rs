//! `cds-build install` and `uninstall`: the loader and its start file into and out of an environment.
//!
//! An environment belongs to its user and to pip. So nothing is written that somebody else owns, and
//! [`MANIFEST`] remembers what was written, by content, so that exactly this can be taken away again.
//! Every file appears under its name complete or not at all, the start file after the loader it needs.

mod environment;
mod error;
mod loader_file;
mod manifest;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::file;
use crate::target::Target;
pub use error::InstallError;
pub use loader_file::{LOADER_VARIABLE, find_loader};
pub use manifest::MANIFEST;
use manifest::{Entry, Manifest};

/// File name of the loader in an environment: an extension module for every supported version.
pub const LOADER: &str = "cds_loader.abi3.so";

/// The start file: `site` runs its line when an interpreter starts.
///
/// `site` of Python 3.15 to 3.17 runs such lines as earlier ones did, that of 3.18 ignores them (PEP 829). For its `.start` files
/// it imports `pkgutil` and all that this needs, which takes about as long as everything else in a start.
pub const START_FILE: &str = "cds_loader.pth";

/// What is in it.
const START_TEXT: &str = include_str!("cds_loader.pth");

/// A file that earlier versions installed too. Where it is, `site` of 3.15 passes over the line in [`START_FILE`].
const FORMER_START_FILE: &str = "cds_loader.start";

/// What [`install`] or [`uninstall`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The files were written.
    Installed,
    /// The same files were there already.
    UpToDate,
    /// The files were removed.
    Removed,
    /// Nothing of ours is there.
    NotInstalled,
    /// pip put the loader there: its `RECORD` lists it. Nothing was changed.
    OwnedByPip {
        /// The `.dist-info` directory that lists it.
        dist_info: PathBuf,
    },
}

/// Result of [`install`] and [`uninstall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallReport {
    /// The site directory.
    pub site: PathBuf,
    /// What happened.
    pub outcome: Outcome,
    /// The files that were written or removed.
    pub files: Vec<PathBuf>,
    /// Files left alone by [`uninstall`] because they have changed since they were installed.
    pub changed: Vec<PathBuf>,
    /// Images (`site-cds*.so`) in the site directory. They are the user's: neither written nor removed here.
    pub images: Vec<PathBuf>,
}

/// Puts the loader and its start file into the site directory of `target`.
///
/// `loader` is the loader to use; without it [`find_loader`] looks for one.
pub fn install(target: &Target, loader: Option<&Path>) -> Result<InstallReport, InstallError> {
    let site = environment::site(target)?;
    let mut report = InstallReport::new(&site, Outcome::Installed)?;
    if let Some(dist_info) = environment::owned_by_pip(target)? {
        report.outcome = Outcome::OwnedByPip { dist_info };
        return Ok(report);
    }
    environment::may_change(target)?;
    let loader = find_loader(loader)?;
    let binary = read(&loader)?;
    loader_file::check(&loader, &binary, target.machine)?;

    let wanted: [(&str, &[u8]); 2] = [(LOADER, &binary), (START_FILE, START_TEXT.as_bytes())];
    let old = Manifest::load(&site)?.unwrap_or_default();
    let mut pending = Vec::new();
    for &(name, bytes) in &wanted {
        match present(&site.join(name))? {
            None => pending.push((name, bytes)),
            Some(hash) if !old.owns(name, &hash) => return Err(InstallError::Foreign { path: site.join(name) }),
            Some(hash) if hash == manifest::hash(bytes) => {}
            Some(_) => pending.push((name, bytes)),
        }
    }
    let former = site.join(FORMER_START_FILE);
    let replaces = match present(&former)? {
        None => false,
        Some(hash) if !old.owns(FORMER_START_FILE, &hash) => return Err(InstallError::Foreign { path: former }),
        Some(_) => true,
    };
    if pending.is_empty() && !replaces {
        report.outcome = Outcome::UpToDate;
        return Ok(report);
    }

    // The manifest comes first and, until all is done, lists old and new contents: wherever this is
    // interrupted, every file is one that the manifest knows.
    let new = Manifest::new(wanted.iter().map(|&(name, bytes)| Entry::new(name, bytes)).collect());
    new.with(&old).save(&site)?;
    for (name, bytes) in pending {
        let path = site.join(name);
        let mode = if name == LOADER { 0o755 } else { 0o644 };
        put(&path, bytes, mode)?;
        report.files.push(path);
    }
    if replaces {
        remove(&former)?;
    }
    new.save(&site)?;
    Ok(report)
}

/// Removes what [`install`] put into the site directory of `target`, and nothing else.
pub fn uninstall(target: &Target) -> Result<InstallReport, InstallError> {
    let site = environment::site(target)?;
    let mut report = InstallReport::new(&site, Outcome::Removed)?;
    if let Some(dist_info) = environment::owned_by_pip(target)? {
        report.outcome = Outcome::OwnedByPip { dist_info };
        return Ok(report);
    }
    let Some(manifest) = Manifest::load(&site)? else {
        report.outcome = Outcome::NotInstalled;
        return Ok(report);
    };
    // The start file first: one that is left over would fail in every start of the interpreter.
    for name in [FORMER_START_FILE, START_FILE, LOADER] {
        let path = site.join(name);
        match present(&path)? {
            None => {}
            Some(hash) if manifest.owns(name, &hash) => {
                remove(&path)?;
                report.files.push(path);
            }
            Some(_) => report.changed.push(path),
        }
    }
    let path = site.join(MANIFEST);
    remove(&path)?;
    report.files.push(path);
    Ok(report)
}

impl InstallReport {
    fn new(site: &Path, outcome: Outcome) -> Result<Self, InstallError> {
        let images = environment::images(site)?;
        Ok(InstallReport { site: site.to_owned(), outcome, files: Vec::new(), changed: Vec::new(), images })
    }
}

/// Hash of the file at `path`, `None` if there is none. What is no regular file has the hash of nothing we write.
fn present(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(manifest::hash(&read(path)?))),
        Ok(_) => Ok(Some(String::new())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InstallError::Read { path: path.to_owned(), source }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InstallError> {
    fs::read(path).map_err(|source| InstallError::Read { path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), InstallError> {
    fs::remove_file(path).map_err(|source| InstallError::write(path, source))
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InstallError> {
    file::put(path, ".cds_loader.", bytes, mode).map_err(|source| InstallError::write(path, source))
}
