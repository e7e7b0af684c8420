//! `cds-build --out FILE`

use super::args::{BuildArgs, Invalidation, TargetArgs, Units};
use super::progress::Bar;
use super::{DONE, FINDINGS, output};
use anyhow::{Context, Result, bail};
use cds_build::build::{BuildError, BuildOptions, Built, build};
use cds_build::discover::{DiscoverOptions, Skip, exclude};
use cds_build::file;
use cds_build::named::ObjectSource;
use cds_build::target::Target;
use cds_layout::format::{FIRST_PAGE, HeaderError, InvalidationMode, PATH_LINE, UnitUse, find_header};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Builds an image.
pub fn run(args: &BuildArgs) -> Result<u8> {
    let Some(out) = &args.out else { bail!("`--out FILE` is missing") };
    if args.optimize > 2 {
        bail!("`-O` may be given at most twice");
    }
    let started = Instant::now();
    let objects = ObjectSource::parse_all(&args.object)?;
    prepare(out)?;
    let target = target(&args.target)?;
    if let Some(path) = &args.save_target_profile {
        target.save(path)?;
    }
    let options = options(args, objects)?;

    let bar = Bar::new(args.quiet);
    let built = build(&target, &options, &bar);
    bar.finish();
    let built = match built {
        Err(BuildError::Nothing { skipped }) => {
            report_skips(&skipped);
            return Err(BuildError::Nothing { skipped }.into());
        }
        built => built?,
    };
    publish(out, &built.image)?;

    if !args.quiet {
        report_skips(&built.skipped);
        let size = output::size(built.image.len() as u64);
        eprintln!("{}: {}, {size} in {:.1} s", out.display(), contents(&built), started.elapsed().as_secs_f64());
    }
    if args.json {
        output::print(&report(out, &target, &built)?)?;
    }
    // A module that was asked for by name and is not there is worth a status of its own; lists may be about other trees.
    let missing = built.skipped.iter().any(|s| s.path.as_os_str().is_empty() && asked_for(args, s.module.as_deref()));
    Ok(if missing { FINDINGS } else { DONE })
}

/// `3 modules, …, 1 object`
fn contents(built: &Built) -> String {
    let mut parts = Vec::new();
    if built.modules > 0 || built.objects.is_empty() {
        parts.push(format!(
            "{} modules, {} with code ({} from .pyc files, {} compiled), {} skipped",
            built.modules,
            built.with_code,
            built.from_pyc,
            built.with_code - built.from_pyc,
            built.skipped.len(),
        ));
    }
    match built.objects.len() {
        0 => {}
        1 => parts.push("1 object".to_owned()),
        n => parts.push(format!("{n} objects")),
    }
    parts.join(", ")
}

fn asked_for(args: &BuildArgs, module: Option<&str>) -> bool {
    module.is_some_and(|module| args.what.iter().any(|what| what == module))
}

fn report_skips(skipped: &[Skip]) {
    for skip in skipped {
        eprintln!("skipped: {}", skip_text(skip));
    }
}

/// The target that the arguments name.
pub fn target(args: &TargetArgs) -> Result<Target> {
    Ok(match &args.target_profile {
        Some(path) => Target::load(path)?,
        None => Target::probe(&args.python)?,
    })
}

fn options(args: &BuildArgs, objects: Vec<ObjectSource>) -> Result<BuildOptions> {
    let mut names = BTreeSet::new();
    let mut roots = Vec::new();
    for list in &args.modules_from {
        let text = file::read_to_string(list).with_context(|| format!("cannot read the list `{}`", list.display()))?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match (line.strip_prefix(PATH_LINE), line.starts_with('#')) {
                // Where a traced program searched: its own directory and those of `PYTHONPATH`, if they are still there.
                (Some(path), _) if Path::new(path).is_dir() => roots.push(PathBuf::from(path)),
                (_, true) => {}
                (_, false) => drop(names.insert(line.to_owned())),
            }
        }
    }
    let (dirs, trees): (Vec<_>, Vec<_>) = args.what.iter().cloned().partition(|what| what.contains('/') || what == ".");
    let discover = DiscoverOptions {
        roots,
        modules: (!args.modules_from.is_empty()).then_some(names),
        trees: trees.into_iter().collect(),
        whole: dirs.iter().map(PathBuf::from).collect(),
        exclude: exclude(&args.exclude)?,
    };
    let invalidation = match args.invalidation_mode {
        Invalidation::Timestamp => InvalidationMode::Timestamp,
        Invalidation::CheckedHash => InvalidationMode::CheckedHash,
        Invalidation::UncheckedHash => InvalidationMode::UncheckedHash,
    };
    let units = match args.units {
        Units::Copied => UnitUse::Copied,
        Units::InPlace => UnitUse::InPlace,
    };
    // Without objects there is always something: everything. With objects modules must be asked for.
    let selects = !(args.what.is_empty() && args.modules_from.is_empty() && args.exclude.is_empty());
    let discover = (objects.is_empty() || selects).then_some(discover);
    Ok(BuildOptions { discover, objects, optimize: args.optimize, invalidation, units })
}

/// Finds out whether the output can be written: an error before the work, not after it.
fn prepare(out: &Path) -> Result<()> {
    let place = place(out)?;
    file::temporary(&place, PREFIX, MODE).map(drop).with_context(|| cannot_write(out))
}

/// The path that the image is moved to. Nothing is replaced but images and empty files.
fn place(out: &Path) -> Result<PathBuf> {
    let place = file::place(out).with_context(|| cannot_write(out))?;
    let mut page = Vec::new();
    match file::open(&place) {
        Ok(file) => drop(file.take(FIRST_PAGE as u64).read_to_end(&mut page)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot replace `{}`", out.display())),
    }
    let foreign = matches!(
        find_header(&page),
        Err(HeaderError::NotElf | HeaderError::WrongElf | HeaderError::NoNote | HeaderError::BadNote)
    );
    if foreign && !page.is_empty() {
        bail!("`{}` exists and is not an image; it is not overwritten", out.display());
    }
    Ok(place)
}

fn cannot_write(out: &Path) -> String {
    format!("cannot write `{}`", out.display())
}

/// How names of temporary files start.
const PREFIX: &str = ".cds-build-";

/// Permissions of an image, as far as the umask lets it have them.
const MODE: u32 = 0o644;

/// Writes the image and gives it its name.
fn publish(out: &Path, image: &[u8]) -> Result<()> {
    // Something else may be there by now.
    file::put(&place(out)?, PREFIX, image, MODE).with_context(|| cannot_write(out))
}

fn skip_text(skip: &Skip) -> String {
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
    let objects: Vec<_> = built
        .objects
        .iter()
        .map(|o| serde_json::json!({ "name": o.name, "type": o.kind.name(), "objects": o.count, "bytes": o.size }))
        .collect();
    let report = serde_json::json!({
        "image": out,
        "bytes": built.image.len(),
        "target": { "python": target.executable, "version": target.version, "soabi": target.soabi },
        "modules": built.modules,
        "with_code": built.with_code,
        "from_pyc": built.from_pyc,
        "objects": objects,
        "notes": built.notes,
        "skipped": skipped,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}
