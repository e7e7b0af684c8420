//! Fields of a code object that follow from others, computed as `init_code` (`Objects/codeobject.c`) does.

use crate::share::CodeNode;
use cds_layout::cpython::Layout;

/// Derived fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// Entries of `co_localsplusnames`.
    pub nlocalsplus: i32,
    /// Entries that are locals.
    pub nlocals: i32,
    /// Cells that are not also locals.
    pub nplaincellvars: i32,
    /// All cells.
    pub ncellvars: i32,
    /// Free variables.
    pub nfreevars: i32,
    /// `co_stacksize` as stored.
    pub stacksize: i32,
    /// Words of a frame.
    pub framesize: i32,
    /// Index of the first traceable `RESUME`, or the number of code units.
    pub firsttraceable: i32,
}

/// Computes the derived fields.
pub fn derive(code: &CodeNode, layout: &Layout) -> Derived {
    let rules = &layout.code;
    let kind = rules.fast_kind;
    let (mut nlocals, mut nplaincellvars, mut ncellvars, mut nfreevars) = (0, 0, 0, 0);
    // `get_localsplus_counts`, same file.
    for &k in &code.kinds {
        let cell = k & kind.cell != 0;
        if k & kind.local != 0 {
            nlocals += 1;
            ncellvars += i32::from(cell);
        } else if cell {
            ncellvars += 1;
            nplaincellvars += 1;
        } else if k & kind.free != 0 {
            nfreevars += 1;
        }
    }
    let nlocalsplus = code.kinds.len() as i32;
    let stacksize = code.stacksize.max(rules.min_stacksize as i32);
    let units = code.bytecode.chunks_exact(2);
    let count = units.len() as i32;
    Derived {
        nlocalsplus,
        nlocals,
        nplaincellvars,
        ncellvars,
        nfreevars,
        stacksize,
        framesize: nlocalsplus.wrapping_add(stacksize).wrapping_add(rules.frame_specials as i32),
        firsttraceable: units.clone().position(|u| layout.opcodes.is_traceable(u[0], u[1])).map_or(count, |i| i as i32),
    }
}
