//! What is written is read back, and no bytes make a reader panic.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn slots() -> impl Strategy<Value = Vec<u32>> {
    let sorted = |mut slots: Vec<u32>| {
        slots.sort_unstable();
        slots.iter_mut().for_each(|slot| *slot *= SLOT);
        slots
    };
    vec(0..u32::MAX / SLOT, 0..40).prop_map(sorted)
}

fn groups(scale: u32) -> impl Strategy<Value = Vec<Group>> {
    let group = (0..u32::MAX / scale, slots()).prop_map(move |(key, slots)| Group { key: key * scale, slots });
    vec(group, 0..6)
}

fn tables() -> impl Strategy<Value = UnitTables> {
    let filename = (0..u32::MAX / SLOT, any::<bool>(), slots()).prop_map(|(string, interned, slots)| FilenameSlots {
        string: string * SLOT,
        interned,
        slots,
    });
    let filename = proptest::option::of(filename);
    (vec(any::<u32>(), 0..9), slots(), groups(1), groups(1), groups(SLOT), filename).prop_map(
        |(units, base, externs, strings, frozensets, filename)| UnitTables {
            units,
            base,
            externs,
            strings,
            frozensets,
            filename,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u32>().prop_map(Step::Take),
        any::<u32>().prop_map(Step::Tuple),
        any::<u32>().prop_map(Step::List),
        any::<u32>().prop_map(Step::Set),
        any::<u32>().prop_map(Step::Dict),
        Just(Step::Slice),
        Just(Step::Remember),
        any::<u32>().prop_map(Step::Recall),
    ]
}

proptest! {
    #[test]
    fn varints(numbers in vec(any::<u64>().prop_flat_map(|n| (0..64u32).prop_map(move |shift| n >> shift)), 0..20)) {
        let mut w = Writer::new();
        numbers.iter().for_each(|&n| w.varint(n));
        let mut r = Reader::new(&w.bytes);
        for n in numbers {
            prop_assert_eq!(r.varint(), Some(n));
        }
        prop_assert!(r.is_empty());
    }

    #[test]
    fn slot_lists(slots in slots()) {
        let mut w = Writer::new();
        write_slots(&mut w, &slots);
        let read: Option<Vec<u32>> = read_slots(Reader::new(&w.bytes)).and_then(Iterator::collect);
        prop_assert_eq!(read, Some(slots));
    }

    #[test]
    fn unit_tables(tables in tables()) {
        let mut w = Writer::new();
        tables.encode(&mut w);
        prop_assert_eq!(UnitTables::decode(&w.bytes), Some(tables));
    }

    #[test]
    fn recipes(recipe in vec(step(), 0..30)) {
        let mut w = Writer::new();
        recipe.iter().for_each(|step| step.encode(&mut w));
        prop_assert_eq!(steps(&w.bytes).collect::<Option<Vec<_>>>(), Some(recipe));
        let _ = leaves_of(&w.bytes);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let _ = UnitTables::decode(&bytes);
        let _ = leaves_of(&bytes);
        let _ = find_header(&bytes);
        let _ = Header::decode(&bytes);
        let mut r = Reader::new(&bytes);
        while NamedRecord::decode(&mut r).is_some() {}
        let mut r = Reader::new(&bytes);
        while ModuleRecord::decode(&mut r).is_some() {}
        if let Some(slots) = read_slots(Reader::new(&bytes)) {
            prop_assert!(slots.count() <= bytes.len() + 1);
        }
    }
}
