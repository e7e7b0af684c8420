//! Tables of memory, of many modules and of instructions.

use crate::report::markdown::{Table, cells, grouped, mb, ms, or_dash};
use crate::report::ratios;
use crate::report::ways::with_interval;
use crate::results::{Footprint, Instructions, Memory, Scale, Scaled, Way};
use crate::statistics::{Ratio, median};

/// What a group of columns shows: its title, the values, and how they are written.
type Kind = (&'static str, fn(&Footprint) -> &[f64], fn(f64) -> String);

/// Processes that imported the same.
pub fn memory(text: &mut String, rows: &[Memory]) {
    *text += "### Memory of processes that imported the same\n\nOf one process on average, MB and faults; in parentheses \
              relative to `.pyc`. Medians of up to three repetitions of one process and two of four; 16 are measured once.\n\n";
    let ways: Vec<Way> = Way::ALL.into_iter().filter(|way| rows.iter().any(|row| row.ways.contains_key(way))).collect();
    let kinds: [Kind; 3] = [
        ("PSS", |f| &f.pss, mb),
        ("private dirty", |f| &f.private_dirty, mb),
        ("minor faults", |f| &f.faults, grouped),
    ];
    let mut columns = cells(["", "processes"]);
    columns.extend(kinds.iter().flat_map(|(kind, ..)| ways.iter().map(move |way| format!("{kind}, {}", way.title()))));
    let mut table = Table::new(&columns);
    for row in rows {
        let mut line = vec![row.name.clone(), row.processes.to_string()];
        for (_, of, show) in kinds {
            for way in &ways {
                let values = row.ways.get(way).map(of).filter(|values| !values.is_empty());
                line.push(match (values, ratios::memory(row, *way, of)) {
                    (Some(values), Some(ratio)) if *way != Way::Pyc => {
                        format!("{} ({ratio:.2})", show(median(values)))
                    }
                    (Some(values), _) => show(median(values)),
                    (None, _) => "–".to_owned(),
                });
            }
        }
        table.row(&line);
    }
    *text += &table.finish();
    *text += "\n";
}

/// Images of many modules.
pub fn scale(text: &mut String, scale: &Scale) {
    *text += "### Images of many modules\n\nMade modules of about 21 kB of `.pyc` each, none like another, with as many objects as real ones. The import is of one \
              module with its two packages. The start is `python -c pass` with this image, and relative to the loader switched off. Time and \
              memory of the build are for all modules, and for one.\n\n";
    let columns = [
        "modules",
        ".pyc, MB",
        "image, MB",
        "image/.pyc",
        "build, s",
        "for one, ms",
        "build, MB",
        "for one, MB",
        "import .pyc, ms",
        "import image, ms",
        "start, ms",
        "start/off, 99 %",
    ];
    let mut table = Table::new(&cells(columns));
    for image in &scale.images {
        let built = &image.built;
        let (seconds, peak, count) = (median(&built.seconds), median(&built.peak), image.count as f64);
        table.row(&[
            grouped(image.count as f64),
            mb(built.pyc_bytes as f64),
            mb(built.image_bytes as f64),
            format!("{:.2}", built.image_bytes as f64 / built.pyc_bytes as f64),
            format!("{seconds:.2}"),
            ms(seconds / count),
            mb(peak),
            format!("{:.2}", peak / count / 1e6),
            ms(median(&image.pyc.import)),
            ms(median(&image.image.import)),
            ms(median(&image.pass.process)),
            with_interval(Some(Ratio::of(&image.pass.process, &scale.off.process))),
        ]);
    }
    *text += &table.finish();
    *text += "\n";
    against_few(text, scale);
}

/// What an image of many modules costs a process that needs few of them, against an image of these few.
fn against_few(text: &mut String, scale: &Scale) {
    if scale.images.iter().all(|image| image.alone.import.is_empty()) {
        return;
    }
    *text += "The same import from an image of nothing but these three modules, and what it takes from the image of all relative to that; \
              in parentheses what repeating the measurement would mostly give. Of whole processes, time and peak RSS, and how many \
              more page faults there are. Instructions, of the interpreter and everything else but the kernel, are counted by callgrind: \
              of the import, and of the process before it.\n\n";
    let columns = [
        "modules",
        "import, of three, ms",
        "import, of all/of three",
        "process",
        "peak RSS",
        "more faults",
        "instructions, import",
        "instructions, start",
    ];
    let mut table = Table::new(&cells(columns));
    for scaled in scale.images.iter().filter(|image| !image.alone.import.is_empty()) {
        let Scaled { count, image, alone, .. } = scaled;
        let instructions = |of| or_dash(scaled.instructions_over_few(of).map(|ratio| format!("{ratio:.4}")));
        table.row(&[
            grouped(*count as f64),
            ms(median(&alone.import)),
            with_interval(Some(Ratio::of(&image.import, &alone.import))),
            with_interval(Some(Ratio::of(&image.process, &alone.process))),
            or_dash(scaled.peak_over_few().map(|peak| format!("{peak:.3}"))),
            format!("{:.0}", scaled.more_faults()),
            instructions(|steps| steps.import),
            instructions(|steps| steps.start),
        ]);
    }
    *text += &table.finish();
    *text += "\n";
}

/// Counts of instructions.
pub fn instructions(text: &mut String, rows: &[Instructions]) {
    *text += "### Instructions\n\nCounted by callgrind for the import of a hundred made modules, always the same: noise cannot move \
              this. The loader's own are those in its file, without the interpreter's functions that it calls.\n\n";
    let columns =
        ["", "import, all", "relative to .pyc", "in the loader, import", "for one module", "in the loader, start"];
    let mut table = Table::new(&cells(columns));
    let pyc = rows.iter().find(|row| row.way == Way::Pyc).map(|row| row.import as f64);
    for row in rows {
        let one = row.loader_import as f64 / row.modules.max(1) as f64;
        table.row(&[
            row.way.title().to_owned(),
            grouped(row.import as f64),
            pyc.map_or_else(String::new, |pyc| format!("{:.3}", row.import as f64 / pyc)),
            if row.way == Way::Image { grouped(row.loader_import as f64) } else { "–".to_owned() },
            if row.way == Way::Image { grouped(one) } else { "–".to_owned() },
            if row.way == Way::Image { grouped(row.loader_start as f64) } else { "–".to_owned() },
        ]);
    }
    *text += &table.finish();
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Built, Counted, Samples, Steps};

    /// Three rounds of an import that takes so many milliseconds.
    fn samples(import: f64, faults: f64) -> Samples {
        let rounds = |value: f64| vec![value * 0.99, value, value * 1.01];
        Samples {
            import: rounds(import / 1e3),
            process: rounds(0.01 + import / 1e3),
            peak: vec![1e7 + faults * 4096.0; 3],
            faults: vec![faults; 3],
            ..Samples::default()
        }
    }

    fn scaled(count: usize, alone: Option<Samples>) -> Scaled {
        Scaled {
            count,
            built: Built { seconds: vec![1.0], peak: vec![1e6], pyc_bytes: 100, image_bytes: 150, modules: 10 },
            pyc: samples(3.0, 50.0),
            image: samples(2.0, 40.0),
            alone: alone.unwrap_or_default(),
            pass: samples(0.0, 10.0),
            counted: None,
        }
    }

    #[test]
    fn few_of_many_are_compared_with_an_image_of_few_if_that_was_measured() {
        let report = |images: Vec<Scaled>| {
            let mut text = String::new();
            scale(&mut text, &Scale { off: samples(0.0, 0.0), images });
            text
        };
        let before = report(vec![scaled(10, None)]);
        assert!(before.contains("| 10 | ") && !before.contains("of nothing but"), "{before}");
        let steps = |start, import| Steps { start, import };
        let counted = Some(Counted { image: steps(1001, 105), alone: steps(1000, 100) });
        let many = Scaled { counted, ..scaled(8000, Some(samples(1.6, 30.0))) };
        let text = report(vec![scaled(10, None), many]);
        let (all, few) = text.split_once("from an image of nothing but").expect("a second table");
        assert!(all.contains("| 10 | ") && all.contains("| 8 000 | ") && !few.contains("\n| 10 | "), "{text}");
        let row = few.lines().find(|line| line.starts_with("| 8 000 | ")).expect("a row");
        assert!(
            row.starts_with("| 8 000 | 1.60 | 1.250 (1.2")
                && row.contains(" | 1.034 (1.0")
                && row.ends_with(" | 10 | 1.0500 | 1.0010 |"),
            "{row}"
        );
    }
}
