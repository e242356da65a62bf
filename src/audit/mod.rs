//! The audit log: who ordered what of the node, one line of JSON each, chained by hashes.
//!
//! Every line holds the hash of the line before and its own: one that was changed, taken out or put in
//! breaks the chain, which [`verify`] finds. A line is on disk before the order is answered. Lines are
//! written by a thread of its own, all that wait at a time with one sync. A file that has grown enough
//! is closed under the number of its first line, and the oldest go when all take too much room.

mod chain;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::count::Counter;

pub use chain::{Broken, verify};

/// Lines that could not be written.
pub static LOST: Counter = Counter::new();
/// Lines about strangers that were left out, since there were too many.
pub static LEFT_OUT: Counter = Counter::new();

/// How many lines about strangers are written in a minute.
const STRANGERS: u32 = 60;

/// Who ordered something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
pub struct Actor {
    /// The name of its token, or how else it is known.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// The customer that it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Where the order came from: an address, or the socket.
    pub from: String,
}

/// One order and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
pub struct Event {
    /// Who.
    pub actor: Actor,
    /// What, as a method and a path, or a verb.
    pub action: String,
    /// The status that it was answered with.
    pub status: u16,
    /// What was meant, or why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
pub struct Line {
    /// Counts the lines from 1.
    pub seq: u64,
    /// When, in RFC 3339.
    pub ts: String,
    /// The order.
    #[serde(flatten)]
    pub event: Event,
    /// The hash of the line before; of nothing, zeros.
    pub previous: String,
}

struct Order {
    event: Event,
    done: oneshot::Sender<Result<u64, String>>,
}

/// The log of a node.
pub struct Audit {
    folder: PathBuf,
    /// Gone only while this is being dropped.
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    clock: Clock,
    /// A minute, and how many strangers were told of in it.
    strangers: Mutex<(u64, u32)>,
}

/// The longest detail, in bytes.
const DETAIL: usize = 2048;

impl Audit {
    /// Opens the log in a folder and goes on with its chain. All files together take up to `room`
    /// bytes.
    ///
    /// # Errors
    /// One sentence: it can be neither read nor written, or its last line is no line of it.
    pub fn open(folder: &Path, room: u64, clock: Clock) -> Result<Audit, String> {
        let writer = writer::Writer::open(folder, room, clock.clone())?;
        let (orders, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run(&waiting))
            .map_err(|error| format!("cannot start the audit log: {error}"))?;
        Ok(Audit {
            folder: folder.to_owned(),
            orders: Some(orders),
            thread: Some(thread),
            clock,
            strangers: Mutex::default(),
        })
    }

    /// Writes a line; it is on disk when this ends. Gives its number.
    ///
    /// # Errors
    /// One sentence: it could not be written.
    pub async fn write(&self, mut event: Event) -> Result<u64, String> {
        event.detail.truncate(event.detail.floor_char_boundary(DETAIL));
        let gone = || "the audit log is closed".to_owned();
        let (done, written) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(Order { event, done }).map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }

    /// Writes a line; if that fails, the log of events has it, and it is counted.
    pub async fn note(&self, event: Event) {
        let action = event.action.clone();
        if let Err(why) = self.write(event).await {
            tracing::error!(%why, action, "an order is missing in the audit log");
        }
    }

    /// The same for an order of someone who may not order anything, of which there may be many: only
    /// the first of each minute are written.
    pub async fn note_stranger(&self, event: Event) {
        let minute = self.clock.now().seconds() / 60;
        let admitted = {
            let mut strangers = self.strangers.lock();
            if strangers.0 != minute {
                *strangers = (minute, 0);
            }
            strangers.1 += 1;
            strangers.1 <= STRANGERS
        };
        match admitted {
            true => self.note(event).await,
            false => LEFT_OUT.bump(),
        }
    }

    /// The newest lines, as they are written, the newest first; at most `most`, and of those that
    /// `wanted` takes.
    ///
    /// # Errors
    /// One sentence: the files cannot be read.
    pub fn newest(&self, most: usize, wanted: impl Fn(&Line) -> bool) -> Result<Vec<Line>, String> {
        chain::newest(&self.folder, most, wanted)
    }

    /// Looks at the whole chain; gives the number of its lines.
    ///
    /// # Errors
    /// Where it is broken.
    pub fn verify(&self) -> Result<u64, Broken> {
        verify(&self.folder)
    }
}

impl Drop for Audit {
    /// Waits until everything is written.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(detail: &str) -> Event {
        let actor = Actor { name: "n".into(), role: "operator".into(), ..Actor::default() };
        Event { actor, action: "POST /v1/purge".into(), status: 200, detail: detail.into() }
    }

    async fn write(audit: &Audit, count: u64) {
        for number in 0..count {
            audit.write(event(&format!("number {number} \"\n\u{e9}"))).await.unwrap();
        }
    }

    #[tokio::test]
    async fn lines_are_chained_over_restarts_and_files() {
        let folder = tempfile::tempdir().unwrap();
        for round in 1..=3 {
            let audit = Audit::open(folder.path(), 64 << 20, Clock::system()).unwrap();
            write(&audit, 10).await;
            assert_eq!(audit.verify().unwrap(), round * 10);
            let newest = audit.newest(3, |line| line.seq % 2 == 0).unwrap();
            let numbers: Vec<u64> = newest.iter().map(|line| line.seq).collect();
            assert_eq!(numbers, [round * 10, round * 10 - 2, round * 10 - 4]);
        }
    }

    #[tokio::test]
    async fn a_line_changed_taken_out_or_put_in_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), 64 << 20, Clock::system()).unwrap();
        write(&audit, 9).await;
        drop(audit);
        let path = folder.path().join(writer::FILE);
        let good = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        let text = |lines: &[&str]| lines.iter().map(|it| format!("{it}\n")).collect::<String>();
        let changed = good.replace("number 4", "number 5");
        let without = text(&[&lines[..3], &lines[4..]].concat());
        let twice = text(&[&lines[..3], &lines[2..]].concat());
        let swapped = text(&[&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat());
        for (bad, at) in [(changed, 5), (without, 5), (twice, 3), (swapped, 4)] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(verify(folder.path()).unwrap_err().line, at);
        }
        std::fs::write(&path, &good).unwrap();
        assert_eq!(verify(folder.path()).unwrap(), 9);
    }

    #[tokio::test]
    async fn what_a_crash_cut_goes_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        write(&Audit::open(folder.path(), 64 << 20, Clock::system()).unwrap(), 3).await;
        let path = folder.path().join(writer::FILE);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 5]).unwrap();
        let audit = Audit::open(folder.path(), 64 << 20, Clock::system()).unwrap();
        write(&audit, 1).await;
        assert_eq!(audit.verify().unwrap(), 3);
        drop(audit);
        std::fs::write(&path, b"no line\n").unwrap();
        assert!(Audit::open(folder.path(), 64 << 20, Clock::system()).is_err());
    }

    #[tokio::test]
    async fn strangers_do_not_fill_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(crate::clock::Timestamp::from_seconds(600));
        let audit = Audit::open(folder.path(), 64 << 20, clock.clone()).unwrap();
        for _ in 0..2 {
            for _ in 0..STRANGERS + 5 {
                audit.note_stranger(event("who?")).await;
            }
            clock.advance(std::time::Duration::from_secs(60));
        }
        assert_eq!(audit.verify().unwrap(), u64::from(2 * STRANGERS));
        assert!(LEFT_OUT.sum() >= 10);
    }

    #[tokio::test]
    async fn the_oldest_files_go_when_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), 40_000, Clock::system()).unwrap();
        write(&audit, 300).await;
        let size = |it: std::io::Result<std::fs::DirEntry>| it.unwrap().metadata().unwrap().len();
        let all: u64 = std::fs::read_dir(folder.path()).unwrap().map(size).sum();
        assert!(all <= 40_000, "{all}");
        let kept = audit.verify().unwrap();
        assert!((50..300).contains(&kept), "{kept}");
        assert_eq!(audit.newest(1, |_| true).unwrap()[0].seq, 300);
    }
}
