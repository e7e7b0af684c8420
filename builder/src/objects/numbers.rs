//! Numbers of the interned strings that many units use, where units have the text of theirs.

use crate::share::{Constants, NodeId};
use cds_layout::format::MAX_NUMBERS;

/// That a string has no number.
const NONE: u32 = u32::MAX;

/// By node id, numbers of strings.
#[derive(Debug, Default)]
pub struct Numbers(Vec<u32>);

impl Numbers {
    /// For the texts that have most `users`.
    pub fn of_texts(constants: &Constants, users: &[f64], is_text: impl Fn(NodeId) -> bool) -> Numbers {
        let has_number = |id: &NodeId| {
            let ascii = constants.node(*id).as_str().is_some_and(|text| text.ascii);
            ascii && is_text(*id) && constants.owner(*id).is_none()
        };
        let mut texts: Vec<NodeId> = (0..constants.len() as u32).map(NodeId).filter(has_number).collect();
        texts.sort_by(|a, b| users[b.0 as usize].total_cmp(&users[a.0 as usize]).then(a.cmp(b)));
        let mut numbers = vec![NONE; constants.len()];
        for (number, id) in (0..MAX_NUMBERS).zip(texts) {
            numbers[id.0 as usize] = number;
        }
        Numbers(numbers)
    }

    /// The number of a string.
    pub fn get(&self, id: NodeId) -> Option<u32> {
        self.0.get(id.0 as usize).copied().filter(|&number| number != NONE)
    }
}
