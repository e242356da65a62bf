//! The serving threads: one per core, each with its own runtime and its own listeners.
//!
//! A connection lives and dies on the thread that accepted it. Listeners come and go while a thread
//! runs, so that a reload can add an address and drain another.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::listen::{Front, Handler, Meters, serve_listener};

/// What a serving thread is told to do.
enum Order<H> {
    /// Serve this listener too.
    Serve(TcpListener, Front<H>),
    /// Cut off what still runs, and end.
    End,
}

/// A running serving thread.
pub(super) struct ServingThread<H> {
    orders: UnboundedSender<Order<H>>,
    /// What the thread's listeners count.
    pub(super) meters: Arc<Meters>,
    thread: JoinHandle<()>,
}

impl<H: Handler> ServingThread<H> {
    /// Starts the thread numbered `number`.
    ///
    /// # Errors
    /// The system has no thread or no runtime to give.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let (orders, inbox) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name(format!("serve-{number}"))
            .spawn(move || runtime.block_on(obey(inbox)))?;
        Ok(ServingThread { orders, meters: Arc::new(Meters::default()), thread })
    }

    /// Hands the thread one more listener.
    pub(super) fn serve(&self, listener: TcpListener, front: Front<H>) {
        // A thread that has ended serves nothing, and only the end of the node ends one.
        let _ = self.orders.send(Order::Serve(listener, front));
    }

    /// Ends the thread and waits for it.
    pub(super) fn end(self) {
        let _ = self.orders.send(Order::End);
        if self.thread.join().is_err() {
            tracing::error!("a serving thread panicked");
        }
    }
}

async fn obey<H: Handler>(mut inbox: UnboundedReceiver<Order<H>>) {
    while let Some(Order::Serve(listener, front)) = inbox.recv().await {
        let address: Option<SocketAddr> = listener.local_addr().ok();
        tokio::spawn(async move {
            if let Err(error) = serve_listener(listener, front).await {
                tracing::error!(?address, %error, "a listener failed");
            }
        });
    }
}
