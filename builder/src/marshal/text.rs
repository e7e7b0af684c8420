//! UTF-8 in which surrogates are allowed, as Python's error handler `surrogatepass` has it.

use crate::graph::Str;

/// Decodes `bytes`.
///
/// # Errors
/// The offset of the first byte that is neither UTF-8 nor part of an encoded surrogate.
pub(super) fn decode(bytes: &[u8], interned: bool) -> Result<Str, usize> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Str::from_text(text, interned));
    }
    let mut points: Vec<u32> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        points.extend(valid.chars().map(u32::from));
        rest = match &rest[valid.len()..] {
            [] => &[],
            [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, after @ ..] => {
                points.push(0xd000 | (u32::from(*b) & 0x3f) << 6 | u32::from(*c) & 0x3f);
                after
            }
            invalid => return Err(bytes.len() - invalid.len()),
        };
    }
    Ok(Str::from_code_points(points.iter().copied(), interned))
}

/// One byte per character. Marshal calls this ASCII, but `PyUnicode_FromKindAndData` takes any byte, as Latin-1.
pub(super) fn one_byte(bytes: &[u8], interned: bool) -> Str {
    Str { data: bytes.into(), width: 1, ascii: bytes.is_ascii(), interned }
}
