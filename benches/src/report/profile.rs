//! Where the time of an import goes, and what of it stands between the image and the limit.

use std::fmt::Write;

use crate::report::difference::{Difference, Together, certain_shares, middle};
use crate::report::markdown::{Table, cells, grouped, ms, or_dash, signed};
use crate::report::ratios::{self, IMPORT};
use crate::report::{functions, short, targets};
use crate::results::{OnInterpreter, Place, Profile, Profiled, Results, Way};
use crate::statistics::median;

/// How many of the largest differences are named.
const NAMED: usize = 3;

/// The ways, in the order of the columns.
const WAYS: [Way; 3] = [Way::Pyc, Way::Image, Way::Limit];

/// Seconds in some places together, the median of the runs.
pub(super) fn seconds(row: &Profiled, way: Way, places: &[Place]) -> Option<f64> {
    Some(middle(&row.ways.get(&way)?.samples(places)?, row.frequency))
}

/// Seconds in all places, the median of the runs.
pub(super) fn total(row: &Profiled, way: Way) -> Option<f64> {
    seconds(row, way, &Place::ALL)
}

/// What one way takes longer than another in some places together, by runs of the same round.
pub(super) fn more(row: &Profiled, longer: Way, shorter: Way, places: &[Place]) -> Option<Difference> {
    let samples = |way| row.ways.get(&way)?.samples(places);
    Difference::between(&samples(longer)?, &samples(shorter)?, row.frequency)
}

/// A table for each package.
pub fn tables(text: &mut String, rows: &[Profiled]) {
    *text += "### Where the time goes\n\nSamples of perf between the two readings of the clock, by the file that the processor was in, in the \
              kernel by how it came there; ms of one run, the median, so that places need not add up to the total, which is the median of the \
              runs' totals. The last column is the median of the differences in each round, with its standard error. To take samples costs \
              time too: *by the clock* is with that, and with waiting, so that these times are longer than those above. Minor faults are \
              medians, too.\n\n";
    for row in rows {
        let runs = row.ways.values().map(|profile| profile.seconds.len()).max().unwrap_or(0);
        let _ = writeln!(text, "`{}`, {runs} runs, {} samples a second:\n", row.name, grouped(row.frequency));
        let mut table = Table::new(&cells(["", ".pyc", "image", "limit", "image − limit"]));
        for place in Place::ALL {
            table.row(&sampled(place.title(), row, &[place]));
        }
        table.row(&sampled("total", row, &Place::ALL));
        table.row(&by_the_clock(row));
        table.row(&faults(row));
        *text += &table.finish();
        *text += "\n";
        functions::table(text, row);
    }
}

/// A row: each way, and the image less the limit.
fn line(title: &str, value: impl Fn(Way) -> Option<String>, difference: Option<String>) -> Vec<String> {
    let mut line = vec![title.to_owned()];
    line.extend(WAYS.map(|way| or_dash(value(way))));
    line.push(or_dash(difference));
    line
}

/// The row of some places together.
fn sampled(title: &str, row: &Profiled, places: &[Place]) -> Vec<String> {
    let difference = more(row, Way::Image, Way::Limit, places).map(|more| more.to_string());
    line(title, |way| seconds(row, way, places).map(ms), difference)
}

/// The row of what the clock inside the process says.
fn by_the_clock(row: &Profiled) -> Vec<String> {
    let of = |way| values(row, way, |profile| &profile.seconds);
    let difference = of(Way::Image).zip(of(Way::Limit)).map(|(image, limit)| {
        let runs: Vec<f64> = image.iter().zip(limit).map(|(image, limit)| image - limit).collect();
        signed(median(&runs), ms)
    });
    line("by the clock", |way| of(way).map(median).map(ms), difference)
}

/// The row of minor faults.
fn faults(row: &Profiled) -> Vec<String> {
    let of = |way| values(row, way, |profile| &profile.faults).map(median);
    let difference = of(Way::Image).zip(of(Way::Limit)).map(|(image, limit)| signed(image - limit, grouped));
    line("minor faults", |way| of(way).map(grouped), difference)
}

/// Values of each run, if there are any.
fn values(row: &Profiled, way: Way, of: fn(&Profile) -> &[f64]) -> Option<&[f64]> {
    row.ways.get(&way).map(of).filter(|values| !values.is_empty())
}

/// The places where the image certainly takes longer than the limit: the largest share of the limit's time first.
fn differences(rows: &[Profiled]) -> Vec<(Place, Together)> {
    let of = |place| {
        let one = |row| Some((more(row, Way::Image, Way::Limit, &[place])?, limit(row)?));
        let found: Vec<(Difference, f64)> = rows.iter().filter_map(one).collect();
        (place, Together::of(&found, found.len()))
    };
    certain_shares(Place::ALL.into_iter().map(of))
}

/// The limit's seconds, if it has any.
pub(super) fn limit(row: &Profiled) -> Option<f64> {
    total(row, Way::Limit).filter(|total| *total > 0.0)
}

/// The image over the limit by the profile, for each package.
fn sampled_ratios(rows: &[Profiled]) -> Vec<(&str, f64)> {
    rows.iter().filter_map(|row| Some((row.name.as_str(), total(row, Way::Image)? / limit(row)?))).collect()
}

/// For each interpreter that misses the figure about the limit and has a profile: what the image takes longer for.
pub fn in_the_way(text: &mut String, results: &Results) {
    let one = |on: &OnInterpreter| {
        let ratio = targets::missed_limit(on)?;
        let rows = on.profile.as_ref()?;
        let sampled = sampled_ratios(rows);
        let names: Vec<&str> = sampled.iter().map(|(name, _)| *name).collect();
        let mut timed = ratios::all(on, Way::Image, Way::Limit, IMPORT);
        timed.retain(|(name, _)| names.contains(name));
        let mut line = vec![short(&on.label), format!("{ratio:.3}")];
        line.extend([timed, sampled].map(|all| or_dash(ratios::mean(&all).map(|ratio| format!("{ratio:.3}")))));
        let mut named = differences(rows).into_iter().map(|(place, more)| format!("{}: {more}", place.title()));
        line.extend((0..NAMED).map(|_| or_dash(named.next())));
        line.push(names.join(", "));
        Some(line)
    };
    let lines: Vec<Vec<String>> = results.interpreters.iter().filter_map(one).collect();
    if lines.is_empty() {
        return;
    }
    *text += "What stands between the image and the limit where the figure is missed: the places that the image spends most more time in, by \
              the profiles below. Per cent are of the limit's own time, the mean of the packages, and decide which is most; ms are of all packages together, so that those \
              that take long weigh more, each the median of its rounds, with the standard error; what is less than twice that is left out. *In the profile* is image / limit by \
              the medians of what was sampled, beside the figure of the same packages. Where the two are far from each other, most runs of \
              some package were in slow moments one way and not the other: the profile does not show what the figure says then, and per \
              cent and ms are those of the profile.\n\n";
    let columns =
        ["", "image / limit", "image / limit, these packages", "in the profile", "most", "second", "third", "packages"];
    let mut table = Table::new(&cells(columns));
    lines.iter().for_each(|line| table.row(line));
    *text += &table.finish();
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::missed::tests::{package, results};

    /// The places of `profile`.
    const PLACES: [Place; 3] = [Place::Interpreter, Place::Loader, Place::Faults];

    /// A run for each of these samples in the interpreter, in the loader and of faults.
    fn profile(runs: &[[u64; 3]]) -> Profile {
        let mut profile = Profile::default();
        for counts in runs {
            profile.add(0.5, 1000, &PLACES.into_iter().zip(*counts).collect());
        }
        profile
    }

    /// A package with samples of a microsecond.
    fn row_of(name: &str, image: &[[u64; 3]], limit: &[[u64; 3]]) -> Profiled {
        let ways = [(Way::Image, profile(image)), (Way::Limit, profile(limit))].into();
        Profiled { name: name.to_owned(), frequency: 1e6, ways, functions: Vec::new() }
    }

    /// The same with so many milliseconds in each of two runs, a millisecond less in one and more in the other.
    fn row(name: &str, image: [u64; 3], limit: [u64; 3]) -> Profiled {
        let runs = |counts: [u64; 3]| [0, 2].map(|run| counts.map(|count| (count + run - 1) * 1000));
        row_of(name, &runs(image), &runs(limit))
    }

    fn shown(rows: &[Profiled]) -> Vec<(Place, String)> {
        differences(rows).into_iter().map(|(place, more)| (place, more.to_string())).collect()
    }

    #[test]
    fn the_largest_differences_come_first_by_what_they_are_of_each_limit() {
        // Of a second and of a tenth.
        let rows = [row("sympy", [903, 21, 171], [899, 1, 100]), row("json", [98, 31, 6], [98, 1, 1])];
        assert_eq!(
            shown(&rows),
            [
                (Place::Loader, "16.0 %, +50.0 ± 0.21 ms".to_owned()),
                (Place::Faults, "6.0 %, +76.0 ± 0.47 ms".to_owned()),
                (Place::Interpreter, "0.2 %, +4.00 ± 1.25 ms".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_less_than_twice_its_error_is_left_out() {
        let rows = [row("sympy", [901, 21, 171], [899, 1, 100])];
        assert_eq!(shown(&rows).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [Place::Faults, Place::Loader]);
        // Runs that differ by more than what they have in common.
        let limit = [[90_000, 0, 1000]; 3];
        let uncertain = [[90_000, 2000, 1000], [130_000, 2500, 1000], [200_000, 2200, 1000]];
        assert_eq!(
            shown(&[row_of("json", &uncertain, &limit)]),
            [(Place::Loader, "2.4 %, +2.20 ± 0.32 ms".to_owned())]
        );
    }

    #[test]
    fn a_slow_run_does_not_change_the_order() {
        let limit = [[90_000, 0, 1000]; 5];
        let mut image = [100, 0, 200, 50, 150].map(|more| [90_000 + more, 6000 + more, 4000 + more]);
        let order = |image: &[[u64; 3]]| {
            let found = differences(&[row_of("json", image, &limit)]);
            found.iter().map(|(place, more)| (*place, more.more.value)).collect::<Vec<_>>()
        };
        let before = order(&image);
        assert_eq!(before, [(Place::Loader, 0.0061), (Place::Faults, 0.0031)]);
        image[4] = [250_000, 7000, 20_000];
        assert_eq!(order(&image), before);
    }

    #[test]
    fn a_profile_that_disagrees_with_the_figure_is_told_from_one_that_agrees() {
        let of = |name: &str, image: f64| {
            let ways = [(Way::Image, image, 0.0, 0.0), (Way::Limit, 1.0, 0.0, 0.0)];
            package(name, &ways)
        };
        let text = |rows: Vec<Profiled>| {
            let imports = Some(vec![of("json", 1.1), of("rich", 1.6)]);
            let mut text = String::new();
            in_the_way(&mut text, &results(OnInterpreter { imports, profile: Some(rows), ..OnInterpreter::default() }));
            text
        };
        let limit = [[90_000, 0, 10_000]; 3];
        let agrees = text(vec![row_of("json", &[[90_000, 10_000, 10_000]; 3], &limit)]);
        // Two runs of three were slow.
        let slow = [[130_000, 10_000, 10_000], [90_000, 10_000, 10_000], [150_000, 10_000, 10_000]];
        let disagrees = text(vec![row_of("json", &slow, &limit)]);
        let line = |profile| {
            format!("| 3.11.7 shared | 1.327 | 1.100 | {profile} | loader: 10.0 %, +10.0 ± 0.07 ms | – | – | json |\n")
        };
        assert!(agrees.contains(&line("1.100")), "{agrees}");
        assert!(disagrees.contains(&line("1.500")), "{disagrees}");
        assert_eq!(
            text(Vec::new()).trim_end().lines().last().unwrap(),
            "| 3.11.7 shared | 1.327 | – | – | – | – | – |  |"
        );
    }

    #[test]
    fn a_table_has_what_there_is() {
        let mut text = String::new();
        tables(&mut text, &[row("json", [98, 31, 6], [99, 1, 1])]);
        for line in [
            "`json`, 2 runs, 1 000 000 samples a second:",
            "| interpreter | – | 98.0 | 99.0 | −1.00 ± 0.39 |",
            "| loader | – | 31.0 | 1.00 | +30.0 ± 0.16 |",
            "| kernel: files | – | 0.00 | 0.00 | +0.00 ± 0.00 |",
            "| total | – | 135.0 | 101.0 | +34.0 ± 0.43 |",
            "| by the clock | – | 500.0 | 500.0 | +0.00 |",
            "| minor faults | – | 1 000 | 1 000 | +0 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
    }

    #[test]
    fn the_total_is_the_median_of_the_totals() {
        let image = [[10_000, 2000, 0], [20_000, 1000, 0], [90_000, 3000, 50_000]];
        let mut text = String::new();
        tables(&mut text, &[row_of("json", &image, &[[9000, 0, 0]; 3])]);
        for line in [
            "| interpreter | – | 20.0 | 9.00 | +11.0 ± 16.1 |",
            "| loader | – | 2.00 | 0.00 | +2.00 ± 1.61 |",
            "| total | – | 21.0 | 9.00 | +12.0 ± 14.5 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
    }
}
