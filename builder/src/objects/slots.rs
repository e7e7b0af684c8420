//! The pointers in an object: at which offset, and to what.

use super::place::{slice, str_data};
use crate::share::{Constants, FilenameRef, Node, NodeId};
use cds_layout::cpython::{CodeSource, Layout, Repr};
use cds_layout::format::TypeId;

/// What a slot points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A type object: the slot is `ob_type`.
    Type(TypeId),
    /// Another node.
    Node(NodeId),
    /// The object itself, this many bytes in.
    Inside(u32),
}

/// Calls `each` with the offset of every pointer in the object and what it points to.
pub fn for_each_slot(id: NodeId, constants: &Constants, layout: &Layout, mut each: impl FnMut(u32, Target)) {
    let node = constants.node(id);
    let Some(type_) = type_of(node) else { return };
    each(layout.head.type_, Target::Type(type_));
    match node {
        Node::Tuple(items) | Node::Items(items) => {
            for (i, &item) in items.iter().enumerate() {
                each(layout.tuple_items + 8 * i as u32, Target::Node(item));
            }
        }
        Node::Slice([start, stop, step]) => {
            let rows = slice(layout);
            for (at, part) in [(rows.start, start), (rows.stop, stop), (rows.step, step)] {
                each(at, Target::Node(*part));
            }
        }
        Node::Str(s) | Node::Filename(_, s) => {
            // `PyUnicode_New` in 3.11 lets `wstr` share characters that are as wide as `wchar_t`.
            if let (Some((wstr, _)), 4) = (layout.str_.wstr, s.width) {
                each(wstr, Target::Inside(str_data(s, layout)));
            }
        }
        Node::Code(index) => {
            let code = &constants.codes[*index as usize];
            for field in layout.code.fields.iter().filter(|f| f.repr == Repr::Ptr) {
                let child = match field.source {
                    CodeSource::Consts => code.consts,
                    CodeSource::Names => code.names,
                    CodeSource::ExceptionTable => code.exceptiontable,
                    CodeSource::LocalsPlusNames => code.localsplusnames,
                    CodeSource::LocalsPlusKinds => code.localspluskinds,
                    CodeSource::Filename => match code.filename {
                        FilenameRef::Module(id) | FilenameRef::Other(id) => id,
                    },
                    CodeSource::Name => code.name,
                    CodeSource::QualName => code.qualname,
                    CodeSource::LineTable => code.linetable,
                    _ => continue,
                };
                each(field.offset, Target::Node(child));
            }
        }
        _ => {}
    }
}

/// The type of a placed object.
pub fn type_of(node: &Node) -> Option<TypeId> {
    Some(match node {
        Node::Extern(_) | Node::FrozenSet(_) => return None,
        Node::Str(_) | Node::Filename(..) => TypeId::Str,
        Node::Bytes(_) => TypeId::Bytes,
        Node::Int(_) => TypeId::Int,
        Node::Float(..) => TypeId::Float,
        Node::Complex(..) => TypeId::Complex,
        Node::Tuple(_) | Node::Items(_) => TypeId::Tuple,
        Node::Slice(_) => TypeId::Slice,
        Node::Code(_) => TypeId::Code,
    })
}
