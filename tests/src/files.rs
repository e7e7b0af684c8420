//! Files and trees: copying, listing, comparing, changing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::process::Run;

/// Writes a file and the directories that it needs.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
    let path = path.as_ref();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create `{}`", parent.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Reads a file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Copies a tree with times and symbolic links, as `cp -a` does.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list `{}`", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
            set_modified(&target, modified(&source)?)?;
        }
    }
    set_modified(to, modified(from)?)
}

/// Modification time.
pub fn modified(path: &Path) -> Result<SystemTime> {
    Ok(fs::metadata(path)?.modified()?)
}

/// Sets the modification time.
pub fn set_modified(path: &Path, time: SystemTime) -> Result<()> {
    fs::File::open(path)?.set_modified(time).with_context(|| format!("cannot set the time of `{}`", path.display()))
}

/// Every path below `root`, relative to it, with size and modification time (directories without).
pub fn snapshot(root: &Path) -> Result<BTreeMap<PathBuf, Option<(u64, SystemTime)>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot list `{}`", directory.display()))? {
            let path = entry?.path();
            let meta = fs::symlink_metadata(&path)?;
            let name = path.strip_prefix(root)?.to_owned();
            if meta.is_dir() {
                found.insert(name, None);
                open.push(path);
            } else {
                found.insert(name, Some((meta.len(), meta.modified()?)));
            }
        }
    }
    Ok(found)
}

/// Makes what is neither a regular file nor a directory: a pipe, a symbolic link to it and, where this user may make one, a device
/// that never ends.
pub fn specials(directory: &Path) -> Result<Vec<PathBuf>> {
    let [pipe, link, device] = ["pipe", "link to a pipe", "device"].map(|name| directory.join(name));
    Run::new("mkfifo").arg(&pipe).ok()?;
    symlink(&pipe, &link)?;
    let made = Run::new("mknod").arg(&device).args(["c", "1", "5"]).output()?.status == 0;
    Ok([pipe, link].into_iter().chain(made.then_some(device)).collect())
}

/// FNV-1a over the parts: names for directories that are kept between runs.
pub fn fnv<T: AsRef<[u8]>>(parts: &[T]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.as_ref().iter().copied().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
