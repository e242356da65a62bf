//! Requests to replay: what the traces hold.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Number of the object, from 0 up without gaps.
    pub id: u32,
    /// Size of the object, the same in all its requests.
    pub bytes: u64,
}

/// Requests in their order.
#[derive(Debug)]
pub struct Trace {
    pub name: &'static str,
    pub requests: Vec<Request>,
    /// How many objects there are.
    pub objects: usize,
    /// Bytes of all objects together.
    pub footprint: u64,
}

impl Trace {
    /// A trace of these objects and sizes; an object keeps the size that it has first.
    pub fn new(name: &'static str, asked: impl Iterator<Item = (u64, u64)>) -> Trace {
        let mut known: HashMap<u64, Request> = HashMap::new();
        let mut footprint = 0;
        let mut requests = Vec::new();
        for (object, bytes) in asked {
            let id = known.len() as u32;
            requests.push(*known.entry(object).or_insert_with(|| {
                footprint += bytes.max(1);
                Request { id, bytes: bytes.max(1) }
            }));
        }
        Trace { name, requests, objects: known.len(), footprint }
    }

    /// The trace in a file of lines `time id size` with sizes in units of that many bytes; nothing if
    /// it cannot be read.
    pub fn read(name: &'static str, path: &Path, unit: u64) -> Option<Trace> {
        let unpacked = Command::new("xz").arg("-dc").arg(path).output().ok()?;
        let text = String::from_utf8(unpacked.stdout).ok()?;
        let asked = text.lines().filter_map(|line| {
            let mut words = line.split([' ', ',']).skip(1);
            let mut number = || words.next()?.parse::<u64>().ok();
            Some((number()?, number()? * unit))
        });
        Some(Trace::new(name, asked)).filter(|trace| !trace.requests.is_empty())
    }

    /// How many objects are asked for once only.
    pub fn once(&self) -> usize {
        let mut counts = vec![0u32; self.objects];
        self.requests.iter().for_each(|request| counts[request.id as usize] += 1);
        counts.iter().filter(|count| **count == 1).count()
    }
}
