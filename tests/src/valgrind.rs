//! valgrind, where the machine has it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::process::{Output, Run, which};

/// Why trials are ignored without it.
const NEEDED: &str = "needs valgrind";

/// CPython's own list of what is known and harmless, where Debian's packages of Python put it.
const SUPPRESSIONS: &str = "/usr/lib/valgrind/python3.supp";

/// An error that memcheck found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Its kind, such as `InvalidRead`.
    pub kind: String,
    /// The functions of all stacks that belong to it, innermost first. Those without a name are addresses where these are the
    /// same in every run, in an executable, and left out in a library.
    pub functions: Vec<String>,
}

impl Finding {
    /// What two runs can be compared by: the kind, and where it happened. Who called that depends on how modules are
    /// imported. Two addresses say as much as four names: where in a function it was, and where in its caller.
    pub fn place(&self) -> (&str, &[String]) {
        let exact = self.functions.iter().take(2).any(|function| function.starts_with(ADDRESS));
        let frames = if exact { 2 } else { 4 };
        // Python code that C code calls: whoever runs that Python code says nothing any more.
        let loops = self.functions.iter().enumerate().filter(|(_, function)| *function == EVALUATION);
        let frames = loops.map(|(index, _)| index + 1).nth(1).map_or(frames, |end| frames.min(end));
        (&self.kind, &self.functions[..self.functions.len().min(frames)])
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.functions.join(" < "))
    }
}

/// The function that runs bytecode.
const EVALUATION: &str = "_PyEval_EvalFrameDefault";

/// How an address starts.
const ADDRESS: &str = "0x";

/// What a frame of valgrind's XML is known by.
fn function(frame: &str) -> Option<String> {
    let value = |tag: &str| {
        let (_, rest) = frame.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
    };
    let in_library = || value("obj").is_none_or(|object| object.contains(".so"));
    value("fn").or_else(|| if in_library() { None } else { value("ip") })
}

/// An installed valgrind.
#[derive(Debug, Clone)]
pub struct Valgrind {
    program: PathBuf,
}

impl Valgrind {
    /// The one on `PATH`.
    pub fn find() -> Option<Valgrind> {
        which("valgrind").map(|program| Valgrind { program })
    }

    /// The one on `PATH`, or an error that says what to install.
    pub fn get() -> Result<Valgrind> {
        Valgrind::find().context("no `valgrind` on PATH; on Debian it is the package valgrind")
    }

    /// A run of memcheck that writes what it finds to `log` as XML. Leaks are not looked for.
    pub fn memcheck(&self, log: &Path) -> Run {
        let run = Run::new(&self.program).args(["--tool=memcheck", "--leak-check=no", "--num-callers=30"]);
        let run = run.args(["--xml=yes", "--child-silent-after-fork=yes"]).arg(format!("--xml-file={}", log.display()));
        let run =
            if Path::new(SUPPRESSIONS).is_file() { run.arg(format!("--suppressions={SUPPRESSIONS}")) } else { run };
        // Every object a block of its own, so that valgrind knows where it ends.
        run.env("PYTHONMALLOC", "malloc")
    }

    /// What memcheck wrote, but for leaks.
    pub fn findings(log: &Path) -> Result<Vec<Finding>> {
        let text = fs::read_to_string(log).with_context(|| format!("cannot read `{}`", log.display()))?;
        ensure!(text.contains("</valgrindoutput>"), "`{}` is not complete", log.display());
        let error = |block: &str| {
            let values = |tag: &str| -> Vec<String> {
                let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
                let rest = block.split(&open).skip(1);
                rest.filter_map(|part| part.split(&close).next()).map(str::to_owned).collect()
            };
            Finding {
                kind: values("kind").concat(),
                functions: block.split("<frame>").skip(1).filter_map(function).collect(),
            }
        };
        let errors = text.split("<error>").skip(1).filter_map(|rest| rest.split("</error>").next()).map(error);
        // Whatever `--leak-check` says, memcheck looks for leaks when it writes XML.
        Ok(errors.filter(|finding| !finding.kind.starts_with("Leak_")).collect())
    }

    /// A run of callgrind that writes its counters into `directory`, and starts again, whenever `function` is called.
    pub fn callgrind(&self, directory: &Path, function: &str) -> Result<Run> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        let out = format!("--callgrind-out-file={}", directory.join("out").display());
        let run = Run::new(&self.program).args(["-q", "--tool=callgrind"]).arg(out);
        Ok(run.arg(format!("--dump-before={function}")))
    }

    /// Runs a program of `python` that calls `os.getppid` twice, with the same hash seed each time: what it printed, and the instructions
    /// from its start to the first call and from there to the second, whose parts of the profile are left in `directory`.
    pub fn between_calls(
        &self,
        directory: &Path,
        python: &Path,
        program: impl FnOnce(Run) -> Run,
    ) -> Result<(Output, [u64; 2])> {
        let run = program(self.callgrind(directory, "getppid")?.arg(python).arg("-P"));
        let output = run.env("PYTHONHASHSEED", "0").ok()?;
        let parts = self.parts(directory)?;
        let two = parts.as_slice().try_into();
        Ok((output, two.with_context(|| format!("{} parts of a profile, not 2", parts.len()))?))
    }

    /// The text of one part of what such a run has written; part 1 ends before the first call.
    pub fn profile(directory: &Path, part: usize) -> Result<String> {
        let file = directory.join(format!("out.{part}"));
        fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))
    }

    /// The numbers of instructions that such a run has written, in order; without what came after the last call.
    pub fn parts(&self, directory: &Path) -> Result<Vec<u64>> {
        let mut parts = Vec::new();
        loop {
            let file = directory.join(format!("out.{}", parts.len() + 1));
            if !file.is_file() {
                return Ok(parts);
            }
            let text = Valgrind::profile(directory, parts.len() + 1)?;
            let summary = text.lines().find_map(|line| line.strip_prefix("summary: "));
            let number = summary.with_context(|| format!("no summary in `{}`", file.display()))?;
            parts.push(number.trim().parse()?);
        }
    }
}

/// Marks trials as ignored, by name and with the reason, where there is no valgrind.
pub fn where_possible(trials: Vec<Trial>) -> Vec<Trial> {
    let missing = Valgrind::find().is_none();
    let mark = |trial: Trial| if missing { trial.with_kind(NEEDED).with_ignored_flag(true) } else { trial };
    trials.into_iter().map(mark).collect()
}
