//! `cds-build verify IMAGE`

use super::args::VerifyArgs;
use super::inspect::{not_an_image, open};
use super::progress::Bar;
use super::{DONE, FINDINGS, output};
use anyhow::{Context, Result};
use cds_build::build::Progress;
use cds_build::image::{Image, structure};
use cds_build::install::find_loader;
use cds_build::named::ObjectSource;
use cds_build::target::Target;
use cds_build::verify::{named_objects, round_trip};

/// Checks an image.
pub fn run(args: &VerifyArgs) -> Result<u8> {
    let bytes = open(&args.image)?;
    let image = Image::parse(&bytes).with_context(|| not_an_image(&args.image))?;
    let mut findings = structure(&image);
    let files = ObjectSource::parse_all(&args.object)?;
    let (mut compared, mut objects_compared) = (None, None);
    // An image that contradicts itself is not loaded.
    if let (Some(python), true) = (&args.python, findings.is_empty()) {
        let target = Target::probe(python)?;
        let loader = find_loader(args.loader.as_deref())?;
        if !image.modules.is_empty() || image.named.is_empty() {
            let bar = Bar::new(args.json);
            bar.pass("comparing modules", Some(image.modules.len()));
            let result = round_trip(&args.image, &image, &target, &loader, &|steps| bar.step(steps));
            bar.finish();
            let result = result?;
            compared = Some(result.compared);
            findings.extend(result.findings);
        }
        let result = named_objects(&args.image, &image, &target, &loader, &files)?;
        objects_compared = Some(result.compared);
        findings.extend(result.findings);
    }

    for finding in &findings {
        eprintln!("{}: {}", finding.check, finding.message);
    }
    let mut parts = Vec::new();
    if !image.modules.is_empty() || image.named.is_empty() {
        parts.push(format!("{} modules", image.modules.len()));
        parts.extend(compared.map(|n| format!("{n} compared with the interpreter's own")));
    }
    if !image.named.is_empty() {
        parts.push(format!("{} objects", image.named.len()));
        parts.extend(objects_compared.map(|n| format!("{n} compared with their files")));
    }
    let verdict = if findings.is_empty() { "good".to_owned() } else { format!("{} findings", findings.len()) };
    eprintln!("{}: {}: {verdict}", args.image.display(), parts.join(", "));
    if args.json {
        let report = serde_json::json!({
            "image": args.image,
            "modules": image.modules.len(),
            "compared": compared,
            "objects": image.named.len(),
            "objects_compared": objects_compared,
            "findings": findings,
        });
        output::print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    Ok(if findings.is_empty() { DONE } else { FINDINGS })
}
