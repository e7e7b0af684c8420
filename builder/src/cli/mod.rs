//! The command line: arguments in, exit code out.

mod args;
mod build;
mod inspect;
mod install;
mod output;
mod progress;
mod verify;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// Nothing was found wrong.
const DONE: u8 = 0;
/// The command did its work and found something.
const FINDINGS: u8 = 1;
/// The command could not do its work.
const ERROR: u8 = 2;

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ERROR } else { DONE };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    output::start_log(cli.verbose);
    let result = match &cli.command {
        None => build::run(&cli.build),
        Some(Command::Install(args)) => install::install(args),
        Some(Command::Uninstall(args)) => install::uninstall(args),
        Some(Command::Inspect(args)) => inspect::run(args),
        Some(Command::Verify(args)) => verify::run(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // The reader of our output went away: not our failure.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::from(DONE),
        Err(error) => {
            output::error(&error);
            ExitCode::from(ERROR)
        }
    }
}
