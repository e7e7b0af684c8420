//! An extension module of the standard library that costs what any costs.

use anyhow::Result;

use crate::ways::Start;

/// Small ones that need no library but that of C, in the order in which they are tried: some interpreters have most of
/// them built in.
const MODULES: [&str; 4] = ["_json", "_queue", "_lsprof", "_heapq"];

/// The first that is a file of its own and that a start does not import anyway.
pub fn choose(plain: &Start) -> Result<Option<String>> {
    let text = "import sys\n\
                there = set(sys.modules)\n\
                from importlib.util import find_spec\n\
                for name in sys.argv[1:]:\n\
                \x20   spec = find_spec(name)\n\
                \x20   if name not in there and spec and spec.origin.endswith('.so'):\n\
                \x20       print(name)";
    let found = plain.python().args(["-P", "-c", text]).args(MODULES).ok()?.stdout;
    Ok(found.lines().next().map(str::to_owned))
}
