//! The bytecode of a fresh code object (`_PyCode_Quicken`, `Python/specialize.c`).

use cds_layout::cpython::Opcodes;

/// Rewrites `co_code` in place into what the interpreter has after creating the code object.
pub fn quicken(code: &mut [u8], opcodes: &Opcodes) {
    let mut previous = None;
    let mut unit = 0;
    while unit * 2 < code.len() {
        let at = unit * 2;
        let opcode = code[at];
        unit += 1;
        if let Some(cache) = opcodes.cache(opcode) {
            if cache.counter != 0
                && let Some(counter) = code.get_mut(at + 2..at + 4)
            {
                counter.copy_from_slice(&cache.counter.to_le_bytes());
            }
            unit += usize::from(cache.entries);
        } else if let Some(first) = previous
            && let Some(pair) = opcodes.pairs.iter().find(|p| p.first == first && p.second == opcode)
        {
            code[at - 2] = pair.combined;
        }
        previous = Some(opcode);
    }
}

#[cfg(test)]
mod tests {
    use super::quicken;
    use cds_layout::cpython::layout;

    #[test]
    fn superinstructions_overlap_but_do_not_cross_caches() {
        let opcodes = layout(12).unwrap().opcodes;
        // LOAD_FAST 0; LOAD_FAST 1; LOAD_FAST 2; BINARY_OP +, one cache entry; STORE_FAST 0; LOAD_FAST 0
        let mut code = vec![124, 0, 124, 1, 124, 2, 122, 0, 0, 0, 125, 0, 124, 0];
        quicken(&mut code, &opcodes);
        assert_eq!(code, [88, 0, 88, 1, 124, 2, 122, 0, 0x11, 0, 154, 0, 124, 0]);
    }

    #[test]
    fn nothing_is_quickened_at_creation_in_3_11() {
        let opcodes = layout(11).unwrap().opcodes;
        let before = vec![151, 0, 124, 0, 124, 1, 122, 0, 0, 0, 83, 0];
        let mut code = before.clone();
        quicken(&mut code, &opcodes);
        assert_eq!(code, before);
    }
}
