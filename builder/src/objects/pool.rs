//! The order of the objects that several modules use: what is used together lies together.
//!
//! What only modules of one package use lies with the rest that only they use. Within a package, and among what is used all
//! over, the most used come first: a process that imports little touches little of the pool.

use super::part::Part;
use crate::share::{Constants, NodeId};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Packages as a tree, by the dotted names of modules. The first one is the root.
struct Packages {
    parents: Vec<u32>,
    depths: Vec<u32>,
}

impl Packages {
    /// The tree, and the place of each module in it.
    fn new(names: &[String]) -> (Self, Vec<u32>) {
        let mut tree = Packages { parents: vec![0], depths: vec![0] };
        let mut known: HashMap<&str, u32> = HashMap::new();
        let places = names.iter().map(|name| {
            let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
            ends.fold(0, |parent, end| {
                *known.entry(&name[..end]).or_insert_with(|| {
                    tree.parents.push(parent);
                    tree.depths.push(tree.depths[parent as usize] + 1);
                    tree.parents.len() as u32 - 1
                })
            })
        });
        let places = places.collect();
        (tree, places)
    }

    /// The innermost package that holds both.
    fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            if self.depths[a as usize] >= self.depths[b as usize] {
                a = self.parents[a as usize];
            } else {
                b = self.parents[b as usize];
            }
        }
        a
    }
}

/// Who uses a shared object.
#[derive(Clone, Copy)]
struct Users {
    count: u32,
    first: u32,
    package: u32,
}

/// The shared objects that have a place, in their order. `names` are those of the units.
pub fn order(constants: &Constants, parts: &[Part], names: &[String]) -> Vec<NodeId> {
    let (packages, places) = Packages::new(names);
    let mut users = vec![Users { count: 0, first: 0, package: 0 }; constants.len()];
    for (number, module) in constants.modules.iter().enumerate() {
        let place = places[number];
        for &id in module.used.iter().filter(|&&id| constants.owner(id).is_none()) {
            let users = &mut users[id.0 as usize];
            *users = match users.count {
                0 => Users { count: 1, first: number as u32, package: place },
                count => Users { count: count + 1, package: packages.common(users.package, place), ..*users },
            };
        }
    }
    let ids = (0..constants.len() as u32).map(NodeId);
    let mut order: Vec<NodeId> =
        ids.filter(|&id| constants.owner(id).is_none() && constants.node(id).is_placed()).collect();
    order.sort_by_cached_key(|&id| {
        let (part, users) = (parts[id.0 as usize], users[id.0 as usize]);
        let rank = match part {
            Part::Strings => 0,
            Part::Cold => 2,
            Part::Bodies | Part::Names | Part::Functions => 1,
        };
        (rank, users.package, Reverse(users.count.max(1).ilog2()), users.first, id)
    });
    order
}
