//! `_imp.source_hash`: SipHash-1-3 of a source file, as hash-based `.pyc` files store it.

/// The hash of `source` for a target with this magic number: `importlib.util.source_hash(source)`, little-endian.
///
/// The key is `_RAW_MAGIC_NUMBER` (`importlib/_bootstrap_external.py`) and zero (`_Py_KeyedHash`, `Python/pyhash.c`).
pub fn source_hash(magic: [u8; 4], source: &[u8]) -> u64 {
    siphash13(u64::from(u32::from_le_bytes(magic)), 0, source)
}

/// SipHash with one round per 8 bytes and three at the end.
fn siphash13(k0: u64, k1: u64, data: &[u8]) -> u64 {
    let mut state = [
        k0 ^ u64::from_be_bytes(*b"somepseu"),
        k1 ^ u64::from_be_bytes(*b"dorandom"),
        k0 ^ u64::from_be_bytes(*b"lygenera"),
        k1 ^ u64::from_be_bytes(*b"tedbytes"),
    ];
    let (words, tail) = data.as_chunks::<8>();
    for word in words {
        absorb(&mut state, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    last[7] = data.len() as u8;
    absorb(&mut state, u64::from_le_bytes(last));
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    state.iter().fold(0, |hash, word| hash ^ word)
}

fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

fn round(state: &mut [u64; 4]) {
    let [a, b, c, d] = state;
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of `bytes(range(n))` from `importlib.util.source_hash` of CPython 3.12.1.
    #[test]
    fn agrees_with_importlib() {
        let expected: [(u8, [u8; 8]); 6] = [
            (0, [0xba, 0xf1, 0x8e, 0xed, 0xc9, 0x38, 0x7a, 0x25]),
            (1, [0xff, 0xcd, 0x30, 0xfa, 0xe5, 0xa6, 0x7b, 0x1b]),
            (7, [0x42, 0x4a, 0x50, 0x82, 0x90, 0x57, 0xfb, 0x4d]),
            (8, [0xe5, 0x08, 0xf0, 0x8f, 0x76, 0x92, 0x3f, 0x7a]),
            (9, [0xcd, 0xc7, 0xd5, 0xe2, 0xbd, 0x63, 0x4f, 0xf3]),
            (63, [0x2b, 0x97, 0x38, 0xfa, 0xbc, 0x05, 0x16, 0x79]),
        ];
        for (length, hash) in expected {
            let source: Vec<u8> = (0..length).collect();
            assert_eq!(source_hash([0xcb, 0x0d, 0x0d, 0x0a], &source).to_le_bytes(), hash, "{length} bytes");
        }
    }
}
