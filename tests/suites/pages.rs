//! Which pages of an image a process makes its own.

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "pages", &[("never_called", never_called)])
}

const FUNCTIONS: usize = 500;

/// Functions that were made and never called stay in pages that processes share; where they cannot, they are in a copy.
fn never_called(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let directory = environment.scratch.join("pages");
    write(directory.join("uncalled.py"), source().as_bytes())?;
    environment.build(&environment.image())?.arg(format!("{}/", directory.display())).ok()?;
    let run = environment.python().arg(fixtures().join("programs/clean_pages.py")).arg(&directory);
    let report = run.ok()?.silent()?.json()?;
    let number = |what: &str, key: &str| report[what][key].as_u64().with_context(|| format!("no {key}: {report}"));
    ensure!(number("functions", "objects")? == 2 * FUNCTIONS as u64, "{report}");
    let (pages, private) = (number("functions", "pages")?, number("functions", "private")?);
    ensure!(pages > 100, "few pages: {report}");
    ensure!(number("names", "private")? > 0, "interning writes: {report}");
    let (read, objects) = (number("read", "bytes")?, number("read", "objects")?);
    if python.writes_nothing() {
        ensure!(read * 10 < objects, "what is used in place is not read: {report}");
        ensure!(private == 0, "pages of functions are written to: {report}");
        let (dirty, resident) = (number("smaps", "Private_Dirty")?, number("smaps", "Rss")?);
        ensure!(dirty * 3 < resident, "written to: {report}");
    } else {
        ensure!(private == pages, "a copy is private: {report}");
        ensure!(read > objects, "a copy is read from the file, not from the mapping: {report}");
        println!("skipped on {}: shared pages, because {}", python.label, python.why_it_writes());
    }
    Ok(())
}

/// Functions with names, constants and functions of their own.
fn source() -> String {
    let function = |n: usize| {
        let lines: String = (0..12).map(|line| format!("    x = [x, ({n}.{line}5, 'text {n} {line}')]\n")).collect();
        format!(
            "def uncalled_{n}(x):\n    'Documentation {n}.'\n{lines}    def inside_{n}():\n        return x, {n}.75\n    return inside_{n}\n"
        )
    };
    (0..FUNCTIONS).map(function).collect()
}
