//! The text of a report.

use std::fmt::Write;

use crate::report::figures::Figure;
use crate::report::markdown::{Table, cells, grouped, mb, ms};
use crate::report::ratios::{self, IMPORT, Of, PEAK, PROCESS};
use crate::report::{short, targets};
use crate::results::{Footprint, Instructions, Measured, Memory, OnInterpreter, Outcome, Results, Scale, Way};
use crate::statistics::{Ratio, geometric_mean, median};

const INTRODUCTION: &str = "\
# Benchmarks

Made by `cargo run --release --bin bench` (see [benchmarking.md](benchmarking.md)), as a whole: nothing here is typed by
hand. Times are medians of runs in turns, ratios are of medians, intervals are bootstrapped and hold 99 %.

| way | what it is |
|---|---|
| .pyc | `.pyc` files, in an environment without the loader: the baseline |
| image | the same packages with the loader and an image of everything, at its usual place |
| code-data-share | code-data-share 0.1.0 from PyPI in an environment of its own, with an archive of exactly what is imported |
| zip | the packages in an uncompressed zip file, as `.pyc` files, in front of everything else |
| limit | all specs and code objects are in memory before the clock starts: importlib and the modules' own code remain |

";

/// The whole text.
pub fn document(results: &Results, figures: &[Figure]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let _ = writeln!(text, "Machine: {}. Version of this project: {}.\n", results.machine, results.version);
    text += "## Figures to reach\n\nBold is missed; in parentheses the package that is furthest from the target.\n\n";
    text += &targets::table(&targets::all(results));
    text += "\n";
    plots(&mut text, figures, None);
    for on in &results.interpreters {
        interpreter(&mut text, on);
        plots(&mut text, figures, Some(&on.label));
    }
    text
}

fn plots(text: &mut String, figures: &[Figure], label: Option<&str>) {
    for Figure { file, title, .. } in figures.iter().filter(|figure| figure.label.as_deref() == label) {
        let _ = writeln!(text, "![{title}](benchmarks/{file})\n");
    }
}

fn interpreter(text: &mut String, on: &OnInterpreter) {
    let _ = writeln!(text, "## CPython {}\n\n`{}`\n", short(&on.label), on.build.replace('\n', " "));
    if let Some(built) = &on.environment {
        let (image, pyc) = (built.image_bytes as f64, built.pyc_bytes as f64);
        let _ = writeln!(
            text,
            "The image of the environment: {} modules, {} MB, {:.2} times their `.pyc` files; built in {:.1} s with {} MB.\n",
            grouped(built.modules as f64),
            mb(image),
            image / pyc,
            median(&built.seconds),
            mb(median(&built.peak)),
        );
    }
    if let Some(rows) = &on.imports {
        let only: Vec<&Measured> = ratios::imports(on).collect();
        let all: Vec<&Measured> = rows.iter().collect();
        measured(text, "Import time, inside the process", &only, IMPORT, ms, "ms", true);
        measured(text, "Time of the process, from start to end", &all, PROCESS, ms, "ms", false);
        measured(text, "Peak RSS", &all, PEAK, mb, "MB", false);
        programs(text, rows);
    }
    if let Some(rows) = &on.commands {
        let rows: Vec<&Measured> = rows.iter().collect();
        measured(text, "Commands, from start to end", &rows, PROCESS, ms, "ms", false);
        measured(text, "Commands, peak RSS", &rows, PEAK, mb, "MB", false);
    }
    if let Some(rows) = &on.memory {
        memory(text, rows);
    }
    if let Some(scale) = &on.scale {
        scaled(text, scale);
    }
    if let Some(rows) = &on.instructions {
        instructions(text, rows);
    }
    remarks(text, on);
}

/// One column for each way: the median, and in parentheses the ratio to `.pyc`.
fn measured(
    text: &mut String,
    title: &str,
    rows: &[&Measured],
    of: Of,
    show: fn(f64) -> String,
    unit: &str,
    with_limit: bool,
) {
    let ways: Vec<Way> =
        Way::ALL.into_iter().filter(|&way| rows.iter().any(|row| ratios::middle(row, way, of).is_some())).collect();
    if ways.is_empty() {
        return;
    }
    let runs = rows.iter().filter_map(|row| row.samples(Way::Pyc)).map(|s| of(s).len()).max().unwrap_or(0);
    let _ = writeln!(text, "### {title}\n\n{unit}, median of {runs}; in parentheses relative to `.pyc`.\n");
    let mut columns = cells([""]);
    columns.extend(ways.iter().map(|way| way.title().to_owned()));
    columns.push("image/.pyc, 99 %".to_owned());
    let with_limit = with_limit && ways.contains(&Way::Limit);
    if with_limit {
        columns.push("image/limit, 99 %".to_owned());
    }
    let mut table = Table::new(&columns);
    for row in rows {
        let mut line = vec![row.name.clone()];
        for &way in &ways {
            line.push(match (ratios::middle(row, way, of), ratios::plain(row, way, Way::Pyc, of)) {
                (Some(value), Some(ratio)) if way != Way::Pyc => format!("{} ({ratio:.2})", show(value)),
                (Some(value), _) => show(value),
                (None, _) => "–".to_owned(),
            });
        }
        line.push(interval(ratios::ratio(row, Way::Image, Way::Pyc, of)));
        if with_limit {
            line.push(interval(ratios::ratio(row, Way::Image, Way::Limit, of)));
        }
        table.row(&line);
    }
    table.row(&means(rows, &ways, of, with_limit));
    *text += &table.finish();
    *text += "\n";
}

/// Geometric means of the ratios of rows that have both ways.
fn means(rows: &[&Measured], ways: &[Way], of: Of, with_limit: bool) -> Vec<String> {
    let mean = |above, below| {
        let all: Vec<f64> = rows.iter().filter_map(|row| ratios::plain(row, above, below, of)).collect();
        if all.is_empty() { "–".to_owned() } else { format!("{:.3}", geometric_mean(&all)) }
    };
    let mut line = cells(["geometric mean"]);
    line.extend(ways.iter().map(|&way| if way == Way::Pyc { String::new() } else { mean(way, Way::Pyc) }));
    line.push(mean(Way::Image, Way::Pyc));
    if with_limit {
        line.push(mean(Way::Image, Way::Limit));
    }
    line
}

fn interval(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |r| format!("{:.3}–{:.3}", r.low, r.high))
}

/// What stands behind the names.
fn programs(text: &mut String, rows: &[Measured]) {
    let other = rows.iter().filter(|row| row.program != format!("import {}", row.name) && row.program != row.name);
    let all: Vec<String> = other.map(|row| format!("{}: `{}`", row.name, row.program)).collect();
    if !all.is_empty() {
        let _ = writeln!(text, "Names stand for what a program imports: {}.\n", all.join("; "));
    }
}

fn memory(text: &mut String, rows: &[Memory]) {
    *text += "### Memory of processes that imported the same\n\nOf one process on average, MB and faults; in parentheses \
              relative to `.pyc`.\n\n";
    let ways: Vec<Way> = Way::ALL.into_iter().filter(|way| rows.iter().any(|row| row.ways.contains_key(way))).collect();
    let kinds: [(&str, fn(&Footprint) -> &[f64], fn(f64) -> String); 3] = [
        ("PSS", |f| &f.pss, mb),
        ("private dirty", |f| &f.private_dirty, mb),
        ("minor faults", |f| &f.faults, grouped),
    ];
    let mut columns = cells(["", "processes"]);
    columns.extend(kinds.iter().flat_map(|(kind, ..)| ways.iter().map(move |way| format!("{kind}, {}", way.title()))));
    let mut table = Table::new(&columns);
    for row in rows {
        let mut line = vec![row.name.clone(), row.processes.to_string()];
        for (_, of, show) in kinds {
            for way in &ways {
                let values = row.ways.get(way).map(of).filter(|values| !values.is_empty());
                line.push(match (values, ratios::memory(row, *way, of)) {
                    (Some(values), Some(ratio)) if *way != Way::Pyc => {
                        format!("{} ({ratio:.2})", show(median(values)))
                    }
                    (Some(values), _) => show(median(values)),
                    (None, _) => "–".to_owned(),
                });
            }
        }
        table.row(&line);
    }
    *text += &table.finish();
    *text += "\n";
}

fn scaled(text: &mut String, scale: &Scale) {
    *text += "### Images of many modules\n\nMade modules of about 21 kB of `.pyc` each, none like another. The import is of one \
              module. The start is `python -c pass` with this image, and relative to the loader switched off.\n\n";
    let columns = [
        "modules",
        ".pyc, MB",
        "image, MB",
        "image/.pyc",
        "build, s",
        "build, MB",
        "import .pyc, ms",
        "import image, ms",
        "start, ms",
        "start/off",
    ];
    let mut table = Table::new(&cells(columns));
    let off = median(&scale.off.process);
    for image in &scale.images {
        let built = &image.built;
        let start = median(&image.pass.process);
        table.row(&[
            grouped(image.count as f64),
            mb(built.pyc_bytes as f64),
            mb(built.image_bytes as f64),
            format!("{:.2}", built.image_bytes as f64 / built.pyc_bytes as f64),
            format!("{:.2}", median(&built.seconds)),
            mb(median(&built.peak)),
            ms(median(&image.pyc.import)),
            ms(median(&image.image.import)),
            ms(start),
            format!("{:.3}", start / off),
        ]);
    }
    *text += &table.finish();
    *text += "\n";
}

fn instructions(text: &mut String, rows: &[Instructions]) {
    *text += "### Instructions\n\nCounted by callgrind for the import of a hundred made modules, always the same: noise cannot move \
              this. The loader's own are those in its file, without the interpreter's functions that it calls.\n\n";
    let columns =
        ["", "import, all", "relative to .pyc", "in the loader, import", "for one module", "in the loader, start"];
    let mut table = Table::new(&cells(columns));
    let pyc = rows.iter().find(|row| row.way == Way::Pyc).map(|row| row.import as f64);
    for row in rows {
        let one = row.loader_import as f64 / row.modules.max(1) as f64;
        table.row(&[
            row.way.title().to_owned(),
            grouped(row.import as f64),
            pyc.map_or_else(String::new, |pyc| format!("{:.3}", row.import as f64 / pyc)),
            if row.way == Way::Image { grouped(row.loader_import as f64) } else { "–".to_owned() },
            if row.way == Way::Image { grouped(one) } else { "–".to_owned() },
            if row.way == Way::Image { grouped(row.loader_start as f64) } else { "–".to_owned() },
        ]);
    }
    *text += &table.finish();
    *text += "\n";
}

fn remarks(text: &mut String, on: &OnInterpreter) {
    let mut all = on.remarks.clone();
    for row in on.imports.iter().chain(&on.commands).flatten() {
        for (way, outcome) in &row.ways {
            if let Outcome::Impossible(reason) = outcome {
                all.push(format!("{} is not possible by {}: {reason}", row.name, way.title()));
            }
        }
    }
    if !all.is_empty() {
        *text += "### Not measured\n\n";
        for remark in all {
            let _ = writeln!(text, "* {remark}");
        }
        *text += "\n";
    }
    if !on.packages.is_empty() {
        let all: Vec<String> = on.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let _ = writeln!(text, "Packages: {}.\n", all.join(", "));
    }
}
