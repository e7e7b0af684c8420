//! Processes that used an image end cleanly, also where every freed block and every access is watched.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use cds_tests::environments::Environment;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::{Output, Run, which};
use cds_tests::suite::on_each;
use cds_tests::valgrind::{Finding, Valgrind, where_possible};
use cds_tests::{files, fixtures};
use libtest_mimic::Trial;
use serde_json::Value;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(interpreters, "finalisation", &[("ends", ends), ("watched", watched)]);
    trials.extend(embedded_trials(interpreters));
    trials.extend(where_possible(on_each(interpreters, "finalisation", &[("valgrind", valgrind)])));
    trials
}

/// Ways to end, and the exit status.
const ENDS: [(&str, i32); 4] = [("normal", 0), ("exit", 0), ("error", 1), ("thread", 0)];

/// An environment with the package `mortal`, its `.pyc` files, and an image of it and the standard library.
fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    let package = environment.site.join("mortal");
    files::copy_tree(&fixtures().join("finalisation/site/mortal"), &package)?;
    environment.python().args(["-m", "compileall", "-q", "-f"]).arg(&package).ok()?;
    environment.build_image()?;
    Ok(environment)
}

/// A run of `fixtures/finalisation/program.py` with or without the image.
fn program(run: Run, image: bool, options: &[&str], how: &str) -> Run {
    let run = run.env("PYCDSMODE", if image { "" } else { "OFF" }).env("PYTHONHASHSEED", "0").args(["-P", "-B"]);
    run.args(options).arg(fixtures().join("finalisation/program.py")).arg(how)
}

/// What the program saw; it must have used the image, or not.
fn report(output: &Output, image: bool) -> Result<Value> {
    let mut report = output.json()?;
    let expected = if image { "active" } else { "off" };
    ensure!(report["owned"] == image && report["status"] == expected, "image: {image}, and {output}");
    Ok(report["seen"].take())
}

/// The program ends with and without the image alike: the same status, the same on standard error, the same seen.
fn alike(
    environment: &Environment,
    options: &[&str],
    variables: &[(&str, &str)],
    how: &str,
    status: i32,
) -> Result<()> {
    let run = |image: bool| {
        let run = variables.iter().fold(environment.python(), |run, (key, value)| run.env(key, value));
        program(run, image, options, how).status(status)
    };
    let (without, with) = (run(false)?, run(true)?);
    ensure!(with.stderr == without.stderr, "standard error differs:\n{without}\n{with}");
    ensure!(report(&with, true)? == report(&without, false)?, "the image changes what is seen:\n{without}\n{with}");
    let expected = if how == "error" { "ValueError: ('deep'" } else { "" };
    let said = with.stderr.lines().last().unwrap_or_default();
    ensure!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "ends by `{how}`: {with}");
    Ok(())
}

/// All ways to end.
fn ends(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    ENDS.iter().try_for_each(|(how, status)| {
        alike(&environment, &[], &[], how, *status).with_context(|| format!("ending by `{how}`"))
    })
}

/// Options and variables with which the interpreter or the C library watches blocks of memory.
type Watch = (&'static [&'static str], &'static [(&'static str, &'static str)]);

// Not `PYTHONTRACEMALLOC`: with it, 3.11 waits for itself when it makes a subinterpreter.
const WATCHES: [Watch; 5] = [
    (&[], &[("PYTHONMALLOC", "debug")]),
    (&[], &[("PYTHONMALLOC", "malloc_debug")]),
    (&[], &[("PYTHONMALLOC", "malloc"), ("MALLOC_PERTURB_", "165"), ("MALLOC_CHECK_", "3")]),
    (&["-X", "dev"], &[("PYTHONFAULTHANDLER", "1")]),
    (&["-X", "importtime", "-X", "faulthandler", "-v"], &[("PYTHONMALLOC", "debug")]),
];

/// Blocks that are filled when they are freed and checked for writes beyond their ends.
fn watched(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    for (options, variables) in WATCHES {
        let what = || format!("with {options:?} {variables:?}");
        if options.contains(&"-v") {
            // Standard error has times and addresses: the status and what the program saw must do.
            let run = variables.iter().fold(environment.python(), |run, (key, value)| run.env(key, value));
            report(&program(run, true, options, "normal").ok().with_context(what)?, true)?;
        } else {
            alike(&environment, options, variables, "normal", 0).with_context(what)?;
        }
    }
    Ok(())
}

/// Under memcheck there is nothing with the image that is not there without it.
fn valgrind(python: &Interpreter) -> Result<()> {
    let (environment, valgrind) = (environment(python)?, Valgrind::get()?);
    let run = |image: bool| -> Result<Vec<Finding>> {
        let log = environment.scratch.join(format!("memcheck-{image}.xml"));
        let output = program(valgrind.memcheck(&log).arg(&environment.python), image, &[], "normal").ok()?;
        report(&output, image)?;
        Valgrind::findings(&log)
    };
    let with = run(true)?;
    if with.is_empty() {
        return Ok(());
    }
    let without = run(false)?;
    let known: BTreeSet<_> = without.iter().map(Finding::place).collect();
    let new: Vec<String> = with.iter().filter(|f| !known.contains(&f.place())).map(Finding::to_string).collect();
    ensure!(new.is_empty(), "only with the image:\n{}", new.join("\n"));
    Ok(())
}

/// A program that embeds the interpreter needs its shared library, and a compiler.
fn embedded_trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(interpreters, "finalisation", &[("embedded", embedded)]).into_iter();
    let marked = interpreters.tested.iter().map(|python| {
        let trial = trials.next().expect("one trial an interpreter");
        match obstacle(python) {
            Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
            None => trial,
        }
    });
    marked.collect()
}

fn obstacle(python: &Interpreter) -> Option<&'static str> {
    if !python.shared {
        Some("needs a shared libpython")
    } else if which("cc").is_none() {
        Some("needs cc")
    } else if !python.headers.join("Python.h").is_file() {
        Some("needs Python.h")
    } else {
        None
    }
}

/// `Py_FinalizeEx` says 0, and before 3.14 twice: the second runtime of the process does without the image.
fn embedded(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let host = compile(python, &environment.scratch)?;
    // From 3.14 on the second runtime of a process does not find the environment any more, image or not.
    let runtimes = if python.minor < 14 { 2 } else { 1 };
    let run = |mode: &str| {
        let run = Run::new(&host).env("PYCDSMODE", mode).env("PYTHONHASHSEED", "0").env("PYTHONMALLOC", "debug");
        let run = run.arg(&environment.python).arg(fixtures().join("finalisation/embedded.py"));
        run.arg(runtimes.to_string()).ok()?.silent()
    };
    let (without, with) = (run("OFF")?, run("")?);
    let lines = |output: &Output| output.stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    let expected = |states: [&str; 2]| {
        let lines = states.map(|s| [format!("state {s}"), "Py_FinalizeEx 0".to_owned()]);
        lines[..runtimes].concat()
    };
    ensure!(lines(&without) == expected(["off False", "off False"]), "{without}");
    ensure!(lines(&with) == expected(["active True", "rejected False"]), "{with}");
    Ok(())
}

/// The program that embeds.
fn compile(python: &Interpreter, directory: &Path) -> Result<std::path::PathBuf> {
    let host = directory.join("host");
    let library = python.prefix.join("lib");
    let mut run = Run::new("cc").arg(fixtures().join("finalisation/host.c")).arg("-o").arg(&host);
    run = run.arg("-I").arg(&python.headers).arg("-L").arg(&library).arg(format!("-lpython3.{}", python.minor));
    let output = run.arg(format!("-Wl,-rpath,{}", library.display())).output()?;
    if output.status != 0 {
        bail!("the host does not compile: {output}");
    }
    Ok(host)
}
