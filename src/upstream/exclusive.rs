//! An HTTP/1.1 connection to an origin, driven by whoever uses it.
//!
//! hyper would have a task for each connection: every request is then handed over and back through
//! channels, with a wake-up for each. Here the task that waits for the response polls the connection
//! itself; an idle connection is polled by nobody, and looked at when it is taken from the pool.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use hyper::client::conn::http1;

use super::upload::UploadBody;

/// A connection that carries one request at a time.
pub(crate) struct Exclusive {
    // Dropped before the driver, which sees by it that no more requests will come.
    pub sender: http1::SendRequest<UploadBody>,
    driver: Driver,
    pub address: SocketAddr,
}

impl Exclusive {
    /// A new connection: hyper's two halves, and where it leads.
    pub fn new(
        sender: http1::SendRequest<UploadBody>,
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
        address: SocketAddr,
    ) -> Self {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(bell.clone());
        let connection: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(connection);
        let driver = Driver { connection: Some(connection), bell, waker, address };
        Exclusive { sender, driver, address }
    }

    /// Whether it is done with its last response, as far as it has been polled.
    pub fn is_done(&self) -> bool {
        self.driver.connection.is_some() && self.sender.is_ready()
    }

    /// Whether it can take a request: it is done with the last one, and the origin has not hung up.
    pub fn is_ready(&mut self) -> bool {
        self.driver.poll();
        self.is_done()
    }

    /// Polls what comes over this connection, and the connection itself if it is not there yet.
    pub fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut coming: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Only polling the connection makes anything come, so that nothing else need wake us for it.
        let mut unwaked = Context::from_waker(Waker::noop());
        if let Poll::Ready(come) = coming(&mut unwaked) {
            return Poll::Ready(come);
        }
        self.driver.poll();
        if let Poll::Ready(come) = coming(&mut unwaked) {
            return Poll::Ready(come);
        }
        self.driver.bell.ring_for(cx);
        Poll::Pending
    }

    /// Gives the connection a task of its own, until the response that it carries is over: it goes
    /// on even while nobody reads that.
    pub fn detach(self) {
        let Exclusive { mut driver, .. } = self;
        tokio::spawn(std::future::poll_fn(move |cx| {
            driver.poll();
            match driver.connection {
                None => Poll::Ready(()),
                Some(_) => {
                    driver.bell.ring_for(cx);
                    Poll::Pending
                }
            }
        }));
    }
}

/// The half of a connection that does the work.
struct Driver {
    /// `None` once it has ended.
    connection: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    bell: Arc<Bell>,
    /// The bell's.
    waker: Waker,
    address: SocketAddr,
}

impl Driver {
    fn poll(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        self.bell.rung.store(false, Ordering::Relaxed);
        if let Poll::Ready(ended) = connection.as_mut().poll(&mut Context::from_waker(&self.waker))
        {
            // With it go its ends of the channels: whoever waits for a response is told.
            self.connection = None;
            if let Err(error) = ended {
                tracing::debug!(address = %self.address, %error, "connection to an origin ended");
            }
        }
    }
}

/// Says goodbye, as TLS wants it, if that can be done at once.
impl Drop for Driver {
    fn drop(&mut self) {
        self.poll();
    }
}

/// What a connection rings when it can go on: heard by whoever waits for it, if anybody does. Most
/// rings come while it is being polled anyhow, or from its reader, and would only wake us again.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    /// Wakes the task of `cx` at the next ring, or now if the bell has been rung since the last poll.
    fn ring_for(&self, cx: &Context<'_>) {
        self.listener.register(cx.waker());
        if self.rung.load(Ordering::Acquire) {
            self.listener.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.listener.wake();
    }
}
