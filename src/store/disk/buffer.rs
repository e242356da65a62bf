//! Buffers that reads are made into, used again and again: to zero a new one, and to have its pages
//! mapped, costs as much as the read itself.

use std::cell::RefCell;
use std::ops::{Deref, Range};

use bytes::Bytes;

use super::geometry::SECTOR;

/// Bytes of a buffer: the longest piece that is read at a time, and the header before it.
const LENGTH: usize = super::PIECE + SECTOR;

/// Buffers that a thread keeps.
const KEPT: usize = 8;

/// Up to so many bytes are copied out, so that whoever has them for long pins no more than that.
const COPIED: usize = super::PIECE / 4;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Some bytes; goes back to the thread that drops it.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// A buffer of so many bytes, which may be anything.
    pub(super) fn new(length: usize) -> Buffer {
        if length > LENGTH {
            return Buffer { bytes: vec![0; length], length };
        }
        let free = FREE.with_borrow_mut(Vec::pop);
        Buffer { bytes: free.unwrap_or_else(|| vec![0; LENGTH]), length }
    }

    /// All of it, to be filled.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    /// A part of it, to be kept.
    pub(super) fn keep(self, range: Range<usize>) -> Bytes {
        match self.get(range.clone()) {
            Some(part) if part.len() <= COPIED => Bytes::copy_from_slice(part),
            _ => Bytes::from_owner(self).slice(range),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        // A thread that ends has no list any more.
        FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if bytes.len() == LENGTH && free.len() < KEPT {
                free.push(bytes);
            }
        })
        .ok();
    }
}
