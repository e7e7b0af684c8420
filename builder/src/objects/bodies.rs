//! What of a module runs once: the code of its body and of its classes' bodies, with the tuples of their constants and names and
//! with their line tables.
//!
//! The loader makes objects of these that are gone when they have run, as those that are read from a `.pyc` are. So nothing
//! else may point to them.

use super::likely::CO_OPTIMIZED;
use crate::share::{CodeNode, Constants, FilenameRef, Node, NodeId};

/// By node id, whether the object belongs to a body and to nothing else; without bodies of classes if they are to stay.
pub fn bodies(constants: &Constants, with_classes: bool) -> Vec<bool> {
    let none = || vec![false; constants.len()];
    let mut users = Users { constants, of_bodies: none(), others: none() };
    // The root of a named object is a tuple.
    for root in constants.modules.iter().filter_map(|module| module.root).filter(|root| constants.code(*root).is_some())
    {
        users.of_bodies[root.0 as usize] = true;
    }
    // Children have smaller ids: who uses an object is known when it is its turn.
    for number in (0..constants.len()).rev() {
        let is_body = users.of_bodies[number] && !users.others[number];
        let node = constants.node(NodeId(number as u32));
        users.of_bodies[number] = match node {
            Node::Code(code) => users.code(&constants.codes[*code as usize], is_body),
            Node::Tuple(items) => {
                items
                    .iter()
                    .for_each(|item| users.add(*item, is_body && with_classes && constants.code(*item).is_some()));
                is_body
            }
            Node::Bytes(_) => is_body,
            Node::FrozenSet(items) => {
                users.add(*items, false);
                false
            }
            node => {
                node.items().iter().for_each(|item| users.add(*item, false));
                false
            }
        };
    }
    users.of_bodies
}

/// Who uses which object, by node id.
struct Users<'a> {
    constants: &'a Constants,
    /// Bodies do.
    of_bodies: Vec<bool>,
    /// Something else does.
    others: Vec<bool>,
}

impl Users<'_> {
    /// What is made anew for each of its users may have several, unless that would make two code objects of one.
    fn add(&mut self, id: NodeId, is_body: bool) {
        let number = id.0 as usize;
        let is_again = is_body && self.of_bodies[number] && self.is_or_holds_code(id);
        let users = if is_body && !is_again { &mut self.of_bodies } else { &mut self.others };
        users[number] = true;
    }

    fn is_or_holds_code(&self, id: NodeId) -> bool {
        let is_code = |id| self.constants.code(id).is_some();
        is_code(id) || self.constants.node(id).items().iter().any(|item| is_code(*item))
    }

    /// Notes what a code object uses; whether it is a body's.
    fn code(&mut self, code: &CodeNode, is_body: bool) -> bool {
        let runs_once = is_body && code.flags & CO_OPTIMIZED == 0;
        self.add(code.consts, runs_once);
        self.add(code.names, runs_once);
        self.add(code.linetable, runs_once);
        let (FilenameRef::Module(filename) | FilenameRef::Other(filename)) = code.filename;
        let others =
            [code.localsplusnames, code.localspluskinds, filename, code.name, code.qualname, code.exceptiontable];
        others.into_iter().for_each(|id| self.add(id, false));
        runs_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, Object};
    use crate::objects::testing::{code, shared, text, tuple};
    use std::collections::BTreeSet;

    /// A line whose table a function has, too.
    const SHARED_LINE: i32 = 99;

    /// What belongs to bodies: lines of code, which have line tables, and the tuples by their lengths.
    fn found(constants: &Constants) -> (Vec<i32>, Vec<usize>) {
        found_in(constants, true)
    }

    fn found_in(constants: &Constants, with_classes: bool) -> (Vec<i32>, Vec<usize>) {
        let bodies = bodies(constants, with_classes);
        let (mut lines, mut lengths, mut tables) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (number, _) in bodies.iter().enumerate().filter(|(_, is_body)| **is_body) {
            match constants.node(NodeId(number as u32)) {
                Node::Code(code) => lines.push(constants.codes[*code as usize].firstlineno),
                Node::Tuple(items) => lengths.push(items.len()),
                Node::Bytes(bytes) => {
                    tables.insert(i32::from_le_bytes((**bytes).try_into().unwrap()));
                }
                other => panic!("{other:?} is a body's"),
            }
        }
        lines.sort_unstable();
        lengths.sort_unstable();
        assert_eq!(tables, lines.iter().copied().filter(|line| *line != SHARED_LINE).collect());
        (lines, lengths)
    }

    #[test]
    fn modules_and_classes_run_once_and_functions_do_not() {
        let mut graph = Graph::default();
        let none = tuple(&mut graph, &[]);
        let in_function = code(&mut graph, 4, 0, none, &["a", "b", "c", "d"]);
        let consts = tuple(&mut graph, &[in_function]);
        let function = code(&mut graph, 3, CO_OPTIMIZED, consts, &["e"]);
        let inner = code(&mut graph, 5, 0, none, &["f", "g", "h"]);
        let consts = tuple(&mut graph, &[function, inner]);
        let class = code(&mut graph, 2, 0, consts, &["i", "j"]);
        let number = graph.push(Object::Float(2.5_f64.to_bits()));
        let constant = tuple(&mut graph, &[number, number, number, number, number, number]);
        let consts = tuple(&mut graph, &[class, constant, number, number, number]);
        let root = code(&mut graph, 1, 0, consts, &["k", "l", "m", "n", "o", "p", "q"]);
        // Module, class and inner class with their constants and names; neither what is within the function nor a constant.
        let constants = shared([(graph, root)]);
        assert_eq!(found(&constants), (vec![1, 2, 5], vec![2, 2, 3, 5, 7]));
        assert_eq!(found_in(&constants, false), (vec![1], vec![5, 7]));
    }

    #[test]
    fn what_anything_else_uses_is_no_body() {
        let mut graph = Graph::default();
        let number = graph.push(Object::Float(2.5_f64.to_bits()));
        let shared_consts = tuple(&mut graph, &[number, number]);
        let function = code(&mut graph, 2, CO_OPTIMIZED, shared_consts, &["a"]);
        // A constant that is equal to the names of the body.
        let names = text(&mut graph, "b");
        let names = tuple(&mut graph, &[names, names, names]);
        let class = code(&mut graph, 3, 0, shared_consts, &["b", "b", "b"]);
        // A class that is a constant of a constant, too.
        let nested = code(&mut graph, 4, 0, shared_consts, &["c"]);
        let constant = tuple(&mut graph, &[nested]);
        let consts = tuple(&mut graph, &[function, class, names, nested, constant]);
        let root = code(&mut graph, 1, 0, consts, &["d", "e", "f", "g"]);
        assert_eq!(found(&shared([(graph, root)])), (vec![1, 3], vec![4, 5]));
    }

    #[test]
    fn of_what_units_share_each_use_counts_and_named_objects_have_no_bodies() {
        let module = |names: &[&str], line: i32, flags: i32| {
            let mut graph = Graph::default();
            let none = tuple(&mut graph, &[]);
            let inner = code(&mut graph, line, flags, none, &["same", "same"]);
            let consts = tuple(&mut graph, &[inner]);
            let root = code(&mut graph, 1, 0, consts, names);
            (graph, root)
        };
        let two = || [module(&["a", "b", "c"], 2, 0), module(&["a", "b", "c"], 2, 0)];
        // One object for the names of both modules, and of both classes.
        assert_eq!(found(&shared(two())), (vec![1, 1, 2, 2], vec![1, 1, 2, 3]));
        let function = module(&["d", "e", "f", "g"], 3, CO_OPTIMIZED);
        assert_eq!(found(&shared(two().into_iter().chain([function]))), (vec![1, 1, 1, 2, 2], vec![1, 1, 1, 3, 4]));
        let mut graph = Graph::default();
        let none = tuple(&mut graph, &[]);
        let leaf = code(&mut graph, 1, 0, none, &["a"]);
        let root = tuple(&mut graph, &[leaf]);
        assert_eq!(found(&shared([(graph, root)])), (vec![], vec![]));
    }

    #[test]
    fn no_code_object_becomes_two() {
        let mut graph = Graph::default();
        let none = tuple(&mut graph, &[]);
        let twice = code(&mut graph, 3, 0, none, &["a"]);
        let consts = tuple(&mut graph, &[twice, twice]);
        let class = code(&mut graph, 2, 0, consts, &["b", "c"]);
        let inner = code(&mut graph, 5, 0, none, &["d"]);
        let same = tuple(&mut graph, &[inner]);
        let [one, other] = [6, 7].map(|line| code(&mut graph, line, 0, same, &["e", "f", "g"]));
        let consts = tuple(&mut graph, &[class, one, other, none]);
        let root = code(&mut graph, 1, 0, consts, &["h", "i", "j", "k", "l"]);
        assert_eq!(found(&shared([(graph, root)])), (vec![1, 2, 6, 7], vec![2, 2, 3, 4, 5]));
    }

    #[test]
    fn a_line_table_that_a_function_has_too_stays() {
        let mut graph = Graph::default();
        let none = tuple(&mut graph, &[]);
        let function = code(&mut graph, SHARED_LINE, CO_OPTIMIZED, none, &["a"]);
        let consts = tuple(&mut graph, &[function]);
        let root = code(&mut graph, SHARED_LINE, 0, consts, &["b", "c"]);
        assert_eq!(found(&shared([(graph, root)])), (vec![SHARED_LINE], vec![1, 2]));
    }
}
