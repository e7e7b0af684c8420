//! What the value of a named object must fulfil beyond what marshal can write: whatever is hashed can be hashed.

use super::error::{MarshalError, Problem};
use super::open::{Kind, Open};
use crate::graph::{Graph, ObjId, Object};

/// How deep the hash function of the interpreter may recurse: `MAX_MARSHAL_STACK_DEPTH`, so that every value that
/// `marshal.dump` can write is accepted.
const MAX_HASH_DEPTH: u32 = 2000;

/// Mutable, or with something mutable in it.
const MUTABLE: u32 = 0;

/// How deep the hash function recurses, by object; [`MUTABLE`] where there is none. Objects beyond the end have depth 1.
#[derive(Default)]
pub(super) struct Value {
    depths: Vec<u32>,
}

impl Value {
    fn depth(&self, id: ObjId) -> u32 {
        self.depths.get(id.0 as usize).copied().unwrap_or(1)
    }

    pub(super) fn set(&mut self, id: ObjId, depth: u32) {
        self.depths.resize(id.0 as usize, 1);
        self.depths.push(depth);
    }

    /// Refuses `object` as item `index` of `parent` if it has to be immutable there and is not.
    pub(super) fn admit(&self, graph: &Graph, parent: &Open, index: usize, object: ObjId) -> Result<(), MarshalError> {
        let hashed = match parent.kind {
            Kind::Set | Kind::FrozenSet => true,
            Kind::Dict => index.is_multiple_of(2),
            _ => false,
        };
        let problem = match self.depth(object) {
            MUTABLE if hashed => Problem::Unhashable(type_name(graph.get(object))),
            MUTABLE if matches!(parent.kind, Kind::Code(_)) => Problem::InCode(type_name(graph.get(object))),
            depth if hashed && depth > MAX_HASH_DEPTH => Problem::HashTooDeep(MAX_HASH_DEPTH),
            _ => return Ok(()),
        };
        Err(MarshalError { offset: parent.at, problem })
    }

    /// The depth of a container of these items.
    pub(super) fn depth_around(&self, kind: &Kind, items: &[ObjId]) -> u32 {
        match kind {
            Kind::List | Kind::Set | Kind::Dict => MUTABLE,
            // Its hash is made of those of its items, which are stored in it.
            Kind::FrozenSet => 1,
            _ => {
                let depths = || items.iter().map(|&item| self.depth(item));
                match depths().any(|depth| depth == MUTABLE) {
                    true => MUTABLE,
                    false => depths().max().unwrap_or(0).saturating_add(1),
                }
            }
        }
    }
}

/// `type(object).__name__`
pub(super) fn type_name(object: &Object) -> &'static str {
    match object {
        Object::None => "NoneType",
        Object::Bool(_) => "bool",
        Object::Ellipsis => "ellipsis",
        Object::Int(_) => "int",
        Object::Float(_) => "float",
        Object::Complex(..) => "complex",
        Object::Bytes(_) => "bytes",
        Object::Str(_) => "str",
        Object::Tuple(_) => "tuple",
        Object::FrozenSet(_) => "frozenset",
        Object::Slice(_) => "slice",
        Object::Code(_) => "code",
        Object::List(_) => "list",
        Object::Set(_) => "set",
        Object::Dict(_) => "dict",
    }
}
