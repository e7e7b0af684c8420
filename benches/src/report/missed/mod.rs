//! What stands in the way where a figure to reach is missed, from what was measured.

mod few;
mod from_start;
mod functions;
mod over_pyc;
mod peak;
mod start;

use crate::report::markdown::Table;
use crate::report::{mappings, profile};
use crate::results::{OnInterpreter, Results};

/// A table for each figure, in the order of the figures.
pub fn tables(text: &mut String, results: &Results) {
    profile::in_the_way(text, results);
    functions::in_the_way(text, results);
    over_pyc::in_the_way(text, results);
    from_start::in_the_way(text, results);
    start::in_the_way(text, results);
    few::in_the_way(text, results);
    peak::in_the_way(text, results);
    mappings::in_the_way(text, results);
}

/// A table with the rows of each interpreter below what it shows, if there is any row.
fn table(
    text: &mut String,
    results: &Results,
    said: &str,
    columns: &[String],
    rows: impl Fn(&OnInterpreter) -> Vec<Vec<String>>,
) {
    let rows: Vec<Vec<String>> = results.interpreters.iter().flat_map(rows).collect();
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new(columns);
    rows.iter().for_each(|row| table.row(row));
    *text += &format!("{said}\n\n{}\n", table.finish());
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Measured, Outcome, Samples, Way};

    /// Results of one interpreter.
    pub fn results(on: OnInterpreter) -> Results {
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        let on = OnInterpreter { label: "3.11.7-shared".to_owned(), linking: "shared".to_owned(), ..on };
        Results { machine, version: String::new(), interpreters: vec![on], pages: None }
    }

    /// A package: each way its import, its process and its peak. A start takes 10.
    pub fn package(name: &str, ways: &[(Way, f64, f64, f64)]) -> Measured {
        let one = |&(way, import, process, peak): &(Way, f64, f64, f64)| {
            let samples =
                Samples { import: vec![import], process: vec![process], peak: vec![peak], ..Samples::default() };
            (way, Outcome::Measured(samples))
        };
        let ways = ways.iter().map(one).collect();
        Measured { name: name.to_owned(), program: String::new(), ways, nothing: vec![10.0] }
    }

    #[test]
    fn without_values_there_is_no_table() {
        let mut text = String::new();
        tables(&mut text, &results(OnInterpreter::default()));
        assert_eq!(text, "");
    }
}
