//! What the store counts.

use crate::count::Counter;

/// What the store has done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Responses stored, whole or in part.
    pub stored: Counter,
    /// Their bytes, metadata included.
    pub stored_bytes: Counter,
    /// Metadata replaced after a 304.
    pub updated: Counter,
    /// URLs removed by order.
    pub removed: Counter,
    /// URLs that went for lack of room.
    pub evicted: Counter,
    /// URLs that left the window and were offered to moka.
    pub offered: Counter,
    /// Variants that went since their URL had too many.
    pub variants_dropped: Counter,
    /// Reservations that failed even after evicting.
    pub no_room: Counter,
    /// URLs brought up from disk.
    pub brought: Counter,
    /// Bodies too large for memory that went to disk as they came.
    pub spilled: Counter,
    /// Bodies that were too large to keep, known at the start or found out on the way.
    pub outgrown: Counter,
    /// Bodies that were cut.
    pub cut: Counter,
    /// Readers cut since they held up a stream.
    pub stalled: Counter,
    /// URLs marked as uncacheable.
    pub marked: Counter,
}

/// The counters of the process's store.
pub static COUNTERS: Counters = Counters {
    stored: Counter::new(),
    stored_bytes: Counter::new(),
    updated: Counter::new(),
    removed: Counter::new(),
    evicted: Counter::new(),
    offered: Counter::new(),
    variants_dropped: Counter::new(),
    no_room: Counter::new(),
    brought: Counter::new(),
    spilled: Counter::new(),
    outgrown: Counter::new(),
    cut: Counter::new(),
    stalled: Counter::new(),
    marked: Counter::new(),
};
