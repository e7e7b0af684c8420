//! The preferred base: chosen from the image's contents, so that two images rarely want the same place.

use cds_layout::format::{BASE_MAX, BASE_MIN};

/// Bases are multiples of this, so that a kernel may back an image with huge pages.
const GRANULE: u64 = 2 * 1024 * 1024;

/// The base for an image of `span` bytes with this digest of its contents.
pub fn preferred_base(digest: &[u8; 32], span: u64) -> u64 {
    let room = (BASE_MAX - BASE_MIN - span.next_multiple_of(GRANULE)) / GRANULE;
    let seed = u64::from_le_bytes(digest[..8].try_into().expect("eight bytes"));
    BASE_MIN + seed % room * GRANULE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_image_lies_inside_the_area() {
        for seed in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&seed.to_le_bytes());
            for span in [1, 1 << 20, u64::from(u32::MAX)] {
                let base = preferred_base(&digest, span);
                assert!(base >= BASE_MIN && base + span <= BASE_MAX && base.is_multiple_of(GRANULE));
            }
        }
    }
}
