//! What the loader does to find a module's record, or that there is none: no memory is asked for, and few buckets are looked at.
//!
//! `cds_layout`, which has the index, has no unsafe code, and an allocator that counts needs some.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cds_layout::format::{Index, ModuleKind, ModuleRecord, NONE, Range, Stamp, Writer, build_index, hash_name};

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    /// How often this thread has asked for memory: that of the test harness does so at any time.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: everything is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MODULES: usize = 8000;

/// The index and the records of modules with these names.
fn tables(names: &[String]) -> (Vec<u8>, Vec<u8>) {
    let mut records = Writer::new();
    let numbered: Vec<(&str, u32)> = names
        .iter()
        .map(|name| {
            let module = ModuleRecord {
                name,
                suffix: ".py",
                directory: 0,
                package: NONE,
                kind: ModuleKind::Source,
                code: 0,
                unit: Range::default(),
                stamp: Stamp::default(),
            };
            (name.as_str(), module.encode(&mut records).expect("a short name"))
        })
        .collect();
    (build_index(&numbered).expect("few records"), records.bytes)
}

/// As `Image::find` of the loader does.
fn find<'a>(index: &[u8], records: &'a [u8], name: &str) -> Option<ModuleRecord<'a>> {
    let mut candidates = Index::new(index)?.candidates(name.as_bytes());
    candidates.find_map(|number| ModuleRecord::of_number(records, number).filter(|module| module.name == name))
}

/// Buckets that a search for a name comes past before it has to end.
fn buckets(index: &[u8], name: &str) -> usize {
    let (buckets, _) = index.as_chunks::<4>();
    let first = hash_name(name.as_bytes()) as usize % buckets.len();
    buckets.iter().cycle().skip(first).take_while(|&&bucket| bucket != [0; 4]).count() + 1
}

#[test]
fn finding_a_module_allocates_nothing_and_looks_at_few_buckets() {
    let names: Vec<String> = (0..MODULES).map(|n| format!("package{}.part{}.module{n}", n % 7, n % 90)).collect();
    let others: Vec<String> = (0..MODULES).map(|n| format!("package{}.part{}.other{n}", n % 7, n % 90)).collect();
    let (index, records) = tables(&names);
    let found = |names: &[String]| {
        names.iter().filter(|name| find(&index, &records, name).is_some_and(|module| module.name == **name)).count()
    };

    let before = ALLOCATIONS.get();
    let (hits, misses) = (found(&names), found(&others));
    let allocations = ALLOCATIONS.get() - before;
    assert_eq!((hits, misses), (MODULES, 0));
    assert_eq!(allocations, 0);
    // It does count.
    assert!(before > MODULES && !others[0].clone().is_empty() && ALLOCATIONS.get() > before);

    let all: Vec<usize> = names.iter().chain(&others).map(|name| buckets(&index, name)).collect();
    let (sum, most) = (all.iter().sum::<usize>(), all.iter().max().copied().unwrap_or(0));
    // More than half of the buckets are empty. Seen: 3.4 on average, and 29 at most.
    assert!(sum < 4 * all.len() && most <= 64, "{sum} buckets for {} names, {most} for one", all.len());
}
