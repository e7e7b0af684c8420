//! What of units that are copied is copied with them: which shared objects each unit has for itself, and which of its own
//! are used where they are mapped.
//!
//! What lies in the pool is written to where it lies, page by page, if addresses in it have to be moved, as those of types
//! mostly have; a copy within a unit costs next to nothing at run time, and bytes in the file. What no import looks at
//! costs nothing where it is mapped: line tables, which tracebacks read, and the kinds of local variables.

use super::part::Part;
use crate::share::{Constants, Node, NodeId};

/// What no more units than these use is not worth a place in the pool.
const FEW: u32 = 6;

/// By node id, whether the object is used where it is mapped, although the unit that it belongs to is copied: addresses of the
/// interpreter do not move, so there is nothing to be done to it. `is_text` says which strings are no objects of the image.
///
/// Of a module, what no import looks at; of a named object, which may be large, whatever there is.
pub fn mapped(constants: &Constants, parts: &[Part], is_text: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let is_code = |root: &NodeId| matches!(constants.node(*root), Node::Code(_));
    let is_module: Vec<bool> = constants.modules.iter().map(|unit| unit.root.as_ref().is_some_and(is_code)).collect();
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
            Node::Bytes(_) => of_object || parts[number] == Part::Cold,
            Node::Str(_) | Node::Int(_) | Node::Float(..) | Node::Complex(..) => of_object,
            node @ (Node::Tuple(_) | Node::Items(_) | Node::Slice(_)) => of_object && node.items().iter().all(stays),
            Node::Extern(_) | Node::FrozenSet(_) | Node::Code(_) | Node::Filename(..) => false,
        };
    }
    mapped
}

/// By node id, whether every unit that uses the object has one of its own; `mapped` ones are shared by all. What points to
/// strings that are no objects of the image (`is_text`) cannot be shared, because it says so in words of the unit.
pub fn copied(constants: &Constants, mapped: &[bool], is_text: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let mut users = vec![0u32; constants.len()];
    for module in &constants.modules {
        module.used.iter().for_each(|id| users[id.0 as usize] += 1);
    }
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
        copied[number] = is_shared && !mapped[number] && (refers || users[number] <= FEW);
    }
    copied
}
