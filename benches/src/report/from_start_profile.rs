//! Where the time from start goes, with the image and by code-data-share.

use std::fmt::Write;

use crate::report::difference::{Difference, Term, certain_places};
use crate::report::markdown::{Table, cells, grouped, ms, or_dash};
use crate::results::{Place, ProfiledFromStart, Way, Whole};

/// What is compared, with the way whose name it has.
const KINDS: [(Whole, Way); 2] = [(Whole::Image, Way::Image), (Whole::Cds, Way::Cds)];

/// Some of these kinds in some places together, each with what it counts, in seconds.
fn weighed(row: &ProfiledFromStart, kinds: &[(f64, Whole)], places: &[Place]) -> Option<Difference> {
    let samples = |&(factor, kind): &(f64, Whole)| Some((factor, row.processes.samples(kind, places)?));
    let samples = kinds.iter().map(samples).collect::<Option<Vec<_>>>()?;
    let terms: Vec<Term<'_>> = samples.iter().map(|(factor, samples)| (*factor, samples.as_slice())).collect();
    Difference::of(&terms, row.processes.frequency)
}

/// Seconds from start in some places together, the median of the rounds.
fn seconds(row: &ProfiledFromStart, kind: Whole, places: &[Place]) -> Option<f64> {
    Some(weighed(row, &[(1.0, kind), (-1.0, Whole::Nothing)], places)?.value)
}

/// Two rows for each package.
pub fn table(text: &mut String, rows: &[ProfiledFromStart]) {
    let Some(first) = rows.first() else { return };
    let runs = first.processes.runs();
    let _ = writeln!(
        text,
        "### Where the time from start goes\n\nSamples of whole processes, less those of the same program when it imports \
         nothing, without loader and image; {runs} rounds, {} samples a second; ms of one process, the median of the rounds. To take samples costs \
         time, so that these are longer than those above. The loader is this project's or that of code-data-share; the rest of \
         that is written in Python.\n",
        grouped(first.processes.frequency)
    );
    let mut columns = cells(["", "way", "total"]);
    columns.extend(Place::ALL.map(|place| place.title().to_owned()));
    let mut table = Table::new(&columns);
    for row in rows {
        for (kind, way) in KINDS {
            let of = |places: &[Place]| or_dash(seconds(row, kind, places).map(ms));
            let mut line = vec![row.name.clone(), way.title().to_owned(), of(&Place::ALL)];
            line.extend(Place::ALL.map(|place| of(&[place])));
            table.row(&line);
        }
    }
    *text += &table.finish();
    *text += "\n";
}

/// What the time of code-data-share is relative to that with the image, and what of the latter is too much for the former to be
/// `wanted` times as long: in all, and in the places where that is certain, the longest first.
#[derive(Debug, PartialEq)]
pub struct TooMuch {
    pub ratio: f64,
    pub all: Difference,
    pub places: Vec<(Place, Difference)>,
}

impl TooMuch {
    /// `None` if not all was sampled.
    pub fn of(row: &ProfiledFromStart, wanted: f64) -> Option<TooMuch> {
        // From start both are less what imports nothing.
        let kinds = [(1.0, Whole::Image), (-1.0 / wanted, Whole::Cds), (1.0 / wanted - 1.0, Whole::Nothing)];
        let of = |places: &[Place]| weighed(row, &kinds, places);
        let total = |kind| seconds(row, kind, &Place::ALL);
        Some(TooMuch {
            ratio: total(Whole::Cds)? / total(Whole::Image)?,
            all: of(&Place::ALL)?,
            places: certain_places(|place| of(&[place])),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::results::Processes;

    /// A package: milliseconds in the interpreter and about files, in two rounds, with a thousand samples in each.
    pub fn row(name: &str, kinds: &[(Whole, [u64; 2])]) -> ProfiledFromStart {
        let mut processes = Processes::new(1e6);
        for &(kind, [interpreter, files]) in kinds {
            for more in [0, 2] {
                let counts = [(Place::Interpreter, (interpreter + more) * 1000), (Place::Files, files * 1000)];
                processes.add(kind, &counts.into());
            }
        }
        ProfiledFromStart { name: name.to_owned(), processes }
    }

    const ALL: [(Whole, [u64; 2]); 3] = [(Whole::Nothing, [20, 10]), (Whole::Image, [80, 15]), (Whole::Cds, [95, 12])];

    #[test]
    fn what_imports_nothing_does_not_count() {
        let mut text = String::new();
        table(&mut text, &[row("json", &ALL), row("rich", &ALL[..2])]);
        for line in [
            "; 2 rounds, 1 000 000 samples a second;",
            "| json | image | 65.0 | 60.0 | 0.00 | 0.00 | 0.00 | 5.00 | 0.00 | 0.00 |",
            "| json | code-data-share | 77.0 | 75.0 | 0.00 | 0.00 | 0.00 | 2.00 | 0.00 | 0.00 |",
            "| rich | code-data-share | – | – |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        let mut text = String::new();
        table(&mut text, &[]);
        assert_eq!(text, "");
    }

    #[test]
    fn too_much_is_what_is_more_than_a_part_of_the_others_time() {
        let found = TooMuch::of(&row("json", &ALL), 1.25).unwrap();
        // 65 - 77 / 1.25, and about files 5 - 2 / 1.25; in the interpreter nothing is too much.
        let places: Vec<_> = found.places.iter().map(|(place, more)| (*place, more.to_string())).collect();
        assert_eq!((ms(found.ratio), found.all.to_string().as_str()), (ms(77.0 / 65.0), "+3.40 ± 0.36"));
        assert_eq!(places, [(Place::Files, "+3.40 ± 0.13".to_owned())]);
        assert_eq!(TooMuch::of(&row("rich", &ALL[..2]), 1.25), None);
    }
}
