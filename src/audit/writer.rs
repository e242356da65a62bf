//! The thread that writes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use super::chain::{self, NOTHING};
use super::{LOST, Line, Order};
use crate::clock::Clock;

/// The file that is written to.
pub(super) const FILE: &str = "audit.log";
/// Before and behind the number of the first line in the name of a closed one.
pub(super) const CLOSED: (&str, &str) = ("audit-", ".log");

/// All files together are so many times as large as one.
const FILES: u64 = 8;
/// Lines that are written together at most.
const TOGETHER: usize = 1024;
/// How much of the end of a file the last line is looked for in: no line is longer.
const TAIL: u64 = 1 << 16;

pub(super) struct Writer {
    clock: Clock,
    folder: PathBuf,
    file: File,
    length: u64,
    /// Of one file.
    most: u64,
    seq: u64,
    previous: String,
    /// Number of the file's first line.
    first: u64,
}

impl Writer {
    pub fn open(folder: &Path, room: u64, clock: Clock) -> Result<Self, String> {
        let path = folder.join(FILE);
        let explain = |why: String| format!("cannot keep the audit log {}: {why}", path.display());
        let io = |error: std::io::Error| explain(error.to_string());
        fs::create_dir_all(folder).map_err(io)?;
        let mut file = options().open(&path).map_err(io)?;
        let length = whole_lines(&mut file).map_err(io)?;
        let last = match last_line(&mut file, length).map_err(io)? {
            Some(last) => Some(last),
            // It was closed just before the end.
            None => last_of_closed(folder).map_err(io)?,
        };
        let (seq, previous) = match last {
            Some(written) => {
                let (line, hash) = chain::opened(&written)
                    .map_err(|why| explain(format!("its last line will not do: {why}")))?;
                (line.seq, hash)
            }
            None => (0, NOTHING.to_owned()),
        };
        let first = first_number(&path).map_err(io)?.unwrap_or(seq + 1);
        let (folder, most) = (folder.to_owned(), (room / FILES).max(1));
        Ok(Writer { clock, folder, file, length, most, seq, previous, first })
    }

    pub fn run(mut self, waiting: &Receiver<Order>) {
        while let Ok(first) = waiting.recv() {
            let orders: Vec<Order> =
                std::iter::once(first).chain(waiting.try_iter().take(TOGETHER)).collect();
            let before = (self.seq, self.previous.clone());
            let written = self.write(&orders);
            if let Err(why) = &written {
                LOST.add(orders.len() as u64);
                tracing::error!(%why, "lines of the audit log could not be written");
                // What was written of them does not count.
                (self.seq, self.previous) = before.clone();
                let _ = self.file.set_len(self.length);
            }
            for (order, seq) in orders.into_iter().zip(before.0 + 1..) {
                // Who asked may be gone.
                let _ = order.done.send(written.clone().map(|()| seq));
            }
        }
    }

    fn write(&mut self, orders: &[Order]) -> Result<(), String> {
        let io = |error: std::io::Error| error.to_string();
        if self.length >= self.most {
            self.turn().map_err(io)?;
        }
        let ts = self.clock.now().rfc3339();
        let mut text = String::new();
        for order in orders {
            let seq = self.seq + 1;
            let line = Line {
                seq,
                ts: ts.clone(),
                event: order.event.clone(),
                previous: self.previous.clone(),
            };
            let (written, hash) = chain::sealed(&line)?;
            text.push_str(&written);
            text.push('\n');
            (self.seq, self.previous) = (seq, hash);
        }
        self.file.seek(SeekFrom::Start(self.length)).map_err(io)?;
        self.file.write_all(text.as_bytes()).map_err(io)?;
        self.file.sync_data().map_err(io)?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Closes the file, begins another, and lets the oldest go.
    fn turn(&mut self) -> std::io::Result<()> {
        let open = self.folder.join(FILE);
        fs::rename(&open, self.folder.join(format!("{}{}{}", CLOSED.0, self.first, CLOSED.1)))?;
        self.file = options().open(&open)?;
        (self.length, self.first) = (0, self.seq + 1);
        File::open(&self.folder)?.sync_all()?;
        let files = chain::files(&self.folder)?;
        // The open one may grow by more than its share.
        let surplus = files.len().saturating_sub(FILES as usize - 1);
        files.iter().take(surplus).try_for_each(fs::remove_file)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// Cuts off what a crash left of a line; gives the length of the rest.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let tail = tail(file, length)?;
    let cut = tail.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
    if cut > 0 {
        file.set_len(length - cut)?;
    }
    Ok(length - cut)
}

fn last_line(file: &mut File, length: u64) -> std::io::Result<Option<String>> {
    let tail = tail(file, length)?;
    let text = String::from_utf8_lossy(&tail);
    Ok(text.lines().next_back().map(str::to_owned))
}

fn last_of_closed(folder: &Path) -> std::io::Result<Option<String>> {
    let closed = chain::files(folder)?.into_iter().rev().find(|path| !path.ends_with(FILE));
    let Some(path) = closed else { return Ok(None) };
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    last_line(&mut file, length)
}

fn tail(file: &mut File, length: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The number of a file's first line.
fn first_number(path: &Path) -> std::io::Result<Option<u64>> {
    use std::io::BufRead;
    let mut line = String::new();
    std::io::BufReader::new(File::open(path)?).take(TAIL).read_line(&mut line)?;
    Ok(chain::opened(line.trim_end()).ok().map(|(line, _)| line.seq))
}
