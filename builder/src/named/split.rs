//! Splits a value into its immutable parts, which become objects of the image, and the recipe for the rest.

use crate::graph::{Graph, ObjId, Object};
use cds_layout::format::{Step, Writer};
use std::collections::HashMap;

/// A value as leaves and recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Immutable objects in the order in which the recipe takes them.
    pub leaves: Vec<ObjId>,
    /// The encoded recipe.
    pub recipe: Vec<u8>,
}

/// What remains to be done, last first: no recursion, so that depth is bounded by memory only.
enum Todo {
    Enter(ObjId),
    Leave(ObjId),
}

/// Splits the value `root`, whose parts have smaller ids than what they are parts of.
pub fn split(graph: &Graph, root: ObjId) -> Split {
    let fresh = fresh(graph);
    let uses = uses(graph, &fresh, root);
    let mut out = Program { leaves: Vec::new(), pending: 0, code: Writer::new() };
    let mut numbers: HashMap<ObjId, u32> = HashMap::new();
    let mut todo = vec![Todo::Enter(root)];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Enter(id) if !fresh[id.0 as usize] => out.take(id),
            Todo::Enter(id) => match numbers.get(&id) {
                Some(&number) => out.step(Step::Recall(number)),
                None => {
                    todo.push(Todo::Leave(id));
                    todo.extend(children(graph.get(id)).iter().rev().map(|&child| Todo::Enter(child)));
                }
            },
            Todo::Leave(id) => {
                out.step(making(graph.get(id)));
                if uses[id.0 as usize] > 1 {
                    out.step(Step::Remember);
                    let number = numbers.len() as u32;
                    numbers.insert(id, number);
                }
            }
        }
    }
    out.flush();
    Split { leaves: out.leaves, recipe: out.code.bytes }
}

/// The step that makes an object of its children.
fn making(object: &Object) -> Step {
    let count = children(object).len() as u32;
    match object {
        Object::List(_) => Step::List(count),
        Object::Set(_) => Step::Set(count),
        Object::Dict(_) => Step::Dict(count / 2),
        Object::Slice(_) => Step::Slice,
        _ => Step::Tuple(count),
    }
}

/// The children of what can be mutable or hold something mutable.
fn children(object: &Object) -> &[ObjId] {
    match object {
        Object::Tuple(items) | Object::List(items) | Object::Set(items) | Object::Dict(items) => items,
        Object::Slice(parts) => parts,
        _ => &[],
    }
}

/// By object, whether it is mutable or holds something mutable: it has to be made anew every time.
fn fresh(graph: &Graph) -> Vec<bool> {
    let mut fresh = vec![false; graph.objects.len()];
    for (id, object) in graph.objects.iter().enumerate() {
        let mutable = matches!(object, Object::List(_) | Object::Set(_) | Object::Dict(_));
        fresh[id] = mutable || children(object).iter().any(|child| fresh[child.0 as usize]);
    }
    fresh
}

/// By object that is made anew, how often it is used (twice is as good as more).
fn uses(graph: &Graph, fresh: &[bool], root: ObjId) -> Vec<u8> {
    let mut uses = vec![0u8; graph.objects.len()];
    let mut todo = vec![root];
    while let Some(id) = todo.pop() {
        let count = &mut uses[id.0 as usize];
        if *count == 0 {
            todo.extend(children(graph.get(id)).iter().filter(|child| fresh[child.0 as usize]));
        }
        *count = count.saturating_add(1);
    }
    uses
}

struct Program {
    leaves: Vec<ObjId>,
    /// Leaves that were taken by no step yet: neighbours are taken by one.
    pending: u32,
    code: Writer,
}

impl Program {
    fn take(&mut self, id: ObjId) {
        self.leaves.push(id);
        self.pending += 1;
    }

    fn flush(&mut self) {
        if self.pending > 0 {
            Step::Take(std::mem::take(&mut self.pending)).encode(&mut self.code);
        }
    }

    fn step(&mut self, step: Step) {
        self.flush();
        step.encode(&mut self.code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cds_layout::format::{leaves_of, steps};

    fn program(split: &Split) -> Vec<Step> {
        assert_eq!(leaves_of(&split.recipe), Some(split.leaves.len() as u64));
        steps(&split.recipe).collect::<Option<_>>().expect("what was written can be read")
    }

    #[test]
    fn immutable_values_are_one_leaf() {
        let mut graph = Graph::default();
        let one = graph.push(Object::Float(1));
        let root = graph.push(Object::Tuple([one, one].into()));
        let split = split(&graph, root);
        assert_eq!(split.leaves, [root]);
        assert_eq!(program(&split), [Step::Take(1)]);
    }

    #[test]
    fn shared_mutable_parts_stay_shared() {
        // x = []; ({a: x}, (b, x), (b,))
        let mut graph = Graph::default();
        let (a, b) = (graph.push(Object::Float(1)), graph.push(Object::Float(2)));
        let x = graph.push(Object::List([].into()));
        let dict = graph.push(Object::Dict([a, x].into()));
        let pair = graph.push(Object::Tuple([b, x].into()));
        let single = graph.push(Object::Tuple([b].into()));
        let root = graph.push(Object::Tuple([dict, pair, single].into()));
        let split = split(&graph, root);
        assert_eq!(split.leaves, [a, b, single]);
        let expected = [
            Step::Take(1),
            Step::List(0),
            Step::Remember,
            Step::Dict(1),
            Step::Take(1),
            Step::Recall(0),
            Step::Tuple(2),
            Step::Take(1),
            Step::Tuple(3),
        ];
        assert_eq!(program(&split), expected);
    }

    #[test]
    fn depth_is_no_matter() {
        let mut graph = Graph::default();
        let mut root = graph.push(Object::List([].into()));
        for _ in 0..1_000_000 {
            root = graph.push(Object::Tuple([root].into()));
        }
        let split = split(&graph, root);
        assert_eq!(split.leaves, []);
        assert_eq!(program(&split).len(), 1_000_001);
    }
}
