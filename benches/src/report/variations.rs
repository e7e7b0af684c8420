//! What variations of the image make of the figures: none is used unless a user asks for it, so these are no figures to reach.

use crate::report::mappings;
use crate::report::markdown::{Table, cells};
use crate::report::short;
use crate::report::targets::{Value, over_limit, peak, pss_of_16, pyc_over};
use crate::results::{OnInterpreter, Results, Way};

/// A value of the image or of a variation.
type Of = fn(&OnInterpreter, Way) -> Value;

/// A figure: its name, and its value.
type Figure = (&'static str, Of);

/// A variation, and the figures that it is about.
struct Variation {
    way: Way,
    /// What it is, above the table.
    said: &'static str,
    /// The title of its columns.
    title: &'static str,
    figures: &'static [Figure],
}

const ALL: [Variation; 2] = [
    Variation {
        way: Way::Paused,
        said: "What an import spends in the cyclic collector comes from neither image nor `.pyc` files. With \
               `PYCDSGC=pause`, which is off by default, the loader keeps it from running while modules of the image \
               execute; the limit and `.pyc` files have it as ever.",
        title: "the same, paused",
        figures: &[("image / limit", over_limit), ("`.pyc` / image", pyc_over)],
    },
    Variation {
        way: Way::InPlace,
        said: "Each process has a private copy of the units that it imports, unless the image is built with `--units \
               in-place`: then the pages of it that nobody writes to stay clean and shared between processes, where \
               addresses are fixed and objects immortal. PSS and imports are geometric means, peak RSS is of the worst package.",
        title: "the same, in place",
        figures: &[
            ("PSS of 16 processes: image / `.pyc`", pss_of_16),
            ("import: image / limit", over_limit),
            ("import: `.pyc` / image", pyc_over),
            ("peak RSS of one process: image / `.pyc`", peak),
        ],
    },
];

/// A table for each variation that was measured: figures without and with it.
pub fn tables(text: &mut String, results: &Results) {
    for variation in ALL {
        table(text, results, &variation);
    }
    *text += &why_copies(results);
    mappings::in_place(text, results);
}

/// Why units are copied unless a user asks for something else, where they need less memory in place: by the same figures.
fn why_copies(results: &Results) -> String {
    let times = |value| of_copies(results, value);
    let Some(pss) = times(pss_of_16).filter(|[_, high]| *high < 1.0) else { return String::new() };
    let costs = [("imports take", "the time", over_limit as Of), ("one process has at its peak", "the memory", peak)];
    let cost = |(what, of, value): (&str, &str, Of)| {
        let range = times(value).filter(|[low, _]| *low > 1.0)?;
        Some(format!("{what} {} times {of}", shown(range)))
    };
    let costs: Vec<String> = costs.into_iter().filter_map(cost).collect();
    if costs.is_empty() {
        return String::new();
    }
    format!(
        "Copies are the default all the same. In place the PSS of 16 processes is {} times that of copies, but {}: what starts often \
         and ends soon, or runs alone, loses by it, and only many processes that stay gain.\n\n",
        shown(pss),
        costs.join(", and ")
    )
}

/// In place over copies: the least and the most of all interpreters that have both.
fn of_copies(results: &Results, value: Of) -> Option<[f64; 2]> {
    let one = |on| Some(value(on, Way::InPlace)?.0 / value(on, Way::Image)?.0);
    let both = |[low, high]: [f64; 2], [least, most]: [f64; 2]| [low.min(least), high.max(most)];
    results.interpreters.iter().filter_map(one).map(|ratio| [ratio, ratio]).reduce(both)
}

/// One number if both ends are shown as the same.
fn shown([low, high]: [f64; 2]) -> String {
    let [low, high] = [low, high].map(|end| format!("{end:.2}"));
    if low == high { low } else { format!("{low} to {high}") }
}

/// Interpreters and figures that it was not measured of are left out.
fn table(text: &mut String, results: &Results, &Variation { way, said, title, figures }: &Variation) {
    let of_any = |rows: &[&OnInterpreter], (_, value): &Figure| rows.iter().any(|on| value(on, way).is_some());
    let measured = |on: &&OnInterpreter| figures.iter().any(|figure| of_any(&[on], figure));
    let rows: Vec<&OnInterpreter> = results.interpreters.iter().filter(measured).collect();
    if rows.is_empty() {
        return;
    }
    let figures: Vec<&Figure> = figures.iter().filter(|figure| of_any(&rows, figure)).collect();
    let mut columns = cells([""]);
    columns.extend(figures.iter().flat_map(|(name, _)| [*name, title]).map(str::to_owned));
    let mut table = Table::new(&columns);
    let shown = |value: Value| value.map_or_else(|| "–".to_owned(), |(value, more)| format!("{value:.3}{more}"));
    for on in rows {
        let mut line = vec![short(&on.label)];
        line.extend(figures.iter().flat_map(|(_, value)| [Way::Image, way].map(|way| shown(value(on, way)))));
        table.row(&line);
    }
    *text += &format!("{said}\n\n{}\n", table.finish());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Footprint, Measured, Memory, Outcome, Samples};

    /// One package on one interpreter: imports and peak RSS, and PSS of 16 processes.
    fn on(label: &str, imports: &[(Way, f64)], pss: &[(Way, f64)]) -> OnInterpreter {
        let samples = |value: f64| Samples { import: vec![value], peak: vec![value * 1e6], ..Samples::default() };
        let ways = imports.iter().map(|&(way, value)| (way, Outcome::Measured(samples(value)))).collect();
        let json = Measured { name: "json".to_owned(), program: String::new(), ways, nothing: Vec::new() };
        let footprint = |value: f64| Footprint { pss: vec![value], ..Footprint::default() };
        let ways = pss.iter().map(|&(way, value)| (way, footprint(value))).collect();
        let memory = Memory { name: "json".to_owned(), processes: 16, ways };
        OnInterpreter {
            label: label.to_owned(),
            imports: Some(vec![json]),
            memory: Some(vec![memory]),
            ..OnInterpreter::default()
        }
    }

    fn text(interpreters: Vec<OnInterpreter>) -> String {
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        let mut text = String::new();
        tables(&mut text, &Results { machine, version: String::new(), interpreters, pages: None });
        text
    }

    const WAYS: [(Way, f64); 3] = [(Way::Pyc, 8.0), (Way::Image, 5.0), (Way::Limit, 4.0)];

    #[test]
    fn both_ratios_without_and_with_the_collector_paused() {
        assert_eq!(text(vec![on("3.13.0-shared", &WAYS, &[])]), "", "not measured");
        let text = text(vec![on("3.13.0-shared", &[&WAYS[..], &[(Way::Paused, 4.4)]].concat(), &[])]);
        assert!(text.ends_with("| 3.13.0 shared | 1.250 | 1.100 | 1.600 | 1.818 |\n\n"), "{text}");
        assert!(!text.contains("in place"), "{text}");
    }

    #[test]
    fn four_figures_of_units_in_place_where_they_were_measured() {
        let memory = [(Way::Pyc, 10.0), (Way::Image, 10.5), (Way::InPlace, 7.0)];
        let imports = [&WAYS[..], &[(Way::InPlace, 6.4)]].concat();
        let other = || on("3.13.0-shared", &WAYS, &memory[..2]);
        let both = text(vec![other(), on("3.14.8-static.debian-testing", &imports, &memory)]);
        let line = "| 3.14.8 static | 1.050 | 0.700 | 1.250 | 1.600 | 1.600 | 1.250 | 0.625 (json) | 0.800 (json) |\n\n\
             Copies are the default all the same. In place the PSS of 16 processes is 0.67 times that of copies, but imports take 1.28 \
             times the time, and one process has at its peak 1.28 times the memory: what starts often and ends soon, or runs \
             alone, loses by it, and only many processes that stay gain.\n\n";
        assert!(both.ends_with(line), "{both}");
        assert!(!both.contains("3.13.0"), "{both}");
        // One part alone has its own columns.
        let memory = text(vec![other(), on("3.14.8-static", &WAYS, &memory)]);
        let table = "|  | PSS of 16 processes: image / `.pyc` | the same, in place |\n|---|--:|--:|\n\
                     | 3.14.8 static | 1.050 | 0.700 |\n\n";
        assert!(memory.ends_with(table), "{memory}");
    }
}
