//! Images that cannot lie where they want to: every prediction about the image itself fails, and everything still works,
//! whether units are used in place or copied.

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::oracle::Comparison;
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "relocated", &[("memory", memory), ("programs", programs)])
}

/// What suits one interpreter has to work with every other one, too.
const UNITS: [&str; 2] = ["in-place", "copied"];

const PACKAGES: [&str; 6] = ["json", "asyncio", "unittest", "email", "argparse", "decimal"];

/// Objects of a relocated image are what marshal makes, too.
fn memory(python: &Interpreter) -> Result<()> {
    UNITS.into_iter().try_for_each(|units| memory_with(python, units).with_context(|| format!("units {units}")))
}

fn memory_with(python: &Interpreter, units: &str) -> Result<()> {
    let environment = Environment::small(python)?;
    environment.build(&environment.image())?.args(["--units", units]).args(PACKAGES).ok()?;
    let mut comparison = Comparison::of(&environment.image())?;
    let mut patched = Vec::new();
    for occupied in [false, true] {
        comparison.occupied = occupied;
        let report = comparison.run(python, &environment)?;
        ensure!(report.differences.is_empty(), "differences:\n{}", report.differences.join("\n"));
        ensure!(report.compared > 50 && report.compared == comparison.modules.len(), "{report:?}");
        let status = &report.status;
        ensure!(!occupied || status["base"] == "relocated", "the place is taken: {status}");
        patched.push(status["patched_slots"].as_u64().context("no patched slots")?);
    }
    ensure!(patched[1] > 10_000 && patched[0] <= patched[1], "patched slots: {patched:?}");
    Ok(())
}

/// A program that uses what it imports prints the same without an image, with one, with a relocated one, and with one whose
/// file was replaced by another after it was mapped.
fn programs(python: &Interpreter) -> Result<()> {
    UNITS.into_iter().try_for_each(|units| programs_with(python, units).with_context(|| format!("units {units}")))
}

fn programs_with(python: &Interpreter, units: &str) -> Result<()> {
    let environment = Environment::small(python)?;
    let image = environment.scratch.join("image.so");
    environment.build(&image)?.args(["--units", units]).args(PACKAGES).ok()?;
    let base = Comparison::of(&image)?.preferred_base;
    let program = fixtures().join("programs/relocated.py");
    let run = |how: &str| {
        let run = environment.python().env("PYCDSMODE", "OFF").args(["-W", "error"]).arg(&program);
        run.arg(how).arg(&image).arg(base.to_string()).ok()?.silent()?.json()
    };
    let (without, free, taken, replaced) = (run("without")?, run("free")?, run("taken")?, run("replaced")?);
    ensure!(without["printed"].as_str().is_some_and(|text| text.lines().count() >= 6), "prints little: {without}");
    ensure!(free["printed"] == without["printed"], "the image changes the output:\n{without}\n{free}");
    ensure!(taken["printed"] == without["printed"], "a relocated image changes the output:\n{without}\n{taken}");
    ensure!(replaced["printed"] == without["printed"], "with another file in its place:\n{without}\n{replaced}");
    ensure!(replaced["status"]["served"] == free["status"]["served"], "another number served:\n{free}\n{replaced}");
    ensure!(taken["status"]["base"] == "relocated", "{taken}");
    ensure!(taken["status"]["served"].as_u64() > Some(30) && taken["owned"] == true, "little served: {taken}");
    ensure!(taken["status"]["served"] == free["status"]["served"], "another number served:\n{free}\n{taken}");
    // At its place, and with an interpreter at its own, nothing is left but strings that are interned elsewhere.
    if python.writes_nothing() && units == "in-place" {
        let patched = |run: &serde_json::Value| run["status"]["patched_slots"].as_u64().context("no patched slots");
        ensure!(patched(&free)? * 4 < patched(&taken)?, "patched slots: {} and {}", patched(&free)?, patched(&taken)?);
    }
    ensure!(without["owned"] == false && without["status"]["state"] == "off", "{without}");
    Ok(())
}
