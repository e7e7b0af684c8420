//! The committed report is what the committed results make.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use cds_benches::results::Results;
use cds_tests::workspace;

/// The report and its plots in a directory, by name.
fn report(directory: &Path) -> BTreeMap<String, String> {
    let plots = fs::read_dir(directory.join("benchmarks")).unwrap().map(|entry| entry.unwrap().path());
    let plots = plots.filter(|path| path.extension().is_some_and(|extension| extension == "svg"));
    let files = plots.chain([directory.join("benchmarks.md")]);
    let name = |path: &Path| path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// Whether each interpreter has all parts: those of older code have no starts, and such a report is as old.
fn is_of_today(results: &Results) -> bool {
    !results.interpreters.is_empty() && results.interpreters.iter().all(|on| on.start.is_some())
}

#[test]
fn the_committed_report_is_made_of_the_committed_results() {
    let committed = workspace().join("docs");
    let file = committed.join("benchmarks/results.json");
    let results: Results = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    if !is_of_today(&results) {
        // The macros that print are silent in a test that passes.
        let said = "skipped: the_committed_report_is_made_of_the_committed_results: `docs/benchmarks/results.json` has no part \
                    `start` of every interpreter, and so the report is older than this code";
        writeln!(std::io::stderr(), "{said}").unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.env_remove("CDS_TESTS_INSIDE").args(["--only", "report", "--merge"]).arg(&file);
    let output = command.arg("--report").arg(directory.path()).output().unwrap();
    // 1 says that a figure is missed.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let (made, committed) = (report(directory.path()), report(&committed));
    assert_eq!(made.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>());
    for (name, text) in &made {
        assert!(!text.contains("NaN"), "`docs/{name}` has a value of nothing");
        let differs = text.lines().zip(committed[name].lines()).find(|(made, committed)| made != committed);
        assert!(*text == committed[name], "`docs/{name}` is not what `bench --only report` makes: {differs:#?}");
    }
}
