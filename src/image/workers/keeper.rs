//! Starts workers, and sees to it that each that ends is reaped and replaced.
//!
//! Each worker has a thread of its own for that. The kernel ends a worker with the thread that started
//! it, so that none can outlive the node; and starting, reaping and waiting, which block, happen where
//! nobody else waits.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Pid;

use super::Settings;
use super::counters::COUNTERS;
use super::frame::{self, LONGEST_HEAD, LONGEST_ORDER, Welcome, Word};
use super::lease::{Farewell, Worker};
use super::pool::Shared;
use super::slot::Slot;

/// How long a worker may take to prepare itself.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How often a starting worker's keeper looks whether the pool is at its end.
const GLANCE: Duration = Duration::from_millis(100);

/// Workers in a row that may be lost at once before their keeper takes its time.
const FREE_STRIKES: u32 = 2;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause after workers that failed over their first job.
const JOB_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after workers that could not even start.
const START_PAUSE: Duration = Duration::from_secs(30);

/// The allocator of `main.rs` reserves a gibibyte of addresses by default, which would be all that a
/// worker may have.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "64MiB");

/// What is executed as a worker. Its environment is empty but for what stands here,
/// and a word to the allocator.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl Launch {
    /// This very program, even if its file has been replaced since it started, with the verb that
    /// calls [`work`](super::work()).
    pub fn verb(verb: &str) -> Self {
        Launch {
            program: "/proc/self/exe".into(),
            arguments: vec![verb.into()],
            environment: Vec::new(),
        }
    }

    /// The same with further arguments.
    pub fn with(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    fn command(&self, socket: OwnedFd) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env(ALLOCATOR.0, ALLOCATOR.1)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A terminal's Ctrl-C is for the node, which lets its jobs finish.
            .process_group(0);
        command
    }
}

/// How long to pause between workers that end too soon.
#[derive(Debug, Default)]
struct Pace {
    strikes: u32,
}

impl Pace {
    /// A worker was of use.
    fn useful(&mut self) {
        self.strikes = 0;
    }

    /// A worker was not; the pause is at most `most`.
    fn strike(&mut self, most: Duration) -> Duration {
        self.strikes = self.strikes.saturating_add(1);
        match self.strikes.checked_sub(FREE_STRIKES + 1) {
            None => Duration::ZERO,
            Some(doubled) => FIRST_PAUSE.saturating_mul(1 << doubled.min(16)).min(most),
        }
    }
}

/// Keeps one worker until the pool is at its end.
pub(super) fn keep(shared: &Shared, launch: &Launch) {
    while !shared.is_wanted() && !shared.is_closed() {
        std::thread::park();
    }
    let mut pace = Pace::default();
    while !shared.is_closed() {
        let pause = match start(shared, launch) {
            Ok((child, worker, farewell)) => {
                COUNTERS.started.bump();
                shared.arrived(worker);
                let last = farewell.recv().ok();
                shared.left();
                bury(child, last, &mut pace)
            }
            Err(why) => {
                shared.has_trouble(why);
                pace.strike(START_PAUSE)
            }
        };
        let until = Instant::now() + pause;
        while !shared.is_closed() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
    }
}

/// Ends a worker that nobody holds any more; how long to wait before the next.
fn bury(child: Child, last: Option<Farewell>, pace: &mut Pace) -> Duration {
    let status = end(child);
    let failed = match last {
        Some(Farewell::Worn) => {
            COUNTERS.worn.bump();
            None
        }
        Some(Farewell::Failed { jobs, tell }) => {
            COUNTERS.lost.bump();
            if let (Some(tell), Ok(status)) = (tell, status) {
                // It may have given up waiting.
                let _ = tell.send(status);
            }
            Some(jobs)
        }
        None => {
            COUNTERS.lost.bump();
            None
        }
    };
    match failed {
        Some(0) => pace.strike(JOB_PAUSE),
        _ => {
            pace.useful();
            Duration::ZERO
        }
    }
}

/// Kills a process, dead or alive, and reaps it.
fn end(mut child: Child) -> io::Result<std::process::ExitStatus> {
    // It fails only for what is reaped already.
    let _ = child.kill();
    child.wait()
}

type Started = (Child, Worker, mpsc::Receiver<Farewell>);

fn start(shared: &Shared, launch: &Launch) -> Result<Started, String> {
    let settings = shared.settings();
    let told = |what: &str, error: io::Error| format!("{what}: {error}");
    let (near, far) = frame::pair().map_err(|error| told("no socket", error))?;
    let welcome = welcome(settings)?;
    let slot = Slot::create(welcome.slot).map_err(|error| told("no slot", error))?;
    let spawned = launch.command(far).spawn();
    let child = spawned
        .map_err(|error| told(&format!("{} cannot run", launch.program.display()), error))?;
    let greeted = frame::welcome(&near, &welcome, slot.file())
        .map_err(|error| told("no greeting", error))
        .and_then(|()| hear_ready(shared, &near));
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (Ok(()), Some(pid)) = (&greeted, pid) else {
        let status = end(child).map_or_else(|error| error.to_string(), |it| it.to_string());
        let why = greeted.err().unwrap_or_default();
        return Err(format!("{why} ({status})"));
    };
    let (farewell, last) = mpsc::channel();
    let slot = Arc::new(slot);
    let (jobs, cpu, warm) = (0, Duration::ZERO, 0);
    Ok((child, Worker { socket: near, slot, pid, farewell, jobs, cpu, warm }, last))
}

fn welcome(settings: &Settings) -> Result<Welcome, String> {
    let bytes = |size: u64| usize::try_from(size).map_err(|_| format!("{size} bytes are too many"));
    let (input, output) = (bytes(settings.largest_input.0)?, bytes(settings.largest_output.0)?);
    Ok(Welcome {
        slot: (input + LONGEST_ORDER).max(output + LONGEST_HEAD),
        memory: settings.memory.0,
        largest_output: output,
        priority: settings.priority,
    })
}

/// Waits until a new worker is ready.
fn hear_ready(shared: &Shared, socket: &OwnedFd) -> Result<(), String> {
    let started = Instant::now();
    let glance = Timespec::try_from(GLANCE).unwrap_or_default();
    while started.elapsed() < START_LIMIT && !shared.is_closed() {
        let mut wait = [PollFd::new(socket, PollFlags::IN)];
        // Interrupted or not, what counts is whether there is a word.
        let _ = rustix::event::poll(&mut wait, Some(&glance));
        match frame::receive(socket) {
            Ok(Word::Ready) => return Ok(()),
            Ok(Word::Unfit(why)) => return Err(why),
            Ok(Word::Over { .. }) => return Err("it speaks out of turn".into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err("it ended before it was ready".into());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("it was not ready within {START_LIMIT:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_end_too_soon_come_back_more_and_more_slowly() {
        let mut pace = Pace::default();
        let pauses: Vec<u128> = (0..9).map(|_| pace.strike(JOB_PAUSE).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 100, 200, 400, 800, 1000, 1000, 1000]);
        assert_eq!(pace.strike(START_PAUSE).as_millis(), 12_800);
        pace.strikes = u32::MAX;
        assert_eq!(pace.strike(START_PAUSE), START_PAUSE);
        pace.useful();
        assert_eq!(pace.strike(START_PAUSE), Duration::ZERO);
    }

    #[test]
    fn the_slot_holds_the_longest_order_and_the_longest_answer() {
        let settings = Settings::default();
        let welcome = welcome(&settings).unwrap();
        assert!(welcome.slot as u64 >= settings.largest_input.0 + LONGEST_ORDER as u64);
        assert!(welcome.slot as u64 >= settings.largest_output.0 + LONGEST_HEAD as u64);
    }
}
