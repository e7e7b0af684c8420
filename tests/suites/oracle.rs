//! The memory oracle: objects of an image are byte for byte what marshal makes of the same modules.

use anyhow::{Context, Result, ensure};
use cds_layout::cpython::{Layout, layout};
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::oracle::Comparison;
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "oracle", &[("memory", memory), ("in_place", in_place), ("sees_changes", sees_changes)])
}

/// The standard library and all packages.
fn memory(python: &Interpreter) -> Result<()> {
    let environment = Environment::full(python)?;
    let comparison = Comparison::of(&environment.image())?;
    ensure!(comparison.modules.len() > 2000, "only {} modules", comparison.modules.len());
    let report = comparison.run(python, &environment)?;
    ensure!(report.differences.is_empty(), "differences:\n{}", report.differences.join("\n"));
    ensure!(report.compared == comparison.modules.len(), "{} modules compared", report.compared);
    for (name, least) in [("code", 50_000), ("str", 500_000), ("tuple", 100_000), ("bytes", 100_000), ("int", 10_000)]
        .into_iter()
        .chain([("float", 1000), ("complex", 1), ("frozenset", 100), ("NoneType", 1000), ("bool", 1000)])
        .chain(layout(python.minor).and_then(|rows| rows.slice).map(|_| ("slice", 1000)))
    {
        let count = report.counts.get(name).copied().unwrap_or(0);
        ensure!(count >= least, "only {count} of type {name}: {:?}", report.counts);
    }
    Ok(())
}

/// The same objects where they are mapped. Of the standard library only.
fn in_place(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    environment.build(&environment.image())?.args(["--units", "in-place"]).ok()?;
    let comparison = Comparison::of(&environment.image())?;
    ensure!(comparison.modules.len() > 400, "only {} modules", comparison.modules.len());
    let report = comparison.run(python, &environment)?;
    ensure!(report.differences.is_empty(), "differences:\n{}", report.differences.join("\n"));
    ensure!(report.compared == comparison.modules.len(), "{} modules compared", report.compared);
    Ok(())
}

/// Constants whose bytes occur once in an image.
const NEEDLES: &str = "\
TEXT = 'a needle in the image'
WIDE = 'a needle in the image \\u0416'
BYTES = b'needle bytes in the image'
FLOAT = 9.87654321e-123
COMPLEX = 1.23456789e-111j
SLICES = 'abc'['needle slice':'needle-slice'] if not TEXT else None
INT = 0x0123_4567_89ab_cdef_1234
";

/// The line that `needle` starts in.
const LINE: i32 = 12345;

/// The oracle notices a single changed byte, of every kind of object and in every part of a code object.
fn sees_changes(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let blank = "\n".repeat(LINE as usize - 1 - NEEDLES.lines().count());
    let function = "def needle(a, b, c, /, d, *, e):\n    return a + b * c\n";
    write(environment.site.join("needles.py"), format!("{NEEDLES}{blank}{function}"))?;
    environment.build(&environment.image())?.arg("needles").ok()?;
    let mut comparison = Comparison::of(&environment.image())?;
    let image = read(environment.image())?;
    let report = comparison.run(python, &environment)?;
    ensure!(report.differences.is_empty() && report.compared == 1, "{report:?}");

    let rows = layout(python.minor).context("no layout")?;
    let wide: Vec<u8> = "a needle in the image \u{416}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    // Digits of 30 bits, the lowest first.
    let value = 0x0123_4567_89ab_cdef_1234_u128;
    let digits: Vec<u8> = (0..3).flat_map(|i| ((value >> (30 * i)) as u32 & 0x3fff_ffff).to_le_bytes()).collect();
    let mut changes = vec![
        ("characters".to_owned(), only(&image, b"a needle in the image\0")?, "characters"),
        ("wide characters".to_owned(), only(&image, &wide)?, "characters"),
        ("bytes".to_owned(), only(&image, b"needle bytes in the image\0")?, "bytes and their end"),
        ("float".to_owned(), only(&image, &9.87654321e-123_f64.to_le_bytes())?, "value"),
        ("complex".to_owned(), only(&image, &1.23456789e-111_f64.to_le_bytes())?, "value"),
        ("digits".to_owned(), only(&image, &digits)?, "digits"),
    ];
    let part = if rows.slice.is_some() { ".start: characters" } else { "characters" };
    changes.push(("part of a slice".to_owned(), only(&image, b"needle slice\0")?, part));
    let code = code(&image, rows)?;
    changes.push(("bytecode".to_owned(), code + rows.code.bytecode as usize + 1, "co_code_adaptive"));
    for name in ["co_flags", "co_argcount", "co_stacksize", "co_firstlineno", "_co_firsttraceable", "co_extra"] {
        changes.push((name.to_owned(), code + offset(rows, name)?, name));
    }
    comparison.image = environment.scratch.join("changed.so");
    for (what, at, named) in changes {
        let mut changed = image.clone();
        changed[at] ^= 1;
        write(&comparison.image, &changed)?;
        let report = comparison.run(python, &environment).with_context(|| format!("{what} changed"))?;
        let seen = report.differences.len() == 1 && report.differences[0].contains(named);
        ensure!(seen, "{what} changed, and the oracle says: {:?}", report.differences);
    }
    Ok(())
}

/// Where `needle` is.
fn only(image: &[u8], needle: &[u8]) -> Result<usize> {
    let mut found = (0..image.len() - needle.len()).filter(|&i| image[i..].starts_with(needle));
    let first = found.next().with_context(|| format!("{needle:?} is not in the image"))?;
    ensure!(found.next().is_none(), "{needle:?} is in the image twice");
    Ok(first)
}

fn offset(rows: &Layout, name: &str) -> Result<usize> {
    let field = rows.code.fields.iter().find(|f| f.name == name);
    Ok(field.with_context(|| format!("no field {name}"))?.offset as usize)
}

/// Where the code object of `needle` is: the only one with such arguments in such a line.
fn code(image: &[u8], rows: &Layout) -> Result<usize> {
    let mut expected = Vec::new();
    for (name, value) in
        [("co_argcount", 4), ("co_posonlyargcount", 3), ("co_kwonlyargcount", 1), ("co_firstlineno", LINE)]
    {
        expected.push((offset(rows, name)?, value.to_le_bytes()));
    }
    let end = image.len() - rows.code.bytecode as usize;
    let is_it = |at: &usize| expected.iter().all(|(offset, value)| image[at + offset..].starts_with(value));
    let found: Vec<usize> = (0..end).step_by(8).filter(is_it).collect();
    ensure!(found.len() == 1, "code objects that look like `needle`: {found:?}");
    Ok(found[0])
}
