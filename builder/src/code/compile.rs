//! Compiles many sources with a few processes of the target.

use super::CodeError;
use super::worker::{Answer, Worker};
use crate::file;
use crate::target::Target;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More processes than this cost more memory than they save time.
const MAX_WORKERS: usize = 8;

/// A source to compile.
pub(super) struct Job<'a> {
    /// Index of the module.
    pub(super) module: usize,
    /// The file, which is also what `co_filename` shall be.
    pub(super) file: &'a Path,
}

/// What became of a job.
pub(super) struct Compiled {
    /// Index of the module.
    pub(super) module: usize,
    /// Marshal data, or why there is none.
    pub(super) code: Result<Vec<u8>, String>,
    /// The source that was compiled, if it could be read.
    pub(super) source: Vec<u8>,
}

/// Compiles all jobs; `done` turns each outcome into a result. The results are in the order of the jobs.
pub(super) fn compile<T: Send>(
    target: &Target,
    optimize: u8,
    jobs: &[Job<'_>],
    done: &(dyn Fn(Compiled) -> T + Sync),
) -> Result<Vec<T>, CodeError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = cores.min(MAX_WORKERS).min(jobs.len());
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let run = || -> Result<(), CodeError> {
        let mut worker = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return Ok(()) };
            let compiled = one(target, optimize, &mut worker, job).inspect_err(|_| {
                // The build has failed: the other threads need not go on.
                next.store(jobs.len(), Ordering::Relaxed);
            })?;
            let result = done(compiled);
            results.lock().expect("no thread panics while it holds this").push((number, result));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        // All are joined before the first error is returned.
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        outcomes.into_iter().try_for_each(|outcome| match outcome {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let mut results = results.into_inner().expect("no thread panics while it holds this");
    results.sort_unstable_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Compiles one source, starting a process if there is none.
fn one(target: &Target, optimize: u8, worker: &mut Option<Worker>, job: &Job<'_>) -> Result<Compiled, CodeError> {
    let module = job.module;
    let source = match file::read(job.file) {
        Ok(source) => source,
        Err(error) => {
            let code = Err(format!("the source could not be read: {error}"));
            return Ok(Compiled { module, code, source: Vec::new() });
        }
    };
    // Sources are compiled in forks of the process, so its own death is hardly the source's fault: once more.
    let mut code = Err(String::new());
    for _ in 0..2 {
        let running = match worker {
            Some(running) => running,
            None => worker.insert(Worker::start(target, optimize)?),
        };
        match running.compile(job.file, &source) {
            Ok(Answer::Code(data)) => code = Ok(data),
            Ok(Answer::Refused(reason)) => code = Err(reason),
            Err(error) => {
                *worker = None;
                code = Err(format!("the process that compiles sources died ({error})"));
                continue;
            }
        }
        break;
    }
    Ok(Compiled { module, code, source })
}
