//! A position in the data, moved only within its bounds.

use super::error::{MarshalError, Problem};

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, offset: 0 }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not yet consumed.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// An error at the present position.
    pub(super) fn fail(&self, problem: Problem) -> MarshalError {
        MarshalError { offset: self.offset, problem }
    }

    /// Fails if fewer than `needed` bytes are left.
    pub(super) fn expect(&self, needed: usize) -> Result<(), MarshalError> {
        let left = self.bytes.len() - self.offset;
        if left < needed { Err(self.fail(Problem::Truncated { needed, left })) } else { Ok(()) }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], MarshalError> {
        self.expect(len)?;
        let taken = &self.bytes[self.offset..self.offset + len];
        self.offset += len;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], MarshalError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, MarshalError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn i32(&mut self) -> Result<i32, MarshalError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, MarshalError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A 32-bit length or count.
    pub(super) fn length(&mut self) -> Result<usize, MarshalError> {
        let at = self.offset;
        let length = self.i32()?;
        usize::try_from(length).map_err(|_| MarshalError { offset: at, problem: Problem::Length(length) })
    }
}
