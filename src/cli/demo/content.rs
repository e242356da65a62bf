//! What the demo's origin has to offer, before conditions and ranges are applied.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::body::{OriginBody, ProofBody};
use super::proof::Proof;
use crate::clock::Timestamp;

/// `Cache-Control` for what may be kept a minute.
pub(super) const MINUTE: &str = "max-age=60";
/// `Cache-Control` for what may be kept an hour.
pub(super) const HOUR: &str = "max-age=3600";
/// The longest body that is digested beforehand.
const MOST_DIGESTED: u64 = 64 << 20;
/// How many digests are remembered.
const MOST_DIGESTS: usize = 256;

const PAGE: &str = include_str!("page.html");

/// The photographs: name and JPEG.
const PHOTOS: [(&str, &[u8]); 5] = [
    ("houses.jpg", include_bytes!("photos/houses.jpg")),
    ("lighthouse.jpg", include_bytes!("photos/lighthouse.jpg")),
    ("motocross.jpg", include_bytes!("photos/motocross.jpg")),
    ("parrots.jpg", include_bytes!("photos/parrots.jpg")),
    ("stream.jpg", include_bytes!("photos/stream.jpg")),
];

/// One thing that the origin has.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) content_type: &'static str,
    pub(super) cache_control: &'static str,
    pub(super) etag: Option<String>,
    /// `Surrogate-Key`.
    pub(super) tag: Option<&'static str>,
    /// `X-Body-SHA256`.
    pub(super) digest: Option<String>,
    pub(super) content: Content,
}

/// The representation of a resource.
#[derive(Debug)]
pub(super) enum Content {
    /// Bytes at hand.
    Whole(Bytes),
    /// The first `length` bytes of a stream of proof, spread over `duration`.
    Proof { proof: Arc<Proof>, length: u64, duration: Duration },
}

/// Digests that were computed already, by stream and length.
pub(super) type Digests = HashMap<(String, Option<u32>, u64), String>;

impl Content {
    /// The length of the whole, in bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Proof { length, .. } => *length,
        }
    }

    /// The bytes from `start` to `end`, which must lie within the length.
    pub(super) fn body(self, start: u64, end: u64) -> OriginBody {
        match self {
            Content::Whole(bytes) => {
                let end = bytes.len().min(end as usize);
                OriginBody::Whole(bytes.slice(end.min(start as usize)..end))
            }
            Content::Proof { proof, length, duration } => {
                let share = (end - start) as f64 / length.max(1) as f64;
                OriginBody::Proof(ProofBody::new(proof, start, end, duration.mul_f64(share)))
            }
        }
    }
}

impl Resource {
    fn new(
        content_type: &'static str,
        cache_control: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let content = Content::Whole(body.into());
        Resource { content_type, cache_control, etag: None, tag: None, digest: None, content }
    }

    fn with_etag(mut self) -> Self {
        if let Content::Whole(bytes) = &self.content {
            let mut digest = hex(&Sha256::digest(bytes));
            digest.truncate(16);
            self.etag = Some(format!("\"{digest}\""));
        }
        self
    }

    /// Writes the fields that describe the representation.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, self.content_type);
        set(header::CACHE_CONTROL, self.cache_control);
        if let Some(etag) = &self.etag {
            set(header::ETAG, etag);
            set(header::ACCEPT_RANGES, "bytes");
        }
        if let Some(tag) = self.tag {
            set(HeaderName::from_static("surrogate-key"), tag);
        }
        if let Some(digest) = &self.digest {
            set(HeaderName::from_static("x-body-sha256"), digest);
        }
    }
}

/// The page with the photos.
pub(super) fn page() -> Resource {
    Resource::new("text/html; charset=utf-8", MINUTE, PAGE).with_etag()
}

/// A photograph, if there is one of that name; all have one tag.
pub(super) fn photo(name: &str) -> Option<Resource> {
    let (_, bytes) = PHOTOS.iter().find(|(known, _)| *known == name)?;
    let photo = Resource::new("image/jpeg", HOUR, Bytes::from_static(bytes)).with_etag();
    Some(Resource { tag: Some("photos"), ..photo })
}

/// The time, fresh for two seconds, and usable for ten minutes while the origin fails.
pub(super) fn clock(now: Timestamp) -> Resource {
    let text = format!("{}\n", httpdate::fmt_http_date(now.system_time()));
    Resource::new("text/plain; charset=utf-8", "max-age=2, stale-if-error=600", text)
}

/// A text that nobody may keep.
pub(super) fn private(now: Timestamp, number: u64) -> Resource {
    let text = format!("for your eyes only: request {number}, {} ms since 1970\n", now.0);
    Resource::new("text/plain; charset=utf-8", "no-store", text)
}

/// The time as an interface for programs tells it; nobody may keep it.
pub(super) fn time(now: Timestamp, number: u64) -> Resource {
    let text = format!("{{\"milliseconds_since_1970\":{},\"request\":{number}}}\n", now.0);
    Resource::new("application/json", "private, no-store", text)
}

/// The SHA-256 of the first `length` bytes of a stream in hexadecimal, unless they are too many.
pub(super) async fn digest(
    known: &Mutex<Digests>,
    proof: &Arc<Proof>,
    length: u64,
) -> Option<String> {
    if length > MOST_DIGESTED {
        return None;
    }
    let key = (proof.url(), proof.version(), length);
    if let Some(digest) = known.lock().get(&key) {
        return Some(digest.clone());
    }
    let stream = Arc::clone(proof);
    // Tenths of a second for the longest: not on a thread that serves others.
    let digest = tokio::task::spawn_blocking(move || {
        let mut sha = Sha256::new();
        let mut at = 0;
        while at < length {
            let piece = stream.chunk(at, (length - at).min(64 << 10) as usize);
            at += piece.len() as u64;
            sha.update(&piece);
        }
        hex(&sha.finalize())
    })
    .await
    .ok()?;
    let mut known = known.lock();
    if known.len() >= MOST_DIGESTS {
        known.clear();
    }
    known.insert(key, digest.clone());
    Some(digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
