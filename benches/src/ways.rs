//! The environments of one interpreter, one for each way that needs its own, and how a process is started each way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cds_tests::environments::{Environment, kept};
use cds_tests::interpreters::Interpreter;
use cds_tests::process::Run;
use cds_tests::{files, fixtures, workspace};

use crate::launch::{launch, without_paths};
use crate::results::{Built, Way};

/// What of the public implementation is measured, and the newest minor version that it is made for.
const CDS: (&str, u8) = ("code-data-share==0.1.0", 12);

/// The environments of one interpreter. They have the same packages and differ in what else is in them.
#[derive(Debug)]
pub struct Subjects {
    /// Nothing else: for `.pyc` files, zip files and the limit.
    pub plain: Environment,
    /// The loader and an image of everything.
    pub image: Environment,
    /// code-data-share, where it can be had.
    pub cds: Option<Environment>,
    /// The image.
    pub built: Built,
    /// Variations of the image that are measured beside it.
    pub varied: Vec<Way>,
    /// What a reader must know.
    pub remarks: Vec<String>,
}

/// How processes start that have what they import in one way.
#[derive(Debug, Clone)]
pub struct Start {
    /// The environment's root.
    pub root: PathBuf,
    /// Variables that make it this way.
    pub variables: Vec<(&'static str, OsString)>,
    /// Of the limit: the trace with what is to be in memory.
    pub memory: Option<PathBuf>,
    /// The working directory.
    pub cwd: PathBuf,
}

impl Start {
    /// A process of the environment's interpreter.
    pub fn python(&self) -> Run {
        self.set(Run::new(self.root.join("bin/python3")))
    }

    /// A script of the environment, as it is typed.
    pub fn script(&self, name: &str) -> Run {
        self.set(Run::new(self.root.join("bin").join(name)))
    }

    fn set(&self, run: Run) -> Run {
        self.variables.iter().fold(run.cwd(&self.cwd), |run, (key, value)| run.env(key, value))
    }
}

/// A program of `fixtures/benches`.
pub fn program(name: &str) -> PathBuf {
    fixtures().join("benches").join(name)
}

impl Subjects {
    /// Makes the environments, or takes those of earlier runs; the loader and the image are made now. The variations `varied` are
    /// to be measured.
    pub fn prepare(interpreter: &Interpreter, varied: Vec<Way>) -> Result<Subjects> {
        let mut remarks = Vec::new();
        let plain = with_packages(interpreter, "bench-plain", None)?;
        let image = with_packages(interpreter, "bench-image", None)?;
        let cds = match interpreter.minor <= CDS.1 {
            false => Err(format!("{} is made for CPython 3.8 to 3.{}", CDS.0, CDS.1)),
            true => with_packages(interpreter, "bench-cds", Some(CDS.0)).map_err(|error| {
                let said = error.chain().last().map(ToString::to_string).unwrap_or_default();
                format!("{} cannot be installed: {}", CDS.0, without_paths(&said))
            }),
        };
        let cds = cds.map_err(|reason| remarks.push(reason)).ok();
        let _ = fs::remove_file(image.image());
        image.install_loader()?;
        let built = build(&image.image(), image.build(&image.image())?)?;
        django_project(&plain)?;
        Ok(Subjects { plain, image, cds, built, varied, remarks })
    }

    /// A start in the way of `.pyc` files, of the image or of a variation of it.
    pub fn start(&self, way: Way) -> Start {
        let (environment, variables) = match way {
            Way::Image => (&self.image, Vec::new()),
            Way::Paused => (&self.image, vec![("PYCDSGC", "pause".into())]),
            Way::InPlace => (&self.image, with_file("SHARE", "PYCDSARCHIVE", &self.in_place())),
            _ => (&self.plain, Vec::new()),
        };
        Start { root: environment.root.clone(), variables, memory: None, cwd: self.cwd() }
    }

    /// The working directory of all processes.
    fn cwd(&self) -> PathBuf {
        self.plain.scratch.join("here")
    }

    /// Packages and their versions.
    pub fn packages(&self) -> Result<BTreeMap<String, String>> {
        let text = "import importlib.metadata as m, json\n\
                    print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))";
        let output = self.plain.python().args(["-P", "-c", text]).ok()?;
        serde_json::from_str(&output.stdout).with_context(|| format!("no versions: {output}"))
    }

    /// A start each way for something that imports `modules`; `tracing` is a run of it in another way, for lists of what it
    /// imports. The second part says why there is none of a way. `.pyc` files that are missing are made.
    pub fn starts(
        &self,
        name: &str,
        modules: &[&str],
        tracing: impl Fn(&Start) -> Run,
    ) -> Result<(BTreeMap<Way, Start>, BTreeMap<Way, String>)> {
        let mut starts = self.own_starts(name, modules, &tracing)?;
        let mut reasons = BTreeMap::new();
        let directory = self.directory(name);
        if let Some(trace) = starts.get(&Way::Limit).and_then(|start| start.memory.clone()) {
            match self.bundle(&directory, &trace) {
                Ok(start) => drop(starts.insert(Way::Zip, start)),
                Err(error) => drop(reasons.insert(Way::Zip, brief(&error))),
            }
        }
        match self.archived(name, tracing) {
            None => {}
            Some(Ok(start)) => drop(starts.insert(Way::Cds, start)),
            Some(Err(error)) => drop(reasons.insert(Way::Cds, brief(&error))),
        }
        Ok((starts, reasons))
    }

    /// A start of the same by code-data-share, with an archive that is made now; `None` where that cannot be had.
    pub fn archived(&self, name: &str, tracing: impl Fn(&Start) -> Run) -> Option<Result<Start>> {
        Some(self.archive(self.cds.as_ref()?, &self.directory(name), tracing))
    }

    /// The same of `.pyc` files, the image and, if anything is imported, the limit: nothing else has to be made for these.
    pub fn own_starts(
        &self,
        name: &str,
        modules: &[&str],
        tracing: &impl Fn(&Start) -> Run,
    ) -> Result<BTreeMap<Way, Start>> {
        let mut starts: BTreeMap<Way, Start> =
            [Way::Pyc, Way::Image].map(|way| (way, self.start(way))).into_iter().collect();
        // A first run each way writes `.pyc` files that are missing.
        for start in starts.values() {
            launch(tracing(start).unset("PYTHONDONTWRITEBYTECODE"))?;
        }
        fs::create_dir_all(self.directory(name))?;
        if !modules.is_empty() {
            let trace = self.directory(name).join("trace.marshal");
            let run = self.start(Way::Pyc).python().arg("-P").arg(program("trace.py")).arg(&trace).args(modules);
            let missing = launch(run)?.stdout;
            ensure!(missing.is_empty(), "no `.pyc` files of {}", missing.replace('\n', " "));
            starts.insert(Way::Limit, Start { memory: Some(trace), ..self.start(Way::Pyc) });
        }
        Ok(starts)
    }

    /// Where the files lie that are made for one thing that is run.
    fn directory(&self, name: &str) -> PathBuf {
        self.plain.scratch.join(name.replace(' ', "-"))
    }

    /// A zip file in front of everything else.
    fn bundle(&self, directory: &Path, trace: &Path) -> Result<Start> {
        let (zip, start) = (directory.join("modules.zip"), self.start(Way::Pyc));
        launch(start.python().arg("-P").arg(program("bundle.py")).arg(trace).arg(&zip))?;
        Ok(Start { variables: vec![("PYTHONPATH", zip.into())], ..start })
    }

    /// An archive of code-data-share, as its README says: a list of what is imported, and an archive of the list.
    fn archive(&self, environment: &Environment, directory: &Path, tracing: impl Fn(&Start) -> Run) -> Result<Start> {
        let (list, archive) = (directory.join("modules.lst"), directory.join("modules.img"));
        for file in [&list, &archive] {
            let _ = fs::remove_file(file);
        }
        let start = Start { root: environment.root.clone(), ..self.start(Way::Pyc) };
        let traced = Start { variables: with_file("TRACE", "PYCDSLIST", &list), ..start.clone() };
        launch(tracing(&traced)).context("TRACE")?;
        let dump = "import sys, cds.dump; cds.dump.run_dump(sys.argv[1], sys.argv[2])";
        launch(start.python().args(["-P", "-c", dump]).arg(&list).arg(&archive)).context("dump")?;
        ensure!(archive.is_file(), "no archive");
        Ok(Start { variables: with_file("SHARE", "PYCDSARCHIVE", &archive), ..start })
    }
}

/// Variables that this project and code-data-share both know: what to do, and a file for it.
fn with_file(mode: &str, key: &'static str, file: &Path) -> Vec<(&'static str, OsString)> {
    vec![("PYCDSMODE", mode.into()), (key, file.into())]
}

/// An environment with the packages of `benches/requirements.txt` and perhaps one more, kept between runs.
fn with_packages(interpreter: &Interpreter, name: &str, more: Option<&str>) -> Result<Environment> {
    let names = workspace().join("benches/requirements.txt");
    let versions = workspace().join("tests/requirements.txt");
    let mut content = String::from_utf8([files::read(&names)?, files::read(&versions)?].concat())?;
    content += more.unwrap_or_default();
    kept(interpreter, name, &content, |environment| {
        eprintln!("  installing packages for {name}");
        let options = ["install".as_ref(), "-r".as_ref(), names.as_os_str(), "-c".as_ref(), versions.as_os_str()];
        environment.pip(interpreter, options.into_iter().chain(more.map(AsRef::as_ref)))?;
        Ok(())
    })
}

/// A project as `django-admin startproject` makes it, in the working directory.
fn django_project(environment: &Environment) -> Result<()> {
    let here = environment.scratch.join("here");
    if here.is_dir() {
        return Ok(());
    }
    let (part, script) = (environment.scratch.join("part"), environment.root.join("bin/django-admin"));
    let _ = fs::remove_dir_all(&part);
    fs::create_dir_all(&part)?;
    Run::new(script).args(["startproject", "benchsite"]).arg(&part).ok()?;
    fs::rename(&part, &here)?;
    Ok(())
}

/// Runs `cds-build` and says what it cost.
pub fn build(image: &Path, run: Run) -> Result<Built> {
    let finished = launch(run.args(["--json", "--quiet"])).context("`cds-build` failed")?;
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).context("`cds-build` printed no JSON")?;
    let number = |value: &serde_json::Value| value.as_u64().context("no number in the report of `cds-build`");
    let modules = number(&report["with_code"])?;
    // A `.pyc` file is 16 bytes and then what marshal wrote.
    let pyc_bytes = number(&report["notes"]["marshal_bytes"])? + 16 * modules;
    let image_bytes = fs::metadata(image).with_context(|| format!("no `{}`", image.display()))?.len();
    let Some(peak) = finished.peak else { bail!("the peak of `cds-build` is not known") };
    Ok(Built { modules, pyc_bytes, image_bytes, seconds: vec![finished.seconds], peak: vec![peak] })
}

/// An error with everything behind it, in one line.
pub fn brief(error: &anyhow::Error) -> String {
    without_paths(&error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
