//! Discovery on small trees.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::target::{SearchEntry, testing};

/// A tree of files with nothing in them; a path that ends in `/` is a directory.
fn tree(files: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(if file.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
        if !file.ends_with('/') {
            fs::write(path, "").unwrap();
        }
    }
    dir
}

/// A target with these directories below `base` on its search path, the first of them the standard library.
fn target(base: &Path, path: &[&str]) -> Target {
    let roles = [Role::Stdlib].into_iter().chain(std::iter::repeat(Role::Site));
    let entry = |(dir, role): (&&str, Role)| SearchEntry {
        path: join(base.to_str().unwrap(), dir).to_str().unwrap().to_owned(),
        role,
    };
    Target { search_path: path.iter().zip(roles).map(entry).collect(), ..testing::target() }
}

/// `name root:directory:file` of each module; packages have a `/` after their name.
fn show(discovery: &Discovery) -> Vec<String> {
    let line = |m: &Found| {
        let slash = if m.is_package { "/" } else { "" };
        let file = if m.suffix.is_empty() { String::new() } else { [m.tail(), &m.suffix].concat() };
        format!("{}{slash} {}:{}:{file}", m.name, m.root, m.directory)
    };
    discovery.modules.iter().map(line).collect()
}

fn all(base: &Path, path: &[&str]) -> Discovery {
    discover(&target(base, path), &DiscoverOptions::default()).unwrap()
}

#[test]
fn precedence_within_a_directory() {
    let dir = tree(&[
        "lib/a/__init__.py",
        "lib/a.abi3.so",
        "lib/a.py",
        "lib/b.abi3.so",
        "lib/b.so",
        "lib/b.py",
        "lib/b.pyc",
        "lib/c.py",
        "lib/c.pyc",
        "lib/c/data.txt",
        "lib/d.pyc",
        "lib/d/inner.py",
        "lib/e/__init__.so",
        "lib/e/__init__.py",
        "lib/f/__init__.pyc",
        "lib/f/g.py",
        "lib/h.py/x.txt",
        "lib/h.pyc",
    ]);
    assert_eq!(
        show(&all(dir.path(), &["lib"])),
        [
            "a/ 0::a/__init__.py",
            "b 0::b.abi3.so",
            "c 0::c.py",
            "d 0::d.pyc",
            "e/ 0::e/__init__.so",
            "f/ 0::f/__init__.pyc",
            "f.g 0:f:g.py",
            "h 0::h.pyc",
        ]
    );
}

#[test]
fn which_names_are_modules() {
    let dir = tree(&[
        "lib/foo-1.0.dist-info/x.py",
        "lib/__pycache__/x.cpython-312.pyc",
        "lib/__pycache__/y.pyc",
        "lib/foo.bar.py",
        "lib/foo.cpython-311-x86_64-linux-gnu.so",
        "lib/site-packages/z.py",
        "lib/LICENSE",
        "lib/.py",
        "lib/sys.py",
        "lib/_ok1.py",
        "lib/p/__init__.py",
        "lib/p/__main__.py",
        "lib/p/__init__/q.py",
        "lib/p/81d2__mypyc.so",
        "lib/_sysconfigdata__linux_x86_64-linux-gnu.py",
    ]);
    assert_eq!(
        show(&all(dir.path(), &["lib"])),
        [
            "_ok1 0::_ok1.py",
            "_sysconfigdata__linux_x86_64-linux-gnu 0::_sysconfigdata__linux_x86_64-linux-gnu.py",
            "p/ 0::p/__init__.py",
            "p.81d2__mypyc 0:p:81d2__mypyc.so",
            "p.__main__ 0:p:__main__.py",
        ]
    );
}

#[test]
fn roots_in_order_and_namespaces_across_them() {
    let dir = tree(&[
        "lib/both.py",
        "site/both.py",
        "more/both.py",
        // Only data in the first portion; it is a portion nevertheless.
        "lib/google/data.txt",
        "site/google/auth/__init__.py",
        "more/google/auth/x.py",
        "more/google/rpc/y.py",
        // A regular package later on beats a portion before it.
        "lib/late/gone.py",
        "site/late/__init__.py",
        "site/late/here.py",
        // Nothing to import: no namespace package.
        "site/docs/build/index.html",
    ]);
    let found = all(dir.path(), &["lib", "site", "more"]);
    assert_eq!(
        show(&found),
        [
            "both 0::both.py",
            "google/ 0::",
            "google.auth/ 1:google:auth/__init__.py",
            "google.rpc/ 2:google:",
            "google.rpc.y 2:google/rpc:y.py",
            "late/ 1::late/__init__.py",
            "late.here 1:late:here.py",
        ]
    );
    let directories: Vec<(usize, &str)> = found.directories.keys().map(|(root, dir)| (*root, dir.as_str())).collect();
    assert_eq!(
        directories,
        [
            (0, ""),
            (0, "google"),
            (1, ""),
            (1, "google"),
            (1, "google/auth"),
            (1, "late"),
            (2, "google"),
            (2, "google/rpc"),
        ]
    );
    assert_eq!(found.modules[1].path, dir.path().join("lib/google"));
    assert_eq!(found.modules[2].package_directory().unwrap(), "google/auth");
}

#[test]
fn frozen_packages_have_submodules_in_the_standard_library() {
    let dir = tree(&[
        "lib/frozen/__init__.py",
        "lib/frozen/inside.py",
        "lib/frozen/outside.py",
        "site/frozen/other.py",
        "site/sys/x.py",
    ]);
    assert_eq!(show(&all(dir.path(), &["lib", "site"])), ["frozen.outside 0:frozen:outside.py"]);
}

#[test]
fn symlinks() {
    let dir = tree(&["lib/p/__init__.py", "lib/ns/x.py", "else/real.py"]);
    let lib = dir.path().join("lib");
    symlink(".", lib.join("p/again")).unwrap();
    symlink("..", lib.join("ns/up")).unwrap();
    symlink("../else/real.py", lib.join("link.py")).unwrap();
    symlink("nowhere", lib.join("broken.py")).unwrap();
    symlink("../else", lib.join("other")).unwrap();
    let found = all(dir.path(), &["lib"]);
    assert_eq!(
        show(&found),
        [
            "link 0::link.py",
            "ns/ 0::",
            "ns.x 0:ns:x.py",
            "other/ 0::",
            "other.real 0:other:real.py",
            "p/ 0::p/__init__.py",
            "p.again/ 0:p:again/__init__.py",
        ]
    );
    let skipped: Vec<_> = found.skipped.iter().map(|s| s.module.as_deref().unwrap()).collect();
    assert_eq!(skipped, ["ns.up", "p.again"]);
}

#[test]
fn wanted_excluded_and_extra() {
    let dir = tree(&[
        "lib/a/__init__.py",
        "lib/a/b.py",
        "lib/a/tests/__init__.py",
        "lib/a/tests/c.py",
        "lib/ns/d/e.py",
        "lib/ns/f.py",
        "app/a.py",
        "app/main.py",
    ]);
    let target = target(dir.path(), &["lib"]);
    let names = ["a.b", "ns.d.e", "sys", "frozen", "nope", "a.nope"].map(str::to_owned);
    let options = DiscoverOptions { modules: Some(names.into()), ..DiscoverOptions::default() };
    let found = discover(&target, &options).unwrap();
    assert_eq!(show(&found), ["a/ 0::a/__init__.py", "a.b 0:a:b.py", "ns/ 0::", "ns.d/ 0:ns:", "ns.d.e 0:ns/d:e.py"]);
    let skipped: Vec<_> = found.skipped.iter().map(|s| s.module.as_deref().unwrap()).collect();
    assert_eq!(skipped, ["a.nope", "nope"]);

    let options = DiscoverOptions {
        roots: vec![dir.path().join("lib/../app/."), dir.path().join("lib")],
        exclude: exclude(["*.tests.*", "ns.*"]).unwrap(),
        ..DiscoverOptions::default()
    };
    let found = discover(&target, &options).unwrap();
    assert_eq!(found.roots[0].path, dir.path().join("app").to_str().unwrap());
    assert_eq!(found.roots.len(), 2);
    assert_eq!(show(&found), ["a 0::a.py", "main 0::main.py", "ns/ 1::"]);

    let options = DiscoverOptions { exclude: exclude(["*.tests.*", "ns*"]).unwrap(), ..DiscoverOptions::default() };
    let found = discover(&target, &options).unwrap();
    assert_eq!(show(&found), ["a/ 0::a/__init__.py", "a.b 0:a:b.py", "a.tests/ 0:a:tests/__init__.py"]);
    assert!(exclude(["a[b"]).is_err());
}
