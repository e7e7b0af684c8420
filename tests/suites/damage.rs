//! Single bytes changed in what the loader reads: whatever it believes, the program is right.

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "damage", &[("tables", tables), ("dynamic", dynamic)])
}

const TOP: &str = "\
import sys
VALUE = 'top'
def values(a=1, *, b=2):
    return [3.5, 1j, b'bytes', ..., None, 10 ** 20, 'é', 'Ж', a in {1, 2, 'z'}, -7, {'x': (a, b, ('deep', (1.5,)))}]
class Class:
    attribute: int = 5
    def method(self):
        def inner():
            return self.attribute, __name__, sys._getframe().f_code.co_qualname
        return inner()
";

fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    let site = &environment.site;
    write(site.join("damaged_top.py"), TOP)?;
    write(site.join("damaged_pack/__init__.py"), "VALUE = 'pack'\n")?;
    write(
        site.join("damaged_pack/leaf.py"),
        "from . import VALUE as OF_PACK\ndef values(): return OF_PACK, __file__\n",
    )?;
    write(site.join("damaged_pack/inner/__init__.py"), "def values(): return __path__, __spec__.origin\n")?;
    write(site.join("damaged_spread/portion.py"), "def values(): return __package__\n")?;
    let modules = ["damaged_top", "damaged_pack", "damaged_spread", "colorsys", "_queue"];
    environment.build(&environment.scratch.join("good.so"))?.args(modules).ok()?;
    Ok(environment)
}

/// Changes bytes in a process that forks for each change; returns how many changes ended how.
fn changes(environment: &Environment, what: &str, count: u32) -> Result<serde_json::Value> {
    let script = fixtures().join("programs/changed_bytes.py");
    let run = environment.python().env("PYCDSMODE", "OFF").arg(script);
    let good = environment.scratch.join("good.so");
    let output = run.arg(what).arg(&good).arg(count.to_string()).ok()?;
    let report = output.json()?;
    let wrong = report["wrong"].as_array().context("no list")?;
    ensure!(wrong.is_empty(), "{what}: {wrong:#?}\n{}", output.stderr);
    Ok(report)
}

/// Anywhere in the read-only part: header, index, records, texts, fixups.
fn tables(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let report = changes(&environment, "tables", 600)?;
    let number = |key: &str| report[key].as_u64().unwrap_or(0);
    ensure!(number("rejected") + number("all") + number("some") + number("none") == 600, "{report}");
    ensure!(number("rejected") >= 120, "few changes were noticed when the image was opened: {report}");
    ensure!(number("all") >= 60, "few changes did no harm: {report}");
    Ok(())
}

/// Every byte that a dynamic linker would read.
fn dynamic(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let report = changes(&environment, "dynamic", 0)?;
    ensure!(report["changes"].as_u64() >= Some(48), "{report}");
    Ok(())
}
