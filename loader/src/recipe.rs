//! Makes the value of a named object: runs its recipe over its leaves. No recursion, however deep the value is.

use cds_layout::format::{Step, steps};

use crate::py::{self, Object};

/// Why there is no value.
#[derive(Debug)]
pub enum Fault {
    /// The recipe is not what a builder writes.
    Malformed,
    /// A Python exception is set.
    Raised,
}

/// Puts an object on a stack, if there is memory for it.
fn push(stack: &mut Vec<Object>, object: Object) -> Result<(), Fault> {
    reserve(stack, 1)?;
    stack.push(object);
    Ok(())
}

/// Sees to it that so many more have room.
fn reserve(stack: &mut Vec<Object>, more: usize) -> Result<(), Fault> {
    stack.try_reserve(more).map_err(|_| py::raise_memory_error().into())
}

impl From<py::Raised> for Fault {
    fn from(_: py::Raised) -> Self {
        Fault::Raised
    }
}

/// Runs `recipe`; `leaves` is the tuple of the leaves, if it takes any.
pub fn run(recipe: &[u8], leaves: Option<&Object>) -> Result<Object, Fault> {
    let mut left = 0..leaves.map_or(0, Object::tuple_len);
    let mut stack: Vec<Object> = Vec::new();
    let mut remembered: Vec<Object> = Vec::new();
    for step in steps(recipe) {
        let step = step.ok_or(Fault::Malformed)?;
        let pops = usize::try_from(step.pops()).map_err(|_| Fault::Malformed)?;
        let rest = stack.len().checked_sub(pops).ok_or(Fault::Malformed)?;
        let made = match step {
            Step::Take(count) => {
                let leaves = leaves.filter(|_| count as usize <= left.len()).ok_or(Fault::Malformed)?;
                reserve(&mut stack, count as usize)?;
                for index in left.by_ref().take(count as usize) {
                    stack.push(leaves.tuple_item(index)?);
                }
                continue;
            }
            Step::Remember => {
                push(&mut remembered, stack.last().ok_or(Fault::Malformed)?.clone())?;
                continue;
            }
            Step::Recall(number) => remembered.get(number as usize).ok_or(Fault::Malformed)?.clone(),
            Step::Tuple(_) => py::tuple_of(stack.drain(rest..))?,
            Step::List(_) => py::list_of(stack.drain(rest..))?,
            Step::Set(_) => py::set_of(stack.drain(rest..))?,
            Step::Dict(_) => py::dict_of(stack.drain(rest..))?,
            Step::Slice => {
                let slice = py::slice(&stack[rest], &stack[rest + 1], &stack[rest + 2])?;
                stack.truncate(rest);
                slice
            }
        };
        push(&mut stack, made)?;
    }
    match (stack.pop(), stack.is_empty() && left.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(Fault::Malformed),
    }
}
