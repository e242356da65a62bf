//! One worker as the job sees it that holds it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Resource, Rlimit};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::counters::COUNTERS;
use super::frame::{self, End, Job, LONGEST_HEAD, Word};
use super::slot::{KEPT, Slot};
use super::{Done, Settings, WorkerFault};

/// How much is copied into pages that are not there yet without leaving the serving thread.
const COLD: usize = 256 << 10;

/// How long a broken conversation waits to hear how its worker ended.
const OBITUARY: Duration = Duration::from_secs(1);

/// A worker that waits for a job. Whoever drops it has its process killed and replaced.
pub(super) struct Worker {
    pub(super) socket: OwnedFd,
    pub(super) slot: Arc<Slot>,
    pub(super) pid: Pid,
    /// Tells the keeper how this ends. Without a word: nobody wanted it any more.
    pub(super) farewell: mpsc::Sender<Farewell>,
    /// Jobs so far.
    pub(super) jobs: u32,
    /// Processor time so far, as the worker says.
    pub(super) cpu: Duration,
    /// Bytes at the slot's beginning whose pages are there.
    pub(super) warm: usize,
}

/// The last word about a worker.
pub(super) enum Farewell {
    /// It did its number of jobs.
    Worn,
    /// It failed, after so many jobs that did not; somebody may wait to hear how it ended.
    Failed { jobs: u32, tell: Option<oneshot::Sender<ExitStatus>> },
}

/// How a job went whose conversation was in good order.
enum Outcome {
    Done(Done),
    TooLarge(String),
    Panicked(String),
}

impl Worker {
    /// Whether it is still there and, as it should, silent.
    pub(super) fn is_idle(&self) -> bool {
        frame::receive::<Word>(&self.socket)
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Has a worker replaced that failed at rest.
    pub(super) fn bury(self) {
        tracing::warn!("an image worker failed at rest");
        // Without a keeper the pool is at its end.
        let _ = self.farewell.send(Farewell::Failed { jobs: self.jobs, tell: None });
    }

    /// Does one job; the worker comes back if it is fit for another.
    pub(super) async fn job(
        mut self,
        order: &[u8],
        inputs: &[Bytes],
        settings: &Settings,
    ) -> (Result<Done, WorkerFault>, Option<Worker>) {
        let limit = settings.time_limit.0;
        let ended = tokio::time::timeout(limit, self.converse(order, inputs, settings)).await;
        self.jobs += 1;
        let result = match ended {
            Ok(Ok(Outcome::Done(done))) => Ok(done),
            Ok(Ok(Outcome::TooLarge(what))) => Err(WorkerFault::TooLarge(what)),
            Ok(Ok(Outcome::Panicked(what))) => {
                tracing::warn!("an image worker panicked: {what}");
                self.fail(None);
                return (Err(WorkerFault::Crashed(what)), None);
            }
            Ok(Err(error)) => return (Err(self.broke(error).await), None),
            Err(_) => {
                tracing::warn!("an image worker was killed after {limit:?}");
                self.fail(None);
                return (Err(WorkerFault::TimedOut), None);
            }
        };
        if self.jobs < settings.jobs {
            return (result, Some(self));
        }
        let _ = self.farewell.send(Farewell::Worn);
        (result, None)
    }

    async fn converse(
        &mut self,
        order: &[u8],
        inputs: &[Bytes],
        settings: &Settings,
    ) -> io::Result<Outcome> {
        self.limit_cpu(settings.cpu_limit.0)?;
        self.put(order, inputs).await?;
        let lengths = inputs.iter().map(Bytes::len).collect();
        let job = Job { number: self.jobs, order: order.len(), inputs: lengths };
        frame::send(&self.socket, &job)?;
        let Word::Over { number, cpu_micros, end } = self.hear().await? else {
            return Err(io::Error::other("an answer that is none"));
        };
        if number != job.number {
            return Err(io::Error::other("an answer to another job"));
        }
        let cpu = self.charge(Duration::from_micros(cpu_micros));
        self.take(end, cpu, settings).await
    }

    /// Processor time that the worker may have used when this job is over; the kernel kills it then.
    fn limit_cpu(&self, job: Duration) -> io::Result<()> {
        let used = self.cpu.as_secs() + u64::from(self.cpu.subsec_nanos() > 0);
        let maximum = rustix::process::getrlimit(Resource::Cpu).maximum;
        let most = used.saturating_add(job.as_secs());
        let most = maximum.map_or(most, |maximum| most.min(maximum));
        let limit = Rlimit { current: Some(most), maximum };
        rustix::process::prlimit(Some(self.pid), Resource::Cpu, limit)?;
        Ok(())
    }

    /// Counts the processor time of a job, and tells it.
    fn charge(&mut self, so_far: Duration) -> Duration {
        let spent = so_far.saturating_sub(self.cpu);
        COUNTERS.spent(spent);
        self.cpu = so_far.max(self.cpu);
        spent
    }

    /// Copies the job into the slot. Where that means fresh pages, which are slow, another thread does.
    async fn put(&mut self, order: &[u8], inputs: &[Bytes]) -> io::Result<()> {
        let len = order.len() + inputs.iter().map(Bytes::len).sum::<usize>();
        if len <= self.warm.max(COLD) {
            let images = inputs.iter().map(Bytes::as_ref);
            self.slot.write(std::iter::once(order).chain(images))?;
        } else {
            let (slot, order, inputs) = (Arc::clone(&self.slot), order.to_vec(), inputs.to_vec());
            spawn_blocking(move || {
                let images = inputs.iter().map(Bytes::as_ref);
                slot.write(std::iter::once(order.as_slice()).chain(images))
            })
            .await??;
        }
        self.warm = self.warm.max(len);
        Ok(())
    }

    /// Waits for the worker's word, on whatever runtime this job came from.
    async fn hear(&self) -> io::Result<Word> {
        let socket = UnixStream::from_std(self.socket.try_clone()?.into())?;
        loop {
            socket.readable().await?;
            match socket.try_io(Interest::READABLE, || frame::receive(&socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                word => return word,
            }
        }
    }

    /// Copies the answer out of the slot, as far as its lengths can be true.
    async fn take(&mut self, end: End, cpu: Duration, settings: &Settings) -> io::Result<Outcome> {
        let limit = usize::try_from(settings.largest_output.0).unwrap_or(usize::MAX);
        match end {
            End::Done { head, body } if head <= LONGEST_HEAD && body <= limit => {
                self.warm = self.warm.max(head + body);
                let done = self.copy_out(head, body, cpu).await?;
                self.trim()?;
                Ok(Outcome::Done(done))
            }
            End::TooLarge(size) => {
                self.trim()?;
                let most = settings.largest_output;
                Ok(Outcome::TooLarge(format!("the result has {size} bytes, at most {most}")))
            }
            End::Panicked(len) if len <= LONGEST_HEAD => {
                let mut text = vec![0; len];
                self.slot.read(0, &mut text)?;
                Ok(Outcome::Panicked(String::from_utf8_lossy(&text).into_owned()))
            }
            End::Done { .. } | End::Panicked(_) => Err(io::Error::other("an impossible answer")),
        }
    }

    async fn copy_out(&self, head: usize, body: usize, cpu: Duration) -> io::Result<Done> {
        let copy = move |slot: &Slot| {
            let mut done = (vec![0; head], vec![0; body]);
            slot.read(0, &mut done.0)?;
            slot.read(head, &mut done.1)?;
            Ok(Done { head: done.0, body: Bytes::from(done.1), cpu })
        };
        if head + body <= KEPT {
            return copy(&self.slot);
        }
        let slot = Arc::clone(&self.slot);
        spawn_blocking(move || copy(&slot)).await?
    }

    /// Gives back what a large job took.
    fn trim(&mut self) -> io::Result<()> {
        self.slot.trim(self.warm)?;
        self.warm = self.warm.min(KEPT);
        Ok(())
    }

    /// The conversation broke: has the worker replaced, and hears how it ended.
    async fn broke(self, error: io::Error) -> WorkerFault {
        let (tell, told) = oneshot::channel();
        self.fail(Some(tell));
        let how = match tokio::time::timeout(OBITUARY, told).await {
            Ok(Ok(status)) if status.signal() == Some(libc::SIGXCPU) => {
                tracing::warn!("an image worker used up its processor time");
                return WorkerFault::TimedOut;
            }
            Ok(Ok(status)) if hung_up(&error) => status.to_string(),
            _ => error.to_string(),
        };
        tracing::warn!("an image worker failed: {how}");
        WorkerFault::Crashed(how)
    }

    fn fail(self, tell: Option<oneshot::Sender<ExitStatus>>) {
        let jobs = self.jobs.saturating_sub(1);
        // Without a keeper the pool is at its end.
        let _ = self.farewell.send(Farewell::Failed { jobs, tell });
    }
}

/// Whether an error means that the other side is no more.
fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Span;

    /// A worker that is no process, what it will tell its keeper, and its end of the conversation.
    fn impostor() -> (Worker, mpsc::Receiver<Farewell>, OwnedFd) {
        let (socket, far) = frame::pair().unwrap();
        let slot = Arc::new(Slot::create(2 << 20).unwrap());
        let (farewell, told) = mpsc::channel();
        let pid = rustix::process::getpid();
        let (jobs, cpu, warm) = (0, Duration::ZERO, 0);
        (Worker { socket, slot, pid, farewell, jobs, cpu, warm }, told, far)
    }

    /// The limit is for the process that runs the tests; nobody is to be killed by it.
    fn settings() -> Settings {
        Settings {
            cpu_limit: Span::seconds(1 << 30),
            largest_output: crate::quantity::Size::kib(4),
            ..Settings::default()
        }
    }

    fn over(number: u32, end: End) -> Word {
        Word::Over { number, cpu_micros: 1500, end }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_true_costs_the_worker() {
        for (word, what) in [
            (Word::Ready, "an answer that is none"),
            (over(1, End::Done { head: 0, body: 0 }), "another job"),
            (over(0, End::Done { head: 0, body: 4097 }), "impossible"),
            (over(0, End::Done { head: LONGEST_HEAD + 1, body: 0 }), "impossible"),
            (over(0, End::Done { head: usize::MAX, body: usize::MAX }), "impossible"),
            (over(0, End::Panicked(usize::MAX)), "impossible"),
        ] {
            let (worker, told, far) = impostor();
            frame::send(&far, &word).unwrap();
            let keeper = std::thread::spawn(move || {
                matches!(told.recv(), Ok(Farewell::Failed { jobs: 0, .. }))
            });
            let (result, back) = worker.job(b"order", &[], &settings()).await;
            let how = result.unwrap_err().to_string();
            assert!(how.contains(what), "{word:?}: {how}");
            assert!(back.is_none(), "{word:?}");
            assert!(keeper.join().unwrap(), "{word:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_in_good_order_is_taken_and_charged() {
        let (worker, _told, far) = impostor();
        let copy = Slot::open(worker.slot.file().try_clone_to_owned().unwrap(), 2 << 20).unwrap();
        let other_side = async {
            let job: Job = frame::receive(&far).unwrap();
            copy.write([b"head".as_slice(), b"body"]).unwrap();
            frame::send(&far, &over(job.number, End::Done { head: 4, body: 4 })).unwrap();
        };
        let settings = settings();
        // The job is polled first, and its message is there when the other side is.
        let ((result, back), ()) =
            tokio::join!(biased; worker.job(b"", &[], &settings), other_side);
        let (head, body) = (b"head".into(), Bytes::from_static(b"body"));
        assert_eq!(result, Ok(Done { head, body, cpu: Duration::from_micros(1500) }));
        assert_eq!(back.map(|it| (it.jobs, it.cpu)), Some((1, Duration::from_micros(1500))));
    }

    #[tokio::test]
    async fn who_speaks_unasked_is_not_idle() {
        let (worker, _told, far) = impostor();
        assert!(worker.is_idle());
        frame::send(&far, &Word::Ready).unwrap();
        assert!(!worker.is_idle());
        assert!(worker.is_idle());
        drop(far);
        assert!(!worker.is_idle());
    }
}
