//! A device in memory that fails in every way a disk can, and remembers what was made durable.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;

use super::super::device::{Device, Opener};

/// What happens at one I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The machine stops: it and everything after it fails, until [`Fake::restart`].
    Crash,
    /// A write is reported as done but is not.
    Lose,
    /// Only the first sectors of a write are done.
    Tear,
    /// A write is done elsewhere.
    Misplace,
    /// It is reported as failed, half done.
    Fail,
}

/// The device and its opener in one; clones are the same device.
#[derive(Clone)]
pub(super) struct Fake {
    /// What it is opened with.
    pub size: u64,
    state: Arc<Mutex<State>>,
}

struct State {
    /// What a reader sees.
    image: Vec<u8>,
    /// What a power failure leaves for sure.
    durable: Vec<u8>,
    /// Writes since the last sync.
    unsynced: Vec<(u64, Vec<u8>)>,
    rng: Rng,
    /// I/Os so far.
    count: u64,
    fault: Option<(u64, Fault)>,
    crashed: bool,
    failing: Failing,
}

/// What fails as long as it is set.
#[derive(Clone, Copy, Default)]
pub(super) struct Failing {
    pub opening: bool,
    pub reads: bool,
    pub writes: Option<ErrorKind>,
    pub syncs: bool,
    /// Reads must be waited for, at least so long.
    pub delay: Duration,
}

impl Fake {
    /// A device that is not there until it is opened.
    pub(super) fn new(size: u64, seed: u64) -> Fake {
        let state = State {
            image: Vec::new(),
            durable: Vec::new(),
            unsynced: Vec::new(),
            rng: Rng::with_seed(seed),
            count: 0,
            fault: None,
            crashed: false,
            failing: Failing::default(),
        };
        Fake { size, state: Arc::new(Mutex::new(state)) }
    }

    /// A device with these bytes.
    pub(super) fn of(image: Vec<u8>) -> Fake {
        let fake = Fake::new(image.len() as u64, 1);
        fake.state.lock().durable = image.clone();
        fake.state.lock().image = image;
        fake
    }

    pub(super) fn image(&self) -> Vec<u8> {
        self.state.lock().image.clone()
    }

    /// I/Os so far, reads not counted.
    pub(super) fn count(&self) -> u64 {
        self.state.lock().count
    }

    /// Lets the `at`th write or sync from now go wrong.
    pub(super) fn plan(&self, at: u64, fault: Fault) {
        let mut state = self.state.lock();
        state.fault = Some((state.count + at, fault));
    }

    pub(super) fn fail(&self, failing: Failing) {
        self.state.lock().failing = failing;
    }

    /// What a machine finds when it starts again: any of the writes that were not synced, whole or in
    /// part, if it lost `power`; all of them otherwise.
    pub(super) fn restart(&self, power: bool) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if power {
            state.image = state.durable.clone();
            for (offset, bytes) in std::mem::take(&mut state.unsynced) {
                for (index, sector) in bytes.chunks(512).enumerate() {
                    // Mostly all or nothing; sometimes sector by sector.
                    if state.rng.u8(..) < if index == 0 { 128 } else { 240 } {
                        place(&mut state.image, offset + 512 * index as u64, sector);
                    }
                }
            }
        }
        state.unsynced.clear();
        state.durable = state.image.clone();
        (state.crashed, state.fault) = (false, None);
    }
}

fn place(image: &mut [u8], offset: u64, bytes: &[u8]) {
    image[offset as usize..][..bytes.len()].copy_from_slice(bytes);
}

impl State {
    /// Counts an I/O and says what happens to it.
    fn step(&mut self) -> io::Result<Option<Fault>> {
        self.count += 1;
        let fault = self.fault.filter(|(at, _)| *at <= self.count).map(|(_, fault)| fault);
        if fault == Some(Fault::Crash) {
            self.crashed = true;
        } else if fault.is_some() {
            self.fault = None;
        }
        if self.crashed { Err(io::Error::other("crashed")) } else { Ok(fault) }
    }
}

impl Device for Fake {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let failing = self.state.lock().failing;
        thread::sleep(failing.delay);
        let state = self.state.lock();
        if state.crashed || failing.reads {
            return Err(io::Error::other("cannot read"));
        }
        let part = state.image.get(offset as usize..offset as usize + buffer.len());
        buffer.copy_from_slice(part.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let wait = self.state.lock().failing.delay > Duration::ZERO || self.state.lock().rng.bool();
        if wait { Ok(false) } else { self.read_at(offset, buffer).map(|()| true) }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if let Some(kind) = state.failing.writes {
            return Err(kind.into());
        }
        let fault = state.step();
        let part = match fault {
            Ok(None | Some(Fault::Misplace | Fault::Crash)) => bytes.len(),
            Ok(Some(Fault::Lose)) => 0,
            _ => state.rng.usize(..=bytes.len() / 512) * 512,
        };
        let part = bytes[..part].to_vec();
        let mut target = offset;
        if matches!(fault, Ok(Some(Fault::Misplace))) {
            target = state.rng.u64(..(state.image.len() - part.len()) as u64 / 512) * 512;
        }
        place(&mut state.image, target, &part);
        state.unsynced.push((target, part));
        match fault? {
            Some(Fault::Fail) => Err(io::Error::other("cannot write")),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.failing.syncs || state.step()? == Some(Fault::Fail) {
            return Err(io::Error::other("cannot sync"));
        }
        for (offset, bytes) in state.unsynced.drain(..) {
            place(&mut state.durable, offset, &bytes);
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.state.lock().image.len() as u64
    }
}

impl Opener for Fake {
    fn open(&self, _: &Path, size: u64) -> io::Result<Arc<dyn Device>> {
        let mut state = self.state.lock();
        if state.failing.opening {
            return Err(ErrorKind::PermissionDenied.into());
        }
        state.image.resize(size as usize, 0);
        state.durable.resize(size as usize, 0);
        Ok(Arc::new(self.clone()))
    }
}
