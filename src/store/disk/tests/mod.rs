//! What the tests of the disk tier share.

mod crashing;
mod damage;
mod failing;
mod fake;
mod ghosts;
mod index;
mod keeping;
mod policy;
mod walk;
mod worth;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;

const MIB: u64 = 1 << 20;

fn options(path: &Path, size: u64) -> Options {
    Options {
        disks: vec![DiskOptions { path: path.into(), size }],
        readers: 2,
        deadline: Duration::from_secs(5),
        queue: 16 * MIB,
        write_budget: 120,
        average_record: 64 << 10,
    }
}

fn open(path: &Path, size: u64) -> Arc<Disks> {
    Disks::open(options(path, size), Arc::new(Files)).unwrap()
}

/// Bytes that follow from name and version, so that wrong ones show.
fn body(name: Name, version: u32, length: usize) -> Bytes {
    let mut state = mix(name.bits() as u64 ^ mix((name.bits() >> 64) as u64) ^ u64::from(version));
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = mix(state);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

fn record(name: Name, payload: Bytes) -> Write {
    Write {
        name,
        kind: if name.bits() & 1 == 1 { Kind::Chunk } else { Kind::Meta },
        hash: name.bits() as u64,
        hits: 1,
        site: 7,
        expires: 0,
        fill_seq: 3,
        payload,
        class: Admission::Sure(Class::New),
    }
}

fn key(number: u32) -> Name {
    Name::of_key(&number.to_le_bytes())
}

/// Runs a future on a runtime with time.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn read(disks: &Disks, name: Name) -> Option<Bytes> {
    block_on(disks.read(name, 0..u32::MAX))
}

/// Writes a record and waits until it can be read or never will.
fn write(disks: &Disks, write: Write) -> bool {
    let (sender, receiver) = std::sync::mpsc::channel();
    disks.write(write, Some(Box::new(move |stored| sender.send(stored).unwrap())))
        && receiver.recv().unwrap_or(false)
}
