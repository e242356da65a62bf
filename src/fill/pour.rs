//! The body of a flight: from the origin into the store, resumed where it breaks off, cancelled when
//! nobody is left to read it.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::time::Instant;

use super::COUNTERS;
use super::lead::Lead;
use crate::cache::partial;
use crate::cache::validate::same_bytes;
use crate::store::{Cut, Entry, Writer};
use crate::upstream::{self, Fault, IncomingBody};

/// How long a body may be without a reader before it counts as deserted. Clients that have just been
/// told of it have yet to open it.
const GRACE: Duration = Duration::from_secs(1);

/// How long the opening takes for those who have just been told; seldom waited for.
const OPENING: Duration = Duration::from_millis(2);

impl Lead {
    /// Writes the body to its end, or cuts it.
    pub(super) async fn pour(&self, mut writer: Writer, mut body: IncomingBody) {
        let mut resumes = self.flights.settings.resumes;
        let mut kept = writer.keeps();
        if !kept {
            self.all_opened().await;
        }
        let mut empty_since = None;
        // A resumption may tell the length that the first response did not.
        let mut told_end = None;
        loop {
            match next(&mut body).await {
                Some(Ok(bytes)) => {
                    COUNTERS.fetched_bytes.add(bytes.len() as u64);
                    if kept && !writer.may_keep(bytes.len() as u64) {
                        // Nobody may board any more: the first bytes are gone with the next write.
                        kept = false;
                        self.flights.board.remove(&self.flight);
                        self.all_opened().await;
                    }
                    if let Err(cut) = writer.write(bytes).await {
                        return writer.cut(cut, false);
                    }
                    if self.is_deserted(writer.entry(), &mut empty_since) {
                        COUNTERS.deserted.bump();
                        let keep = self.may_keep_part(writer.entry());
                        return writer.cut(Cut::Abandoned, keep);
                    }
                }
                Some(Err(_)) => {
                    let rest = match resumes {
                        0 => None,
                        _ => self.resume(writer.entry()).await,
                    };
                    // A body that has failed must not be polled again: it would end cleanly.
                    let Some((rest, end)) = rest else {
                        let keep = self.may_keep_part(writer.entry());
                        return writer.cut(Cut::Origin, keep);
                    };
                    (body, told_end) = (rest, Some(end));
                    resumes -= 1;
                }
                None if told_end.is_some_and(|end| writer.entry().body.progress().0 != end) => {
                    return writer.cut(Cut::Length, false);
                }
                // Stored before the flight leaves the board, so that whoever asks finds it in
                // one place or the other.
                None => {
                    // A body that is too short has been cut, and its readers know.
                    let _stored = writer.finish().await;
                    return;
                }
            }
        }
    }

    /// Waits until all aboard have opened the body, within [`GRACE`]: the first bytes of one that is
    /// not kept are gone once those who read have passed them.
    async fn all_opened(&self) {
        let begun = Instant::now();
        loop {
            // The pause comes first: whoever has just left the flight opens the body at once.
            tokio::time::sleep(OPENING).await;
            if self.flight.aboard() == 0 || begun.elapsed() >= GRACE {
                return;
            }
        }
    }

    /// Asks for the rest of a body that broke off. Only of the same bytes beyond doubt.
    async fn resume(&self, entry: &Entry) -> Option<(IncomingBody, u64)> {
        let (next, until) = entry.body.progress();
        let rest = next..until.unwrap_or(u64::MAX);
        let completion = partial::completion(&entry.stored, &rest)?;
        COUNTERS.fetches.bump();
        let outbound = self.wire.outbound(|headers| completion.apply(headers));
        let inbound = upstream::send(&self.group, outbound).await.ok()?;
        let (status, headers) = (inbound.head.status, &inbound.head.headers);
        let piece = partial::place(headers).filter(|_| status == 206)?;
        let fits = same_bytes(&entry.stored.headers, headers)
            && piece.bytes.start == next
            && until.is_none_or(|until| piece.bytes.end == until)
            && (until.is_some() || piece.bytes.end == piece.total)
            && entry.stored.total.is_none_or(|total| total == piece.total);
        if !fits {
            return None;
        }
        COUNTERS.resumed.bump();
        Some((inbound.body, piece.bytes.end))
    }

    /// Whether all clients have left and what is missing is not worth fetching.
    fn is_deserted(&self, entry: &Entry, empty_since: &mut Option<Instant>) -> bool {
        if self.background || self.flight.aboard() > 0 || entry.body.readers() > 0 {
            *empty_since = None;
            return false;
        }
        let since = *empty_since.get_or_insert_with(Instant::now);
        if since.elapsed() < GRACE {
            return false;
        }
        let enough = self.flights.settings.finish_below.0;
        let (next, until) = entry.body.progress();
        let there: u64 = entry.body.present().iter().map(|range| range.end - range.start).sum();
        match until {
            Some(until) => until - next > enough && there < until / 2,
            None => there > enough,
        }
    }

    /// Whether the part of a body that came may be stored (RFC 9111 section 3.3): if the rest can be
    /// asked for later, and nothing better is stored.
    fn may_keep_part(&self, entry: &Entry) -> bool {
        let better = self.base.as_ref().is_some_and(|base| base.is_whole());
        !better && partial::completion(&entry.stored, &(0..1)).is_some()
    }
}

/// The next bytes; trailers are passed over, for a stored response has none.
pub(super) async fn next(body: &mut IncomingBody) -> Option<Result<Bytes, Fault>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
            Err(fault) => return Some(Err(fault)),
        }
    }
}
