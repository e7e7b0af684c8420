//! The checks that a code object must pass: `_PyCode_Validate` and `intern_strings` (`Objects/codeobject.c`).

use super::error::Problem;
use crate::graph::{Code, Graph, ObjId, Object};
use cds_layout::cpython::CodeLayout;

/// `CO_VARARGS` (`Include/cpython/code.h`).
const CO_VARARGS: i32 = 0x04;
/// `CO_VARKEYWORDS` (same file).
const CO_VARKEYWORDS: i32 = 0x08;

/// Refuses what the interpreter would not make a code object of.
pub(super) fn code(graph: &Graph, code: &Code, layout: &CodeLayout) -> Result<(), Problem> {
    let counts = [
        ("posonlyargcount", code.posonlyargcount),
        ("kwonlyargcount", code.kwonlyargcount),
        ("stacksize", code.stacksize),
        ("flags", code.flags),
    ];
    for (field, count) in counts {
        check(count >= 0, field, "is negative")?;
    }
    check(code.argcount >= code.posonlyargcount, "argcount", "is less than `posonlyargcount`")?;

    for (field, id) in [("filename", code.filename), ("name", code.name), ("qualname", code.qualname)] {
        check(matches!(graph.get(id), Object::Str(_)), field, "is not a str")?;
    }
    bytes(graph, code.linetable, "linetable")?;
    bytes(graph, code.exceptiontable, "exceptiontable")?;
    let bytecode = bytes(graph, code.code, "code")?;
    check(bytecode.len().is_multiple_of(2), "code", "has an odd number of bytes")?;

    tuple(graph, code.consts, "consts")?;
    let names = tuple(graph, code.names, "names")?;
    check(all_str(graph, names), "names", "holds something that is not a str")?;
    let locals = tuple(graph, code.localsplusnames, "localsplusnames")?;
    check(all_str(graph, locals), "localsplusnames", "holds something that is not a str")?;
    let kinds = bytes(graph, code.localspluskinds, "localspluskinds")?;
    check(locals.len() == kinds.len(), "localspluskinds", "differs in length from `localsplusnames`")?;

    let nlocals = kinds.iter().filter(|&&kind| kind & layout.fast_kind.local != 0).count();
    let arguments = i64::from(code.argcount)
        + i64::from(code.kwonlyargcount)
        + i64::from(code.flags & CO_VARARGS != 0)
        + i64::from(code.flags & CO_VARKEYWORDS != 0);
    check(nlocals as i64 >= arguments, "localspluskinds", "has fewer locals than there are arguments")
}

fn check(holds: bool, field: &'static str, problem: &'static str) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::Code { field, problem }) }
}

fn bytes<'g>(graph: &'g Graph, id: ObjId, field: &'static str) -> Result<&'g [u8], Problem> {
    match graph.get(id) {
        Object::Bytes(bytes) => Ok(bytes),
        _ => Err(Problem::Code { field, problem: "is not bytes" }),
    }
}

fn tuple<'g>(graph: &'g Graph, id: ObjId, field: &'static str) -> Result<&'g [ObjId], Problem> {
    match graph.get(id) {
        Object::Tuple(items) => Ok(items),
        _ => Err(Problem::Code { field, problem: "is not a tuple" }),
    }
}

fn all_str(graph: &Graph, items: &[ObjId]) -> bool {
    items.iter().all(|&item| matches!(graph.get(item), Object::Str(_)))
}
