//! Runs other people's tests without and with an image and compares the outcome of every single one.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cds_tests::folder::Folder;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::outcomes::suites::suite;
use cds_tests::outcomes::{Options, Report, SUITES, Suite, run};
use clap::Parser;

/// Runs CPython's regression tests and other people's suites without and with an image, and compares every outcome
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// An interpreter: its executable, or the start of its label as the tests print it, such as `3.12` [default: all]
    #[arg(long, value_name = "LABEL|PATH")]
    python: Vec<String>,
    /// Run in the folder with Debian's testing suite, on its CPython 3.13 to 3.15
    #[arg(long)]
    folder: bool,
    /// A suite: cpython, sympy, numpy, click, flask or requests [default: all]
    #[arg(long, value_name = "SUITE")]
    suite: Vec<String>,
    /// Only this part of a suite, such as `test_import` or `sympy.core`
    #[arg(long, value_name = "TARGET")]
    test: Vec<String>,
    /// Processes at a time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Seconds that one process may take
    #[arg(long, default_value_t = 1800)]
    timeout: u64,
    /// Name interpreters, suites and their parts, and run nothing
    #[arg(long)]
    list: bool,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  suites
      Everything on every interpreter of the machine. Takes hours.
  suites --python 3.12 --suite cpython
      CPython's regression tests on the interpreters of that version.
  suites --suite cpython --test test_import --test test_importlib
      Two modules of them, on every interpreter.
  suites --folder --python 3.15
      Everything on CPython 3.15 of Debian's testing suite.
  suites --suite click --suite flask --jobs 2
      The tests in the source distributions of click and flask.

Exit status: 0 the same outcomes, 1 differences, 2 error.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let status = match arguments.folder {
        true => Folder::run_there("--folder"),
        false => suites(&arguments).map(|same| u8::from(!same)),
    };
    match status {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn complain(error: &anyhow::Error) {
    eprintln!("error: {error}");
    error.chain().skip(1).for_each(|cause| eprintln!("  Caused by: {cause}"));
}

fn suites(arguments: &Arguments) -> Result<bool> {
    let found = Interpreters::discover();
    let interpreters = chosen_interpreters(&found, &arguments.python)?;
    let suites = chosen_suites(&arguments.suite, &arguments.test)?;
    if arguments.list {
        interpreters.iter().for_each(|python| println!("{} ({})", python.label, python.executable.display()));
        suites.iter().for_each(|suite| println!("{}: {}", suite.name, suite.targets.join(" ")));
        return Ok(true);
    }
    let options = Options {
        targets: arguments.test.clone(),
        jobs: arguments.jobs,
        limit: Duration::from_secs(arguments.timeout),
        progress: |text| eprintln!("{text}"),
    };
    let (mut reports, mut not_run) = (Vec::new(), Vec::new());
    for python in &interpreters {
        for suite in &suites {
            match run(python, suite, &options) {
                Ok(report) => {
                    eprint!("{}\n{}\n{report}", Report::title(), report.line());
                    reports.push(report);
                }
                // A package without a release for a version must not keep the others from being tested.
                Err(error) => {
                    complain(&error.context(format!("{} was not run on CPython {}", suite.name, python.label)));
                    not_run.push(format!("{} {}", python.label, suite.name));
                }
            }
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        print(&reports, &not_run);
    }
    if reports.is_empty() {
        bail!("nothing was run");
    }
    Ok(not_run.is_empty() && reports.iter().all(Report::is_clean))
}

fn print(reports: &[Report], not_run: &[String]) {
    println!("{}", Report::title());
    reports.iter().for_each(|report| println!("{}", report.line()));
    reports.iter().for_each(|report| print!("{report}"));
    not_run.iter().for_each(|name| println!("not run: {name}: see the error above"));
}

fn chosen_interpreters<'a>(found: &'a Interpreters, wanted: &[String]) -> Result<Vec<&'a Interpreter>> {
    if wanted.is_empty() {
        return Ok(found.tested.iter().collect());
    }
    let mut chosen: Vec<&Interpreter> = Vec::new();
    for name in wanted {
        let path = std::fs::canonicalize(name).ok();
        let is = |p: &&Interpreter| p.label.starts_with(name.as_str()) || path.as_ref() == Some(&p.executable);
        let known = found.tested.iter().any(|python| is(&python));
        let new = found.tested.iter().filter(is).filter(|python| chosen.iter().all(|c| c.label != python.label));
        let new: Vec<&Interpreter> = new.collect();
        chosen.extend(new);
        if !known {
            bail!("no supported interpreter `{name}` on this machine; `--list` names them");
        }
    }
    Ok(chosen)
}

fn chosen_suites(wanted: &[String], tests: &[String]) -> Result<Vec<&'static Suite>> {
    let mut chosen: Vec<&Suite> = if wanted.is_empty() {
        SUITES.iter().collect()
    } else {
        let find = |name: &String| suite(name).with_context(|| format!("no suite `{name}`; `--list` names them"));
        wanted.iter().map(find).collect::<Result<_>>()?
    };
    if let Some(unknown) = tests.iter().find(|test| !chosen.iter().any(|suite| suite.targets.contains(&test.as_str())))
    {
        bail!("no suite has a part `{unknown}`; `--list` names them");
    }
    chosen.retain(|suite| tests.is_empty() || suite.targets.iter().any(|t| tests.iter().any(|test| test == t)));
    Ok(chosen)
}
