//! Connections that changed protocols: bytes both ways, once the origin has said 101.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::listen::{DrainWatch, Stage};

/// Joins the client's and the origin's connection until one side ends, or the drain cuts tunnels off.
pub fn join(client: OnUpgrade, origin: OnUpgrade, mut drain: DrainWatch) {
    tokio::spawn(async move {
        let (Ok(client), Ok(origin)) = tokio::join!(client, origin) else { return };
        let (mut client, mut origin) = (TokioIo::new(client), TokioIo::new(origin));
        tokio::select! {
            // How a tunnel ends is the two ends' own business.
            _ = tokio::io::copy_bidirectional(&mut client, &mut origin) => {}
            () = drain.reached(Stage::Aborting) => {}
        }
    });
}
