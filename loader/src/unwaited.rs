//! Locks that nobody waits for.

use std::sync::{Mutex, TryLockError};

/// Does something with what is locked, `None` if somebody else does: a child of a fork may find it locked for ever.
pub fn if_free<T, R>(mutex: &Mutex<T>, body: impl FnOnce(&mut T) -> R) -> Option<R> {
    match mutex.try_lock() {
        Ok(mut locked) => Some(body(&mut locked)),
        Err(TryLockError::Poisoned(poisoned)) => Some(body(&mut poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    }
}
