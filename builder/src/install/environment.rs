//! What an environment says about itself: its site directory, who manages it, what pip put there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{InstallError, LOADER};
use crate::file;
use crate::target::{Role, Target};

/// The directory that extension modules of the environment are in and that `site` reads start files from.
pub(super) fn site(target: &Target) -> Result<PathBuf, InstallError> {
    let site = &target.platlib;
    let no_site = |reason| InstallError::NoSite { site: site.clone(), executable: target.executable.clone(), reason };
    if !site.is_dir() {
        return Err(no_site("there is no such directory"));
    }
    let is_site = |role: &Role| matches!(role, Role::Site | Role::UserSite);
    if !target.search_path.iter().any(|e| is_site(&e.role) && same(Path::new(&e.path), site)) {
        return Err(no_site("it is not on `sys.path`"));
    }
    Ok(site.clone())
}

/// The `.dist-info` directory of pip's installation of this project, if there is one that lists the loader.
pub(super) fn owned_by_pip(target: &Target) -> Result<Option<PathBuf>, InstallError> {
    for directory in [&target.platlib, &target.purelib] {
        for path in entries(directory)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !(name.starts_with("cds_build-") && name.ends_with(".dist-info")) {
                continue;
            }
            // RECORD lines are `path,hash,size`; the paths of files of the wheel's root have no directory.
            let Ok(record) = file::read_to_string(&path.join("RECORD")) else { continue };
            if record.lines().any(|line| line.split(',').next() == Some(LOADER)) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Refuses environments that a system's package manager looks after (PEP 668). A virtual environment never is one.
pub(super) fn may_change(target: &Target) -> Result<(), InstallError> {
    let marked = |e: &&crate::target::SearchEntry| {
        matches!(e.role, Role::Stdlib) && Path::new(&e.path).join("EXTERNALLY-MANAGED").exists()
    };
    if target.prefix == target.base_prefix && target.search_path.iter().any(|e| marked(&e)) {
        return Err(InstallError::ExternallyManaged { executable: target.executable.clone() });
    }
    Ok(())
}

/// The images that a loader in this directory would look at, `site-cds*.so`.
pub(super) fn images(site: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let mut images = entries(site)?;
    images.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "site-cds.so" || name.starts_with("site-cds.") && name.ends_with(".so")
    });
    Ok(images)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let failed = |source| InstallError::Read { path: directory.to_owned(), source };
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut paths = listing.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
