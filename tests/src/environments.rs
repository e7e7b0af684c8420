//! Virtual environments: small ones per test, and one with real packages per interpreter that is kept between runs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::files;
use crate::interpreters::Interpreter;
use crate::process::{Output, Run};
use crate::tools::{Tools, tools};
use crate::workspace;

/// File whose presence says that an environment is complete.
const STAMP: &str = "complete";

/// A virtual environment.
#[derive(Debug)]
pub struct Environment {
    /// Its interpreter.
    pub python: PathBuf,
    /// Its site directory.
    pub site: PathBuf,
    /// Its root.
    pub root: PathBuf,
    /// A directory beside it for whatever a test needs.
    pub scratch: PathBuf,
    /// Holds a temporary environment.
    _directory: Option<TempDir>,
}

impl Environment {
    /// An empty environment with the loader, gone when the value is dropped.
    pub fn small(interpreter: &Interpreter) -> Result<Environment> {
        let environment = Environment::bare(interpreter)?;
        environment.install_loader()?;
        Ok(environment)
    }

    /// An empty environment without the loader, gone when the value is dropped.
    pub fn bare(interpreter: &Interpreter) -> Result<Environment> {
        let parent = tools()?.cache.join("small");
        fs::create_dir_all(&parent)?;
        let directory = tempfile::Builder::new().prefix("env-").tempdir_in(parent)?;
        let root = directory.path().join("env");
        Run::new(&interpreter.executable).args(["-m", "venv", "--without-pip"]).arg(&root).ok()?;
        let scratch = directory.path().join("scratch");
        fs::create_dir(&scratch)?;
        Environment::at(interpreter, root, scratch, Some(directory))
    }

    /// The environment with the packages of `requirements.txt`, the loader, and an image of everything in it
    /// as `site-cds.so`. Its packages are kept between runs; loader and image are those of this run.
    pub fn full(interpreter: &Interpreter) -> Result<Arc<Environment>> {
        type Slot = Arc<OnceLock<Result<Arc<Environment>, String>>>;
        static ALL: Mutex<Option<HashMap<String, Slot>>> = Mutex::new(None);
        let slot = {
            let mut all = ALL.lock().unwrap_or_else(|e| e.into_inner());
            all.get_or_insert_default().entry(interpreter.label.clone()).or_default().clone()
        };
        let made = slot.get_or_init(|| make_full(interpreter).map(Arc::new).map_err(|e| format!("{e:#}")));
        made.clone().map_err(|e| anyhow::anyhow!("{e}"))
    }

    /// An existing environment.
    fn at(base: &Interpreter, root: PathBuf, scratch: PathBuf, directory: Option<TempDir>) -> Result<Environment> {
        let python = root.join("bin/python3");
        let site = root.join(format!("lib/python3.{}/site-packages", base.minor));
        ensure!(python.is_file() && site.is_dir(), "`{}` is no virtual environment", root.display());
        Ok(Environment { python, site, root, scratch, _directory: directory })
    }

    /// A run of the environment's interpreter.
    pub fn python(&self) -> Run {
        Run::new(&self.python)
    }

    /// Runs a program text with the image at its usual place, if there is one, and expects it to end well.
    pub fn script(&self, text: &str) -> Result<Output> {
        self.python().arg("-c").arg(text).ok()
    }

    /// Puts the loader in, as a user without pip does.
    pub fn install_loader(&self) -> Result<Output> {
        let tools = tools()?;
        tools.cds_build().args(["install", "--python"]).arg(&self.python).arg("--loader").arg(&tools.loader).ok()
    }

    /// The usual place of an image.
    pub fn image(&self) -> PathBuf {
        self.site.join("site-cds.so")
    }

    /// A run of `cds-build` that makes an image of this environment.
    pub fn build(&self, out: &Path) -> Result<Run> {
        Ok(tools()?.cds_build().arg("--out").arg(out).arg("--python").arg(&self.python))
    }

    /// Makes an image at its usual place: of everything in the environment, but for CPython's own tests, which are half of a standard library.
    pub fn build_image(&self) -> Result<Output> {
        self.build(&self.image())?.args(["--exclude", "test", "--exclude", "test.*"]).ok()
    }

    /// Runs the environment's pip, or another one on its behalf where the system's Python comes without `ensurepip`.
    pub fn pip<A: AsRef<std::ffi::OsStr>>(
        &self,
        base: &Interpreter,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Output> {
        let own = self.site.join("pip").is_dir();
        let run = if own {
            self.python().args(["-m", "pip"])
        } else {
            Run::new(&base.executable).args(["-m", "pip", "--python"]).arg(&self.python)
        };
        let quiet = run.args(["--quiet", "--no-input", "--disable-pip-version-check"]).args(args);
        quiet.ok().with_context(|| {
            if own {
                "pip failed"
            } else {
                "the interpreter has neither `ensurepip` (on Debian the package python3-venv) nor a usable pip"
            }
        })
    }
}

/// Makes an environment with pip at `root`, or without pip if the interpreter has no `ensurepip`.
pub fn with_pip(interpreter: &Interpreter, root: &Path, scratch: &Path) -> Result<Environment> {
    let venv = || Run::new(&interpreter.executable).args(["-m", "venv", "--clear"]);
    if venv().arg(root).output()?.status != 0 {
        venv().arg("--without-pip").arg(root).ok().context("the `venv` module does not work")?;
    }
    fs::create_dir_all(scratch)?;
    Environment::at(interpreter, root.to_owned(), scratch.to_owned(), None)
}

fn make_full(interpreter: &Interpreter) -> Result<Environment> {
    let requirements = workspace().join("tests/requirements.txt");
    let content = String::from_utf8(files::read(&requirements)?)?;
    let environment = kept(interpreter, "full", &content, |environment| {
        environment.pip(interpreter, ["install".as_ref(), "-r".as_ref(), requirements.as_os_str()])?;
        Ok(())
    })?;
    prepare_full(tools()?, environment)
}

/// An environment that is kept between runs, as long as interpreter and `content` stay the same; `fill` installs
/// into it what `content` says.
pub fn kept(
    interpreter: &Interpreter,
    name: &str,
    content: &str,
    fill: impl FnOnce(&Environment) -> Result<()>,
) -> Result<Environment> {
    let key = files::fnv(&[content, &interpreter.build, &interpreter.executable.to_string_lossy()]);
    let directory = tools()?.cache.join(format!("{name}-{}-{key:016x}", interpreter.label));
    let (root, scratch) = (directory.join("env"), directory.join("scratch"));
    if directory.join(STAMP).is_file() {
        return Environment::at(interpreter, root, scratch, None);
    }
    let environment = with_pip(interpreter, &root, &scratch)?;
    fill(&environment)?;
    files::write(directory.join(STAMP), content)?;
    Ok(environment)
}

/// Puts today's loader and image into an environment.
fn prepare_full(tools: &Tools, environment: Environment) -> Result<Environment> {
    let _ = fs::remove_file(environment.image());
    environment.install_loader()?;
    let output = environment.build(&environment.image())?.ok()?;
    if !environment.image().is_file() {
        bail!("`{}` made no image: {output}", tools.builder.display());
    }
    Ok(environment)
}
