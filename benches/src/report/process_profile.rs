//! Where the time of whole processes goes that import from the image, and of those that do by code-data-share: that works
//! before the clock of the import.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, ms, or_dash, signed};
use crate::results::{Place, Profiled, ProfiledStart, Step, Way};
use crate::statistics::mean;

/// The ways, in the order of the columns.
const WAYS: [Way; 3] = [Way::Pyc, Way::Image, Way::Cds];

/// Seconds in some places together, of one run on average.
pub(super) fn seconds(row: &Profiled, way: Way, places: &[Place]) -> Option<f64> {
    let profile = row.ways.get(&way)?;
    let samples: Option<f64> = places.iter().map(|&place| profile.of_process(place)).sum();
    Some(samples? / row.frequency)
}

/// The same without what a start without the loader takes there.
pub(super) fn from_start(row: &Profiled, starts: &ProfiledStart, way: Way, places: &[Place]) -> Option<f64> {
    Some(seconds(row, way, places)? - mean(&starts.seconds(Step::None, places)?))
}

/// A table for each package that code-data-share imports, too.
pub fn tables(text: &mut String, rows: &[Profiled]) {
    let compared: Vec<&Profiled> =
        rows.iter().filter(|row| WAYS.iter().all(|&way| seconds(row, way, &Place::ALL).is_some())).collect();
    if compared.is_empty() {
        return;
    }
    *text += "### Where the time of whole processes goes\n\nThe samples of the same runs, from the start of the process to its \
              end; ms of one run on average. What is in the loader's row is this project's; the extension module of \
              code-data-share is among the others.\n\n";
    for row in compared {
        let runs = row.ways.values().map(|profile| profile.seconds.len()).max().unwrap_or(0);
        let _ = writeln!(text, "`{}`, {runs} runs, {} samples a second:\n", row.name, grouped(row.frequency));
        let mut table = Table::new(&cells(["", ".pyc", "image", "code-data-share", "image − code-data-share"]));
        for place in Place::ALL {
            table.row(&line(place.title(), row, &[place]));
        }
        table.row(&line("total", row, &Place::ALL));
        *text += &table.finish();
        *text += "\n";
    }
}

/// A row: each way, and the image less code-data-share.
fn line(title: &str, row: &Profiled, places: &[Place]) -> Vec<String> {
    let of = |way| seconds(row, way, places);
    let mut line = vec![title.to_owned()];
    line.extend(WAYS.map(|way| or_dash(of(way).map(ms))));
    let difference = of(Way::Image).zip(of(Way::Cds)).map(|(image, cds)| image - cds);
    line.push(or_dash(difference.map(|difference| signed(difference, ms))));
    line
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::results::Profile;

    /// A package with so many samples in the interpreter and about files, of whole processes.
    pub fn row(name: &str, ways: &[(Way, [u64; 2])]) -> Profiled {
        let profile = |counts: [u64; 2]| {
            let mut profile = Profile::default();
            for more in [0, 2] {
                let places = [Place::Interpreter, Place::Files].into_iter();
                profile.add(0.5, 10, &[].into(), &places.zip(counts.map(|count| count + more - 1)).collect());
            }
            profile
        };
        let ways = ways.iter().map(|&(way, counts)| (way, profile(counts))).collect();
        Profiled { name: name.to_owned(), frequency: 1000.0, ways }
    }

    #[test]
    fn packages_that_code_data_share_imports_have_a_table() {
        let all = [(Way::Pyc, [90, 20]), (Way::Image, [60, 5]), (Way::Cds, [65, 4])];
        let mut text = String::new();
        tables(&mut text, &[row("json", &all), row("rich", &all[..2])]);
        assert!(!text.contains("rich"), "{text}");
        for line in [
            "`json`, 2 runs, 1 000 samples a second:",
            "| interpreter | 90.0 | 60.0 | 65.0 | −5.00 |",
            "| kernel: files | 20.0 | 5.00 | 4.00 | +1.00 |",
            "| kernel: memory | 0.00 | 0.00 | 0.00 | +0.00 |",
            "| total | 110.0 | 65.0 | 69.0 | −4.00 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        let mut text = String::new();
        tables(&mut text, &[row("rich", &all[..2])]);
        assert_eq!(text, "");
    }

    #[test]
    fn what_a_start_takes_does_not_count_from_start() {
        let mut starts = ProfiledStart { frequency: 100.0, ..ProfiledStart::default() };
        starts.add(Step::None, &[(Place::Interpreter, 2)].into());
        let row = row("json", &[(Way::Image, [60, 5])]);
        let of = |places: &[Place]| from_start(&row, &starts, Way::Image, places).map(ms);
        assert_eq!(of(&[Place::Interpreter]).as_deref(), Some("40.0"));
        assert_eq!(of(&Place::ALL).as_deref(), Some("45.0"));
        assert_eq!(from_start(&row, &starts, Way::Cds, &Place::ALL), None);
        assert_eq!(from_start(&row, &ProfiledStart::default(), Way::Image, &Place::ALL), None);
    }
}
