//! Tables with a column for each way.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, mb, ms};
use crate::report::ratios::{self, FROM_START, IMPORT, Of, PEAK, PROCESS};
use crate::results::{Measured, Way};
use crate::statistics::{Ratio, geometric_mean};

/// What a table is of.
pub struct Kind {
    of: Of,
    show: fn(f64) -> String,
    unit: &'static str,
}

/// Import times.
pub const IMPORTS: Kind = Kind { of: IMPORT, show: ms, unit: "ms" };
/// Times of imports with all that a process did for them before.
pub const FROM_STARTS: Kind = Kind { of: FROM_START, show: ms, unit: "ms" };
/// Times of processes.
pub const PROCESSES: Kind = Kind { of: PROCESS, show: ms, unit: "ms" };
/// Peaks of memory.
pub const PEAKS: Kind = Kind { of: PEAK, show: mb, unit: "MB" };

/// One column for each way: the median, and in parentheses the ratio to `.pyc`.
pub fn table(text: &mut String, title: &str, rows: &[&Measured], &Kind { of, show, unit }: &Kind) {
    let ways: Vec<Way> =
        Way::ALL.into_iter().filter(|&way| rows.iter().any(|row| ratios::middle(row, way, of).is_some())).collect();
    if ways.is_empty() {
        return;
    }
    let most = |way| rows.iter().map(|row| of(row, way).len()).max().unwrap_or(0);
    let (runs, zip) = (most(Way::Pyc), most(Way::Zip));
    let fewer = if zip == 0 || zip == runs { String::new() } else { format!(", for zip of {zip}") };
    let _ = writeln!(text, "### {title}\n\n{unit}, median of {runs}{fewer}; in parentheses relative to `.pyc`.\n");
    let mut columns = cells([""]);
    columns.extend(ways.iter().map(|way| way.title().to_owned()));
    columns.push("image/.pyc, 99 %".to_owned());
    let with_limit = ways.contains(&Way::Limit);
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

/// The interval of a ratio, if there is one.
pub fn interval(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |r| format!("{:.3}–{:.3}", r.low, r.high))
}

/// code-data-share against the image, from the start and inside the process: the two say different things.
pub fn compared(text: &mut String, rows: &[&Measured]) {
    let both = [FROM_START, IMPORT];
    let ratio = |row: &Measured, of| ratios::ratio(row, Way::Cds, Way::Image, of);
    let rows: Vec<&&Measured> = rows.iter().filter(|row| both.iter().any(|&of| ratio(row, of).is_some())).collect();
    if rows.is_empty() {
        return;
    }
    *text += "### code-data-share over the image\n\nRatios of times, with intervals. Above 1 the image is quicker.\n\n";
    let columns = ["", "import from start", "99 %", "inside the process", "99 %"];
    let mut table = Table::new(&cells(columns));
    for row in &rows {
        let mut line = vec![row.name.clone()];
        for of in both {
            let ratio = ratio(row, of);
            line.push(ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{:.3}", ratio.value)));
            line.push(interval(ratio));
        }
        table.row(&line);
    }
    *text += &table.finish();
    *text += "\n";
}

/// What stands behind the names.
pub fn programs(text: &mut String, rows: &[Measured]) {
    let other = rows.iter().filter(|row| row.program != format!("import {}", row.name) && row.program != row.name);
    let all: Vec<String> = other.map(|row| format!("{}: `{}`", row.name, row.program)).collect();
    if !all.is_empty() {
        let _ = writeln!(text, "Names stand for what a program imports: {}.\n", all.join("; "));
    }
}

/// What the loader did: the figures of the image that are the same in every run.
pub fn from_image(text: &mut String, rows: &[&Measured]) {
    let one = |row: &&Measured| {
        let samples = row.samples(Way::Image)?;
        let (served, patched) = (grouped(samples.served as f64), grouped(samples.patched? as f64));
        Some(format!("{} {served} ({patched})", row.name))
    };
    let all: Vec<String> = rows.iter().filter_map(one).collect();
    if !all.is_empty() {
        let _ = writeln!(text, "Modules from the image, and slots that were written there: {}.\n", all.join(", "));
    }
    // The loader is one of them.
    let more = |row: &&Measured| {
        let before = |way| row.samples(way).map(|samples| samples.before);
        before(Way::Image)?.checked_sub(before(Way::Pyc)? + 1).filter(|&more| more > 0)
    };
    if let Some(more) = rows.iter().filter_map(more).max() {
        let _ = writeln!(
            text,
            "Starting the loader imports {more} other modules here before the clock starts: the times above are too good for the \
             image by those that are imported anyway. The time of the process has all of them.\n"
        );
    }
}
