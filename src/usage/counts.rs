//! What is counted of one site: plain sums, each split in several ways.
//!
//! Requests and bytes to clients are split by what came of them, by where the bytes came from, by
//! TLS, protocol, status and country. Each split adds up to the whole, but for countries, where
//! clients of unknown whereabouts are in none.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use smallvec::SmallVec;

/// Most countries that are told apart for one site; ISO 3166-1 has 249.
pub const MOST_REGIONS: usize = 250;
/// Where clients of further countries are counted.
const ELSEWHERE: [u8; 2] = *b"ZZ";
/// Countries that a site has before its list takes memory of its own.
const FEW_REGIONS: usize = 4;

const RESULTS: [&str; 6] = ["hit", "stale", "miss", "pass", "error", "edge"];
const TIERS: [&str; 4] = ["memory", "disk", "origin", "edge"];
const PROTOCOLS: [&str; 3] = ["HTTP/1.0", "HTTP/1.1", "HTTP/2"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Answered from the store.
    Hit,
    /// Answered from the store although it was stale.
    Stale,
    /// Fetched through the cache.
    Miss,
    /// Passed on past the cache.
    Pass,
    /// Answered by the edge itself, with a status of 400 or more.
    Error,
    /// Answered by the edge itself otherwise: a redirect, say.
    Edge,
}

/// Where the bytes of an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The memory store.
    Memory,
    /// The disk store.
    Disk,
    /// The origin.
    Origin,
    /// The edge itself.
    Edge,
}

/// What a client spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 and before.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// One finished request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What came of it.
    pub how: How,
    /// Where the bytes came from.
    pub tier: Tier,
    /// What the client spoke.
    pub protocol: Protocol,
    /// Whether inside TLS.
    pub tls: bool,
    /// The status of the answer.
    pub status: u16,
    /// The code of the client's country, where it is known.
    pub region: Option<[u8; 2]>,
    /// Bytes of the body that went out.
    pub bytes: u64,
    /// Bytes that did not go out since a picture was sent in place of its larger original.
    pub saved: u64,
}

/// Requests, and the bytes that went with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// How many.
    pub requests: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}

/// The part of one country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its code (ISO 3166-1 alpha-2), or `ZZ` for all countries beyond [`MOST_REGIONS`].
    pub code: [u8; 2],
    /// What its clients were sent.
    pub sent: Sent,
}

/// Everything that is counted of one site over some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All that went to clients.
    pub all: Sent,
    /// By what came of it, in the order of [`How`].
    pub results: [Sent; 6],
    /// By where the bytes came from, in the order of [`Tier`].
    pub tiers: [Sent; 4],
    /// What went through TLS; the rest went in plain text.
    pub tls: Sent,
    /// By what the client spoke, in the order of [`Protocol`].
    pub protocols: [Sent; 3],
    /// By the first digit of the status, 1 to 5.
    pub statuses: [Sent; 5],
    /// By country, as far as that is known; in no order.
    pub regions: SmallVec<[Region; FEW_REGIONS]>,
    /// Requests to the origin, and the bytes of the bodies that came back.
    pub origin: Sent,
    /// Pieces of work on images that were done.
    pub images: u64,
    /// Their processor time, in microseconds.
    pub image_micros: u64,
    /// Bytes that did not go out since pictures are smaller than their originals.
    pub saved: u64,
    /// Times that one of the customer's rules failed.
    pub rule_failures: u64,
}

impl Sent {
    fn add(&mut self, other: Sent) {
        self.requests = self.requests.saturating_add(other.requests);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn is_zero(self) -> bool {
        self == Sent::default()
    }
}

impl Counts {
    /// Counts one request. Takes memory only for a country that is new.
    pub fn request(&mut self, request: &Request) {
        let sent = Sent { requests: 1, bytes: request.bytes };
        self.all.add(sent);
        add_at(&mut self.results, request.how as usize, sent);
        add_at(&mut self.tiers, request.tier as usize, sent);
        add_at(&mut self.protocols, request.protocol as usize, sent);
        let class = usize::from(request.status / 100).clamp(1, STATUSES.len());
        add_at(&mut self.statuses, class - 1, sent);
        if request.tls {
            self.tls.add(sent);
        }
        if let Some(code) = request.region {
            self.region(code, sent);
        }
        self.saved = self.saved.saturating_add(request.saved);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Counts) {
        self.all.add(other.all);
        add_each(&mut self.results, &other.results);
        add_each(&mut self.tiers, &other.tiers);
        self.tls.add(other.tls);
        add_each(&mut self.protocols, &other.protocols);
        add_each(&mut self.statuses, &other.statuses);
        for region in &other.regions {
            self.region(region.code, region.sent);
        }
        self.origin.add(other.origin);
        self.images = self.images.saturating_add(other.images);
        self.image_micros = self.image_micros.saturating_add(other.image_micros);
        self.saved = self.saved.saturating_add(other.saved);
        self.rule_failures = self.rule_failures.saturating_add(other.rule_failures);
    }

    /// Counts for a country. One that is asked for often moves to the front, where it is found soon.
    fn region(&mut self, code: [u8; 2], sent: Sent) {
        let place = self.regions.iter().position(|region| region.code == code);
        let code = match place {
            None if self.regions.len() + 1 >= MOST_REGIONS => ELSEWHERE,
            _ => code,
        };
        let place = place.or_else(|| self.regions.iter().position(|region| region.code == code));
        match place {
            Some(place) => {
                if let Some(region) = self.regions.get_mut(place) {
                    region.sent.add(sent);
                }
                if place > 0 {
                    self.regions.swap(place, place - 1);
                }
            }
            None => self.regions.push(Region { code, sent }),
        }
    }

    /// The counts as JSON; what is zero is left out of a split. `regions` says whether countries are
    /// told.
    pub fn told(&self, regions: bool) -> Map<String, Value> {
        let plain = Sent {
            requests: self.all.requests.saturating_sub(self.tls.requests),
            bytes: self.all.bytes.saturating_sub(self.tls.bytes),
        };
        let mut told = Map::new();
        told.insert("requests".into(), self.all.requests.into());
        told.insert("bytes".into(), self.all.bytes.into());
        told.insert("results".into(), split(RESULTS, &self.results));
        told.insert("tiers".into(), split(TIERS, &self.tiers));
        told.insert("transports".into(), split(["plain", "tls"], &[plain, self.tls]));
        told.insert("protocols".into(), split(PROTOCOLS, &self.protocols));
        told.insert("statuses".into(), split(STATUSES, &self.statuses));
        if regions {
            told.insert("regions".into(), self.told_regions());
        }
        told.insert("origin".into(), sent(self.origin));
        let images = json!({
            "made": self.images, "cpu_microseconds": self.image_micros, "saved_bytes": self.saved,
        });
        told.insert("images".into(), images);
        told.insert("rule_failures".into(), self.rule_failures.into());
        told
    }

    fn told_regions(&self) -> Value {
        let mut sorted: Vec<&Region> = self.regions.iter().collect();
        sorted.sort_unstable_by_key(|region| region.code);
        let told = |region: &&Region| {
            (String::from_utf8_lossy(&region.code).into_owned(), sent(region.sent))
        };
        Value::Object(sorted.iter().map(told).collect())
    }
}

fn add_at(split: &mut [Sent], place: usize, sent: Sent) {
    if let Some(part) = split.get_mut(place) {
        part.add(sent);
    }
}

fn add_each(split: &mut [Sent], other: &[Sent]) {
    for (part, other) in split.iter_mut().zip(other) {
        part.add(*other);
    }
}

fn sent(sent: Sent) -> Value {
    json!({ "requests": sent.requests, "bytes": sent.bytes })
}

fn split<const N: usize>(words: [&str; N], parts: &[Sent; N]) -> Value {
    let parts = words.iter().zip(parts).filter(|(_, part)| !part.is_zero());
    Value::Object(parts.map(|(word, part)| ((*word).to_owned(), sent(*part))).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any request.
    pub fn request() -> impl Strategy<Value = Request> {
        let how = prop::sample::select(vec![
            How::Hit,
            How::Stale,
            How::Miss,
            How::Pass,
            How::Error,
            How::Edge,
        ]);
        let tier = prop::sample::select(vec![Tier::Memory, Tier::Disk, Tier::Origin, Tier::Edge]);
        let protocol =
            prop::sample::select(vec![Protocol::Http10, Protocol::Http11, Protocol::Http2]);
        let region = prop::option::of(prop::sample::select(vec![*b"CN", *b"DE", *b"US", *b"BR"]));
        (how, tier, protocol, any::<bool>(), 100u16..600, region, 0u64..1 << 40, 0u64..1000)
            .prop_map(|(how, tier, protocol, tls, status, region, bytes, saved)| Request {
                how,
                tier,
                protocol,
                tls,
                status,
                region,
                bytes,
                saved,
            })
    }

    /// The same counts whatever the order of their countries.
    pub fn sorted(mut counts: Counts) -> Counts {
        counts.regions.sort_unstable_by_key(|region| region.code);
        counts
    }

    fn sum(split: &[Sent]) -> Sent {
        let mut all = Sent::default();
        split.iter().for_each(|part| all.add(*part));
        all
    }

    proptest! {
        #[test]
        fn every_split_adds_up_to_the_whole(requests in prop::collection::vec(request(), 0..60)) {
            let mut counts = Counts::default();
            requests.iter().for_each(|request| counts.request(request));
            let bytes: u64 = requests.iter().map(|request| request.bytes).sum();
            prop_assert_eq!(counts.all, Sent { requests: requests.len() as u64, bytes });
            for split in
                [&counts.results[..], &counts.tiers, &counts.protocols, &counts.statuses]
            {
                prop_assert_eq!(sum(split), counts.all);
            }
            let known = requests.iter().filter(|request| request.region.is_some()).count();
            let regions: u64 = counts.regions.iter().map(|region| region.sent.requests).sum();
            prop_assert_eq!(regions, known as u64);
        }

        #[test]
        fn counting_apart_and_adding_is_counting_together(
            requests in prop::collection::vec((request(), 0usize..4), 0..60),
        ) {
            let (mut whole, mut parts) = (Counts::default(), vec![Counts::default(); 4]);
            for (request, part) in &requests {
                whole.request(request);
                parts[*part].request(request);
            }
            let mut added = Counts::default();
            parts.iter().rev().for_each(|part| added.add(part));
            prop_assert_eq!(sorted(added), sorted(whole));
        }
    }

    #[test]
    fn countries_are_bounded_and_none_of_their_bytes_is_lost() {
        let mut counts = Counts::default();
        let letters = b'A'..=b'Z';
        for code in letters.clone().flat_map(|one| letters.clone().map(move |two| [one, two])) {
            counts.region(code, Sent { requests: 1, bytes: 10 });
        }
        assert_eq!(counts.regions.len(), MOST_REGIONS);
        let all: u64 = counts.regions.iter().map(|region| region.sent.bytes).sum();
        assert_eq!(all, 26 * 26 * 10);
        let rest = counts.regions.iter().find(|region| region.code == ELSEWHERE).unwrap();
        assert_eq!(rest.sent.requests, 26 * 26 - (MOST_REGIONS as u64 - 1));
    }

    #[test]
    fn what_is_told_has_every_split() {
        let mut counts = Counts::default();
        let request = Request {
            how: How::Hit,
            tier: Tier::Memory,
            protocol: Protocol::Http2,
            tls: true,
            status: 206,
            region: Some(*b"CN"),
            bytes: 7,
            saved: 5,
        };
        counts.request(&request);
        counts.request(&Request { how: How::Error, tls: false, status: 404, ..request });
        let one = json!({ "requests": 1, "bytes": 7 });
        let two = json!({ "requests": 2, "bytes": 14 });
        let expected = json!({
            "requests": 2, "bytes": 14,
            "results": { "hit": one, "error": one },
            "tiers": { "memory": two },
            "transports": { "plain": one, "tls": one },
            "protocols": { "HTTP/2": two },
            "statuses": { "2xx": one, "4xx": one },
            "regions": { "CN": two },
            "origin": { "requests": 0, "bytes": 0 },
            "images": { "made": 0, "cpu_microseconds": 0, "saved_bytes": 10 },
            "rule_failures": 0,
        });
        assert_eq!(Value::Object(counts.told(true)), expected);
        assert!(!counts.told(false).contains_key("regions"));
    }
}
