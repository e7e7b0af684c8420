//! A target for tests that need no interpreter.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cds_layout::format::IdentityKind;

use super::{Identity, RuntimeOffsets, Target};

/// CPython 3.12.1 with `sys` built in and a frozen package, nothing on its search path and no known addresses.
pub fn target() -> Target {
    let text = String::new;
    Target {
        executable: "/python".into(),
        version: "3.12.1".to_owned(),
        version_text: text(),
        hexversion: 0x030c_01f0,
        cache_tag: "cpython-312".to_owned(),
        soabi: "cpython-312-x86_64-linux-gnu".to_owned(),
        debug: false,
        free_threaded: false,
        machine: 62,
        magic: [0; 4],
        prefix: text(),
        base_prefix: text(),
        exec_prefix: text(),
        base_exec_prefix: text(),
        search_path: Vec::new(),
        builtin_names: vec!["sys".to_owned()],
        frozen_names: vec!["frozen".to_owned(), "frozen.inside".to_owned()],
        start_strings: vec!["list".to_owned(), "os".to_owned()],
        native_names: vec!["append".to_owned()],
        extension_suffixes: vec![
            ".cpython-312-x86_64-linux-gnu.so".to_owned(),
            ".abi3.so".to_owned(),
            ".so".to_owned(),
        ],
        purelib: PathBuf::new(),
        platlib: PathBuf::new(),
        scripts: PathBuf::new(),
        elf: PathBuf::new(),
        pie: true,
        identity: Identity { kind: IdentityKind::BuildId, bytes: vec![0; 20] },
        externs: BTreeMap::new(),
        runtime_offsets: RuntimeOffsets {
            small_ints: None,
            latin1: vec![None; 256],
            bytes: vec![None; 256],
            empty_str: None,
            empty_bytes: None,
            empty_tuple: None,
            strings: BTreeMap::new(),
        },
    }
}
