//! Collects the fixups of every unit.

use crate::graph::Str;
use crate::objects::place::{gc_head, object_size};
use crate::objects::slots::{Target, for_each_slot, type_of};
use crate::objects::{Known, Placement};
use crate::share::{Constants, Node, NodeId};
use cds_layout::cpython::Layout;
use cds_layout::format::{CHUNK, Extern, Filename, Group, UnitRecord, UnitTables, Writer};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Strings that the interpreter has copies of in its own file, in the order of their numbers.
#[derive(Debug)]
pub struct Statics {
    /// Nodes and the copies' link-time addresses.
    pub list: Vec<(NodeId, u64)>,
    /// By node id: place in the list, or [`Statics::NONE`].
    numbers: Vec<u32>,
}

impl Statics {
    /// Number of nodes that are no such strings.
    const NONE: u32 = u32::MAX;

    /// Looks every interned string up.
    pub fn find(
        constants: &Constants,
        link_string: impl Fn(&Str) -> Option<u64>,
        link_object: impl Fn(Extern) -> Option<u64>,
    ) -> Statics {
        let address = |node: &Node| match node {
            Node::Str(text) if text.interned => link_string(text),
            Node::Extern(object @ Extern::InternedLatin1(_)) => link_object(*object),
            _ => None,
        };
        let list: Vec<(NodeId, u64)> =
            ids(constants).filter_map(|id| Some((id, address(constants.node(id))?))).collect();
        let mut numbers = vec![Self::NONE; constants.len()];
        for (number, &(id, _)) in (0..).zip(&list) {
            numbers[id.0 as usize] = number;
        }
        Statics { list, numbers }
    }

    /// Whether the interpreter has a copy in its file.
    pub fn has(&self, id: NodeId) -> bool {
        self.number(id).is_some()
    }

    fn number(&self, id: NodeId) -> Option<u32> {
        Some(self.numbers[id.0 as usize]).filter(|&number| number != Self::NONE)
    }

    /// By node id, what is known of strings; `start_strings` are those that every start interns.
    pub fn known(&self, constants: &Constants, start_strings: &[String]) -> Vec<Known> {
        let started: HashSet<&[u8]> = start_strings.iter().map(|text| text.as_bytes()).collect();
        let known = |id| match constants.node(id).as_str() {
            _ if self.has(id) => Known::Static,
            Some(text) if text.interned && text.ascii && started.contains(&*text.data) => Known::Elsewhere,
            _ => Known::No,
        };
        ids(constants).map(known).collect()
    }
}

/// The externs that slots point to, but for interned strings.
pub fn externs(constants: &Constants) -> Vec<Extern> {
    let mut externs: Vec<Extern> = constants
        .nodes
        .iter()
        .filter_map(|node| match node {
            Node::Extern(Extern::InternedLatin1(_)) => None,
            Node::Extern(object) => Some(*object),
            node => type_of(node).map(Extern::Type),
        })
        .collect();
    externs.sort_unstable();
    externs.dedup();
    externs
}

/// The fixups of all units, in their order.
pub fn collect(constants: &Constants, placement: &Placement, layout: &Layout, statics: &Statics) -> Vec<UnitTables> {
    let collector = Collector { constants, placement, layout, statics };
    (0..constants.modules.len()).into_par_iter().map(|unit| collector.unit(unit)).collect()
}

/// The units' tables as bytes, and their records.
pub fn encode(units: &[UnitTables], placement: &Placement) -> (Vec<u8>, Vec<UnitRecord>) {
    let mut w = Writer::new();
    let mut records = Vec::with_capacity(units.len());
    for (number, unit) in units.iter().enumerate() {
        let [written, read, cold] = placement.ranges(number);
        let table = w.bytes.len();
        let front = unit.encode(&mut w, written.start);
        let record = UnitRecord { table: table as u32, front, written, read, cold, ..UnitRecord::default() };
        records.push(record.seal(&w.bytes[table..]).expect("the front is a part of the table"));
    }
    (w.bytes, records)
}

fn ids(constants: &Constants) -> impl Iterator<Item = NodeId> {
    (0..constants.len() as u32).map(NodeId)
}

struct Collector<'a> {
    constants: &'a Constants,
    placement: &'a Placement,
    layout: &'a Layout,
    statics: &'a Statics,
}

/// Fixups of one unit, not yet sorted.
#[derive(Default)]
struct Collected {
    statics: BTreeMap<u32, Vec<u32>>,
    strings: BTreeMap<u32, Vec<u32>>,
    /// By node id of the frozenset, so that inner ones come first: offset of the items, slots.
    frozensets: BTreeMap<NodeId, (u32, Vec<u32>)>,
    filename: Option<u32>,
    chunks: Vec<u32>,
}

impl Collector<'_> {
    /// Of what the unit uses: its own objects, and those of the pool, which may have been fixed up by another unit before.
    fn unit(&self, number: usize) -> UnitTables {
        let mut unit = Collected::default();
        for &id in &self.constants.modules[number].used {
            let node = self.constants.node(id);
            if !node.is_placed() || node.is_interned() {
                continue;
            }
            if self.constants.owner(id).is_none() {
                self.chunks(id, &mut unit.chunks);
            }
            for_each_slot(id, self.constants, self.layout, |at, target| {
                if let Target::Node(child) = target {
                    self.pointer(self.placement.offset(id) + at, child, &mut unit);
                }
            });
        }
        unit.finish(self.layout)
    }

    /// The pieces of the pool that an object lies in, with the collector's head before it.
    fn chunks(&self, id: NodeId, chunks: &mut Vec<u32>) {
        let (node, start) = (self.constants.node(id), self.placement.offset(id));
        let end = start + object_size(node, &self.constants.codes, self.layout) as u32;
        chunks.extend((start - gc_head(node, self.layout)) / CHUNK..=(end - 1) / CHUNK);
    }

    fn pointer(&self, slot: u32, child: NodeId, unit: &mut Collected) {
        if let Some(number) = self.statics.number(child) {
            unit.statics.entry(number).or_default().push(slot);
            return;
        }
        match self.constants.node(child) {
            Node::Str(text) if text.interned => {
                unit.strings.entry(self.placement.offset(child)).or_default().push(slot);
            }
            Node::FrozenSet(items) => {
                let items = self.placement.offset(*items);
                unit.frozensets.entry(child).or_insert_with(|| (items, Vec::new())).1.push(slot);
            }
            Node::Filename(..) => unit.filename = Some(self.placement.offset(child)),
            _ => {}
        }
    }
}

impl Collected {
    fn finish(mut self, layout: &Layout) -> UnitTables {
        let sorted = |mut slots: Vec<u32>| {
            slots.sort_unstable();
            slots
        };
        let groups = |groups: BTreeMap<u32, Vec<u32>>| {
            groups.into_iter().map(|(key, slots)| Group { key, slots: sorted(slots) }).collect()
        };
        self.chunks.sort_unstable();
        self.chunks.dedup();
        UnitTables {
            statics: groups(self.statics),
            strings: groups(self.strings),
            frozensets: self.frozensets.into_values().map(|(key, slots)| Group { key, slots: sorted(slots) }).collect(),
            filename: self.filename.map(|string| Filename { string, interned: layout.code.interns_filename }),
            chunks: self.chunks,
        }
    }
}
