//! What an import does with each object: objects that are touched alike lie together.

use super::bodies::bodies;
use super::likely::CO_OPTIMIZED;
use crate::share::{CodeNode, Constants, Node, NodeId};

/// A part of a unit's objects, in the order in which the parts lie in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Code that runs once, with the tuples of its constants and names and its line table, as objects that are made of it.
    Bodies,
    /// Interned strings: written to when they are interned.
    Strings,
    /// What points to strings that every start interns before there is an image, and tuples with those that native code may:
    /// written to for that reason.
    Patched,
    /// What else of a body runs or is constant: read, but for code, and a few keys, which have their hash noted.
    Constants,
    /// Other tuples of names of functions.
    Names,
    /// Functions that the bodies make, and their documentation: read when the function is made. Exception tables: read where an
    /// exception passes.
    Functions,
    /// Everything else: line tables, functions inside functions, constants of functions.
    Cold,
}

/// What is known of an interned string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the image's own copy is interned.
    No,
    /// The interpreter has a copy where slots have it.
    Static,
    /// The interpreter will have a copy somewhere else.
    Elsewhere,
    /// Native code may have made one: otherwise the image's own copy is interned.
    PerhapsElsewhere,
}

/// By node id, the part of each object; of shared ones the first that any module has it in. `known` is about strings, `with_classes` is
/// for [`bodies`].
pub fn parts(constants: &Constants, with_classes: bool, known: impl Fn(NodeId) -> Known) -> Vec<Part> {
    let parts = vec![Part::Cold; constants.len()];
    let mut walk = Walk { constants, parts, visited: vec![None; constants.len()], todo: Vec::new() };
    for module in &constants.modules {
        // The root of a named object is a tuple: to use it writes nothing.
        let runs = |root| constants.code(root).is_some();
        let part = if module.root.is_some_and(runs) { Part::Bodies } else { Part::Functions };
        walk.todo.extend(module.root.map(|root| (root, part)));
        while let Some((id, part)) = walk.todo.pop() {
            walk.visit(id, part);
        }
    }
    let bodies = bodies(constants, with_classes);
    let codes = (0..constants.len() as u32).map(NodeId).filter(|id| bodies[id.0 as usize]);
    for code in codes.filter_map(|id| constants.code(id)) {
        // Looked at when the code is gone. Where they belong to nothing else they are bodies.
        walk.mark(code.linetable, Part::Functions);
        walk.mark(code.localspluskinds, Part::Functions);
    }
    // By node id, whether a string is interned elsewhere, or may be.
    let mut elsewhere = vec![false; constants.len()];
    for (number, part) in walk.parts.iter_mut().enumerate() {
        if bodies[number] {
            *part = Part::Bodies;
            continue;
        }
        if *part == Part::Bodies {
            *part = Part::Constants;
        }
        // Children have smaller ids.
        let id = NodeId(number as u32);
        let node = constants.node(id);
        if matches!(node, Node::Filename(..)) {
            // Interned, too, from 3.13 on.
            *part = Part::Strings;
            continue;
        }
        if node.is_interned() {
            (*part, elsewhere[number]) = match known(id) {
                Known::No => (Part::Strings, false),
                Known::PerhapsElsewhere => (Part::Strings, true),
                Known::Elsewhere => (Part::Cold, true),
                Known::Static => (Part::Cold, false),
            };
            continue;
        }
        let is_patched = match node {
            // Of the cold ones, only the tuples are. Code is large: where its name only may be interned elsewhere it stays with what is read.
            Node::Code(code) if *part < Part::Cold => known(constants.codes[*code as usize].name) == Known::Elsewhere,
            _ => node.items().iter().any(|item| elsewhere[item.0 as usize]),
        };
        if is_patched {
            *part = Part::Patched.min(*part);
        }
    }
    walk.parts
}

struct Walk<'a> {
    constants: &'a Constants,
    parts: Vec<Part>,
    /// As what a node was visited: a visit as less has nothing to add.
    visited: Vec<Option<Part>>,
    todo: Vec<(NodeId, Part)>,
}

impl Walk<'_> {
    fn mark(&mut self, id: NodeId, part: Part) {
        let known = &mut self.parts[id.0 as usize];
        *known = part.min(*known);
    }

    /// Marks an object that is used as `part`, and notes what it uses itself. However often nodes refer to each other, each is
    /// visited no more than once for each part.
    fn visit(&mut self, id: NodeId, part: Part) {
        let visited = &mut self.visited[id.0 as usize];
        if visited.is_some_and(|before| before <= part) {
            return;
        }
        *visited = Some(part);
        self.mark(id, part);
        match self.constants.node(id) {
            Node::Code(number) => self.code(&self.constants.codes[*number as usize], part),
            Node::FrozenSet(items) => self.todo.push((*items, part)),
            node => self.todo.extend(node.items().iter().map(|&item| (item, part))),
        }
    }

    fn code(&mut self, code: &CodeNode, part: Part) {
        let runs = part == Part::Bodies;
        self.mark(code.names, if runs { Part::Bodies } else { Part::Names });
        self.mark(code.localsplusnames, Part::Names);
        self.mark(code.qualname, part);
        self.mark(code.name, part);
        self.mark(code.consts, part);
        // Read where an exception passes.
        self.mark(code.exceptiontable, Part::Functions);
        for (index, &id) in self.constants.node(code.consts).items().iter().enumerate() {
            let used_as = match self.constants.node(id) {
                Node::Code(number) if runs => {
                    let is_function = self.constants.codes[*number as usize].flags & CO_OPTIMIZED != 0;
                    if is_function { Part::Functions } else { Part::Bodies }
                }
                Node::Code(_) => Part::Cold,
                _ if runs => Part::Bodies,
                // The first constant may be the function's documentation.
                Node::Str(_) if index == 0 => part,
                _ => Part::Cold,
            };
            self.todo.push((id, used_as));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::objects::testing::{code, shared, tuple};

    #[test]
    fn what_is_written_to_for_strings_that_are_elsewhere_lies_together() {
        let mut graph = Graph::default();
        let none = tuple(&mut graph, &[]);
        let cold = code(&mut graph, 5, CO_OPTIMIZED, none, &["native", "own", "b", "c"]);
        let consts = tuple(&mut graph, &[cold]);
        let native = code(&mut graph, 2, CO_OPTIMIZED, consts, &["native"]);
        let started = code(&mut graph, 3, CO_OPTIMIZED, consts, &["started", "own"]);
        let other = code(&mut graph, 4, CO_OPTIMIZED, consts, &["own", "b", "c"]);
        let consts = tuple(&mut graph, &[native, started, other]);
        let root = code(&mut graph, 1, 0, consts, &["own", "b", "c", "d", "e"]);
        let constants = shared([(graph, root)]);
        let text = |id| constants.node(id).as_str().map(|text| text.data.to_vec()).unwrap_or_default();
        let all = || (0..constants.len() as u32).map(NodeId);
        // Parts of the functions, the cold one last, of the tuples of their names, and of the strings `native`, `started` and `own`.
        let of_functions = |name: Known| {
            let parts = parts(&constants, true, |id| match &*text(id) {
                b"native" => Known::PerhapsElsewhere,
                b"started" => Known::Elsewhere,
                b"name" => name,
                _ => Known::No,
            });
            let part = |is: &dyn Fn(NodeId) -> bool| parts[all().find(|&id| is(id)).unwrap().0 as usize];
            let line = |line| move |code: &CodeNode| code.firstlineno == line;
            let code = |number| part(&|id| constants.code(id).is_some_and(line(number)));
            let names = |number| {
                let code = all().filter_map(|id| constants.code(id)).find(|code| line(number)(code));
                parts[code.unwrap().names.0 as usize]
            };
            let string = |string: &[u8]| part(&|id| text(id) == string);
            ([2, 3, 4, 5].map(code), [2, 3, 4, 5].map(names), [&b"native"[..], b"started", b"own"].map(string))
        };
        use Part::{Cold, Functions, Names, Patched, Strings};
        let (names, strings) = ([Patched, Patched, Names, Patched], [Strings, Cold, Strings]);
        let functions = [Functions, Functions, Functions, Cold];
        assert_eq!(of_functions(Known::No), (functions, names, strings));
        assert_eq!(of_functions(Known::PerhapsElsewhere), (functions, names, strings));
        assert_eq!(of_functions(Known::Elsewhere), ([Patched, Patched, Patched, Cold], names, strings));
    }
}
