//! Tables that are filled while a process runs, of memory that costs nothing until it is touched.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// One pointer per number, null at first. What is entered stays for ever.
///
/// The GIL orders the accesses; atomics only make the table shareable.
#[derive(Debug)]
pub struct Pointers<T>(Box<[AtomicUsize]>, std::marker::PhantomData<AtomicPtr<T>>);

impl<T> Pointers<T> {
    /// A table for numbers below `len`.
    pub fn new(len: usize) -> Self {
        // A vector of zeros is calloc'ed; a vector of atomics would be written.
        let zeros: Box<[usize]> = vec![0; len].into_boxed_slice();
        // SAFETY: `AtomicUsize` has the size, alignment (on 64-bit targets) and bit validity of `usize`.
        let atomics = unsafe { Box::from_raw(Box::into_raw(zeros) as *mut [AtomicUsize]) };
        Pointers(atomics, std::marker::PhantomData)
    }

    /// The entry, if there is one.
    pub fn get(&self, number: u32) -> Option<NonNull<T>> {
        NonNull::new(self.0.get(number as usize)?.load(Ordering::Acquire) as *mut T)
    }

    /// Enters a pointer; a number beyond the table is ignored.
    pub fn set(&self, number: u32, pointer: NonNull<T>) {
        if let Some(entry) = self.0.get(number as usize) {
            entry.store(pointer.as_ptr() as usize, Ordering::Release);
        }
    }
}

/// One byte per number, zero at first.
#[derive(Debug)]
pub struct Bytes(Box<[AtomicU8]>);

impl Bytes {
    /// A table for numbers below `len`.
    pub fn new(len: usize) -> Self {
        let zeros: Box<[u8]> = vec![0; len].into_boxed_slice();
        // SAFETY: `AtomicU8` has the size, alignment and bit validity of `u8`.
        Bytes(unsafe { Box::from_raw(Box::into_raw(zeros) as *mut [AtomicU8]) })
    }

    /// The entry; `None` beyond the table.
    pub fn get(&self, number: u32) -> Option<u8> {
        Some(self.0.get(number as usize)?.load(Ordering::Relaxed))
    }

    /// Writes an entry; a number beyond the table is ignored.
    pub fn set(&self, number: u32, value: u8) {
        if let Some(entry) = self.0.get(number as usize) {
            entry.store(value, Ordering::Relaxed);
        }
    }
}

/// One 32-bit number per number, zero at first.
#[derive(Debug)]
pub struct Words(Box<[AtomicU32]>);

impl Words {
    /// A table for numbers below `len`.
    pub fn new(len: usize) -> Self {
        let zeros: Box<[u32]> = vec![0; len].into_boxed_slice();
        // SAFETY: `AtomicU32` has the size, alignment and bit validity of `u32`.
        Words(unsafe { Box::from_raw(Box::into_raw(zeros) as *mut [AtomicU32]) })
    }

    /// The entry; `None` beyond the table.
    pub fn get(&self, number: u32) -> Option<u32> {
        Some(self.0.get(number as usize)?.load(Ordering::Relaxed))
    }

    /// Writes an entry; a number beyond the table is ignored.
    pub fn set(&self, number: u32, value: u32) {
        if let Some(entry) = self.0.get(number as usize) {
            entry.store(value, Ordering::Relaxed);
        }
    }
}
