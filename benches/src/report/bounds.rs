//! How far each figure to reach could go, by what was measured of everything that no image can spare.

use crate::report::ratios::{self, FROM_START, IMPORT, all as ratios_of, mean, middle};
use crate::report::targets::{OVER_CDS, OVER_PYC, START, Target, Value, plain, target, titled, worst};
use crate::results::{Measured, OnInterpreter, Results, Step, Way};

/// The bounds that the results have values for, beside what is wanted of the figure.
fn all(results: &Results) -> Vec<Target> {
    let new = |name, bound, value: &dyn Fn(&OnInterpreter) -> Value| target(results, name, bound, "", value);
    let mut all = vec![
        new("import: `.pyc` / limit, geometric mean", OVER_PYC, &|on| {
            plain(mean(&ratios_of(on, Way::Pyc, Way::Limit, IMPORT)))
        }),
        new(
            "import from start: code-data-share / limit after a start that costs nothing, every package",
            OVER_CDS,
            &|on| worst(OVER_CDS, &over_limit_from_start(on)),
        ),
        new("`python -c pass`: with a `.pth` file / without", START, &|on| plain(ratios::start(on, Step::Pth))),
        new("`python -c pass`: with an extension module in a `.pth` file / without", START, &|on| {
            plain(ratios::start(on, Step::Extension))
        }),
    ];
    all.retain(|bound| bound.reached.is_some());
    all
}

/// code-data-share from start over an image whose import takes the limit's time and whose start costs nothing, by name.
fn over_limit_from_start(on: &OnInterpreter) -> Vec<(&str, f64)> {
    let one = |row: &Measured| {
        // What the program around the import costs; the limit's own process is not like that of any other way.
        let around = middle(row, Way::Pyc, FROM_START)? - middle(row, Way::Pyc, IMPORT)?;
        Some(middle(row, Way::Cds, FROM_START)? / (around + middle(row, Way::Limit, IMPORT)?))
    };
    ratios::imports(on).filter_map(|row| Some((row.name.as_str(), one(row)?))).collect()
}

/// The table, if there is a bound.
pub fn table(text: &mut String, results: &Results) {
    let bounds = all(results);
    if bounds.is_empty() {
        return;
    }
    *text += "**How far each figure could go:** bounds of what an image can reach, by the same measurement. Imports from it take the limit's time, \
              and in a start neither loader nor image take any: what is left is a `.pth` file, or one that imports an extension module. \
              Bold is a bound that is short of the target. Better than a bound can be only what makes importlib itself quicker, or takes \
              from the image what a start imports after the loader.\n\n";
    *text += &titled(&bounds, "within reach");
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Outcome, Samples, Starts};

    fn samples(import: f64, process: f64) -> Samples {
        Samples { import: vec![import], process: vec![process], ..Samples::default() }
    }

    fn package(name: &str, pyc: f64, cds: f64, limit: f64) -> Measured {
        // A start takes 10, and the program around the import 1.
        let ways = [(Way::Pyc, pyc, pyc + 11.0), (Way::Cds, 1.0, cds), (Way::Limit, limit, 0.0)];
        let ways = ways.map(|(way, import, process)| (way, Outcome::Measured(samples(import, process))));
        let mut row =
            Measured { name: name.to_owned(), program: String::new(), ways: ways.into(), nothing: vec![10.0] };
        if let Some(Outcome::Measured(limit)) = row.ways.get_mut(&Way::Limit) {
            limit.process.clear();
        }
        row
    }

    fn results(on: OnInterpreter) -> Results {
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        let other = OnInterpreter { label: "3.13.0-shared".to_owned(), ..OnInterpreter::default() };
        let on = OnInterpreter { label: "3.11.7-shared".to_owned(), ..on };
        Results { machine, version: String::new(), interpreters: vec![on, other], pages: None }
    }

    #[test]
    fn imports_could_take_the_limits_time_and_starts_what_the_interpreter_takes() {
        let steps = [(Step::None, 10.0), (Step::Pth, 10.1), (Step::Extension, 10.4), (Step::Image, 11.0)];
        let steps = steps.map(|(step, seconds)| (step, samples(0.0, seconds))).into();
        let imports = Some(vec![package("json", 4.0, 16.0, 2.0), package("rich", 9.0, 17.0, 6.0)]);
        let start = Some(Starts { steps, ..Starts::default() });
        let mut text = String::new();
        table(&mut text, &results(OnInterpreter { imports, start, ..OnInterpreter::default() }));
        for line in [
            "| figure | target | within reach | 3.11.7 shared | 3.13.0 shared |",
            // 2 and 1.5.
            "| import: `.pyc` / limit, geometric mean | ≥ 1.6 | yes | 1.732 | – |",
            // (16 - 10) / (1 + 2) and (17 - 10) / (1 + 6).
            "every package | ≥ 1.25 | **no** | **1.000 (rich)** | – |",
            "| `python -c pass`: with a `.pth` file / without | ≤ 1.02 | yes | 1.010 | – |",
            "in a `.pth` file / without | ≤ 1.02 | **no** | **1.040** | – |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
    }

    #[test]
    fn there_are_no_bounds_of_what_was_not_measured() {
        let mut text = String::new();
        table(&mut text, &results(OnInterpreter::default()));
        assert_eq!(text, "");
        let mut row = package("json", 4.0, 16.0, 2.0);
        row.ways.remove(&Way::Cds);
        table(&mut text, &results(OnInterpreter { imports: Some(vec![row]), ..OnInterpreter::default() }));
        assert!(text.contains("| ≥ 1.6 | yes | 2.000 | – |"), "{text}");
        assert!(!text.contains("code-data-share") && !text.contains("without |"), "{text}");
    }
}
