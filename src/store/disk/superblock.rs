//! The first two pages of a store: whose it is and how it is laid out.
//!
//! ```text
//!  0 magic 8 | 8 version 4 | 12 zero 4 | 16 store 8 | 24 secret 8 | 32 epoch 8
//! 40 size 8 | 48 segment 4 | 52 segments 4 | 56 buckets 4 | 60 zero 4 | 64 area 8 | 72 start 8
//! 80 CRC32C of the above 4
//! ```
//!
//! Each opening of the store adds one to the epoch and writes the older of the two pages, so that a
//! torn write leaves the other. Generations of segments begin with the epoch: none is used twice,
//! whatever a crash made the store forget.

use std::io;

use super::device::Device;
use super::geometry::{Geometry, PAGE};
use super::numbers::{is_sealed, put, seal, u32_at, u64_at};

const MAGIC: &[u8; 8] = b"brinkdsk";
const VERSION: u32 = 1;
const SUM: usize = 80;

/// Whose a store is and how it is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Superblock {
    /// Names the store in every header. Random, so that no body can hold a header that is believed.
    pub store: u64,
    /// Spreads names over the index. Random, so that nobody can aim at one bucket.
    pub secret: u64,
    /// How often the store was opened.
    pub epoch: u64,
    /// Where everything lies.
    pub geometry: Geometry,
}

impl Superblock {
    /// Of a store that is formatted anew.
    pub(super) fn new(geometry: Geometry) -> Superblock {
        let random = || fastrand::u64(1..);
        Superblock { store: random(), secret: random(), epoch: 0, geometry }
    }

    /// The newer good one of a device's two, if there is any.
    pub(super) fn load(device: &dyn Device) -> io::Result<Option<Superblock>> {
        let mut pages = vec![0; 2 * PAGE];
        device.read_at(0, &mut pages)?;
        let found = pages.chunks(PAGE).filter_map(Superblock::decode);
        Ok(found.max_by_key(|it| it.epoch))
    }

    /// Counts one more opening and makes that durable.
    pub(super) fn open(&mut self, device: &dyn Device) -> io::Result<()> {
        if self.epoch == 0 {
            device.write_at(0, &self.encode())?;
        }
        self.epoch += 1;
        device.write_at((self.epoch & 1) * PAGE as u64, &self.encode())?;
        device.sync()
    }

    fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        let geometry = &self.geometry;
        put(&mut page, 0, MAGIC);
        put(&mut page, 8, &VERSION.to_le_bytes());
        put(&mut page, 16, &self.store.to_le_bytes());
        put(&mut page, 24, &self.secret.to_le_bytes());
        put(&mut page, 32, &self.epoch.to_le_bytes());
        put(&mut page, 40, &geometry.size.to_le_bytes());
        put(&mut page, 48, &geometry.segment.to_le_bytes());
        put(&mut page, 52, &geometry.segments.to_le_bytes());
        put(&mut page, 56, &geometry.buckets.to_le_bytes());
        put(&mut page, 64, &geometry.area.to_le_bytes());
        put(&mut page, 72, &geometry.start.to_le_bytes());
        seal(&mut page, SUM);
        page
    }

    fn decode(page: &[u8]) -> Option<Superblock> {
        if !page.starts_with(MAGIC) || u32_at(page, 8) != VERSION || !is_sealed(page, SUM) {
            return None;
        }
        let geometry = Geometry {
            size: u64_at(page, 40),
            segment: u32_at(page, 48),
            segments: u32_at(page, 52),
            buckets: u32_at(page, 56),
            area: u64_at(page, 64),
            start: u64_at(page, 72),
        };
        let (store, secret) = (u64_at(page, 16), u64_at(page, 24));
        let epoch = u64_at(page, 32);
        geometry.is_sound().then_some(Superblock { store, secret, epoch, geometry })
    }
}
