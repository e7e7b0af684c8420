//! Obtains the code of every source module: from a valid `.pyc`, else compiled by the target.
//!
//! Nothing is written into the target's tree. The result is in the order of the modules and the same, byte for byte,
//! for the same files, whatever the number of threads and processes: see `worker.py` for what that takes.

mod compile;
mod pyc;
mod source_hash;
#[cfg(test)]
mod tests;
mod worker;

pub use source_hash::source_hash;

use crate::discover::{Discovery, Found, FoundKind, Skip};
use crate::file;
use crate::graph::{Graph, ObjId, Object};
use crate::marshal;
use crate::target::Target;
use rayon::prelude::*;
use std::path::PathBuf;
use thiserror::Error;

/// The code of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCode {
    /// Index into [`Discovery::modules`].
    pub module: usize,
    /// Marshal data of the module's code object, without the header of a `.pyc`.
    /// Its `co_filename` may be an old path: importlib replaces it after loading (`_imp._fix_co_filename`).
    pub marshal: Vec<u8>,
    /// What the marshal data says.
    pub graph: Graph,
    /// The code object in `graph`.
    pub root: ObjId,
    /// Where the code is from.
    pub origin: CodeOrigin,
    /// [`source_hash`] of the source, or 0 if it was not asked for.
    pub hash: u64,
}

/// Where code is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeOrigin {
    /// This `.pyc`.
    Pyc(PathBuf),
    /// The source.
    Compiled,
}

/// Why no code can be obtained at all.
#[derive(Debug, Error)]
pub enum CodeError {
    /// The target does not run.
    #[error("cannot run `{}` to compile sources", python.display())]
    Start {
        /// The interpreter.
        python: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The target runs but not as expected.
    #[error("`{}` failed before it compiled anything: {stderr}", python.display())]
    Script {
        /// The interpreter.
        python: PathBuf,
        /// The end of its stderr.
        stderr: String,
    },
    /// The target is not the one that was probed.
    #[error("`{}` has magic number {found:02x?}, but {expected:02x?} is expected", python.display())]
    Magic {
        /// The interpreter.
        python: PathBuf,
        /// What it says.
        found: [u8; 4],
        /// What the probe said.
        expected: [u8; 4],
    },
}

/// Obtains the code of all source modules at optimisation level `optimize`, as `-O` counts it.
///
/// A `.pyc` is used only if it agrees with the stamp in `discovery`, or with the source's hash, and can be read.
/// Modules without code that can be used are left out and returned as the second value, each with its reason.
/// `progress` is called with the number of modules done since the last call, from several threads.
///
/// # Errors
/// The target cannot be run, and something has to be compiled.
pub fn obtain(
    target: &Target,
    discovery: &Discovery,
    optimize: u8,
    with_hashes: bool,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<(Vec<ModuleCode>, Vec<Skip>), CodeError> {
    let minor = target.layout().minor;
    let found: Vec<Result<ModuleCode, usize>> = discovery
        .modules
        .par_iter()
        .enumerate()
        .filter(|(_, found)| found.kind == FoundKind::Source)
        .map(|(module, found)| {
            let code = from_pyc(target, found, module, optimize, with_hashes).ok_or(module)?;
            progress(1);
            Ok(code)
        })
        .collect();

    let jobs: Vec<_> = found
        .iter()
        .filter_map(|result| result.as_ref().err())
        .map(|&module| compile::Job { module, file: &discovery.modules[module].path })
        .collect();
    let compiled = compile::compile(target, optimize, &jobs, &|compiled| {
        progress(1);
        let module = compiled.module;
        let code = compiled.code.and_then(|data| match read_code(&data, minor) {
            Ok((graph, root)) => Ok((data, graph, root)),
            Err(problem) => Err(format!("the compiled code cannot be used: {problem}")),
        });
        let hash = if with_hashes { source_hash(target.magic, &compiled.source) } else { 0 };
        let origin = CodeOrigin::Compiled;
        code.map(|(marshal, graph, root)| ModuleCode { module, marshal, graph, root, origin, hash }).map_err(|reason| {
            let found = &discovery.modules[module];
            Skip { path: found.path.clone(), module: Some(found.name.clone()), reason }
        })
    })?;

    let mut codes: Vec<ModuleCode> = found.into_iter().flatten().collect();
    let mut skipped = Vec::new();
    for result in compiled {
        match result {
            Ok(code) => codes.push(code),
            Err(skip) => skipped.push(skip),
        }
    }
    codes.sort_unstable_by_key(|code| code.module);
    Ok((codes, skipped))
}

/// The code in a module's `.pyc`, if there is one that can be used.
fn from_pyc(target: &Target, found: &Found, module: usize, optimize: u8, with_hash: bool) -> Option<ModuleCode> {
    let path = pyc::path(&found.path, &target.cache_tag, optimize)?;
    let mut data = match file::read(&path) {
        Ok(data) => data,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!("`{}` is not used: {error}", path.display());
            }
            return None;
        }
    };
    let read = || file::read(&found.path).ok();
    let source = pyc::Source { mtime_ns: found.mtime_ns, size: found.size, read: &read };
    match pyc::judge(&data, target.magic, &source) {
        pyc::Verdict::Valid => {}
        pyc::Verdict::Stale(reason) => {
            tracing::debug!("`{}` is not used: {reason}", path.display());
            return None;
        }
        pyc::Verdict::Damaged(reason) => {
            tracing::warn!("`{}` is not used: {reason}", path.display());
            return None;
        }
    }
    data.drain(..pyc::HEADER);
    let (graph, root) = match read_code(&data, target.layout().minor) {
        Ok(code) => code,
        Err(problem) => {
            tracing::warn!("`{}` is not used: {problem}", path.display());
            return None;
        }
    };
    let hash = if with_hash { source_hash(target.magic, &read()?) } else { 0 };
    Some(ModuleCode { module, marshal: data, graph, root, origin: CodeOrigin::Pyc(path), hash })
}

/// Reads the data of a code object; anything else is refused as importlib refuses it (`_compile_bytecode`,
/// `importlib/_bootstrap_external.py`).
fn read_code(data: &[u8], minor: u8) -> Result<(Graph, ObjId), String> {
    let (graph, root) = marshal::read(data, minor).map_err(|error| error.to_string())?;
    match graph.get(root) {
        Object::Code(_) => Ok((graph, root)),
        _ => Err("marshal data of something that is not a code object".to_owned()),
    }
}
