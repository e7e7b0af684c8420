//! Where tables lie in an image: the likely ends of two are together in what the kernel maps at once.

use anyhow::{Context, Result, ensure};
use cds_layout::format::{ModuleRecord, Reader};
use cds_tests::environments::Environment;
use cds_tests::files::read;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use goblin::elf::{Elf, SectionHeader};
use libtest_mimic::Trial;

use crate::sections::section;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "windows", &[("likely_ends_lie_together", likely_ends_lie_together)])
}

/// What Linux maps around a page of a file, and what of that is on either side of its middle.
const WINDOW: u64 = 64 * 1024;
const HALF: u64 = WINDOW / 2;

/// Modules that most programs import, and one that few do.
const LIKELY: [&str; 4] = ["functools", "re", "enum", "collections"];
const UNLIKELY: &str = "antigravity";

/// In an image of a standard library.
fn likely_ends_lie_together(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    environment.build(&environment.image())?.ok()?;
    let bytes = read(environment.image())?;
    let elf = Elf::parse(&bytes)?;
    for second in [".cds.strings", ".cds.units"] {
        let address = section(&elf, second)?.sh_addr;
        ensure!(address % WINDOW == HALF, "`{second}` starts at {address:#x}, not in the middle of a window");
    }
    let [text, modules] = [".cds.text", ".cds.modules"].map(|name| section(&elf, name));
    let (text, modules) = (contents(&bytes, text?), contents(&bytes, modules?));
    let mut reader = Reader::new(modules);
    let records: Vec<ModuleRecord> = std::iter::from_fn(|| ModuleRecord::decode(&mut reader)).collect();
    // How far from their ends the record of a module and its name are.
    let place = |name: &str| {
        let number = records.iter().position(|record| record.name.get(text) == Some(name))?;
        let from_end = (records.len() - number) * ModuleRecord::SIZE;
        Some([from_end as u64, text.len() as u64 - u64::from(records[number].name.start)])
    };
    let unlikely = place(UNLIKELY).with_context(|| format!("no module `{UNLIKELY}`"))?;
    for name in LIKELY {
        let likely = place(name).with_context(|| format!("no module `{name}`"))?;
        ensure!(likely.iter().all(|from_end| *from_end < HALF), "`{name}` is far away: {likely:?}");
        let nearer = likely.iter().zip(&unlikely).all(|(likely, unlikely)| likely < unlikely);
        ensure!(nearer, "`{name}` is not nearer than `{UNLIKELY}`: {likely:?}, {unlikely:?}");
    }
    Ok(())
}

fn contents<'a>(bytes: &'a [u8], section: &SectionHeader) -> &'a [u8] {
    section.file_range().and_then(|range| bytes.get(range)).unwrap_or_default()
}
