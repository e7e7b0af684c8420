//! Where the time of a start goes, and what of it a start with the image takes longer for.

use std::fmt::Write;

use crate::report::difference::{Difference, certain_places, middle};
use crate::report::markdown::{Table, cells, grouped, ms, or_dash};
use crate::results::{Place, ProfiledStart, Step};

/// The steps, in the order of the columns.
const STEPS: [Step; 3] = [Step::None, Step::Off, Step::Image];

/// A row for each place.
pub fn table(text: &mut String, profile: &ProfiledStart) {
    let runs = profile.runs();
    let _ = writeln!(
        text,
        "### Where the time of a start goes\n\nSamples of perf from the start of `python -c pass` to its end, {runs} runs, {} \
         samples a second, by the same places; ms of one run, the median, and the median of the differences with its \
         standard error. To take samples costs time here, too.\n",
        grouped(profile.frequency)
    );
    let mut table = Table::new(&cells(["", "without", "loader, off", "image", "image − without"]));
    for place in Place::ALL {
        table.row(&line(place.title(), profile, &[place]));
    }
    table.row(&line("total", profile, &Place::ALL));
    *text += &table.finish();
    *text += "\n";
}

/// A row: each step, and the image less none.
fn line(title: &str, profile: &ProfiledStart, places: &[Place]) -> Vec<String> {
    let mut line = vec![title.to_owned()];
    let of = |step| profile.samples(step, places).map(|runs| ms(middle(&runs, profile.frequency)));
    line.extend(STEPS.map(|step| or_dash(of(step))));
    line.push(or_dash(difference(profile, places).map(|difference| difference.to_string())));
    line
}

/// What a start with the image takes longer than one without in some places together, by runs of the same round.
fn difference(profile: &ProfiledStart, places: &[Place]) -> Option<Difference> {
    let samples = |step| profile.samples(step, places);
    Difference::between(&samples(Step::Image)?, &samples(Step::None)?, profile.frequency)
}

/// Where a start with the image certainly takes longer than one without: the longest first.
pub fn differences(profile: &ProfiledStart) -> Vec<(Place, Difference)> {
    certain_places(|place| difference(profile, &[place]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_have_the_same_places_and_the_longest_difference_is_first() {
        let mut profile = ProfiledStart::new(1e7);
        // Of a thousand samples each, the loader has 4.8 more in one round and 5.2 in another; about files there are two more or two fewer.
        for (step, interpreter, loader, files) in [
            (Step::None, 90_000, [0, 0], [2000, 4000]),
            (Step::Off, 92_000, [0, 0], [2000, 4000]),
            (Step::Image, 93_000, [4800, 5200], [4000, 2000]),
        ] {
            for (loader, files) in loader.into_iter().zip(files) {
                let places = [(Place::Interpreter, interpreter), (Place::Loader, loader), (Place::Files, files)];
                profile.add(step, &places.into());
            }
        }
        let mut text = String::new();
        table(&mut text, &profile);
        for line in [
            "2 runs, 10 000 000 samples a second",
            "| interpreter | 9.00 | 9.20 | 9.30 | +0.30 ± 0.04 |",
            "| loader | 0.00 | 0.00 | 0.50 | +0.50 ± 0.05 |",
            "| kernel: files | 0.30 | 0.30 | 0.30 | +0.00 ± 0.53 |",
            "| total | 9.30 | 9.50 | 10.1 | +0.80 ± 0.47 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        let found: Vec<_> = differences(&profile).into_iter().map(|(place, more)| (place, more.to_string())).collect();
        assert_eq!(
            found,
            [(Place::Loader, "+0.50 ± 0.05".to_owned()), (Place::Interpreter, "+0.30 ± 0.04".to_owned())]
        );
    }
}
