//! Lines for people, on stderr.

use std::fmt::Display;
use std::io::Write;

/// Writes `cds_loader: TEXT` in one piece. Nobody to read it is no error.
pub fn say(text: impl Display) {
    let line = format!("cds_loader: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
