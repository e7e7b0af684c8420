//! Recipes: how the loader makes the value of a named object.
//!
//! The immutable parts of a value, each as large as it gets, are the *leaves*: the items of one tuple of the image, in the
//! order in which the recipe takes them. A recipe is a program for a stack, one varint per step, `argument << 3 | operation`:
//!
//! | operation | effect |
//! |---|---|
//! | 0 take *n* | pushes the next *n* leaves |
//! | 1 tuple *n* | pops *n* values, pushes a tuple of them |
//! | 2 list *n* | the same with a list |
//! | 3 set *n* | the same with a set, entered one after the other |
//! | 4 dict *n* | pops *n* pairs of key and value, pushes a dict, entered one after the other |
//! | 5 slice | pops start, stop and step, pushes a slice |
//! | 6 remember | gives the topmost value the next number, from 0 on |
//! | 7 recall *i* | pushes the value with that number once more |
//!
//! At the end all leaves were taken and one value is left. An immutable value is the recipe `take 1`: the same object
//! every time. Everything else is made anew every time.

use super::codec::{Reader, Writer};

/// One step of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Pushes the next leaves.
    Take(u32),
    /// A tuple of so many values.
    Tuple(u32),
    /// A list of so many values.
    List(u32),
    /// A set of so many values.
    Set(u32),
    /// A dict of so many pairs.
    Dict(u32),
    /// A slice of three values.
    Slice,
    /// The topmost value will be asked for again.
    Remember,
    /// A remembered value.
    Recall(u32),
}

impl Step {
    /// Appends the step.
    pub fn encode(self, w: &mut Writer) {
        let (operation, argument) = match self {
            Step::Take(n) => (0, n),
            Step::Tuple(n) => (1, n),
            Step::List(n) => (2, n),
            Step::Set(n) => (3, n),
            Step::Dict(n) => (4, n),
            Step::Slice => (5, 0),
            Step::Remember => (6, 0),
            Step::Recall(n) => (7, n),
        };
        w.varint(u64::from(argument) << 3 | operation);
    }

    /// Takes a step.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let word = r.varint()?;
        let argument = u32::try_from(word >> 3).ok()?;
        Some(match (word & 7, argument) {
            (0, n) => Step::Take(n),
            (1, n) => Step::Tuple(n),
            (2, n) => Step::List(n),
            (3, n) => Step::Set(n),
            (4, n) => Step::Dict(n),
            (5, 0) => Step::Slice,
            (6, 0) => Step::Remember,
            (7, n) => Step::Recall(n),
            _ => return None,
        })
    }

    /// How many values the step pops.
    pub fn pops(self) -> u64 {
        match self {
            Step::Tuple(n) | Step::List(n) | Step::Set(n) => n.into(),
            Step::Dict(n) => 2 * u64::from(n),
            Step::Slice => 3,
            Step::Take(_) | Step::Remember | Step::Recall(_) => 0,
        }
    }
}

/// The steps of an encoded recipe; `None` once and then the end where the bytes are none.
pub fn steps(bytes: &[u8]) -> impl Iterator<Item = Option<Step>> + '_ {
    let mut r = Reader::new(bytes);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let step = Step::decode(&mut r);
        if step.is_none() {
            r = Reader::new(&[]);
        }
        Some(step)
    })
}

/// Goes through a recipe without making anything: the number of leaves that it takes, or `None` if a step pops what is not
/// there, recalls what was not remembered, or the recipe does not end with one value.
pub fn leaves_of(bytes: &[u8]) -> Option<u64> {
    let (mut taken, mut depth, mut remembered) = (0u64, 0u64, 0u32);
    for step in steps(bytes) {
        let step = step?;
        depth = depth.checked_sub(step.pops())?;
        match step {
            Step::Take(n) => {
                taken += u64::from(n);
                depth += u64::from(n);
            }
            Step::Remember if depth == 0 => return None,
            Step::Remember => remembered = remembered.checked_add(1)?,
            Step::Recall(number) if number >= remembered => return None,
            _ => depth += 1,
        }
    }
    (depth == 1).then_some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(steps: &[Step]) -> Vec<u8> {
        let mut w = Writer::new();
        steps.iter().for_each(|s| s.encode(&mut w));
        w.bytes
    }

    #[test]
    fn bytes_of_a_recipe() {
        // [1, ()] with the list twice: (x, x)
        let recipe = [Step::Take(2), Step::List(2), Step::Remember, Step::Recall(0), Step::Tuple(2)];
        let bytes = encoded(&recipe);
        assert_eq!(bytes, [2 << 3, 2 << 3 | 2, 6, 7, 2 << 3 | 1]);
        assert_eq!(steps(&bytes).collect::<Option<Vec<_>>>().as_deref(), Some(&recipe[..]));
        assert_eq!(leaves_of(&bytes), Some(2));
    }

    #[test]
    fn what_is_no_recipe() {
        for steps in [
            &[][..],
            &[Step::Take(2)],
            &[Step::Take(1), Step::List(2)],
            &[Step::Take(1), Step::Dict(1)],
            &[Step::Take(2), Step::Slice],
            &[Step::Remember, Step::Take(1)],
            &[Step::Take(1), Step::Recall(0), Step::Tuple(2)],
        ] {
            assert_eq!(leaves_of(&encoded(steps)), None, "{steps:?}");
        }
        // An operation without argument that has one, a varint without end, an argument of more than 32 bits.
        for bytes in [&[5 | 1 << 3][..], &[0x80], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]] {
            assert_eq!(leaves_of(bytes), None, "{bytes:?}");
        }
    }
}
