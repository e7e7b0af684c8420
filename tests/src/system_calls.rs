//! The system calls of a part of a program, by `ptrace`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::Run;

/// What a program looks at where the part begins, and where it ends.
pub const BEGIN: &str = "/cds-tests/begin";
pub const END: &str = "/cds-tests/end";

/// A system call that the program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name, or its number if it is none of [`KNOWN`].
    pub name: String,
    /// The file that it names, or that its descriptor is of.
    pub file: Option<PathBuf>,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}({})", self.name, file.display()),
            None => f.write_str(&self.name),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub struct Trace {
    /// The calls between the two looks, in their order.
    pub calls: Vec<Call>,
    /// What the program printed after it was ready.
    pub stdout: String,
}

/// Which argument of a call says what file it is about.
#[derive(Debug, Clone, Copy)]
enum Argument {
    Path(usize),
    Descriptor(usize),
    Nothing,
}

/// The calls that an import makes, with one or the other C library.
const KNOWN: &[(libc::c_long, &str, Argument)] = &[
    (libc::SYS_openat, "openat", Argument::Path(1)),
    (libc::SYS_newfstatat, "newfstatat", Argument::Path(1)),
    (libc::SYS_statx, "statx", Argument::Path(1)),
    (libc::SYS_faccessat, "faccessat", Argument::Path(1)),
    (libc::SYS_readlinkat, "readlinkat", Argument::Path(1)),
    (libc::SYS_fstat, "fstat", Argument::Descriptor(0)),
    (libc::SYS_getdents64, "getdents64", Argument::Descriptor(0)),
    (libc::SYS_read, "read", Argument::Descriptor(0)),
    (libc::SYS_readv, "readv", Argument::Descriptor(0)),
    (libc::SYS_pread64, "pread64", Argument::Descriptor(0)),
    (libc::SYS_preadv, "preadv", Argument::Descriptor(0)),
    (libc::SYS_lseek, "lseek", Argument::Descriptor(0)),
    (libc::SYS_ioctl, "ioctl", Argument::Descriptor(0)),
    (libc::SYS_fcntl, "fcntl", Argument::Descriptor(0)),
    (libc::SYS_close, "close", Argument::Descriptor(0)),
    (libc::SYS_mmap, "mmap", Argument::Nothing),
    (libc::SYS_munmap, "munmap", Argument::Nothing),
    (libc::SYS_mprotect, "mprotect", Argument::Nothing),
    (libc::SYS_mremap, "mremap", Argument::Nothing),
    (libc::SYS_madvise, "madvise", Argument::Nothing),
    (libc::SYS_brk, "brk", Argument::Nothing),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open", Argument::Path(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, "stat", Argument::Path(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, "lstat", Argument::Path(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, "access", Argument::Path(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink", Argument::Path(0)),
];

/// Calls that are about memory alone.
pub const ABOUT_MEMORY: [&str; 6] = ["mmap", "munmap", "mprotect", "mremap", "madvise", "brk"];

/// Runs a program of one thread that prints a line when it is ready, reads one, and then looks at [`BEGIN`] and at [`END`].
pub fn trace(run: Run) -> Result<Trace> {
    let mut command = run.into_command();
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let mut traced = Traced { pid: Pid::from_raw(child.id() as libc::pid_t), child };
    let (mut stdin, stdout) = traced.child.stdin.take().zip(traced.child.stdout.take()).context("no pipes")?;
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    ensure!(stdout.read_line(&mut line)? > 0, "the program ended before it was ready");
    traced.seize()?;
    stdin.write_all(b"\n")?;
    drop(stdin);
    let is = |call: &Call, mark: &str| call.file.as_deref() == Some(Path::new(mark));
    while !is(&traced.next()?, BEGIN) {}
    let mut calls = Vec::new();
    loop {
        let call = traced.next()?;
        if is(&call, END) {
            break;
        }
        calls.push(call);
    }
    ptrace::detach(traced.pid, None)?;
    let mut rest = String::new();
    stdout.read_to_string(&mut rest)?;
    let status = traced.child.wait()?;
    ensure!(status.success(), "the program ended with {status}");
    Ok(Trace { calls, stdout: rest })
}

/// A program that is watched, and ended with this value.
struct Traced {
    pid: Pid,
    child: Child,
}

impl Traced {
    /// From here on the program stops at every call.
    fn seize(&self) -> Result<()> {
        ptrace::seize(self.pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)
            .context("this machine does not let a process trace what it has started")?;
        ptrace::interrupt(self.pid)?;
        match waitpid(self.pid, None)? {
            WaitStatus::PtraceEvent(..) => Ok(()),
            other => bail!("the program did not stop: {other:?}"),
        }
    }

    /// The next call that the program begins.
    fn next(&self) -> Result<Call> {
        let mut signal: Option<Signal> = None;
        loop {
            ptrace::syscall(self.pid, signal.take())?;
            match waitpid(self.pid, None)? {
                WaitStatus::PtraceSyscall(_) => {
                    let info = ptrace::syscall_info(self.pid)?;
                    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                        // SAFETY: the kernel says that it has filled this part of the union.
                        let entry = unsafe { info.u.entry };
                        return self.call(entry.nr, &entry.args);
                    }
                }
                WaitStatus::Stopped(_, stopped) => signal = Some(stopped),
                WaitStatus::PtraceEvent(..) => {}
                other => bail!("the program ended before its part did: {other:?}"),
            }
        }
    }

    fn call(&self, number: u64, arguments: &[u64; 6]) -> Result<Call> {
        let Some((_, name, argument)) = KNOWN.iter().find(|(known, ..)| *known as u64 == number) else {
            return Ok(Call { name: number.to_string(), file: None });
        };
        let file = match *argument {
            // Without a path, it is about the directory's descriptor itself.
            Argument::Path(index) => match self.path(arguments[index])? {
                None if index > 0 => self.file(arguments[index - 1]),
                path => path,
            },
            Argument::Descriptor(index) => self.file(arguments[index]),
            Argument::Nothing => None,
        };
        Ok(Call { name: (*name).to_owned(), file })
    }

    /// The path at an address; none if it is empty.
    fn path(&self, address: u64) -> Result<Option<PathBuf>> {
        if address == 0 {
            return Ok(None);
        }
        let memory = File::open(format!("/proc/{}/mem", self.pid))?;
        let mut text = Vec::new();
        while !text.contains(&0) {
            let mut bytes = [0; 64];
            let count = memory.read_at(&mut bytes, address + text.len() as u64)?;
            ensure!(count > 0, "a path without an end");
            text.extend_from_slice(&bytes[..count]);
        }
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok((!text.is_empty()).then(|| PathBuf::from(String::from_utf8_lossy(text).into_owned())))
    }

    /// What a descriptor is of, if it is open.
    fn file(&self, descriptor: u64) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{}", self.pid, descriptor as RawFd)).ok()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
