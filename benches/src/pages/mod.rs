//! The ways in which the loader could get pages that it has to change: each in a process of its own, in turns.

pub mod child;
mod words;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cds_tests::process::Run;
use cds_tests::tools::target_directory;

use crate::launch::launch_warm;
use crate::machine::PAGE;
use crate::order;
use crate::results::{PageRow, PageWay, Pages};

/// Name of the hidden subcommand that is one measurement.
pub const COMMAND: &str = "change-pages";

/// Pages of the file: as many as a large environment has.
const FILE_PAGES: usize = 50_000;

/// Pages that are changed, as by an import of many modules.
const CHANGED: usize = 4000;

/// Pages in a piece: a chunk of the pool, and units.
const PIECES: [usize; 3] = [1, 8, 16];

/// Measures each way with pieces of each size.
pub fn measure(runs: usize) -> Result<Pages> {
    let program = env::current_exe().context("this program does not know its own path")?;
    let folder = target_directory()?.join("cds-tests");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("pages-")
        .tempdir_in(&folder)
        .with_context(|| format!("cannot make a folder in `{}`", folder.display()))?;
    let file = folder.path().join("words");
    eprintln!("  writing a file of {} MB", FILE_PAGES * PAGE / 1_000_000);
    words::write(&file, FILE_PAGES)?;
    // From now on the system has it in memory.
    let mut opened = File::open(&file).with_context(|| format!("cannot open `{}`", file.display()))?;
    let file_bytes =
        io::copy(&mut opened, &mut io::sink()).with_context(|| format!("cannot read `{}`", file.display()))?;

    let mut rows = Vec::new();
    for piece in PIECES {
        let pieces = Pieces::new(FILE_PAGES, piece, CHANGED);
        let moved = pieces.starts().map(|first| words::in_window(first, piece)).sum();
        rows.extend(PageWay::ALL.map(|way| PageRow {
            way,
            piece,
            pages: pieces.all(),
            moved,
            seconds: Vec::new(),
            faults: Vec::new(),
            peak: Vec::new(),
            huge: Vec::new(),
            refused: Vec::new(),
        }));
    }
    for round in 0..=runs {
        eprintln!("  round {round} of {runs}{}", if round == 0 { " (not counted)" } else { "" });
        for index in order::of_round(round, rows.len()) {
            let row = &mut rows[index];
            one(row, round, &program, &file)
                .with_context(|| format!("{}, pieces of {} pages", row.way.title(), row.piece))?;
        }
    }
    Ok(Pages { file_bytes, rows })
}

/// One process.
fn one(row: &mut PageRow, round: usize, program: &Path, file: &Path) -> Result<()> {
    let way = serde_json::to_string(&row.way)?;
    let run = || Run::new(program).arg(COMMAND).arg(file).arg(&way).args([row.piece, CHANGED].map(|n| n.to_string()));
    let finished = launch_warm(run)?;
    let found: child::Found = serde_json::from_str(&finished.stdout).context("the process printed something else")?;
    ensure!(found.moved == row.moved, "{} words were moved, and the file has {}", found.moved, row.moved);
    if round > 0 {
        row.seconds.push(found.seconds);
        row.faults.push(found.faults);
        row.peak.push(found.peak);
        row.huge.push(found.huge);
    }
    row.refused.extend(found.refused);
    row.refused.sort();
    row.refused.dedup();
    Ok(())
}

/// Pieces of a file, as far from each other as it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// How many.
    count: usize,
    /// Pages in each.
    pages: usize,
    /// Pages from the start of one to the start of the next.
    step: usize,
}

impl Pieces {
    /// Of `piece` pages each, `changed` pages together, or as many as the file has.
    pub fn new(file_pages: usize, piece: usize, changed: usize) -> Pieces {
        let piece = piece.max(1);
        let count = changed.min(file_pages) / piece;
        Pieces { count, pages: piece, step: file_pages / count.max(1) }
    }

    /// Pages of all together.
    pub fn all(self) -> usize {
        self.count * self.pages
    }

    /// The first page of each.
    pub fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |number| number * self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_apart_and_inside() {
        for piece in PIECES {
            let pieces = Pieces::new(FILE_PAGES, piece, CHANGED);
            assert_eq!((pieces.all(), pieces.starts().next()), (CHANGED, Some(0)));
            // Together they would say more of the kernel's reading around a fault than of the ways.
            assert!(pieces.step >= 10 * piece, "{pieces:?}");
            assert!(pieces.starts().all(|first| first + piece <= FILE_PAGES));
        }
        let few = Pieces::new(3, 2, 100);
        assert_eq!((few.all(), few.starts().collect::<Vec<_>>()), (2, vec![0]));
        assert_eq!(Pieces::new(0, 0, 1).starts().count(), 0);
    }

    #[test]
    fn every_way_moves_the_words_that_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        words::write(&file, 60).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len() as usize, 60 * PAGE);
        for piece in [1, 7] {
            let pieces = Pieces::new(60, piece, 20);
            let there: u64 = pieces.starts().map(|first| words::in_window(first, piece)).sum();
            assert!(there > 0);
            for way in PageWay::ALL {
                let found = child::measure(&file, way, piece, 20).unwrap();
                assert_eq!(found.moved, there, "{way:?} {piece}");
                assert!(found.seconds > 0.0 && found.peak > 0.0, "{found:?}");
            }
        }
    }
}
