//! Which pages of an image a process makes its own.

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "pages", &[("in_place", in_place), ("copied", copied)])
}

const FUNCTIONS: usize = 500;

/// What an import of `uncalled` does to the pages of an image whose units are used in this way.
struct Report(serde_json::Value);

impl Report {
    fn of(python: &Interpreter, units: &str) -> Result<Report> {
        let environment = Environment::small(python)?;
        let directory = environment.scratch.join("pages");
        write(directory.join("uncalled.py"), source().as_bytes())?;
        let build = environment.build(&environment.image())?.args(["--units", units]);
        build.arg(format!("{}/", directory.display())).ok()?;
        let run = environment.python().arg(fixtures().join("programs/clean_pages.py")).arg(&directory);
        let report = Report(run.ok()?.silent()?.json()?);
        ensure!(report.number("functions", "objects")? == 2 * FUNCTIONS as u64, "{}", report.0);
        ensure!(report.number("functions", "pages")? > 100, "few pages: {}", report.0);
        ensure!(report.number("names", "private")? > 0, "interning writes: {}", report.0);
        Ok(report)
    }

    fn number(&self, what: &str, key: &str) -> Result<u64> {
        self.0[what][key].as_u64().with_context(|| format!("no {key}: {}", self.0))
    }

    /// Pages that objects lie in, and how many of them are private.
    fn pages(&self, what: &str) -> Result<(u64, u64)> {
        Ok((self.number(what, "pages")?, self.number(what, "private")?))
    }

    /// Pages with nothing but constants of functions that were not called, and how many of them are present. The system maps what lies
    /// around a page that is read, 64 kB of it, as far as it is in memory: so those near to what an import reads are.
    fn cold(&self) -> Result<(u64, u64)> {
        Ok((self.number("cold", "pages")?, self.number("cold", "present")?))
    }

    /// Bytes that were read from files, and bytes of code objects.
    fn read(&self) -> Result<(u64, u64)> {
        Ok((self.number("read", "bytes")?, self.number("read", "objects")?))
    }
}

/// Functions that were made and never called stay in pages that processes share, if units are used in place; most of what only calls
/// need is not even present. Nothing is written but what was interned elsewhere.
fn in_place(python: &Interpreter) -> Result<()> {
    if !python.writes_nothing_or_skips("shared pages") {
        return Ok(());
    }
    let report = Report::of(python, "in-place")?;
    let (read, objects) = report.read()?;
    ensure!(read * 10 < objects, "what is used in place is not read: {}", report.0);
    ensure!(report.pages("functions")?.1 == 0, "pages of functions are written to: {}", report.0);
    let (cold, present) = report.cold()?;
    ensure!(cold > 64 && present * 2 < cold, "constants that nobody looked at are resident: {}", report.0);
    let (dirty, resident) = (report.number("smaps", "Private_Dirty")?, report.number("smaps", "Rss")?);
    ensure!(dirty * 3 < resident, "written to: {}", report.0);
    // Each function has two names of its own, which nobody else has interned.
    let patched = report.number("status", "patched_slots")?;
    ensure!(patched < FUNCTIONS as u64 / 2, "predictions fail: {}", report.0);
    Ok(())
}

/// Units that are copied are read from the file. Line tables stay where they are mapped, if nothing has to be done to them.
fn copied(python: &Interpreter) -> Result<()> {
    let report = Report::of(python, "copied")?;
    let (read, objects) = report.read()?;
    ensure!(read > objects, "a copy is read from the file, not from the mapping: {}", report.0);
    let ((functions, private_functions), (lines, private_lines)) = (report.pages("functions")?, report.pages("lines")?);
    ensure!(private_functions == functions, "a copy is private: {}", report.0);
    if python.writes_nothing_or_skips("shared pages of line tables") {
        ensure!(lines > 0 && private_lines == 0, "line tables are copied: {}", report.0);
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
