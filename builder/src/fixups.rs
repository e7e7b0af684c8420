//! Collects the fixups of every unit: modules first, then the tuples that several modules share.

use crate::graph::Str;
use crate::objects::Placement;
use crate::objects::slots::{Target, for_each_slot};
use crate::share::{Constants, Node, NodeId};
use cds_layout::cpython::Layout;
use cds_layout::format::{Extern, FilenameSlots, Group, UnitRecord, UnitTables, Writer, write_slots};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that tables use for externs and strings, and the units' tables.
#[derive(Debug)]
pub struct Fixups {
    /// Externs in the order of their numbers.
    pub externs: Vec<Extern>,
    /// Interned strings in the order of their numbers: first those that the interpreter has a static copy of.
    pub strings: Vec<NodeId>,
    /// Addresses of these copies.
    pub static_strings: Vec<u64>,
    /// One table per unit, with offsets from the start of the objects.
    pub units: Vec<UnitTables>,
    /// Slots that are relocated when the image is mapped.
    pub eager: Vec<u32>,
}

impl Fixups {
    /// The units' tables as bytes, and where each of them lies, for objects that start at `objects`.
    pub fn encode_units(&self, objects: u32) -> (Vec<u8>, Vec<UnitRecord>) {
        let mut w = Writer::new();
        let mut records = Vec::with_capacity(self.units.len());
        for unit in &self.units {
            let start = w.bytes.len();
            shifted(unit, objects).encode(&mut w);
            records.push(UnitRecord::new(start as u32, &w.bytes[start..]));
        }
        (w.bytes, records)
    }

    /// The eager slots as bytes.
    pub fn encode_eager(&self, objects: u32) -> Vec<u8> {
        let mut w = Writer::new();
        if !self.eager.is_empty() {
            write_slots(&mut w, &self.eager.iter().map(|s| s + objects).collect::<Vec<_>>());
        }
        w.bytes
    }
}

/// The table with positions instead of offsets from the start of the objects.
pub fn shifted(unit: &UnitTables, objects: u32) -> UnitTables {
    let slots = |slots: &[u32]| slots.iter().map(|s| s + objects).collect::<Vec<_>>();
    let groups = |groups: &[Group], shift: u32| {
        groups.iter().map(|g| Group { key: g.key + shift, slots: slots(&g.slots) }).collect()
    };
    UnitTables {
        units: unit.units.clone(),
        base: slots(&unit.base),
        externs: groups(&unit.externs, 0),
        strings: groups(&unit.strings, 0),
        frozensets: groups(&unit.frozensets, objects),
        filename: unit.filename.as_ref().map(|f| FilenameSlots {
            string: f.string + objects,
            interned: f.interned,
            slots: slots(&f.slots),
        }),
    }
}

/// Collects the fixups.
pub fn collect(
    constants: &Constants,
    placement: &Placement,
    layout: &Layout,
    static_string: impl Fn(&Str) -> Option<u64>,
) -> Fixups {
    let externs = used_externs(constants);
    let (mut strings, mut others, mut static_strings) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids(constants).filter(|&id| constants.node(id).is_interned()) {
        match constants.node(id).as_str().and_then(&static_string) {
            Some(address) => {
                strings.push(id);
                static_strings.push(address);
            }
            None => others.push(id),
        }
    }
    strings.append(&mut others);
    let collector = Collector {
        constants,
        placement,
        layout,
        extern_numbers: externs.iter().enumerate().map(|(i, &e)| (e, i as u32)).collect(),
        string_numbers: numbers(constants, &strings),
    };

    let shared_tuples: Vec<NodeId> =
        ids(constants).filter(|&id| constants.owner(id).is_none() && constants.node(id).is_container()).collect();
    let tuple_numbers = numbers(constants, &shared_tuples);
    let first_tuple = constants.modules.len() as u32;

    let mut units: Vec<UnitTables> = Vec::with_capacity(constants.modules.len() + shared_tuples.len());
    for (number, module) in constants.modules.iter().enumerate() {
        let mut unit = Collected::default();
        // Smaller ids first: children before parents.
        let mut tuples = BTreeSet::new();
        for &id in &module.used {
            let node = constants.node(id);
            let mine = constants.owner(id) == Some(number as u32);
            if mine {
                collector.object(id, &mut unit);
            } else if node.is_container() {
                tuples.insert(tuple_numbers[id.0 as usize] + first_tuple);
            } else if node.is_placed() && !node.is_interned() {
                collector.object(id, &mut unit);
            }
        }
        let mut tables = unit.finish(layout);
        tables.units = tuples.into_iter().collect();
        units.push(tables);
    }
    for &id in &shared_tuples {
        let mut unit = Collected::default();
        collector.object(id, &mut unit);
        // A frozenset hashes its items when it is made, so they must be whole by then.
        for &item in constants.node(id).items().iter().collect::<BTreeSet<_>>() {
            if constants.node(item).is_placed() && !constants.node(item).is_container() {
                collector.object(item, &mut unit);
            }
        }
        units.push(unit.finish(layout));
    }

    let mut eager: Vec<u32> = Vec::new();
    for id in ids(constants).filter(|&id| collector.is_eager(id)) {
        for_each_slot(id, constants, layout, |at, target| {
            if let Target::Inside(_) = target {
                eager.push(placement.offset(id) + at);
            }
        });
    }
    eager.sort_unstable();
    Fixups { externs, strings, static_strings, units, eager }
}

fn ids(constants: &Constants) -> impl Iterator<Item = NodeId> {
    (0..constants.len() as u32).map(NodeId)
}

/// By node id, the number of the node in `list`.
fn numbers(constants: &Constants, list: &[NodeId]) -> Vec<u32> {
    let mut numbers = vec![u32::MAX; constants.len()];
    for (number, id) in list.iter().enumerate() {
        numbers[id.0 as usize] = number as u32;
    }
    numbers
}

fn used_externs(constants: &Constants) -> Vec<Extern> {
    let mut externs: BTreeSet<Extern> = BTreeSet::new();
    for node in &constants.nodes {
        if let Node::Extern(e) = node {
            externs.insert(*e);
        } else if let Some(t) = crate::objects::slots::type_of(node) {
            externs.insert(Extern::Type(t));
        }
    }
    externs.into_iter().collect()
}

struct Collector<'a> {
    constants: &'a Constants,
    placement: &'a Placement,
    layout: &'a Layout,
    extern_numbers: BTreeMap<Extern, u32>,
    string_numbers: Vec<u32>,
}

/// Fixups of one unit, not yet sorted.
#[derive(Default)]
struct Collected {
    base: Vec<u32>,
    externs: BTreeMap<u32, Vec<u32>>,
    strings: BTreeMap<u32, Vec<u32>>,
    /// By node id of the frozenset, so that inner ones come first: offset of the items, slots.
    frozensets: BTreeMap<NodeId, (u32, Vec<u32>)>,
    filename: Option<(u32, Vec<u32>)>,
}

impl Collector<'_> {
    /// Objects that no unit owns relocate their inner pointers at once.
    fn is_eager(&self, id: NodeId) -> bool {
        let node = self.constants.node(id);
        node.is_interned() || (self.constants.owner(id).is_none() && !node.is_container())
    }

    fn object(&self, id: NodeId, unit: &mut Collected) {
        let Some(start) = self.constants.node(id).is_placed().then(|| self.placement.offset(id)) else { return };
        // The loader sets the type of an interned string when it interns it.
        if self.constants.node(id).is_interned() {
            return;
        }
        let eager = self.is_eager(id);
        for_each_slot(id, self.constants, self.layout, |at, target| {
            let slot = start + at;
            match target {
                Target::Type(t) => unit.externs.entry(self.extern_numbers[&Extern::Type(t)]).or_default().push(slot),
                Target::Inside(_) if eager => {}
                Target::Inside(_) => unit.base.push(slot),
                Target::Node(child) => self.pointer(slot, child, unit),
            }
        });
    }

    fn pointer(&self, slot: u32, child: NodeId, unit: &mut Collected) {
        match self.constants.node(child) {
            Node::Extern(e) => unit.externs.entry(self.extern_numbers[e]).or_default().push(slot),
            Node::Str(s) if s.interned => {
                unit.strings.entry(self.string_numbers[child.0 as usize]).or_default().push(slot);
            }
            Node::FrozenSet(items) => {
                let items = self.placement.offset(*items);
                unit.frozensets.entry(child).or_insert_with(|| (items, Vec::new())).1.push(slot);
            }
            Node::Filename(..) => {
                let string = self.placement.offset(child);
                unit.filename.get_or_insert_with(|| (string, Vec::new())).1.push(slot);
            }
            _ => unit.base.push(slot),
        }
    }
}

impl Collected {
    fn finish(self, layout: &Layout) -> UnitTables {
        let sorted = |mut slots: Vec<u32>| {
            slots.sort_unstable();
            slots
        };
        let groups = |groups: BTreeMap<u32, Vec<u32>>| {
            groups.into_iter().map(|(key, slots)| Group { key, slots: sorted(slots) }).collect()
        };
        UnitTables {
            units: Vec::new(),
            base: sorted(self.base),
            externs: groups(self.externs),
            strings: groups(self.strings),
            frozensets: self.frozensets.into_values().map(|(key, slots)| Group { key, slots: sorted(slots) }).collect(),
            filename: self.filename.map(|(string, slots)| FilenameSlots {
                string,
                interned: layout.code.interns_filename,
                slots: sorted(slots),
            }),
        }
    }
}
