//! Tables that are filled while a process runs. Large ones are of pages that cost nothing until they are touched.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// One pointer per number, null at first. What is entered stays for ever.
///
/// The GIL orders the accesses; atomics only make the table shareable.
#[derive(Debug)]
pub struct Pointers<T>(&'static [AtomicUsize], std::marker::PhantomData<AtomicPtr<T>>);

impl<T> Pointers<T> {
    /// A table for numbers below `len`.
    pub fn new(len: usize) -> Self {
        Pointers(zeros(len), std::marker::PhantomData)
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
pub type Bytes = Numbers<AtomicU8>;

/// One 32-bit number per number, zero at first.
pub type Words = Numbers<AtomicU32>;

/// One number per number, zero at first.
#[derive(Debug)]
pub struct Numbers<A: 'static>(&'static [A]);

impl<A: Atomic> Numbers<A> {
    /// A table for numbers below `len`.
    pub fn new(len: usize) -> Self {
        Numbers(zeros(len))
    }

    /// The entry; `None` beyond the table.
    pub fn get(&self, number: u32) -> Option<A::Plain> {
        Some(self.0.get(number as usize)?.load())
    }

    /// Writes an entry; a number beyond the table is ignored.
    pub fn set(&self, number: u32, value: A::Plain) {
        if let Some(entry) = self.0.get(number as usize) {
            entry.store(value);
        }
    }
}

/// An atomic number.
///
/// # Safety
///
/// It has the size, alignment and bit validity of the plain number.
pub unsafe trait Atomic {
    /// The plain number.
    type Plain: Clone + Default;
    /// Reads it.
    fn load(&self) -> Self::Plain;
    /// Writes it.
    fn store(&self, value: Self::Plain);
}

macro_rules! atomic {
    ($($atomic:ty: $plain:ty),*) => {$(
        // SAFETY: so the standard library promises, on 64-bit targets for all of them.
        unsafe impl Atomic for $atomic {
            type Plain = $plain;
            fn load(&self) -> $plain {
                <$atomic>::load(self, Ordering::Relaxed)
            }
            fn store(&self, value: $plain) {
                <$atomic>::store(self, value, Ordering::Relaxed);
            }
        }
    )*};
}

atomic!(AtomicU8: u8, AtomicU32: u32, AtomicUsize: usize);

/// Zeros for as long as the process lives, as tables of an image are used, in memory that costs nothing until it is touched.
fn zeros<A: Atomic>(len: usize) -> &'static [A] {
    /// What is smaller comes from the heap, where it shares pages with others.
    const SMALL: usize = 4096;
    let size = len * size_of::<A>();
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    if size >= SMALL {
        // SAFETY: new pages; nobody unmaps them.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
        if start != libc::MAP_FAILED {
            // SAFETY: `size` bytes that nobody else has, all of them zero, which is a number, as the trait promises.
            return unsafe { std::slice::from_raw_parts(start.cast(), len) };
        }
    }
    let zeros: Box<[A::Plain]> = vec![A::Plain::default(); len].into_boxed_slice();
    // SAFETY: as the trait promises.
    unsafe { &*(Box::leak(zeros) as *const [A::Plain] as *const [A]) }
}
