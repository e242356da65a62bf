//! A response that came past the cache and may be stored all the same: a POST's that says that it is
//! what a GET would get (RFC 9110 section 9.3.3).

use std::sync::Arc;

use http::HeaderMap;

use super::lead::Pilot;
use super::pour::next;
use super::{COUNTERS, Flights};
use crate::cache::{self, Key, Policy, Request};
use crate::clock::Timestamp;
use crate::store::{Cut, Entry, Incoming};
use crate::upstream::Inbound;

impl Flights {
    /// Stores the response to `request`, sent at `asked`, under `key`, if it may be stored; gives it
    /// back otherwise. The entry's body grows as the origin sends it, whoever reads; the fields beside
    /// it are for this client alone.
    ///
    /// # Errors
    /// The response, when it may not be stored or there is no room for it.
    pub fn adopt(
        self: &Arc<Self>,
        policy: &Policy,
        key: &Key,
        request: &Request<'_>,
        inbound: Inbound,
        asked: Timestamp,
    ) -> Result<(Arc<Entry>, HeaderMap), Box<Inbound>> {
        let (head, now) = (&inbound.head, self.clock.now());
        let judged = cache::storable(policy, request, head.status, &head.headers, asked, now);
        let Ok(mut storing) = judged else { return Err(Box::new(inbound)) };
        let once = std::mem::take(&mut storing.once);
        // An invalidation of the URL finds it as it finds a fetch, as long as the pilot is there.
        let flight = self.board.alone(key).flight.clone();
        let doom = flight.doom.clone();
        let pilot = Pilot(self.clone(), flight);
        let mut stored = storing.into_stored(self.store.new_object_id());
        // What the request itself made old is behind it; the caller has looked for other purges.
        stored.fill_seq = self.store.purge_seq();
        let (entry, mut writer) = self.store.insert(Incoming {
            key,
            request_headers: request.headers,
            stored,
            part: None,
            max_variants: policy.max_variants,
            doom,
        });
        if !writer.keeps() {
            writer.cut(Cut::Abandoned, false);
            return Err(Box::new(inbound));
        }
        let mut body = inbound.body;
        tokio::spawn(async move {
            let _pilot = pilot;
            loop {
                match next(&mut body).await {
                    Some(Ok(bytes)) => {
                        COUNTERS.fetched_bytes.add(bytes.len() as u64);
                        if let Err(cut) = writer.write(bytes).await {
                            return writer.cut(cut, false);
                        }
                    }
                    Some(Err(_)) => return writer.cut(Cut::Origin, false),
                    None => {
                        // A body that is too short has been cut, and its readers know.
                        let _stored = writer.finish().await;
                        return;
                    }
                }
            }
        });
        Ok((entry, once))
    }
}
