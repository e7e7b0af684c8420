//! The environment variables, read once.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// What this process does with images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Use the image beside the loader, if there is one. Silent.
    Default,
    /// Do nothing.
    Off,
    /// Append the names of the imported modules to a list.
    Trace {
        /// `PYCDSLIST`
        list: PathBuf,
    },
    /// Build an image from a list with `cds-build`, in place of running Python.
    Dump {
        /// `PYCDSLIST`
        list: PathBuf,
        /// `PYCDSARCHIVE`
        archive: PathBuf,
    },
    /// Use this image; say so if it is rejected.
    Share {
        /// `PYCDSARCHIVE`
        archive: PathBuf,
        /// End the process if the image is rejected.
        required: bool,
    },
}

/// Variables that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// One line for stderr.
    pub text: String,
    /// The process ends with this status; `None` where it goes on without an image.
    pub exit: Option<i32>,
}

/// The mode that `PYCDSMODE`, `PYCDSLIST` and `PYCDSARCHIVE` ask for.
pub fn mode() -> Result<Mode, Complaint> {
    let Some(mode) = variable("PYCDSMODE") else { return Ok(Mode::Default) };
    let path = |name: &str, exit: Option<i32>| {
        let complaint = |why: &str| Complaint { text: format!("PYCDSMODE={} {why}", mode.display()), exit };
        let value = variable(name).ok_or_else(|| complaint(&format!("needs {name}")))?;
        // The working directory may change before the path is used.
        std::path::absolute(value).map_err(|error| complaint(&format!("cannot use {name}: {error}")))
    };
    match mode.as_encoded_bytes() {
        b"OFF" => Ok(Mode::Off),
        b"TRACE" => Ok(Mode::Trace { list: path("PYCDSLIST", None)? }),
        b"DUMP" => Ok(Mode::Dump { list: path("PYCDSLIST", Some(2))?, archive: path("PYCDSARCHIVE", Some(2))? }),
        b"SHARE" => Ok(Mode::Share { archive: path("PYCDSARCHIVE", None)?, required: false }),
        b"REQUIRE" => Ok(Mode::Share { archive: path("PYCDSARCHIVE", Some(1))?, required: true }),
        _ => {
            let text = format!(
                "PYCDSMODE={} is unknown: expected TRACE, DUMP, SHARE, REQUIRE or OFF; nothing is done",
                mode.display()
            );
            Err(Complaint { text, exit: None })
        }
    }
}

/// `PYCDSVERBOSE`: 0 silent, 1 a summary at exit, 2 every module.
pub fn verbosity() -> u8 {
    variable("PYCDSVERBOSE").and_then(|v| v.to_str()?.trim().parse().ok()).unwrap_or(0)
}

/// Whether `PYCDSGC` asks for no collections while modules of the image execute.
pub fn pauses_collector() -> Result<bool, Complaint> {
    match variable("PYCDSGC") {
        None => Ok(false),
        Some(value) if value == "pause" => Ok(true),
        Some(value) => {
            let text = format!("PYCDSGC={} is unknown: expected pause; nothing is paused", value.display());
            Err(Complaint { text, exit: None })
        }
    }
}

/// An empty variable counts as unset, as everywhere in CPython.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
