//! Tables with a column for each way.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, mb, ms, percent};
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
        line.push(with_interval(ratios::ratio(row, Way::Image, Way::Pyc, of)));
        if with_limit {
            line.push(with_interval(ratios::ratio(row, Way::Image, Way::Limit, of)));
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

/// The same with the ratio before it.
pub fn with_interval(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |r| format!("{:.3} ({})", r.value, interval(ratio)))
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
    let all = written(rows, Way::Image);
    if !all.is_empty() {
        let _ = writeln!(text, "Modules from the image, and slots that were written there: {}.\n", all.join(", "));
    }
    let all = written(rows, Way::InPlace);
    if !all.is_empty() {
        let _ = writeln!(text, "The same in place: {}{}.\n", all.join(", "), of_those_in_copies(rows));
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

/// Of each row the modules from an image, and the slots of it that were written.
fn written(rows: &[&Measured], way: Way) -> Vec<String> {
    let one = |row: &&Measured| {
        let samples = row.samples(way)?;
        let (served, patched) = (grouped(samples.served as f64), grouped(samples.patched? as f64));
        Some(format!("{} {served} ({patched})", row.name))
    };
    rows.iter().filter_map(one).collect()
}

/// How many slots are written in place where others are written in copies: of the rows that have both.
fn of_those_in_copies(rows: &[&Measured]) -> String {
    let patched = |row: &&Measured, way| Some(row.samples(way)?.patched? as f64);
    let both = rows.iter().filter_map(|row| Some((patched(row, Way::InPlace)?, patched(row, Way::Image)?)));
    let (in_place, copies) = both.fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    if copies > 0.0 {
        format!("; of all together {} of the slots that are written in copies", percent(in_place / copies))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Outcome, Samples};

    fn row(name: &str, ways: &[(Way, f64, Option<u64>)]) -> Measured {
        let samples =
            |import: f64, patched| Samples { import: vec![import; 3], served: 17, patched, ..Samples::default() };
        let ways = ways.iter().map(|&(way, import, patched)| (way, Outcome::Measured(samples(import, patched))));
        Measured { name: name.to_owned(), program: String::new(), ways: ways.collect(), nothing: Vec::new() }
    }

    #[test]
    fn ratios_stand_before_their_intervals() {
        let row = row("json", &[(Way::Pyc, 0.008, None), (Way::Image, 0.005, None), (Way::Limit, 0.004, None)]);
        let mut text = String::new();
        table(&mut text, "Import time", &[&row], &IMPORTS);
        let line = "| json | 8.00 | 5.00 (0.62) | 4.00 (0.50) | 0.625 (0.625–0.625) | 1.250 (1.250–1.250) |";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn slots_in_place_are_told_where_they_were_measured() {
        let one = |in_place| {
            let row = row("json", &[(Way::Image, 1.0, Some(12_000)), (Way::InPlace, 1.0, in_place)]);
            let mut text = String::new();
            from_image(&mut text, &[&row]);
            text
        };
        let before = "Modules from the image, and slots that were written there: json 17 (12 000).\n\n";
        assert_eq!(one(None), before);
        let more =
            "The same in place: json 17 (1 500); of all together 12.5 % of the slots that are written in copies.\n\n";
        assert_eq!(one(Some(1500)), format!("{before}{more}"));
    }
}
