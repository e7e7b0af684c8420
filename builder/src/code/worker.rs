//! One process of the target interpreter that compiles sources, and how to talk to it.

use super::CodeError;
use crate::target::{Target, isolate};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("worker.py");

/// How much of the end of stderr goes into an error.
const STDERR_TAIL: u64 = 2000;

/// A running interpreter.
pub(super) struct Worker {
    child: Child,
    /// `None` once it is closed, which ends the process.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// The outcome for one source.
pub(super) enum Answer {
    /// Marshal data of the code object.
    Code(Vec<u8>),
    /// No code, and why.
    Refused(String),
}

impl Worker {
    pub(super) fn start(target: &Target, optimize: u8) -> Result<Worker, CodeError> {
        let start = |source| CodeError::Start { python: target.executable.clone(), source };
        // A file, not a pipe: nobody has to read it while the process runs.
        let stderr = tempfile::tempfile().map_err(start)?;
        let mut child = command(target, optimize)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().map_err(start)?)
            .spawn()
            .map_err(start)?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout was asked for as a pipe"));
        let mut worker = Worker { child, stdin, stdout };

        let mut magic = [0; 4];
        if worker.stdout.read_exact(&mut magic).is_err() {
            drop(worker);
            return Err(CodeError::Script { python: target.executable.clone(), stderr: tail(stderr) });
        }
        if magic != target.magic {
            return Err(CodeError::Magic { python: target.executable.clone(), found: magic, expected: target.magic });
        }
        Ok(worker)
    }

    /// Has `source` compiled as the file `path`.
    ///
    /// # Errors
    /// The process has died or talks nonsense; it cannot be used any more.
    pub(super) fn compile(&mut self, path: &Path, source: &[u8]) -> io::Result<Answer> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let path = path.as_os_str().as_bytes();
        let length = u32::try_from(path.len()).map_err(io::Error::other)?;
        stdin.write_all(&[&length.to_le_bytes()[..], &(source.len() as u64).to_le_bytes(), path].concat())?;
        stdin.write_all(source)?;
        stdin.flush()?;

        let mut header = [0; 9];
        self.stdout.read_exact(&mut header)?;
        let [kind, length @ ..] = header;
        let length = u64::from_le_bytes(length);
        let mut body = Vec::new();
        if self.stdout.by_ref().take(length).read_to_end(&mut body)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match (kind, body.split_first_chunk::<4>()) {
            (0, _) => Ok(Answer::Code(body)),
            (1, Some((line, message))) => Ok(Answer::Refused(refusal(u32::from_le_bytes(*line), message))),
            (2, Some((status, []))) => Ok(Answer::Refused(ending(i32::from_le_bytes(*status)))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input ends the process; a process that is stuck does not get to hold up the build.
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter, cut off from everything in the environment that could change what it compiles.
fn command(target: &Target, optimize: u8) -> Command {
    let mut command = Command::new(&target.executable);
    command.args(["-s", "-S", "-P", "-B", "-W", "ignore", "-c", SCRIPT]).arg(optimize.to_string());
    // What `-E` would ignore, but `-E` would ignore the next variable too. `PYTHONNODEBUGRANGES` is the one that
    // changes code objects; `PYTHONHOME` and `PYTHONPATH` could change which interpreter this is.
    isolate(&mut command);
    // Sets of strings have an order that changes with the seed. CPython sorts where it counts, but not every 3.13
    // pre-release sorted `__static_attributes__`.
    command.env("PYTHONHASHSEED", "0");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn refusal(line: u32, message: &[u8]) -> String {
    let message = String::from_utf8_lossy(message);
    if line == 0 { message.into_owned() } else { format!("line {line}: {message}") }
}

fn ending(status: i32) -> String {
    match status {
        ..0 => format!("the compiler was ended by signal {}", -i64::from(status)),
        _ => format!("the compiler ended with status {status} and without an answer"),
    }
}

/// The end of what the process said on stderr.
fn tail(mut stderr: File) -> String {
    let mut bytes = Vec::new();
    let read = stderr
        .seek(SeekFrom::End(0))
        .and_then(|end| stderr.seek(SeekFrom::Start(end.saturating_sub(STDERR_TAIL))))
        .and_then(|_| stderr.read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => format!("(stderr could not be read: {error})"),
    }
}
