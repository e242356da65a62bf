//! The access log: serving threads queue records, one thread of its own writes them.
//!
//! A serving thread always pushes to the same one of several bounded queues, whose lock only the
//! writer ever contends, for the moment that it takes to exchange the full queue for an empty one.
//! A full queue loses the record and counts it: a slow disk never slows a request. Lines come out
//! in order per thread; between threads they may be some tenths of a second out of order.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::line::Line;
use super::record::Record;
use super::settings::{AccessLogSettings, Format};
use crate::count::Counter;

/// Lines that were not written, because the queue was full or the file could not be written.
pub static LOST: Counter = Counter::new();

/// How long lines may wait for more of them.
const PAUSE: Duration = Duration::from_millis(100);
/// How many bytes are formatted before they are written.
const BATCH: usize = 128 << 10;
/// How many records an emptied queue keeps room for.
const KEPT: usize = 1024;

/// The access log of a node; clones are the same log.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    lanes: Box<[CachePadded<Mutex<Vec<Record>>>]>,
    lane_limit: usize,
    reopen: AtomicBool,
    closing: AtomicBool,
    writer: OnceLock<Thread>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl AccessLog {
    /// Opens the log and starts its writer. Fails when the file cannot be opened for appending or
    /// the thread cannot be started.
    pub fn open(settings: &AccessLogSettings) -> io::Result<AccessLog> {
        if settings.format == Format::Off {
            return Ok(AccessLog::off());
        }
        let shared = Arc::new(Shared::new(settings.queue));
        let writer = Writer {
            shared: Arc::clone(&shared),
            line: Line::new(settings),
            sink: Sink::open(&settings.path)?,
            buffer: Vec::with_capacity(BATCH * 2),
            buffered: 0,
            failing: false,
        };
        let handle = thread::Builder::new().name("access-log".into()).spawn(|| writer.run())?;
        let _ = shared.writer.set(handle.thread().clone());
        *shared.running.lock() = Some(handle);
        Ok(AccessLog(Some(shared)))
    }

    /// A log that writes nothing.
    pub fn off() -> AccessLog {
        AccessLog(None)
    }

    /// Queues one record. Never waits for the writer: when the queue is full, the record is lost
    /// and counted. Who holds the record in a place that cannot be moved from gives
    /// `mem::take(&mut record)`.
    pub fn write(&self, record: Record) {
        if let Some(shared) = &self.0 {
            shared.push(record);
        }
    }

    /// Opens the file anew, after it was moved away (SIGUSR1).
    pub fn reopen(&self) {
        if let Some(shared) = &self.0 {
            shared.reopen.store(true, Ordering::Release);
            shared.wake();
        }
    }

    /// Writes what is queued and ends the writer; waits for it. What is written later is lost.
    pub fn close(&self) {
        let Some(shared) = &self.0 else { return };
        shared.closing.store(true, Ordering::Release);
        shared.wake();
        let handle = shared.running.lock().take();
        if let Some(handle) = handle {
            // A writer that panicked has nothing left to write.
            let _ = handle.join();
        }
    }
}

impl Shared {
    fn new(queue: usize) -> Shared {
        let lanes = thread::available_parallelism().map_or(1, usize::from);
        Shared {
            lanes: (0..lanes).map(|_| CachePadded::default()).collect(),
            lane_limit: queue.div_ceil(lanes),
            reopen: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            writer: OnceLock::new(),
            running: Mutex::new(None),
        }
    }

    fn push(&self, record: Record) {
        let Some(lane) = self.lanes.get(thread_number() % self.lanes.len()) else { return };
        let length = {
            let mut records = lane.lock();
            if records.len() >= self.lane_limit {
                LOST.bump();
                return;
            }
            records.push(record);
            records.len()
        };
        // Once per filling: the writer need not be woken for each of the rest.
        if length == self.lane_limit / 2 {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

/// Numbers threads in the order in which they first write, so that neighbours get other lanes.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

struct Writer {
    shared: Arc<Shared>,
    line: Line,
    sink: Sink,
    buffer: Vec<u8>,
    /// How many lines the buffer holds.
    buffered: u64,
    /// Whether the last write failed, so that trouble is told of once and not per line.
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        let mut records = Vec::new();
        loop {
            // Read before the queues are: what was queued before closing is written.
            let closing = self.shared.closing.load(Ordering::Acquire);
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            for lane in 0..self.shared.lanes.len() {
                self.empty(lane, &mut records);
            }
            self.flush();
            if closing {
                return;
            }
            thread::park_timeout(PAUSE);
        }
    }

    /// Takes the records of one queue and leaves it the emptied list of the one before.
    fn empty(&mut self, lane: usize, records: &mut Vec<Record>) {
        records.shrink_to(KEPT);
        if let Some(lane) = self.shared.lanes.get(lane) {
            std::mem::swap(&mut *lane.lock(), records);
        }
        for record in records.drain(..) {
            self.line.append(&mut self.buffer, &record);
            self.buffered += 1;
            if self.buffer.len() >= BATCH {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let written = self.sink.write(&self.buffer);
        if let Err(error) = &written {
            LOST.add(self.buffered);
            if !self.failing {
                tracing::error!(%error, "the access log cannot be written; its lines are lost");
            }
        } else if self.failing {
            tracing::info!("the access log is written again");
        }
        self.failing = written.is_err();
        self.buffer.clear();
        self.buffered = 0;
    }

    fn reopen(&mut self) {
        if let Sink::File { path, .. } = &self.sink {
            match Sink::open(path) {
                Ok(sink) => self.sink = sink,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(),
                        "the access log cannot be opened anew; the old file is kept");
                }
            }
        }
    }
}

/// Where lines go.
enum Sink {
    Stdout,
    File {
        path: PathBuf,
        file: File,
        /// The last write may have ended within a line.
        torn: bool,
    },
}

impl Sink {
    fn open(path: &Path) -> io::Result<Sink> {
        if path == Path::new("stdout") {
            return Ok(Sink::Stdout);
        }
        // Addresses of people are in it: not for everyone to read.
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        Ok(Sink::File { path: path.to_owned(), file, torn: false })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Sink::File { file, torn, .. } => {
                if *torn {
                    file.write_all(b"\n")?;
                }
                let written = file.write_all(lines);
                *torn = written.is_err();
                written
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Uri;

    fn record(path: &'static str) -> Record {
        Record { target: Uri::from_static(path), ..Record::default() }
    }

    fn open(path: &Path) -> AccessLog {
        let settings = AccessLogSettings { path: path.into(), ..AccessLogSettings::default() };
        AccessLog::open(&settings).unwrap()
    }

    #[test]
    fn every_line_of_every_thread_is_there_after_closing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = open(&path);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..500).for_each(|_| log.write(record("/a"))));
            }
        });
        log.close();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4000);
        assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let log = open(&path);
        log.write(record("/before"));
        wait_for(|| std::fs::metadata(&path).is_ok_and(|file| file.len() > 0));
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        wait_for(|| path.exists());
        log.write(record("/after"));
        log.close();
        assert!(std::fs::read_to_string(&moved).unwrap().contains("/before"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("/after") && !text.contains("/before"));
    }

    #[test]
    fn a_full_queue_loses_and_counts_but_never_waits() {
        let shared = Shared::new(64);
        let before = LOST.sum();
        // There is no writer, so the queue of this thread fills.
        (0..100).for_each(|_| shared.push(record("/a")));
        let kept: usize = shared.lanes.iter().map(|lane| lane.lock().len()).sum();
        assert_eq!(kept, shared.lane_limit);
        assert!(LOST.sum() - before >= 100 - kept as u64);
    }

    #[test]
    fn lines_for_a_full_disk_are_counted_as_lost() {
        let before = LOST.sum();
        let log = open(Path::new("/dev/full"));
        log.write(record("/a"));
        log.close();
        assert!(LOST.sum() > before);
    }

    #[test]
    fn a_log_that_is_off_takes_nothing_and_a_file_that_cannot_be_opened_is_an_error() {
        let off = AccessLogSettings { format: Format::Off, ..AccessLogSettings::default() };
        let log = AccessLog::open(&off).unwrap();
        assert!(log.0.is_none());
        log.write(record("/a"));
        log.close();
        let wrong = AccessLogSettings { path: "/dev".into(), ..AccessLogSettings::default() };
        assert!(AccessLog::open(&wrong).is_err());
    }

    fn wait_for(mut condition: impl FnMut() -> bool) {
        for _ in 0..500 {
            if condition() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("waited in vain");
    }
}
