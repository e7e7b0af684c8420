//! From functions to the trials that the test harness runs.

use anyhow::Result;
use libtest_mimic::{Failed, Trial};

use crate::interpreters::{Interpreter, Interpreters};

/// A test of one interpreter.
pub type OnInterpreter = (&'static str, fn(&Interpreter) -> Result<()>);

/// One trial of every function on every tested interpreter, named `suite::test::interpreter`.
pub fn on_each(interpreters: &Interpreters, suite: &str, tests: &[OnInterpreter]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, test) in tests {
        for python in &interpreters.tested {
            let title = format!("{suite}::{name}::{}", python.label);
            let python = python.clone();
            trials.push(Trial::test(title, move || report(test(&python))));
        }
    }
    trials
}

/// A trial that needs no interpreter, named `suite::test`.
pub fn once(suite: &str, name: &str, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(format!("{suite}::{name}"), move || report(test()))
}

/// A trial that needs one interpreter, whichever: the newest.
pub fn on_newest(interpreters: &Interpreters, suite: &str, test: OnInterpreter) -> Option<Trial> {
    let python = interpreters.tested.last()?.clone();
    let (name, test) = test;
    Some(Trial::test(format!("{suite}::{name}::{}", python.label), move || report(test(&python))))
}

/// Names what is not run, and why. A list of trials stays a list.
pub fn skipped(title: &str, reason: &str) {
    if !std::env::args().any(|argument| argument == "--list") {
        println!("skipped: {title}: {reason}");
    }
}

/// Errors are shown with everything behind them.
pub fn report(result: Result<()>) -> Result<(), Failed> {
    let text = |e: anyhow::Error| e.chain().map(|cause| cause.to_string()).collect::<Vec<_>>().join("\n  caused by: ");
    result.map_err(|e| Failed::from(text(e)))
}
