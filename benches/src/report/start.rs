//! The table of what `python -c pass` takes with each step towards an image.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, mb, ms, signed};
use crate::report::ways::interval;
use crate::results::{Starts, Step};
use crate::statistics::{Ratio, median};

/// A row for each step.
pub fn table(text: &mut String, starts: &Starts) {
    let Some(none) = starts.processes(Step::None) else { return };
    let _ = writeln!(
        text,
        "### The start, step by step\n\n`python -c pass` from start to end, medians of {} rounds. Each step has more to do than the one \
         before. A `.pth` file and an extension module are what any loader needs that is there without being asked for: what they \
         take is the interpreter's. The loader switched off is an extension module that does nothing. The last step over the first is the \
         figure to reach.{}\n",
        none.len(),
        others(&starts.files)
    );
    let mut table = Table::new(&cells(["step", "ms", "over none", "99 %", "added, ms", "peak RSS, MB"]));
    let mut before = None;
    for step in Step::ALL {
        let Some(seconds) = starts.processes(step) else { continue };
        let middle = median(seconds);
        let ratio = (step != Step::None).then(|| Ratio::of(seconds, none));
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let peak = starts.steps.get(&step).map(|samples| &samples.peak).filter(|peak| !peak.is_empty());
        table.row(&[
            title(step, starts),
            ms(middle),
            or_dash(ratio.map(|ratio| format!("{:.3}", ratio.value))),
            interval(ratio),
            or_dash(before.map(|before| signed(middle - before, ms))),
            or_dash(peak.map(|peak| mb(median(peak)))),
        ]);
        before = Some(middle);
    }
    *text += &table.finish();
    *text += "\n";
}

/// What the first step has to do because of `.pth` files that are there anyway: on some versions the first one costs most.
fn others(files: &[String]) -> String {
    match files {
        [] => String::new(),
        files => {
            let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
            format!(
                " Every step, also the first, reads {} of the packages, and so the second reads one more.",
                files.join(", ")
            )
        }
    }
}

/// What is in the start, in words.
fn title(step: Step, starts: &Starts) -> String {
    match step {
        Step::None => "none: without the loader".to_owned(),
        Step::Pth => "a `.pth` file: `import sys`".to_owned(),
        Step::Extension => format!("a `.pth` file: `import {}`", starts.extension.as_deref().unwrap_or("…")),
        Step::Off => "the loader, with `PYCDSMODE=OFF`".to_owned(),
        Step::Image => "the loader and the image".to_owned(),
    }
}

/// What a reader of the table must know.
pub fn remarks(starts: &Starts) -> Vec<String> {
    let mut all = Vec::new();
    if starts.extension.is_none() {
        let reason = "the extension modules that would do are part of the interpreter";
        all.push(format!("the start has no step with an extension module: {reason}"));
    }
    for (step, samples) in starts.steps.iter().filter(|(_, samples)| samples.cold > 0) {
        all.push(format!("the start, {}: {} runs read from the disk", title(*step, starts), samples.cold));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Samples;

    fn starts(extension: Option<&str>, steps: &[(Step, f64)]) -> Starts {
        let samples = |ms: f64| Samples { process: vec![ms / 1e3; 3], peak: vec![ms * 1e6; 3], ..Samples::default() };
        let steps = steps.iter().map(|&(step, ms)| (step, samples(ms))).collect();
        Starts { extension: extension.map(str::to_owned), files: Vec::new(), steps }
    }

    #[test]
    fn each_step_has_what_it_adds_to_the_one_before() {
        let measured =
            starts(Some("_json"), &[(Step::None, 8.0), (Step::Pth, 8.4), (Step::Extension, 8.2), (Step::Off, 9.0)]);
        let mut text = String::new();
        table(&mut text, &measured);
        for line in [
            "medians of 3 rounds",
            "| none: without the loader | 8.00 | – | – | – | 8.00 |",
            "| a `.pth` file: `import sys` | 8.40 | 1.050 | 1.050–1.050 | +0.40 | 8.40 |",
            "| a `.pth` file: `import _json` | 8.20 | 1.025 | 1.025–1.025 | −0.20 | 8.20 |",
            "| the loader, with `PYCDSMODE=OFF` | 9.00 | 1.125 | 1.125–1.125 | +0.80 | 9.00 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        assert!(!text.contains("the loader and the image") && !text.contains("reads one more"), "{text}");
        assert_eq!(remarks(&measured), Vec::<String>::new());
    }

    #[test]
    fn what_is_left_out_and_what_was_cold_is_told() {
        let mut measured = starts(None, &[(Step::None, 8.0), (Step::Off, 9.0)]);
        measured.steps.entry(Step::Off).or_default().cold = 2;
        measured.files.push("other.pth".to_owned());
        let mut text = String::new();
        table(&mut text, &measured);
        // Over the step before that there is.
        assert!(text.contains("| 1.125 | 1.125–1.125 | +1.00 |") && !text.contains("`import _"), "{text}");
        assert!(text.contains("Every step, also the first, reads `other.pth` of the packages"), "{text}");
        let said = remarks(&measured);
        assert!(said[0].contains("no step with an extension module"), "{said:?}");
        assert_eq!(said[1], "the start, the loader, with `PYCDSMODE=OFF`: 2 runs read from the disk");
    }
}
