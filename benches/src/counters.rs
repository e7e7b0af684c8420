//! Counters of memory as files of `/proc` have them: a name, a colon and a number of kB in each line.

use std::fs;

use anyhow::{Context, Result};

/// Name and bytes of the counter in a line, if it is one.
pub fn counter(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.split_once(':')?;
    let kilobytes: f64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some((name, kilobytes * 1024.0))
}

/// Bytes of the counter with this name.
pub fn bytes(text: &str, name: &str) -> Result<f64> {
    let found = text.lines().filter_map(counter).find(|(found, _)| *found == name);
    found.map(|(_, bytes)| bytes).with_context(|| format!("no `{name}` in kB"))
}

/// The same, of a file.
pub fn bytes_in(path: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    bytes(&text, name).with_context(|| format!("in `{path}`"))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn counters_have_whole_names() {
        let rollup = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:  9000 kB\nPss:   4000 kB\nPss_Dirty:  100 kB\n\
                      Private_Dirty:      50 kB\n";
        assert_eq!(bytes(rollup, "Pss").unwrap(), 4000.0 * 1024.0);
        assert_eq!(bytes(rollup, "Private_Dirty").unwrap(), 50.0 * 1024.0);
        assert!(bytes(rollup, "Swap").is_err());
    }
}
