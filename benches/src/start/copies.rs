//! Copies of an environment that have one more `.pth` file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::process::Run;
use tempfile::TempDir;

use crate::ways::Start;

/// The file's name. `site` reads such files in the order of their names: as the loader's, before that of setuptools.
const FILE: &str = "cds_start.pth";

/// A directory for copies of one environment. They are gone when the value is dropped.
pub struct Copies {
    directory: TempDir,
    root: PathBuf,
    /// The `.pth` file, relative to the root.
    file: PathBuf,
}

impl Copies {
    /// Without any copy. What is left of a run that was ended is removed: copies are never older than the environment.
    pub fn new(environment: &Environment) -> Result<Copies> {
        let site =
            environment.site.strip_prefix(&environment.root).context("a site directory outside its environment")?;
        Copies::below(&environment.scratch, &environment.root, site.join(FILE))
    }

    fn below(parent: &Path, root: &Path, file: PathBuf) -> Result<Copies> {
        const NAME: &str = "start";
        let old = parent.join(NAME);
        if old.exists() {
            fs::remove_dir_all(&old).with_context(|| format!("cannot remove `{}`", old.display()))?;
        }
        let directory = tempfile::Builder::new().prefix(NAME).rand_bytes(0).tempdir_in(parent);
        let directory = directory.with_context(|| format!("cannot make `{}`", old.display()))?;
        Ok(Copies { directory, root: root.to_owned(), file })
    }

    /// A start like `plain`, which is one of the environment, in a copy with a `.pth` file of this line.
    pub fn with_line(&self, plain: &Start, name: &str, line: &str) -> Result<Start> {
        let root = self.linked(name, line)?;
        let start = Start { root, ..plain.clone() };
        let said = start.python().args(["-P", "-v", "-c", "pass"]).ok()?.stderr;
        let file = start.root.join(&self.file).to_string_lossy().into_owned();
        let read = said.lines().any(|said| said.starts_with("Processing .pth file") && said.contains(&file));
        ensure!(read, "`site` does not read `{file}`");
        Ok(start)
    }

    /// A copy with the same files, so that they are in the page cache once, and one more.
    fn linked(&self, name: &str, line: &str) -> Result<PathBuf> {
        let root = self.directory.path().join(name);
        Run::new("cp").args(["-a", "--link"]).args([&self.root, &root]).ok()?;
        // Were there such a file, it would be the environment's own.
        let file = root.join(&self.file);
        let mut new = File::create_new(&file).with_context(|| format!("cannot create `{}`", file.display()))?;
        writeln!(new, "{line}").with_context(|| format!("cannot write `{}`", file.display()))?;
        Ok(root)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_copy_shares_the_files_and_has_one_more() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("env");
        fs::create_dir_all(root.join("site")).unwrap();
        fs::write(root.join("pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        symlink("/usr/bin/env", root.join("python3")).unwrap();
        fs::create_dir_all(parent.path().join("start/pth/old")).unwrap();

        let copies = Copies::below(parent.path(), &root, Path::new("site").join(FILE)).unwrap();
        let copy = copies.linked("pth", "import sys").unwrap();
        let inode = |root: &Path| fs::metadata(root.join("pyvenv.cfg")).unwrap().ino();
        assert_eq!(inode(&root), inode(&copy));
        assert_eq!(fs::read_link(copy.join("python3")).unwrap(), Path::new("/usr/bin/env"));
        assert_eq!(fs::read_to_string(copy.join("site").join(FILE)).unwrap(), "import sys\n");
        assert!(!copy.join("old").exists());
        assert_eq!(fs::read_dir(root.join("site")).unwrap().count(), 0);

        // A file of the environment is not written to.
        let taken = root.join("site").join(FILE);
        fs::write(&taken, "").unwrap();
        assert!(copies.linked("extension", "import _json").is_err());
        assert_eq!(fs::read_to_string(&taken).unwrap(), "");

        drop(copies);
        assert!(!parent.path().join("start").exists() && root.join("pyvenv.cfg").exists());
    }
}
