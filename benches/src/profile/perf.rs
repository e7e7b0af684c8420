//! perf: samples of where a process is, many thousand times a second.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cds_tests::process::{Run, which};

use super::places::entry;
use super::script::{Frame, read};
use crate::launch::{Finished, launch};
use crate::quiet;

/// Samples of a second in which the processor is busy.
pub const FREQUENCY: f64 = 10_000.0;

/// A perf that works here.
#[derive(Debug)]
pub struct Perf {
    program: PathBuf,
    data: PathBuf,
}

impl Perf {
    /// The one on `PATH`.
    pub fn find() -> Result<PathBuf> {
        which("perf").context("no `perf` on PATH; on Debian it is the package linux-perf")
    }

    /// With a file in `directory` for what it records. It is tried with a command; an error says why it cannot be used.
    pub fn new(program: PathBuf, directory: &Path, tried: impl Fn() -> Run) -> Result<Perf> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        let perf = Perf { program, data: directory.join("perf.data") };
        let (mut all, mut kernel) = (0, 0);
        perf.record(tried).context("`perf record`")?;
        perf.samples(|_, stack| {
            all += 1;
            kernel += usize::from(entry(stack).is_some());
        })?;
        ensure!(all > 0, "`perf record -e cpu-clock` takes no samples");
        // Without permission perf leaves the kernel out and goes on.
        ensure!(
            kernel > 0,
            "perf shows no functions of the kernel; see `kernel.perf_event_paranoid` and `kernel.kptr_restrict`"
        );
        Ok(perf)
    }

    /// Runs a command to its end, in a quiet moment, and records where it is. It has run before: files are in the page cache.
    pub fn record(&self, run: impl Fn() -> Run) -> Result<Finished> {
        launch(run())?;
        quiet::run(|| self.record_once(run()), |_| false)
    }

    fn record_once(&self, run: Run) -> Result<Finished> {
        let _ = fs::remove_file(&self.data);
        let inner = run.into_command();
        // Nothing is kept below the home directory; and perf does not wait a second for a thread that looks at BPF programs.
        let mut outer = Run::new(&self.program).args(["record", "-q", "-N", "--no-bpf-event", "-g", "-e", "cpu-clock"]);
        outer = outer.args(["-k", "CLOCK_MONOTONIC", "-F", &FREQUENCY.to_string(), "-o"]).arg(&self.data).arg("--");
        outer = outer.arg(inner.get_program()).args(inner.get_args());
        for (key, value) in inner.get_envs() {
            let key = key.to_str().context("a variable's name is no text")?;
            outer = match value {
                Some(value) => outer.env(key, value),
                None => outer.unset(key),
            };
        }
        launch(match inner.get_current_dir() {
            Some(directory) => outer.cwd(directory),
            None => outer,
        })
    }

    /// Gives away what was recorded: times in nanoseconds, and stacks from the inside out.
    pub fn samples(&self, sample: impl FnMut(u64, &[Frame])) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["script", "--ns", "-F", "time,ip,sym,dso", "-i"]).arg(&self.data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let done = child.stdout.take().context("no pipe").and_then(|pipe| read(BufReader::new(pipe), sample));
        let status = child.wait()?;
        done?;
        ensure!(status.success(), "`perf script` failed ({status})");
        Ok(())
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.data);
    }
}
