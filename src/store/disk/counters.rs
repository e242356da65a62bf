//! What the disks have done since the start.

use crate::count::Counter;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the disks have done since the start.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)* }

        /// The counters of the process's disks.
        pub static COUNTERS: Counters = Counters { $($name: Counter::new(),)* };
    };
}

counters! {
    /// Reads that were answered.
    hits,
    /// Bytes that they gave.
    read_bytes,
    /// Reads of names that no disk has.
    absent,
    /// Reads of records that turned out damaged.
    damaged,
    /// Reads that took longer than the deadline, or had to wait behind such.
    slow,
    /// Reads of names whose disk is sick.
    sick,
    /// Reads that the disk failed.
    failed,
    /// Records written, copies made by reclaiming not counted.
    written,
    /// Their bytes as they lie on disk.
    written_bytes,
    /// Writes that the policy refused.
    refused,
    /// Writes dropped since the queue was full.
    dropped,
    /// Writes dropped since the disk was sick or full.
    unwritable,
    /// Segments emptied to be written again.
    reclaimed,
    /// Records copied while reclaiming.
    reinserted,
    /// Their bytes as they lie on disk.
    reinserted_bytes,
    /// Records that went: not asked for, expired, purged, or no slot free.
    evicted,
    /// Reads that ended in an I/O error, those of recovery included.
    read_errors,
    /// Writes and syncs that ended in an I/O error.
    write_errors,
    /// Records found by recovery.
    recovered,
    /// Stores that were formatted, new or in place of what nobody could read.
    formatted,
    /// Snapshots of the index written.
    snapshots,
    /// Times that a disk fell sick or was full.
    fell_sick,
    /// Times that a disk came back.
    healed,
    /// Records whose header was damaged or of another place, generation or name.
    mismatches,
    /// Blocks of payload that did not match their checksum.
    checksum_failures,
}
