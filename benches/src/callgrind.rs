//! Callgrind's files: which file on disk the instructions came from.

use std::collections::BTreeMap;

/// Instructions by the file with the code that ran, without those of functions that were called: sums of the lines with costs.
/// The line after `calls=` is the cost of what was called.
pub fn by_object(profile: &str) -> BTreeMap<String, u64> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let (mut object, mut called) = ("", false);
    for line in profile.lines() {
        if let Some(named) = line.strip_prefix("ob=").or_else(|| line.strip_prefix("cob=")) {
            // `(number) name` the first time, `(number)` afterwards.
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if line.starts_with("ob=") {
                object = names.get(number).copied().unwrap_or(named);
            }
        } else if line.starts_with("calls=") {
            called = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
            if !called {
                *found.entry(object.to_owned()).or_default() += cost;
            }
            called = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_called_does_not_count() {
        let profile = "version: 1\nevents: Ir\npositions: line\nob=(1) /usr/bin/python3\nfn=(1) main\n16 400\n\
                       cob=(2) /site/cds_loader.abi3.so\ncfn=(2) find\ncalls=1 50\n16 9000\n+3 20\n\
                       ob=(2)\nfn=(2)\n* 7\n-1 3\nob=(1)\nfn=(3) end\n5 1\nsummary: 431\n";
        let found = by_object(profile);
        assert_eq!(found["/usr/bin/python3"], 421);
        assert_eq!(found["/site/cds_loader.abi3.so"], 10);
    }
}
