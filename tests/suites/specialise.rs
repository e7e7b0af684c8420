//! Hot code from an image specialises as from `.pyc` files: the same adaptive instructions, as few machine instructions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use cds_layout::cpython::{CodeSource, layout};
use cds_tests::hot::{Hot, Source};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::valgrind::{Valgrind, where_possible};
use libtest_mimic::Trial;
use serde::Deserialize;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(interpreters, "specialise", &[("same_instructions", same_instructions)]);
    trials.extend(where_possible(on_each(interpreters, "specialise", &[("same_cost", same_cost)])));
    trials
}

/// What `fixtures/hot/specialised.py` prints.
#[derive(Debug, Deserialize)]
struct Report {
    kernels: BTreeMap<String, Kernel>,
    versions: Option<Versions>,
}

#[derive(Debug, Deserialize)]
struct Kernel {
    /// Whether the code lies in the image: the values that occur.
    owned: Vec<bool>,
    /// Name and argument of each instruction of each code object.
    codes: BTreeMap<String, Vec<String>>,
}

/// All code objects that the process has functions for.
#[derive(Debug, Deserialize)]
struct Versions {
    codes: usize,
    owned: usize,
    owned_without: usize,
    shared: BTreeMap<String, Vec<String>>,
}

fn report(hot: &Hot, python: &Interpreter, source: Source) -> Result<Report> {
    let mut run = hot.script(None, source, "specialised.py").env("PYTHONHASHSEED", "0");
    let fields = layout(python.minor).context("no layout")?.code.fields;
    if let Some(version) = fields.iter().find(|f| f.source == CodeSource::Version) {
        run = run.args(["--versions", &version.offset.to_string()]);
    }
    let output = run.ok()?.silent()?;
    let report: Report = serde_json::from_str(&output.stdout).with_context(|| format!("no report: {output}"))?;
    for (name, kernel) in &report.kernels {
        ensure!(
            kernel.owned == [source == Source::Image],
            "`{name}` from {source:?}, in the image: {:?}",
            kernel.owned
        );
    }
    Ok(report)
}

/// Beginnings of names of specialised instructions of which the kernels have at least so many in every version. In 3.11
/// it is PRECALL and LOAD_METHOD that are specialised for most calls.
const KINDS: [(&[&str], usize); 10] = [
    (&["CALL_PY_", "CALL_BOUND_METHOD_"], 60),
    (&["CALL_", "PRECALL_"], 140),
    (&["LOAD_ATTR_", "LOAD_METHOD_"], 80),
    (&["STORE_ATTR_"], 20),
    (&["LOAD_GLOBAL_"], 180),
    (&["BINARY_OP_"], 200),
    (&["BINARY_SUBSCR_", "BINARY_OP_SUBSCR_"], 25),
    (&["STORE_SUBSCR_"], 10),
    (&["COMPARE_OP_"], 15),
    (&["UNPACK_SEQUENCE_"], 20),
];

/// Instructions that look up a function or class by a version, which is where a wrong version would show.
const BY_VERSION: [(&str, u8); 7] = [
    ("CALL_PY_EXACT_ARGS", 11),
    ("BINARY_SUBSCR_GETITEM", 11),
    ("LOAD_ATTR_PROPERTY", 12),
    ("LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN", 12),
    ("FOR_ITER_GEN", 12),
    ("SEND_GEN", 12),
    ("CALL_ALLOC_AND_ENTER_INIT", 13),
];

/// Without the part of a name that says whether a constant is immortal, as all constants of an image are (3.14).
fn comparable(instruction: &str) -> String {
    instruction.replace("LOAD_CONST_IMMORTAL", "LOAD_CONST").replace("LOAD_CONST_MORTAL", "LOAD_CONST")
}

/// After warming up, every instruction of every kernel is the same one.
fn same_instructions(python: &Interpreter) -> Result<()> {
    let hot = Hot::new(python)?;
    let (pyc, image) = (report(&hot, python, Source::Pyc)?, report(&hot, python, Source::Image)?);
    ensure!(
        pyc.kernels.len() >= 10 && pyc.kernels.keys().eq(image.kernels.keys()),
        "kernels: {:?}",
        pyc.kernels.keys()
    );
    let (mut wrong, mut names) = (Vec::new(), Vec::new());
    for (kernel, ours) in &image.kernels {
        let theirs = &pyc.kernels[kernel].codes;
        ensure!(theirs.keys().eq(ours.codes.keys()), "code objects of {kernel}: {:?}", ours.codes.keys());
        for (code, ours) in &ours.codes {
            let theirs = &theirs[code];
            ensure!(theirs.len() == ours.len(), "{kernel}.{code}: {} and {} instructions", theirs.len(), ours.len());
            let differing = ours.iter().zip(theirs).filter(|(a, b)| comparable(a) != comparable(b));
            wrong.extend(differing.map(|(a, b)| format!("{kernel}.{code}: {a} from the image, {b} from .pyc")));
            names.extend(ours.iter().filter_map(|i| i.split_whitespace().next()));
        }
    }
    ensure!(wrong.is_empty(), "{} instructions differ:\n{}", wrong.len(), wrong.join("\n"));
    trivial(python, &names)?;
    match (pyc.versions, image.versions) {
        (Some(pyc), Some(image)) => versions(&pyc, &image),
        (None, None) => Ok(()),
        _ => anyhow::bail!("one of two processes reports versions"),
    }
}

/// The kernels are specialised at all: equal would be nothing to be proud of otherwise.
fn trivial(python: &Interpreter, names: &[&str]) -> Result<()> {
    let specialised = |name: &&&str| !name.ends_with("_ADAPTIVE");
    for (kinds, least) in KINDS {
        let of_kind = |name: &&&str| kinds.iter().any(|kind| name.starts_with(kind));
        let count = names.iter().filter(specialised).filter(of_kind).count();
        ensure!(count >= least, "only {count} instructions {kinds:?}");
    }
    let present: BTreeSet<&str> = names.iter().copied().collect();
    for (name, since) in BY_VERSION.iter().filter(|(_, since)| *since <= python.minor) {
        // 3.14 made a subscript one of the binary operators.
        let later = name.replacen("BINARY_SUBSCR_", "BINARY_OP_SUBSCR_", 1);
        ensure!(present.contains(name) || present.contains(later.as_str()), "no {name} (since 3.{since}): {present:?}");
    }
    Ok(())
}

/// Each code object has a version of its own: the image's among themselves, and beside those of the interpreter.
fn versions(pyc: &Versions, image: &Versions) -> Result<()> {
    ensure!(pyc.shared.is_empty(), "the interpreter's own code objects share versions: {:?}", pyc.shared);
    ensure!(image.shared.is_empty(), "code objects share versions: {:?}", image.shared);
    ensure!(image.owned_without == 0, "{} code objects of the image have no version", image.owned_without);
    ensure!(image.owned > 300 && image.codes > image.owned, "{} of {} from the image", image.owned, image.codes);
    Ok(())
}

/// So many processes of each kind are tried, while chance may be why a kernel takes more.
const SHIFTS: usize = 3;

/// Counted by callgrind, a kernel from the image takes no more machine instructions, but for what is chance.
fn same_cost(python: &Interpreter) -> Result<()> {
    let (hot, valgrind) = (Hot::new(python)?, Valgrind::get()?);
    let [mut image, mut pyc] = [BTreeMap::new(), BTreeMap::new()];
    for shift in 0..SHIFTS {
        hot.count(&valgrind, Source::Image, shift, &mut image)?;
        hot.count(&valgrind, Source::Pyc, shift, &mut pyc)?;
        ensure!(image.len() >= 10 && image.keys().eq(pyc.keys()), "kernels: {:?}", image.keys());
        // More processes can only add values, so that what does not exceed now never will.
        if image.iter().all(|(name, ours)| !ours.exceed(&pyc[name])) {
            break;
        }
    }
    for (name, ours) in &image {
        let theirs = &pyc[name];
        ensure!(theirs.least > 100_000, "`{name}` is only {theirs:?}");
        ensure!(!ours.exceed(theirs), "`{name}`: {ours:?} from the image, {theirs:?} from .pyc");
    }
    Ok(())
}
