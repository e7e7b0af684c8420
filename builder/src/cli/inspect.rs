//! `cds-build inspect IMAGE`

use super::args::InspectArgs;
use super::{DONE, output};
use anyhow::{Context, Result};
use cds_build::file;
use cds_build::image::Image;
use cds_build::stats::Notes;
use cds_layout::format::{IdentityKind, InvalidationMode, ModuleKind, ModuleRecord, RootKind, SectionKind, UnitUse};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Shows an image.
pub fn run(args: &InspectArgs) -> Result<u8> {
    let bytes = open(&args.image)?;
    let image = Image::parse(&bytes).with_context(|| not_an_image(&args.image))?;
    let notes: Option<Notes> = serde_json::from_slice(image.section(SectionKind::Notes)).ok();
    let text = if args.json { json(args, &image, notes.as_ref())? } else { text(args, &image, notes.as_ref())? };
    output::print(&text)?;
    Ok(DONE)
}

/// Maps a file for reading.
pub fn open(path: &Path) -> Result<memmap2::Mmap> {
    let context = || format!("cannot read `{}`", path.display());
    let file = file::open(path).with_context(context)?;
    // SAFETY: the mapping is only read. If another program truncates the file meanwhile the process gets
    // SIGBUS, as with any mapped file; images are replaced by rename, never rewritten in place.
    unsafe { memmap2::Mmap::map(&file) }.with_context(context)
}

/// The first line of an error about a file that is not an image.
pub fn not_an_image(path: &Path) -> String {
    format!("`{}` is not a usable image", path.display())
}

fn kind_name(kind: ModuleKind) -> &'static str {
    match kind {
        ModuleKind::Source => "source",
        ModuleKind::Sourceless => "sourceless",
        ModuleKind::Extension => "extension",
        ModuleKind::Namespace => "namespace",
    }
}

fn units_name(units: UnitUse) -> &'static str {
    match units {
        UnitUse::InPlace => "used in place",
        UnitUse::Copied => "copied",
    }
}

fn invalidation_name(mode: InvalidationMode) -> &'static str {
    match mode {
        InvalidationMode::Timestamp => "timestamp",
        InvalidationMode::CheckedHash => "checked-hash",
        InvalidationMode::UncheckedHash => "unchecked-hash",
    }
}

fn identity(image: &Image<'_>) -> String {
    let hex: String = image.header.identity.iter().map(|b| format!("{b:02x}")).collect();
    match image.header.identity_kind {
        IdentityKind::BuildId => format!("build-id {hex}"),
        IdentityKind::Substitute => format!("no build-id, substitute {hex}"),
    }
}

fn root_kind(kind: RootKind) -> &'static str {
    match kind {
        RootKind::Prefix => "sys.prefix",
        RootKind::BasePrefix => "sys.base_prefix",
        RootKind::ExecPrefix => "sys.exec_prefix",
        RootKind::BaseExecPrefix => "sys.base_exec_prefix",
        RootKind::Absolute => "absolute",
    }
}

fn by_kind(image: &Image<'_>) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    image.modules.iter().for_each(|m| *kinds.entry(kind_name(m.kind)).or_default() += 1);
    kinds
}

fn largest<'a>(image: &'a Image<'_>) -> Vec<&'a ModuleRecord<'a>> {
    let mut modules: Vec<_> = image.modules.iter().filter(|m| m.kind == ModuleKind::Source).collect();
    modules.sort_by_key(|m| (std::cmp::Reverse(image.unit_size(m.unit)), m.name));
    modules
}

fn text(args: &InspectArgs, image: &Image<'_>, notes: Option<&Notes>) -> Result<String> {
    let header = &image.header;
    let mut out = String::new();
    writeln!(out, "{}: {}", args.image.display(), output::size(header.file_size))?;
    if let Some(notes) = notes {
        writeln!(out, "target         CPython {} ({}), {}", notes.python, notes.soabi, identity(image))?;
        let addresses = if notes.fixed_addresses { "fixed" } else { "differ from process to process" };
        writeln!(out, "its addresses  {addresses}")?;
        writeln!(out, "built by       cds-build {}, format {}", notes.builder, header.format_version)?;
    }
    writeln!(out, "optimisation   {}", header.optimize)?;
    writeln!(out, "invalidation   {}", invalidation_name(header.invalidation))?;
    writeln!(out, "units          {}", units_name(header.units))?;
    writeln!(out, "preferred base {:#x}, span {}", header.preferred_base, output::size(header.span))?;
    let kinds: Vec<String> = by_kind(image).iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    match &kinds[..] {
        [] => writeln!(out, "modules        none")?,
        kinds => writeln!(out, "modules        {} ({})", image.modules.len(), kinds.join(", "))?,
    }
    if !image.named.is_empty() {
        writeln!(out, "named objects  {}", image.named.len())?;
    }
    if !image.statics.is_empty() {
        writeln!(out, "strings        {} predicted to be the interpreter's own", image.statics.len())?;
    }
    if !image.roots.is_empty() {
        writeln!(out, "\nroots")?;
    }
    for root in &image.roots {
        let relative = image.text(root.relative);
        writeln!(out, "  {:<20} {relative}", root_kind(root.kind))?;
    }
    if let Some(notes) = notes {
        writeln!(out, "\n{:<26} {:>9} {:>12}", "objects", "count", "bytes")?;
        for (kind, stats) in &notes.objects {
            writeln!(out, "  {kind:<24} {:>9} {:>12}", stats.count, stats.bytes)?;
        }
        writeln!(out, "  {:<24} {:>9} {:>12}", "(of these shared)", "", notes.pool_bytes)?;
        if notes.mapped_bytes != 0 {
            writeln!(out, "  {:<24} {:>9} {:>12}", "(used where mapped)", "", notes.mapped_bytes)?;
        }
        writeln!(out, "  {:<24} {:>9} {:>12}", "(run once by imports)", "", notes.bodies_bytes)?;
        writeln!(out, "  {:<24} {:>9} {:>12}", "(written to by imports)", "", notes.written_bytes)?;
        writeln!(out, "  {:<24} {:>9} {:>12}", "(read by imports)", "", notes.read_bytes)?;
        writeln!(out, "  {:<24} {:>9} {:>12}", "(used later, if at all)", "", notes.cold_bytes)?;
        writeln!(out, "  {:<24} {:>9} {:>12}", "(marshal data replaced)", "", notes.marshal_bytes)?;
    }
    writeln!(out, "\n{:<36} {:>12}", "sections", "bytes")?;
    for (kind, section) in &image.sections {
        writeln!(out, "  {:<34} {:>12}", kind.elf_name(), section.size)?;
    }
    if !image.named.is_empty() {
        let shown = if args.modules { image.named.len() } else { image.named.len().min(10) };
        writeln!(out, "\n{:<26} {:<10} {:>9} {:>12}", "named objects", "type", "objects", "bytes")?;
        for object in &image.named[..shown] {
            let (name, kind) = (image.text(object.name), object.kind.name());
            writeln!(out, "  {name:<24} {kind:<10} {:>9} {:>12}", object.count, image.unit_size(object.unit))?;
        }
        if shown < image.named.len() {
            writeln!(out, "  and {} more", image.named.len() - shown)?;
        }
    }
    let modules = largest(image);
    if modules.is_empty() {
        return Ok(out);
    }
    let shown = if args.modules { modules.len() } else { modules.len().min(10) };
    writeln!(out, "\n{:<36} {:>12}", if args.modules { "modules by size" } else { "largest modules" }, "bytes")?;
    for module in &modules[..shown] {
        writeln!(out, "  {:<34} {:>12}", module.name, image.unit_size(module.unit))?;
    }
    Ok(out)
}

fn json(args: &InspectArgs, image: &Image<'_>, notes: Option<&Notes>) -> Result<String> {
    let header = &image.header;
    let hex: String = header.digest.iter().map(|b| format!("{b:02x}")).collect();
    let modules: Vec<_> = image
        .modules
        .iter()
        .map(|m| {
            serde_json::json!({
                "name": m.name,
                "kind": kind_name(m.kind),
                "package": m.is_package(),
                "path": image.module_path(m),
                "bytes": image.unit_size(m.unit),
            })
        })
        .collect();
    let roots: Vec<_> = image
        .roots
        .iter()
        .map(|r| {
            serde_json::json!({
                "relative_to": root_kind(r.kind),
                "path": image.text(r.relative),
                "built_at": image.text(r.predicted),
            })
        })
        .collect();
    let objects: Vec<_> = image
        .named
        .iter()
        .map(|o| {
            serde_json::json!({
                "name": image.text(o.name),
                "type": o.kind.name(),
                "objects": o.count,
                "bytes": image.unit_size(o.unit),
                "recipe_bytes": o.recipe_size,
            })
        })
        .collect();
    let sections: BTreeMap<&str, u32> = image.sections.iter().map(|(k, s)| (k.elf_name(), s.size)).collect();
    let report = serde_json::json!({
        "image": args.image,
        "bytes": header.file_size,
        "format": header.format_version,
        "digest": hex,
        "identity": identity(image),
        "hexversion": header.hexversion,
        "optimize": header.optimize,
        "invalidation": invalidation_name(header.invalidation),
        "units": units_name(header.units),
        "preferred_base": header.preferred_base,
        "span": header.span,
        "notes": notes,
        "roots": roots,
        "sections": sections,
        "static_strings": image.statics.len(),
        "module_kinds": by_kind(image),
        "modules": modules,
        "objects": objects,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}
