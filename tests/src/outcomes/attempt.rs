//! One target run once, in a process of its own, and what became of each of its tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::place::Place;
use super::suites::{Runner, Suite};
use crate::process::Run;
use crate::{files, fixtures};

/// Name of the process among the tests: how it ended is an outcome too.
pub const PROCESS: &str = "(process)";

/// Without or with the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No image in the environment, and `PYCDSMODE=OFF`.
    Without,
    /// The image is where it is found by default.
    With,
}

impl Mode {
    /// `without` or `with`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Without => "without",
            Mode::With => "with",
        }
    }
}

/// What a run left behind.
#[derive(Debug, Default)]
pub struct Attempt {
    /// The outcomes of each test, sorted: ids need not be unique, and a test can fail and have an error.
    pub outcomes: BTreeMap<String, Vec<String>>,
    /// What the last failure, error or skip of a test said.
    pub details: BTreeMap<String, String>,
    /// `cds_loader.status()` at the end; `None` if the process did not come that far.
    pub status: Option<Value>,
    /// Functions looked at, and those of them whose code is in the image.
    pub functions: u64,
    /// See `functions`.
    pub owned: u64,
    /// How long it took.
    pub seconds: f64,
    /// What the process printed.
    pub log: PathBuf,
}

impl Attempt {
    /// Modules that the image served.
    pub fn served(&self) -> u64 {
        self.status.as_ref().and_then(|s| s["served"].as_u64()).unwrap_or(0)
    }

    /// `active`, `off`, … or `unknown`.
    pub fn state(&self) -> &str {
        self.status.as_ref().and_then(|s| s["state"].as_str()).unwrap_or("unknown")
    }

    /// Tests that ran, without the process itself.
    pub fn tests(&self) -> usize {
        self.outcomes.values().map(Vec::len).sum::<usize>().saturating_sub(1)
    }

    /// From the lines that `fixtures/outcomes/record.py` writes.
    pub fn parse(lines: &str) -> Result<Attempt> {
        let mut attempt = Attempt::default();
        for line in lines.lines() {
            // A process that dies may leave half a line.
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if line.get("status").is_some() {
                attempt.status = Some(line["status"].clone());
                attempt.functions = line["functions"].as_u64().context("no count of functions")?;
                attempt.owned = line["owned"].as_u64().context("no count of functions")?;
                continue;
            }
            let text = |key: &str| line[key].as_str().map(str::to_owned).with_context(|| format!("no `{key}`: {line}"));
            let (test, outcome) = (text("test")?, text("outcome")?);
            let all = attempt.outcomes.entry(test.clone()).or_default();
            match all.iter().position(|o| o == "started") {
                Some(started) if outcome != "started" => all[started] = outcome,
                _ => all.push(outcome),
            }
            attempt.details.insert(test, text("detail")?);
        }
        attempt.outcomes.values_mut().for_each(|all| all.sort());
        Ok(attempt)
    }
}

/// Runs a target, or only these of its tests, in `directory`, which is made anew.
pub fn attempt(
    place: &Place,
    suite: &Suite,
    target: &str,
    only: &[String],
    mode: Mode,
    limit: Duration,
    directory: &Path,
) -> Result<Attempt> {
    let _ = fs::remove_dir_all(directory);
    let own = directory.join("cwd");
    fs::create_dir_all(&own).with_context(|| format!("cannot create `{}`", own.display()))?;
    let (out, log) = (directory.join("outcomes.jsonl"), directory.join("log"));

    // The output goes to a file: a pipe would stay open for as long as some grandchild lives.
    const SHELL: &str = r#"log=$1; shift; exec timeout --kill-after=10 "$@" >"$log" 2>&1"#;
    let run = Run::new("sh").args(["-c", SHELL, "sh"]).arg(&log).arg(limit.as_secs().max(1).to_string());
    let run = run.arg(&place.environment.python);
    let run = match suite.runner {
        Runner::Regrtest => {
            let run = run.arg(fixtures().join("outcomes/cpython_tests.py")).arg(&out).arg(target).args(only);
            // They are to see what they see elsewhere.
            ["PYTHONDONTWRITEBYTECODE", "NO_COLOR", "COLUMNS"].iter().fold(run, |run, key| run.unset(key)).cwd(&own)
        }
        Runner::Pytest => {
            let run = run.arg(fixtures().join("outcomes/pytest_tests.py"));
            let run = suite.served.iter().fold(run, |run, name| run.arg("--served").arg(name));
            let run = only.iter().fold(run, |run, test| run.arg("--only").arg(test)).arg(&out);
            let run = run.args(["-q", "-p", "no:cacheprovider", "--basetemp"]).arg(directory.join("tmp"));
            run.args(suite.arguments).arg(target).cwd(place.sources.as_ref().unwrap_or(&own))
        }
    };
    let run = if mode == Mode::Without { run.env("PYCDSMODE", "OFF") } else { run };

    let start = Instant::now();
    let output = run.output()?;
    let seconds = start.elapsed().as_secs_f64();
    let lines = if out.is_file() { files::read(&out)? } else { Vec::new() };
    let mut attempt = Attempt { seconds, log, ..Attempt::parse(&String::from_utf8_lossy(&lines))? };
    let end = match output.status {
        124 | 137 => "timeout, or killed".to_owned(),
        status @ 129.. => format!("signal {}", status - 128),
        status => format!("exit status {status}"),
    };
    attempt.outcomes.insert(PROCESS.to_owned(), vec![end]);
    Ok(attempt)
}
