//! The functions that the image spends most more time in than the limit.

use crate::report::difference::Difference;
use crate::report::markdown::{Table, cells, ms, or_dash};
use crate::results::{Function, Profiled, Way};

/// A name is no longer than this: compilers put whole signatures into some.
const LONGEST: usize = 60;

/// The ways, in the order of the columns.
const WAYS: [Way; 3] = [Way::Pyc, Way::Image, Way::Limit];

/// A row for each function of a package; nothing without functions.
pub fn table(text: &mut String, row: &Profiled) {
    if row.functions.is_empty() {
        return;
    }
    *text += "The functions that the image spends most more time in than the limit, as far as they have names; the difference with its \
              standard error:\n\n";
    let mut table = Table::new(&cells(["", "where", ".pyc", "image", "limit", "image − limit"]));
    for function in &row.functions {
        let mut line = vec![name(function), function.place.title().to_owned()];
        line.extend(
            WAYS.map(|way| {
                or_dash(function.ways.contains_key(&way).then(|| ms(function.samples(way) / row.frequency)))
            }),
        );
        line.push(or_dash(difference(row, function).map(|difference| difference.to_string())));
        table.row(&line);
    }
    *text += &table.finish();
    *text += "\n";
}

/// As code, without what follows a name that is too long.
pub fn name(function: &Function) -> String {
    let name = function.name.as_str();
    let shown: String = name.chars().take(LONGEST).collect();
    if shown.len() < name.len() { format!("`{shown}…`") } else { format!("`{shown}`") }
}

/// Of the runs of the same round.
fn difference(row: &Profiled, function: &Function) -> Option<Difference> {
    let (image, limit) = (function.ways.get(&Way::Image)?, function.ways.get(&Way::Limit)?);
    let runs = image.iter().zip(limit).map(|(&image, &limit)| (image as f64 - limit as f64) / row.frequency);
    Difference::of(&runs.collect::<Vec<_>>())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::results::{Place, Profile};

    fn function(name: &str, place: Place, image: [u64; 2], limit: [u64; 2]) -> Function {
        let ways = [(Way::Image, image.to_vec()), (Way::Limit, limit.to_vec())].into();
        Function { name: name.to_owned(), place, ways }
    }

    /// A package with a limit of so many samples of a millisecond.
    pub fn row(name: &str, limit: u64, functions: Vec<Function>) -> Profiled {
        let mut profile = Profile::default();
        profile.add(0.5, 10, &[(Place::Interpreter, limit)].into());
        Profiled { name: name.to_owned(), frequency: 1000.0, ways: [(Way::Limit, profile)].into(), functions }
    }

    /// Two packages.
    pub fn rows() -> Vec<Profiled> {
        vec![
            row(
                "json",
                100,
                vec![
                    function("find", Place::Interpreter, [6, 8], [2, 2]),
                    function("clear", Place::Faults, [5, 5], [3, 3]),
                ],
            ),
            row("sympy", 1000, vec![function("clear", Place::Faults, [101, 101], [1, 1])]),
        ]
    }

    #[test]
    fn each_function_has_its_times_and_how_certain_they_are() {
        let mut text = String::new();
        rows().iter().for_each(|row| table(&mut text, row));
        for line in [
            "| `find` | interpreter | – | 7.00 | 2.00 | +5.00 ± 1.00 |",
            "| `clear` | kernel: page faults | – | 5.00 | 3.00 | +2.00 ± 0.00 |",
            "| `clear` | kernel: page faults | – | 101.0 | 1.00 | +100.0 ± 0.00 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        let mut without = String::new();
        table(&mut without, &row("json", 1, Vec::new()));
        assert_eq!(without, "");
    }

    #[test]
    fn a_long_name_is_cut() {
        let of = |length: usize| name(&function(&"x".repeat(length), Place::Loader, [0; 2], [0; 2]));
        assert_eq!(of(LONGEST), format!("`{}`", "x".repeat(LONGEST)));
        assert_eq!(of(LONGEST + 1), format!("`{}…`", "x".repeat(LONGEST)));
    }
}
