//! Commands as a person types them, each way, in turns.

use anyhow::{Context, Result};

use crate::imports::{Job, Value, rounds};
use crate::launch::launch_warm;
use crate::results::{Measured, Way};
use crate::ways::{Start, Subjects};
use crate::works::Command;

/// Measures all commands. There is no limit: a command has no moment at which everything could be in memory.
pub fn measure(subjects: &Subjects, commands: &[Command], runs: usize) -> Result<Vec<Measured>> {
    let mut jobs = Vec::new();
    for command in commands {
        let tracing = |start: &Start| start.script(command.script).args(command.arguments);
        let (mut starts, reasons) =
            subjects.starts(command.name, command.modules, tracing).with_context(|| command.name)?;
        starts.remove(&Way::Limit);
        let program = [&[command.script], command.arguments].concat().join(" ");
        jobs.push(Job::new(command.name, program, (starts, reasons)));
    }
    rounds(jobs, runs, |job, _, start, round| {
        let command = commands.iter().find(|command| command.name == job.name).context("no such command")?;
        let run = || start.script(command.script).args(command.arguments).env("PYTHONHASHSEED", round.to_string());
        Ok(Value { printed: None, finished: launch_warm(run)? })
    })
}
