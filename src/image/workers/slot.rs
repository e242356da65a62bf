//! The memory that a worker and the node share: one file without a name, mapped once by both.
//!
//! Mapping it once and keeping it is what makes 5 MB cost a third of a millisecond; a fresh file for
//! each job would cost ten times that in page faults. Its size is sealed, so that neither side can
//! pull pages from under the other. Both copy out before they look: what lies here may change at any
//! moment if the other side is hostile.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

/// Bytes whose pages stay after a job; what a larger job used beyond goes back to the machine.
pub(super) const KEPT: usize = 8 << 20;

/// A stretch of shared memory.
pub(super) struct Slot {
    file: Arc<File>,
    memory: MmapRegion,
}

impl Slot {
    /// A slot of `len` bytes, none of which takes up memory yet.
    pub(super) fn create(len: usize) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("brink-image", flags)?);
        file.set_len(len as u64)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Slot::map(file, len)
    }

    /// The slot that the other side made.
    pub(super) fn open(file: OwnedFd, len: usize) -> io::Result<Self> {
        Slot::map(File::from(file), len)
    }

    fn map(file: File, len: usize) -> io::Result<Self> {
        let file = Arc::new(file);
        let place = FileOffset::from_arc(Arc::clone(&file), 0);
        let memory = MmapRegion::from_file(place, len).map_err(io::Error::other)?;
        Ok(Slot { file, memory })
    }

    /// The file, for the other side.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Copies `parts` in, one after the other from the beginning.
    ///
    /// # Errors
    /// They do not fit.
    pub(super) fn write<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
        let mut offset = 0;
        for part in parts {
            let place = self.memory.get_slice(offset, part.len()).map_err(io::Error::other)?;
            place.copy_from(part);
            offset += part.len();
        }
        Ok(())
    }

    /// Copies out what lies from `offset` on, until `target` is full.
    ///
    /// # Errors
    /// There is not so much.
    pub(super) fn read(&self, offset: usize, target: &mut [u8]) -> io::Result<()> {
        let place = self.memory.get_slice(offset, target.len()).map_err(io::Error::other)?;
        place.copy_to(target);
        Ok(())
    }

    /// Gives pages back after a job that used the first `used` bytes.
    pub(super) fn trim(&self, used: usize) -> io::Result<()> {
        if used <= KEPT {
            return Ok(());
        }
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.file, mode, KEPT as u64, (used - KEPT) as u64)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_one_side_writes_the_other_reads() {
        let here = Slot::create(1 << 20).unwrap();
        let there = Slot::open(here.file().try_clone_to_owned().unwrap(), 1 << 20).unwrap();
        here.write([b"order".as_slice(), b"", b"image"]).unwrap();
        let mut copy = [0; 10];
        there.read(0, &mut copy).unwrap();
        assert_eq!(&copy, b"orderimage");
        there.write([b"answer".as_slice()]).unwrap();
        let mut copy = [0; 4];
        here.read(2, &mut copy).unwrap();
        assert_eq!(&copy, b"swer");
    }

    #[test]
    fn nothing_reaches_past_the_end() {
        let slot = Slot::create(4096).unwrap();
        assert!(slot.write([vec![1; 4096].as_slice()]).is_ok());
        assert!(slot.write([vec![1; 4096].as_slice(), b"x"]).is_err());
        assert!(slot.read(4090, &mut [0; 7]).is_err());
        assert!(slot.read(usize::MAX, &mut [0; 7]).is_err());
        assert!(slot.file.set_len(1).is_err(), "its size is sealed");
        assert!(slot.file.set_len(8192).is_err(), "its size is sealed");
    }

    #[test]
    fn a_large_job_leaves_no_more_than_is_kept() {
        let slot = Slot::create(4 * KEPT).unwrap();
        let held = || slot.file.metadata().unwrap().blocks() * 512;
        slot.write([vec![1; 3 * KEPT].as_slice()]).unwrap();
        assert_eq!(held(), 3 * KEPT as u64);
        slot.trim(3 * KEPT).unwrap();
        assert_eq!(held(), KEPT as u64);
    }
}
