//! All integration tests, on every interpreter of the machine.

mod bad_input;
mod behaviour;
mod cli;
mod damage;
mod determinism;
mod edits;
mod fidelity;
mod identity;
mod install;
mod layouts;
mod objects;
mod opcodes;
mod oracle;
mod packages;
mod packaging;
mod properties;
mod rejection;
mod relocated;
mod selection;
mod tidy;
mod workflow;

use std::process::ExitCode;

use cds_tests::interpreters::Interpreters;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let interpreters = Interpreters::discover();
    if !arguments.list {
        print!("{interpreters}");
    }
    if interpreters.tested.is_empty() {
        eprintln!("error: no supported interpreter found ({})", cds_layout::cpython::supported());
        return ExitCode::FAILURE;
    }
    let suites: [fn(&Interpreters) -> Vec<Trial>; 21] = [
        tidy::trials,
        layouts::trials,
        opcodes::trials,
        cli::trials,
        install::trials,
        bad_input::trials,
        determinism::trials,
        rejection::trials,
        damage::trials,
        selection::trials,
        edits::trials,
        fidelity::trials,
        identity::trials,
        behaviour::trials,
        workflow::trials,
        oracle::trials,
        objects::trials,
        properties::trials,
        relocated::trials,
        packages::trials,
        packaging::trials,
    ];
    let trials = suites.iter().flat_map(|suite| suite(&interpreters)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
