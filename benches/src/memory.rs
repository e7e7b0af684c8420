//! Memory of several processes that imported the same thing and wait.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};

use crate::counters::bytes;
use crate::imports::Job;
use crate::order;
use crate::results::{Footprint, Mappings, Memory, Part, Resident, Way};
use crate::smaps;
use crate::ways::{Start, program};
use crate::works::Work;

/// Numbers of processes at the same time, and repetitions: each is an average of the processes, and these numbers hardly vary.
pub const PROCESSES: [(usize, usize); 3] = [(1, 3), (4, 2), (16, 1)];

/// Measures all imports, from `.pyc` files, from the image, also in place, and by code-data-share.
pub fn measure(jobs: &[Job], works: &[Work], runs: usize) -> Result<Vec<Memory>> {
    let mut found = Vec::new();
    for work in works.iter().filter(|work| !work.modules.is_empty()) {
        let job = jobs.iter().find(|job| job.name == work.name).context("no such import")?;
        eprintln!("  {}", work.name);
        let compared = |(way, _): &&(Way, Start)| matches!(way, Way::Pyc | Way::Image | Way::InPlace | Way::Cds);
        let starts: Vec<&(Way, Start)> = job.starts().iter().filter(compared).collect();
        for (processes, most) in PROCESSES {
            let mut ways: BTreeMap<Way, Footprint> = BTreeMap::new();
            for round in 0..runs.min(most) {
                for position in order::of_round(round, starts.len()) {
                    let (way, start) = starts[position];
                    let one = together(start, work.modules, processes, round)
                        .and_then(|found| mapped(*way, &found.1).map(|()| found))
                        .with_context(|| format!("{}, {}, {processes} processes", work.name, way.title()));
                    let ([pss, private_dirty, faults], mappings) = match one {
                        Err(error) if *way == Way::Cds => {
                            eprintln!("  not possible: {error:#}");
                            continue;
                        }
                        other => other?,
                    };
                    let footprint = ways.entry(*way).or_default();
                    footprint.pss.push(pss);
                    footprint.private_dirty.push(private_dirty);
                    footprint.faults.push(faults);
                    footprint.mappings = mappings;
                }
            }
            found.push(Memory { name: work.name.to_owned(), processes, ways });
        }
    }
    Ok(found)
}

/// Processes that are ended with this value, however that comes.
struct Waiting(Vec<Child>);

impl Drop for Waiting {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Its input ends, and so does it.
            drop(child.stdin.take());
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// Starts them, waits until all have imported, and reads PSS, private dirty pages and page faults, and what the
/// pages are of: of one on average.
fn together(start: &Start, modules: &[&str], processes: usize, round: usize) -> Result<([f64; 3], Mappings)> {
    let mut all = Waiting(Vec::new());
    for _ in 0..processes {
        let run = start.python().arg("-P").arg(program("wait.py")).args(modules);
        let mut command = run.env("PYTHONHASHSEED", round.to_string()).into_command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        all.0.push(command.spawn().with_context(|| format!("cannot run {command:?}"))?);
    }
    for child in &mut all.0 {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().context("no pipe")?).read_line(&mut line)?;
        ensure!(line == "ready\n", "a process did not get as far as waiting");
    }
    let (mut sums, mut mappings) = ([0.0; 3], Mappings::new());
    for child in &all.0 {
        let values = of_process(child.id())?;
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    // To read them takes the kernel's time, and is done when all others were read.
    for child in &all.0 {
        for (part, Resident { rss, pss }) in smaps::parts(&read(child.id(), "smaps")?) {
            let sum = mappings.entry(part).or_default();
            sum.rss += rss / processes as f64;
            sum.pss += pss / processes as f64;
        }
    }
    Ok((sums.map(|sum| sum / processes as f64), mappings))
}

/// Whether there is an image in the memory of processes that are to have one.
fn mapped(way: Way, mappings: &Mappings) -> Result<()> {
    let is_mapped = mappings.get(&Part::ImageRead).is_some_and(|part| part.rss > 0.0);
    ensure!(is_mapped || !way.is_image(), "no image is mapped");
    Ok(())
}

fn read(process: u32, name: &str) -> Result<String> {
    let file = format!("/proc/{process}/{name}");
    fs::read_to_string(&file).with_context(|| format!("cannot read `{file}`"))
}

fn of_process(process: u32) -> Result<[f64; 3]> {
    let rollup = read(process, "smaps_rollup")?;
    Ok([bytes(&rollup, "Pss")?, bytes(&rollup, "Private_Dirty")?, minor_faults(&read(process, "stat")?)?])
}

/// The tenth field of `/proc/PID/stat`. The second is a name in parentheses that may hold anything.
fn minor_faults(stat: &str) -> Result<f64> {
    let (_, rest) = stat.rsplit_once(')').context("no name")?;
    Ok(rest.split_whitespace().nth(7).context("no tenth field")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_in_memory_is_an_error_where_there_should_be_one() {
        let with = |rss| Mappings::from([(Part::ImageRead, Resident { rss, pss: rss })]);
        for way in Way::ALL {
            assert!(mapped(way, &with(4096.0)).is_ok());
            let wants = matches!(way, Way::Image | Way::Paused | Way::InPlace);
            assert_eq!(mapped(way, &with(0.0)).is_err(), wants, "{way:?}");
        }
    }

    #[test]
    fn minor_faults_are_the_tenth_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1234 99 0 0 3 1 0 0";
        assert_eq!(minor_faults(stat).unwrap(), 1234.0);
    }
}
