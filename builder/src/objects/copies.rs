//! Which shared objects each unit has for itself, where units are copied.
//!
//! What lies in the pool is written to where it lies, page by page, because type pointers are; a copy within a unit costs
//! next to nothing at run time, and bytes in the file.

use crate::share::{Constants, Node, NodeId};

/// What no more units than these use is not worth a place in the pool.
const FEW: u32 = 6;

/// By node id, whether every unit that uses the object has one of its own. `is_text` says which strings are no objects of
/// the image: what points to them cannot be shared, because it says so in words of the unit.
pub fn copied(constants: &Constants, is_text: impl Fn(NodeId) -> bool) -> Vec<bool> {
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
        copied[number] = is_shared && (refers || users[number] <= FEW);
    }
    copied
}
