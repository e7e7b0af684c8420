//! Whether a start does what its step says.

use anyhow::{Result, ensure};

use crate::results::Step;
use crate::ways::Start;

/// Looks into a process that started so. It also writes `.pyc` files that are missing.
pub fn check(step: Step, start: &Start, extension: Option<&str>) -> Result<()> {
    let text = "import sys\n\
                loader = sys.modules.get('cds_loader')\n\
                print(sys.argv[1] in sys.modules, loader and loader.status()['state'])";
    let run = start.python().unset("PYTHONDONTWRITEBYTECODE").args(["-P", "-c", text, extension.unwrap_or_default()]);
    let (found, wanted) = (run.ok()?.stdout, expected(step));
    ensure!(
        found.trim_end() == wanted,
        "extension module imported, state of the loader: `{}`, not `{wanted}`",
        found.trim_end()
    );
    Ok(())
}

/// What the program prints: whether the extension module is there, and what the loader says if it is there.
fn expected(step: Step) -> &'static str {
    match step {
        Step::None | Step::Pth => "False None",
        Step::Extension => "True None",
        Step::Off => "False off",
        Step::Image => "False active",
    }
}
