//! Where the time of an import goes, and what of it stands between the image and the limit.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, ms, percent, signed};
use crate::report::{functions, short, targets};
use crate::results::{OnInterpreter, Place, Profile, Profiled, Results, Way};
use crate::statistics::{mean, median};

/// How many of the largest differences are named.
const NAMED: usize = 3;

/// The ways, in the order of the columns.
const WAYS: [Way; 3] = [Way::Pyc, Way::Image, Way::Limit];

/// Seconds in a place, of one run on average.
pub(super) fn seconds(row: &Profiled, way: Way, place: Place) -> Option<f64> {
    Some(row.ways.get(&way)?.samples(place) / row.frequency)
}

/// Seconds in all places.
pub(super) fn total(row: &Profiled, way: Way) -> Option<f64> {
    Place::ALL.into_iter().map(|place| seconds(row, way, place)).sum()
}

/// A table for each package.
pub fn tables(text: &mut String, rows: &[Profiled]) {
    *text += "### Where the time goes\n\nSamples of perf between the two readings of the clock, by the file that the processor was in, in the \
              kernel by how it came there; ms of one run on average. To take samples costs time too: *by the clock* is with that, and \
              with waiting, so that these times are longer than those above. Minor faults are medians.\n\n";
    for row in rows {
        let runs = row.ways.values().map(|profile| profile.seconds.len()).max().unwrap_or(0);
        let _ = writeln!(text, "`{}`, {runs} runs, {} samples a second:\n", row.name, grouped(row.frequency));
        let mut table = Table::new(&cells(["", ".pyc", "image", "limit", "image − limit"]));
        for place in Place::ALL {
            table.row(&line(place.title(), |way| seconds(row, way, place), ms));
        }
        table.row(&line("total", |way| total(row, way), ms));
        let of = |values: fn(&Profile) -> &[f64], middle: fn(&[f64]) -> f64| {
            move |way| row.ways.get(&way).map(values).filter(|values| !values.is_empty()).map(middle)
        };
        table.row(&line("by the clock", of(|profile| &profile.seconds, mean), ms));
        table.row(&line("minor faults", of(|profile| &profile.faults, median), grouped));
        *text += &table.finish();
        *text += "\n";
        functions::table(text, row);
    }
}

/// A row: each way, and the image less the limit.
fn line(title: &str, value: impl Fn(Way) -> Option<f64>, show: fn(f64) -> String) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), show);
    let mut line = vec![title.to_owned()];
    line.extend(WAYS.map(|way| cell(value(way))));
    let difference = value(Way::Image).zip(value(Way::Limit)).map(|(image, limit)| image - limit);
    line.push(difference.map_or_else(|| "–".to_owned(), |difference| signed(difference, show)));
    line
}

/// What the image takes longer for than the limit.
#[derive(Debug, PartialEq)]
struct Difference {
    place: Place,
    /// Seconds, of all packages together.
    seconds: f64,
    /// Relative to the limit's time, the mean of the packages.
    share: f64,
}

/// The places where the image takes longer, the largest first.
fn differences(rows: &[Profiled]) -> Vec<Difference> {
    let of = |place| {
        let one = |row: &Profiled| {
            let seconds = seconds(row, Way::Image, place)? - seconds(row, Way::Limit, place)?;
            Some((seconds, seconds / total(row, Way::Limit).filter(|total| *total > 0.0)?))
        };
        let (seconds, shares): (Vec<f64>, Vec<f64>) = rows.iter().filter_map(one).unzip();
        Difference { place, seconds: seconds.iter().sum(), share: mean(&shares) }
    };
    let mut all: Vec<Difference> = Place::ALL.into_iter().map(of).filter(|difference| difference.share > 0.0).collect();
    all.sort_by(|a, b| b.share.total_cmp(&a.share));
    all
}

/// For each interpreter that misses the figure about the limit and has a profile: what the image takes longer for.
pub fn in_the_way(text: &mut String, results: &Results) {
    let one = |on: &OnInterpreter| {
        let ratio = targets::missed_limit(on)?;
        let rows = on.profile.as_ref()?;
        let mut line = vec![short(&on.label), format!("{ratio:.3}")];
        let mut named = differences(rows).into_iter().take(NAMED).map(|Difference { place, seconds, share }| {
            format!("{}: {}, {} ms", place.title(), percent(share), signed(seconds, ms))
        });
        line.extend((0..NAMED).map(|_| named.next().unwrap_or_else(|| "–".to_owned())));
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        line.push(names.join(", "));
        Some(line)
    };
    let lines: Vec<Vec<String>> = results.interpreters.iter().filter_map(one).collect();
    if lines.is_empty() {
        return;
    }
    *text += "What stands between the image and the limit where the figure is missed: the places that the image spends most more time in, by \
              the profiles below. Per cent are of the limit's own time, the mean of the packages; ms are of all packages together.\n\n";
    let mut table = Table::new(&cells(["", "image / limit", "most", "second", "third", "packages"]));
    lines.iter().for_each(|line| table.row(line));
    *text += &table.finish();
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package with so many samples in the interpreter, in the loader and of faults, in each of two runs.
    fn row(name: &str, image: [u64; 3], limit: [u64; 3]) -> Profiled {
        let profile = |counts: [u64; 3]| {
            let mut profile = Profile::default();
            for run in [0, 2] {
                let places = [Place::Interpreter, Place::Loader, Place::Faults].into_iter();
                profile.add(0.5, 1000, &places.zip(counts.map(|count| count + run - 1)).collect());
            }
            profile
        };
        let ways = [(Way::Image, profile(image)), (Way::Limit, profile(limit))].into();
        Profiled { name: name.to_owned(), frequency: 1000.0, ways, functions: Vec::new() }
    }

    #[test]
    fn the_largest_differences_come_first_by_what_they_are_of_each_limit() {
        // Of a second and of a tenth.
        let rows = [row("sympy", [900, 21, 171], [899, 1, 100]), row("json", [98, 31, 6], [98, 1, 1])];
        let found = differences(&rows);
        let shown: Vec<_> = found.iter().map(|d| (d.place, ms(d.seconds), percent(d.share))).collect();
        assert_eq!(
            shown,
            [
                (Place::Loader, "50.0".to_owned(), "16.0 %".to_owned()),
                (Place::Faults, "76.0".to_owned(), "6.0 %".to_owned()),
                (Place::Interpreter, "1.00".to_owned(), "0.1 %".to_owned()),
            ]
        );
    }

    #[test]
    fn a_table_has_what_there_is() {
        let mut text = String::new();
        tables(&mut text, &[row("json", [98, 31, 6], [99, 1, 1])]);
        for line in [
            "`json`, 2 runs, 1 000 samples a second:",
            "| interpreter | – | 98.0 | 99.0 | −1.00 |",
            "| loader | – | 31.0 | 1.00 | +30.0 |",
            "| kernel: files | – | 0.00 | 0.00 | +0.00 |",
            "| total | – | 135.0 | 101.0 | +34.0 |",
            "| by the clock | – | 500.0 | 500.0 | +0.00 |",
            "| minor faults | – | 1 000 | 1 000 | +0 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
    }
}
