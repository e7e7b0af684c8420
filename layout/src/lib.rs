//! Facts that the builder and the loader share: how CPython lays objects out, and how an image is laid out.
//!
//! No I/O, no Python, no `unsafe`: a version of CPython is a row of data in [`cpython`], and every
//! constant of the on-disk format is defined once in [`format`].

pub mod cpython;
pub mod format;
