//! `/proc/PID/smaps`: what of a process's memory is of the loader, of the image, and the rest.

use crate::counters::counter;
use crate::results::{Mappings, Part, Resident};

/// The counters of one mapping, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    rss: f64,
    pss: f64,
    written: f64,
}

/// The parts of a process by the text of the file.
pub fn parts(smaps: &str) -> Mappings {
    let mut parts = Mappings::from(Part::ALL.map(|part| (part, Resident::default())));
    let mut path = None;
    let mut counters = Counters::default();
    for line in smaps.lines() {
        if let Some(next) = path_of(line) {
            path.into_iter().for_each(|path| add(&mut parts, path, counters));
            (path, counters) = (Some(next), Counters::default());
        } else if let Some((name, bytes)) = counter(line) {
            match name {
                "Rss" => counters.rss = bytes,
                "Pss" => counters.pss = bytes,
                "Private_Dirty" => counters.written = bytes,
                _ => {}
            }
        }
    }
    path.into_iter().for_each(|path| add(&mut parts, path, counters));
    parts
}

/// The path of a mapping, or nothing, if the line is the first one of a mapping.
fn path_of(line: &str) -> Option<&str> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let are_numbers = [start, end].iter().all(|text| u64::from_str_radix(text, 16).is_ok());
    // Addresses, access, offset, device, inode.
    let mut rest = line;
    for _ in 0..5 {
        rest = rest.trim_start().split_once(' ').map_or("", |(_, rest)| rest);
    }
    are_numbers.then(|| rest.trim())
}

fn add(parts: &mut Mappings, path: &str, counters: Counters) {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Counters { rss, pss, written } = counters;
    let mut one = |part, rss, pss| {
        let sum = parts.entry(part).or_default();
        sum.rss += rss;
        sum.pss += pss;
    };
    if file.starts_with("site-cds.") {
        one(Part::ImageWritten, written, written);
        one(Part::ImageRead, rss - written, pss - written);
    } else if file.starts_with("cds_loader.") {
        one(Part::Loader, rss, pss);
    } else if path.starts_with('/') {
        one(Part::Files, rss, pss);
    } else {
        one(Part::Made, rss, pss);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_in_one_part() {
        let smaps = "\
18e920410000-18e920b2d000 r--p 00000000 fe:00 1234                       /a b/site-cds.so
Size:               7284 kB
Rss:                 400 kB
Pss:                 100 kB
Private_Dirty:         0 kB
VmFlags: rd mr mw me sd
18e920b30000-18e930b2d000 rw-p 00720000 fe:00 1234                       /a b/site-cds.so
Rss:                  60 kB
Pss:                  45 kB
Private_Dirty:        40 kB
7fa88888a000-7fa8888af000 r--p 00000000 fe:00 77 /a b/cds_loader.abi3.so
Rss:                   8 kB
Pss:                   4 kB
Private_Dirty:         4 kB
7fa888900000-7fa888a00000 rw-p 00000000 00:00 0
Rss:                1000 kB
Pss:                1000 kB
Private_Dirty:      1000 kB
55d0a0000000-55d0a1000000 rw-p 00000000 00:00 0                          [heap]
Rss:                 500 kB
Pss:                 500 kB
Private_Dirty:       500 kB
7fa888b00000-7fa888c00000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so.6
Rss:                 300 kB
Pss:                  30 kB
Private_Dirty:         0 kB
";
        let parts = parts(smaps);
        let kilobytes: Vec<(f64, f64)> =
            Part::ALL.iter().map(|part| (parts[part].rss / 1024.0, parts[part].pss / 1024.0)).collect();
        assert_eq!(kilobytes, [(1500.0, 1500.0), (8.0, 4.0), (420.0, 105.0), (40.0, 40.0), (300.0, 30.0)]);
        assert!(super::parts("").values().all(|part| *part == Resident::default()));
    }
}
