//! The opcode tables against the interpreters themselves: their `opcode` module, and fresh code objects in memory.

use anyhow::{Context, Result};
use cds_layout::cpython::layout;
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::on_each;
use libtest_mimic::Trial;
use serde_json::json;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "opcodes", &[("tables", tables), ("fresh_code", fresh_code)])
}

fn probe(python: &Interpreter, mode: &str) -> Result<()> {
    let layout = layout(python.minor).context("no layout")?;
    let opcodes = &layout.opcodes;
    let rows = json!({
        "resume": opcodes.resume,
        "import_name": opcodes.import_name,
        "import_name_shift": opcodes.import_name_shift,
        "extended_arg": opcodes.extended_arg,
        "caches": opcodes.caches.iter().map(|c| (c.opcode, c.entries, c.counter)).collect::<Vec<_>>(),
        "pairs": opcodes.pairs.iter().map(|p| (p.first, p.second, p.combined)).collect::<Vec<_>>(),
        "bytecode": layout.code.bytecode,
        "size": layout.head.size,
    });
    let script = fixtures().join("probe/opcodes.py");
    Run::new(&python.executable).arg("-I").arg(script).arg(mode).arg(rows.to_string()).ok()?;
    Ok(())
}

/// Which instructions have caches and of what size, by name and number.
fn tables(python: &Interpreter) -> Result<()> {
    probe(python, "tables")
}

/// Bytecode of fresh code objects is `co_code` with exactly the changes that the tables describe.
fn fresh_code(python: &Interpreter) -> Result<()> {
    probe(python, "fresh")
}
