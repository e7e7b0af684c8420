//! Builds of CPython whose objects have other heads: neither the builder nor the loader lets an image and them meet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_tests::files::{read, snapshot, write};
use cds_tests::interpreters::{Interpreter, Interpreters, Unsuitable};
use cds_tests::process::Run;
use cds_tests::suite::{skipped, trial};
use cds_tests::tools::tools;
use cds_tests::workspace;
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

/// A test of one such build: with an interpreter of the ordinary kind, the build, and what messages call it.
type Test = fn(&Interpreter, &Interpreter, &str) -> Result<()>;

const TESTS: [(&str, Test); 3] = [("builder", builder), ("loader", loader), ("required", required)];

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (reason, kind) in [(Unsuitable::Debug, "debug"), (Unsuitable::FreeThreaded, "free-threaded")] {
        let mut found = interpreters.others.iter().filter(|(_, r)| *r == reason).map(|(python, _)| python).peekable();
        if found.peek().is_none() {
            let title = format!("variants::{kind}{}", place(interpreters));
            skipped(&title, "no such build of CPython");
            let none = || Err(Failed::from("no such build of CPython"));
            trials.push(Trial::test(title, none).with_ignored_flag(true));
        }
        for build in found {
            // The nearest thing to it: of the same version, so that nothing but the kind of build is wrong.
            let same = interpreters.tested.iter().rev().find(|python| python.minor == build.minor);
            let Some(ordinary) = same.or(interpreters.tested.last()) else { continue };
            for (name, test) in TESTS {
                let (ordinary, build) = (ordinary.clone(), build.clone());
                let title = format!("variants::{name}::{}", build.label);
                trials.push(trial(title, move || test(&ordinary, &build, kind)));
            }
        }
    }
    trials
}

fn place(interpreters: &Interpreters) -> String {
    interpreters.folder.as_ref().map(|folder| format!("::{folder}")).unwrap_or_default()
}

/// `cds-build` names the kind of build, in every command that takes an interpreter, and writes nothing.
fn builder(_: &Interpreter, build: &Interpreter, kind: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = directory.path().join("image.so");
    let tools = tools()?;
    let runs = [
        tools.cds_build().arg("--out").arg(&image).arg("--python").arg(&build.executable),
        tools.cds_build().arg("install").arg("--python").arg(&build.executable).arg("--loader").arg(&tools.loader),
    ];
    let supported = cds_layout::cpython::layout(build.minor).is_some();
    for run in runs {
        let output = run.status(2)?;
        let expected = if supported {
            format!("is a {kind} build of CPython {}, which is not supported", build.version)
        } else {
            format!("is CPython {}, which is not supported", build.version)
        };
        ensure!(output.stderr.starts_with("error: ") && output.stderr.contains(&expected), "{output}");
        ensure!(output.stderr.contains("\nhint: "), "no hint: {output}");
        ensure!(output.stdout.is_empty() && snapshot(directory.path())?.is_empty(), "{output}");
    }
    Ok(())
}

/// A directory of the build's user with the loader, its start file and an image for another interpreter in it.
struct Site {
    directory: TempDir,
    site: PathBuf,
}

impl Site {
    fn new(ordinary: &Interpreter, build: &Interpreter) -> Result<Site> {
        let directory = tempfile::tempdir()?;
        let text = "import site; print(site.getusersitepackages())";
        let site = python(build, directory.path()).arg("-c").arg(text).ok()?.stdout;
        let site = PathBuf::from(site.trim_end());
        ensure!(site.starts_with(directory.path()), "the user's site directory is `{}`", site.display());
        let tools = tools()?;
        write(site.join("cds_loader.abi3.so"), read(&tools.loader)?)?;
        let start = "cds_loader.pth";
        write(site.join(start), read(workspace().join("builder/src/install").join(start))?)?;
        let image = site.join("site-cds.so");
        tools.cds_build().arg("--out").arg(&image).arg("--python").arg(&ordinary.executable).arg("json").ok()?;
        Ok(Site { directory, site })
    }

    fn image(&self) -> PathBuf {
        self.site.join("site-cds.so")
    }

    fn python(&self, build: &Interpreter) -> Run {
        python(build, self.directory.path())
    }
}

/// A run of the build with a user's directory of its own.
fn python(build: &Interpreter, user: &Path) -> Run {
    Run::new(&build.executable).env("PYTHONUSERBASE", user)
}

/// Starts and imports as if there were neither loader nor image, and without a word. Whoever asks is told why.
fn loader(ordinary: &Interpreter, build: &Interpreter, kind: &str) -> Result<()> {
    let site = Site::new(ordinary, build)?;
    let says = format!("this interpreter is a {kind} build of CPython");
    // One that is told so, and one that some versions would look for: a loader under the plain name.
    for name in ["cds_loader.abi3.so", "cds_loader.so"] {
        if name == "cds_loader.so" {
            fs::rename(site.site.join("cds_loader.abi3.so"), site.site.join(name))?;
        }
        let run = || site.python(build).arg("-c");
        let output = run().arg("import json; print(json.loads('[1]'))").ok()?.silent()?;
        ensure!(output.stdout == "[1]\n", "{name}: {output}");
        let asks = "try:\n  import cds_loader\n  print(cds_loader.status())\nexcept ImportError as e:\n  print(e)\n";
        let output = run().arg(asks).ok()?.silent()?;
        ensure!(output.stdout.contains(&says), "{name}: {output}");
        let output = run().arg("print(2)").env("PYCDSMODE", "SHARE").env("PYCDSARCHIVE", site.image()).ok()?;
        ensure!(output.stdout == "2\n" && output.stderr.lines().count() == 1, "{name}: {output}");
        ensure!(output.stderr.contains(&says), "{name}: {output}");
    }
    Ok(())
}

/// `REQUIRE` ends the process with the reason.
fn required(ordinary: &Interpreter, build: &Interpreter, kind: &str) -> Result<()> {
    let site = Site::new(ordinary, build)?;
    let run = site.python(build).env("PYCDSMODE", "REQUIRE").env("PYCDSARCHIVE", site.image());
    let output = run.args(["-c", "print('still there')"]).status(1)?;
    let line = output.stderr.strip_prefix("cds_loader: image ").context("no line of the loader")?;
    ensure!(output.stdout.is_empty() && line.lines().count() == 1, "{output}");
    ensure!(line.contains(&format!("rejected: this interpreter is a {kind} build of CPython")), "{output}");
    // `-E` turns the variables off, so the program runs. The user's directory, too, so it is named.
    let run = site.python(build).env("PYCDSMODE", "REQUIRE").env("PYCDSARCHIVE", site.image());
    let text = "import site, sys; site.addsitedir(sys.argv[1]); print('still there')";
    let output = run.args(["-E", "-c", text]).arg(&site.site).ok()?.silent()?;
    ensure!(output.stdout == "still there\n", "{output}");
    Ok(())
}
