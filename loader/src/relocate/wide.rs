//! The same with the wide registers of x86-64: eight words at a time, or four.

use std::arch::x86_64::*;

use super::{BLOCK, TextWords, WINDOWS, Window, one_by_one};

/// A way to move words and to put strings; how many words it changed.
pub(super) type Way = unsafe fn(&[Window; WINDOWS], &TextWords<'_>, &mut [u64]) -> u64;

/// The ways that this processor has, the best one first.
pub(super) fn ways() -> impl Iterator<Item = Way> {
    let has_count = is_x86_feature_detected!("popcnt");
    let eight: (bool, Way) = (has_count && is_x86_feature_detected!("avx512f"), eight);
    let four: (bool, Way) = (has_count && is_x86_feature_detected!("avx2"), four);
    [eight, four].into_iter().filter(|(is_there, _)| *is_there).map(|(_, way)| way)
}

/// `None` where the processor has no such registers.
pub(super) fn apply(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> Option<u64> {
    let way = ways().next()?;
    // SAFETY: the processor has what the function needs.
    Some(unsafe { way(windows, texts, words) })
}

/// AVX-512. No gather: it takes very long where its leaks of data (CVE-2022-40982) are closed by microcode.
#[target_feature(enable = "avx512f,popcnt")]
fn eight(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> u64 {
    const LANES: usize = 8;
    let (words, rest) = words.split_at_mut(words.len() / LANES * LANES);
    let mut found = one_by_one(windows, texts, rest);
    let all = |word: u64| _mm512_set1_epi64(word as i64);
    let windows = windows.map(|window| (all(window.start), all(window.size), all(window.distance)));
    let (start, size) = (all(texts.start), all(texts.size()));
    let mut queue = [0_u32; BLOCK];
    for block in words.chunks_mut(BLOCK) {
        let (mut queued, mut places) = (0, _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
        for eight in block.chunks_exact_mut(LANES) {
            let address = eight.as_mut_ptr().cast::<__m512i>();
            // SAFETY: eight words.
            let before = unsafe { _mm512_loadu_si512(address) };
            let is_text = _mm512_cmplt_epu64_mask(_mm512_sub_epi64(before, start), size);
            let (mut after, mut moved) = (before, 0);
            for (start, size, distance) in windows {
                let inside = _mm512_cmplt_epu64_mask(_mm512_sub_epi64(before, start), size) & !is_text;
                after = _mm512_mask_add_epi64(after, inside, after, distance);
                moved |= inside;
            }
            let numbers = _mm512_cvtepi64_epi32(_mm512_maskz_compress_epi64(is_text, places));
            // SAFETY: the same words; and at most as many numbers were queued as words were looked at before, so that there is
            // room for those of these.
            unsafe {
                _mm512_storeu_si512(address, after);
                _mm256_storeu_si256(queue.as_mut_ptr().add(queued).cast(), numbers);
            }
            queued += is_text.count_ones() as usize;
            places = _mm512_add_epi64(places, _mm512_set1_epi64(LANES as i64));
            found += u64::from(moved.count_ones());
        }
        texts.put(block, &queue[..queued]);
        found += queued as u64;
    }
    found
}

/// AVX2.
#[target_feature(enable = "avx2,popcnt")]
fn four(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> u64 {
    const LANES: usize = 4;
    let (words, rest) = words.split_at_mut(words.len() / LANES * LANES);
    let mut found = one_by_one(windows, texts, rest);
    let all = |word: u64| _mm256_set1_epi64x(word as i64);
    // There are only signed comparisons: both sides are moved by half of all numbers.
    let half = all(1 << 63);
    let all_from_half = |word: u64| all(word ^ 1 << 63);
    let windows = windows.map(|window| (all(window.start), all_from_half(window.size), all(window.distance)));
    let (start, size) = (all(texts.start), all_from_half(texts.size()));
    let inside = |word, start, size| _mm256_cmpgt_epi64(size, _mm256_xor_si256(_mm256_sub_epi64(word, start), half));
    let mask = |lanes| _mm256_movemask_pd(_mm256_castsi256_pd(lanes)) as usize;
    let mut queue = [0_u32; BLOCK];
    for block in words.chunks_mut(BLOCK) {
        let (mut queued, mut places) = (0, _mm_setzero_si128());
        for four in block.chunks_exact_mut(LANES) {
            let address = four.as_mut_ptr().cast::<__m256i>();
            // SAFETY: four words.
            let before = unsafe { _mm256_loadu_si256(address) };
            let is_text = inside(before, start, size);
            let (mut distances, mut moved) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for (start, size, distance) in windows {
                let inside = _mm256_andnot_si256(is_text, inside(before, start, size));
                distances = _mm256_or_si256(distances, _mm256_and_si256(inside, distance));
                moved = _mm256_or_si256(moved, inside);
            }
            let text_bits = mask(is_text);
            // SAFETY: the same words; a row for each mask; and at most as many numbers were queued as words were looked at before,
            // so that there is room for those of these.
            unsafe {
                _mm256_storeu_si256(address, _mm256_add_epi64(before, distances));
                let numbers = _mm_add_epi32(_mm_loadu_si128(SET_BITS[text_bits].as_ptr().cast()), places);
                _mm_storeu_si128(queue.as_mut_ptr().add(queued).cast(), numbers);
            }
            queued += text_bits.count_ones() as usize;
            places = _mm_add_epi32(places, _mm_set1_epi32(LANES as i32));
            found += u64::from(mask(moved).count_ones());
        }
        texts.put(block, &queue[..queued]);
        found += queued as u64;
    }
    found
}

/// The numbers of the bits that are set in each number, and zeros.
const SET_BITS: [[u32; 4]; 16] = {
    let mut rows = [[0; 4]; 16];
    let mut row = 0;
    while row < 16 {
        let (mut count, mut bit) = (0, 0);
        while bit < 4 {
            if row >> bit & 1 == 1 {
                rows[row][count] = bit as u32;
                count += 1;
            }
            bit += 1;
        }
        row += 1;
    }
    rows
};
