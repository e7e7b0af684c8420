//! Links the unwinder into the loader: otherwise every start of an interpreter would look for `libgcc_s.so.1`, map and
//! relocate it, which takes as long as the loader itself. Nothing unwinds but a panic, which is a bug and is caught.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The static form of libgcc_s, as GCC installs it.
const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    // Where it is missing, the shared one serves as well.
    if let Some(directory) = unwinder().as_deref().and_then(Path::parent) {
        println!("cargo:rustc-link-search=native={}", directory.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// What the C compiler that links would take.
fn unwinder() -> Option<PathBuf> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let output = Command::new(linker).arg(format!("-print-file-name={UNWINDER}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // A name without a directory means that there is none.
    (path.is_absolute() && path.is_file()).then_some(path)
}
