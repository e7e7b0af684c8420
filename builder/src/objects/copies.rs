//! What of units that are copied is copied with them: which shared objects each unit has for itself, and which of its own
//! are used where they are mapped.
//!
//! What lies in the pool is written to where it lies, page by page, if addresses in it have to be moved, as those of types
//! mostly have; a copy within a unit costs next to nothing at run time, and bytes in the file. What no import looks at
//! costs nothing where it is mapped: line tables of functions, which tracebacks read, and the kinds of local variables.

use super::part::Part;
use crate::share::{Constants, Node, NodeId};
use cds_layout::cpython::Layout;

/// What no more units than these use is not worth a place in the pool.
const FEW: u32 = 3;

/// By node id, whether the object is used where it is mapped, although the unit that it belongs to is copied: addresses of the
/// interpreter do not move, so there is nothing to be done to it. `is_text` says which strings are no objects of the image.
///
/// Of a module, what no import looks at; of a named object, which may be large, whatever there is.
pub fn mapped(constants: &Constants, layout: &Layout, parts: &[Part], is_text: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let read = read_by_tracebacks(constants, layout);
    let is_code = |root| constants.code(root).is_some();
    let is_module: Vec<bool> = constants.modules.iter().map(|unit| unit.root.is_some_and(is_code)).collect();
    let mut mapped = vec![false; constants.len()];
    // Children have smaller ids.
    for number in 0..constants.len() {
        let id = NodeId(number as u32);
        let of_object = constants.owner(id).is_some_and(|unit| !is_module[unit as usize]);
        let stays = |child: &NodeId| {
            mapped[child.0 as usize] || matches!(constants.node(*child), Node::Extern(_)) && !is_text(*child)
        };
        mapped[number] = match constants.node(id) {
            _ if is_text(id) => false,
            Node::Bytes(_) => of_object || parts[number] == Part::Cold && !read[number],
            Node::Str(_) | Node::Int(_) | Node::Float(..) | Node::Complex(..) => of_object,
            node @ (Node::Tuple(_) | Node::Items(_) | Node::Slice(_)) => of_object && node.items().iter().all(stays),
            Node::Extern(_) | Node::FrozenSet(_) | Node::Code(_) | Node::Filename(..) => false,
        };
    }
    mapped
}

/// By node id, whether the object is the line table of code that handles exceptions: those that pass through it while modules
/// execute have it read, where the interpreter looks lines up at once. Around each page that is read fifteen others come into memory.
fn read_by_tracebacks(constants: &Constants, layout: &Layout) -> Vec<bool> {
    let mut read = vec![false; constants.len()];
    if layout.tracebacks_read_lines {
        let has_bytes = |id: NodeId| matches!(constants.node(id), Node::Bytes(bytes) if !bytes.is_empty());
        for code in constants.codes.iter().filter(|code| has_bytes(code.exceptiontable)) {
            read[code.linetable.0 as usize] = true;
        }
    }
    read
}

/// By node id, whether every unit that uses the object has one of its own; `mapped` ones are shared by all. What points to
/// strings that are no objects of the image (`is_text`) cannot be shared, because it says so in words of the unit.
pub fn copied(constants: &Constants, mapped: &[bool], is_text: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let units = constants.unit_counts();
    let mut copied = vec![false; constants.len()];
    // Children have smaller ids.
    for number in 0..constants.len() {
        let id = NodeId(number as u32);
        let node = constants.node(id);
        let of_unit = |child: &NodeId| is_text(*child) || copied[child.0 as usize];
        let refers = match node {
            Node::FrozenSet(items) => of_unit(items),
            node => node.items().iter().any(of_unit),
        };
        let is_shared = constants.owner(id).is_none() && !node.is_interned() && !matches!(node, Node::Extern(_));
        copied[number] = is_shared && !mapped[number] && (refers || units[number] <= FEW);
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, ObjId, Object, Str};
    use crate::share::{ModuleGraph, share};
    use cds_layout::cpython::layout;

    fn text(text: &str, interned: bool) -> Object {
        Object::Str(Str::from_text(text, interned))
    }

    /// Units of named objects, each with the leaves that `fill` puts into its graph.
    fn constants(units: u32, fill: impl Fn(u32, &mut Graph) -> Vec<ObjId>) -> Constants {
        let graphs = (0..units).map(|unit| {
            let mut graph = Graph::default();
            let leaves = fill(unit, &mut graph);
            let root = graph.push(Object::Tuple(leaves.into()));
            ModuleGraph { graph, root, filename: None }
        });
        share(graphs, layout(14).unwrap())
    }

    fn is_text(constants: &Constants) -> impl Fn(NodeId) -> bool + '_ {
        |id| constants.node(id).is_interned()
    }

    fn find(constants: &Constants, is: impl Fn(&Node) -> bool) -> usize {
        constants.nodes.iter().position(is).expect("a node like that")
    }

    #[test]
    fn what_points_to_nothing_that_is_copied_stays_where_it_is_mapped() {
        let constants = constants(1, |_, graph| {
            let bytes = graph.push(Object::Bytes((*b"bytes").into()));
            let plain = graph.push(text("a text", false));
            let name = graph.push(text("name", true));
            let none = graph.push(Object::None);
            let frozenset = graph.push(Object::FrozenSet([bytes].into()));
            let stays = graph.push(Object::Tuple([bytes, plain, none].into()));
            let named = graph.push(Object::Tuple([bytes, name].into()));
            let outer = graph.push(Object::Tuple([stays, named].into()));
            vec![stays, outer, frozenset]
        });
        let parts = vec![Part::Functions; constants.len()];
        let mapped = mapped(&constants, layout(14).unwrap(), &parts, is_text(&constants));
        let with = |n: usize| find(&constants, |node| matches!(node, Node::Tuple(items) if items.len() == n));
        assert!(
            mapped[with(3)]
                && constants
                    .node(NodeId(with(3) as u32))
                    .items()
                    .iter()
                    .all(|id| { mapped[id.0 as usize] || matches!(constants.node(*id), Node::Extern(_)) })
        );
        let interned = find(&constants, Node::is_interned);
        let named = |node: &Node| node.items().iter().any(|id| id.0 as usize == interned);
        let set = |node: &Node| matches!(node, Node::FrozenSet(_));
        for copied in [interned, find(&constants, named), find(&constants, set), constants.len() - 1] {
            assert!(!mapped[copied], "{:?}", constants.node(NodeId(copied as u32)));
        }
    }

    #[test]
    fn what_few_units_share_or_what_points_to_texts_each_unit_has_for_itself() {
        let constants = constants(FEW + 1, |unit, graph| {
            let all = graph.push(Object::Bytes((*b"of all").into()));
            let name = graph.push(text("name", true));
            let named = graph.push(Object::Tuple([all, name].into()));
            let own = graph.push(Object::Bytes(unit.to_le_bytes().into()));
            let mut leaves = vec![all, named, own];
            if unit < FEW {
                leaves.push(graph.push(Object::Bytes((*b"of few").into())));
            }
            leaves
        });
        let place = |bytes: &'static [u8]| find(&constants, |node| matches!(node, Node::Bytes(b) if **b == *bytes));
        let (all, few, own) = (place(b"of all"), place(b"of few"), place(&[0, 0, 0, 0]));
        let named = find(&constants, |node| matches!(node, Node::Tuple(items) if items.len() == 2));
        let nothing = vec![false; constants.len()];
        let copied_ = copied(&constants, &nothing, is_text(&constants));
        assert_eq!([all, few, named, own].map(|node| copied_[node]), [false, true, true, false]);
        // What stays where it is mapped is not copied, however few use it.
        let mut mapped = nothing;
        mapped[few] = true;
        assert!(!copied(&constants, &mapped, is_text(&constants))[few]);
    }
}
