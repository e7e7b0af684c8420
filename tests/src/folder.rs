//! The folder with Debian's testing suite: its newer interpreters need its newer libraries, so the tests run inside.
//!
//! `tests/debian-testing` prepares it and runs commands in it. The test program starts itself once more there, with the
//! same arguments; variables tell that process where it is and where the built programs are.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::files::{self, fnv};
use crate::interpreters::Interpreters;
use crate::tools::{target_directory, tools};
use crate::workspace;

/// Set to `off`, the folder is neither prepared nor used.
const SWITCH: &str = "CDS_TESTS_FOLDER";
/// The name of the folder that this process runs in.
const INSIDE: &str = "CDS_TESTS_INSIDE";
/// Cargo's target directory, for a process that cannot ask cargo.
const TARGET: &str = "CDS_TESTS_TARGET";
/// What a process in the folder is to do instead of running tests: print its interpreters as JSON.
const DISCOVER: &str = "CDS_TESTS_DISCOVER";

/// Its name in titles and messages.
const NAME: &str = "debian-testing";

/// The exit status of the script that says that this machine cannot do it.
const CANNOT: i32 = 3;

/// A folder that is complete.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    target: PathBuf,
}

/// What a process that runs in the folder knows.
#[derive(Debug)]
pub struct Inside {
    /// The folder's name.
    pub name: String,
    /// Cargo's target directory, with everything that is needed built.
    pub target: PathBuf,
    /// Whether it is only to print its interpreters.
    pub discover: bool,
}

/// What this process knows about the folder that it runs in, if it runs in one.
pub fn inside() -> Option<Inside> {
    let name = env::var(INSIDE).ok()?;
    let target = PathBuf::from(env::var_os(TARGET)?);
    Some(Inside { name, target, discover: env::var_os(DISCOVER).is_some() })
}

fn script() -> PathBuf {
    workspace().join("tests/debian-testing")
}

impl Folder {
    /// The folder that today's script makes; another script makes another folder.
    fn place(target: &Path) -> Result<Folder> {
        if env::var_os(SWITCH).is_some_and(|value| value == "off") {
            bail!("{SWITCH}=off");
        }
        let path = target.join(format!("cds-tests/{NAME}-{:016x}", fnv(&[&files::read(script())?])));
        Ok(Folder { path, target: target.to_owned() })
    }

    /// The folder if it is there already.
    pub fn ready(target: &Path) -> Result<Folder> {
        let folder = Folder::place(target)?;
        if folder.path.join(".complete").exists() { Ok(folder) } else { bail!("it is not prepared") }
    }

    /// The folder, which is prepared if it is missing: this takes minutes and talks.
    pub fn prepare(target: &Path) -> Result<Folder> {
        let folder = Folder::place(target)?;
        if let Ok(ready) = Folder::ready(target) {
            return Ok(ready);
        }
        println!("preparing `{}`: interpreters of Debian testing, once, in some minutes", folder.path.display());
        remove_older(&folder.path);
        let output = Command::new(script())
            .arg(&folder.path)
            .stdin(Stdio::null())
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped())
            .output()
            .with_context(|| format!("cannot run `{}`", script().display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        match output.status.code() {
            Some(0) => Ok(folder),
            Some(CANNOT) => bail!("{}", said.lines().last().unwrap_or_default().trim_start_matches("error: ")),
            _ => bail!("`{}` failed ({}): {said}", script().display(), output.status),
        }
    }

    /// The interpreters in the folder.
    pub fn discover(&self) -> Result<Interpreters> {
        let output = self.this_program(&[]).env(DISCOVER, "1").stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            bail!("the test program does not run in `{}` ({})", self.path.display(), output.status);
        }
        serde_json::from_slice(&output.stdout).context("the test program in the folder names no interpreters")
    }

    /// Runs this program in the folder with the same arguments but `flag`, which asked for it; its exit status.
    pub fn run_there(flag: &str) -> Result<u8> {
        let folder = Folder::prepare(&target_directory()?)?;
        // There it cannot be built.
        tools()?;
        let arguments: Vec<OsString> = env::args_os().skip(1).filter(|argument| argument != flag).collect();
        let status = folder.this_program(&arguments).status().context("cannot start this program in the folder")?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2))
    }

    /// Runs this program in the folder with the same arguments; whether it ended well.
    pub fn run_tests(&self) -> Result<bool> {
        let arguments: Vec<OsString> = env::args_os().skip(1).collect();
        let status = self.this_program(&arguments).status().context("cannot start the tests in the folder")?;
        Ok(status.success())
    }

    /// This program in the folder, with these arguments.
    pub fn this_program(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(script());
        command.arg("--bind").arg(workspace()).arg("--bind").arg(&self.target).arg(&self.path).arg("--");
        command.arg(env::current_exe().unwrap_or_default()).args(arguments);
        command.env(INSIDE, NAME).env(TARGET, &self.target).stdin(Stdio::null());
        command
    }
}

/// Removes what earlier versions of the script made: each is large.
fn remove_older(current: &Path) {
    let Some(entries) = current.parent().and_then(|parent| fs::read_dir(parent).ok()) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let ours = name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-'));
        if ours && !path.starts_with(current) && path.join(".complete").exists() {
            println!("removing `{}`, which another version of the script made", path.display());
            let _ = fs::remove_dir_all(path);
        }
    }
}
