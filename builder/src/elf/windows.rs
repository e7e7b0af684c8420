//! Where tables lie in the windows that the kernel maps at once: so a process has less of an image resident.
//!
//! Around a page of a file that is read for the first time, Linux maps those neighbours that it has in memory: those of the same 64 KiB of
//! addresses, unless it is told otherwise (`do_fault_around`, mm/memory.c; `fault_around_bytes`). At the preferred base, positions
//! and addresses agree in these bits. Elsewhere they may not, and where a page is as large as a window there are no neighbours: nothing
//! is lost then but the gaps.

use cds_layout::format::SectionKind;

/// Bytes that are mapped around a fault.
const WINDOW: u64 = 64 * 1024;

/// Tables of which the end of the first and the start of the second are what most processes read.
const PAIRS: [[SectionKind; 2]; 2] =
    [[SectionKind::Text, SectionKind::Numbered], [SectionKind::Modules, SectionKind::Units]];

/// Where the table `tables[number]` is to start, if the one before ends at `end`. The second one of a pair starts in the middle of a
/// window, unless both are in one window in any case.
pub fn table_start(tables: &[(SectionKind, usize)], number: usize, end: u64) -> u64 {
    let start = end.next_multiple_of(8);
    let Some([first, second]) = tables.get(number..number + 2) else { return start };
    if !PAIRS.contains(&[first.0, second.0]) {
        return start;
    }
    let middle = start + (first.1 as u64).next_multiple_of(8);
    if start % WINDOW + (middle - start) + second.1 as u64 <= WINDOW {
        return start;
    }
    start + (WINDOW / 2 + WINDOW - middle % WINDOW) % WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use SectionKind::{Fixups, ModuleIndex, Modules, Numbered, Text, Units};

    fn starts(tables: &[(SectionKind, usize)]) -> Vec<u64> {
        let mut end = 1000;
        let place = |number| {
            let start = table_start(tables, number, end);
            end = start + tables[number].1 as u64;
            start
        };
        (0..tables.len()).map(place).collect()
    }

    #[test]
    fn small_tables_follow_on_each_other() {
        let tables = [(ModuleIndex, 64), (Text, 501), (Numbered, 100), (Modules, 640), (Units, 480), (Fixups, 9)];
        assert_eq!(starts(&tables), [1000, 1064, 1568, 1672, 2312, 2792]);
        // Named objects only.
        let tables = [(ModuleIndex, 4), (Text, 40), (Numbered, 4), (Modules, 0), (Units, 70_000), (Fixups, 9)];
        assert_eq!(starts(&tables)[..5], [1000, 1008, 1048, WINDOW / 2, WINDOW / 2]);
    }

    #[test]
    fn likely_ends_of_large_tables_share_a_window() {
        let tables = [(Text, 70_001), (Numbered, 90_000), (Modules, 640_000), (Units, 480_000), (Fixups, 9)];
        let starts = starts(&tables);
        assert_eq!([starts[1] % WINDOW, starts[3] % WINDOW], [WINDOW / 2; 2]);
        for (number, pair) in starts.windows(2).enumerate() {
            let gap = pair[1] - pair[0] - tables[number].1 as u64;
            assert!(gap < WINDOW && (number % 2 == 1 || gap < 8), "{starts:?}");
        }
    }
}
