//! What the suites share: the interpreters of the machine, environments, built programs, running things.

pub mod elf;
pub mod environments;
pub mod files;
pub mod folder;
pub mod hot;
pub mod interpreters;
pub mod oracle;
pub mod outcomes;
pub mod process;
pub mod suite;
pub mod system_calls;
pub mod tools;
pub mod valgrind;

use std::path::PathBuf;

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let crate_root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_root.parent().expect("the crate is a folder of the workspace").to_owned()
}

/// The script that compares values; `cds-build verify` brings it along.
pub fn comparison() -> PathBuf {
    workspace().join("builder/src/verify/compare.py")
}

/// The folder of small Python trees and probes.
pub fn fixtures() -> PathBuf {
    workspace().join("fixtures")
}
