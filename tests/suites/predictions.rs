//! Where predictions hold, an import writes to no slot but those of strings that are interned elsewhere.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, ensure};
use cds_layout::cpython::layout;
use cds_layout::format::{ExternRecord, ModuleRecord, Range, Reader, SLOT, StaticRecord, UnitRecord};
use cds_tests::elf::{contents, header, section};
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use goblin::elf::Elf;
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "predictions", &[("nothing_to_patch", nothing_to_patch), ("only_strings", only_strings)])
}

/// Where no string is canonical elsewhere, every prediction holds, and no slot is written to.
fn nothing_to_patch(python: &Interpreter) -> Result<()> {
    if !python.writes_nothing_or_skips("predictions that hold") {
        return Ok(());
    }
    let environment = Environment::small(python)?;
    let directory = environment.scratch.join("alone");
    let source = "first_of_alone = 7.25\nsecond_of_alone = ('text of alone', first_of_alone, None, ...)\n\
                  def third_of_alone(fourth_of_alone=1000):\n    return fourth_of_alone, {'fifth_of_alone': ()}\n";
    write(directory.join("alone.py"), source.as_bytes())?;
    let build = environment.build(&environment.image())?.args(["--units", "in-place"]);
    build.arg(format!("{}/", directory.display())).ok()?;
    // The program itself has no name that the module has.
    let program = "import sys, cds_loader; sys.path.insert(0, sys.argv[1]); import alone; status = cds_loader.status()\n\
                   [function] = [value for value in vars(alone).values() if callable(value)]\n\
                   print(status['base'], cds_loader.owns(function.__code__), status['patched_slots'])";
    let said = environment.python().args(["-c", program]).arg(&directory).ok()?.stdout;
    ensure!(said.trim_end() == "preferred True 0", "predictions fail: {said}");
    Ok(())
}

/// What is imported, and what else the image has that this needs.
const PACKAGES: [&str; 2] = ["requests", "sympy"];
const NEEDED: [&str; 10] =
    ["urllib3", "certifi", "charset_normalizer", "idna", "mpmath", "json", "email", "http", "collections", "typing"];

/// Of real packages every single slot that was patched is accounted for: it points to a string, whose canonical copy is another one.
/// Of objects that stay the mapping shows it, and no reference count was written there; bodies were copied from it, and how many of their
/// slots pointed to such strings can be counted there.
fn only_strings(python: &Interpreter) -> Result<()> {
    if !python.writes_nothing_or_skips("predictions that hold") {
        return Ok(());
    }
    let environment = Environment::full(python)?;
    let path = environment.scratch.join("in-place.so");
    environment.build(&path)?.args(["--units", "in-place"]).args(PACKAGES).args(NEEDED).ok()?;
    let bytes = read(&path)?;
    let (header, _) = header(&bytes)?;
    let image = Image::of(&bytes)?;

    let rows = layout(python.minor).context("no layout")?;
    let (text, type_) = (&rows.str_, rows.head.type_);
    let request = json!({
        "packages": PACKAGES,
        "image": path,
        "base": header.preferred_base,
        "start": image.start,
        "size": image.objects.len(),
        "externs": image.externs()?,
        "refcount": rows.refcount.initial,
        "str": {
            "type": type_,
            "length": text.length,
            "hash": text.hash,
            "ascii_data": text.ascii_data,
            "compact_data": text.compact_data,
        },
    });
    let file = environment.scratch.join("predictions.json");
    write(&file, request.to_string())?;
    let run = environment.python().env("PYCDSMODE", "REQUIRE").env("PYCDSARCHIVE", &path).env("PYCDSVERBOSE", "2");
    let output = run.arg(fixtures().join("programs/predictions.py")).arg(&file).ok()?;
    let report = output.json()?;

    ensure!(report["status"]["base"] == "preferred", "{}", report["status"]);
    ensure!(report["wrong"].as_array().is_some_and(Vec::is_empty), "slots that hold another object: {report}");
    let misplaced: HashSet<u64> = serde_json::from_value(report["misplaced"].clone())?;
    let served: Vec<&str> = output.stderr.lines().filter_map(served).collect();
    let number = |value: &Value| value.as_u64().with_context(|| format!("no number: {report}"));
    ensure!(served.len() as u64 == number(&report["status"]["served"])? && served.len() > 400, "{report}");
    let in_bodies = image.slots_of_bodies(&served, &misplaced)?;
    let (strings, patched) = (number(&report["strings"])?, number(&report["status"]["patched_slots"])?);
    ensure!(strings > 1000 && in_bodies > 1000 && misplaced.len() > 500, "{strings} strings, {in_bodies} in bodies");
    ensure!(patched == strings + in_bodies, "{patched} slots patched, {strings} + {in_bodies} hold strings");
    Ok(())
}

/// The module that a line of the loader says is served.
fn served(line: &str) -> Option<&str> {
    line.strip_prefix("cds_loader: ")?.strip_suffix(": served")
}

/// What is in an image.
struct Image<'a> {
    elf: Elf<'a>,
    bytes: &'a [u8],
    /// Its objects, and where they begin.
    objects: &'a [u8],
    start: u64,
}

impl<'a> Image<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        let elf = Elf::parse(bytes)?;
        let objects = section(&elf, ".cds.objects")?;
        let (objects, start) = (contents(bytes, objects), objects.sh_offset);
        Ok(Image { elf, bytes, objects, start })
    }

    fn table(&self, name: &str) -> Result<&'a [u8]> {
        Ok(contents(self.bytes, section(&self.elf, name)?))
    }

    /// The words of slots that point to objects of the interpreter.
    fn externs(&self) -> Result<Vec<u64>> {
        let [mut externs, mut statics] = [self.table(".cds.externs")?, self.table(".cds.statics")?].map(Reader::new);
        let externs = std::iter::from_fn(|| Some(ExternRecord::decode(&mut externs)?.predicted));
        let statics = std::iter::from_fn(|| Some(StaticRecord::decode(&mut statics)?.predicted));
        Ok(externs.chain(statics).collect())
    }

    /// How many words of the bodies of modules are among `addresses`.
    fn slots_of_bodies(&self, modules: &[&str], addresses: &HashSet<u64>) -> Result<u64> {
        let mut records = Reader::new(self.table(".cds.modules")?);
        let records = std::iter::from_fn(|| ModuleRecord::decode(&mut records));
        let units: HashMap<&str, Range> = records.map(|module| (module.name, module.unit)).collect();
        let all = self.table(".cds.units")?;
        let mut found = 0;
        for name in modules {
            let unit = units.get(name).with_context(|| format!("no module `{name}`"))?;
            let record = UnitRecord::decode(&mut Reader::new(all.get(unit.start as usize..).unwrap_or_default()));
            let Range { start, size } = record.with_context(|| format!("no unit of `{name}`"))?.bodies;
            let bodies = self.objects.get(start as usize..(start + size) as usize).context("no bodies")?;
            let (words, _) = bodies.as_chunks::<{ SLOT as usize }>();
            found += words.iter().filter(|word| addresses.contains(&u64::from_le_bytes(**word))).count() as u64;
        }
        Ok(found)
    }
}
