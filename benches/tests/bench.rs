//! The command line of `bench`, as far as nothing is measured, and a report of results that are made up here.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn bench(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.current_dir(directory).env_remove("CDS_TESTS_INSIDE").env("COLUMNS", "120").args(args);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn fails(args: &[&str], said: &str) {
    let directory = tempfile::tempdir().unwrap();
    let output = bench(directory.path(), args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    assert!(text(&output.stderr).contains(said), "{args:?}: {}", text(&output.stderr));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{args:?} left something behind");
}

#[test]
fn help_has_examples_and_statuses() {
    let output = bench(Path::new("."), &["--help"]);
    let help = text(&output.stdout);
    assert!(output.status.success());
    for part in [
        "Examples:",
        "--only report --merge",
        "Exit status: 0",
        "--folder",
        "--runs <N>",
        "sqlalchemy",
        "- encodings:",
        "- pages:",
        "- profile:",
        "- start:",
    ] {
        assert!(help.contains(part), "no `{part}` in {help}");
    }
}

#[test]
fn wrong_arguments_are_errors() {
    fails(&["--package", "nose"], "invalid value 'nose' for '--package <NAME>'");
    fails(&["--runs", "0"], "invalid value '0' for '--runs <N>'");
    fails(&["--only", "report"], "error: nothing to report: name results with `--merge FILE`");
    fails(&["--only", "report", "--only", "scale"], "error: `--only report` measures nothing: it is alone");
    fails(&["--only", "report", "--merge", "nowhere.json"], "error: cannot read `nowhere.json`");
    for part in ["scale", "start"] {
        fails(&["--python", "no/where", "--only", part], "error: no interpreter `no/where`; there are ");
    }
}

#[test]
fn what_bench_starts_itself_for_is_hidden_and_reads_only_images() {
    let output = bench(Path::new("."), &["--help"]);
    assert!(!text(&output.stdout).contains("compare-encodings"));
    fails(&["compare-encodings", "nowhere", "1", "[]"], "error: cannot read `nowhere`");
    fails(&["compare-encodings", "nowhere", "1", "x"], "invalid value");
    fails(&["compare-encodings", env!("CARGO_BIN_EXE_bench"), "1", "[]"], "  Caused by: an ELF file, but not an image");
}

#[test]
fn pages_need_no_interpreter_and_what_measures_them_is_hidden() {
    let output = bench(Path::new("."), &["--help"]);
    let help = text(&output.stdout);
    assert!(!help.contains("change-pages") && help.contains("Usage: bench [OPTIONS]\n"), "{help}");
    fails(&["change-pages", "nowhere", "\"write\"", "1", "1"], "error: cannot open `nowhere`");
    fails(&["change-pages", "nowhere", "\"wish\"", "1", "1"], "invalid value");

    let directory = tempfile::tempdir().unwrap();
    let rows = json!([{
        "way": "write", "piece": 8, "pages": 4000, "moved": 9, "seconds": [0.008], "faults": [4100.0], "peak": [2e7], "huge": [0.0],
    }]);
    let pages = json!({
        "machine": { "processor": "a machine", "processors": 2, "kernel": "6.1", "load": "0.0" },
        "version": "0.1.0", "interpreters": [], "pages": { "file_bytes": 204_800_000, "rows": rows },
    });
    fs::write(directory.path().join("pages.json"), pages.to_string()).unwrap();
    fs::write(directory.path().join("a.json"), results("3.13.0-shared", 0.5).to_string()).unwrap();
    let merges = ["--only", "report", "--merge", "pages.json", "--merge", "a.json", "--report", "out"];
    for (args, has_imports) in [(&merges[..4], false), (&merges[..6], true)] {
        let output = bench(directory.path(), &[args, &merges[6..]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let report = fs::read_to_string(directory.path().join("out/benchmarks.md")).unwrap();
        assert!(report.contains("| mapping, a write fault for each page | 2.00 | 1.025 | 20.0 |"), "{report}");
        assert_eq!(report.contains("## CPython 3.13.0 shared"), has_imports, "{report}");
    }
}

/// Results of one interpreter: imports of one package, with the image in this time relative to `.pyc`.
fn results(label: &str, image: f64) -> Value {
    let samples = |factor: f64, before: u64| {
        let times: Vec<f64> = [0.100, 0.101, 0.099].iter().map(|time| time * factor).collect();
        json!({ "measured": { "import": times, "process": times, "peak": [2e7, 2e7, 2e7], "faults": [9.0, 9.0, 9.0], "served": 3, "before": before } })
    };
    // It does much before the clock of the import starts.
    let mut cds = samples(1.0, 40);
    cds["measured"]["import"] = json!([0.070, 0.071, 0.069]);
    let ways = json!({
        "pyc": samples(1.0, 40), "image": samples(image, 46), "cds": cds, "zip": { "impossible": "no room | at all" },
    });
    json!({
        "machine": { "processor": "a machine", "processors": 2, "kernel": "6.1", "load": "0.0" },
        "version": "0.1.0",
        "interpreters": [{
            "label": label, "build": "3.13.0 (main)\n[GCC]", "minor": 13, "linking": "shared",
            "imports": [{
                "name": "rich", "program": "import rich.console", "ways": ways, "nothing": [0.020, 0.020, 0.020],
            }],
        }],
    })
}

#[test]
fn results_become_one_report() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("a.json"), results("3.13.0-shared", 0.5).to_string()).unwrap();
    fs::write(at("b.json"), results("3.13.15-static.debian-testing", 0.8).to_string()).unwrap();
    let plots = at("out/benchmarks");
    fs::create_dir_all(&plots).unwrap();
    fs::write(plots.join("old.svg"), "").unwrap();

    let merged =
        ["--only", "report", "--merge", "a.json", "--merge", "b.json", "--json", "all.json", "--report", "out"];
    let output = bench(directory.path(), &merged);
    // 1 / 0.8 is less than is wanted.
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let line =
        "| import: `.pyc` / image, geometric mean | ≥ 1.6 | **no** | 2.000, 2.000–2.000 | **1.250, 1.250–1.250** |";
    assert!(text(&output.stdout).contains(line), "{}", text(&output.stdout));
    // (100 - 20) / (50 - 20) and (100 - 20) / (80 - 20), and of the other 70 / 50 and 70 / 80.
    let from_start = "| import from start: code-data-share / image, every package | ≥ 1.25 | yes | \
                      2.667 (rich), 2.656–2.678 | 1.333 (rich), 1.332–1.334 |";
    let inside = "| import inside the process: code-data-share / image, every package | ≥ 1.25 | **no** | \
                  1.400 (rich), 1.394–1.406 | **0.875 (rich; 1 of 1), 0.871–0.879** |";
    for part in [from_start, inside] {
        assert!(text(&output.stdout).contains(part), "{}", text(&output.stdout));
    }

    let report = fs::read_to_string(at("out/benchmarks.md")).unwrap();
    let said = [
        "a machine, 2 processors",
        "| rich | 100.0 | 50.0 (0.50) |",
        "### Import from start: the process less one that imports nothing",
        "| rich | 80.0 | 30.0 (0.38) | 80.0 (1.00) |",
        "maps, patches and prepares its whole archive when the interpreter starts",
        "### code-data-share over the image",
        "| rich | 2.667 |",
        from_start,
        inside,
        "rich: `import rich.console`",
        "no room",
        "imports 5 other modules here",
    ];
    for part in said.into_iter().chain([line, "## CPython 3.13.15 static"]) {
        assert!(report.contains(part), "no `{part}` in {report}");
    }
    assert!(!plots.join("old.svg").exists());
    for (_, rest) in report.match_indices("](benchmarks/").map(|(at, found)| report[at..].split_at(found.len())) {
        let file = plots.join(rest.split(')').next().unwrap());
        assert!(fs::read_to_string(&file).unwrap().starts_with("<svg "), "{}", file.display());
    }
    assert!(fs::read_dir(&plots).unwrap().count() >= 3);

    // What was merged can be merged again, and then it is the same.
    let again = ["--only", "report", "--merge", "all.json", "--report", "again"];
    bench(directory.path(), &again);
    assert_eq!(fs::read_to_string(at("again/benchmarks.md")).unwrap(), report);
}

#[test]
fn a_profile_says_what_stands_between_image_and_limit() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| fs::write(directory.path().join(name), value.to_string()).unwrap();
    let mut imports = results("3.13.0-shared", 0.5);
    let mut limit = imports["interpreters"][0]["imports"][0]["ways"]["image"].clone();
    limit["measured"]["import"] = json!([0.040, 0.040, 0.040]);
    imports["interpreters"][0]["imports"][0]["ways"]["limit"] = limit;
    write("imports.json", &imports);
    let way = |interpreter: u64, loader: u64, files: u64| json!({ "seconds": [0.05], "faults": [300.0], "samples": { "interpreter": [interpreter], "loader": [loader], "files": [files] } });
    let ways = json!({ "pyc": way(90_000, 0, 9000), "image": way(41_000, 8000, 3000), "limit": way(39_000, 0, 1000) });
    let mut profile = results("3.13.0-shared", 0.5);
    profile["interpreters"][0]["imports"] = Value::Null;
    profile["interpreters"][0]["profile"] = json!([{ "name": "rich", "frequency": 1e6, "ways": ways }]);
    write("profile.json", &profile);

    let report = |merged: &[&str]| {
        let merged = merged.iter().flat_map(|file| ["--merge", *file]).collect::<Vec<_>>();
        let output = bench(directory.path(), &[&["--only", "report", "--report", "out"], &merged[..]].concat());
        assert_ne!(output.status.code(), Some(2), "{}", text(&output.stderr));
        fs::read_to_string(directory.path().join("out/benchmarks.md")).unwrap()
    };
    let (section, between) = ("### Where the time goes", "What stands between the image and the limit");
    let both = report(&["imports.json", "profile.json"]);
    for part in [
        section,
        between,
        "| interpreter | 90.0 | 41.0 | 39.0 | +2.00 ± 0.35 |",
        "| loader | 0.00 | 8.00 | 0.00 | +8.00 ± 0.11 |",
        // 8 000, 2 000 and 2 000 samples more than the limit's 40 000.
        "| 3.13.0 shared | 1.250 | 1.250 | 1.300 | loader: 20.0 %, +8.00 ± 0.11 ms | interpreter: 5.0 %, +2.00 ± 0.35 ms | kernel: files: 5.0 %, +2.00 ± 0.08 ms | rich |",
    ] {
        assert!(both.contains(part), "no `{part}` in {both}");
    }
    // Whether the figure is missed is not known.
    let alone = report(&["profile.json"]);
    assert!(alone.contains(section) && !alone.contains(between), "{alone}");
    let without = report(&["imports.json"]);
    assert!(!without.contains(section) && !without.contains(between), "{without}");
}

#[test]
fn a_start_step_by_step_is_what_its_figure_is_of() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| fs::write(directory.path().join(name), value.to_string()).unwrap();
    // As it was before there was such a part: the figure is of the imports.
    let mut imports = results("3.13.0-shared", 0.5);
    let samples = |seconds: f64, cold: u64| json!({ "import": [], "process": [seconds, seconds], "peak": [1e7, 1e7], "faults": [9.0, 9.0], "served": 0, "cold": cold });
    let ways = json!({ "pyc": { "measured": samples(0.010, 0) }, "image": { "measured": samples(0.012, 0) } });
    let pass = json!({ "name": "pass", "program": "pass", "ways": ways });
    imports["interpreters"][0]["imports"].as_array_mut().unwrap().push(pass);
    let mut limit = imports["interpreters"][0]["imports"][0]["ways"]["image"].clone();
    limit["measured"]["import"] = json!([0.050, 0.050, 0.050]);
    imports["interpreters"][0]["imports"][0]["ways"]["limit"] = limit;
    write("imports.json", &imports);
    let mut start = results("3.13.0-shared", 0.5);
    start["interpreters"][0]["imports"] = Value::Null;
    let steps = json!({
        "none": samples(0.010, 0), "pth": samples(0.0101, 0), "extension": samples(0.0103, 1), "off": samples(0.0105, 0), "image": samples(0.011, 0),
    });
    start["interpreters"][0]["start"] = json!({ "extension": "_json", "steps": steps });
    write("start.json", &start);

    let report = |merged: &[&str]| {
        let merged = merged.iter().flat_map(|file| ["--merge", *file]).collect::<Vec<_>>();
        let output = bench(directory.path(), &[&["--only", "report", "--report", "out"], &merged[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        fs::read_to_string(directory.path().join("out/benchmarks.md")).unwrap()
    };
    let section = "### The start, step by step";
    let figure = |value: &str| {
        format!("| `python -c pass`: with image / without | ≤ 1.02 | **no** | **{value}, {value}–{value}** |")
    };
    // The limit takes 50 ms of 100. From start code-data-share takes 80 ms. The image takes 30, and 20 less than its clock says:
    // the limit's 50 less these 20, less the 2 or 1 ms that a start with the image takes more.
    let over_limit = "| import: `.pyc` / limit, geometric mean | ≥ 1.6 | yes | 2.000, 1.980–2.020 |";
    let from_start = |value: &str| format!("every package | ≥ 1.25 | yes | {value} (rich) |");
    let starts = [
        "| `python -c pass`: with a `.pth` file / without | ≤ 1.02 | yes | 1.010, 1.010–1.010 |",
        "| `python -c pass`: with an extension module in a `.pth` file / without | ≤ 1.02 | **no** | **1.030, 1.030–1.030** |",
    ];
    let rows = [
        "| none: without the loader | 10.0 | – | – | – | 10.0 |",
        "| a `.pth` file: `import _json` | 10.3 | 1.030 | 1.030–1.030 | +0.20 | 10.0 |",
        "| the loader and the image | 11.0 | 1.100 | 1.100–1.100 | +0.50 | 10.0 |",
        "* the start, a `.pth` file: `import _json`: 1 runs read from the disk",
    ];
    let added = "| 3.13.0 shared | 1.100 | 10.0 | +0.10 (+1.0 %) | +0.20 (+2.0 %) | +0.20 (+2.0 %) | \
                 +0.50 (+5.0 %) | +1.00 (+10.0 %) |";
    let without = report(&["imports.json"]);
    let has = |report: &str, parts: &[&str]| parts.iter().all(|part| report.contains(part));
    assert!(has(&without, &[&figure("1.200"), over_limit, &from_start("2.857")]), "{without}");
    assert!(!without.contains(section) && starts.iter().all(|part| !without.contains(part)), "{without}");
    for merged in [["imports.json", "start.json"], ["start.json", "imports.json"]] {
        let both = report(&merged);
        assert!(has(&both, &[section, &figure("1.100"), over_limit, &from_start("2.759"), added]), "{both}");
        assert!(has(&both, &starts) && has(&both, &rows), "{both}");
    }
}

#[test]
fn units_in_place_stand_beside_the_figures_where_they_were_measured() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| fs::write(directory.path().join(name), value.to_string()).unwrap();
    // As it was before there was such a way, and the same interpreter with it.
    let label = "3.14.8-static.debian-testing";
    let old = results(label, 0.5);
    let mut new = results(label, 0.5);
    let ways = &mut new["interpreters"][0]["imports"][0]["ways"];
    ways["in_place"] = ways["image"].clone();
    ways["in_place"]["measured"]["import"] = json!([0.080, 0.080, 0.080]);
    let pss = |mb: f64| json!({ "pss": [mb * 1e6], "private_dirty": [1e6], "faults": [9.0] });
    let ways = json!({ "pyc": pss(10.0), "image": pss(11.0), "in_place": pss(7.0) });
    new["interpreters"][0]["memory"] = json!([{ "name": "rich", "processes": 16, "ways": ways }]);
    write("old.json", &old);
    write("new.json", &new);
    write("other.json", &results("3.13.0-shared", 0.5));

    let report = |merged: &[&str]| {
        let merged = merged.iter().flat_map(|file| ["--merge", *file]).collect::<Vec<_>>();
        let output = bench(directory.path(), &[&["--only", "report", "--report", "out"], &merged[..]].concat());
        assert_ne!(output.status.code(), Some(2), "{}", text(&output.stderr));
        fs::read_to_string(directory.path().join("out/benchmarks.md")).unwrap()
    };
    let before = report(&["old.json", "other.json"]);
    assert!(!before.contains("the same, in place"), "{before}");
    let both = report(&["old.json", "new.json", "other.json"]);
    for part in [
        "|  | PSS of 16 processes: image / `.pyc` | the same, in place | import: `.pyc` / image | the same, in place |",
        "| 3.14.8 static | 1.100 | 0.700 | 2.000 | 1.250 | 1.000 (rich) | 1.000 (rich) |",
        "|  | .pyc | image | in place | code-data-share | image/.pyc, 99 % |",
        "| rich | 100.0 | 50.0 (0.50) | 80.0 (0.80) |",
        "|  | processes | PSS, .pyc | PSS, image | PSS, in place | private dirty, .pyc |",
    ] {
        assert!(both.contains(part), "no `{part}` in {both}");
    }
    // The other interpreter has no column for it.
    let (other, _) = both.split_once("## CPython 3.14.8 static").unwrap();
    let (_, other) = other.split_once("## CPython 3.13.0 shared").unwrap();
    assert!(!other.contains("in place") && other.contains("| rich | 100.0 | 50.0 (0.50) |"), "{other}");
}

#[test]
fn a_busy_machine_is_told_plainly() {
    let directory = tempfile::tempdir().unwrap();
    let mut busy = results("3.13.0-shared", 0.5);
    busy["machine"]["load"] = json!("2.50");
    fs::write(directory.path().join("quiet.json"), results("3.13.0-shared", 0.5).to_string()).unwrap();
    fs::write(directory.path().join("busy.json"), busy.to_string()).unwrap();
    let report = |merged: &[&str]| {
        let merged = merged.iter().flat_map(|file| ["--merge", *file]).collect::<Vec<_>>();
        bench(directory.path(), &[&["--only", "report", "--report", "out"], &merged[..]].concat());
        fs::read_to_string(directory.path().join("out/benchmarks.md")).unwrap()
    };
    let said = "when a part of this began.** Others were busy, or it was an earlier part";
    assert!(!report(&["quiet.json"]).contains(said));
    for merged in [&["busy.json"][..], &["quiet.json", "busy.json"]] {
        let text = report(merged);
        assert!(text.contains("load 2.50") && text.contains(said), "{text}");
    }
}

#[test]
fn results_of_another_machine_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut other = results("3.13.0-shared", 1.0);
    fs::write(directory.path().join("a.json"), other.to_string()).unwrap();
    other["machine"]["processor"] = json!("another one");
    fs::write(directory.path().join("b.json"), other.to_string()).unwrap();
    let output = bench(directory.path(), &["--only", "report", "--merge", "a.json", "--merge", "b.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("results of two machines cannot be merged"), "{}", text(&output.stderr));
}
