//! The checksum that is checked at load: fast, no protection against intent.

/// 64 bits over `bytes`, eight at a time. Every single changed byte changes it.
pub fn checksum64(bytes: &[u8]) -> u64 {
    let mut sum = 0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        sum = mix(sum, u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    let rest = words.remainder();
    if rest.is_empty() {
        return sum;
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(sum, u64::from_le_bytes(last))
}

/// [`checksum64`] folded to 32 bits, for records.
pub fn checksum32(parts: &[&[u8]]) -> u32 {
    let sum = parts.iter().fold(0, |sum, part| mix(sum, checksum64(part)));
    (sum ^ (sum >> 32)) as u32
}

/// One step: for a given word a bijection of the sum, and for a given sum one of the word.
fn mix(sum: u64, word: u64) -> u64 {
    let sum = (sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
    sum ^ (sum >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_changes_the_sum() {
        for len in [1, 7, 8, 9, 31, 64] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let sum = checksum64(&bytes);
            for at in 0..len {
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[at] ^= 1 << bit;
                    assert_ne!(checksum64(&changed), sum, "{len} bytes, bit {bit} of byte {at}");
                }
            }
            assert_ne!(checksum64(&bytes[..len - 1]), sum);
        }
    }

    #[test]
    fn parts_count_as_parts() {
        assert_ne!(checksum32(&[b"ab", b"c"]), checksum32(&[b"a", b"bc"]));
    }
}
