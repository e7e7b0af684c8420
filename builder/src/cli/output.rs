//! What people read: errors with causes and hints on stderr, data on stdout.

use cds_build::build::BuildError;
use cds_build::install::InstallError;
use cds_build::named::ObjectError;
use cds_build::target::TargetError;
use std::io::{self, ErrorKind, Write};

/// Sends the log to stderr: warnings, or more for every `-v`.
pub fn start_log(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).without_time().with_target(false).init();
}

/// Prints `error:`, the causes and a hint if there is one.
pub fn error(error: &anyhow::Error) {
    let mut err = io::stderr().lock();
    drop(writeln!(err, "error: {error}"));
    for cause in error.chain().skip(1) {
        drop(writeln!(err, "  Caused by: {cause}"));
    }
    if let Some(hint) = error.chain().find_map(hint) {
        drop(writeln!(err, "hint: {hint}"));
    }
}

fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<TargetError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<InstallError>() {
        return error.hint().map(str::to_owned);
    }
    if let Some(error) = error.downcast_ref::<ObjectError>() {
        return error.hint().map(str::to_owned);
    }
    // Transparent errors are not in the chain themselves.
    if let Some(BuildError::Object(error)) = error.downcast_ref::<BuildError>() {
        return error.hint().map(str::to_owned);
    }
    None
}

/// Whether the error is a closed pipe on stdout.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|e| e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe))
}

/// Writes to stdout.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
