//! CPython's own regression tests from an image: a slice of them. The program `suites` runs all (docs/testing.md).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::outcomes::compare::compare;
use cds_tests::outcomes::place::regrtest_modules;
use cds_tests::outcomes::rerun::{Verdict, judge};
use cds_tests::outcomes::suites::suite;
use cds_tests::outcomes::{Attempt, Options, run};
use cds_tests::suite::{once, trial};
use libtest_mimic::Trial;

/// What a run of all tests has the time for.
const SLICE: [&str; 18] = [
    "test_code",
    "test_codeop",
    "test_marshal",
    "test_dis",
    "test_import",
    "test_importlib",
    "test_gc",
    "test_runpy",
    "test_pkgutil",
    "test_inspect",
    "test_re",
    "test_sys_settrace",
    "test_monitoring",
    "test_profile",
    "test_cprofile",
    "test_functools",
    "test_dataclasses",
    "test_typing",
];

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = vec![once("outcomes", "notices", notices), once("outcomes", "verdicts", verdicts)];
    for python in &interpreters.tested {
        let title = format!("outcomes::cpython::{}", python.label);
        let missing = !has_tests(&python.executable);
        let python = python.clone();
        let trial = trial(title, move || cpython(&python));
        // Shown as `ignored`, by name: Debian packs these tests separately.
        trials.push(trial.with_ignored_flag(missing));
    }
    trials
}

fn has_tests(python: &Path) -> bool {
    regrtest_modules(python, &["test_code"]).is_ok_and(|(present, _)| !present.is_empty())
}

fn cpython(python: &Interpreter) -> Result<()> {
    let suite = suite("cpython").context("no such suite")?;
    let options = Options { targets: SLICE.map(str::to_owned).to_vec(), ..Options::default() };
    let report = run(python, suite, &options)?;
    ensure!(report.is_clean(), "outcomes differ:\n{report}");
    ensure!(report.targets.len() + report.absent.len() == SLICE.len(), "not every module was run:\n{report}");
    ensure!(report.tests() > 1500, "only {} tests ran:\n{report}", report.tests());
    ensure!(report.served() > 1000, "the image served only {} modules", report.served());
    Ok(())
}

fn line(test: &str, outcome: &str) -> String {
    format!("{{\"test\": \"{test}\", \"outcome\": \"{outcome}\", \"detail\": \"\"}}\n")
}

/// Another outcome, a test that did not run, one that did not end, one that ran twice: each is a difference.
fn notices() -> Result<()> {
    let attempt = |parts: &[(&str, &str)]| {
        let lines: String = parts.iter().map(|(test, outcome)| line(test, outcome)).collect();
        Attempt::parse(&(lines + "{\"test\": \"half a li"))
    };
    let first = [("a", "started"), ("a", "passed"), ("b", "started"), ("b", "skipped"), ("b", "passed")];
    let without = attempt(&first)?;
    ensure!(without.outcomes["a"] == ["passed"], "{:?}", without.outcomes);
    ensure!(without.outcomes["b"] == ["passed", "skipped"], "{:?}", without.outcomes);
    ensure!(compare(&without, &attempt(&first)?).is_empty(), "a difference where there is none");
    for (changed, test) in [
        (&[("a", "started"), ("a", "failed"), ("b", "skipped"), ("b", "passed")][..], "a"),
        (&[("a", "started"), ("b", "skipped"), ("b", "passed")], "a"),
        (&[("b", "skipped"), ("b", "passed")], "a"),
        (&[("a", "passed"), ("b", "passed")], "b"),
        (&[("a", "passed"), ("b", "passed"), ("b", "skipped"), ("c", "passed")], "c"),
    ] {
        let found = compare(&without, &attempt(changed)?);
        let names: Vec<&str> = found.iter().map(|d| d.test.as_str()).collect();
        ensure!(names == [test], "{changed:?}: found {names:?}, not {test}");
    }
    Ok(())
}

/// Only what happens without an image too, or never again, is excused.
fn verdicts() -> Result<()> {
    let runs = |all: &str| -> Vec<Vec<String>> { all.split(' ').map(|o| vec![o.to_owned()]).collect() };
    for (without, with, again_without, again_with, expected) in [
        ("P", "F", "P P P", "F F F", Verdict::Real),
        ("P", "F", "P P P", "P F P", Verdict::UnstableWithImage),
        ("P", "F", "P F P", "F F F", Verdict::Flaky),
        ("P", "F", "P P P", "P P P", Verdict::NotRepeated),
        ("F", "P", "F F P", "P P P", Verdict::Flaky),
    ] {
        let (first, second) = (runs(without), runs(with));
        let verdict = judge(&first[0], &second[0], &runs(again_without), &runs(again_with));
        let case = format!("{without} {with}, again {again_without} / {again_with}");
        ensure!(verdict == expected, "{case}: {verdict:?}, not {expected:?}");
    }
    let excused = [Verdict::Flaky, Verdict::NotRepeated].iter().all(|v| v.is_excused());
    ensure!(excused && !Verdict::Real.is_excused() && !Verdict::UnstableWithImage.is_excused(), "wrongly excused");
    Ok(())
}
