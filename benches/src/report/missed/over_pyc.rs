//! What the image leaves of the time of imports from `.pyc` files, and what of that is the limit's too.

use crate::report::difference::Difference;
use crate::report::markdown::{cells, or_dash, percent, signed};
use crate::report::profile::{more, seconds, total};
use crate::report::short;
use crate::report::targets::{OVER_PYC, over_limit, pyc_over};
use crate::results::{OnInterpreter, Place, Profiled, Results, Way};
use crate::statistics::mean;

/// What the limit spends its time in; all other places are one column.
const NAMED: [(Place, &str); 3] =
    [(Place::Interpreter, "interpreter"), (Place::Libraries, "libraries"), (Place::Faults, "page faults")];

/// These others.
const REST: [Place; 4] = [Place::Loader, Place::Files, Place::Memory, Place::Kernel];

/// For each interpreter that misses the figure about `.pyc` files.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = format!(
        "What stands between the image and {wanted} times the speed of `.pyc` files where the figure is missed: what no image \
         spares is the limit's, which runs the bodies of the modules, importlib and `dlopen`. Shares are of the time from \
         `.pyc` files, by the profiles below, the mean of their packages, of medians of the runs, so that they need not add up; \
         what the image adds and spares are with the standard error, and not certain where they are less than twice that. The last columns are of the imports: what the image \
         may take over the limit where `.pyc` / image is {wanted}, and what it takes; below 0 not even the limit is so \
         quick.",
        wanted = OVER_PYC.wanted()
    );
    let mut columns = cells(["", ".pyc / image", "limit"]);
    columns.extend(NAMED.map(|(_, title)| format!("of it {title}")));
    columns.extend(cells([
        "the rest",
        "image − limit",
        "spared by the image",
        "packages",
        "over the limit: may",
        "does",
    ]));
    super::table(text, results, &said, &columns, |on| row(on).into_iter().collect());
}

fn row(on: &OnInterpreter) -> Option<Vec<String>> {
    let ratio = OVER_PYC.missed(pyc_over(on, Way::Image))?;
    let shares = Shares::of(on.profile.as_deref().unwrap_or_default());
    let allowed = pyc_over(on, Way::Limit).map(|(limit, _)| limit / OVER_PYC.wanted() - 1.0);
    if shares.is_none() && allowed.is_none() {
        return None;
    }
    let mut row = vec![short(&on.label), format!("{ratio:.3}")];
    let share = |of: &dyn Fn(&Shares) -> String| or_dash(shares.as_ref().map(of));
    row.push(share(&|shares| percent(shares.limit)));
    row.extend((0..NAMED.len()).map(|index| share(&|shares| percent(shares.named[index]))));
    row.push(share(&|shares| percent(shares.rest)));
    row.push(share(&|shares| with_error(shares.between)));
    row.push(share(&|shares| with_error(shares.spared)));
    row.push(or_dash(shares.as_ref().map(|shares| shares.packages.join(", "))));
    let over = |share: Option<f64>| or_dash(share.map(|share| signed(share, percent)));
    row.push(over(allowed));
    row.push(over(over_limit(on, Way::Image).map(|(ratio, _)| ratio - 1.0)));
    Some(row)
}

/// A share with its error.
fn with_error(share: Difference) -> String {
    let value = signed(share.value, |share| format!("{:.1}", share * 100.0));
    let uncertain = if share.is_beyond_chance() { "" } else { " (not certain)" };
    format!("{value} ± {}{uncertain}", percent(share.error))
}

/// Parts of the time from `.pyc` files, the means of some packages.
#[derive(Debug)]
struct Shares {
    /// All that the limit takes.
    limit: f64,
    /// Of the limit, by place.
    named: [f64; NAMED.len()],
    /// Of the limit, in all other places.
    rest: f64,
    /// Of the image, beyond the limit.
    between: Difference,
    /// Of `.pyc` files, beyond the image.
    spared: Difference,
    packages: Vec<String>,
}

impl Shares {
    fn of(rows: &[Profiled]) -> Option<Shares> {
        let all: Vec<Shares> = rows.iter().filter_map(Shares::of_one).collect();
        if all.is_empty() {
            return None;
        }
        let average = |of: &dyn Fn(&Shares) -> f64| mean(&all.iter().map(of).collect::<Vec<_>>());
        let together = |of: fn(&Shares) -> Difference| Difference::sum(all.iter().map(of)).over(all.len() as f64);
        Some(Shares {
            limit: average(&|shares| shares.limit),
            named: [0, 1, 2].map(|index| average(&|shares| shares.named[index])),
            rest: average(&|shares| shares.rest),
            between: together(|shares| shares.between),
            spared: together(|shares| shares.spared),
            packages: all.iter().flat_map(|shares| shares.packages.clone()).collect(),
        })
    }

    fn of_one(row: &Profiled) -> Option<Shares> {
        let pyc = total(row, Way::Pyc).filter(|seconds| *seconds > 0.0)?;
        let limit = |places: &[Place]| seconds(row, Way::Limit, places).map(|seconds| seconds / pyc);
        Some(Shares {
            limit: limit(&Place::ALL)?,
            named: NAMED.map(|(place, _)| limit(&[place]).unwrap_or(0.0)),
            rest: limit(&REST)?,
            between: more(row, Way::Image, Way::Limit, &Place::ALL)?.over(pyc),
            spared: more(row, Way::Pyc, Way::Image, &Place::ALL)?.over(pyc),
            packages: vec![row.name.clone()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::missed::tests::{package, results};
    use crate::results::Profile;

    /// Samples in the interpreter, in libraries, of faults and about files.
    fn profile(counts: [u64; 4]) -> Profile {
        let mut profile = Profile::default();
        let places = [Place::Interpreter, Place::Libraries, Place::Faults, Place::Files].into_iter();
        profile.add(0.5, 10, &places.zip(counts).collect());
        profile
    }

    fn on(image: f64) -> OnInterpreter {
        let ways = [(Way::Pyc, 8.0, 0.0, 0.0), (Way::Image, image, 0.0, 0.0), (Way::Limit, 4.0, 0.0, 0.0)];
        let ways: Vec<_> = ways.into();
        OnInterpreter { imports: Some(vec![package("json", &ways)]), ..OnInterpreter::default() }
    }

    fn text(on: OnInterpreter) -> String {
        let mut text = String::new();
        in_the_way(&mut text, &results(on));
        text
    }

    #[test]
    fn the_time_from_pyc_files_is_the_limits_what_the_image_adds_and_what_it_spares() {
        let ways = [(Way::Pyc, [90, 10, 50, 50]), (Way::Image, [85, 15, 30, 10]), (Way::Limit, [80, 10, 20, 2])];
        let ways = ways.map(|(way, counts)| (way, profile(counts))).into();
        let rows = vec![Profiled { name: "json".to_owned(), frequency: 1000.0, ways, functions: Vec::new() }];
        let text = text(OnInterpreter { profile: Some(rows), ..on(6.4) });
        // Of 200 samples; 8 / 4 is a quarter above 1.6.
        let line = "| 3.11.7 shared | 1.250 | 56.0 % | 40.0 % | 5.0 % | 10.0 % | 1.0 % | +14.0 ± 9.9 % (not certain) | +30.0 ± 11.6 % | json | +25.0 % | \
            +60.0 % |\n\n";
        assert!(text.ends_with(line), "{text}");
    }

    #[test]
    fn a_row_has_what_there_is_and_is_only_where_the_figure_is_missed() {
        assert_eq!(text(on(4.5)), "");
        let line = "| 3.11.7 shared | 1.250 | – | – | – | – | – | – | – | – | +25.0 % | +60.0 % |\n\n";
        assert!(text(on(6.4)).ends_with(line));
        let mut without = on(6.4);
        without.imports.as_mut().unwrap()[0].ways.remove(&Way::Limit);
        assert_eq!(text(without), "");
    }
}
