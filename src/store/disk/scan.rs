//! Finds the records of a segment that has no footer: it was being written when the node ended.

use std::io;

use super::device::Device;
use super::footer::Entry;
use super::geometry::{PAGE, SECTOR};
use super::record::{Header, LONGEST, span};
use super::segment::Life;
use super::superblock::Superblock;

/// Bytes that are read at once.
const WINDOW: u32 = 64 << 10;

/// What was found.
#[derive(Debug)]
pub(super) struct Scanned {
    pub entries: Vec<Entry>,
    /// Where the last record ends.
    pub end: u32,
}

/// Finds the records of one life of a segment by their headers. The payloads are not looked at:
/// every read does that. Where there is no record, each sector is tried, up to the end of the segment:
/// a power failure may have lost something in the middle, and a record that stayed behind the
/// place where writing goes on would later be taken for a newer one.
pub(super) fn scan(
    device: &dyn Device,
    superblock: &Superblock,
    life: Life,
) -> io::Result<Scanned> {
    let geometry = &superblock.geometry;
    let base = geometry.base(life.number);
    let mut found = Scanned { entries: Vec::new(), end: PAGE as u32 };
    let mut window = Vec::new();
    let (mut begin, mut at) = (0, PAGE as u32);
    while at < geometry.segment {
        // A header must lie in the window as a whole, unless the segment ends.
        let needed = (at + LONGEST as u32).min(geometry.segment);
        if at < begin || needed > begin + window.len() as u32 {
            begin = at;
            window.resize(WINDOW.min(geometry.segment - at) as usize, 0);
            device.read_at(base + u64::from(at), &mut window)?;
        }
        let bytes = window.get((at - begin) as usize..).unwrap_or_default();
        let header = Header::decode(bytes, superblock.store).filter(|header| {
            header.generation == life.generation
                && header.offset == at
                && span(header.length) <= geometry.segment - at
        });
        match header {
            Some(header) => {
                at += span(header.length);
                found.end = at;
                found.entries.push(Entry::of(&header));
            }
            None => at += SECTOR as u32,
        }
    }
    Ok(found)
}
