//! `PYCDSMODE=DUMP`: builds an image from a list with `cds-build`, in place of running Python.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::paths::folder;
use crate::py::{self, Object};
use crate::talk::say;

/// Name of the builder.
const BUILDER: &str = "cds-build";

/// Replaces this process by the builder.
///
/// The loader is started while `site` runs, where an exception like `SystemExit` would be a fatal error: the
/// process is replaced or ended at once.
pub fn run(module: &Object, list: &Path, archive: &Path) {
    let executable = match python_path(c"sys", c"executable") {
        Some(path) if !path.as_os_str().is_empty() => path,
        _ => {
            say("PYCDSMODE=DUMP needs sys.executable");
            exit(2);
        }
    };
    let Some(builder) = find_builder(module, &executable) else {
        say(format_args!("`{BUILDER}` was not found beside Python, beside the loader or on PATH"));
        exit(2);
    };
    flush();
    let error = Command::new(&builder)
        .arg("--python")
        .arg(&executable)
        .arg("--modules-from")
        .arg(list)
        .arg("--out")
        .arg(archive)
        // The builder runs this very interpreter.
        .env("PYCDSMODE", "OFF")
        .exec();
    say(format_args!("cannot run {}: {error}", builder.display()));
    exit(2);
}

/// Ends the process without running any more Python.
pub fn exit(status: i32) -> ! {
    flush();
    // SAFETY: always sound.
    unsafe { libc::_exit(status) }
}

fn flush() {
    // SAFETY: null stands for all open output streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

fn find_builder(module: &Object, executable: &Path) -> Option<PathBuf> {
    let beside_python = executable.parent().map(Path::to_owned);
    let scripts = scripts();
    let loader = folder(module);
    let package = loader.as_ref().map(|folder| folder.join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    [beside_python, scripts, loader, package]
        .into_iter()
        .flatten()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(BUILDER))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// `sysconfig.get_path("scripts")`
fn scripts() -> Option<PathBuf> {
    let find = || -> py::Result<PathBuf> {
        let scripts = py::import(c"sysconfig")?.get(c"get_path")?.call(&[&py::string("scripts")?])?;
        Ok(PathBuf::from(scripts.text()?))
    };
    let scripts = find();
    if scripts.is_err() {
        py::clear();
    }
    scripts.ok()
}

fn python_path(module: &std::ffi::CStr, attribute: &std::ffi::CStr) -> Option<PathBuf> {
    let path = py::import(module).and_then(|module| module.get(attribute)).and_then(|v| Ok(PathBuf::from(v.text()?)));
    if path.is_err() {
        py::clear();
    }
    path.ok()
}
