//! `cds-build --out FILE`

use super::args::{BuildArgs, Invalidation, TargetArgs};
use super::progress::Bar;
use super::{DONE, output};
use anyhow::{Context, Result, bail};
use cds_build::build::{BuildOptions, Built, build};
use cds_build::discover::{DiscoverOptions, exclude};
use cds_build::target::Target;
use cds_layout::format::InvalidationMode;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Builds an image.
pub fn run(args: &BuildArgs) -> Result<u8> {
    let Some(out) = &args.out else { bail!("`--out FILE` is missing") };
    if args.optimize > 2 {
        bail!("`-O` may be given at most twice");
    }
    let started = Instant::now();
    let file = prepare(out)?;
    let target = target(&args.target)?;
    if let Some(path) = &args.save_target_profile {
        target.save(path)?;
    }
    let options = options(args)?;

    let bar = Bar::new(args.quiet);
    let built = build(&target, &options, &bar);
    bar.finish();
    let built = built?;
    publish(file, out, &built.image)?;

    if !args.quiet {
        for skip in &built.skipped {
            eprintln!("skipped: {}", skip_text(skip));
        }
        eprintln!(
            "{}: {} modules, {} with code ({} from .pyc files, {} compiled), {} skipped, {} in {:.1} s",
            out.display(),
            built.modules,
            built.with_code,
            built.from_pyc,
            built.with_code - built.from_pyc,
            built.skipped.len(),
            output::size(built.image.len() as u64),
            started.elapsed().as_secs_f64()
        );
    }
    if args.json {
        output::print(&report(out, &target, &built)?)?;
    }
    Ok(DONE)
}

/// The target that the arguments name.
pub fn target(args: &TargetArgs) -> Result<Target> {
    Ok(match &args.target_profile {
        Some(path) => Target::load(path)?,
        None => Target::probe(&args.python)?,
    })
}

fn options(args: &BuildArgs) -> Result<BuildOptions> {
    let mut names = BTreeSet::new();
    for list in &args.modules_from {
        let text =
            std::fs::read_to_string(list).with_context(|| format!("cannot read the list `{}`", list.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        names.extend(lines.map(str::to_owned));
    }
    let (dirs, trees): (Vec<_>, Vec<_>) = args.what.iter().cloned().partition(|what| what.contains('/') || what == ".");
    let discover = DiscoverOptions {
        roots: dirs.iter().map(PathBuf::from).collect(),
        modules: (!args.modules_from.is_empty()).then_some(names),
        trees: trees.into_iter().collect(),
        only_roots: !dirs.is_empty(),
        exclude: exclude(&args.exclude)?,
    };
    let invalidation = match args.invalidation_mode {
        Invalidation::Timestamp => InvalidationMode::Timestamp,
        Invalidation::CheckedHash => InvalidationMode::CheckedHash,
        Invalidation::UncheckedHash => InvalidationMode::UncheckedHash,
    };
    Ok(BuildOptions { discover, optimize: args.optimize, invalidation })
}

/// A temporary file beside the output: a directory that cannot be written to is an error before the work, not after it.
fn prepare(out: &Path) -> Result<tempfile::NamedTempFile> {
    if out.is_dir() {
        bail!("cannot write `{}`: it is a directory", out.display());
    }
    let directory = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".cds-build-")
        .suffix(".tmp")
        .tempfile_in(directory)
        .with_context(|| format!("cannot write `{}`", out.display()))
}

/// Writes the image and gives it its name.
fn publish(mut file: tempfile::NamedTempFile, out: &Path, image: &[u8]) -> Result<()> {
    let context = || format!("cannot write `{}`", out.display());
    file.write_all(image).with_context(context)?;
    file.as_file().sync_all().with_context(context)?;
    let mut permissions = file.as_file().metadata().with_context(context)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    file.as_file().set_permissions(permissions).with_context(context)?;
    file.persist(out).map_err(|e| e.error).with_context(context)?;
    Ok(())
}

fn skip_text(skip: &cds_build::discover::Skip) -> String {
    match (&skip.module, skip.path.as_os_str().is_empty()) {
        (Some(module), true) => format!("{module}: {}", skip.reason),
        _ => format!("{}: {}", skip.path.display(), skip.reason),
    }
}

fn report(out: &Path, target: &Target, built: &Built) -> Result<String> {
    let skipped: Vec<_> = built
        .skipped
        .iter()
        .map(|s| serde_json::json!({ "path": s.path, "module": s.module, "reason": s.reason }))
        .collect();
    let report = serde_json::json!({
        "image": out,
        "bytes": built.image.len(),
        "target": { "python": target.executable, "version": target.version, "soabi": target.soabi },
        "modules": built.modules,
        "with_code": built.with_code,
        "from_pyc": built.from_pyc,
        "notes": built.notes,
        "skipped": skipped,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}
