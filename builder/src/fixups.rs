//! Collects the fixups of every unit.

use crate::graph::Str;
use crate::objects::place::{gc_head, object_size};
use crate::objects::slots::{Target, for_each_slot, type_of};
use crate::objects::{Known, Place, Placement};
use crate::share::{Constants, Node, NodeId};
use crate::target::LONGEST_NAME;
use cds_layout::cpython::Layout;
use cds_layout::format::{
    CHUNK, Characters, Entry, Extern, Filename, Group, Name, Range, SLOT, Text, TextTable, UnitRecord, UnitTables,
    Writer,
};
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

    /// By node id, what is known of strings: `started` are those that every start interns, `native` those in native code, whose ends
    /// may be strings of their own: a linker keeps no copy of one that another ends in.
    pub fn known(&self, constants: &Constants, started: &[String], native: &[String]) -> Vec<Known> {
        let started: HashSet<&[u8]> = started.iter().map(|text| text.as_bytes()).collect();
        let native = native.iter().map(|text| text.as_bytes()).filter(|text| text.len() <= LONGEST_NAME);
        let native: HashSet<&[u8]> = native.flat_map(|text| (0..text.len()).map(|at| &text[at..])).collect();
        let known = |id| match constants.node(id).as_str() {
            _ if self.has(id) => Known::Static,
            Some(text) if !text.interned || !text.ascii => Known::No,
            Some(text) if started.contains(&*text.data) => Known::Elsewhere,
            Some(text) if native.contains(&*text.data) => Known::PerhapsElsewhere,
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
pub fn collect<'a>(
    constants: &'a Constants,
    placement: &Placement,
    layout: &Layout,
    statics: &Statics,
) -> Vec<UnitTables<'a>> {
    let collector = Collector { constants, placement, layout, statics };
    let collector = &collector;
    (0..constants.modules.len() as u32).into_par_iter().map(|unit| collector.unit(unit)).collect()
}

/// The units as bytes, the likely ones first: a record and a table each. By unit, where it lies.
pub fn encode(units: &[UnitTables<'_>], placement: &Placement) -> (Vec<u8>, Vec<Range>) {
    let mut w = Writer::new();
    let mut places = vec![Range::default(); units.len()];
    for &unit in &placement.likely {
        let unit = unit as usize;
        let [bodies, written, read, cold] = placement.ranges(unit);
        let record =
            UnitRecord { bodies, written, read, cold, mapped: placement.mapped(unit), ..UnitRecord::default() };
        let mut table = Writer::new();
        let record = UnitRecord { front: units[unit].encode(&mut table, record.origin()), ..record };
        let start = w.bytes.len();
        record.seal(&table.bytes).expect("the front is a part of the table").encode(&mut w);
        w.raw(&table.bytes);
        places[unit] = Range { start: start as u32, size: (w.bytes.len() - start) as u32 };
        w.align(UnitRecord::ALIGN as usize);
    }
    (w.bytes, places)
}

fn ids(constants: &Constants) -> impl Iterator<Item = NodeId> {
    (0..constants.len() as u32).map(NodeId)
}

struct Collector<'a, 'b> {
    constants: &'a Constants,
    placement: &'b Placement,
    layout: &'b Layout,
    statics: &'b Statics,
}

/// Fixups of one unit, not yet sorted.
#[derive(Default)]
struct Collected {
    statics: BTreeMap<u32, Vec<u32>>,
    strings: BTreeMap<u32, Vec<u32>>,
    /// By node id of the frozenset, so that inner ones come first: offset of the items, slots.
    frozensets: BTreeMap<NodeId, (u32, Vec<u32>)>,
    filename: Option<Filename>,
    chunks: Vec<u32>,
}

impl<'a> Collector<'a, '_> {
    /// Of what the unit uses: its own objects, and those of the pool, which may have been fixed up by another unit before.
    fn unit(&self, number: u32) -> UnitTables<'a> {
        let mut unit = Collected::default();
        for &id in &self.constants.modules[number as usize].used {
            let node = self.constants.node(id);
            if node.is_interned() {
                continue;
            }
            let Place::Object(offset) = self.placement.place(number, id) else { continue };
            // Types move, or only what points to other objects of the image does.
            let mut moves = !self.placement.fixed_addresses;
            for_each_slot(id, self.constants, self.layout, |at, target| match target {
                Target::Type(_) => {}
                Target::Inside(_) => moves = true,
                Target::Node(child) => {
                    moves |= matches!(self.placement.place(number, child), Place::Object(_));
                    self.pointer(number, offset + at, child, &mut unit);
                }
            });
            if moves && self.placement.is_in_pool(id) {
                self.chunks(node, offset, &mut unit.chunks);
            }
        }
        UnitTables { texts: self.texts(number), ..unit.finish() }
    }

    /// Interned strings that are no objects of the image.
    fn texts(&self, unit: u32) -> TextTable<'a> {
        let mut table = TextTable::default();
        for &id in self.placement.texts(unit) {
            if let Some(number) = self.statics.number(id) {
                table.texts.push(Entry::Static(number));
                continue;
            }
            let (node, text) = (self.constants.node(id), self.constants.node(id).as_str());
            let text = text.expect("only strings are interned");
            let characters = Characters::new(text.width, text.ascii).expect("the marshal reader gives such strings");
            if characters == Characters::Ascii {
                let size = object_size(node, &self.constants.codes, self.layout);
                // Too much for memory is too much for the loader, which leaves the module alone.
                let size = u32::try_from(size.next_multiple_of(u64::from(SLOT))).unwrap_or(u32::MAX);
                table.room = table.room.saturating_add(size);
            }
            table.texts.push(match self.placement.numbers.get(id) {
                Some(number) => Entry::Numbered(number),
                None => Entry::Text(Text { characters, bytes: &text.data }),
            });
        }
        table
    }

    /// The pieces of the pool that an object lies in, with the collector's head before it.
    fn chunks(&self, node: &Node, start: u32, chunks: &mut Vec<u32>) {
        let end = start + object_size(node, &self.constants.codes, self.layout) as u32;
        chunks.extend((start - gc_head(node, self.layout)) / CHUNK..=(end - 1) / CHUNK);
    }

    fn pointer(&self, unit: u32, slot: u32, child: NodeId, fixups: &mut Collected) {
        let place = |id| self.placement.place(unit, id);
        if let Some(number) = self.statics.number(child) {
            if !matches!(place(child), Place::Text(_)) {
                fixups.statics.entry(number).or_default().push(slot);
            }
            return;
        }
        match self.constants.node(child) {
            Node::Str(text) if text.interned => {
                if let Place::Object(offset) = place(child) {
                    fixups.strings.entry(offset).or_default().push(slot);
                }
            }
            Node::FrozenSet(items) => {
                let items = self.placement.offset(unit, *items);
                fixups.frozensets.entry(child).or_insert_with(|| (items, Vec::new())).1.push(slot);
            }
            Node::Filename(..) => {
                let slots = match fixups.filename {
                    Some(Filename { string: Name::Text(slots), .. }) => slots,
                    _ => 0,
                };
                let [bodies, ..] = self.placement.ranges(unit as usize);
                let stays = slot.wrapping_sub(bodies.start) >= bodies.size;
                let string = match place(child) {
                    Place::Object(offset) => Name::Own(offset),
                    Place::Text(_) | Place::Nowhere => Name::Text(slots + u32::from(stays)),
                };
                fixups.filename = Some(Filename { string, interned: self.layout.code.interns_filename });
            }
            _ => {}
        }
    }
}

impl Collected {
    fn finish(mut self) -> UnitTables<'static> {
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
            texts: TextTable::default(),
            frozensets: self.frozensets.into_values().map(|(key, slots)| Group { key, slots: sorted(slots) }).collect(),
            filename: self.filename,
            chunks: self.chunks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, Object};
    use crate::objects::testing::{shared, text, tuple};

    #[test]
    fn of_interned_strings_the_surest_is_known() {
        let texts = ["static", "started", "native", "tive", "nat", "other"];
        let mut graph = Graph::default();
        let mut leaves = texts.map(|string| text(&mut graph, string)).to_vec();
        leaves.push(graph.push(Object::Str(Str::from_text("plain", false))));
        let root = tuple(&mut graph, &leaves);
        let constants = shared([(graph, root)]);
        let statics = Statics::find(&constants, |text| (*text.data == *b"static").then_some(1), |_| None);
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let long = "other".repeat(LONGEST_NAME);
        let started = list(&["started", "plain"]);
        let native = list(&["native", "plain", "restarted", "static", &long]);
        let known = statics.known(&constants, &started, &native);
        let known = |text: &str| {
            let is = |node: &Node| node.as_str().is_some_and(|s| *s.data == *text.as_bytes());
            known[constants.nodes.iter().position(is).unwrap()]
        };
        use Known::{Elsewhere, No, PerhapsElsewhere, Static};
        assert_eq!(texts.map(known), [Static, Elsewhere, PerhapsElsewhere, PerhapsElsewhere, No, No]);
        assert_eq!(known("plain"), No, "it is not interned");
    }
}
