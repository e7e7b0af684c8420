//! What is taken from a `.pyc` and what is not. The interpreter of these tests does not exist: compiling fails.

use super::*;
use crate::discover::Root;
use crate::target::{Role, testing};
use std::path::Path;

/// The smallest code object: `c`, five counts, `co_code`, `co_consts`, … as `marshal.dumps` writes them.
const CODE: &[u8] = b"c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    s\0\0\0\0)\0)\0)\0s\0\0\0\0z\0z\0z\0\x01\0\0\0s\0\0\0\0s\0\0\0\0";
const SOURCE: &[u8] = b"x = 1\n";

/// A tree with one module `m` whose `.pyc` has this body.
fn tree(body: &[u8]) -> (tempfile::TempDir, Target, Discovery) {
    let directory = tempfile::tempdir().unwrap();
    let target = Target { executable: directory.path().join("no-python"), ..testing::target() };
    let found = module(directory.path(), "m", FoundKind::Source);
    std::fs::write(&found.path, SOURCE).unwrap();
    let header = [&target.magic[..], &[0; 4], &[3, 0, 0, 0], &[6, 0, 0, 0]].concat();
    let pyc = pyc::path(&found.path, &target.cache_tag, 0).unwrap();
    std::fs::create_dir(pyc.parent().unwrap()).unwrap();
    std::fs::write(pyc, [&header, body].concat()).unwrap();
    let discovery = Discovery {
        roots: vec![Root { path: directory.path().display().to_string(), role: Role::Other }],
        modules: vec![
            module(directory.path(), "location", FoundKind::Sourceless),
            found,
            module(directory.path(), "native", FoundKind::Extension),
        ],
        directories: Default::default(),
        skipped: Vec::new(),
    };
    (directory, target, discovery)
}

fn module(root: &Path, name: &str, kind: FoundKind) -> Found {
    Found {
        name: name.to_owned(),
        kind,
        root: 0,
        directory: String::new(),
        path: root.join(format!("{name}.py")),
        suffix: ".py".to_owned(),
        is_package: false,
        mtime_ns: 3_000_000_000,
        size: SOURCE.len() as u64,
    }
}

#[test]
fn a_valid_pyc() {
    let (_directory, target, discovery) = tree(CODE);
    let (codes, skipped) = obtain(&target, &discovery, 0, true, &|_| ()).unwrap();
    assert_eq!(skipped, []);
    let [code] = &codes[..] else { panic!("one module has code, not {}", codes.len()) };
    assert_eq!(code.module, 1);
    assert_eq!(code.marshal, CODE);
    assert_eq!(code.hash, source_hash(target.magic, SOURCE));
    assert!(matches!(&code.origin, CodeOrigin::Pyc(path) if path.ends_with("__pycache__/m.cpython-312.pyc")));
}

#[test]
fn a_pyc_that_cannot_be_used() {
    for body in [&CODE[..CODE.len() - 1], b"", b"N"] {
        let (_directory, target, discovery) = tree(body);
        let error = obtain(&target, &discovery, 0, false, &|_| ()).unwrap_err();
        assert!(matches!(error, CodeError::Start { .. }), "{error}");
    }
}

#[test]
fn a_pyc_of_another_optimisation_level() {
    let (_directory, target, discovery) = tree(CODE);
    assert!(matches!(obtain(&target, &discovery, 1, false, &|_| ()), Err(CodeError::Start { .. })));
}

#[test]
fn a_source_that_is_gone() {
    let (_directory, target, discovery) = tree(b"");
    std::fs::remove_file(&discovery.modules[1].path).unwrap();
    let (codes, skipped) = obtain(&target, &discovery, 0, false, &|_| ()).unwrap();
    assert_eq!(codes, []);
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].module.as_deref(), Some("m"));
}
