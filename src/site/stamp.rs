//! Tells whether a file may have changed without reading it.

use std::hash::BuildHasher;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use foldhash::fast::FixedState;

use crate::clock::Timestamp;

/// Kernel timestamps step by some milliseconds, and our clock may be off the kernel's by a second:
/// a file that changed this short a time ago may change again under the same stamp.
const SETTLED_MS: u64 = 3000;

/// A number that differs when the file does: device, inode, size and time of change in one hash,
/// never 0. The change time is the kernel's own, which no tool sets back.
///
/// `None`: there is no such file, or at `now` it had changed too recently to tell.
pub fn of(path: &Path, now: Timestamp) -> Option<u64> {
    let data = std::fs::metadata(path).ok()?;
    let changed = data.ctime().checked_mul(1000)?.checked_add(data.ctime_nsec() / 1_000_000)?;
    let settled = u64::try_from(changed).ok()?.checked_add(SETTLED_MS)? <= now.0;
    settled.then(|| {
        let facts = (data.dev(), data.ino(), data.len(), data.ctime(), data.ctime_nsec());
        FixedState::default().hash_one(facts) | 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::time::Duration;

    #[test]
    fn a_fresh_file_has_no_stamp_yet_and_a_missing_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let now = Clock::system().now();
        let later = now.plus(Duration::from_secs(60));
        assert_eq!(of(&path, later), None);
        std::fs::write(&path, "x").unwrap();
        assert_eq!(of(&path, now), None);
        let first = of(&path, later);
        assert!(first.is_some());
        // Another file under the same name, with the same size.
        std::fs::write(folder.path().join("b"), "y").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        assert_ne!(of(&path, later), first);
    }
}
