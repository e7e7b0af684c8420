//! Images that are not right for a process: it runs as if there were none, and says why when asked.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cds_layout::format::HEADER_SIZE;
use cds_tests::elf::header;
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::{on_each, skipped, trial};
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(
        interpreters,
        "rejection",
        &[
            ("other_files", other_files),
            ("truncated", truncated),
            ("other_optimisation", other_optimisation),
            ("modes", modes),
            ("damaged_header", damaged_header),
            ("damage_is_found_by_verify", damage_is_found_by_verify),
            ("absent", absent),
        ],
    );
    for (i, python) in interpreters.tested.iter().enumerate() {
        let other = &interpreters.tested[(i + 1) % interpreters.tested.len()];
        let title = format!("rejection::other_interpreter::{}", python.label);
        let (a, b) = (python.clone(), other.clone());
        let alone = interpreters.tested.len() < 2;
        if alone {
            skipped(&title, "there is only one interpreter");
        }
        trials.push(trial(title, move || other_interpreter(&a, &b)).with_ignored_flag(alone));
    }
    trials
}

const PROGRAM: &str = "import json, mine, cds_loader; print(json.dumps([mine.VALUE, cds_loader.status()]))";

/// An environment with one module of its own and a small image of it at the usual place.
fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    write(environment.site.join("mine.py"), "VALUE = 42\ndef f(): return VALUE\n")?;
    environment.build(&environment.image())?.args(["mine", "json"]).ok()?;
    let status = environment.script(PROGRAM)?.silent()?.json()?;
    ensure!(status[1]["state"] == "active" && status[1]["reason"].is_null(), "not active: {status}");
    Ok(environment)
}

/// Runs the program with whatever lies at the usual place and expects a silent rejection. Returns the reason.
fn rejected(environment: &Environment, case: &str, adjust: impl Fn(Run) -> Run) -> Result<String> {
    let run = || adjust(environment.python()).arg("-c").arg(PROGRAM).ok()?.silent()?.json();
    let result = run().with_context(|| case.to_owned())?;
    ensure!(result[0] == 42, "{case}: {result}");
    let status = &result[1];
    ensure!(status["state"] == "rejected", "{case}: not rejected: {status}");
    ensure!(status["served"].as_u64().unwrap_or(0) == 0, "{case}: served: {status}");
    let reason = status["reason"].as_str().unwrap_or_default();
    ensure!(!reason.trim().is_empty(), "{case}: no reason: {status}");
    Ok(reason.to_owned())
}

fn replace(environment: &Environment, content: &[u8]) -> Result<()> {
    let image = environment.image();
    let _ = fs::remove_file(&image);
    write(image, content)
}

fn other_files(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = environment.image();
    let mut reasons = Vec::new();
    for (case, content) in [("empty", &b""[..]), ("text", b"This is not an image.\n"), ("zeros", &[0; 10_000])] {
        replace(&environment, content)?;
        reasons.push(rejected(&environment, case, |run| run)?);
    }
    replace(&environment, &read(&tools()?.loader)?)?;
    reasons.push(rejected(&environment, "another shared object", |run| run)?);
    replace(&environment, &read(&python.executable)?)?;
    reasons.push(rejected(&environment, "a program", |run| run)?);
    fs::remove_file(&image)?;
    fs::create_dir(&image)?;
    reasons.push(rejected(&environment, "a directory", |run| run)?);
    ensure!(reasons[1] != reasons[3] && reasons[3] != reasons[5], "the reasons say little: {reasons:?}");
    Ok(())
}

/// Cut off anywhere: through the private `_open`, many lengths in one process; some of them as a user would see it.
fn truncated(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = read(environment.image())?;
    let len = image.len();
    for cut in [1, 63, 64, 4095, 4096, len / 2, len - 1] {
        replace(&environment, &image[..cut])?;
        rejected(&environment, &format!("cut at {cut} of {len}"), |run| run)?;
    }
    let mut longer = image.clone();
    longer.push(0);
    replace(&environment, &longer)?;
    rejected(&environment, "one byte too many", |run| run)?;
    let mut cuts: Vec<usize> = (0..600).chain((600..len).step_by(len / 200)).collect();
    cuts.extend(len - 20..len);
    let cuts = cuts.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    damage(&environment, &image, "cut", &cuts)
}

/// A change of any byte up to the end of the header is noticed before anything is mapped.
fn damaged_header(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = read(environment.image())?;
    let (_, at) = header(&image[..4096])?;
    let end = at + HEADER_SIZE;
    damage(&environment, &image, "flip", &(0..end).map(|i| i.to_string()).collect::<Vec<_>>().join(","))
}

fn damage(environment: &Environment, image: &[u8], what: &str, positions: &str) -> Result<()> {
    let good = environment.scratch.join("good.so");
    write(&good, image)?;
    let script = fixtures().join("programs/damage.py");
    let run = environment.python().env("PYCDSMODE", "OFF").arg(script).arg(what).arg(&good).arg(positions);
    run.ok()?.silent()?;
    Ok(())
}

/// What the loader does not look at for lack of time, `verify` does: every byte counts.
fn damage_is_found_by_verify(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = read(environment.image())?;
    let copy = environment.scratch.join("damaged.so");
    let verify = || Ok::<_, anyhow::Error>(tools()?.cds_build().arg("verify").arg(&copy));
    write(&copy, &image)?;
    verify()?.ok()?;
    for i in 0..60 {
        let at = (image.len() - 1) * i / 59;
        let mut damaged = image.clone();
        damaged[at] ^= 1 << (i % 8);
        write(&copy, &damaged)?;
        let output = verify()?.output()?;
        ensure!(output.status == 1 || output.status == 2, "byte {at} changed, and {output}");
        ensure!(!output.stderr.contains("panicked"), "byte {at} changed: {output}");
    }
    Ok(())
}

fn other_optimisation(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let reason = rejected(&environment, "-O", |run| run.arg("-O"))?;
    ensure!(reason.contains("optimi"), "the reason does not name the optimisation: {reason}");
    rejected(&environment, "-OO", |run| run.arg("-OO"))?;
    environment.build(&environment.image())?.args(["-O", "mine"]).ok()?;
    rejected(&environment, "an image for -O", |run| run)?;
    let optimised = environment.python().args(["-O", "-c", PROGRAM]).ok()?.silent()?.json()?;
    ensure!(optimised[1]["state"] == "active", "an image for -O under -O: {optimised}");
    Ok(())
}

fn other_interpreter(python: &Interpreter, other: &Interpreter) -> Result<()> {
    let (mine, theirs) = (environment(python)?, environment(other)?);
    replace(&mine, &read(theirs.image())?)?;
    let reason = rejected(&mine, "another interpreter's image", |run| run)?;
    if python.version != other.version {
        let named = reason.contains(&python.version) || reason.contains(&other.version);
        ensure!(named || reason.contains("build"), "the reason names neither interpreter: {reason}");
    }
    Ok(())
}

/// The modes that name an image: one line for SHARE, status 1 for REQUIRE, nothing at all for OFF.
fn modes(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let (good, bad) = (environment.scratch.join("good.so"), environment.scratch.join("bad.so"));
    fs::rename(environment.image(), &good)?;
    write(&bad, "not an image")?;
    let program = "import json, mine, cds_loader; print(json.dumps([mine.VALUE, cds_loader.status()]))";
    let run = |mode: &str, image: &Path| {
        environment.python().env("PYCDSMODE", mode).env("PYCDSARCHIVE", image).arg("-c").arg(program)
    };
    for mode in ["SHARE", "REQUIRE"] {
        let status = run(mode, &good).ok()?.silent()?.json()?;
        ensure!(
            status[1]["state"] == "active" && status[1]["image"] == good.to_string_lossy().as_ref(),
            "{mode}: {status}"
        );
    }
    for image in [&bad, &environment.scratch.join("nowhere.so")] {
        let output = run("SHARE", image).ok()?;
        ensure!(output.stderr.lines().count() == 1, "SHARE says one line: {output}");
        ensure!(output.stderr.contains(&*image.to_string_lossy()), "SHARE names the image: {output}");
        ensure!(output.json()?[0] == 42, "SHARE goes on: {output}");
        let output = run("REQUIRE", image).status(1)?;
        ensure!(output.stdout.is_empty() && output.stderr.lines().count() == 1, "REQUIRE ends the process: {output}");
    }
    for image in [&good, &bad] {
        let status = run("OFF", image).ok()?.silent()?.json()?;
        ensure!(status[1]["state"] == "off" && status[1]["served"].as_u64().unwrap_or(0) == 0, "OFF: {status}");
    }
    // `-E` and `-I` mean: no environment variables. Then the image's usual place counts, where there is none.
    let isolated =
        environment.python().env("PYCDSMODE", "REQUIRE").env("PYCDSARCHIVE", &bad).args(["-I", "-c", program]);
    let status = isolated.ok()?.silent()?.json()?;
    ensure!(status[1]["state"] == "absent", "-I ignores the variables: {status}");
    Ok(())
}

fn absent(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    fs::remove_file(environment.image())?;
    let status = environment.script(PROGRAM)?.silent()?.json()?;
    ensure!(status[0] == 42 && status[1]["state"] == "absent", "{status}");
    Ok(())
}
