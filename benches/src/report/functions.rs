//! The functions that the image spends more time in than the limit.

use crate::report::difference::{Difference, certain, middle};
use crate::report::markdown::{Table, cells, ms, or_dash};
use crate::results::{Function, Place, Profiled, Way};

/// How many of a package are shown.
const SHOWN: usize = 12;

/// A name is no longer than this: compilers put whole signatures into some.
const LONGEST: usize = 60;

/// The ways, in the order of the columns.
const WAYS: [Way; 3] = [Way::Pyc, Way::Image, Way::Limit];

/// A row for each function of a package that the image certainly spends more time in; nothing without any.
pub fn table(text: &mut String, row: &Profiled) {
    let mut found = certain(row.functions.iter().map(|function| (function, more(row, function))));
    found.truncate(SHOWN);
    if found.is_empty() {
        return;
    }
    *text += "The functions with names that the image spends most more time in than the limit, and more than twice the standard error; they \
              are chosen by the same samples. All others, those that the image spends less in among them, and those without a name are in \
              the last row.\n\n";
    let mut table = Table::new(&cells(["", "where", ".pyc", "image", "limit", "image − limit"]));
    for (function, more) in &found {
        let mut line = vec![name(&function.name), function.place.title().to_owned()];
        line.extend(WAYS.map(|way| ms(middle(samples(function, way), row.frequency))));
        line.push(more.to_string());
        table.row(&line);
    }
    let shown: Vec<&Function> = found.iter().map(|(function, _)| *function).collect();
    let others = WAYS.map(|way| others(row, &shown, way));
    let mut line = cells(["all others", ""]);
    line.extend(others.each_ref().map(|runs| or_dash(runs.as_ref().map(|runs| ms(middle(runs, row.frequency))))));
    let [_, image, limit] = &others;
    let more = image.as_ref().zip(limit.as_ref());
    let more = more.and_then(|(image, limit)| Difference::between(image, limit, row.frequency));
    line.push(or_dash(more.map(|more| more.to_string())));
    table.row(&line);
    *text += &table.finish();
    *text += "\n";
}

/// Samples of each run; none where it was in no run of this way.
fn samples(function: &Function, way: Way) -> &[u64] {
    function.ways.get(&way).map_or(&[0], Vec::as_slice)
}

/// Samples of each run in all other functions than these.
fn others(row: &Profiled, shown: &[&Function], way: Way) -> Option<Vec<u64>> {
    let mut others = row.ways.get(&way)?.samples(&Place::ALL)?;
    for function in shown {
        others.iter_mut().zip(samples(function, way)).for_each(|(all, samples)| *all = all.saturating_sub(*samples));
    }
    Some(others)
}

/// As code, without what follows a name that is too long.
pub fn name(name: &str) -> String {
    let shown: String = name.chars().take(LONGEST).collect();
    if shown.len() < name.len() { format!("`{shown}…`") } else { format!("`{shown}`") }
}

/// What the image spends more in a function than the limit, by runs of the same round.
pub fn more(row: &Profiled, function: &Function) -> Option<Difference> {
    let (image, limit) = (function.ways.get(&Way::Image)?, function.ways.get(&Way::Limit)?);
    Difference::between(image, limit, row.frequency)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::results::Profile;

    fn function(name: &str, place: Place, image: [u64; 2], limit: [u64; 2]) -> Function {
        let ways = [(Way::Image, image.to_vec()), (Way::Limit, limit.to_vec())].into();
        Function { name: name.to_owned(), place, ways }
    }

    /// A package with so many samples of a millisecond.
    pub fn row(name: &str, [image, limit]: [u64; 2], functions: Vec<Function>) -> Profiled {
        let profile = |count: u64| {
            let mut profile = Profile::default();
            (0..2).for_each(|_| profile.add(0.5, 10, &[(Place::Interpreter, count)].into()));
            profile
        };
        let ways = [(Way::Pyc, 3000), (Way::Image, image), (Way::Limit, limit)].map(|(way, n)| (way, profile(n)));
        Profiled { name: name.to_owned(), frequency: 1000.0, ways: ways.into(), functions }
    }

    /// Two packages.
    pub fn rows() -> Vec<Profiled> {
        let json = vec![
            function("find", Place::Interpreter, [65, 75], [20, 20]),
            function("clear", Place::Faults, [5, 5], [3, 3]),
        ];
        let sympy = vec![
            function("find", Place::Interpreter, [50, 50], [60, 60]),
            function("clear", Place::Faults, [101, 101], [1, 1]),
        ];
        vec![row("json", [155, 100], json), row("sympy", [1105, 1000], sympy)]
    }

    #[test]
    fn a_function_has_a_row_if_it_is_certain_and_the_others_have_the_rest() {
        let mut text = String::new();
        rows().iter().for_each(|row| table(&mut text, row));
        for line in [
            "| `find` | interpreter | 0.00 | 70.0 | 20.0 | +50.0 ± 13.1 |\n| all others |  | 3000.0 | 85.0 | 80.0 | +5.00 ± 13.1 |\n",
            "| `clear` | kernel: page faults | 0.00 | 101.0 | 1.00 | +100.0 ± 8.96 |\n| all others |  | 3000.0 | 1004.0 | 999.0 | +5.00 ± 39.7 |\n",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        assert_eq!(text.matches("`clear`").count(), 1, "2.00 ± 2.52 is not certain");
        let mut without = String::new();
        table(&mut without, &row("json", [1, 1], Vec::new()));
        assert_eq!(without, "");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(name(&"x".repeat(LONGEST)), format!("`{}`", "x".repeat(LONGEST)));
        assert_eq!(name(&"x".repeat(LONGEST + 1)), format!("`{}…`", "x".repeat(LONGEST)));
    }
}
