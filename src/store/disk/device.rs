//! What a disk is to the store: an array of bytes that can fail. The real one is a file.
//!
//! Reads and writes go through the page cache. `O_DIRECT` would spare a copy on writes, but hot
//! objects are then read from the disk again and again unless the store keeps a cache of its own,
//! and the memory tier is that already: what the page cache holds beyond it is a gift.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// An array of bytes that can fail. Tests have one that tears, loses and misplaces what it is given.
#[allow(clippy::len_without_is_empty)]
pub trait Device: Send + Sync {
    /// Fills `buffer` with the bytes at `offset`. A device that ends before is an error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// The same without waiting for a disk; false when it would have to wait.
    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes durable what was written.
    fn sync(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> u64;
}

/// Opens devices, so that a sick disk can be opened again.
pub trait Opener: Send + Sync {
    /// The device of the directory `path`, made `size` bytes long if it is not there yet.
    fn open(&self, path: &Path, size: u64) -> io::Result<Arc<dyn Device>>;
}

/// The file of a directory that is the device.
pub(super) const FILE: &str = "brink.store";

/// Opens the file `brink.store` of each directory.
#[derive(Debug)]
pub struct Files;

impl Opener for Files {
    fn open(&self, path: &Path, size: u64) -> io::Result<Arc<dyn Device>> {
        let name = path.join(FILE);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(name)?;
        let length = file.metadata()?.len();
        if length > size {
            file.set_len(size)?;
        } else if length < size {
            // Room that is reserved cannot be missing later. A file system that cannot do this
            // gives a sparse file, and may report a full disk in the middle of the work.
            match fallocate(&file, FallocateFlags::empty(), 0, size) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => file.set_len(size)?,
                other => other?,
            }
        }
        Ok(Arc::new(Plain::new(file, size)))
    }
}

/// A file.
pub(super) struct Plain {
    file: File,
    size: u64,
}

impl Plain {
    /// A file of `size` bytes.
    pub(super) fn new(file: File, size: u64) -> Plain {
        Plain { file, size }
    }
}

impl Device for Plain {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let whole = buffer.len();
        let flags = ReadWriteFlags::NOWAIT;
        match preadv2(&self.file, &mut [IoSliceMut::new(buffer)], offset, flags) {
            // Part of it is cached: the rest must be waited for, elsewhere.
            Ok(count) => Ok(count == whole),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> u64 {
        self.size
    }
}

/// Takes the lock of a disk's directory; an error of kind `WouldBlock` says that another node has
/// it. The lock is held until the file is closed, so a killed node leaves none behind.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let name = path.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name);
    // A disk that was remounted read-only can still be locked.
    let file = open.or_else(|error| File::open(&name).map_err(|_| error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}
