//! A target as a file: `--target-profile`.

use std::path::{Path, PathBuf};

use cds_layout::cpython::layout;
use serde::{Deserialize, Serialize};

use super::{Target, TargetError};
use crate::file;

/// Version of the JSON that [`save`] writes. Goes up when a field of [`Target`] comes, goes or changes its meaning.
const SCHEMA: u64 = 5;

#[derive(Serialize)]
struct Saved<'a> {
    schema: u64,
    target: &'a Target,
}

/// What every version of a profile has.
#[derive(Deserialize)]
struct Schema {
    schema: u64,
}

#[derive(Deserialize)]
struct Loaded {
    target: Target,
}

pub fn save(target: &Target, path: &Path) -> Result<(), TargetError> {
    let saved = Saved { schema: SCHEMA, target };
    let mut json = serde_json::to_string_pretty(&saved).expect("a target is text and numbers");
    json.push('\n');
    let write = |place: PathBuf| file::put(&place, ".cds-build-", json.as_bytes(), 0o644);
    file::place(path).and_then(write).map_err(|source| TargetError::WriteProfile { path: path.to_owned(), source })
}

pub fn load(path: &Path) -> Result<Target, TargetError> {
    let json = file::read(path).map_err(|source| TargetError::ReadProfile { path: path.to_owned(), source })?;
    let parse = |source| TargetError::ParseProfile { path: path.to_owned(), source };
    let Schema { schema } = serde_json::from_slice(&json).map_err(parse)?;
    if schema != SCHEMA {
        return Err(TargetError::ProfileSchema { path: path.to_owned(), schema, expected: SCHEMA });
    }
    let Loaded { target } = serde_json::from_slice(&json).map_err(parse)?;
    check(&target, path)?;
    Ok(target)
}

/// Refuses what the rest of the builder relies on not to see.
fn check(target: &Target, path: &Path) -> Result<(), TargetError> {
    let version = || target.version.clone();
    if target.hexversion >> 24 != 3 || layout(target.minor()).is_none() {
        return Err(TargetError::UnsupportedVersion { python: path.to_owned(), version: version() });
    }
    for (is, build) in [(target.free_threaded, "free-threaded"), (target.debug, "debug")] {
        if is {
            return Err(TargetError::UnsupportedBuild { python: path.to_owned(), version: version(), build });
        }
    }
    let bad = |reason: String| Err(TargetError::BadProfile { path: path.to_owned(), reason });
    let [major, minor, micro, _] = target.hexversion.to_be_bytes();
    if !target.version.starts_with(&format!("{major}.{minor}.{micro}")) {
        return bad(format!("`version` {} is not `hexversion` {:#x}", target.version, target.hexversion));
    }
    let offsets = &target.runtime_offsets;
    for (name, addresses) in [("latin1", &offsets.latin1), ("bytes", &offsets.bytes)] {
        if addresses.len() != 256 {
            return bad(format!("`{name}` has {} addresses, not 256", addresses.len()));
        }
    }
    if let Some(entry) = target.search_path.iter().find(|entry| !entry.path.starts_with('/')) {
        return bad(format!("`search_path` has `{}`, which is not absolute", entry.path));
    }
    if target.extension_suffixes.iter().any(|suffix| !suffix.starts_with('.')) {
        return bad("`extension_suffixes` has one without a dot".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::testing;
    use std::fs;

    #[test]
    fn profiles_come_back_or_say_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("target.json");
        let target = testing::target();
        save(&target, &path).unwrap();
        assert_eq!(load(&path).unwrap(), target);

        let good = fs::read_to_string(&path).unwrap();
        let error = |from: &str, to: &str| {
            assert!(good.contains(from));
            fs::write(&path, good.replacen(from, to, 1)).unwrap();
            load(&path).unwrap_err()
        };
        assert!(matches!(error("\"schema\": 5", "\"schema\": 1"), TargetError::ProfileSchema { schema: 1, .. }));
        assert!(matches!(error("\"schema\": 5,", ""), TargetError::ParseProfile { .. }));
        assert!(matches!(error("\"soabi\"", "\"other\""), TargetError::ParseProfile { .. }));
        assert!(matches!(error("\"bytes\": \"00", "\"bytes\": \"0x"), TargetError::ParseProfile { .. }));
        assert!(matches!(error("\"bytes\": \"00", "\"bytes\": \"é"), TargetError::ParseProfile { .. }));
        assert!(matches!(error("3.12.1", "3.12.2"), TargetError::BadProfile { .. }));
        let (supported, other) = (target.hexversion.to_string(), 0x0309_00f0.to_string());
        assert!(matches!(error(&supported, &other), TargetError::UnsupportedVersion { .. }));
        assert!(matches!(error("\"debug\": false", "\"debug\": true"), TargetError::UnsupportedBuild { .. }));
        fs::remove_file(&path).unwrap();
        assert!(matches!(load(&path), Err(TargetError::ReadProfile { .. })));
    }
}
