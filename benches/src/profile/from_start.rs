//! Where the time from start goes, with the image and by code-data-share: samples of whole processes, for code-data-share works
//! before the clock of the import.

use anyhow::{Context, Result};

use super::perf::{FREQUENCY, Perf};
use super::start::whole;
use crate::imports::timed;
use crate::order;
use crate::results::{Processes, ProfiledFromStart, Way, Whole};
use crate::ways::{Start, Subjects, brief};
use crate::works::Work;

/// Rounds for each that was asked for: the quickest of these imports has some fifty samples.
const ROUNDS: usize = 4;

/// A process: what it is, the way that it imports, how it starts, and the modules.
type Kind<'a> = (Whole, Way, Start, &'a [&'a str]);

/// Takes samples of the imports in turns; nothing where code-data-share cannot be had. The second part says of what there are none.
pub fn measure(
    perf: &Perf,
    subjects: &Subjects,
    works: &[Work],
    runs: usize,
) -> Result<(Vec<ProfiledFromStart>, Vec<String>)> {
    let (mut found, mut remarks) = (Vec::new(), Vec::new());
    for work in works.iter().filter(|work| !work.modules.is_empty()) {
        let tracing = |start: &Start| start.python().args(["-P", "-c", &work.program()]);
        let Some(archived) = subjects.archived(work.name, tracing) else { break };
        // code-data-share may fail: that is no reason to do without the rest.
        match archived.and_then(|cds| one(perf, subjects, work, cds, runs * ROUNDS)) {
            Ok(processes) => found.push(ProfiledFromStart { name: work.name.to_owned(), processes }),
            Err(error) => remarks.push(format!("no profile from the start of {}: {}", work.name, brief(&error))),
        }
    }
    Ok((found, remarks))
}

fn one(perf: &Perf, subjects: &Subjects, work: &Work, cds: Start, rounds: usize) -> Result<Processes<Whole>> {
    let kinds: [Kind<'_>; 3] = [
        (Whole::Nothing, Way::Pyc, subjects.start(Way::Pyc), &[]),
        (Whole::Image, Way::Image, subjects.start(Way::Image), work.modules),
        (Whole::Cds, Way::Cds, cds, work.modules),
    ];
    eprintln!("  {rounds} rounds of {} from start", work.name);
    let mut found = Processes::new(FREQUENCY);
    for round in 0..rounds {
        for position in order::of_round(round, kinds.len()) {
            let (kind, way, start, modules) = &kinds[position];
            let counts = whole(perf, start, || timed(*way, start, modules, round));
            found.add(*kind, &counts.with_context(|| way.title())?);
        }
    }
    Ok(found)
}
