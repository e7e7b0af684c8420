//! Where in a value a fault lies, as people write it: `[3]['a']{2}`.

use super::error::{MarshalError, Problem};
use super::open::{Kind, Open};
use super::reader::Reader;
use crate::graph::{Graph, Object};
use std::fmt::{Display, Formatter};

/// How many steps at either end of a path are spelt out.
const SHOWN: usize = 6;
/// How many characters of a key are shown.
const KEY_LENGTH: usize = 24;

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ValueError {
    /// The path from the value to the fault, to follow the value's name; empty for the value itself.
    pub path: String,
    /// Of what contains itself: its path.
    pub outer: Option<String>,
    /// What is wrong.
    pub error: MarshalError,
}

impl ValueError {
    /// An error of the value as a whole.
    pub(super) fn at_root(error: MarshalError) -> Self {
        ValueError { path: String::new(), outer: None, error }
    }

    /// What is wrong, for people who know the value by this name.
    pub fn describe(&self, name: &str) -> String {
        let at = format!("`{name}`{}", self.path);
        match &self.error.problem {
            Problem::UnsupportedType(kind) => format!("{at} is a `{kind}`, which has no place in an image"),
            Problem::Unhashable(kind) => {
                format!("{at} is a `{kind}` that cannot be hashed: it is or holds something mutable")
            }
            Problem::HashTooDeep(levels) => {
                format!("{at} is nested deeper than {levels} levels, too deep to be hashed")
            }
            Problem::InCode(kind) => format!("{at} is a `{kind}`: a code object cannot hold anything mutable"),
            Problem::Recursive(_) => {
                let outer = self.outer.as_deref().unwrap_or_default();
                format!("{at} is `{name}`{outer} again: a value that contains itself has no place in an image")
            }
            _ if self.path.is_empty() => self.error.to_string(),
            _ => format!("{} (in {at})", self.error),
        }
    }
}

impl Display for ValueError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe("value"))
    }
}

/// Adds to an error where the reader was when it met it.
pub(super) fn explain(reader: &Reader<'_>, error: MarshalError) -> ValueError {
    let outer = match error.problem {
        Problem::Recursive(number) => reader.open.iter().position(|open| open.number.map(|n| n as i32) == Some(number)),
        _ => None,
    };
    ValueError { path: path(reader, reader.open.len()), outer: outer.map(|levels| path(reader, levels)), error }
}

/// The path through the outermost `levels` open containers.
fn path(reader: &Reader<'_>, levels: usize) -> String {
    let mut out = String::new();
    for level in 0..levels {
        if level == SHOWN && levels > 2 * SHOWN {
            out += &format!("…({} more)…", levels - 2 * SHOWN);
        }
        if level < SHOWN || level + SHOWN >= levels {
            let open = &reader.open[level];
            let end = reader.open.get(level + 1).map_or(reader.items.len(), |inner| inner.first);
            step(&mut out, &reader.graph, open, &reader.items[open.first..end]);
        }
    }
    out
}

/// The step from a container to the item that follows those which it has.
fn step(out: &mut String, graph: &Graph, open: &Open, items: &[crate::graph::ObjId]) {
    let index = items.len();
    *out += &match open.kind {
        Kind::Tuple | Kind::List => format!("[{index}]"),
        Kind::Set | Kind::FrozenSet => format!("{{{index}}}"),
        Kind::Dict if index.is_multiple_of(2) => format!("{{key {}}}", index / 2),
        Kind::Dict => format!("[{}]", key(graph.get(items[index - 1]))),
        Kind::Slice => format!(".{}", SLICE_FIELDS.get(index).unwrap_or(&"?")),
        Kind::Code(_) => format!(".{}", CODE_FIELDS.get(index).unwrap_or(&"?")),
    };
}

/// The objects of a slice in the order of the data.
const SLICE_FIELDS: [&str; 3] = ["start", "stop", "step"];

/// The objects of a code object in the order of the data.
const CODE_FIELDS: [&str; 10] = [
    "co_code",
    "co_consts",
    "co_names",
    "co_localsplusnames",
    "co_localspluskinds",
    "co_filename",
    "co_name",
    "co_qualname",
    "co_linetable",
    "co_exceptiontable",
];

/// A key as Python shows it, shortened; containers by their type.
fn key(object: &Object) -> String {
    match object {
        Object::None => "None".to_owned(),
        Object::Bool(true) => "True".to_owned(),
        Object::Bool(false) => "False".to_owned(),
        Object::Ellipsis => "...".to_owned(),
        Object::Int(int) => int.to_i64().map_or("int".to_owned(), |v| v.to_string()),
        Object::Float(bits) => format!("{:?}", f64::from_bits(*bits)),
        Object::Str(s) => quoted("", s.code_points()),
        Object::Bytes(b) => quoted("b", b.iter().map(|&b| u32::from(b))),
        other => super::value::type_name(other).to_owned(),
    }
}

fn quoted(prefix: &str, points: impl Iterator<Item = u32> + Clone) -> String {
    let mut out = format!("{prefix}'");
    for point in points.clone().take(KEY_LENGTH) {
        match char::from_u32(point) {
            Some(c @ ('\'' | '\\')) => out.extend(['\\', c]),
            Some(c) if !c.is_control() && (prefix.is_empty() || c.is_ascii()) => out.push(c),
            _ if point < 0x100 => out += &format!("\\x{point:02x}"),
            _ => out += &format!("\\u{point:04x}"),
        }
    }
    if points.clone().nth(KEY_LENGTH).is_some() {
        out.push('…');
    }
    out.push('\'');
    out
}
