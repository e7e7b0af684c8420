//! Where a suite runs: a virtual environment with what it needs, and an image that is put in place and taken away.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::suites::{Runner, Suite};
use crate::environments::{Environment, kept};
use crate::files;
use crate::interpreters::Interpreter;
use crate::process::Run;
use crate::workspace;

/// An environment for a suite.
#[derive(Debug)]
pub struct Place {
    /// The environment; its image is in place only while the tests run with it.
    pub environment: Environment,
    /// The unpacked source distribution, the working directory of its tests.
    pub sources: Option<PathBuf>,
    aside: PathBuf,
}

impl Place {
    /// Makes the environment, with the loader and an image of everything in it.
    pub fn make(interpreter: &Interpreter, suite: &Suite) -> Result<Place> {
        let environment = match suite.runner {
            Runner::Regrtest => Environment::bare(interpreter)?,
            Runner::Pytest => with_packages(interpreter, suite)?,
        };
        environment.install_loader()?;
        let aside = environment.scratch.join("site-cds.so");
        // A run that was interrupted leaves its image in place.
        let _ = fs::remove_file(environment.image());
        environment.build(&aside)?.ok()?;
        let sources = suite.sdist.map(|sdist| unpacked(&environment, sdist));
        Ok(Place { environment, sources, aside })
    }

    /// Puts the image where every process of the environment finds it, those that tests start with `-I` too.
    pub fn show_image(&self) -> Result<()> {
        fs::rename(&self.aside, self.environment.image()).context("cannot put the image in place")
    }

    /// Takes the image away, so that no process can find it.
    pub fn hide_image(&self) -> Result<()> {
        fs::rename(self.environment.image(), &self.aside).context("cannot take the image away")
    }

    /// The targets of the suite that exist for this interpreter, and those that do not.
    pub fn targets<'a>(&self, suite: &Suite, wanted: &[&'a str]) -> Result<(Vec<&'a str>, Vec<&'a str>)> {
        if suite.runner == Runner::Pytest {
            return Ok((wanted.to_vec(), Vec::new()));
        }
        regrtest_modules(&self.environment.python, wanted)
    }
}

/// Which of these modules the interpreter's `test` package has.
pub fn regrtest_modules<'a>(python: &Path, wanted: &[&'a str]) -> Result<(Vec<&'a str>, Vec<&'a str>)> {
    const LOOK: &str = "import importlib.util, sys\n\
        try:\n    import test.libregrtest\n    names = sys.argv[1:]\n\
        except ImportError:\n    names = []\n\
        print('\\n'.join(n for n in names if importlib.util.find_spec('test.' + n)))";
    let output = Run::new(python).args(["-I", "-c", LOOK]).args(wanted).ok()?;
    Ok(wanted.iter().partition(|name| output.stdout.lines().any(|line| line == **name)))
}

/// An environment with the packages of the suite, kept between runs.
fn with_packages(interpreter: &Interpreter, suite: &Suite) -> Result<Environment> {
    let requirements = workspace().join("tests/outcomes").join(suite.name).with_extension("txt");
    let content = String::from_utf8(files::read(&requirements)?)? + suite.sdist.unwrap_or_default();
    kept(interpreter, &format!("outcomes-{}", suite.name), &content, |environment| {
        let wheels = ["install", "--prefer-binary", "-r"].map(AsRef::as_ref);
        environment.pip(interpreter, wheels.into_iter().chain([requirements.as_os_str()]))?;
        let Some(sdist) = suite.sdist else { return Ok(()) };
        let name = sdist.split('=').next().unwrap_or(sdist);
        let to = environment.scratch.as_os_str();
        let download = ["download", "--no-deps", "--no-binary", name, sdist, "--dest"].map(AsRef::as_ref);
        environment.pip(interpreter, download.into_iter().chain([to]))?;
        let archive = environment.scratch.join(format!("{}.tar.gz", sdist.replace("==", "-")));
        ensure!(archive.is_file(), "pip made no `{}`", archive.display());
        Run::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(to).ok()?;
        environment
            .pip(interpreter, ["install", "--no-deps"].map(AsRef::as_ref).into_iter().chain([archive.as_os_str()]))?;
        Ok(())
    })
}

fn unpacked(environment: &Environment, sdist: &str) -> PathBuf {
    environment.scratch.join(sdist.replace("==", "-"))
}
