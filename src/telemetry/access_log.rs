//! The access log: serving threads write lines into memory, one thread of its own writes them out.
//!
//! A serving thread makes the line itself, at the end of a buffer that is its own: it always uses
//! the same one of several lanes, whose lock only the writer ever contends, for the moment that it
//! takes to exchange the full buffer for an empty one. That is 2,200 instructions for a hit. It was
//! 14,100 when the writer was handed records to make the lines from: half a kilobyte was moved, was
//! freed by another thread than had allocated it, and kept alive the buffer that the request had
//! been read into, so that each request needed a new one. Now nothing outlives the request.
//!
//! The buffers are made at the start and go round, one more than there are lanes; memory that a
//! buffer never needed is never touched. A line that has no room left in its lane is lost and
//! counted: a slow disk never slows a request. Lines come out in order per thread; between threads
//! they may be some tenths of a second out of order.
//!
//! A line with 21 fields costs one small allocation more, for what no other form tells. The file is
//! closed and begun anew between two batches of lines: lines of the last tenth of an hour's last second
//! may stand in the file of the next.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::line::{LastSecond, Line};
use super::out::Room;
use super::record::Record;
use super::settings::{AccessLogSettings, Format};
use super::share::LEFT_OUT;
use super::sink::Sink;
use crate::clock::{Clock, Timestamp};
use crate::count::{Counter, thread_number};

/// Lines that were not written, because the queue was full or the file could not be written.
pub static LOST: Counter = Counter::new();

/// How long lines may wait for more of them.
const PAUSE: Duration = Duration::from_millis(100);
/// How many bytes in a lane wake the writer before that: enough that waking costs nothing per line,
/// and few enough that they are written while the processor still has them in its cache.
const BATCH: usize = 128 << 10;

/// The access log of a node; clones are the same log.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    line: Line,
    lanes: Box<[CachePadded<Mutex<Lane>>]>,
    /// How many bytes of lines a lane has room for.
    share: usize,
    reopen: AtomicBool,
    closing: AtomicBool,
    writer: OnceLock<Thread>,
    running: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Lane {
    lines: Lines,
    second: LastSecond,
}

/// Lines that wait to be written, at the front of memory that never grows.
#[derive(Debug)]
struct Lines {
    memory: Box<[u8]>,
    length: usize,
    count: u64,
}

impl AccessLog {
    /// Opens the log and starts its writer. Fails when the file cannot be opened for appending or
    /// the thread cannot be started.
    pub fn open(settings: &AccessLogSettings) -> io::Result<AccessLog> {
        if settings.format == Format::Off {
            return Ok(AccessLog::off());
        }
        let shared = Arc::new(Shared::new(settings));
        let writer = Writer {
            shared: Arc::clone(&shared),
            sink: Sink::open(settings, Clock::system().now())?,
            lines: Lines::new(shared.share),
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

    /// Adds the line of one record, unless its site wants only a share of them and this is not of it.
    /// Never waits for the writer: when the queue is full, the line is lost and counted.
    pub fn write(&self, record: &Record) {
        let Some(shared) = &self.0 else { return };
        match record.sampled() {
            Some(share) if !share.draws() => LEFT_OUT.bump(),
            _ => shared.write(record),
        }
    }

    /// Whether records are to have what only one form of the log tells ([`Record::details`]).
    pub fn wants_details(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.line.tells_details())
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

impl Lines {
    fn new(size: usize) -> Self {
        Lines { memory: vec![0; size].into(), length: 0, count: 0 }
    }
}

impl Shared {
    fn new(settings: &AccessLogSettings) -> Shared {
        let lanes = thread::available_parallelism().map_or(1, usize::from);
        let queue = usize::try_from(settings.queue.0).unwrap_or(usize::MAX);
        let share = queue.div_ceil(lanes);
        let lane = |_| Lane { lines: Lines::new(share), second: LastSecond::default() };
        Shared {
            line: Line::new(settings),
            lanes: (0..lanes).map(lane).map(|lane| CachePadded::new(Mutex::new(lane))).collect(),
            share,
            reopen: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            writer: OnceLock::new(),
            running: Mutex::new(None),
        }
    }

    fn write(&self, record: &Record) {
        let Some(lane) = self.lanes.get(thread_number() % self.lanes.len()) else { return };
        let (before, after) = {
            let mut lane = lane.lock();
            let Lane { lines, second } = &mut *lane;
            let before = lines.length;
            let mut room = Room::new(lines.memory.get_mut(before..).unwrap_or_default());
            self.line.append(&mut room, second, record);
            let Some(added) = room.filled() else {
                LOST.bump();
                return;
            };
            lines.length += added;
            lines.count += 1;
            (before, lines.length)
        };
        // Once per filling: the writer need not be woken for each of the rest.
        let enough = BATCH.min(self.share / 2);
        if before < enough && after >= enough {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    /// Taken from a lane to be written; empty otherwise, to be given to the next.
    lines: Lines,
    /// Whether the last write failed, so that trouble is told of once and not per line.
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            // Read before the lanes are: what was queued before closing is written.
            let closing = shared.closing.load(Ordering::Acquire);
            let now = Clock::system().now();
            if shared.reopen.swap(false, Ordering::AcqRel) {
                self.sink.reopen(now);
            }
            self.sink.turn(0, now);
            for lane in &shared.lanes {
                std::mem::swap(&mut lane.lock().lines, &mut self.lines);
                self.flush(now);
            }
            if closing {
                return;
            }
            thread::park_timeout(PAUSE);
        }
    }

    fn flush(&mut self, now: Timestamp) {
        let Lines { memory, length, count } = &mut self.lines;
        let Some(lines) = memory.get(..*length).filter(|lines| !lines.is_empty()) else { return };
        self.sink.turn(lines.len(), now);
        let written = self.sink.write(lines);
        if let Err(error) = &written {
            LOST.add(*count);
            if !self.failing {
                tracing::error!(%error, "the access log cannot be written; its lines are lost");
            }
        } else if self.failing {
            tracing::info!("the access log is written again");
        }
        self.failing = written.is_err();
        (*length, *count) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Size;
    use http::Uri;
    use std::path::Path;

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
                scope.spawn(|| (0..500).for_each(|_| log.write(&record("/a"))));
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
        log.write(&record("/before"));
        wait_for(|| std::fs::metadata(&path).is_ok_and(|file| file.len() > 0));
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        wait_for(|| path.exists());
        log.write(&record("/after"));
        log.close();
        assert!(std::fs::read_to_string(&moved).unwrap().contains("/before"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("/after") && !text.contains("/before"));
    }

    #[test]
    fn a_full_queue_loses_and_counts_but_never_waits() {
        let settings = AccessLogSettings { queue: Size::kib(16), ..AccessLogSettings::default() };
        let shared = Shared::new(&settings);
        let before = LOST.sum();
        // There is no writer, so the lane of this thread fills.
        (0..1000).for_each(|_| shared.write(&record("/a")));
        let lane = shared.lanes.iter().map(|lane| lane.lock()).find(|lane| lane.lines.count > 0);
        let lines = &lane.unwrap().lines;
        let text = std::str::from_utf8(&lines.memory[..lines.length]).unwrap();
        assert_eq!(text.lines().count() as u64, lines.count);
        assert!(text.ends_with("}\n"));
        assert!(lines.length + text.lines().next().unwrap().len() >= shared.share);
        assert!(LOST.sum() - before >= 1000 - lines.count);
    }

    #[test]
    fn a_lane_with_enough_in_it_wakes_the_writer() {
        let shared = Shared::new(&AccessLogSettings::default());
        shared.writer.set(thread::current()).unwrap();
        let line = 100;
        (0..BATCH / line).for_each(|_| shared.write(&record("/a")));
        let asleep = std::time::Instant::now();
        // It was woken already, so it does not sleep.
        thread::park_timeout(Duration::from_secs(60));
        assert!(asleep.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn lines_for_a_full_disk_are_counted_as_lost() {
        let before = LOST.sum();
        let log = open(Path::new("/dev/full"));
        log.write(&record("/a"));
        log.close();
        assert!(LOST.sum() > before);
    }

    #[test]
    fn a_log_that_is_off_takes_nothing_and_a_file_that_cannot_be_opened_is_an_error() {
        let off = AccessLogSettings { format: Format::Off, ..AccessLogSettings::default() };
        let log = AccessLog::open(&off).unwrap();
        assert!(log.0.is_none());
        log.write(&record("/a"));
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
