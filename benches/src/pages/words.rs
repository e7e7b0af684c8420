//! The words of the file, and the loop that moves those in a window, as the loader does.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::machine::PAGE;

/// Bytes that are written at once. How a file was written decides in how large parts the system has it in memory, and so how
/// much a read maps: here as much as ever, as of an image, which `cds-build` writes in one piece.
const AT_ONCE: usize = 4 << 20;

/// Words in a page.
const WORDS: usize = PAGE / size_of::<u64>();

/// The first word of the window.
const START: u64 = 0x0900_0000_0000;

/// Words in the window.
const SIZE: u64 = 0x1000_0000;

/// What is added to them.
const DISTANCE: u64 = 0x7000;

/// Word `number` of the file: one of the window or not, in no order that a processor could guess.
fn word(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    if z & 1 == 0 { START + (z >> 1) % SIZE } else { z | 1 << 63 }
}

fn of_page(page: usize) -> impl Iterator<Item = u64> {
    (page * WORDS..(page + 1) * WORDS).map(|number| word(number as u64))
}

/// Writes a file of so many pages, onto the disk.
pub fn write(path: &Path, pages: usize) -> Result<()> {
    let written = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(AT_ONCE, File::create(path)?);
        for word in (0..pages).flat_map(of_page) {
            file.write_all(&word.to_ne_bytes())?;
        }
        // What is still being written would disturb.
        file.into_inner().map_err(|error| error.into_error())?.sync_all()
    };
    written().with_context(|| format!("cannot write `{}`", path.display()))
}

/// How many words of these pages are in the window.
pub fn in_window(first: usize, pages: usize) -> u64 {
    (first..first + pages).flat_map(of_page).map(|word| moved(word).1).sum()
}

/// The word as it has to be, and 1 if that is another one. No branches.
#[inline(always)]
fn moved(word: u64) -> (u64, u64) {
    let inside = u64::from(word.wrapping_sub(START) < SIZE);
    (word.wrapping_add(DISTANCE & inside.wrapping_neg()), inside)
}

/// Moves words; how many there were.
pub fn apply(words: &mut [u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function needs.
        return unsafe { apply_wide(words) };
    }
    apply_plainly(words)
}

/// Copies `from` to `to` with words moved; how many there were. Both are equally long.
pub fn copy(from: &[u64], to: &mut [u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function needs.
        return unsafe { copy_wide(from, to) };
    }
    copy_plainly(from, to)
}

/// Four words at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn apply_wide(words: &mut [u64]) -> u64 {
    apply_plainly(words)
}

/// Four words at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn copy_wide(from: &[u64], to: &mut [u64]) -> u64 {
    copy_plainly(from, to)
}

#[inline(always)]
fn apply_plainly(words: &mut [u64]) -> u64 {
    let one = |word: &mut u64| {
        let (moved, found) = moved(*word);
        *word = moved;
        found
    };
    words.iter_mut().map(one).sum()
}

#[inline(always)]
fn copy_plainly(from: &[u64], to: &mut [u64]) -> u64 {
    let one = |(to, from): (&mut u64, &u64)| {
        let (moved, found) = moved(*from);
        *to = moved;
        found
    };
    to.iter_mut().zip(from).map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_words_are_in_the_window_and_only_these_move() {
        let words: Vec<u64> = (0..8).flat_map(of_page).collect();
        let there = words.iter().filter(|&&word| (START..START + SIZE).contains(&word)).count();
        assert!(there.abs_diff(words.len() / 2) < words.len() / 20, "{there} of {}", words.len());
        assert_eq!(in_window(0, 8), there as u64);
        let wanted: Vec<u64> = words.iter().map(|&word| if word >> 63 == 0 { word + DISTANCE } else { word }).collect();
        let mut copied = vec![1; words.len()];
        assert_eq!((copy(&words, &mut copied), &copied), (there as u64, &wanted));
        let mut applied = words;
        assert_eq!((apply(&mut applied), applied), (there as u64, wanted));
    }

    #[test]
    fn the_ends_of_the_window() {
        let mut words = [START - 1, START, START + SIZE - 1, START + SIZE, 0, u64::MAX];
        assert_eq!(apply_plainly(&mut words), 2);
        assert_eq!(words[..3], [START - 1, START + DISTANCE, START + SIZE - 1 + DISTANCE]);
        assert_eq!(words[3..], [START + SIZE, 0, u64::MAX]);
    }
}
