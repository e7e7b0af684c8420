//! How far each figure to reach could go, by what was measured of everything that no image can spare.

use crate::report::ratios::{self, FROM_START, IMPORT, middle};
use crate::report::targets::{OVER_CDS, OVER_PYC, START, Target, of_ratio, target, titled, worst};
use crate::results::{Measured, OnInterpreter, Results, Step, Way};

/// The bounds that the results have values for, beside what is wanted of the figure.
fn all(results: &Results) -> Vec<Target> {
    let start = |name, step| of_ratio(results, name, START, move |on| ratios::start_within(on, step));
    let mut all = vec![
        of_ratio(results, "import: `.pyc` / limit, geometric mean", OVER_PYC, |on| {
            ratios::mean_within(on, Way::Pyc, Way::Limit, IMPORT)
        }),
        target(
            results,
            "import from start: code-data-share / limit after a start that costs nothing, every package",
            OVER_CDS,
            "",
            &|on| worst(OVER_CDS, &over_limit_from_start(on)),
        ),
        start("`python -c pass`: with a `.pth` file / without", Step::Pth),
        start("`python -c pass`: with an extension module in a `.pth` file / without", Step::Extension),
    ];
    all.retain(|bound| bound.reached.is_some());
    all
}

/// code-data-share from start over an image whose import takes the limit's time and whose start costs nothing, by name.
fn over_limit_from_start(on: &OnInterpreter) -> Vec<(&str, f64)> {
    let surplus = ratios::surplus(on);
    let one = |row: &Measured| {
        // The limit's own process is not like that of any other way.
        let around = ratios::split(row, surplus?)?.around;
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
    *text += "**How far each figure could go:** bounds of what an image can reach, by the same measurement. Imports from it \
              take the limit's time, and in a start neither loader nor image take any: what is left is a `.pth` file, or one \
              that imports an extension module. From the start on there is left, beside the limit's time, what the image's own \
              process takes around the import, without what its start takes longer than one without an image. Bold is a bound \
              that is short of the target, italic one whose interval is not. Of image / limit the bound is 1, by what the limit is: a \
              target below that needs an import that is quicker than importlib's own with everything in memory. Better than a bound can be only what makes importlib itself quicker, or takes from \
              the image what a start imports after the loader.\n\n";
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

    /// A start takes 10, and 2 more with the image; the program around the import takes 1, and this much from `.pyc` files.
    fn package(name: &str, pyc_around: f64, (pyc, image, cds, limit): (f64, f64, f64, f64)) -> Measured {
        let ways = [
            (Way::Pyc, samples(pyc, 10.0 + pyc + pyc_around)),
            (Way::Image, samples(image, 12.0 + image + 1.0)),
            (Way::Cds, samples(1.0, cds)),
            (Way::Limit, Samples { import: vec![limit], ..Samples::default() }),
        ];
        let ways = ways.map(|(way, samples)| (way, Outcome::Measured(samples))).into();
        Measured { name: name.to_owned(), program: String::new(), ways, nothing: vec![10.0] }
    }

    /// The program that does nothing, among the imports.
    fn pass() -> Measured {
        let ways = [(Way::Pyc, 10.0), (Way::Image, 12.0)];
        let ways = ways.map(|(way, process)| (way, Outcome::Measured(samples(0.0, process)))).into();
        Measured { name: "pass".to_owned(), program: String::new(), ways, nothing: Vec::new() }
    }

    fn results(on: OnInterpreter) -> Results {
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        let other = OnInterpreter { label: "3.13.0-shared".to_owned(), ..OnInterpreter::default() };
        let on = OnInterpreter { label: "3.11.7-shared".to_owned(), ..on };
        Results { machine, version: String::new(), interpreters: vec![on, other], pages: None }
    }

    #[test]
    fn imports_could_take_the_limits_time_and_starts_what_the_interpreter_takes() {
        let steps = [(Step::None, 10.0), (Step::Pth, 10.1), (Step::Extension, 10.4), (Step::Image, 12.0)];
        let steps = steps.map(|(step, seconds)| (step, samples(0.0, seconds))).into();
        let imports =
            Some(vec![package("json", 1.0, (4.0, 2.5, 16.0, 2.0)), package("rich", 1.5, (9.0, 7.0, 17.0, 6.0))]);
        let start = Some(Starts { steps, ..Starts::default() });
        let mut text = String::new();
        table(&mut text, &results(OnInterpreter { imports, start, ..OnInterpreter::default() }));
        for line in [
            "| figure | target | within reach | 3.11.7 shared | 3.13.0 shared |",
            // 2 and 1.5.
            "| import: `.pyc` / limit, geometric mean | ≥ 1.6 | yes | 1.732, 1.732–1.732 | – |",
            // (16 - 10) / (1 + 2) and (17 - 10) / (1 + 6).
            "every package | ≥ 1.25 | **no** | **1.000 (rich)** | – |",
            "| `python -c pass`: with a `.pth` file / without | ≤ 1.02 | yes | 1.010, 1.010–1.010 | – |",
            "in a `.pth` file / without | ≤ 1.02 | **no** | **1.040, 1.040–1.040** | – |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
    }

    #[test]
    fn there_are_no_bounds_of_what_was_not_measured() {
        let mut text = String::new();
        table(&mut text, &results(OnInterpreter::default()));
        assert_eq!(text, "");
        let row = package("json", 1.0, (4.0, 2.5, 16.0, 2.0));
        let mut without = row.clone();
        without.ways.remove(&Way::Cds);
        // What a start with the image costs is not known of the first.
        for imports in [vec![row], vec![pass(), without]] {
            let mut text = String::new();
            table(&mut text, &results(OnInterpreter { imports: Some(imports), ..OnInterpreter::default() }));
            assert!(text.contains("| ≥ 1.6 | yes | 2.000, 2.000–2.000 | – |"), "{text}");
            assert!(!text.contains("code-data-share") && !text.contains("without |"), "{text}");
        }
    }

    #[test]
    fn an_import_that_is_not_quicker_than_the_limit_does_not_pass_the_bound() {
        // What lies around the import from `.pyc` files says nothing about the image: it may be more or less.
        for pyc_around in [0.5, 1.0, 3.0] {
            for (image, surplus) in [(6.0, 2.0), (6.5, 2.0), (9.0, 2.0), (6.0, 0.0), (6.0, -0.25)] {
                let row = package("rich", pyc_around, (9.0, image, 17.0, 6.0));
                let steps = [(Step::None, 10.0), (Step::Image, 10.0 + surplus)];
                let steps = steps.map(|(step, seconds)| (step, samples(0.0, seconds))).into();
                let start = Some(Starts { steps, ..Starts::default() });
                let on = OnInterpreter { imports: Some(vec![row]), start, ..OnInterpreter::default() };
                let measured = ratios::all(&on, Way::Cds, Way::Image, FROM_START)[0].1;
                let bound = over_limit_from_start(&on)[0].1;
                assert!(measured <= bound, "{measured} {bound}: {pyc_around} {image} {surplus}");
                // With the limit's time and a start that costs nothing it is the bound.
                assert_eq!(measured == bound, image == 6.0 && surplus <= 0.0, "{pyc_around} {image} {surplus}");
            }
        }
    }
}
