//! The kernels of `fixtures/hot` in an environment, run from `.pyc` files and from an image.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::environments::Environment;
use crate::interpreters::Interpreter;
use crate::process::Run;
use crate::valgrind::Valgrind;
use crate::{files, fixtures};

/// Where the code of a process comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `.pyc` files; the loader is there and does nothing.
    Pyc,
    /// The image.
    Image,
}

/// An environment with the kernels, their `.pyc` files, and an image of them and the standard library.
#[derive(Debug)]
pub struct Hot {
    /// The environment.
    pub environment: Environment,
}

/// What a process says about one kernel.
#[derive(Debug, Clone, Deserialize)]
pub struct Kernel {
    /// Seconds of each repetition, if a clock was asked for.
    pub times: Option<Vec<f64>>,
    /// Whether its code objects lie in the image: the values that occur.
    pub owned: Vec<bool>,
    /// What it computed.
    pub result: String,
}

/// Numbers of machine instructions of a kernel, in processes that differ by chance only.
#[derive(Debug, Clone, Copy)]
pub struct Instructions {
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
}

impl Instructions {
    /// Whether all of these are more than two parts of a hundred above all of the others.
    pub fn exceed(&self, others: &Instructions) -> bool {
        self.least as f64 > others.most as f64 * 1.02
    }
}

impl Hot {
    /// Makes the environment.
    pub fn new(python: &Interpreter) -> Result<Hot> {
        let environment = Environment::small(python)?;
        let package = environment.site.join("kernels");
        files::copy_tree(&fixtures().join("hot/site/kernels"), &package)?;
        environment.python().args(["-m", "compileall", "-q", "-f"]).arg(&package).ok()?;
        environment.build_image()?;
        Ok(Hot { environment })
    }

    /// A run of a script of `fixtures/hot` on the environment's interpreter, perhaps inside another program.
    pub fn script(&self, around: Option<Run>, source: Source, script: &str) -> Run {
        let python = &self.environment.python;
        let run = around.map_or_else(|| Run::new(python), |program| program.arg(python));
        // `PYCDSMODE` is unset or empty where the image at its usual place is to be used.
        let mode = if source == Source::Image { "" } else { "OFF" };
        run.env("PYCDSMODE", mode).args(["-P", "-B"]).arg(fixtures().join("hot").join(script))
    }

    /// Times of `repeats` repetitions of every kernel in one process.
    pub fn times(&self, source: Source, repeats: usize, hash_seed: usize) -> Result<BTreeMap<String, Kernel>> {
        let run = self.script(None, source, "measure.py").env("PYTHONHASHSEED", hash_seed.to_string());
        kernels(run.arg("times").arg(repeats.to_string()), source)
    }

    /// Instructions of a call of every kernel after its warm-up, for a hundredth of its usual rounds, are added to what
    /// was found before. `shift` changes what is chance (`fixtures/hot/measure.py` says what is).
    pub fn count(
        &self,
        valgrind: &Valgrind,
        source: Source,
        shift: usize,
        found: &mut BTreeMap<String, Instructions>,
    ) -> Result<()> {
        let directory = self.environment.scratch.join(format!("callgrind-{source:?}"));
        // In this order the script runs the kernels.
        let order = self.order()?;
        // Counters are written, and start again, whenever `getppid` is called: before and after each kernel.
        let callgrind = valgrind.callgrind(&directory, "getppid")?;
        let run = self.script(Some(callgrind), source, "measure.py").env("PYTHONHASHSEED", "0");
        let report = kernels(run.arg("count").arg(shift.to_string()), source)?;
        let parts = valgrind.parts(&directory)?;
        let all = order.len() == report.len() && parts.len() == 2 * report.len();
        ensure!(all, "{} parts of a profile of {} kernels", parts.len(), report.len());
        // Of each pair, the first ends before the kernel, the second after it.
        for (name, pair) in order.iter().zip(parts.chunks_exact(2)) {
            let known = found.entry(name.clone()).or_insert(Instructions { least: pair[1], most: pair[1] });
            known.least = known.least.min(pair[1]);
            known.most = known.most.max(pair[1]);
        }
        Ok(())
    }

    /// The same for all of these shifts.
    pub fn instructions(
        &self,
        valgrind: &Valgrind,
        source: Source,
        shifts: Range<usize>,
    ) -> Result<BTreeMap<String, Instructions>> {
        let mut found = BTreeMap::new();
        for shift in shifts {
            self.count(valgrind, source, shift, &mut found)?;
        }
        Ok(found)
    }

    /// The kernels' names, in the order in which they run.
    fn order(&self) -> Result<Vec<String>> {
        let text = "import json, kernels; print(json.dumps(list(kernels.ROUNDS)))";
        let output = self.environment.python().args(["-P", "-c", text]).ok()?;
        serde_json::from_str(&output.stdout).with_context(|| format!("no names: {output}"))
    }
}

/// Runs all kernels; it must be certain where their code came from.
fn kernels(run: Run, source: Source) -> Result<BTreeMap<String, Kernel>> {
    let output = run.ok()?.silent()?;
    let report: BTreeMap<String, Kernel> =
        serde_json::from_str(&output.stdout).with_context(|| format!("no report: {output}"))?;
    for (name, kernel) in &report {
        ensure!(
            kernel.owned == [source == Source::Image],
            "`{name}` from {source:?}, in the image: {:?}",
            kernel.owned
        );
    }
    Ok(report)
}
