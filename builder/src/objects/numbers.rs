//! Numbers of the interned strings that many units use, where units have the text of theirs.

use super::likely::level;
use super::pool::homes;
use crate::share::{Constants, NodeId};
use cds_layout::format::MAX_NUMBERS;
use std::cmp::Reverse;

/// Longer texts have no number: whoever needs one of a block of texts reads all of it.
const LONGEST: usize = 255;

/// That a string has no number.
const NONE: u32 = u32::MAX;

/// Strings by number, and numbers by node id.
#[derive(Debug, Default)]
pub struct Numbers {
    strings: Vec<NodeId>,
    numbers: Vec<u32>,
}

impl Numbers {
    /// For the texts of which the units would have most bytes. `likely` is by unit; `users`, by node, is how many units
    /// are expected to use it in a process.
    pub fn of_texts(constants: &Constants, likely: &[f64], users: &[f64], is_text: impl Fn(NodeId) -> bool) -> Numbers {
        let has_number = |id: &NodeId| {
            let fits = constants.node(*id).as_str().is_some_and(|text| text.ascii && text.data.len() <= LONGEST);
            fits && is_text(*id) && constants.owner(*id).is_none()
        };
        let mut texts: Vec<NodeId> = (0..constants.len() as u32).map(NodeId).filter(has_number).collect();
        let units = constants.unit_counts();
        // By about so much the file is smaller: a number is a byte longer than the head of a text, which is stored once all the same.
        let saved = |id: &NodeId| {
            let length = constants.node(*id).as_str().map_or(0, |text| text.data.len());
            (units[id.0 as usize] as usize * length.saturating_sub(1)).saturating_sub(length)
        };
        texts.sort_by_key(|id| (Reverse(saved(id)), *id));
        texts.truncate(MAX_NUMBERS as usize);
        // What is used together lies together.
        let homes = homes(constants, likely);
        texts.sort_by_key(|id| (Reverse(level(users[id.0 as usize])), homes[id.0 as usize], *id));
        let mut numbers = vec![NONE; constants.len()];
        for (number, id) in (0..).zip(&texts) {
            numbers[id.0 as usize] = number;
        }
        Numbers { strings: texts, numbers }
    }

    /// The strings in the order of their numbers.
    pub fn strings(&self) -> &[NodeId] {
        &self.strings
    }

    /// The number of a string.
    pub fn get(&self, id: NodeId) -> Option<u32> {
        self.numbers.get(id.0 as usize).copied().filter(|&number| number != NONE)
    }
}
