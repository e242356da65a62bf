//! Lists what a disk holds, for whoever inspects it.

use bytes::Bytes;

use super::Kind;
use super::counters::COUNTERS;
use super::footer::Entry;
use super::name::Name;
use super::policy::Class;
use super::record::{Header, LONGEST};
use super::segment::Life;
use super::volume::Volume;

/// A record as [`Look::records`](super::Look::records) lists it.
pub struct Listed<'a> {
    /// Number of its segment.
    pub segment: u32,
    /// Generation of the segment.
    pub generation: u64,
    /// Offset in the segment.
    pub offset: u32,
    /// Class of the segment.
    pub class: Class,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// How often it was read since it was written, up to 3.
    pub frequency: u8,
    /// Bytes of the payload.
    pub length: u32,
    /// The rest of what its header says; nothing if that is damaged.
    pub head: Option<Head>,
    volume: &'a Volume,
    life: Life,
    entry: Entry,
}

/// What only the header of a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Hash of its URL.
    pub hash: u64,
    /// Number of its site.
    pub site: u32,
    /// Unix seconds after which it is useless; 0 is never.
    pub expires: u64,
    /// Number of the last purge before its bytes were asked for.
    pub fill_seq: u64,
}

impl Listed<'_> {
    /// The payload if all its checksums match. Waits for the disk; does not count as a use.
    pub fn payload(&self) -> Option<Bytes> {
        self.volume.record(self.life, &self.entry).ok().map(|(_, payload)| payload)
    }
}

impl Volume {
    /// Shows every live record, until `visit` says false.
    pub(super) fn list(&self, visit: &mut dyn FnMut(Listed<'_>) -> bool) {
        for number in 0..self.geometry().segments {
            let contents = match self.life(number) {
                Ok(Some(life)) => self.contents(life).map(|entries| (life, entries)),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            let (life, entries) = match contents {
                Ok(found) => found,
                Err(error) => {
                    COUNTERS.read_errors.bump();
                    tracing::warn!(%error, segment = number, "a segment cannot be listed");
                    continue;
                }
            };
            for entry in entries {
                let Some((slot, _)) = self.slots.find(entry.name) else { continue };
                let here = (slot.segment, slot.offset) == (number, entry.offset);
                if here && !visit(self.listed(life, entry, slot.frequency)) {
                    return;
                }
            }
        }
    }

    fn listed(&self, life: Life, entry: Entry, frequency: u8) -> Listed<'_> {
        Listed {
            segment: life.number,
            generation: life.generation,
            offset: entry.offset,
            class: life.class,
            name: entry.name,
            kind: entry.kind,
            frequency,
            length: entry.length,
            head: self.head(life, &entry),
            volume: self,
            life,
            entry,
        }
    }

    fn head(&self, life: Life, entry: &Entry) -> Option<Head> {
        let room = (self.geometry().segment - entry.offset).min(LONGEST as u32) as usize;
        let mut bytes = vec![0; room];
        let at = self.geometry().base(life.number) + u64::from(entry.offset);
        self.device.read_at(at, &mut bytes).ok()?;
        let header = Header::decode(&bytes, self.superblock.store)?;
        let same = (header.generation, header.offset, header.name)
            == (life.generation, entry.offset, entry.name);
        let Header { hash, site, expires, fill_seq, .. } = header;
        same.then_some(Head { hash, site, expires, fill_seq })
    }
}
