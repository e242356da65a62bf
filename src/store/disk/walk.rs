//! A walk past the records of all URLs, for whoever wants to see each once and has time: segment by
//! segment, in short stretches on the threads that read, when no request waits for them. It does not
//! count as a use, and forgets nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::drive::Disk;
use super::footer::Entry;
use super::read::Miss;
use super::segment::Life;
use super::slot::Slot;
use super::volume::Volume;
use super::{Disks, Kind, Name};

/// How long one stretch may keep a thread.
const STRETCH: Duration = Duration::from_millis(10);
/// How long it makes way for requests at a time, and how often before it goes on all the same.
const WAY: Duration = Duration::from_millis(10);
const WAYS: u32 = 50;
/// How often a stretch is tried on a disk that does not answer in time.
const TRIES: u32 = 5;

/// Says of which sites, by their numbers, records are wanted.
pub type Wanted = Arc<dyn Fn(u32) -> bool + Send + Sync>;

/// Where a walk stands.
pub struct Walk {
    disks: Arc<Disks>,
    wanted: Wanted,
    disk: usize,
    place: Place,
    /// About how many URLs each disk had at the start.
    totals: Vec<u64>,
    /// Those passed on this disk, and on all.
    here: u64,
    looked: u64,
    missed: u64,
}

/// What one stretch came to.
#[derive(Debug, Default)]
pub struct Step {
    /// Payloads of URLs' records, verified.
    pub pages: Vec<Bytes>,
}

/// A place on a disk.
#[derive(Clone)]
enum Place {
    /// Before the records that are not in the file yet.
    Start,
    /// Before a segment; the names are of those that were not in the file.
    Before(u32, Arc<Known>),
    /// In a segment, before the entry of that number.
    In(Life, Arc<[Entry]>, usize, Arc<Known>),
    End,
}

type Known = HashSet<Name, RandomState>;

/// What was found on a stretch, and where it ended.
struct Stretch {
    step: Step,
    place: Place,
    looked: u64,
    missed: u64,
}

impl Disks {
    /// A walk past all records of URLs of the sites that are wanted.
    pub fn walk(self: &Arc<Self>, wanted: Wanted) -> Walk {
        let urls = |disk: &Arc<Disk>| disk.readable().map_or(0, |volume| volume.slots.urls());
        let totals = self.disks.iter().map(urls).collect();
        let (disks, place) = (self.clone(), Place::Start);
        Walk { disks, wanted, disk: 0, place, totals, here: 0, looked: 0, missed: 0 }
    }
}

impl Walk {
    /// The next stretch; nothing at the end. Needs a tokio runtime with time.
    pub async fn step(&mut self) -> Option<Step> {
        let disk = self.disks.disks.get(self.disk)?.clone();
        for _ in 0..WAYS {
            if !disk.pool.is_busy() {
                break;
            }
            tokio::time::sleep(WAY).await;
        }
        for _ in 0..TRIES {
            let (reading, place, wanted) = (disk.clone(), self.place.clone(), self.wanted.clone());
            let Some(volume) = disk.readable() else { break };
            let job = move || reading.stretch(&volume, place, &*wanted);
            if let Some(stretch) = disk.pool.run(disk.deadline, job).await {
                self.here += stretch.looked;
                self.looked += stretch.looked;
                self.missed += stretch.missed;
                self.place = stretch.place;
                if matches!(self.place, Place::End) {
                    self.next_disk();
                }
                return Some(stretch.step);
            }
            tokio::time::sleep(disk.deadline).await;
        }
        // Nothing is asked of a disk that is sick.
        let had = self.totals.get(self.disk).copied().unwrap_or_default();
        self.missed += had.saturating_sub(self.here);
        self.next_disk();
        Some(Step::default())
    }

    fn next_disk(&mut self) {
        (self.disk, self.place, self.here) = (self.disk + 1, Place::Start, 0);
    }

    /// About how many URLs there were when it began.
    pub fn total(&self) -> u64 {
        self.totals.iter().sum()
    }

    /// URLs that it has passed.
    pub fn looked(&self) -> u64 {
        self.looked
    }

    /// Records that could not be read, and those of disks that nothing can be asked of any more.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl Disk {
    /// Goes on from a place for a while.
    fn stretch(&self, volume: &Volume, place: Place, wanted: &dyn Fn(u32) -> bool) -> Stretch {
        let begun = Instant::now();
        let mut stretch = Stretch { step: Step::default(), place, looked: 0, missed: 0 };
        while begun.elapsed() < STRETCH {
            let place = std::mem::replace(&mut stretch.place, Place::End);
            stretch.place = match place {
                Place::Start => {
                    let known = stretch.staged(volume, wanted);
                    Place::Before(0, Arc::new(known))
                }
                Place::Before(number, _) if number >= volume.geometry().segments => Place::End,
                Place::Before(number, known) => match self.contents(volume, number) {
                    Some((life, entries)) => Place::In(life, entries.into(), 0, known),
                    None => Place::Before(number + 1, known),
                },
                Place::In(life, entries, at, known) => match entries.get(at) {
                    Some(entry) => {
                        self.pass(&mut stretch, volume, (life, entry), (&known, wanted));
                        Place::In(life, entries, at + 1, known)
                    }
                    None => Place::Before(life.number + 1, known),
                },
                Place::End => Place::End,
            };
            if matches!(stretch.place, Place::End) || self.pool.is_busy() {
                break;
            }
        }
        stretch
    }

    fn contents(&self, volume: &Volume, number: u32) -> Option<(Life, Vec<Entry>)> {
        // A free one need not be read.
        if volume.slots.held(number).0 == 0 {
            return None;
        }
        let contents = volume
            .life(number)
            .and_then(|life| life.map(|life| Ok((life, volume.contents(life)?))).transpose());
        contents.unwrap_or_else(|error| {
            self.failed(&error);
            None
        })
    }

    /// Looks at one record.
    fn pass(
        &self,
        stretch: &mut Stretch,
        volume: &Volume,
        (life, entry): (Life, &Entry),
        (known, wanted): (&Known, &dyn Fn(u32) -> bool),
    ) {
        let Some((slot, _)) = volume.slots.find(entry.name) else { return };
        if (slot.segment, slot.offset) != (life.number, entry.offset) {
            return;
        }
        stretch.looked += u64::from(slot.kind == Kind::Meta);
        if !is_wanted(&slot, wanted) || known.contains(&entry.name) {
            return;
        }
        match volume.record(life, entry) {
            Ok((_, page)) => stretch.step.pages.push(page),
            Err(Miss::Failed(error)) => {
                self.failed(&error);
                stretch.missed += 1;
            }
            // Reclaimed or damaged meanwhile: whoever asks for it finds out.
            Err(Miss::Mismatch | Miss::Checksum | Miss::Later) => stretch.missed += 1,
        }
    }
}

impl Stretch {
    /// Looks at the records that are not in the file yet; gives their names.
    fn staged(&mut self, volume: &Volume, wanted: &dyn Fn(u32) -> bool) -> Known {
        let mut known = Known::default();
        for (place, name, page) in volume.staged.all() {
            let Some((slot, _)) = volume.slots.find(name) else { continue };
            if (slot.segment, slot.offset) == place && is_wanted(&slot, wanted) {
                known.insert(name);
                self.step.pages.push(page);
            }
        }
        known
    }
}

fn is_wanted(slot: &Slot, wanted: &dyn Fn(u32) -> bool) -> bool {
    slot.kind == Kind::Meta && wanted(slot.site)
}
