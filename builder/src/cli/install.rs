//! `cds-build install` and `cds-build uninstall`

use super::args::{InstallArgs, UninstallArgs};
use super::{DONE, output};
use anyhow::Result;
use cds_build::install::{self, InstallReport, Outcome};
use cds_build::target::Target;

/// Puts the loader into an environment.
pub fn install(args: &InstallArgs) -> Result<u8> {
    let target = Target::probe(&args.python)?;
    report(args.json, &install::install(&target, args.loader.as_deref())?)
}

/// Takes the loader out of an environment.
pub fn uninstall(args: &UninstallArgs) -> Result<u8> {
    let target = Target::probe(&args.python)?;
    report(args.json, &install::uninstall(&target)?)
}

fn report(json: bool, report: &InstallReport) -> Result<u8> {
    let site = report.site.display();
    let (outcome, text) = match &report.outcome {
        Outcome::Installed => ("installed", format!("installed the loader in {site}")),
        Outcome::UpToDate => ("up-to-date", format!("the loader in {site} is up to date")),
        Outcome::Removed => ("removed", format!("removed the loader from {site}")),
        Outcome::NotInstalled => ("not-installed", format!("there is no loader of ours in {site}")),
        Outcome::OwnedByPip { dist_info } => (
            "owned-by-pip",
            format!("the loader in {site} belongs to pip ({}); nothing was changed", dist_info.display()),
        ),
    };
    eprintln!("{text}");
    for path in &report.changed {
        eprintln!("left alone, it has changed since it was installed: {}", path.display());
    }
    for path in &report.images {
        eprintln!("image: {}", path.display());
    }
    if json {
        let json = serde_json::json!({
            "site": report.site,
            "outcome": outcome,
            "files": report.files,
            "changed": report.changed,
            "images": report.images,
        });
        output::print(&(serde_json::to_string_pretty(&json)? + "\n"))?;
    }
    Ok(DONE)
}
