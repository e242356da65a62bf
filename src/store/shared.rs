//! Values that several use at the same time, found by a number for as long as somebody has them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Values that are alive, by their numbers.
#[derive(Debug)]
pub(super) struct Shared<T>(Mutex<HashMap<u64, Weak<T>, RandomState>>);

impl<T> Shared<T> {
    /// The one that somebody has, or a new one.
    pub(super) fn get_or(&self, number: u64, new: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let mut values = self.0.lock();
        if let Some(value) = values.get(&number).and_then(Weak::upgrade) {
            return value;
        }
        if values.len() == values.capacity() {
            values.retain(|_, value| value.strong_count() > 0);
        }
        let value = new();
        values.insert(number, Arc::downgrade(&value));
        value
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared(Mutex::default())
    }
}
