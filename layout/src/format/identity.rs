//! The substitute for a build-id.

/// Identity of an interpreter whose ELF file has no build-id: 16 bytes over its version text, its
/// program headers and the offsets of some symbols from its load bias.
///
/// `version` is `sys.version` (`Py_GetVersion()`), which names build date and compiler. `phdrs` are the program headers as
/// the file has them. `symbols` are the addresses, less the load bias, of [`SYMBOLS`] in that order.
/// Weaker than a build-id: two builds of the same source at the same minute could agree.
pub fn substitute_identity(version: &str, phdrs: &[u8], symbols: &[u64]) -> [u8; 16] {
    let mut out = [0; 16];
    for (half, seed) in out.chunks_mut(8).zip([0xcbf2_9ce4_8422_2325u64, 0x8422_2325_cbf2_9ce4]) {
        let mut h = seed;
        let mut eat = |bytes: &[u8]| {
            for &b in bytes {
                h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        eat(version.as_bytes());
        eat(&[0]);
        eat(phdrs);
        for s in symbols {
            eat(&s.to_le_bytes());
        }
        half.copy_from_slice(&h.to_le_bytes());
    }
    out
}

/// The symbols whose offsets go into [`substitute_identity`].
pub const SYMBOLS: [&str; 4] = ["PyCode_Type", "PyUnicode_Type", "Py_RunMain", "PyEval_EvalCode"];
