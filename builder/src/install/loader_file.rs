//! Where the loader comes from, and the proof that a file is one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use goblin::elf::header::ET_DYN;

use super::{InstallError, LOADER};

/// Environment variable that names the loader.
pub const LOADER_VARIABLE: &str = "CDS_LOADER";

/// Its name as cargo builds it.
const CARGO_NAME: &str = "libcds_loader.so";

/// What the interpreter calls in an extension module of this name.
const INIT: &str = "PyInit_cds_loader";

/// The loader to install: `given`, else the one that [`LOADER_VARIABLE`] names, else one beside this program
/// (a build tree or an unpacked archive), else the one in the environment that this program is installed in.
pub fn find_loader(given: Option<&Path>) -> Result<PathBuf, InstallError> {
    let named = given.map(Path::to_owned).or_else(|| {
        let value = env::var_os(LOADER_VARIABLE)?;
        (!value.is_empty()).then(|| PathBuf::from(value))
    });
    if let Some(path) = named {
        return if path.is_file() { Ok(path) } else { Err(InstallError::NoLoader { tried: vec![path] }) };
    }
    let program = env::current_exe().unwrap_or_default();
    let tried = places(program.parent().unwrap_or(Path::new("")));
    match tried.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(InstallError::NoLoader { tried }),
    }
}

/// Where a loader may lie, seen from the directory of this program.
fn places(bin: &Path) -> Vec<PathBuf> {
    let mut places = vec![bin.join(LOADER), bin.join(CARGO_NAME)];
    let environment = bin.parent().unwrap_or(bin);
    for lib in ["lib", "lib64"] {
        let Ok(listing) = fs::read_dir(environment.join(lib)) else { continue };
        let mut versions: Vec<PathBuf> = listing.flatten().map(|e| e.path()).collect();
        versions.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("python3")));
        versions.sort();
        for version in versions {
            places.extend(["site-packages", "dist-packages"].map(|site| version.join(site).join(LOADER)));
        }
    }
    places
}

/// Checks that `bytes`, the content of `path`, are a `cds_loader` extension for `machine` (ELF `e_machine`).
pub(super) fn check(path: &Path, bytes: &[u8], machine: u16) -> Result<(), InstallError> {
    let refuse = |reason: String| Err(InstallError::NotALoader { path: path.to_owned(), reason });
    let elf = match Elf::parse(bytes) {
        Ok(elf) => elf,
        Err(e) => return refuse(format!("not an ELF file ({e})")),
    };
    if elf.header.e_type != ET_DYN || elf.header.e_machine != machine {
        return refuse(format!("not a shared object for ELF machine {machine}"));
    }
    if !elf.dynsyms.iter().any(|s| s.st_shndx != 0 && elf.dynstrtab.get_at(s.st_name) == Some(INIT)) {
        return refuse(format!("it does not export `{INIT}`"));
    }
    Ok(())
}
