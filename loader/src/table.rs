//! Tables that are filled while a process runs. What they take depends on what was entered, not on how large the image is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// One pointer per number. What is entered stays for ever.
#[derive(Debug)]
pub struct Pointers<T>(Numbers<POINTED>, std::marker::PhantomData<AtomicPtr<T>>);

impl<T> Pointers<T> {
    /// Nothing entered yet.
    pub fn new() -> Self {
        const { assert!(align_of::<T>() >= ALIGN as usize) };
        Pointers(Numbers::new(), std::marker::PhantomData)
    }

    /// The entry, if there is one.
    #[inline]
    pub fn get(&self, number: u32) -> Option<NonNull<T>> {
        NonNull::new((self.0.get(number)? * ALIGN) as *mut T)
    }

    /// Enters a pointer, if there is memory for it and it is one of a usual process: who finds none makes another one.
    pub fn set(&self, number: u32, pointer: NonNull<T>) {
        let address = pointer.as_ptr() as u64;
        if address.is_multiple_of(ALIGN) {
            self.0.set(number, address / ALIGN);
        }
    }
}

/// What pointers in a table are multiples of.
const ALIGN: u64 = 8;

/// Bits of the numbers of pointers. That leaves enough for the addresses that the system gives to who does not ask for larger ones: 48 bits.
const POINTED: u32 = 19;

/// Entries of a table that nothing was entered into before.
const FIRST: usize = 64;

/// One value per number: a hash table with open addressing that grows before three quarters of it are full. Numbers have at most
/// `BITS` bits, and values what they leave of 64.
///
/// The GIL orders the accesses; atomics only make the table shareable.
#[derive(Debug)]
pub struct Numbers<const BITS: u32> {
    /// Null, or the system's memory for `size` entries, a power of two.
    entries: AtomicPtr<AtomicU64>,
    size: AtomicUsize,
    filled: AtomicUsize,
}

impl<const BITS: u32> Numbers<BITS> {
    /// The number in an entry.
    const NUMBER: u64 = {
        assert!(BITS <= 32);
        (1 << BITS) - 1
    };

    /// Nothing entered yet.
    pub fn new() -> Self {
        Numbers { entries: AtomicPtr::new(ptr::null_mut()), size: AtomicUsize::new(0), filled: AtomicUsize::new(0) }
    }

    /// The entry, if there is one.
    #[inline]
    pub fn get(&self, number: u32) -> Option<u64> {
        let found = Self::find(self.entries()?, number)?.load(Ordering::Acquire);
        if found == 0 { None } else { Some((found >> BITS) - 1) }
    }

    /// Enters a value, or another one, which takes no memory; `false` if it or its number is too large, or if there is no memory for
    /// more.
    #[must_use]
    pub fn try_set(&self, number: u32, value: u64) -> bool {
        if u64::from(number) > Self::NUMBER || value >= u64::MAX >> BITS {
            return false;
        }
        // An empty one is 0.
        let entry = (value + 1) << BITS | u64::from(number);
        let (size, filled) = (self.size.load(Ordering::Relaxed), self.filled.load(Ordering::Relaxed));
        let is_new = self.get(number).is_none();
        if is_new && (filled + 1) * 4 > size * 3 && !self.grow(size) && filled + 1 >= size {
            return false;
        }
        let Some(place) = self.entries().and_then(|entries| Self::find(entries, number)) else { return false };
        place.store(entry, Ordering::Release);
        self.filled.store(filled + usize::from(is_new), Ordering::Relaxed);
        true
    }

    /// The same, for who can do without.
    pub fn set(&self, number: u32, value: u64) {
        let _ = self.try_set(number, value);
    }

    #[inline]
    fn entries(&self) -> Option<&[AtomicU64]> {
        let entries = NonNull::new(self.entries.load(Ordering::Acquire))?;
        let size = self.size.load(Ordering::Relaxed);
        // SAFETY: so `grow` has left them; the GIL is held, so nobody replaces them meanwhile, and no method calls `grow` while it has
        // them.
        Some(unsafe { std::slice::from_raw_parts(entries.as_ptr(), size) })
    }

    /// The entry of a number, or the empty one where it would be: at least one is empty.
    #[inline]
    fn find(entries: &[AtomicU64], number: u32) -> Option<&AtomicU64> {
        let mask = entries.len() - 1;
        // Numbers come in runs: these lie far from each other.
        let mut at = number.wrapping_mul(0x9e37_79b1) as usize >> (32 - entries.len().trailing_zeros());
        loop {
            let found = entries.get(at)?;
            let word = found.load(Ordering::Relaxed);
            if word == 0 || word & Self::NUMBER == u64::from(number) {
                return Some(found);
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes room for more than there are; `false` without memory.
    #[cold]
    fn grow(&self, size: usize) -> bool {
        let more = (size * 2).max(FIRST);
        let (Ok(layout), Ok(old_layout)) = (Layout::array::<AtomicU64>(more), Layout::array::<AtomicU64>(size)) else {
            return false;
        };
        // SAFETY: a layout of more than no bytes. Not from the reserve: it can do without, and what it had would stay away for ever.
        let memory = unsafe { System.alloc_zeroed(layout) }.cast::<AtomicU64>();
        if memory.is_null() {
            return false;
        }
        // SAFETY: so many entries, all zero, which nobody else has.
        let entries = unsafe { std::slice::from_raw_parts(memory, more) };
        for word in self.entries().unwrap_or_default().iter().map(|old| old.load(Ordering::Relaxed)) {
            if word != 0
                && let Some(empty) = Self::find(entries, (word & Self::NUMBER) as u32)
            {
                empty.store(word, Ordering::Relaxed);
            }
        }
        let old = self.entries.swap(memory, Ordering::AcqRel);
        self.size.store(more, Ordering::Release);
        if !old.is_null() {
            // SAFETY: got here for so many entries; the GIL is held, so nobody else looks at it.
            unsafe { System.dealloc(old.cast(), old_layout) };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, Numbers, Pointers};
    use std::collections::BTreeSet;
    use std::ptr::NonNull;

    #[test]
    fn each_number_has_the_value_that_was_entered_last() {
        const LIMIT: u32 = 1 << 19;
        let numbers = Numbers::<19>::new();
        assert_eq!(numbers.get(0), None);
        // Far apart, side by side, and those that would have the last place of the first table: they go on at its start.
        let far = (0..3000).map(|n| n * 173 % LIMIT);
        let side = 1000..3000;
        let last = (0..LIMIT).filter(|n| n.wrapping_mul(0x9e37_79b1) >> 26 == FIRST as u32 - 1).take(FIRST / 2);
        let all: Vec<u32> = last.clone().chain(far).chain(side).chain([0, LIMIT - 1]).collect();
        for (entered, &number) in all.iter().enumerate() {
            assert!(numbers.try_set(number, u64::from(number) * 3));
            let first = last.clone().take(entered + 1);
            assert!(entered > FIRST || first.into_iter().all(|n| numbers.get(n) == Some(u64::from(n) * 3)));
        }
        let all: BTreeSet<u32> = all.into_iter().collect();
        for &number in all.iter().step_by(2) {
            assert!(numbers.try_set(number, (u64::MAX >> 19) - 1));
        }
        for (place, &number) in all.iter().enumerate() {
            let value = if place % 2 == 0 { (u64::MAX >> 19) - 1 } else { u64::from(number) * 3 };
            assert_eq!(numbers.get(number), Some(value));
        }
        assert!((0..LIMIT).filter(|number| !all.contains(number)).all(|number| numbers.get(number).is_none()));
        assert!(!numbers.try_set(LIMIT, 1) && !numbers.try_set(1, u64::MAX >> 19));
        assert_eq!((numbers.get(LIMIT), numbers.get(u32::MAX)), (None, None));
    }

    #[test]
    fn another_value_takes_no_memory() {
        let numbers = Numbers::<32>::new();
        let full = FIRST as u32 * 3 / 4;
        (0..full).for_each(|number| assert!(numbers.try_set(number, 1)));
        let entries = numbers.entries().unwrap().as_ptr();
        (0..full).for_each(|number| assert!(numbers.try_set(number, 2)));
        assert_eq!((numbers.entries().unwrap().as_ptr(), numbers.get(full - 1)), (entries, Some(2)));
        assert!(numbers.try_set(u32::MAX, 3));
        assert_eq!(numbers.entries().unwrap().len(), FIRST * 2);
        assert_eq!((numbers.get(0), numbers.get(u32::MAX)), (Some(2), Some(3)));
    }

    #[test]
    fn pointers_come_back_as_they_were() {
        let pointers = Pointers::<u64>::new();
        let values: Vec<u64> = (0..1000).collect();
        for (number, value) in (0..).zip(&values) {
            pointers.set(number, NonNull::from(value));
        }
        for (number, value) in (0..).zip(&values) {
            assert_eq!(pointers.get(number), Some(NonNull::from(value)));
        }
        assert_eq!(pointers.get(1000), None);
        // What no usual process has is not noted.
        pointers.set(1000, NonNull::new((1u64 << 60) as *mut u64).unwrap());
        assert_eq!(pointers.get(1000), None);
        // Nor is one that is no multiple of what they all are.
        pointers.set(1000, NonNull::new(0x1004 as *mut u64).unwrap());
        assert_eq!(pointers.get(1000), None);
    }
}
