//! Where tables lie in an image: the likely ends of two are together in what the kernel maps at once.

use anyhow::{Context, Result, ensure};
use cds_layout::format::{DirectoryRecord, ModuleRecord, Reader};
use cds_tests::elf::{contents, section};
use cds_tests::environments::Environment;
use cds_tests::files::read;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use goblin::elf::Elf;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "windows", &[("likely_ends_lie_together", likely_ends_lie_together)])
}

/// What Linux maps around a page of a file, and what of that is on either side of its middle.
const WINDOW: u64 = 64 * 1024;
const HALF: u64 = WINDOW / 2;

/// Size of a page in the file.
const PAGE: u64 = 4096;

/// So many directories are the likely ones.
const NEAR: usize = 16;

/// Modules that most programs import, and one that few do.
const LIKELY: [&str; 4] = ["functools", "re", "enum", "collections"];
const UNLIKELY: &str = "antigravity";

/// In an image of a standard library.
fn likely_ends_lie_together(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    environment.build(&environment.image())?.ok()?;
    let bytes = read(environment.image())?;
    let elf = Elf::parse(&bytes)?;
    let address = section(&elf, ".cds.strings")?.sh_addr;
    ensure!(address % WINDOW == HALF, "`.cds.strings` starts at {address:#x}, not in the middle of a window");
    // The page that the linker reads has no objects for neighbours.
    let [dynamic, objects] = [".dynamic", ".cds.objects"].map(|name| section(&elf, name));
    let (dynamic, objects) = (dynamic?.sh_addr, objects?.sh_addr);
    ensure!(objects % WINDOW == 0 && dynamic + PAGE == objects, "`.dynamic` {dynamic:#x}, objects {objects:#x}");
    let directories = contents(&bytes, section(&elf, ".cds.dirs")?).len() / DirectoryRecord::SIZE;
    let mut reader = Reader::new(contents(&bytes, section(&elf, ".cds.modules")?));
    // How far from the end the record of each module starts.
    let records = std::iter::from_fn(|| Some((reader.rest().len() as u64, ModuleRecord::decode(&mut reader)?)));
    let records: Vec<(u64, ModuleRecord)> = records.collect();
    let record = |name: &str| {
        let found = records.iter().find(|(_, module)| module.name == name);
        found.with_context(|| format!("no module `{name}`"))
    };
    let (unlikely, _) = *record(UNLIKELY)?;
    for name in LIKELY {
        let (likely, module) = *record(name)?;
        // Where it lies, and a package's own directory.
        for directory in [Some(module.directory), module.is_package().then_some(module.package)].into_iter().flatten() {
            ensure!(directories - directory as usize <= NEAR, "the directory {directory} of `{name}` is far away");
        }
        ensure!(likely < HALF, "`{name}` is far away: {likely}");
        ensure!(likely < unlikely, "`{name}` is not nearer than `{UNLIKELY}`: {likely}, {unlikely}");
    }
    Ok(())
}
