//! What is written is read back, and no bytes make a reader panic.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn ascending(scale: u32) -> impl Strategy<Value = Vec<u32>> {
    let sorted = move |mut numbers: Vec<u32>| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter_mut().for_each(|number| *number *= scale);
        numbers
    };
    vec(0..u32::MAX / scale, 0..40).prop_map(sorted)
}

fn groups(scale: u32) -> impl Strategy<Value = Vec<Group>> {
    ascending(scale).prop_flat_map(|keys| {
        let len = keys.len();
        let group = |(key, slots)| Group { key, slots };
        vec(ascending(SLOT), len).prop_map(move |slots| keys.iter().copied().zip(slots).map(group).collect::<Vec<_>>())
    })
}

/// Numbers, what strings are like, and their bytes.
fn texts() -> impl Strategy<Value = Vec<(u32, Characters, Vec<u8>)>> {
    let characters =
        prop_oneof![Just(Characters::Ascii), Just(Characters::Latin1), Just(Characters::Ucs2), Just(Characters::Ucs4)];
    let whole = |(number, characters, mut bytes): (u32, Characters, Vec<u8>)| {
        bytes.truncate(bytes.len() / characters.width() * characters.width());
        (number, characters, bytes)
    };
    let text = (any::<u32>(), characters, vec(any::<u8>(), 0..200));
    vec(text.prop_map(whole), 0..20)
}

fn tables() -> impl Strategy<Value = UnitTables<'static>> {
    let name = |(number, own)| if own { Name::Own(number * SLOT) } else { Name::Text(number) };
    let filename = ((0..u32::MAX / SLOT, any::<bool>()).prop_map(name), any::<bool>());
    let filename = filename.prop_map(|(string, interned)| Filename { string, interned });
    let filename = proptest::option::of(filename);
    (groups(1), groups(SLOT), groups(SLOT), filename, ascending(1)).prop_map(
        |(statics, strings, frozensets, filename, chunks)| UnitTables {
            statics,
            strings,
            texts: TextTable::default(),
            frozensets,
            filename,
            chunks,
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
    fn unit_tables(tables in tables(), texts in texts(), room in any::<u32>(), origin in 0..u32::MAX / SLOT) {
        let mut tables = tables;
        tables.texts.room = if texts.is_empty() { 0 } else { room };
        for (number, characters, bytes) in &texts {
            let text = Text { characters: *characters, bytes };
            tables.texts.texts.extend([Entry::Text(text), Entry::Static(*number), Entry::Numbered(number / 3)]);
        }
        let mut w = Writer::new();
        let front = tables.encode(&mut w, origin * SLOT);
        prop_assert_eq!(UnitTables::decode(&w.bytes, front, origin * SLOT), Some(tables));
    }

    #[test]
    fn code_points(points in vec(any::<char>(), 0..20)) {
        let bytes: Vec<u8> = points.iter().flat_map(|&point| u32::from(point).to_le_bytes()).collect();
        let text = Text { characters: Characters::Ucs4, bytes: &bytes };
        prop_assert!(text.code_points().eq(points.iter().map(|&point| u32::from(point))));
    }

    #[test]
    fn unit_records(numbers in vec(any::<u32>(), 6), table in vec(any::<u8>(), 0..50), changed in any::<usize>()) {
        let front = numbers[0] % (table.len() as u32 + 1);
        let record = UnitRecord {
            front,
            bodies: Range { start: numbers[3], size: numbers[1] },
            written: Range { start: numbers[2], size: numbers[3] },
            read: Range { start: numbers[5], size: numbers[2] },
            cold: Range { start: numbers[4], size: numbers[5] },
            ..UnitRecord::default()
        };
        let record = record.seal(&table).unwrap();
        let mut w = Writer::new();
        record.encode(&mut w);
        prop_assert_eq!(w.bytes.len(), UnitRecord::SIZE);
        w.raw(&table);
        prop_assert_eq!(UnitRecord::split(&w.bytes), Some((record, &table[..])));
        // A changed byte of the record itself is seen in the checksum of the front.
        w.bytes[changed % (UnitRecord::SIZE - 8)] ^= 1;
        let other = UnitRecord::decode(&mut Reader::new(&w.bytes)).unwrap();
        prop_assert_ne!(other.front_sum(&table[..front as usize]), record.front_checksum);
    }

    #[test]
    fn module_records(
        numbers in vec(any::<u32>(), 9),
        texts in vec(("[a-zä.]{0,40}", "[./a-z_ü]{0,20}"), 1..5),
        changed in any::<usize>(),
    ) {
        let kinds = [ModuleKind::Source, ModuleKind::Sourceless, ModuleKind::Extension, ModuleKind::Namespace];
        let first = ModuleRecord {
            name: "",
            suffix: "",
            directory: numbers[0],
            package: numbers[1],
            kind: kinds[numbers[2] as usize % kinds.len()],
            code: numbers[3],
            unit: Range { start: numbers[4], size: numbers[5] },
            stamp: Stamp {
                mtime_ns: -i64::from(numbers[6]) << 20,
                size: u64::from(numbers[7]) << 9,
                hash: u64::from(numbers[8]) << 31,
            },
        };
        let modules: Vec<ModuleRecord<'_>> = texts.iter().map(|(name, suffix)| ModuleRecord { name, suffix, ..first }).collect();
        let mut w = Writer::new();
        let places: Vec<u32> = modules.iter().map(|module| module.encode(&mut w).unwrap()).collect();
        let mut r = Reader::new(&w.bytes);
        for (module, number) in modules.iter().zip(&places) {
            prop_assert_eq!(r.rest().len(), w.bytes.len() - *number as usize * ModuleRecord::ALIGN);
            prop_assert_eq!(ModuleRecord::decode_checked(&mut r), Some((*module, true)));
            prop_assert_eq!(ModuleRecord::of_number(&w.bytes, *number), Some(*module));
        }
        prop_assert!(r.is_empty());
        // A changed byte is seen wherever it is.
        let end = places.get(1).map_or(w.bytes.len(), |next| *next as usize * ModuleRecord::ALIGN);
        w.bytes[changed % end] ^= 1;
        prop_assert_eq!(ModuleRecord::of_number(&w.bytes, 0), None);
        let (name, suffix) = ("n".repeat(1 << 16), "s".repeat(1 << 8));
        for (name, suffix) in [(&*name, ""), ("n", &*suffix)] {
            prop_assert_eq!(ModuleRecord { name, suffix, ..first }.encode(&mut Writer::new()), None);
        }
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
        for front in [0, 1, bytes.len() as u32 / 2, bytes.len() as u32] {
            let _ = UnitTables::decode(&bytes, front, 64);
        }
        let _ = leaves_of(&bytes);
        let _ = find_header(&bytes);
        let _ = Header::decode(&bytes);
        let mut r = Reader::new(&bytes);
        while NamedRecord::decode(&mut r).is_some() {}
        let mut r = Reader::new(&bytes);
        while ModuleRecord::decode_checked(&mut r).is_some() {}
        for number in [0, 1, 30, u32::MAX] {
            let _ = ModuleRecord::of_number(&bytes, number);
        }
        let _ = UnitRecord::split(&bytes);
    }
}
