//! A store opened to be looked at: nothing is written and no lock is taken, so that it works beside
//! the node that uses the store, or without one.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::device::{Device, FILE, Opener, Plain};
use super::list::Listed;
use super::name::Name;
use super::recover;
use super::superblock::Superblock;
use super::volume::Volume;

/// The store of one directory. Of one that a node is using it shows what is in the file when it is
/// opened; what is written anew meanwhile may look damaged.
pub struct Look {
    volume: Arc<Volume>,
}

/// How large a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of its file.
    pub size: u64,
    /// Bytes of a segment.
    pub segment: u32,
    /// How many segments there are.
    pub segments: u32,
    /// How often it was opened.
    pub epoch: u64,
}

impl Look {
    /// Opens the store in the directory `path`.
    ///
    /// # Errors
    /// One sentence: there is no store, none that this program can read, or it cannot be read.
    pub fn open(path: &Path) -> Result<Look, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.join(FILE).display());
        let device = ReadOnly.open(path, 0).map_err(failed)?;
        let known = Superblock::load(&*device).map_err(failed)?;
        let superblock = known.ok_or_else(|| {
            let file = path.join(FILE);
            format!("{} holds no store that this program can read", file.display())
        })?;
        // The size is what the store was formatted for, and the average shapes only a new one.
        let size = superblock.geometry.size;
        let (volume, _) = recover::open(path, size, 64 << 10, &ReadOnly).map_err(failed)?;
        Ok(Look { volume })
    }

    /// Whether there is such a record.
    pub fn has(&self, name: Name) -> bool {
        self.volume.slots.find(name).is_some()
    }

    /// Shows `visit` every live record in the order of the segments, until it says false.
    pub fn records(&self, visit: &mut dyn FnMut(Listed<'_>) -> bool) {
        self.volume.list(visit);
    }

    /// How large the store is.
    pub fn extent(&self) -> Extent {
        let geometry = self.volume.geometry();
        Extent {
            size: geometry.size,
            segment: geometry.segment,
            segments: geometry.segments,
            // Looking counts as an opening in memory, but not in the file.
            epoch: self.volume.superblock.epoch - 1,
        }
    }
}

/// Opens files that nothing is written to.
struct ReadOnly;

impl Opener for ReadOnly {
    fn open(&self, path: &Path, _: u64) -> io::Result<Arc<dyn Device>> {
        let file = File::open(path.join(FILE))?;
        let size = file.metadata()?.len();
        Ok(Arc::new(Untouched(Plain::new(file, size))))
    }
}

/// A device whose writes go nowhere.
struct Untouched(Plain);

impl Device for Untouched {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        self.0.read_now(offset, buffer)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> u64 {
        self.0.len()
    }
}
