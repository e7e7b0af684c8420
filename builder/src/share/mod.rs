//! Merges the modules' graphs into one set of nodes in which equal immutable constants are one object.
//!
//! Two constants are equal here only if no program could tell them apart but by `is`: same exact type,
//! same bits (`0.0` is not `-0.0`, `1` is neither `True` nor `1.0`), same interning. NaNs are never shared: they equal
//! nothing, so that sets know them by identity. Nor are code objects: the interpreter writes into them. The result depends on the structure of the
//! graphs alone, not on how marshal happened to encode shared references.

mod convert;
mod node;

use crate::graph::{Graph, ObjId};
use cds_layout::cpython::Layout;
use indexmap::IndexSet;

pub use node::{CodeNode, FilenameRef, Node, NodeId};

/// The merged constants and code objects of all modules.
#[derive(Debug, Default)]
pub struct Constants {
    /// All nodes. Children have smaller ids than their parents.
    pub nodes: IndexSet<Node, rustc_hash::FxBuildHasher>,
    /// Code objects by the number in [`Node::Code`].
    pub codes: Vec<CodeNode>,
    /// By node id, the module that uses the node, or [`SHARED`].
    pub owner: Vec<u32>,
    /// By node id, the module that was last seen to use it.
    last_user: Vec<u32>,
    /// What each module uses.
    pub modules: Vec<ModuleNodes>,
}

/// Owner of nodes that several modules use.
pub const SHARED: u32 = u32::MAX;

/// The nodes of one module.
#[derive(Debug, Default)]
pub struct ModuleNodes {
    /// The root.
    pub root: Option<NodeId>,
    /// Every node that the module uses, each once, children before parents.
    pub used: Vec<NodeId>,
}

impl Constants {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get_index(id.0 as usize).expect("node ids come from this set")
    }

    /// The code object that a node is, if it is one.
    pub fn code(&self, id: NodeId) -> Option<&CodeNode> {
        match self.node(id) {
            Node::Code(number) => Some(&self.codes[*number as usize]),
            _ => None,
        }
    }

    /// The module that a node belongs to, or `None` if several use it.
    pub fn owner(&self, id: NodeId) -> Option<u32> {
        Some(self.owner[id.0 as usize]).filter(|&o| o != SHARED)
    }

    /// By node id, how many modules use it.
    pub fn unit_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.len()];
        self.modules.iter().flat_map(|module| &module.used).for_each(|id| counts[id.0 as usize] += 1);
        counts
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// The graph of one module, or of one named object's leaves: what becomes a unit.
#[derive(Debug)]
pub struct ModuleGraph {
    /// The objects.
    pub graph: Graph,
    /// The root: a code object, or the tuple of the leaves.
    pub root: ObjId,
    /// The path that `co_filename` must be, as importlib would set it. Code objects of named objects keep their own.
    pub filename: Option<String>,
}

/// Merges graphs, one after the other, in order. Below "module" is whatever becomes a unit.
pub fn share(graphs: impl IntoIterator<Item = ModuleGraph>, layout: &Layout) -> Constants {
    let mut constants = Constants::default();
    for (number, module) in graphs.into_iter().enumerate() {
        let nodes = convert::Converter::new(&mut constants, layout, &module, number as u32).run();
        constants.modules.push(nodes);
    }
    constants
}
