//! Interim responses (RFC 9110 section 15.2) over HTTP/1.
//!
//! hyper's HTTP/1 server cannot send a 1xx head, so [`Interim`] queues one and the connection's own
//! I/O ([`super::wire::Wire`]) writes it, in front of the final head and never inside an earlier
//! response.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::Waker;

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

/// Bytes of interim heads that may wait for a slow client; more are dropped.
const MOST_QUEUED: usize = 64 << 10;

/// Sends interim heads to the client of one request. Good until that request's final response; a
/// head sent later goes nowhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interim {
    queue: Arc<Queue>,
    /// Which of the connection's requests with a handle this one belongs to.
    turn: u64,
}

/// Interim heads of one connection, waiting to be written. Requests begin, ask for a handle and end
/// in the connection's own task; only what is done with a handle may happen elsewhere. So a request
/// that asks for none needs no lock.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Whether the running request may have a handle that works.
    allowed: AtomicBool,
    /// Whether it has asked for one.
    handed: AtomicBool,
    /// Whether `state.bytes` holds anything; spares the lock on every write.
    waiting: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the requests that asked for a handle.
    turn: u64,
    /// Whether the last of them still runs, and may send.
    open: bool,
    bytes: BytesMut,
    waker: Option<Waker>,
}

impl Interim {
    /// Queues an interim head for the client; it leaves as soon as the connection can write. Returns
    /// whether it was queued: not so after the final response has begun, for a status other than
    /// 102 to 199 (100 is the connection's own, and 101 is final), or when the client takes none.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        if !(102..=199).contains(&status.as_u16()) {
            return false;
        }
        let head = head(status, headers);
        let waker = {
            let mut state = self.queue.state.lock();
            let fits = state.bytes.len() + head.len() <= MOST_QUEUED;
            if !state.open || state.turn != self.turn || !fits {
                return false;
            }
            state.bytes.unsplit(head);
            self.queue.waiting.store(true, Release);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// Draws a head. Field values pass as they are: `HeaderValue` holds no line end.
fn head(status: StatusCode, headers: &HeaderMap) -> BytesMut {
    let mut head = BytesMut::with_capacity(64 + headers.len() * 64);
    let reason = status.canonical_reason().unwrap_or("Interim");
    // Writing into memory cannot fail.
    let _ = write!(head, "HTTP/1.1 {} {reason}\r\n", status.as_str());
    for (name, value) in headers {
        // RFC 9110 section 8.6 and RFC 9112 section 6.1: a 1xx has no body to frame.
        if matches!(name.as_str(), "content-length" | "transfer-encoding" | "connection") {
            continue;
        }
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"\r\n");
    head
}

impl Queue {
    /// A new request has begun. It may send interim heads if `allowed`: HTTP/1.0 clients do not know
    /// them (RFC 9110 section 15.2).
    pub(super) fn open(&self, allowed: bool) {
        if self.handed.load(Relaxed) {
            // The one before ended without an answer.
            self.handed.store(false, Relaxed);
            self.state.lock().open = false;
        }
        self.allowed.store(allowed, Relaxed);
    }

    /// A handle for the request that runs now.
    pub(super) fn handle(self: &Arc<Self>) -> Interim {
        let mut state = self.state.lock();
        if !self.handed.swap(true, Relaxed) {
            state.turn += 1;
            state.open = self.allowed.load(Relaxed);
        }
        Interim { queue: self.clone(), turn: state.turn }
    }

    /// The final response is there. Heads still queued may go first only if `clean`, that is, if no
    /// byte of an earlier response is waiting before them.
    pub(super) fn close(&self, clean: bool) {
        self.allowed.store(false, Relaxed);
        if !self.handed.load(Relaxed) {
            return;
        }
        self.handed.store(false, Relaxed);
        let mut state = self.state.lock();
        state.open = false;
        state.waker = None;
        if !clean {
            state.bytes.clear();
            self.waiting.store(false, Release);
        }
    }

    /// The connection's task sleeps while the handler works; a head that is queued should wake it.
    pub(super) fn attend(&self, waker: &Waker) {
        if !self.handed.load(Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        if state.open && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    /// All heads queued so far.
    pub(super) fn take(&self) -> BytesMut {
        if !self.waiting.load(Acquire) {
            return BytesMut::new();
        }
        let mut state = self.state.lock();
        self.waiting.store(false, Release);
        state.bytes.split()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_sent_for_its_own_request_only() {
        let queue = Arc::new(Queue::default());
        queue.open(true);
        let first = queue.handle();
        let mut headers = HeaderMap::new();
        headers.insert("link", "</a.css>; rel=preload".parse().unwrap());
        headers.insert("content-length", "3".parse().unwrap());
        assert!(first.send(StatusCode::EARLY_HINTS, &headers));
        assert!(!first.send(StatusCode::OK, &headers));
        assert!(!first.send(StatusCode::SWITCHING_PROTOCOLS, &headers));
        let text = queue.take();
        assert_eq!(&text[..], b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
        queue.close(true);
        assert!(!first.send(StatusCode::EARLY_HINTS, &headers));
        queue.open(true);
        assert!(!first.send(StatusCode::EARLY_HINTS, &headers), "the next request is another's");
        let second = queue.handle();
        assert!(!first.send(StatusCode::EARLY_HINTS, &headers), "even if it asks for a handle");
        assert!(second.send(StatusCode::EARLY_HINTS, &headers));
        assert!(queue.handle().send(StatusCode::EARLY_HINTS, &headers), "it may ask twice");
        assert_eq!(queue.take().len(), 2 * text.len());
        queue.close(true);
        assert!(!queue.handle().send(StatusCode::EARLY_HINTS, &headers), "its answer is there");
        queue.open(true);
        assert!(queue.take().is_empty());
    }

    #[test]
    fn an_old_client_and_a_busy_line_get_none() {
        let queue = Arc::new(Queue::default());
        queue.open(false);
        assert!(!queue.handle().send(StatusCode::PROCESSING, &HeaderMap::new()));
        queue.open(true);
        assert!(queue.handle().send(StatusCode::PROCESSING, &HeaderMap::new()));
        queue.close(false);
        assert!(queue.take().is_empty());
    }
}
