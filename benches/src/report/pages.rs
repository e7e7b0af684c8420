//! Tables of pages that have to be changed.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, mb};
use crate::results::{PageRow, PageWay, Pages};
use crate::statistics::median;

/// What a group of columns shows: its title, the value, and how it is written.
type Kind = (&'static str, fn(&PageRow) -> f64, fn(f64) -> String);

const KINDS: [Kind; 3] = [
    ("µs a page", |row| median(&row.seconds) * 1e6 / row.pages as f64, |value| format!("{value:.2}")),
    ("faults a page", |row| median(&row.faults) / row.pages as f64, |value| format!("{value:.3}")),
    ("peak RSS, MB", |row| median(&row.peak), mb),
];

/// Each way with pieces of each size.
pub fn table(text: &mut String, Pages { file_bytes, rows }: &Pages) {
    let most = |of: fn(&PageRow) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (pages, rounds) = (most(|row| row.pages), most(|row| row.seconds.len()));
    let _ = writeln!(
        text,
        "## Pages that have to be changed\n\nWhat it costs to get {} pages of 4 KiB out of a file of {} MB that the system has in \
         memory, and to move the words of a window in them, which is half of all words: in pieces of so many pages, as far from each \
         other as the file allows. Each is a process of its own, medians of {rounds} rounds. In the mapping, which is private, pages \
         are changed in place; a copy of the mapping moves the words on the way, and gives the mapping's pages back at the end; \
         for `pread` the file is opened, looked at and closed for each piece. Usual pages are made by `MADV_POPULATE_WRITE` before \
         `pread`, and by their faults in a copy. Faults are minor ones. \
         How much a read maps is up to the kernel and to how the file was written: here in large parts, as images are.\n",
        grouped(pages as f64),
        mb(*file_bytes as f64),
    );
    let mut pieces: Vec<usize> = rows.iter().map(|row| row.piece).collect();
    pieces.sort_unstable();
    pieces.dedup();
    let mut columns = cells([""]);
    for (kind, ..) in KINDS {
        columns.extend(pieces.iter().map(|piece| format!("{kind}: {piece}")));
    }
    let mut table = Table::new(&columns);
    for way in PageWay::ALL {
        let of = |piece: usize| rows.iter().find(|row| (row.way, row.piece) == (way, piece) && !row.seconds.is_empty());
        if !pieces.iter().any(|&piece| of(piece).is_some()) {
            continue;
        }
        let mut line = cells([way.title()]);
        for (_, value, show) in KINDS {
            line.extend(pieces.iter().map(|&piece| of(piece).map_or_else(|| "–".to_owned(), |row| show(value(row)))));
        }
        table.row(&line);
    }
    *text += &table.finish();
    let _ = writeln!(
        text,
        "\nThe loader reads units that it copies by {} for the first MiB of them and by {} beyond; for units that it uses in \
         place, and for the pool, it takes {} for up to two pages, and {} for more.\n",
        quoted(PageWay::File),
        quoted(PageWay::FileHuge),
        quoted(PageWay::Write),
        quoted(PageWay::Populate),
    );
    huge(text, rows);
    refused(text, rows);
}

fn quoted(way: PageWay) -> String {
    format!("“{}”", way.title())
}

/// What came of the wish for huge pages, unless all got them.
fn huge(text: &mut String, rows: &[PageRow]) {
    let asked: Vec<f64> = rows.iter().filter(|row| row.way.is_huge()).flat_map(|row| row.huge.clone()).collect();
    let without = asked.iter().filter(|&&bytes| bytes == 0.0).count();
    if without > 0 {
        let (without, all) = (grouped(without as f64), grouped(asked.len() as f64));
        let _ = writeln!(
            text,
            "**{without} of {all} processes that asked for huge pages got none**: these figures are of usual pages.\n"
        );
    }
}

fn refused(text: &mut String, rows: &[PageRow]) {
    let mut all: Vec<&str> = rows.iter().flat_map(|row| &row.refused).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    if !all.is_empty() {
        let _ = writeln!(text, "**The system refused:** {}.\n", all.join("; "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(way: PageWay, piece: usize, seconds: f64, huge: f64) -> PageRow {
        PageRow {
            way,
            piece,
            pages: 4000,
            moved: 1,
            seconds: vec![seconds, 9.0, seconds / 2.0],
            faults: vec![4000.0; 3],
            peak: vec![2e7; 3],
            huge: vec![huge; 3],
            refused: Vec::new(),
        }
    }

    fn shown(rows: Vec<PageRow>) -> String {
        let mut text = String::new();
        table(&mut text, &Pages { file_bytes: 204_800_000, rows });
        text
    }

    #[test]
    fn a_row_for_each_way_and_columns_for_each_size() {
        let text = shown(vec![row(PageWay::Write, 8, 0.008, 0.0), row(PageWay::Write, 1, 0.006, 0.0)]);
        assert!(text.contains("| µs a page: 1 | µs a page: 8 | faults a page: 1 |"), "{text}");
        let line = "| mapping, a write fault for each page | 1.50 | 2.00 | 1.000 | 1.000 | 20.0 | 20.0 |";
        assert!(text.contains(line) && text.contains("medians of 3 rounds"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("| ")).count(), 2, "{text}");
        assert!(!text.contains("huge pages got none") && !text.contains("refused"), "{text}");
    }

    #[test]
    fn missing_huge_pages_are_told() {
        let mut rows = vec![row(PageWay::FileHuge, 1, 0.004, 0.0), row(PageWay::CopyHuge, 1, 0.004, 4e6)];
        rows[0].refused.push("MADV_HUGEPAGE: Invalid argument".to_owned());
        let text = shown(rows);
        assert!(text.contains("**3 of 6 processes that asked for huge pages got none**"), "{text}");
        assert!(text.contains("refused:** MADV_HUGEPAGE: Invalid argument."), "{text}");
    }
}
