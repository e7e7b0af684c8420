//! Turns one module's objects into nodes, interning as `_PyCode_New` does.

use super::node::{CodeNode, FilenameRef, Nan, Node, NodeId};
use super::{Constants, ModuleGraph, ModuleNodes, SHARED};
use crate::graph::{Code, ObjId, Object, Str};
use cds_layout::cpython::Layout;
use cds_layout::format::Extern;
use rustc_hash::FxHashMap;

/// Which strings below an object get interned, beside those that marshal marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Interning {
    /// Only the marked ones.
    Marked,
    /// Those made of ASCII letters, digits and underscores (`intern_string_constants`, `Objects/codeobject.c`).
    NameLike,
    /// All (`intern_strings`, same file).
    All,
}

pub(super) struct Converter<'a> {
    constants: &'a mut Constants,
    layout: &'a Layout,
    module: &'a ModuleGraph,
    number: u32,
    done: FxHashMap<(ObjId, Interning), NodeId>,
    out: ModuleNodes,
    /// Code objects whose `co_filename` importlib sets (`update_code_filenames`, `Python/import.c`).
    renamed: Vec<bool>,
}

/// What remains to be done, last first: no recursion, so that depth is bounded by memory only.
enum Step {
    Enter(ObjId, Interning),
    Leave(ObjId, Interning),
}

impl<'a> Converter<'a> {
    pub(super) fn new(constants: &'a mut Constants, layout: &'a Layout, module: &'a ModuleGraph, number: u32) -> Self {
        let renamed = renamed_codes(module);
        Converter {
            constants,
            layout,
            module,
            number,
            done: FxHashMap::default(),
            out: ModuleNodes::default(),
            renamed,
        }
    }

    pub(super) fn run(mut self) -> ModuleNodes {
        let mut steps = vec![Step::Enter(self.module.root, Interning::Marked)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(id, how) if self.done.contains_key(&(id, how)) => {}
                Step::Enter(id, how) => {
                    steps.push(Step::Leave(id, how));
                    self.children(id, how, |child, how| steps.push(Step::Enter(child, how)));
                }
                Step::Leave(id, how) => {
                    let node = self.node(id, how);
                    self.done.insert((id, how), node);
                }
            }
        }
        self.out.root = Some(self.done[&(self.module.root, Interning::Marked)]);
        self.out
    }

    /// Calls `each` for every child, last first so that the steps run in the order of the fields.
    fn children(&self, id: ObjId, how: Interning, mut each: impl FnMut(ObjId, Interning)) {
        match self.module.graph.get(id) {
            Object::Tuple(items) => items.iter().rev().for_each(|&i| each(i, how)),
            // `intern_string_constants` looks into frozensets; `intern_strings` sees none.
            Object::FrozenSet(items) => items.iter().rev().for_each(|&i| each(i, how)),
            // `intern_string_constants` does not look into slices in builds with a GIL.
            Object::Slice(parts) => parts.iter().rev().for_each(|&i| each(i, Interning::Marked)),
            Object::Code(code) => {
                let fields = self.fields(id, code);
                fields.into_iter().rev().flatten().for_each(|(child, how)| each(child, how));
            }
            _ => {}
        }
    }

    /// The objects that a code object points to and how the strings in them are interned.
    fn fields(&self, id: ObjId, code: &Code) -> [Option<(ObjId, Interning)>; 9] {
        let rules = &self.layout.code;
        let name = if rules.interns_names { Interning::All } else { Interning::Marked };
        let filename = if rules.interns_filename { Interning::All } else { Interning::Marked };
        [
            Some((code.consts, Interning::NameLike)),
            Some((code.names, Interning::All)),
            Some((code.localsplusnames, Interning::All)),
            Some((code.localspluskinds, Interning::Marked)),
            (!self.renamed[id.0 as usize]).then_some((code.filename, filename)),
            Some((code.name, name)),
            Some((code.qualname, name)),
            Some((code.linetable, Interning::Marked)),
            Some((code.exceptiontable, Interning::Marked)),
        ]
    }

    fn node(&mut self, id: ObjId, how: Interning) -> NodeId {
        let node = match self.module.graph.get(id) {
            Object::None => Node::Extern(Extern::None),
            Object::Bool(false) => Node::Extern(Extern::False),
            Object::Bool(true) => Node::Extern(Extern::True),
            Object::Ellipsis => Node::Extern(Extern::Ellipsis),
            Object::Int(int) => match int.to_i64() {
                Some(v) if (self.layout.small_ints.0..=self.layout.small_ints.1).contains(&v) => {
                    Node::Extern(Extern::SmallInt(v as i16))
                }
                _ => Node::Int(int.clone()),
            },
            Object::Float(bits) => Node::Float(*bits, self.nan(id, &[*bits])),
            Object::Complex(re, im) => Node::Complex(*re, *im, self.nan(id, &[*re, *im])),
            Object::Bytes(b) if b.is_empty() => Node::Extern(Extern::EmptyBytes),
            Object::Bytes(b) if b.len() == 1 && self.layout.byte_singletons => Node::Extern(Extern::Byte(b[0])),
            Object::Bytes(b) => Node::Bytes(b.clone()),
            Object::Str(s) => self.str(s, how),
            Object::Tuple(items) if items.is_empty() => Node::Extern(Extern::EmptyTuple),
            Object::Tuple(items) => Node::Tuple(self.items(items, how)),
            Object::FrozenSet(items) => {
                let items = Node::Items(self.items(items, how));
                Node::FrozenSet(self.add(items))
            }
            Object::Slice(parts) => Node::Slice(parts.map(|part| self.done[&(part, Interning::Marked)])),
            Object::Code(code) => {
                let code = self.code(id, code);
                self.constants.codes.push(code);
                Node::Code(self.constants.codes.len() as u32 - 1)
            }
            Object::List(_) | Object::Set(_) | Object::Dict(_) => {
                unreachable!("`named::split` leaves nothing mutable below the root of a unit")
            }
        };
        self.add(node)
    }

    /// Which NaN the object is, if one of its parts is not a number.
    fn nan(&self, id: ObjId, parts: &[u64]) -> Nan {
        parts.iter().any(|&bits| f64::from_bits(bits).is_nan()).then_some((self.number, id))
    }

    fn items(&self, items: &[ObjId], how: Interning) -> Box<[NodeId]> {
        items.iter().map(|&i| self.done[&(i, how)]).collect()
    }

    fn str(&self, s: &Str, how: Interning) -> Node {
        let interned = s.interned
            || match how {
                Interning::Marked => false,
                Interning::NameLike => is_name_like(s),
                Interning::All => true,
            };
        match (s.len(), s.width) {
            (0, _) => Node::Extern(Extern::EmptyStr),
            (1, 1) if interned && !self.layout.str_.singletons_interned => {
                Node::Extern(Extern::InternedLatin1(s.data[0]))
            }
            (1, 1) => Node::Extern(Extern::Latin1(s.data[0])),
            _ => Node::Str(Str { interned, ..s.clone() }),
        }
    }

    fn code(&mut self, id: ObjId, code: &Code) -> CodeNode {
        let fields = self.fields(id, code);
        let field = |i: usize| fields[i].map(|f| self.done[&f]);
        let [consts, names, localsplusnames, localspluskinds] =
            [0, 1, 2, 3].map(|i| field(i).expect("only the file name may be absent"));
        let [name, qualname, linetable, exceptiontable] =
            [5, 6, 7, 8].map(|i| field(i).expect("only the file name may be absent"));
        let other = field(4);
        let filename = match other {
            Some(other) => FilenameRef::Other(other),
            None => {
                let text = Str::from_text(self.module.filename.as_deref().unwrap_or_default(), false);
                FilenameRef::Module(self.add(Node::Filename(self.number, text)))
            }
        };
        let bytes = |id| match self.module.graph.get(id) {
            Object::Bytes(b) => b.clone(),
            other => unreachable!("the marshal reader lets only bytes through here, not {other:?}"),
        };
        CodeNode {
            argcount: code.argcount,
            posonlyargcount: code.posonlyargcount,
            kwonlyargcount: code.kwonlyargcount,
            stacksize: code.stacksize,
            flags: code.flags,
            firstlineno: code.firstlineno,
            bytecode: bytes(code.code),
            kinds: bytes(code.localspluskinds),
            consts,
            names,
            localsplusnames,
            localspluskinds,
            filename,
            name,
            qualname,
            linetable,
            exceptiontable,
        }
    }

    /// Adds a node or finds its equal, and notes that this module uses it.
    fn add(&mut self, node: Node) -> NodeId {
        let (index, new) = self.constants.nodes.insert_full(node);
        let id = NodeId(index as u32);
        if new {
            self.constants.owner.push(self.number);
            self.constants.last_user.push(self.number);
            self.out.used.push(id);
        } else if self.constants.last_user[index] != self.number {
            self.constants.owner[index] = SHARED;
            self.constants.last_user[index] = self.number;
            self.out.used.push(id);
        }
        id
    }
}

/// `all_name_chars` (3.11, 3.12) and `should_intern_string` (3.13), `Objects/codeobject.c`.
fn is_name_like(s: &Str) -> bool {
    s.ascii && s.data.iter().all(|&c| c.is_ascii_alphanumeric() || c == b'_')
}

/// Marks the code objects whose `co_filename` importlib replaces: the root, and below it every constant that is a code
/// object with the root's file name, not looking below others (`update_code_filenames`, `Python/import.c`).
fn renamed_codes(module: &ModuleGraph) -> Vec<bool> {
    let graph = &module.graph;
    let mut renamed = vec![false; graph.objects.len()];
    let Object::Code(root) = graph.get(module.root) else { return renamed };
    let old = graph.get(root.filename);
    let mut todo = vec![module.root];
    while let Some(id) = todo.pop() {
        let Object::Code(code) = graph.get(id) else { continue };
        if renamed[id.0 as usize] || !same_text(graph.get(code.filename), old) {
            continue;
        }
        renamed[id.0 as usize] = true;
        if let Object::Tuple(consts) = graph.get(code.consts) {
            todo.extend(consts.iter().copied());
        }
    }
    renamed
}

fn same_text(a: &Object, b: &Object) -> bool {
    matches!((a, b), (Object::Str(a), Object::Str(b)) if a.width == b.width && a.data == b.data)
}
