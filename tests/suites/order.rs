//! The order of the loader's functions: what hardly any process runs lies apart (`loader/order.ld`).

use anyhow::{Context, Result, ensure};
use cds_tests::elf::section;
use cds_tests::files::read;
use cds_tests::interpreters::Interpreters;
use cds_tests::suite::once;
use cds_tests::tools::tools;
use goblin::elf::Elf;
use libtest_mimic::Trial;

pub fn trials(_: &Interpreters) -> Vec<Trial> {
    vec![once("order", "what_is_seldom_run_lies_apart", what_is_seldom_run_lies_apart)]
}

/// Bytes that are apart at least: patterns that match nothing any more would go unnoticed.
const LEAST: u64 = 150 * 1024;

/// Parts of the names of functions that every import runs.
const OFTEN: [&str; 5] =
    ["13find_and_load", "10cds_loader5fixup", "10cds_loader8relocate", "10cds_loader6search", "10cds_loader5texts"];

fn what_is_seldom_run_lies_apart() -> Result<()> {
    let bytes = read(&tools()?.loader)?;
    let elf = Elf::parse(&bytes)?;
    let seldom = section(&elf, ".text.seldom").context("the loader's linker does not understand `order.ld`")?;
    let text = section(&elf, ".text")?;
    ensure!(seldom.sh_size >= LEAST, "only {} bytes are apart", seldom.sh_size);
    let functions = |section: &goblin::elf::SectionHeader| -> Vec<&str> {
        let range = section.sh_addr..section.sh_addr + section.sh_size;
        let inside = elf.syms.iter().filter(|symbol| symbol.is_function() && range.contains(&symbol.st_value));
        inside.filter_map(|symbol| elf.strtab.get_at(symbol.st_name)).collect()
    };
    let (apart, rest) = (functions(seldom), functions(text));
    ensure!(apart.iter().any(|name| name.contains("gimli")), "what prints panics is not apart");
    for part in OFTEN {
        let wrong = apart.iter().find(|name| name.contains("cds_loader") && name.contains(part));
        ensure!(wrong.is_none(), "`{}` is apart", wrong.unwrap_or(&""));
        ensure!(rest.iter().any(|name| name.contains(part)), "no function has `{part}` in its name: the list is old");
    }
    Ok(())
}
