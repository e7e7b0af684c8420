//! Tables of ways to say which words hold addresses.

use std::fmt::Write;

use crate::report::markdown::{Table, cells, grouped, mb, ms, or_dash};
use crate::report::ways::with_interval;
use crate::results::{Encoded, Encoding, Encodings};
use crate::statistics::{Ratio, median};

/// Each encoding: of the whole image, and of each import.
pub fn table(text: &mut String, found: &Encodings) {
    let rounds = found.works.iter().flat_map(|work| work.seconds.values()).map(Vec::len).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "### Which words hold addresses\n\nTo copy the units of an import, which are in memory, and to move the words of the copies \
         that hold addresses of the interpreter or of the unit itself, one after the other in one process; medians of {rounds} rounds in \
         turns. An image has windows, and the loop is the loader's. Tables are what it would have in addition, one for each \
         unit: by them only words that move are touched. Their bytes are copied before they are read, as the loader's read takes them with the \
         unit. Interned strings are left out: no way needs less for them.\n"
    );
    let mut columns = cells(["", "tables of all units, MB", "image with them/.pyc"]);
    for Encoded { name, .. } in &found.works {
        columns.extend(["tables, kB", "ms", "/ windows"].map(|column| format!("{name}: {column}")));
    }
    let mut table = Table::new(&columns);
    for encoding in Encoding::ALL {
        let Some(&tables) = found.tables.get(&encoding) else { continue };
        let with = (found.image_bytes + tables) as f64 / found.pyc_bytes as f64;
        let mut line = vec![encoding.title().to_owned(), mb(tables as f64), format!("{with:.3}")];
        for work in &found.works {
            let seconds = work.seconds.get(&encoding);
            line.push(or_dash(work.tables.get(&encoding).map(|&bytes| grouped(bytes as f64 / 1e3))));
            line.push(or_dash(seconds.map(|seconds| ms(median(seconds)))));
            let windows = work.seconds.get(&Encoding::Windows);
            line.push(with_interval(seconds.zip(windows).map(|(seconds, windows)| Ratio::of(seconds, windows))));
        }
        table.row(&line);
    }
    *text += &table.finish();
    *text += "\n";
    for Encoded { name, units, bytes, moved, .. } in &found.works {
        let _ = writeln!(
            text,
            "{name}: {} units with {} MB of objects, in which {} words are moved.\n",
            grouped(*units as f64),
            mb(*bytes as f64),
            grouped(*moved as f64),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_has_a_row() {
        let work = Encoded {
            name: "boto3".to_owned(),
            units: 303,
            bytes: 10_900_000,
            moved: 200_000,
            tables: [(Encoding::Windows, 0), (Encoding::Distances, 368_400)].into(),
            seconds: [(Encoding::Windows, vec![0.002; 3]), (Encoding::Distances, vec![0.003; 3])].into(),
        };
        let tables = [(Encoding::Windows, 0), (Encoding::Distances, 10_200_000)].into();
        let mut text = String::new();
        table(&mut text, &Encodings { image_bytes: 230_000_000, pyc_bytes: 150_000_000, tables, works: vec![work] });
        for line in [
            "|  | tables of all units, MB | image with them/.pyc | boto3: tables, kB | boto3: ms | boto3: / windows |",
            "| windows, no table | 0.00 | 1.533 | 0 | 2.00 | 1.000 (1.000–1.000) |",
            "| distances, varints | 10.2 | 1.601 | 368 | 3.00 | 1.500 (1.500–1.500) |",
            "boto3: 303 units with 10.9 MB of objects, in which 200 000 words are moved.",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        assert!(text.contains("medians of 3 rounds") && !text.contains("DT_RELR"), "{text}");
    }
}
