//! Tables of memory, of many modules and of instructions.

use crate::report::markdown::{Table, cells, grouped, mb, ms};
use crate::report::ratios;
use crate::results::{Footprint, Instructions, Memory, Samples, Scale, Scaled, Way};
use crate::statistics::median;

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
              module with its two packages, also from an image of these three alone. Of both, the whole process (time and peak RSS) is compared as well. The start is `python -c pass` with this image, and relative to the loader switched off.\n\n";
    let columns = [
        "modules",
        ".pyc, MB",
        "image, MB",
        "image/.pyc",
        "build, s",
        "build, MB",
        "import .pyc, ms",
        "import image, ms",
        "of three, ms",
        "process/of three",
        "RSS/of three",
        "start, ms",
        "start/off",
    ];
    let mut table = Table::new(&cells(columns));
    let off = median(&scale.off.process);
    for image in &scale.images {
        let built = &image.built;
        let start = median(&image.pass.process);
        table.row(&[
            grouped(image.count as f64),
            mb(built.pyc_bytes as f64),
            mb(built.image_bytes as f64),
            format!("{:.2}", built.image_bytes as f64 / built.pyc_bytes as f64),
            format!("{:.2}", median(&built.seconds)),
            mb(median(&built.peak)),
            ms(median(&image.pyc.import)),
            ms(median(&image.image.import)),
            alone(image, |samples| &samples.import).map_or_else(none, |(of, _)| ms(of)),
            alone(image, |samples| &samples.process).map_or_else(none, |(_, ratio)| format!("{ratio:.3}")),
            alone(image, |samples| &samples.peak).map_or_else(none, |(_, ratio)| format!("{ratio:.3}")),
            ms(start),
            format!("{:.3}", start / off),
        ]);
    }
    *text += &table.finish();
    *text += "\n";
}

fn none() -> String {
    "–".to_owned()
}

/// What an import takes from an image of nothing else, and what it takes from the whole image relative to that, if both were measured.
fn alone(image: &Scaled, of: impl Fn(&Samples) -> &Vec<f64>) -> Option<(f64, f64)> {
    if of(&image.alone).is_empty() || of(&image.image).is_empty() {
        return None;
    }
    let alone = median(of(&image.alone));
    Some((alone, median(of(&image.image)) / alone))
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
