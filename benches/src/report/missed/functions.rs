//! The functions that the image spends most more time in than the limit: of all packages together.

use std::collections::BTreeMap;

use crate::report::functions::name;
use crate::report::markdown::{cells, ms, or_dash, percent, signed};
use crate::report::profile::total;
use crate::report::{short, targets};
use crate::results::{OnInterpreter, Place, Profiled, Results, Way};

/// How many are named.
const NAMED: usize = 6;

/// For each interpreter that misses the figure about the limit and has functions with names.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = "The functions among them, as far as their files have names of functions, in the same measure. In each package those \
                count that are among its first. Functions of the interpreter that look up keys in dicts or in hash tables, hash text \
                and intern are there because each name of a module that is loaded is looked for among the interned strings, or \
                added to them; the limit has done so beforehand. Those that clear or copy pages make the memory that a module is \
                read into.";
    let columns = cells(["", "most", "second", "third", "fourth", "fifth", "sixth"]);
    super::table(text, results, said, &columns, |on| row(on).into_iter().collect());
}

fn row(on: &OnInterpreter) -> Option<Vec<String>> {
    targets::missed_limit(on)?;
    let mut named = longest(on.profile.as_ref()?).into_iter().map(|(place, name, More { seconds, share })| {
        format!("{name} ({}): {}, {} ms", place.title(), percent(share), signed(seconds, ms))
    });
    let mut line = vec![short(&on.label), named.next()?];
    line.extend((1..NAMED).map(|_| or_dash(named.next())));
    Some(line)
}

/// What the image spends more in a function than the limit.
#[derive(Debug, Clone, Copy, Default)]
struct More {
    /// Seconds, of all packages together.
    seconds: f64,
    /// Relative to the limit's time, the mean of the packages.
    share: f64,
}

/// Functions by their share, the largest first. Nothing is known of a package where it is not among the first.
fn longest(rows: &[Profiled]) -> Vec<(Place, String, More)> {
    let mut all: BTreeMap<(Place, String), More> = BTreeMap::new();
    for row in rows {
        let Some(limit) = total(row, Way::Limit).filter(|total| *total > 0.0) else { continue };
        for function in &row.functions {
            let seconds = (function.samples(Way::Image) - function.samples(Way::Limit)) / row.frequency;
            let more = all.entry((function.place, name(function))).or_default();
            more.seconds += seconds;
            more.share += seconds / limit / rows.len() as f64;
        }
    }
    let mut all: Vec<_> = all.into_iter().map(|((place, name), more)| (place, name, more)).collect();
    all.sort_by(|(.., a), (.., b)| b.share.total_cmp(&a.share));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::functions::tests::{row, rows};
    use crate::report::missed::tests::{package, results};

    #[test]
    fn all_packages_together_are_weighed_by_their_limits() {
        let imports = |image: f64| {
            let ways = [(Way::Image, image, 0.0, 0.0), (Way::Limit, 1.0, 0.0, 0.0)];
            Some(vec![package("json", &ways)])
        };
        let on =
            |image, rows| OnInterpreter { imports: imports(image), profile: Some(rows), ..OnInterpreter::default() };
        let text = |on| {
            let mut text = String::new();
            in_the_way(&mut text, &results(on));
            text
        };
        // A hundredth and a tenth of the limits, and a twentieth of one of two.
        let line = "| 3.11.7 shared | `clear` (kernel: page faults): 6.0 %, +102.0 ms | `find` (interpreter): 2.5 %, +5.00 ms | – | – | – | – |";
        let found = text(on(1.5, rows()));
        assert!(found.contains(line), "{found}");
        assert_eq!(text(on(1.0, rows())), "");
        assert_eq!(text(on(1.5, vec![row("json", 1, Vec::new())])), "");
    }
}
