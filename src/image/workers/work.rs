//! A worker's life: prepare, be confined, do one job after another until the node hangs up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::time::ClockId;

use super::confine::{self, Threads};
use super::frame::{self, End, Job, LONGEST_HEAD, Welcome, Word};
use super::slot::{KEPT, Slot};

/// Most bytes that are told of a panic, or of why a worker is unfit.
const LONGEST_TEXT: usize = 400;

/// This process could not be a worker.
const COULD_NOT_WORK: u8 = 2;

/// Works for the node that started this process, until it hangs up.
///
/// `prepare` runs first, bounded in memory but otherwise free: it reads what the handler will need,
/// such as fonts, and makes the handler. From then on the process can open nothing and start nothing
/// but, if `threads` says so, threads. The handler gets an order and the images it is about, appends
/// the body to its last argument, which comes empty, and returns the head. A handler that panics costs
/// its job, and this worker, since nobody knows what state it left behind.
///
/// The result is the process's exit code: 0 after the node hung up.
pub fn work<H>(threads: Threads, prepare: impl FnOnce() -> Result<H, String>) -> ExitCode
where
    H: FnMut(&[u8], &[&[u8]], &mut Vec<u8>) -> Vec<u8>,
{
    let (socket, welcome, file) = match greeted() {
        Ok(greeting) => greeting,
        Err(error) => {
            eprintln!("only a node starts this: {error}");
            return ExitCode::from(COULD_NOT_WORK);
        }
    };
    match ready(&socket, welcome, file, threads, prepare) {
        Ok(mut worker) => {
            while worker.job(&socket).is_ok() {}
            ExitCode::SUCCESS
        }
        Err(mut why) => {
            why.truncate(why.floor_char_boundary(LONGEST_TEXT));
            // If the node is gone there is nobody to tell.
            let _ = frame::send(&socket, &Word::Unfit(why));
            ExitCode::from(COULD_NOT_WORK)
        }
    }
}

/// The node's socket, which came as standard input, and what it said first.
fn greeted() -> io::Result<(OwnedFd, Welcome, OwnedFd)> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let (welcome, file) = frame::welcomed(&socket)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok((socket, welcome, file))
}

fn ready<H>(
    socket: &OwnedFd,
    welcome: Welcome,
    file: OwnedFd,
    threads: Threads,
    prepare: impl FnOnce() -> Result<H, String>,
) -> Result<Worker<H>, String> {
    let told = |what: &str, error: io::Error| format!("{what}: {error}");
    confine::bound(&welcome).map_err(|error| told("the bounds", error))?;
    let slot = Slot::open(file, welcome.slot).map_err(|error| told("the slot", error))?;
    let handler = prepare()?;
    let last_words = listen_to_panics();
    // The clock's first reading looks for a shorter way into the kernel, and may not do so later.
    cpu_time();
    confine::close(socket.as_fd(), threads).map_err(|error| told("the filter", error))?;
    frame::send(socket, &Word::Ready).map_err(|error| told("the node", error))?;
    let (input, output) = (Vec::new(), Vec::new());
    Ok(Worker { slot, handler, input, output, largest: welcome.largest_output, last_words })
}

/// Keeps what a panic says, instead of printing it.
fn listen_to_panics() -> Arc<Mutex<String>> {
    let words = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&words);
    std::panic::set_hook(Box::new(move |panic| {
        let mut text = panic.to_string();
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        *kept.lock() = text;
    }));
    words
}

struct Worker<H> {
    slot: Slot,
    handler: H,
    /// The present job's order and images, copied out of the slot; behind them what earlier ones left,
    /// so that no job waits for fresh memory.
    input: Vec<u8>,
    /// The present job's body.
    output: Vec<u8>,
    /// Most bytes of a body.
    largest: usize,
    last_words: Arc<Mutex<String>>,
}

impl<H> Worker<H>
where
    H: FnMut(&[u8], &[&[u8]], &mut Vec<u8>) -> Vec<u8>,
{
    /// Waits for a job and does it.
    ///
    /// # Errors
    /// The node hung up, or the handler panicked.
    fn job(&mut self, socket: &OwnedFd) -> io::Result<()> {
        let job: Job = frame::receive(socket)?;
        let len = job.order + job.inputs.iter().sum::<usize>();
        if self.input.len() < len {
            self.input.resize(len, 0);
        }
        self.slot.read(0, self.input.get_mut(..len).unwrap_or_default())?;
        let end = self.handle(&job)?;
        let panicked = matches!(end, End::Panicked(_));
        let cpu_micros = u64::try_from(cpu_time().as_micros()).unwrap_or(u64::MAX);
        frame::send(socket, &Word::Over { number: job.number, cpu_micros, end })?;
        self.input.truncate(KEPT);
        self.output.clear();
        for buffer in [&mut self.input, &mut self.output] {
            buffer.shrink_to(KEPT);
        }
        if panicked { Err(io::Error::other("the handler panicked")) } else { Ok(()) }
    }

    fn handle(&mut self, job: &Job) -> io::Result<End> {
        let short = || io::Error::other("the job is shorter than it says");
        let (order, mut rest) = self.input.split_at_checked(job.order).ok_or_else(short)?;
        let mut inputs = Vec::with_capacity(job.inputs.len());
        for len in &job.inputs {
            let (input, behind) = rest.split_at_checked(*len).ok_or_else(short)?;
            inputs.push(input);
            rest = behind;
        }
        let (handler, output) = (&mut self.handler, &mut self.output);
        let head = match catch_unwind(AssertUnwindSafe(|| handler(order, &inputs, output))) {
            Ok(head) => head,
            Err(_) => {
                let words = self.last_words.lock();
                self.slot.write([words.as_bytes()])?;
                return Ok(End::Panicked(words.len()));
            }
        };
        if self.output.len() > self.largest {
            return Ok(End::TooLarge(self.output.len()));
        }
        if head.len() > LONGEST_HEAD {
            return Ok(End::TooLarge(head.len()));
        }
        self.slot.write([head.as_slice(), &self.output])?;
        Ok(End::Done { head: head.len(), body: self.output.len() })
    }
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
