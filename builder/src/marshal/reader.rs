//! The reader proper: objects in the order of the data, containers that are still open on a stack.

use super::cursor::Cursor;
use super::error::{MarshalError, Problem};
use super::open::{Kind, Open, Scalars};
use super::value::Value;
use super::{Limits, number, text, validate};
use crate::graph::{Code, Graph, Int, ObjId, Object};
use cds_layout::cpython::{Layout, layout};

/// `FLAG_REF`: the object gets the next number, which `TYPE_REF` can name.
const FLAG_REF: u8 = 0x80;

pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    layout: &'static Layout,
    limits: Limits,
    pub(super) graph: Graph,
    singletons: Singletons,
    /// Objects by number; `None` while the object is still open.
    refs: Vec<Option<ObjId>>,
    /// Containers that are still open, outermost first.
    pub(super) open: Vec<Open>,
    /// Items of the open containers, each container's after its parent's.
    pub(super) items: Vec<ObjId>,
    /// What is kept about a named object's value; `None` for modules, which have nothing mutable.
    value: Option<Value>,
}

/// Objects that exist once in the interpreter, however often the data has them.
#[derive(Default)]
struct Singletons {
    none: Option<ObjId>,
    false_: Option<ObjId>,
    true_: Option<ObjId>,
    ellipsis: Option<ObjId>,
}

/// Objects of a code object, in the order of the data.
const CODE_OBJECTS: usize = 10;
/// How many of them come before `co_firstlineno`.
const CODE_OBJECTS_BEFORE_LINE: usize = 8;

/// Objects of a slice.
const SLICE_OBJECTS: usize = 3;

/// What a type code led to.
enum Step {
    /// An object without items.
    Done(ObjId),
    /// A container, now the last of [`Reader::open`].
    Opened,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], minor: u8, limits: Limits) -> Result<Self, MarshalError> {
        let start = |problem| MarshalError { offset: 0, problem };
        let layout = layout(minor).ok_or(start(Problem::UnsupportedVersion(minor)))?;
        // Every object takes at least one byte, so this bounds the object ids too.
        u32::try_from(bytes.len()).map_err(|_| start(Problem::TooLarge))?;
        Ok(Reader {
            cursor: Cursor::new(bytes),
            layout,
            limits,
            graph: Graph::default(),
            singletons: Singletons::default(),
            refs: Vec::new(),
            open: Vec::new(),
            items: Vec::new(),
            value: None,
        })
    }

    /// Reads a named object's value: lists, dicts and sets too. If that fails, what is still open leads to the fault.
    pub(super) fn value(&mut self) -> Result<ObjId, MarshalError> {
        self.value = Some(Value::default());
        let root = self.root()?;
        match self.cursor.left() {
            0 => Ok(root),
            left => Err(self.cursor.fail(Problem::Trailing(left))),
        }
    }

    /// The objects read so far.
    pub(super) fn into_graph(self) -> Graph {
        self.graph
    }

    pub(super) fn read(mut self) -> Result<(Graph, ObjId), MarshalError> {
        let root = self.root()?;
        Ok((self.graph, root))
    }

    fn root(&mut self) -> Result<ObjId, MarshalError> {
        loop {
            let Step::Done(mut object) = self.object()? else { continue };
            // Give the object to the container around it, which may complete that one, and so on.
            loop {
                let Some(parent) = self.open.last_mut() else { return Ok(object) };
                if let Some(value) = &self.value {
                    value.admit(&self.graph, parent, self.items.len() - parent.first, object)?;
                }
                self.items.push(object);
                let have = self.items.len() - parent.first;
                if let Kind::Code(scalars) = &mut parent.kind
                    && have == CODE_OBJECTS_BEFORE_LINE
                {
                    scalars.firstlineno = self.cursor.i32()?;
                }
                if have < parent.count {
                    break;
                }
                object = self.close()?;
            }
        }
    }

    /// Reads a type code and what belongs to it up to the first item.
    fn object(&mut self) -> Result<Step, MarshalError> {
        // Empty containers are closed at once: every open one still lacks an item.
        let at = self.cursor.offset();
        let byte = self.cursor.byte()?;
        let fail = |problem| Err(MarshalError { offset: at, problem });
        if self.open.len() >= self.limits.max_depth {
            return fail(Problem::TooDeep(self.limits.max_depth));
        }
        let flagged = byte & FLAG_REF != 0;
        let object = match byte & !FLAG_REF {
            // Singletons never get a number, whatever the flag says.
            b'N' => return Ok(Step::Done(single(&mut self.graph, &mut self.singletons.none, Object::None))),
            b'F' => return Ok(Step::Done(single(&mut self.graph, &mut self.singletons.false_, Object::Bool(false)))),
            b'T' => return Ok(Step::Done(single(&mut self.graph, &mut self.singletons.true_, Object::Bool(true)))),
            b'.' => return Ok(Step::Done(single(&mut self.graph, &mut self.singletons.ellipsis, Object::Ellipsis))),
            b'r' => return Ok(Step::Done(self.reference(at)?)),
            b'i' => Object::Int(Int::from_i64(self.cursor.i32()?.into())),
            b'I' => Object::Int(Int::from_i64(self.cursor.i64()?)),
            b'l' => Object::Int(number::long(&mut self.cursor)?),
            b'f' => Object::Float(number::float_text(&mut self.cursor)?),
            b'g' => Object::Float(number::float_bits(&mut self.cursor)?),
            b'x' => Object::Complex(number::float_text(&mut self.cursor)?, number::float_text(&mut self.cursor)?),
            b'y' => Object::Complex(number::float_bits(&mut self.cursor)?, number::float_bits(&mut self.cursor)?),
            b's' => Object::Bytes(self.sized()?.into()),
            b'u' => self.utf8(at, false)?,
            b't' => self.utf8(at, true)?,
            b'a' => Object::Str(text::one_byte(self.sized()?, false)),
            b'A' => Object::Str(text::one_byte(self.sized()?, true)),
            b'z' => Object::Str(text::one_byte(self.short_sized()?, false)),
            b'Z' => Object::Str(text::one_byte(self.short_sized()?, true)),
            b')' => {
                let count = self.cursor.byte()?;
                return self.open(Kind::Tuple, at, count.into(), flagged);
            }
            b'(' => {
                let count = self.cursor.length()?;
                return self.open(Kind::Tuple, at, count, flagged);
            }
            b'>' => {
                let count = self.cursor.length()?;
                return self.open(Kind::FrozenSet, at, count, flagged);
            }
            b'c' => {
                let kind = Kind::Code(Box::new(Scalars {
                    argcount: self.cursor.i32()?,
                    posonlyargcount: self.cursor.i32()?,
                    kwonlyargcount: self.cursor.i32()?,
                    stacksize: self.cursor.i32()?,
                    flags: self.cursor.i32()?,
                    firstlineno: 0,
                }));
                return self.open(kind, at, CODE_OBJECTS, flagged);
            }
            // Written from marshal version 5 on.
            b':' if self.layout.slice.is_some() => return self.open(Kind::Slice, at, SLICE_OBJECTS, flagged),
            b'0' if self.dict_ends() => return Ok(Step::Done(self.close()?)),
            b'[' | b'<' if self.value.is_some() => {
                let count = self.cursor.length()?;
                return self.open(if byte & !FLAG_REF == b'[' { Kind::List } else { Kind::Set }, at, count, flagged);
            }
            b'{' if self.value.is_some() => return Ok(self.open_dict(at, flagged)),
            b'0' => return fail(Problem::Null),
            b'[' => return fail(Problem::UnsupportedType("list")),
            b'{' => return fail(Problem::UnsupportedType("dict")),
            b'<' => return fail(Problem::UnsupportedType("set")),
            b'S' => return fail(Problem::UnsupportedType("StopIteration")),
            b':' => return fail(Problem::UnsupportedType("slice")),
            // Written from marshal version 6 on.
            b'}' => return fail(Problem::UnsupportedType("frozendict")),
            other => return fail(Problem::UnknownType(other)),
        };
        let id = self.graph.push(object);
        if flagged {
            self.refs.push(Some(id));
        }
        Ok(Step::Done(id))
    }

    /// Opens a container and gives it its number: its items have later ones (`r_ref_reserve`).
    fn open(&mut self, kind: Kind, at: usize, count: usize, flagged: bool) -> Result<Step, MarshalError> {
        // An item takes at least one byte.
        self.cursor.expect(count)?;
        let number = flagged.then_some(self.refs.len());
        if flagged {
            self.refs.push(None);
        }
        self.open.push(Open { kind, at, first: self.items.len(), count, number });
        if count > 0 { Ok(Step::Opened) } else { Ok(Step::Done(self.close()?)) }
    }

    /// Opens a dict, which ends where a key would be [`Problem::Null`].
    fn open_dict(&mut self, at: usize, flagged: bool) -> Step {
        let number = flagged.then_some(self.refs.len());
        if flagged {
            self.refs.push(None);
        }
        self.open.push(Open { kind: Kind::Dict, at, first: self.items.len(), count: usize::MAX, number });
        Step::Opened
    }

    /// Whether the innermost container is a dict that lacks no value.
    fn dict_ends(&self) -> bool {
        let open = self.open.last().filter(|open| matches!(open.kind, Kind::Dict));
        open.is_some_and(|open| (self.items.len() - open.first).is_multiple_of(2))
    }

    /// Completes the innermost container.
    fn close(&mut self) -> Result<ObjId, MarshalError> {
        let open = self.open.pop().expect("called only with a container open");
        let items: Box<[ObjId]> = self.items.drain(open.first..).collect();
        let depth = self.value.as_ref().map(|value| value.depth_around(&open.kind, &items));
        let object = match open.kind {
            Kind::Tuple => Object::Tuple(items),
            Kind::FrozenSet => Object::FrozenSet(items),
            Kind::Slice => Object::Slice([items[0], items[1], items[2]]),
            Kind::List => Object::List(items),
            Kind::Set => Object::Set(items),
            Kind::Dict => Object::Dict(items),
            Kind::Code(scalars) => {
                let code = assemble(&scalars, &items);
                validate::code(&self.graph, &code, &self.layout.code)
                    .map_err(|problem| MarshalError { offset: open.at, problem })?;
                Object::Code(Box::new(code))
            }
        };
        let id = self.graph.push(object);
        if let (Some(value), Some(depth)) = (&mut self.value, depth) {
            value.set(id, depth);
        }
        if let Some(number) = open.number {
            self.refs[number] = Some(id);
        }
        Ok(id)
    }

    /// `TYPE_REF`.
    fn reference(&mut self, at: usize) -> Result<ObjId, MarshalError> {
        let number = self.cursor.i32()?;
        let found = usize::try_from(number).ok().and_then(|index| self.refs.get(index));
        match found {
            Some(&Some(id)) => Ok(id),
            Some(None) => Err(MarshalError { offset: at, problem: Problem::Recursive(number) }),
            None => Err(MarshalError { offset: at, problem: Problem::Reference(number) }),
        }
    }

    fn sized(&mut self) -> Result<&'a [u8], MarshalError> {
        let length = self.cursor.length()?;
        self.cursor.take(length)
    }

    fn short_sized(&mut self) -> Result<&'a [u8], MarshalError> {
        let length = self.cursor.byte()?;
        self.cursor.take(length.into())
    }

    fn utf8(&mut self, at: usize, interned: bool) -> Result<Object, MarshalError> {
        let decoded = text::decode(self.sized()?, interned);
        decoded.map(Object::Str).map_err(|byte| MarshalError { offset: at, problem: Problem::Utf8(byte) })
    }
}

/// The one object for a singleton.
fn single(graph: &mut Graph, slot: &mut Option<ObjId>, object: Object) -> ObjId {
    *slot.get_or_insert_with(|| graph.push(object))
}

fn assemble(scalars: &Scalars, objects: &[ObjId]) -> Code {
    Code {
        argcount: scalars.argcount,
        posonlyargcount: scalars.posonlyargcount,
        kwonlyargcount: scalars.kwonlyargcount,
        stacksize: scalars.stacksize,
        flags: scalars.flags,
        firstlineno: scalars.firstlineno,
        code: objects[0],
        consts: objects[1],
        names: objects[2],
        localsplusnames: objects[3],
        localspluskinds: objects[4],
        filename: objects[5],
        name: objects[6],
        qualname: objects[7],
        linetable: objects[8],
        exceptiontable: objects[9],
    }
}
