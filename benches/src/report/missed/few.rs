//! What few modules take more of from an image of many than from one of these alone.

use crate::report::markdown::{grouped, mb, or_dash, signed};
use crate::report::short;
use crate::report::targets::{OF_FEW, many, plain};
use crate::results::{Counted, OnInterpreter, Results, Scaled};
use crate::statistics::median;

/// For each interpreter that misses a figure about that.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = "What three modules take more of from the image of 8 000 than from one of these three, where a figure about that is missed. \
                Objects that many modules have lie in the image once, in its pool: the pages of it that a module needs are \
                brought in, and made right, once in a process; an image of three modules has nothing that many have. Its tables \
                have a page each. `docs/format.md` says how large images without a pool would be, and what the three modules take from one.";
    let columns = [
        "",
        "page faults, more",
        "peak RSS of three, MB",
        "peak RSS, more, MB",
        "instructions of three",
        "instructions, more",
    ];
    super::table(text, results, said, &columns.map(str::to_owned), |on| row(on).into_iter().collect());
}

fn row(on: &OnInterpreter) -> Option<Vec<String>> {
    let scaled = many(on)?;
    let ratios = [scaled.peak_over_few(), scaled.instructions_over_few(|steps| steps.import)];
    ratios.into_iter().find_map(|ratio| OF_FEW.missed(plain(ratio)))?;
    let Scaled { image, alone, counted, .. } = scaled;
    let peaks = scaled.peak_over_few().map(|_| (median(&image.peak), median(&alone.peak)));
    let steps = counted.map(|Counted { image, alone }| (image.import as f64, alone.import as f64));
    Some(vec![
        short(&on.label),
        signed(scaled.more_faults(), |faults| format!("{faults:.0}")),
        or_dash(peaks.map(|(_, few)| mb(few))),
        or_dash(peaks.map(|(all, few)| signed(all - few, mb))),
        or_dash(steps.map(|(_, few)| grouped(few))),
        or_dash(steps.map(|(all, few)| signed(all - few, grouped))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::missed::tests::results;
    use crate::results::{Built, Samples, Scale, Steps};

    #[test]
    fn what_is_more_is_said_where_it_is_missed() {
        let samples = |peak: f64, faults: f64| Samples {
            import: vec![0.1],
            process: vec![0.1],
            peak: vec![peak],
            faults: vec![faults],
            ..Samples::default()
        };
        let steps = |import| Steps { start: 5, import };
        let text = |peak: f64, import: u64| {
            let scaled = Scaled {
                count: 8000,
                built: Built::default(),
                pyc: Samples::default(),
                image: samples(peak, 930.0),
                alone: samples(10e6, 900.0),
                pass: Samples::default(),
                counted: Some(Counted { image: steps(import), alone: steps(900_000) }),
            };
            let scale = Some(Scale { off: Samples::default(), images: vec![scaled] });
            let mut text = String::new();
            in_the_way(&mut text, &results(OnInterpreter { scale, ..OnInterpreter::default() }));
            text
        };
        let line = "| 3.11.7 shared | +30 | 10.0 | +0.50 | 900 000 | +100 000 |\n\n";
        assert!(text(10.5e6, 1_000_000).ends_with(line), "{}", text(10.5e6, 1_000_000));
        // No peak is known.
        assert!(text(f64::NAN, 1_000_000).ends_with("| +30 | – | – | 900 000 | +100 000 |\n\n"));
        assert_eq!(text(9e6, 900_000), "");
    }
}
