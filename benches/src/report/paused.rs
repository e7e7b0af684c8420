//! What `PYCDSGC=pause` makes of the figures about imports: it is off unless a user asks for it, so they are no figures to reach.

use crate::report::markdown::{Table, cells};
use crate::report::ratios::{IMPORT, all as ratios_of, mean};
use crate::report::short;
use crate::results::{OnInterpreter, Results, Way};

/// The same two figures without and with it, where it was measured.
pub fn table(text: &mut String, results: &Results) {
    let figures = |on: &OnInterpreter| {
        let mean = |above, below| mean(&ratios_of(on, above, below, IMPORT)).map(|value| format!("{value:.3}"));
        Some([
            short(&on.label),
            mean(Way::Image, Way::Limit)?,
            mean(Way::Paused, Way::Limit)?,
            mean(Way::Pyc, Way::Image)?,
            mean(Way::Pyc, Way::Paused)?,
        ])
    };
    let rows: Vec<[String; 5]> = results.interpreters.iter().filter_map(figures).collect();
    if rows.is_empty() {
        return;
    }
    *text += "What an import spends in the cyclic collector comes from neither image nor `.pyc` files. With `PYCDSGC=pause`, which is off by \
              default, the loader keeps it from running while modules of the image execute; the limit and `.pyc` files have it as ever.\n\n";
    let columns = ["", "image / limit", "the same, paused", "`.pyc` / image", "the same, paused"];
    let mut table = Table::new(&cells(columns));
    rows.iter().for_each(|row| table.row(row));
    *text += &table.finish();
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Measured, Outcome, Samples};

    fn results(ways: &[(Way, f64)]) -> Results {
        let samples = |value: f64| Outcome::Measured(Samples { import: vec![value], ..Samples::default() });
        let ways = ways.iter().map(|&(way, value)| (way, samples(value))).collect();
        let json = Measured { name: "json".to_owned(), program: String::new(), ways, nothing: Vec::new() };
        let on =
            OnInterpreter { label: "3.13.0-shared".to_owned(), imports: Some(vec![json]), ..OnInterpreter::default() };
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        Results { machine, version: String::new(), interpreters: vec![on], pages: None }
    }

    #[test]
    fn both_ratios_with_and_without() {
        let mut text = String::new();
        let ways = [(Way::Pyc, 8.0), (Way::Image, 5.0), (Way::Limit, 4.0)];
        table(&mut text, &results(&ways));
        assert_eq!(text, "", "not measured");
        table(&mut text, &results(&[&ways[..], &[(Way::Paused, 4.4)]].concat()));
        assert!(text.ends_with("| 3.13.0 shared | 1.250 | 1.100 | 1.600 | 1.818 |\n\n"), "{text}");
    }
}
