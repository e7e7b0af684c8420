//! Tables of ways to say which words of a copied unit are to be changed.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, mb, ms, or_dash, signed};
use crate::report::ways::with_interval;
use crate::results::{Encoded, Encoding, Encodings};
use crate::statistics::{Ratio, median};

/// Each encoding: of the whole image, and of each import.
pub fn table(text: &mut String, found: &Encodings) {
    let rounds = found.works.iter().map(|work| work.copy.len()).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "### Which words are to be changed\n\nTo copy the units of an import, which are in memory, and to change the words of the copies that hold \
         addresses, of the interpreter or of the unit itself, or stand for strings: one after the other in one process, medians of {rounds} \
         rounds in turns. An image has windows, and the loop is the loader's, with the wide registers of this processor. Tables are what an image would \
         have in addition, one for each unit: by them only words that change are looked at, one after the other. They are copied and their checksum is \
         looked at before they are used, as the loader does with what it reads.\n"
    );
    let mut columns = cells(["", "tables of all units, MB", "image with them/.pyc"]);
    for Encoded { name, .. } in &found.works {
        columns
            .extend(["tables, kB", "ms", "more than to copy", "/ windows"].map(|column| format!("{name}: {column}")));
    }
    let mut table = Table::new(&columns);
    let mut copies = cells(["copies alone", "–", "–"]);
    copies.extend(
        found.works.iter().flat_map(|work| ["–".to_owned(), ms(median(&work.copy)), "–".to_owned(), "–".to_owned()]),
    );
    table.row(&copies);
    for encoding in Encoding::ALL {
        let Some(&tables) = found.tables.get(&encoding) else { continue };
        let mut line = vec![encoding.title().to_owned(), mb(tables as f64), format!("{:.3}", with(found, tables))];
        for work in &found.works {
            let windows = work.seconds.get(&Encoding::Windows).filter(|_| encoding != Encoding::Windows);
            let seconds = work.seconds.get(&encoding);
            line.push(or_dash(work.tables.get(&encoding).map(|&bytes| grouped(bytes as f64 / 1e3))));
            line.push(or_dash(seconds.map(|seconds| ms(median(seconds)))));
            line.push(or_dash(beyond_copy(work, encoding).map(|seconds| signed(seconds, ms))));
            line.push(with_interval(seconds.zip(windows).map(|(seconds, windows)| Ratio::of(seconds, windows))));
        }
        table.row(&line);
    }
    *text += &table.finish();
    *text += "\n";
    for work in &found.works {
        let _ = writeln!(
            text,
            "{}: {} units with {} MB of objects, in which {} words are changed.{}\n",
            work.name,
            grouped(work.units as f64),
            mb(work.bytes as f64),
            grouped(work.changed as f64),
            quickest(work),
        );
    }
    *text += &smallest(found);
}

/// The image relative to the `.pyc` files, with so many bytes of tables.
fn with(found: &Encodings, tables: u64) -> f64 {
    (found.image_bytes + tables) as f64 / found.pyc_bytes as f64
}

/// Seconds beyond those of the copying: the median of the differences in each round.
fn beyond_copy(work: &Encoded, encoding: Encoding) -> Option<f64> {
    let seconds = work.seconds.get(&encoding).filter(|seconds| !seconds.is_empty())?;
    Some(median(&seconds.iter().zip(&work.copy).map(|(all, copy)| all - copy).collect::<Vec<_>>()))
}

/// The encodings that have tables.
fn tables() -> impl Iterator<Item = Encoding> {
    Encoding::ALL.into_iter().filter(|&encoding| encoding != Encoding::Windows)
}

/// The quickest tables of an import, beside windows.
fn quickest(work: &Encoded) -> String {
    let all = tables().filter_map(|encoding| Some((encoding, beyond_copy(work, encoding)?)));
    let best = all.min_by(|a, b| a.1.total_cmp(&b.1)).zip(beyond_copy(work, Encoding::Windows));
    let said = |((encoding, seconds), windows): ((Encoding, f64), f64)| {
        let (seconds, windows) = (signed(seconds, ms), signed(windows, ms));
        format!(
            " Beyond the copying windows take {windows} ms, the quickest tables {seconds} ms ({}).",
            encoding.title()
        )
    };
    best.map(said).unwrap_or_default()
}

/// What the smallest tables would make of the image.
fn smallest(found: &Encodings) -> String {
    let all = tables().filter_map(|encoding| Some((encoding, *found.tables.get(&encoding)?)));
    let said = |(encoding, bytes): (Encoding, u64)| {
        let (title, without, with) = (encoding.title(), with(found, 0), with(found, bytes));
        format!(
            "With the smallest tables ({title}) the image would be {with:.3} times its `.pyc` files, not {without:.3}.\n\n"
        )
    };
    all.min_by_key(|&(_, bytes)| bytes).map(said).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_has_a_row_and_the_best_tables_are_named() {
        let work = Encoded {
            name: "boto3".to_owned(),
            units: 303,
            bytes: 10_900_000,
            changed: 200_000,
            tables: [(Encoding::Windows, 0), (Encoding::Distances, 368_400), (Encoding::Numbers, 800_000)].into(),
            copy: vec![0.001; 3],
            seconds: [(Encoding::Windows, 0.002), (Encoding::Distances, 0.004), (Encoding::Numbers, 0.003)]
                .map(|(encoding, seconds)| (encoding, vec![seconds; 3]))
                .into(),
        };
        let tables =
            [(Encoding::Windows, 0), (Encoding::Distances, 10_200_000), (Encoding::Numbers, 20_000_000)].into();
        let mut text = String::new();
        table(&mut text, &Encodings { image_bytes: 230_000_000, pyc_bytes: 150_000_000, tables, works: vec![work] });
        for line in [
            "|  | tables of all units, MB | image with them/.pyc | boto3: tables, kB | boto3: ms | boto3: more than to copy | boto3: / windows |",
            "| copies alone | – | – | – | 1.00 | – | – |",
            "| windows, no table | 0.00 | 1.533 | 0 | 2.00 | +1.00 | – |",
            "| distances, varints | 10.2 | 1.601 | 368 | 4.00 | +3.00 | 2.000 (2.000–2.000) |",
            "boto3: 303 units with 10.9 MB of objects, in which 200 000 words are changed. Beyond the copying windows take +1.00 ms, the \
             quickest tables +2.00 ms (numbers of 32 bits).",
            "With the smallest tables (distances, varints) the image would be 1.601 times its `.pyc` files, not 1.533.",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        assert!(text.contains("medians of 3 rounds") && !text.contains("DT_RELR"), "{text}");
    }
}
