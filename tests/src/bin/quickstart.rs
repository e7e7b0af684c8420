//! The quick start: an environment with real packages, an image of it, and import times with and without the image.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::{Environment, with_pip};
use cds_tests::interpreters::Interpreters;
use cds_tests::process::Run;
use cds_tests::{tools, workspace};

/// What is imported, by the name in the table.
const ROWS: [(&str, &str); 5] = [
    ("requests", "requests"),
    ("boto3", "boto3"),
    ("sympy", "sympy"),
    ("all three", "requests, boto3, sympy"),
    ("asyncio, unittest, sqlite3", "asyncio, unittest, sqlite3"),
];

/// Rounds that are measured, after one that is not.
const ROUNDS: usize = 21;

fn main() -> ExitCode {
    match quickstart() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  Caused by: {cause}"));
            ExitCode::from(2)
        }
    }
}

fn quickstart() -> Result<()> {
    let interpreters = Interpreters::discover();
    let supported = || format!("no supported interpreter found ({})", cds_layout::cpython::supported());
    let python = interpreters.tested.last().with_context(supported)?;
    let root = tools::target_directory()?.join("quickstart");

    step(format!("making an environment for CPython {}", python.version));
    let environment = with_pip(python, &root.join("env"), &root)?;
    step("installing requests, boto3 and sympy".to_owned());
    let requirements = workspace().join("tests/requirements.txt");
    environment.pip(python, ["install".as_ref(), "-r".as_ref(), requirements.as_os_str()])?;
    step("installing cds-build from this tree (compiles it)".to_owned());
    environment.pip(python, ["install".as_ref(), workspace().as_os_str()])?;

    step("building the image".to_owned());
    let builder = environment.root.join("bin/cds-build");
    let image = environment.image();
    let built = Run::new(&builder).arg("--out").arg(&image).arg("--python").arg(&environment.python).ok()?;
    println!("{}", built.stderr.lines().last().unwrap_or_default());

    step(format!("measuring, in turns, medians of {ROUNDS} runs"));
    println!("{:28} {:>12} {:>12} {:>7} {:>14}", "import", "from .pyc", "from image", "ratio", "from the image");
    for (name, modules) in ROWS {
        let row = measure(&environment, modules).with_context(|| format!("import {modules}"))?;
        let (without, with) = (row.without * 1e3, row.with * 1e3);
        println!("{name:28} {without:9.1} ms {with:9.1} ms {:6.2}x {:>6} modules", without / with, row.served);
    }
    println!("\nlook at it: {} inspect {}", builder.display(), image.display());
    println!("use it:     {} -c 'import cds_loader, sympy; print(cds_loader.status())'", environment.python.display());
    Ok(())
}

fn step(text: String) {
    println!("== {text}");
}

struct Row {
    without: f64,
    with: f64,
    served: u64,
}

/// Time of the import statement in new processes, alternately with and without the image.
fn measure(environment: &Environment, modules: &str) -> Result<Row> {
    let program = format!(
        "import time; start = time.perf_counter()\nimport {modules}\nstop = time.perf_counter()\n\
         import cds_loader; status = cds_loader.status(); print(stop - start, status['state'], status['served'] or 0)"
    );
    let run = |mode: &str, state: &str| -> Result<(f64, u64)> {
        let run = environment.python().unset("PYTHONDONTWRITEBYTECODE").env("PYCDSMODE", mode);
        let output = run.arg("-c").arg(&program).ok()?;
        let mut words = output.stdout.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (time, actual, served) = (word().parse()?, word().to_owned(), word().parse()?);
        ensure!(actual == state, "expected the loader to be {state}: {output}");
        Ok((time, served))
    };
    let (mut without, mut with, mut served) = (Vec::new(), Vec::new(), 0);
    for round in 0..=ROUNDS {
        let off = run("OFF", "off")?.0;
        let on = run("", "active")?;
        served = on.1;
        // The first round writes what caches are missing and warms the disk's.
        if round > 0 {
            without.push(off);
            with.push(on.0);
        }
    }
    Ok(Row { without: median(without), with: median(with), served })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
