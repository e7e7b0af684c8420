//! What stands between the memory of a process with the image and one from `.pyc` files.

use crate::report::markdown::{Table, cells, mb, signed};
use crate::report::short;
use crate::results::{Footprint, Memory, OnInterpreter, Part, Resident, Results, Way};
use crate::statistics::mean;

/// What is compared, which way, and of how many processes: its name, the way, the number, and the value.
type Figure = (&'static str, Way, usize, fn(Resident) -> f64);

const FIGURES: [Figure; 4] = [
    ("RSS of one", Way::Image, 1, |r| r.rss),
    ("RSS of one, in place", Way::InPlace, 1, |r| r.rss),
    ("PSS of 16", Way::Image, 16, |r| r.pss),
    ("PSS of 16, in place", Way::InPlace, 16, |r| r.pss),
];

/// Bytes of a part, of one process on average.
fn bytes(footprint: &Footprint, part: Part, of: fn(Resident) -> f64) -> f64 {
    footprint.mappings.get(&part).copied().map_or(0.0, of)
}

fn all(footprint: &Footprint, of: fn(Resident) -> f64) -> f64 {
    Part::ALL.into_iter().map(|part| bytes(footprint, part, of)).sum()
}

/// The two that are compared, if what their pages are of was read.
fn compared(row: &Memory, way: Way) -> Option<(&Footprint, &Footprint)> {
    let of = |way| row.ways.get(&way).filter(|footprint| !footprint.mappings.is_empty());
    Some((of(Way::Pyc)?, of(way)?))
}

/// The image's bytes less those from `.pyc` files: of each part, and of all.
pub(super) fn differences(row: &Memory, way: Way, of: fn(Resident) -> f64) -> Option<Vec<f64>> {
    let (pyc, image) = compared(row, way)?;
    let each = Part::ALL.into_iter().map(|part| bytes(image, part, of) - bytes(pyc, part, of));
    Some(each.chain([all(image, of) - all(pyc, of)]).collect())
}

pub(super) fn columns<const N: usize>(first: [&str; N]) -> Vec<String> {
    let mut columns = cells(first);
    columns.extend(Part::ALL.map(|part| part.title().to_owned()));
    columns.push("all".to_owned());
    columns
}

/// A table of all packages.
pub fn table(text: &mut String, rows: &[Memory]) {
    let mut table = Table::new(&columns(["", "MB, image − .pyc"]));
    let mut any = false;
    for row in rows {
        for (title, way, _, of) in FIGURES.into_iter().filter(|(_, _, processes, _)| *processes == row.processes) {
            let Some(differences) = differences(row, way, of) else { continue };
            let mut line = vec![row.name.clone(), title.to_owned()];
            line.extend(differences.into_iter().map(|difference| signed(difference, mb)));
            table.row(&line);
            any = true;
        }
    }
    if any {
        *text += "### What the memory is of\n\nMB of a process with the image less those of one from `.pyc` files, by what is mapped there. Copies \
                  of the image's objects are in the first column, where objects are that are made from `.pyc` files. *Image, read* and *loader* \
                  are pages that all processes share.\n\n";
        *text += &table.finish();
        *text += "\n";
    }
}

/// For each interpreter: the same, as a mean of all packages and relative to the memory from `.pyc` files.
pub fn in_the_way(text: &mut String, results: &Results) {
    let mut table = Table::new(&columns(["", "per cent of .pyc"]));
    let mut any = false;
    for on in &results.interpreters {
        for (title, way, processes, of) in FIGURES {
            let shares = shares(on, way, processes, of);
            if shares.is_empty() {
                continue;
            }
            let mut line = vec![short(&on.label), title.to_owned()];
            line.extend(
                (0..shares[0].len())
                    .map(|column| mean(&shares.iter().map(|share| share[column]).collect::<Vec<_>>()))
                    .map(|share| signed(share * 100.0, |percent| format!("{percent:.1}"))),
            );
            table.row(&line);
            any = true;
        }
    }
    if any {
        *text += "What stands between the memory of a process with the image and one from `.pyc` files, by what is mapped: the difference in per cent \
                  of the memory from `.pyc` files, the mean of the packages, when all is imported.\n\n";
        *text += &table.finish();
        *text += "\n";
    }
}

/// Of how many processes the parts of the memory in place are shown.
const MANY: usize = 16;

/// What the memory of many processes consists of where units were used in place as well: the parts of each way, relative to
/// all of it from `.pyc` files.
pub fn in_place(text: &mut String, results: &Results) {
    let mut columns = columns(["", "per cent of .pyc"]);
    columns.push("not shared".to_owned());
    let mut table = Table::new(&columns);
    let mut any = false;
    for on in &results.interpreters {
        if parts(on, Way::InPlace).is_none() {
            continue;
        }
        for way in [Way::Pyc, Way::Image, Way::InPlace] {
            let Some(parts) = parts(on, way) else { continue };
            let mut line = vec![short(&on.label), way.title().to_owned()];
            line.extend(parts.into_iter().map(|part| format!("{:.1}", part * 100.0)));
            table.row(&line);
            any = true;
        }
    }
    if any {
        *text += &format!(
            "What the PSS of {MANY} processes consists of, from `.pyc` files, from the image and in place: in per cent of all of it from \
             `.pyc` files, the mean of the packages, when all is imported. *Not shared* are heap, stack and copies, and *image, written*: \
             pages that a process has for itself because something in them was written to. The rest becomes less with each process, so \
             the more there are, the nearer is all to that.\n\n{}\n",
            table.finish()
        );
    }
}

/// The parts of one way, all of it and what is not shared of it, relative to all from `.pyc` files: the mean of the packages
/// that were measured in place.
fn parts(on: &OnInterpreter, way: Way) -> Option<Vec<f64>> {
    let of: fn(Resident) -> f64 = |resident| resident.pss;
    let one = |row: &Memory| {
        let (pyc, _) = compared(row, Way::InPlace)?;
        let (_, footprint) = compared(row, way)?;
        let own = [Part::Made, Part::ImageWritten].map(|part| bytes(footprint, part, of)).iter().sum::<f64>();
        let each = Part::ALL.into_iter().map(|part| bytes(footprint, part, of)).chain([all(footprint, of), own]);
        Some(each.map(|part| part / all(pyc, of)).collect::<Vec<f64>>())
    };
    let rows: Vec<Vec<f64>> = on.memory.iter().flatten().filter(|row| row.processes == MANY).filter_map(one).collect();
    let columns = rows.first()?.len();
    Some((0..columns).map(|column| mean(&rows.iter().map(|row| row[column]).collect::<Vec<_>>())).collect())
}

/// The differences of each package, relative to its memory from `.pyc` files.
fn shares(on: &OnInterpreter, way: Way, processes: usize, of: fn(Resident) -> f64) -> Vec<Vec<f64>> {
    let one = |row: &Memory| {
        let whole = all(compared(row, way)?.0, of);
        Some(differences(row, way, of)?.into_iter().map(|difference| difference / whole).collect())
    };
    on.memory.iter().flatten().filter(|row| row.processes == processes).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(values: [f64; 5]) -> Footprint {
        let resident = |value: f64| Resident { rss: value * 1e6, pss: value * 1e5 };
        Footprint { mappings: Part::ALL.into_iter().zip(values.map(resident)).collect(), ..Footprint::default() }
    }

    fn row(processes: usize, image: [f64; 5]) -> Memory {
        let pyc = footprint([6.0, 0.0, 0.0, 0.0, 4.0]);
        Memory { name: "json".to_owned(), processes, ways: [(Way::Pyc, pyc), (Way::Image, footprint(image))].into() }
    }

    #[test]
    fn differences_are_of_each_part_and_of_all() {
        let rows = [row(1, [5.0, 0.5, 1.0, 0.25, 4.0]), row(4, [0.0; 5]), row(16, [7.0, 0.0, 0.0, 0.0, 4.0])];
        let mut text = String::new();
        table(&mut text, &rows);
        for line in [
            "| json | RSS of one | −1.00 | +0.50 | +1.00 | +0.25 | +0.00 | +0.75 |",
            "| json | PSS of 16 | +0.10 | +0.00 | +0.00 | +0.00 | +0.00 | +0.10 |",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        assert!(!text.contains("| json | 4 "));
    }

    #[test]
    fn units_in_place_have_rows_of_their_own_where_they_were_measured() {
        let mut rows = [row(1, [5.0, 0.5, 1.0, 0.25, 4.0]), row(16, [7.0, 0.0, 0.0, 0.0, 4.0])];
        let mut text = String::new();
        table(&mut text, &rows);
        assert!(!text.contains("in place"), "{text}");
        rows[1].ways.insert(Way::InPlace, footprint([5.0, 0.0, 2.0, 0.0, 4.0]));
        table(&mut text, &rows);
        let line = "| json | PSS of 16, in place | −0.10 | +0.00 | +0.20 | +0.00 | +0.00 | +0.10 |";
        assert!(text.contains(line) && !text.contains("RSS of one, in place"), "{text}");
    }

    #[test]
    fn the_parts_in_place_stand_beside_those_of_copies() {
        let results = |rows| {
            let on =
                OnInterpreter { label: "3.14.8-static".to_owned(), memory: Some(rows), ..OnInterpreter::default() };
            let machine = crate::machine::Machine {
                processor: String::new(),
                processors: 2,
                kernel: String::new(),
                load: String::new(),
            };
            Results { machine, version: String::new(), interpreters: vec![on], pages: None }
        };
        let mut rows = vec![row(1, [0.0; 5]), row(16, [6.5, 0.5, 0.0, 0.0, 4.0])];
        let mut text = String::new();
        in_place(&mut text, &results(rows.clone()));
        assert_eq!(text, "");
        rows[1].ways.insert(Way::InPlace, footprint([2.0, 0.5, 0.5, 2.0, 4.0]));
        in_place(&mut text, &results(rows));
        let table = "| 3.14.8 static | .pyc | 60.0 | 0.0 | 0.0 | 0.0 | 40.0 | 100.0 | 60.0 |\n\
                     | 3.14.8 static | image | 65.0 | 5.0 | 0.0 | 0.0 | 40.0 | 110.0 | 65.0 |\n\
                     | 3.14.8 static | in place | 20.0 | 5.0 | 5.0 | 20.0 | 40.0 | 90.0 | 40.0 |\n\n";
        assert!(text.ends_with(table), "{text}");
    }

    #[test]
    fn without_mappings_there_is_no_table() {
        let mut text = String::new();
        let ways = [(Way::Pyc, Footprint::default()), (Way::Image, Footprint::default())].into();
        table(&mut text, &[Memory { name: "json".to_owned(), processes: 1, ways }]);
        assert_eq!(text, "");
    }
}
