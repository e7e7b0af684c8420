//! Running programs: what they print and how they end, and errors that show both.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command in an environment without any setting of Python or of this project.
pub struct Run {
    command: Command,
    shown: Vec<OsString>,
    has_input: bool,
}

/// What a finished command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line.
    pub command: String,
    /// Exit status, or minus the signal that ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// A command without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Run {
        let mut command = Command::new(&program);
        let own =
            |k: &OsString| k.to_str().is_some_and(|k| ["PYTHON", "PYCDS", "CDS_"].iter().any(|p| k.starts_with(p)));
        for (key, _) in std::env::vars_os().filter(|(k, _)| own(k) || k == "RAYON_NUM_THREADS" || k == "RUST_LOG") {
            command.env_remove(key);
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1").env("COLUMNS", "120");
        Run { command, shown: vec![program.as_ref().to_owned()], has_input: false }
    }

    /// The same for a command that might wait, or take memory, for ever: it is ended.
    pub fn bounded(program: impl AsRef<OsStr>) -> Run {
        Run::new("sh").args(["-c", "ulimit -v 1500000; exec timeout 20 \"$@\"", "sh"]).arg(program)
    }

    /// Appends an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.shown.push(arg.as_ref().to_owned());
        self.command.arg(arg);
        self
    }

    /// Appends arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Run {
        args.into_iter().fold(self, |run, arg| run.arg(arg))
    }

    /// Sets a variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(key, value);
        self
    }

    /// Unsets a variable.
    pub fn unset(mut self, key: &str) -> Run {
        self.command.env_remove(key);
        self
    }

    /// Sets the working directory.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Run {
        self.command.current_dir(directory);
        self
    }

    /// Reads standard input from a file.
    pub fn stdin(mut self, file: &Path) -> Result<Run> {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        self.command.stdin(opened);
        self.has_input = true;
        Ok(self)
    }

    /// The command, for a caller that starts and watches it in its own way.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs the command to its end, however that looks.
    pub fn output(mut self) -> Result<Output> {
        use std::os::unix::process::ExitStatusExt;
        let command = self.shown.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
        if !self.has_input {
            self.command.stdin(Stdio::null());
        }
        let output = self.command.output().with_context(|| format!("cannot run `{command}`"))?;
        let status = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { command, status, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Runs the command and expects status 0.
    pub fn ok(self) -> Result<Output> {
        self.status(0)
    }

    /// Runs the command and expects this status.
    pub fn status(self, status: i32) -> Result<Output> {
        let output = self.output()?;
        if output.status != status {
            bail!("expected exit status {status}, got {output}");
        }
        Ok(output)
    }
}

impl Output {
    /// Standard output as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON on stdout: {self}"))
    }

    /// Fails unless nothing was printed to standard error.
    pub fn silent(self) -> Result<Output> {
        if !self.stderr.is_empty() {
            bail!("expected nothing on stderr: {self}");
        }
        Ok(self)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tail = |text: &str| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        write!(f, "status {} of `{}`\n--- stdout\n{}\n", self.status, self.command, tail(&self.stdout))?;
        write!(f, "--- stderr\n{}\n---", tail(&self.stderr))
    }
}

/// The file `name` on `PATH`.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}
