//! A process from its start to its end: time, peak memory, page faults.

use std::fs::File;
use std::io::{Read, Seek};
use std::mem::MaybeUninit;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cds_tests::process::Run;
use cds_tests::workspace;

use crate::counters::bytes_in;
use crate::quiet;
use crate::results::Samples;

/// What a process left behind that ended well.
#[derive(Debug)]
pub struct Finished {
    /// From before it was started until its end was known.
    pub seconds: f64,
    /// The most memory that it had resident, in bytes; unknown if that is less than this program has.
    pub peak: Option<f64>,
    /// Page faults without input or output.
    pub faults: f64,
    /// Whether it had to wait for the disk.
    pub cold: bool,
    /// What it printed.
    pub stdout: String,
}

impl Finished {
    /// Adds what the kernel counted to the values of earlier runs.
    pub fn add_to(&self, samples: &mut Samples) {
        samples.process.push(self.seconds);
        samples.peak.extend(self.peak);
        samples.faults.push(self.faults);
        samples.cold += usize::from(self.cold);
    }
}

/// Runs a command to its end. It must end with status 0.
pub fn launch(run: Run) -> Result<Finished> {
    let mut errors = tempfile::tempfile().context("no temporary file")?;
    let mut command = run.into_command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let mut stdout = String::new();
    let read = child.stdout.take().context("no pipe")?.read_to_string(&mut stdout);
    let (status, usage) = wait(child.id())?;
    let seconds = start.elapsed().as_secs_f64();
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        bail!("{}", ending(status, &mut errors)?);
    }
    read.context("what it printed is no text")?;
    // Between `vfork` and `exec` a process has the memory of this one, and the kernel counts that as its own.
    let peak = usage.ru_maxrss as f64 * 1024.0;
    let peak = (peak > own_peak()? * 1.02).then_some(peak);
    Ok(Finished { seconds, peak, faults: usage.ru_minflt as f64, cold: usage.ru_inblock > 0, stdout })
}

/// The same in a quiet moment, with all files in the page cache: systems put out of it what was not used for some seconds. What had
/// to read from the disk, or ended when the machine was slow, is run once more, and a few times at most.
pub fn launch_warm(run: impl Fn() -> Run) -> Result<Finished> {
    quiet::run(|| launch(run()), |finished| finished.cold)
}

/// Waits for a child that nobody else waits for.
fn wait(child: u32) -> Result<(libc::c_int, libc::rusage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to memory of the right type that lives until the call returns.
        let found = unsafe { libc::wait4(child.cast_signed(), &raw mut status, 0, usage.as_mut_ptr()) };
        if found == child.cast_signed() {
            // SAFETY: all zeros is a value of this type, and the call has filled it.
            return Ok((status, unsafe { usage.assume_init() }));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error).context("cannot wait for a process");
        }
    }
}

/// The most memory that this process has had resident, in bytes.
fn own_peak() -> Result<f64> {
    bytes_in("/proc/self/status", "VmHWM")
}

/// How a process ended that did not end well, and the last thing it said, without paths of this machine.
fn ending(status: libc::c_int, errors: &mut File) -> Result<String> {
    let mut said = Vec::new();
    errors.rewind()?;
    errors.read_to_end(&mut said)?;
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let how = match libc::WIFSIGNALED(status) {
        true => format!("ended by signal {}", libc::WTERMSIG(status)),
        false => format!("exit status {}", libc::WEXITSTATUS(status)),
    };
    Ok(format!("{how}: {}", without_paths(last)))
}

/// A message without the place where this project lies on this machine.
pub fn without_paths(text: &str) -> String {
    let mut text = text.replace(&*workspace().to_string_lossy(), "…");
    if let Some(home) = std::env::home_dir().filter(|home| home.components().count() > 1) {
        text = text.replace(&*home.to_string_lossy(), "~");
    }
    text.chars().take(240).collect()
}
