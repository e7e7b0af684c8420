//! The command line as people see it: whole runs in `tests/cli` and the examples of `docs/cli.md`, compared as text.

use anyhow::Result;
use cds_tests::interpreters::Interpreters;
use cds_tests::suite::once;
use cds_tests::tools::tools;
use cds_tests::workspace;
use libtest_mimic::Trial;

pub fn trials(_: &Interpreters) -> Vec<Trial> {
    vec![once("cli", "snapshots", snapshots)]
}

/// `TRYCMD=overwrite cargo test cli` writes what the program prints now.
fn snapshots() -> Result<()> {
    let builder = tools()?.builder.clone();
    let cases = trycmd::TestCases::new();
    cases.register_bin("cds-build", builder.as_path());
    cases.case(workspace().join("tests/cli/*.trycmd"));
    cases.case(workspace().join("docs/cli.md"));
    cases.run();
    Ok(())
}
