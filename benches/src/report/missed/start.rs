//! What each step towards an image adds to a start, where the start with the image takes too long.

use crate::report::difference::first;
use crate::report::markdown::{cells, ms, percent, signed};
use crate::report::ratios;
use crate::report::short;
use crate::report::start_profile::differences;
use crate::report::targets::{START, plain};
use crate::results::{OnInterpreter, Results, Step};
use crate::statistics::median;

/// The steps that add something.
const ADDED: [Step; 4] = [Step::Pth, Step::Extension, Step::Off, Step::Image];

/// For each interpreter that misses the figure about the start.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = "What a start with the image takes longer for where the figure is missed: what each step adds to the one \
                before, in ms and relative to a start without any. A `.pth` file and an extension module are the \
                interpreter's, whatever is in them.";
    let columns =
        ["", "with image / without", "without, ms", "a `.pth` file", "extension module", "loader", "image", "all"];
    super::table(text, results, said, &cells(columns), |on| row(on).into_iter().collect());
    let said = "Where such a start spends that time, by the profile of whole processes below: the places where it has most \
                more than one without, in ms of one run, the median with the standard error; what is less than twice that is left out.";
    super::table(text, results, said, &cells(["", "most", "second", "third"]), |on| places(on).into_iter().collect());
}

/// The places of the largest differences.
fn places(on: &OnInterpreter) -> Option<Vec<String>> {
    START.missed(plain(ratios::pass(on)))?;
    let all = differences(on.start_profile.as_ref()?);
    Some(std::iter::once(short(&on.label)).chain(first(&all, 3)).collect())
}

fn row(on: &OnInterpreter) -> Option<Vec<String>> {
    let ratio = START.missed(plain(ratios::start(on, Step::Image)))?;
    let starts = on.start.as_ref()?;
    let none = median(starts.processes(Step::None)?);
    let added = |seconds: f64| format!("{} ({})", signed(seconds, ms), signed(seconds / none, percent));
    let mut row = vec![short(&on.label), format!("{ratio:.3}"), ms(none)];
    let mut before = none;
    for step in ADDED {
        row.push(match starts.processes(step).map(median) {
            Some(seconds) => added(seconds - std::mem::replace(&mut before, seconds)),
            // What it adds is in the next step.
            None => "–".to_owned(),
        });
    }
    row.push(added(before - none));
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::missed::tests::results;
    use crate::results::{Place, ProfiledStart, Samples, Starts};

    fn text(steps: &[(Step, f64)]) -> String {
        let samples = |ms: f64| Samples { process: vec![ms / 1e3], ..Samples::default() };
        let steps = steps.iter().map(|&(step, ms)| (step, samples(ms))).collect();
        let start = Some(Starts { steps, ..Starts::default() });
        let mut text = String::new();
        in_the_way(&mut text, &results(OnInterpreter { start, ..OnInterpreter::default() }));
        text
    }

    #[test]
    fn a_profile_says_where_the_time_goes_that_is_too_much() {
        let text = |image: f64| {
            let samples = |ms: f64| Samples { process: vec![ms / 1e3], ..Samples::default() };
            let steps = [(Step::None, samples(8.0)), (Step::Image, samples(image))].into();
            let mut profile = ProfiledStart::new(1e7);
            profile.add(Step::None, &[(Place::Interpreter, 70_000), (Place::Faults, 10_000)].into());
            profile.add(
                Step::Image,
                &[(Place::Interpreter, 69_000), (Place::Faults, 12_000), (Place::Loader, 3000)].into(),
            );
            let start = Some(Starts { steps, ..Starts::default() });
            let mut text = String::new();
            in_the_way(
                &mut text,
                &results(OnInterpreter { start, start_profile: Some(profile), ..OnInterpreter::default() }),
            );
            text
        };
        let line = "| 3.11.7 shared | loader: +0.30 ± 0.01 | kernel: page faults: +0.20 ± 0.02 | – |\n\n";
        assert!(text(8.4).ends_with(line), "{}", text(8.4));
        assert_eq!(text(8.1), "");
    }

    #[test]
    fn each_step_has_what_it_adds_where_the_figure_is_missed() {
        let steps =
            [(Step::None, 8.0), (Step::Pth, 8.08), (Step::Extension, 8.2), (Step::Off, 8.16), (Step::Image, 8.4)];
        let line = "| 3.11.7 shared | 1.050 | 8.00 | +0.08 (+1.0 %) | +0.12 (+1.5 %) | −0.04 (−0.5 %) | +0.24 (+3.0 %) | +0.40 \
            (+5.0 %) |\n\n";
        assert!(text(&steps).ends_with(line), "{}", text(&steps));
        // Without an extension module that is a file of its own, the loader's step has it.
        let fewer = [steps[0], steps[1], steps[3], steps[4]];
        assert!(text(&fewer).contains("| +0.08 (+1.0 %) | – | +0.08 (+1.0 %) | +0.24 (+3.0 %) |"), "{}", text(&fewer));
        assert_eq!(text(&[(Step::None, 8.0), (Step::Image, 8.1)]), "");
        assert_eq!(text(&steps[..4]), "");
    }
}
