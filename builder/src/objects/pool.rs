//! The order of the objects that several units use: what is used together lies together.
//!
//! First what a program uses from many modules. Then each shared object lies with those that have the same home: of the
//! units that use it, the one that is most likely to be imported. When that one is, all that is at home there is used.

use super::likely::{level, probability_level};
use super::part::{Known, Part};
use crate::share::{Constants, NodeId};
use std::cmp::Reverse;

/// The home of an object that is not shared.
const NOBODY: u32 = u32::MAX;

/// By node, the unit that a shared object is at home in.
pub fn homes(constants: &Constants, likely: &[f64]) -> Vec<u32> {
    let mut homes = vec![NOBODY; constants.len()];
    for (unit, module) in (0..).zip(&constants.modules) {
        for &id in module.used.iter().filter(|&&id| constants.owner(id).is_none()) {
            let home = &mut homes[id.0 as usize];
            if *home == NOBODY || probability_level(likely[unit as usize]) > probability_level(likely[*home as usize]) {
                *home = unit;
            }
        }
    }
    homes
}

/// The shared objects that have a place, in their order. `likely` is by unit, `parts` and `users` by node.
pub fn order(
    constants: &Constants,
    parts: &[Part],
    likely: &[f64],
    users: &[f64],
    known: impl Fn(NodeId) -> Known,
) -> Vec<NodeId> {
    let homes = homes(constants, likely);
    let ids = (0..constants.len() as u32).map(NodeId);
    let mut order: Vec<NodeId> =
        ids.filter(|&id| homes[id.0 as usize] != NOBODY && constants.node(id).is_placed()).collect();
    order.sort_by_cached_key(|&id| {
        let home = homes[id.0 as usize];
        let rank = match (known(id), parts[id.0 as usize]) {
            // Looked at once by every process that uses them.
            (Known::Static, _) => 0,
            (Known::Elsewhere, _) => 1,
            (Known::No | Known::PerhapsElsewhere, Part::Strings) => 2,
            (Known::No | Known::PerhapsElsewhere, Part::Patched) => 3,
            (_, Part::Bodies | Part::Constants | Part::Names | Part::Functions) => 4,
            (_, Part::Cold) => 5,
        };
        (rank, Reverse(level(users[id.0 as usize])), home, id)
    });
    order
}
