//! The text of a report: its order.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::report::figures::Figure;
use crate::report::markdown::{grouped, mb};
use crate::report::{
    bounds, details, encodings, from_start_profile, made, mappings, missed, pages, profile, ratios, short, start,
    start_profile, targets, variations, ways,
};
use crate::results::{Measured, Moments, OnInterpreter, Outcome, Results};
use crate::statistics::median;

const INTRODUCTION: &str = "\
# Benchmarks

Made by `cargo run --release --bin bench` (see [benchmarking.md](benchmarking.md)), as a whole: nothing here is typed by
hand. Times are medians of runs in turns, ratios are of medians, intervals are bootstrapped and hold 99 %. All files are in the page
cache: a process that read from the disk is run again. Processes wait for quiet moments of the machine, and have free memory that has been
written to just before. A dash is what was not measured, is not meant for this interpreter, or cannot be told: the kernel does not say the peak of
a process that was smaller than the measuring one. Of interpreters *static* is an executable that is not PIE, *shared* one with a shared libpython.

| way | what it is |
|---|---|
| .pyc | `.pyc` files, in an environment without the loader: the baseline |
| image | the same packages with the loader and an image of everything, at its usual place |
| image, collector paused | the same with `PYCDSGC=pause`: the cyclic collector does not run while modules of the image execute |
| in place | the same with an image of `--units in-place`, which stays mostly clean and shared: from CPython 3.12 on, not PIE |
| code-data-share | code-data-share 0.1.0 from PyPI in an environment of its own, with an archive of exactly what is imported |
| zip | the packages in an uncompressed zip file, as `.pyc` files, in front of everything else |
| limit | all specs and code objects are in memory before the clock starts: importlib and the modules' own code remain |

";

const BUSY: &str = "\
**The load was more than the number of processors when a part of this began.** Others were busy, or it was an earlier part of the \
measurement, which the average of a minute counts as well: times are not to be compared with those of other reports. Ratios are of runs \
in turns.

";

/// The whole text.
pub fn document(results: &Results, figures: &[Figure]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let _ = writeln!(text, "Machine: {}. Version of this project: {}.\n", results.machine, results.version);
    if results.machine.busy() {
        text += BUSY;
    }
    noisiest(&mut text, results);
    made::warning(&mut text, results);
    text += "## Figures to reach\n\nBold is missed; italic is missed by the value, but not by all of its interval, so that repeating the \
             measurement might decide it; in parentheses the package that is furthest from the target, and of how many packages it is missed. A figure without an interval \
             is one that does not vary, or of few repetitions. `python -c pass` is of the \
             rounds of *the start, step by step* where there are any, else of those of the imports.\n\n";
    text += &targets::table(&targets::all(results));
    text += "\n";
    bounds::table(&mut text, results);
    variations::tables(&mut text, results);
    missed::tables(&mut text, results);
    plots(&mut text, figures, None);
    for on in &results.interpreters {
        interpreter(&mut text, on, figures);
    }
    if let Some(found) = &results.pages {
        pages::table(&mut text, found);
    }
    packages(&mut text, results);
    text
}

fn plots(text: &mut String, figures: &[Figure], label: Option<&str>) {
    for Figure { file, title, caption, .. } in figures.iter().filter(|figure| figure.label.as_deref() == label) {
        let _ = writeln!(text, "![{title}](benchmarks/{file})\n");
        if !caption.is_empty() {
            let _ = writeln!(text, "{caption}\n");
        }
    }
}

fn interpreter(text: &mut String, on: &OnInterpreter, figures: &[Figure]) {
    let _ = writeln!(text, "## CPython {}\n\n`{}`\n", short(&on.label), on.build.replace('\n', " "));
    made::line(text, on);
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
    plots(text, figures, Some(&on.label));
    if let Some(starts) = &on.start {
        start::table(text, starts);
    }
    if let Some(rows) = &on.imports {
        let only: Vec<&Measured> = ratios::imports(on).collect();
        let all: Vec<&Measured> = rows.iter().collect();
        ways::table(text, "Import time, inside the process", &only, &ways::IMPORTS);
        ways::from_image(text, &only);
        ways::table(text, "Import from start: the process less one that imports nothing", &only, &ways::FROM_STARTS);
        ways::compared(text, &only);
        ways::table(text, "Time of the process, from start to end", &all, &ways::PROCESSES);
        ways::table(text, "Peak RSS", &all, &ways::PEAKS);
        ways::programs(text, rows);
    }
    if let Some(rows) = &on.commands {
        let rows: Vec<&Measured> = rows.iter().collect();
        ways::table(text, "Commands, from start to end", &rows, &ways::PROCESSES);
        ways::table(text, "Commands, peak RSS", &rows, &ways::PEAKS);
    }
    if let Some(rows) = &on.memory {
        details::memory(text, rows);
        mappings::table(text, rows);
    }
    if let Some(scale) = &on.scale {
        details::scale(text, scale);
    }
    if let Some(rows) = &on.instructions {
        details::instructions(text, rows);
    }
    if let Some(rows) = &on.profile {
        profile::tables(text, rows);
    }
    if let Some(starts) = &on.start_profile {
        start_profile::table(text, starts);
    }
    if let Some(rows) = &on.from_start_profile {
        from_start_profile::table(text, rows);
    }
    if let Some(found) = &on.encodings {
        encodings::table(text, found);
    }
    remarks(text, on);
}

fn remarks(text: &mut String, on: &OnInterpreter) {
    let mut all = on.remarks.clone();
    all.extend(on.start.iter().flat_map(start::remarks));
    all.extend(on.quiet.iter().filter_map(|(part, moments)| disturbed(part, *moments)));
    for row in on.imports.iter().chain(&on.commands).flatten() {
        for (way, outcome) in &row.ways {
            match outcome {
                Outcome::Impossible(reason) => {
                    all.push(format!("{} is not possible by {}: {reason}", row.name, way.title()));
                }
                Outcome::Measured(samples) if samples.cold > 0 => {
                    all.push(format!("{} by {}: {} runs read from the disk", row.name, way.title(), samples.cold));
                }
                Outcome::Measured(_) => {}
            }
        }
    }
    if !all.is_empty() {
        *text += "### Remarks\n\n";
        for remark in all {
            let _ = writeln!(text, "* {remark}");
        }
        *text += "\n";
    }
}

/// A part with fewer processes says little about the machine.
const MANY: usize = 20;

/// The part whose processes waited most often in vain for a quiet moment, if any did.
fn noisiest(text: &mut String, results: &Results) {
    let all =
        results.interpreters.iter().flat_map(|on| on.quiet.iter().map(move |(part, moments)| (on, part, moments)));
    let share = |moments: &Moments| moments.slow as f64 / moments.processes.max(1) as f64;
    let all = all.filter(|(.., moments)| moments.slow > 0 && moments.processes >= MANY);
    let most = all.max_by(|(.., a), (.., b)| share(a).total_cmp(&share(b)));
    if let Some((on, part, Moments { processes, slow, .. })) = most {
        let (slow, processes) = (grouped(*slow as f64), grouped(*processes as f64));
        let _ = writeln!(
            text,
            "Not every process found a quiet moment: the remarks of each interpreter count them. It was worst for the part {part} on CPython {}, where \
             the machine was slower than at its best before or after {slow} of {processes} processes.\n",
            short(&on.label)
        );
    }
}

/// What a reader must know of a part; nothing if all was quiet.
fn disturbed(part: &str, moments: Moments) -> Option<String> {
    let Moments { processes, again, slow } = moments;
    let said = format!(
        "{part}: of {processes} processes {again} ran again, because others made the machine slow or files were not in memory; \
         before or after {slow} the machine was slower than at its best all the same"
    );
    (again > 0 || slow > 0).then_some(said)
}

/// Versions of packages; interpreters with the same ones share a line.
fn packages(text: &mut String, results: &Results) {
    let mut groups: Vec<(&BTreeMap<String, String>, Vec<String>)> = Vec::new();
    for on in results.interpreters.iter().filter(|on| !on.packages.is_empty()) {
        match groups.iter_mut().find(|(packages, _)| **packages == on.packages) {
            Some((_, labels)) => labels.push(short(&on.label)),
            None => groups.push((&on.packages, vec![short(&on.label)])),
        }
    }
    if groups.is_empty() {
        return;
    }
    *text += "## Packages\n\n";
    for (packages, labels) in groups {
        let all: Vec<String> = packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let _ = writeln!(text, "* CPython {}: {}", labels.join(", "), all.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    #[test]
    fn the_noisiest_part_is_named() {
        let on = |label: &str, quiet: &[(&str, usize, usize)]| OnInterpreter {
            label: label.to_owned(),
            quiet: quiet
                .iter()
                .map(|&(part, processes, slow)| (part.to_owned(), Moments { processes, again: 0, slow }))
                .collect(),
            ..OnInterpreter::default()
        };
        let said = |interpreters: Vec<OnInterpreter>| {
            let machine =
                Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
            let mut text = String::new();
            noisiest(&mut text, &Results { machine, version: String::new(), interpreters, pages: None });
            text
        };
        let text = said(vec![
            on("3.11.7-shared", &[("start", 100, 30), ("scale", 1000, 31)]),
            on("3.14.8-static", &[("imports", 2000, 1000)]),
        ]);
        assert!(text.contains("the part imports on CPython 3.14.8 static,"), "{text}");
        assert!(text.contains("before or after 1 000 of 2 000 processes."), "{text}");
        assert_eq!(
            said(vec![on("3.11.7-shared", &[("start", 100, 0), ("encodings", 1, 1)]), on("3.13.0-shared", &[])]),
            ""
        );
    }

    #[test]
    fn what_was_disturbed_is_told_if_there_was_anything() {
        assert_eq!(disturbed("start", Moments { processes: 3, again: 0, slow: 0 }), None);
        let said = disturbed("start", Moments { processes: 9, again: 2, slow: 1 }).unwrap();
        assert!(
            said.starts_with("start: of 9 processes 2 ran again") && said.contains("before or after 1 the"),
            "{said}"
        );
    }
}
