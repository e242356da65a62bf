//! Has pictures made: one job for all who ask for the same, done by a worker and stored beside the
//! original.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::better::{self, Better};
use super::wanted::Picture;
use crate::cache::{Key, Parent, Stored};
use crate::clock::Timestamp;
use crate::header::compose;
use crate::image::error::{FAULT, TOO_SLOW};
use crate::image::job::{Answer, Order};
use crate::image::params::code;
use crate::image::workers::{self, Pool, WorkerFault};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::body::Body;
use crate::serve::plan::{Asked, Plan};
use crate::site::Site;
use crate::store::{Doom, Entry, Incoming, Lookup, Store};
use crate::usage::Meter;

/// The code where too many pictures wait to be made.
pub const BUSY: u32 = 50_310_004;

/// How long a refusal is remembered, in seconds: a file that cannot be worked on costs one worker's
/// time and not one for each request.
const REMEMBERED: u64 = 30;
/// Most refusals that are remembered; when there are more it begins anew.
const MOST_REFUSALS: usize = 10_000;

/// Says how large the original of a picture is, among the fields that only we read.
const ORIGINAL_SIZE: HeaderName = HeaderName::from_static("brink-original-size");

/// Fields of an original that say something of its bytes.
const OF_ITS_BYTES: [HeaderName; 8] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::CONTENT_DISPOSITION,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// The watermarks' pictures by their paths.
pub type Marks = Vec<(String, Bytes)>;

/// How the cache is asked for an original and for what is made of it.
#[derive(Clone, Copy)]
pub struct Plans<'a> {
    pub original: &'a Plan,
    pub derived: &'a Plan,
}

/// A picture.
#[derive(Clone)]
pub struct Made {
    /// Its media type.
    pub media_type: HeaderValue,
    /// Its bytes.
    pub body: Bytes,
}

type Outcome = Result<Arc<Entry>, Refusal>;

/// What makes pictures for a node.
pub struct Workshop {
    pool: Pool,
    meter: Meter,
    /// How long one picture may take, in milliseconds.
    milliseconds: u64,
    /// Those that are being made.
    under_way: Mutex<HashMap<Key, watch::Receiver<Option<Outcome>>>>,
    /// Those that will be made better.
    pub(super) better: Better,
    /// The share of a core for that, in percent.
    pub(super) background: u8,
    /// What could not be made, by picture and original.
    refused: Mutex<HashMap<(u64, u64), (Refusal, Timestamp)>>,
}

/// One picture to make, by a task of its own: it is worth while whoever leaves.
pub struct Job {
    workshop: Arc<Workshop>,
    store: Arc<Store>,
    site: Arc<Site>,
    key: Key,
    of: Key,
    original: Arc<Entry>,
    picture: Picture,
    marks: Marks,
    headers: HeaderMap,
    /// What was made of it fast, which it is to be better than.
    instead_of: Option<Arc<Entry>>,
}

/// Takes a job off the list, however it ends.
struct UnderWay<'a>(&'a Workshop, &'a Key);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().remove(self.1);
    }
}

impl Workshop {
    /// A workshop whose workers are started when they are needed.
    ///
    /// # Errors
    /// The threads that keep the workers cannot be started.
    pub fn new(settings: &workers::Settings, meter: Meter) -> std::io::Result<Arc<Self>> {
        let launch = workers::Launch::verb("image-worker").with(&settings.fonts);
        Ok(Arc::new(Workshop {
            pool: Pool::new(settings, launch)?,
            meter,
            milliseconds: u64::try_from(settings.time_limit.0.as_millis()).unwrap_or(u64::MAX),
            under_way: Mutex::default(),
            better: Better::default(),
            background: settings.background,
            refused: Mutex::default(),
        }))
    }

    /// The picture of an original: made now, or by whoever is at it already.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) async fn picture(
        self: &Arc<Self>,
        serve: &Serve,
        asked: &Asked,
        (plans, original): (Plans<'_>, Arc<Entry>),
        picture: &Picture,
        marks: Marks,
    ) -> Outcome {
        let key = plans.derived.key();
        let name = (key.hash64(), original.stored.object_id);
        if let Some(refusal) = self.remembered(name, serve.clock.now()) {
            return Err(refusal);
        }
        let mut waiting = {
            let mut under_way = self.under_way.lock();
            match under_way.get(key) {
                Some(waiting) => waiting.clone(),
                None => {
                    let (done, waiting) = watch::channel(None);
                    under_way.insert(key.clone(), waiting.clone());
                    let job = self.job(serve, asked, (plans, original), picture, marks);
                    let clock = serve.clock.clone();
                    tokio::spawn(async move {
                        let _over = UnderWay(&job.workshop, &job.key);
                        let outcome = job.run().await;
                        if let Err(refusal) = &outcome {
                            job.workshop.remember(name, refusal, clock.now());
                        }
                        // Whoever waited may be gone.
                        let _ = done.send(Some(outcome));
                    });
                    waiting
                }
            }
        };
        let outcome = match waiting.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        outcome.unwrap_or_else(|| Err(Refusal::broken()))
    }

    fn job(
        self: &Arc<Self>,
        serve: &Serve,
        asked: &Asked,
        (plans, original): (Plans<'_>, Arc<Entry>),
        picture: &Picture,
        marks: Marks,
    ) -> Job {
        Job {
            workshop: Arc::clone(self),
            store: Arc::clone(&serve.store),
            site: Arc::clone(&asked.identity.site),
            key: plans.derived.key().clone(),
            of: plans.original.key().clone(),
            original,
            picture: picture.clone(),
            marks,
            headers: asked.head.headers.clone(),
            instead_of: None,
        }
    }

    /// Has a picture that was found made better, if it is worth it and its original is in memory.
    pub(super) fn look_after(
        self: &Arc<Self>,
        serve: &Serve,
        asked: &Asked,
        plans: Plans<'_>,
        picture: &Picture,
        made: &Arc<Entry>,
    ) {
        if !better::is_due(made) || !picture.marks().is_empty() {
            return;
        }
        let Lookup::Found(original) = serve.store.peek(plans.original.key(), &asked.head.headers)
        else {
            return;
        };
        if is_of(made, &original) && original.body.whole().is_some() {
            let job = self.job(serve, asked, (plans, original), picture, Vec::new());
            self.improve(Job { instead_of: Some(Arc::clone(made)), ..job });
        }
    }

    /// Has a worker make a picture.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) async fn run(
        &self,
        site: &Site,
        source: Bytes,
        picture: &Picture,
        marks: &Marks,
        thorough: bool,
    ) -> Result<Made, Refusal> {
        let order = Order {
            spec: picture.spec.canonical(),
            webp: picture.accepted.webp,
            avif: picture.accepted.avif,
            thorough,
            pixels: site.document.images.max_pixels,
            milliseconds: self.milliseconds,
            marks: marks.iter().map(|(path, _)| path.clone()).collect(),
        };
        let mut inputs = vec![source];
        inputs.extend(marks.iter().map(|(_, bytes)| bytes.clone()));
        let done = self.pool.run(site.number, &order.written(), &inputs).await;
        let done = done.map_err(|fault| refused_by(&fault))?;
        self.meter.image(&site.name, u64::try_from(done.cpu.as_micros()).unwrap_or(u64::MAX));
        match Answer::read(&done.head) {
            Some(Answer::Made { media_type }) => {
                let media_type = HeaderValue::try_from(media_type);
                let media_type = media_type.map_err(|_| Refusal::broken())?;
                Ok(Made { media_type, body: done.body })
            }
            Some(Answer::Refused { status, code, message }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                Err(Refusal::client(status, code, message).as_json())
            }
            None => Err(Refusal::broken()),
        }
    }

    fn remembered(&self, name: (u64, u64), now: Timestamp) -> Option<Refusal> {
        let refused = self.refused.lock();
        let (refusal, until) = refused.get(&name)?;
        (*until > now).then(|| refusal.clone())
    }

    fn remember(&self, name: (u64, u64), refusal: &Refusal, now: Timestamp) {
        if refusal.code == BUSY || refusal.status == StatusCode::BAD_GATEWAY {
            return;
        }
        let mut refused = self.refused.lock();
        if refused.len() >= MOST_REFUSALS {
            refused.clear();
        }
        let until = now.plus(std::time::Duration::from_secs(REMEMBERED));
        refused.insert(name, (refusal.clone(), until));
    }
}

impl Job {
    /// The picture's key.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Makes the picture and stores it.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) async fn run(&self) -> Outcome {
        let most = self.site.document.images.max_source.0;
        let source = bytes_of(&self.original, most).await?;
        let (workshop, thorough) = (&self.workshop, self.instead_of.is_some());
        let made =
            workshop.run(&self.site, source.clone(), &self.picture, &self.marks, thorough).await?;
        if let Some(fast) = &self.instead_of
            && fast.stored.total.is_some_and(|total| total <= made.body.len() as u64)
        {
            return Ok(self.store.update(&self.key, fast, better::settled(fast)));
        }
        let size = source.len();
        // Nothing but the format was to change, and it did not help.
        let made = match self.picture.is_format_alone() && made.body.len() >= source.len() {
            true => Made { media_type: self.media_type(), body: source },
            false => made,
        };
        let mut stored = self.stored(&made);
        if self.picture.spec.question.is_none() {
            stored.hidden.insert(ORIGINAL_SIZE, HeaderValue::from(size));
            if !thorough {
                better::mark(&mut stored);
            }
        }
        let (entry, mut writer) = self.store.insert(Incoming {
            key: &self.key,
            request_headers: &self.headers,
            stored,
            part: None,
            max_variants: self.site.policy.max_variants,
            doom: Doom::default(),
        });
        let written = async {
            writer.write(made.body).await?;
            writer.finish().await
        };
        written.await.map_err(|_| Refusal::broken())?;
        Ok(entry)
    }

    fn media_type(&self) -> HeaderValue {
        let kind = self.original.stored.headers.get(header::CONTENT_TYPE).cloned();
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream"))
    }

    /// The picture's head: the original's, but for what says something of its bytes.
    fn stored(&self, made: &Made) -> Stored {
        let original = &self.original.stored;
        let mut stored = original.clone();
        describe(&mut stored.headers, made, &self.picture);
        let mut digest = Sha256::new();
        digest.update(self.key.as_bytes());
        match original.etag() {
            Some(etag) => digest.update(format!("{etag:?}")),
            None => digest.update(original.object_id.to_be_bytes()),
        }
        // One made better later is another representation.
        digest.update(crc32c::crc32c(&made.body).to_be_bytes());
        let digest = digest.finalize();
        let start = digest.first_chunk().map_or(0, |bytes: &[u8; 8]| u64::from_be_bytes(*bytes));
        if let Ok(etag) = HeaderValue::try_from(format!("\"{start:016x}\"")) {
            stored.headers.insert(header::ETAG, etag);
        }
        stored.total = Some(made.body.len() as u64);
        stored.reach = None;
        stored.object_id = self.store.new_object_id();
        stored.parent = Some(Parent { key: self.of.clone(), object_id: original.object_id });
        stored
    }
}

/// How large the original of a picture is.
pub fn original_size(made: &Entry) -> Option<u64> {
    made.stored.hidden.get(ORIGINAL_SIZE)?.to_str().ok()?.parse().ok()
}

/// Whether an entry was made of this original.
pub fn is_of(made: &Entry, original: &Entry) -> bool {
    let parent = made.stored.parent.as_ref();
    made.is_whole() && parent.is_some_and(|parent| parent.object_id == original.stored.object_id)
}

/// A picture that holds since its original does: with the original's new times.
pub fn confirmed(serve: &Serve, derived: &Plan, made: &Arc<Entry>, original: &Entry) -> Arc<Entry> {
    let of = &original.stored;
    let stored = Stored {
        request_time: of.request_time,
        response_time: of.response_time,
        lifetimes: of.lifetimes,
        fill_seq: of.fill_seq,
        rest_until: of.rest_until,
        ..made.stored.clone()
    };
    serve.store.update(derived.key(), made, stored)
}

/// Makes an original's fields a picture's.
pub fn describe(headers: &mut HeaderMap, made: &Made, picture: &Picture) {
    for name in &OF_ITS_BYTES {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, made.media_type.clone());
    headers.insert(header::CONTENT_LENGTH, compose::number(made.body.len() as u64));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for name in &picture.varies {
        headers.append(header::VARY, HeaderValue::from(name.clone()));
    }
}

/// All bytes of an entry, once they are there.
///
/// # Errors
/// There are more than `most`, or they break off.
pub async fn bytes_of(entry: &Entry, most: u64) -> Result<Bytes, Refusal> {
    if entry.body.total().or(entry.stored.total).is_some_and(|total| total > most) {
        return Err(too_large(most));
    }
    if let Some(bytes) = entry.body.whole() {
        return Ok(bytes.clone());
    }
    let mut reader = entry.body.reader(0..u64::MAX);
    let mut all = BytesMut::new();
    while let Some(chunk) = poll_fn(|context| reader.poll_chunk(context)).await {
        let chunk = chunk.map_err(|_| broken_off())?;
        if all.len() as u64 + chunk.len() as u64 > most {
            return Err(too_large(most));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// All bytes of a body.
///
/// # Errors
/// As [`bytes_of`].
pub async fn collected(body: Body, most: u64) -> Result<Bytes, Refusal> {
    let most_here = usize::try_from(most).unwrap_or(usize::MAX);
    match Limited::new(body, most_here).collect().await {
        Ok(all) => Ok(all.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(most)),
        Err(_) => Err(broken_off()),
    }
}

fn too_large(most: u64) -> Refusal {
    let message = format!("the original has more than {most} bytes");
    Refusal::client(StatusCode::CONFLICT, code::PIXELS, message).as_json()
}

fn broken_off() -> Refusal {
    Refusal::edge(StatusCode::BAD_GATEWAY, 50_210_004, "the original broke off").as_json()
}

fn refused_by(fault: &WorkerFault) -> Refusal {
    let edge = |status, code| Refusal::edge(status, code, fault.to_string()).as_json();
    match fault {
        WorkerFault::Busy => edge(StatusCode::SERVICE_UNAVAILABLE, BUSY)
            .with(header::RETRY_AFTER, HeaderValue::from_static("1")),
        WorkerFault::TimedOut => edge(StatusCode::PAYLOAD_TOO_LARGE, TOO_SLOW),
        WorkerFault::TooLarge(_) => edge(StatusCode::CONFLICT, code::PIXELS),
        WorkerFault::Crashed(_) | WorkerFault::Unavailable(_) => {
            tracing::warn!("{fault}");
            // How it failed is the operator's business.
            let message = "the image cannot be worked on";
            Refusal::edge(StatusCode::SERVICE_UNAVAILABLE, FAULT, message).as_json()
        }
    }
}
