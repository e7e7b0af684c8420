//! What a program can see of its modules is the same with and without an image.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::{Output, Run};
use cds_tests::suite::on_each;
use cds_tests::{files, fixtures};
use libtest_mimic::Trial;
use serde_json::Value;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "behaviour", &[("report", report), ("command_lines", command_lines)])
}

/// An environment with the specimen packages and an image of everything that can be imported in it.
fn environment(python: &Interpreter) -> Result<Arc<Environment>> {
    let environment = Environment::small(python)?;
    files::copy_tree(&fixtures().join("behaviour/site"), &environment.site)?;
    let built = environment.build_image()?;
    // The one source that does not compile is skipped by name, not an error.
    let broken = environment.site.join("specimen/broken.py");
    let line = format!("skipped: {}: ", broken.display());
    ensure!(built.stderr.lines().any(|l| l.starts_with(&line)), "no `{line}…`: {built}");
    Ok(Arc::new(environment))
}

/// `fixtures/behaviour/report.py`, section by section.
fn report(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let script = fixtures().join("behaviour/report.py");
    let run = || environment.python().arg(&script).env("PYTHONHASHSEED", "0").cwd(&environment.scratch);
    let without = run().env("PYCDSMODE", "OFF").ok()?;
    let with = run().ok()?;
    ensure!(without.stderr == with.stderr, "standard error differs:\n{without}\n{with}");
    let (without, with) = (without.json()?, with.json()?);
    let sections = without.as_object().context("no sections")?;
    ensure!(sections.len() > 20, "only {} sections", sections.len());
    let mut wrong = Vec::new();
    for (name, expected) in sections {
        if let Some(failure) = expected.get("failed") {
            wrong.push(format!("{name} fails without an image: {}", failure.as_str().unwrap_or_default()));
        }
        if with[name] != *expected {
            wrong.push(format!("{name}: {}", difference("", expected, &with[name])));
        }
    }
    ensure!(wrong.is_empty(), "{} sections of the report are wrong:\n{}", wrong.len(), wrong.join("\n"));

    // The same again with the image in charge of the specimens: else all of this would prove nothing.
    let text = "import cds_loader, specimen.functions as f, colorsys; \
                print(cds_loader.owns(f.hot.__code__), cds_loader.owns(colorsys.rgb_to_hls.__code__))";
    let owned = environment.script(text)?;
    ensure!(owned.stdout == "True True\n", "the specimens are not from the image: {owned}");
    Ok(())
}

/// The first difference of two JSON values, with the way to it.
fn difference(at: &str, without: &Value, with: &Value) -> String {
    match (without, with) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            let keys = a.keys().find(|k| a[*k] != b[*k]);
            keys.map_or_else(String::new, |k| difference(&format!("{at}.{k}"), &a[k], &b[k]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let index = (0..a.len()).find(|&i| a[i] != b[i]);
            index.map_or_else(String::new, |i| difference(&format!("{at}[{i}]"), &a[i], &b[i]))
        }
        (Value::String(a), Value::String(b)) => format!("{at}\n--- without image\n{a}\n--- with image\n{b}\n---"),
        _ => format!("{at}\n--- without image\n{without:#}\n--- with image\n{with:#}\n---"),
    }
}

/// Whole command lines: status, output and error output.
fn command_lines(python: &Interpreter) -> Result<()> {
    const COMMANDS: &[&[&str]] = &[
        &["-m", "specimen", "one", "two"],
        &["-m", "specimen.sub"],
        &["-m", "specimen.latin"],
        &["-m", "specimen.broken"],
        &["-m", "specimen.nowhere"],
        &["-m", "spacious.inner"],
        &["-m", "json.tool", "--help"],
        &["-c", "import specimen.raises_in_body"],
        &["-c", "import specimen.imports_missing"],
        &["-c", "import specimen.broken"],
        &["-c", "import specimen.exits"],
        &["-c", "import specimen.circular_a"],
        &["-c", "import specimen.warns"],
        &["-c", "from specimen import nothing"],
        &["-c", "import specimen.raises as r; r.outer(5)"],
        &["-W", "error", "-c", "import specimen.warns"],
        &["-W", "always", "-c", "import specimen.warns"],
        &["-X", "importtime", "-c", "import specimen, wave, specimen.sub.leaf"],
        &["-X", "dev", "-c", "import specimen, wave; print(specimen.lazy)"],
        &["-X", "tracemalloc", "-c", "import specimen.functions as f; print(f.hot(10))"],
        &["-X", "frozen_modules=off", "-c", "import specimen, wave; print(specimen.lazy)"],
        &["-X", "no_debug_ranges", "-c", "import specimen.raises as r; r.outer(1)"],
        &["-I", "-c", "import specimen; print(specimen.loaded)"],
        &["-E", "-c", "import specimen; print(specimen.loaded)"],
        &["-S", "-c", "import wave; print(wave.__file__)"],
        &["-s", "-B", "-c", "import specimen; print(specimen.loaded)"],
        &["-O", "-c", "import specimen; print(specimen.loaded, __debug__)"],
        &["-OO", "-c", "import specimen; print(specimen.__doc__)"],
        &["-bb", "-c", "import specimen; print(specimen.loaded)"],
        &["-q", "-u", "-c", "import specimen.functions as f; f.hot(10**4); import os; os._exit(3)"],
        &["-c", "import threading, specimen; threading.Thread(target=lambda: __import__('wave')).start()"],
        &["-c", "import specimen, sys; sys.modules.clear()"],
        &["-c", "import gc, specimen.functions; gc.set_debug(gc.DEBUG_UNCOLLECTABLE); gc.collect()"],
        &["-c", "import atexit, specimen.functions as f; atexit.register(lambda: print(f.describe('end')))"],
        &["-m", "compileall", "-q", "-f", "nothing_here"],
        &["-m", "unittest", "-h"],
        &["-m", "trace", "--help"],
        &["-m", "timeit", "-h"],
    ];
    let environment = environment(python)?;
    let run =
        |arguments: &[&str]| environment.python().args(arguments).cwd(&environment.scratch).env("PYTHONHASHSEED", "1");
    let finish = |run: Run| -> Result<Output> {
        let mut output = run.output()?;
        output.stderr = normalise(&output.stderr);
        Ok(output)
    };
    for arguments in COMMANDS {
        let without = finish(run(arguments).env("PYCDSMODE", "OFF"))?;
        let with = finish(run(arguments))?;
        let same = without.status == with.status && without.stdout == with.stdout && without.stderr == with.stderr;
        ensure!(same, "differs.\nwithout image: {without}\nwith image: {with}");
    }
    Ok(())
}

/// Error output without the numbers that `-X importtime` prints.
fn normalise(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("import time:") {
            Some(columns) => lines.push(format!("import time: {}", columns.rsplit('|').next().unwrap_or_default())),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}
