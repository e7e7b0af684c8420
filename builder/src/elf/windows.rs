//! Where tables lie in the windows that the kernel maps at once: so a process has less of an image resident.
//!
//! Around a page of a file that is read for the first time, Linux maps those neighbours that it has in memory: those of the same 64 KiB of
//! addresses, unless it is told otherwise (`do_fault_around`, mm/memory.c; `fault_around_bytes`). At the preferred base, positions
//! and addresses agree in these bits. Elsewhere they may not, and where a page is as large as a window there are no neighbours: nothing
//! is lost then but the gaps.

use cds_layout::format::{CHUNK, SEGMENT_ALIGN, SectionKind};

/// Bytes that are mapped around a fault.
const WINDOW: u64 = 64 * 1024;

/// Tables of which the end of the first and the start of the second are what most processes read.
const PAIR: [SectionKind; 2] = [SectionKind::Modules, SectionKind::Numbered];

/// Where the table `tables[number]` is to start, if the one before ends at `end`. The second one of the pair starts in the middle of a
/// window, unless both are in one window in any case.
pub fn table_start(tables: &[(SectionKind, usize)], number: usize, end: u64) -> u64 {
    let start = end.next_multiple_of(8);
    let Some([first, second]) = tables.get(number..number + 2) else { return start };
    if [first.0, second.0] != PAIR {
        return start;
    }
    let middle = start + (first.1 as u64).next_multiple_of(8);
    if start % WINDOW + (middle - start) + second.1 as u64 <= WINDOW {
        return start;
    }
    start + (WINDOW / 2 + WINDOW - middle % WINDOW) % WINDOW
}

/// Where `.dynamic` is to start, if the read-only segment ends at `end`: it has the last page of a window. The linker reads it in every
/// process, and the objects, which begin with the next window, are no neighbours of it. The segments have no page in common, however large
/// pages are.
pub fn dynamic_start(end: u64) -> u64 {
    end.next_multiple_of(SEGMENT_ALIGN) + SEGMENT_ALIGN.max(WINDOW) - u64::from(CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use SectionKind::{ModuleIndex, Modules, Numbered, Text, Units};

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
        let tables = [(Text, 501), (ModuleIndex, 64), (Modules, 640), (Numbered, 101), (Units, 480)];
        assert_eq!(starts(&tables), [1000, 1504, 1568, 2208, 2312]);
        // Named objects only.
        let tables = [(Text, 40), (ModuleIndex, 4), (Modules, 0), (Numbered, 4), (Units, 70_000)];
        assert_eq!(starts(&tables), [1000, 1040, 1048, 1048, 1056]);
        // Many texts of few modules.
        let tables = [(Modules, 640), (Numbered, 70_000), (Units, 480)];
        assert_eq!(starts(&tables), [WINDOW / 2 - 640, WINDOW / 2, WINDOW / 2 + 70_000]);
    }

    #[test]
    fn objects_are_no_neighbours_of_what_the_linker_reads() {
        for end in [1, WINDOW - 1, WINDOW, WINDOW + 1, 5 * WINDOW + 77] {
            let start = dynamic_start(end);
            assert_eq!((start + u64::from(CHUNK)) % WINDOW, 0);
            assert!(start / SEGMENT_ALIGN * SEGMENT_ALIGN >= end && start - end < 2 * WINDOW, "{end}: {start}");
        }
    }

    #[test]
    fn likely_ends_of_large_tables_share_a_window() {
        let tables = [(Text, 70_001), (ModuleIndex, 65_536), (Modules, 640_000), (Numbered, 90_000), (Units, 9)];
        let starts = starts(&tables);
        assert_eq!(starts[3] % WINDOW, WINDOW / 2);
        for (number, pair) in starts.windows(2).enumerate() {
            let gap = pair[1] - pair[0] - tables[number].1 as u64;
            assert!(gap < if number == 1 { WINDOW } else { 8 }, "{starts:?}");
        }
    }
}
