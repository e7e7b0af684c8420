//! The same with the wide registers of x86-64: eight words at a time, or four.

use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::{BLOCK, TextWords, WINDOWS, Window, one_by_one};

/// A way to move words and to put strings; how many words it changed.
pub(super) type Way = unsafe fn(&[Window; WINDOWS], &TextWords<'_>, &mut [u64]) -> u64;

/// The same way for words of which none stands for a string, and for others.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    without: Way,
    with: Way,
}

impl Ways {
    /// The one for these strings.
    pub(super) fn of(self, texts: &TextWords<'_>) -> Way {
        if texts.addresses.is_empty() { self.without } else { self.with }
    }
}

/// The ways that this processor has, the best one first.
pub(super) fn ways() -> impl Iterator<Item = Ways> {
    let Features { count, avx2, avx512 } = Features::of_processor();
    [
        (avx512, Ways { without: eight::<false>, with: eight::<true> }),
        (avx2, Ways { without: four::<false>, with: four::<true> }),
    ]
    .into_iter()
    .filter(move |(is_there, _)| count && *is_there)
    .map(|(_, ways)| ways)
}

/// `None` where the processor has no such registers.
pub(super) fn apply(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> Option<u64> {
    static BEST: OnceLock<Option<Ways>> = OnceLock::new();
    let way = (*BEST.get_or_init(|| ways().next()))?.of(texts);
    // SAFETY: the processor has what the function needs.
    Some(unsafe { way(windows, texts, words) })
}

/// What processor and system have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Features {
    count: bool,
    avx2: bool,
    avx512: bool,
}

impl Features {
    fn of_processor() -> Features {
        Features::known_to_libc().unwrap_or_else(Features::asked_of_processor)
    }

    /// In a virtual machine each question may take longer than to prepare a module.
    fn asked_of_processor() -> Features {
        Features {
            count: is_x86_feature_detected!("popcnt"),
            avx2: is_x86_feature_detected!("avx2"),
            avx512: is_x86_feature_detected!("avx512f"),
        }
    }

    /// What the dynamic linker of glibc 2.33 and later has found out (`sys/platform/x86.h`).
    fn known_to_libc() -> Option<Features> {
        /// `struct cpuid_feature`: EAX, EBX, ECX and EDX, and what of them the system lets programs use.
        #[repr(C)]
        struct Leaf {
            cpuid: [u32; 4],
            active: [u32; 4],
        }
        type Function = unsafe extern "C" fn(u32) -> *const Leaf;
        const EBX: usize = 1;
        const ECX: usize = 2;
        // SAFETY: a name is looked up.
        let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__x86_get_cpuid_feature_leaf".as_ptr()) };
        if function.is_null() {
            return None;
        }
        // SAFETY: the function of this name.
        let function = unsafe { std::mem::transmute::<*mut libc::c_void, Function>(function) };
        // SAFETY: it takes every number, and what it gives lives for ever.
        let leaf = |number| unsafe { function(number).as_ref() };
        // `CPUID_INDEX_1` and `CPUID_INDEX_7`.
        let (first, seventh) = (leaf(0)?, leaf(1)?);
        let has = |word: u32, bit: u32| word >> bit & 1 == 1;
        Some(Features {
            count: has(first.active[ECX], 23),
            avx2: has(seventh.active[EBX], 5),
            avx512: has(seventh.active[EBX], 16),
        })
    }
}

/// AVX-512. No gather: it takes very long where its leaks of data (CVE-2022-40982) are closed by microcode.
#[target_feature(enable = "avx512f,popcnt")]
fn eight<const TEXTS: bool>(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> u64 {
    const LANES: usize = 8;
    let (words, rest) = words.split_at_mut(words.len() / LANES * LANES);
    let mut found = one_by_one::<LANES>(windows, texts, rest);
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
            let is_text = if TEXTS { _mm512_cmplt_epu64_mask(_mm512_sub_epi64(before, start), size) } else { 0 };
            let (mut after, mut moved) = (before, 0);
            for (start, size, distance) in windows {
                let inside = _mm512_mask_cmplt_epu64_mask(!is_text, _mm512_sub_epi64(before, start), size);
                after = _mm512_mask_add_epi64(after, inside, after, distance);
                moved |= inside;
            }
            // SAFETY: the same words.
            unsafe { _mm512_storeu_si512(address, after) };
            if TEXTS {
                let numbers = _mm512_cvtepi64_epi32(_mm512_maskz_compress_epi64(is_text, places));
                // SAFETY: at most as many numbers were queued as words were looked at before: there is room for those of these.
                unsafe { _mm256_storeu_si256(queue.as_mut_ptr().add(queued).cast(), numbers) };
                queued += is_text.count_ones() as usize;
                places = _mm512_add_epi64(places, _mm512_set1_epi64(LANES as i64));
            }
            found += u64::from(moved.count_ones());
        }
        if TEXTS {
            texts.put(block, &queue[..queued]);
            found += queued as u64;
        }
    }
    found
}

/// AVX2.
#[target_feature(enable = "avx2,popcnt")]
fn four<const TEXTS: bool>(windows: &[Window; WINDOWS], texts: &TextWords<'_>, words: &mut [u64]) -> u64 {
    const LANES: usize = 4;
    let (words, rest) = words.split_at_mut(words.len() / LANES * LANES);
    let mut found = one_by_one::<LANES>(windows, texts, rest);
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
            let is_text = if TEXTS { inside(before, start, size) } else { _mm256_setzero_si256() };
            let (mut distances, mut moved) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for (start, size, distance) in windows {
                let inside = inside(before, start, size);
                distances = _mm256_or_si256(distances, _mm256_and_si256(inside, distance));
                moved = _mm256_or_si256(moved, inside);
            }
            if TEXTS {
                (distances, moved) = (_mm256_andnot_si256(is_text, distances), _mm256_andnot_si256(is_text, moved));
            }
            // SAFETY: the same words.
            unsafe { _mm256_storeu_si256(address, _mm256_add_epi64(before, distances)) };
            if TEXTS {
                let text_bits = mask(is_text);
                // SAFETY: a row for each mask; and at most as many numbers were queued as words were looked at before: there is room
                // for those of these.
                unsafe {
                    let numbers = _mm_add_epi32(_mm_loadu_si128(SET_BITS[text_bits].as_ptr().cast()), places);
                    _mm_storeu_si128(queue.as_mut_ptr().add(queued).cast(), numbers);
                }
                queued += text_bits.count_ones() as usize;
                places = _mm_add_epi32(places, _mm_set1_epi32(LANES as i32));
            }
            found += u64::from(mask(moved).count_ones());
        }
        if TEXTS {
            texts.put(block, &queue[..queued]);
            found += queued as u64;
        }
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

#[cfg(test)]
mod tests {
    use super::Features;

    #[test]
    fn the_c_library_knows_what_the_processor_says() {
        let asked = Features::asked_of_processor();
        assert_eq!(Features::known_to_libc().unwrap_or(asked), asked);
    }
}
