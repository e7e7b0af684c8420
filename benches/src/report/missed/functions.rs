//! The functions that the image spends more time in than the limit: of all packages together.

use std::collections::BTreeMap;

use crate::report::difference::Difference;
use crate::report::functions::{more, name};
use crate::report::markdown::{cells, or_dash, percent};
use crate::report::profile::total;
use crate::report::{short, targets};
use crate::results::{OnInterpreter, Place, Profiled, Results, Way};

/// How many are named.
const NAMED: usize = 6;

/// For each interpreter that misses the figure about the limit and has functions with names.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = "The functions with names that the image spends most more time in than the limit, of all these packages together and more \
                than twice the standard error: in per cent of the limit's time, the mean of the packages, and in ms. There are others that \
                it spends less in, so these are not parts of the difference. What looks up keys in dicts and in hash tables, or hashes and \
                interns text, has more to do because all names of a module that is loaded are looked up among the interned strings; what \
                clears pages, because a module is read into new memory. In the limit's way both are done before the clock starts.";
    let columns = cells(["", "most", "second", "third", "fourth", "fifth", "sixth"]);
    super::table(text, results, said, &columns, |on| row(on).into_iter().collect());
}

fn row(on: &OnInterpreter) -> Option<Vec<String>> {
    targets::missed_limit(on)?;
    let mut named = longest(on.profile.as_ref()?).into_iter().map(|(share, more, place, function)| {
        format!("{} ({}): {}, {more} ms", name(function), place.title(), percent(share))
    });
    let mut line = vec![short(&on.label), named.next()?];
    line.extend((1..NAMED).map(|_| or_dash(named.next())));
    Some(line)
}

/// Functions by their share of the limit's time, the mean of the packages; the largest first, and only those that are certain.
fn longest(rows: &[Profiled]) -> Vec<(f64, Difference, Place, &str)> {
    let mut all: BTreeMap<(Place, &str), Vec<(f64, Difference)>> = BTreeMap::new();
    for row in rows {
        let Some(limit) = total(row, Way::Limit).filter(|total| *total > 0.0) else { continue };
        for function in &row.functions {
            let Some(more) = more(row, function) else { continue };
            all.entry((function.place, &function.name)).or_default().push((more.seconds / limit, more));
        }
    }
    let of = |((place, name), found): ((Place, _), Vec<(f64, Difference)>)| {
        let share = found.iter().map(|(share, _)| share).sum::<f64>() / rows.len() as f64;
        (share, Difference::sum(found.into_iter().map(|(_, more)| more)), place, name)
    };
    let mut all: Vec<_> = all.into_iter().map(of).filter(|(_, more, ..)| more.is_certain()).collect();
    all.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
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
        // Half of a limit less a hundredth of another one; a fiftieth and a tenth.
        let line = "| 3.11.7 shared | `find` (interpreter): 24.5 %, +40.0 ± 12.4 ms | \
                    `clear` (kernel: page faults): 6.0 %, +102.0 ± 7.42 ms | – | – | – | – |";
        let found = text(on(1.5, rows()));
        assert!(found.contains(line), "{found}");
        assert_eq!(text(on(1.0, rows())), "");
        assert_eq!(text(on(1.5, vec![row("json", [1, 1], Vec::new())])), "");
    }
}
