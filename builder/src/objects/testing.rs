//! Small graphs for tests.

use crate::graph::{Code, Graph, ObjId, Object, Str};
use crate::share::{Constants, ModuleGraph, share};
use cds_layout::cpython::layout;

/// An interned string.
pub fn text(graph: &mut Graph, text: &str) -> ObjId {
    graph.push(Object::Str(Str::from_text(text, true)))
}

/// A tuple.
pub fn tuple(graph: &mut Graph, items: &[ObjId]) -> ObjId {
    graph.push(Object::Tuple(items.into()))
}

/// A code object with the name `name`, to be found by its line.
pub fn code(graph: &mut Graph, line: i32, flags: i32, consts: ObjId, names: &[&str]) -> ObjId {
    let names: Vec<ObjId> = names.iter().map(|name| text(graph, name)).collect();
    let (names, none) = (tuple(graph, &names), tuple(graph, &[]));
    let (bytes, name) = (graph.push(Object::Bytes((*b"\0\0").into())), text(graph, "name"));
    let linetable = graph.push(Object::Bytes(line.to_le_bytes().into()));
    graph.push(Object::Code(Box::new(Code {
        argcount: 0,
        posonlyargcount: 0,
        kwonlyargcount: 0,
        stacksize: 1,
        flags,
        firstlineno: line,
        code: bytes,
        consts,
        names,
        localsplusnames: none,
        localspluskinds: bytes,
        filename: name,
        name,
        qualname: name,
        linetable,
        exceptiontable: bytes,
    })))
}

/// The constants of units with these graphs and roots.
pub fn shared(units: impl IntoIterator<Item = (Graph, ObjId)>) -> Constants {
    let graphs = units.into_iter().map(|(graph, root)| ModuleGraph { graph, root, filename: None });
    share(graphs, layout(14).unwrap())
}
