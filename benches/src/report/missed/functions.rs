//! The functions that the image spends more time in than the limit: of all packages together.

use std::collections::BTreeMap;

use crate::report::difference::{Difference, Together, certain_shares};
use crate::report::functions::{more, name};
use crate::report::markdown::{cells, or_dash};
use crate::report::profile::limit;
use crate::report::{short, targets};
use crate::results::{OnInterpreter, Place, Profiled, Results};

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
    let mut named = longest(on.profile.as_ref()?)
        .into_iter()
        .map(|((place, function), more)| format!("{} ({}): {more}", name(function), place.title()));
    let mut line = vec![short(&on.label), named.next()?];
    line.extend((1..NAMED).map(|_| or_dash(named.next())));
    Some(line)
}

/// Functions by their share of the limit's time, the mean of the packages; the largest first, and only those that are certain.
fn longest(rows: &[Profiled]) -> Vec<((Place, &str), Together)> {
    let mut all: BTreeMap<(Place, &str), Vec<(Difference, f64)>> = BTreeMap::new();
    for row in rows {
        let Some(limit) = limit(row) else { continue };
        for function in &row.functions {
            let Some(more) = more(row, function) else { continue };
            all.entry((function.place, &function.name)).or_default().push((more, limit));
        }
    }
    certain_shares(all.into_iter().map(|(what, found)| (what, Together::of(&found, rows.len()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::functions::tests::{row, rows};
    use crate::report::missed::tests::{package, results};
    use crate::results::Way;

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
        let line = "| 3.11.7 shared | `find` (interpreter): 24.5 %, +40.0 ± 16.1 ms | \
                    `clear` (kernel: page faults): 6.0 %, +102.0 ± 9.30 ms | – | – | – | – |";
        let found = text(on(1.5, rows()));
        assert!(found.contains(line), "{found}");
        assert_eq!(text(on(1.0, rows())), "");
        assert_eq!(text(on(1.5, vec![row("json", [1, 1], Vec::new())])), "");
    }
}
