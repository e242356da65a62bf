//! What the ordeals ask for: objects whose bodies prove themselves, an origin that counts what it
//! sends, and a judge of every answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::kit::*;

/// Objects with the same tag.
const TAGGED: usize = 12;

/// One URL of `a.test`. Its length never changes, its version does with each purge.
pub struct Object {
    pub path: String,
    pub length: u64,
    tag: String,
    state: Mutex<State>,
    /// Bytes of bodies that the origin has sent.
    sent: AtomicU64,
}

#[derive(Default)]
struct State {
    /// What the origin serves.
    version: u32,
    /// What a purge that was acknowledged has left.
    floor: u32,
    /// Since when the present version has been in the cache, as far as a client can tell.
    filled: Option<Instant>,
}

/// All objects and their origin.
pub struct World {
    pub origin: Origin,
    pub objects: Vec<Arc<Object>>,
}

/// What the answers came to.
#[derive(Default)]
pub struct Tally {
    pub right: AtomicU64,
    pub hits: AtomicU64,
    /// Right as far as they went, but cut.
    pub cut: AtomicU64,
    /// Neither 200 nor 206.
    pub refused: AtomicU64,
    /// No answer at all.
    pub unanswered: AtomicU64,
    /// Purges that were acknowledged.
    pub purges: AtomicU64,
    wrong: Mutex<Vec<String>>,
    /// The last answer that was refused or cut.
    note: Mutex<String>,
}

/// What one answer is.
enum Verdict {
    Right,
    Cut,
    Refused,
    Wrong(String),
}

impl Object {
    fn proof(&self, version: u32) -> Proof {
        Proof::new("a.test", &self.path, version, self.length)
    }

    fn version(&self) -> u32 {
        self.state.lock().unwrap().version
    }

    /// The oldest version that may be served to a request that begins now.
    pub fn floor(&self) -> u32 {
        self.state.lock().unwrap().floor
    }

    /// Bytes that the origin has sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether its present version has been in the cache for so long.
    pub fn is_older(&self, age: Duration) -> bool {
        self.state.lock().unwrap().filled.is_some_and(|then| then.elapsed() >= age)
    }

    /// Judges an answer to a request that began when `floor` was the oldest version.
    fn judge(&self, floor: u32, first: u64, answer: &Answer) -> Verdict {
        let (whole, start) = match answer.status {
            200 => (self.length, 0),
            206 => match content_range(&answer.header("content-range")) {
                Some((start, end, length)) if (start, length) == (first, self.length) => {
                    (end + 1 - start, start)
                }
                _ => return Verdict::Wrong(format!("{:?}", answer.head)),
            },
            _ => return Verdict::Refused,
        };
        let etag = answer.header("etag");
        let newest = self.version();
        let Some(version) = (1..=newest).rev().find(|it| self.proof(*it).etag() == etag) else {
            return Verdict::Wrong(format!("unknown version {:?}", answer.head));
        };
        let proof = self.proof(version);
        if !proof.matches(start, &answer.body) {
            return Verdict::Wrong(format!("bytes of version {version} {:?}", answer.head));
        }
        if version < floor {
            return Verdict::Wrong(format!("version {version}, purged up to {floor}"));
        }
        match answer.end == End::Clean && answer.body.len() as u64 == whole {
            true => Verdict::Right,
            false if answer.end == End::Clean => Verdict::Wrong("finished, but short".into()),
            false => Verdict::Cut,
        }
    }

    /// A whole body of some version from `floor` on was seen.
    fn seen_whole(&self, answer: &Answer) {
        let mut state = self.state.lock().unwrap();
        let present = self.proof(state.version).etag() == answer.header("etag");
        if present && (state.filled.is_none() || !answer.hit()) {
            state.filled = Some(Instant::now());
        }
    }
}

fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?, length.parse().ok()?))
}

impl World {
    /// So many objects of many sizes, the same for each seed.
    pub async fn new(seed: u64, count: usize, largest: u64) -> World {
        let origin = Origin::start().await;
        let mut rng = Rng::with_seed(seed);
        let mut objects = Vec::new();
        for number in 0..count {
            let most = match number % 20 {
                0..12 => 40_000,
                12..17 => 400_000,
                17..19 => 1_500_000,
                _ => largest,
            };
            let object = Arc::new(Object {
                path: format!("/{number}"),
                length: rng.u64(most / 40..=most),
                tag: format!("t{}", number % (count / TAGGED).max(1)),
                state: Mutex::new(State { version: 1, floor: 1, filled: None }),
                sent: AtomicU64::new(0),
            });
            // Some are confirmed by the origin again and again.
            let lifetime = if number % 10 == 3 { "max-age=1" } else { "max-age=86400" };
            let served = object.clone();
            origin.on(&object.path, move |seen| {
                let proof = served.proof(served.version());
                let reply = Reply::part(seen, &proof);
                served.sent.fetch_add(reply.length(), Ordering::Relaxed);
                reply
                    .header("Cache-Control", lifetime)
                    .header("ETag", &proof.etag())
                    .header("Surrogate-Key", &served.tag)
            });
            objects.push(object);
        }
        World { origin, objects }
    }

    /// Bytes of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.length).sum()
    }

    /// Asks for one object, or for a part from `first` on; true if the connection can be used again.
    async fn ask(
        &self,
        client: &mut Client,
        object: &Object,
        range: Option<(u64, u64)>,
        tally: &Tally,
    ) -> bool {
        let floor = object.floor();
        let ask = client.get("a.test", &object.path);
        let result = match range {
            Some((first, last)) => ask.header("Range", &format!("bytes={first}-{last}")),
            None => ask,
        };
        let answer = match result.attempt().await {
            Ok(answer) => answer,
            Err(trouble) => {
                tally.note(format!("{} {trouble:?}", object.path));
                tally.unanswered.fetch_add(1, Ordering::Relaxed);
                return false;
            }
        };
        let counter = match object.judge(floor, range.map_or(0, |it| it.0), &answer) {
            Verdict::Right => {
                tally.hits.fetch_add(u64::from(answer.hit()), Ordering::Relaxed);
                if answer.status == 200 {
                    object.seen_whole(&answer);
                }
                &tally.right
            }
            Verdict::Cut => {
                tally.note(format!("{} {:?} {:?}", object.path, answer.end, answer.head));
                &tally.cut
            }
            Verdict::Refused => {
                tally.note(format!("{} {:?}", object.path, answer.head));
                &tally.refused
            }
            Verdict::Wrong(what) => {
                tally.wrong.lock().unwrap().push(format!("{} {what}", object.path));
                return false;
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        answer.end == End::Clean && !answer.header("connection").contains("close")
    }

    /// Asks for all of these objects once, by a few clients at the same time.
    pub async fn sweep(&self, node: SocketAddr, objects: &[Arc<Object>], tally: &Tally) {
        let clients = (0..4).map(|turn| async move {
            let mut client = None;
            for object in objects.iter().skip(turn).step_by(4) {
                client = self.ask_by(node, client, object, None, tally).await;
            }
        });
        futures_util::future::join_all(clients).await;
    }

    /// Asks for anything until told to stop: whole objects and ranges, a third of them often. Keeps its
    /// connection, or has a new one for each request.
    pub async fn load(
        &self,
        node: SocketAddr,
        (seed, keep): (u64, bool),
        stop: &AtomicBool,
        tally: &Tally,
    ) {
        let mut rng = Rng::with_seed(seed);
        let mut client = None;
        while !stop.load(Ordering::Relaxed) {
            let among = if rng.u8(..10) < 7 { self.objects.len() / 3 } else { self.objects.len() };
            let object = &self.objects[rng.usize(..among)];
            let range = (rng.u8(..4) == 0 && object.length > 0).then(|| {
                let first = rng.u64(..object.length);
                (first, rng.u64(first..object.length))
            });
            client = self.ask_by(node, client.filter(|_| keep), object, range, tally).await;
        }
    }

    /// Asks on this connection, or a new one; gives it back if it can be used again.
    async fn ask_by(
        &self,
        node: SocketAddr,
        client: Option<Client>,
        object: &Object,
        range: Option<(u64, u64)>,
        tally: &Tally,
    ) -> Option<Client> {
        let mut client = match client {
            Some(client) => client,
            None => match Client::attempt(node).await {
                Ok(client) => client,
                Err(_) => {
                    tally.unanswered.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(ms(5)).await;
                    return None;
                }
            },
        };
        self.ask(&mut client, object, range, tally).await.then_some(client)
    }

    /// Purges by URL and by tag until told to stop.
    pub async fn purges(&self, node: &Purging, seed: u64, stop: &AtomicBool, tally: &Tally) {
        let mut rng = Rng::with_seed(seed);
        let mut tags: HashMap<&str, Vec<&Object>> = HashMap::new();
        for object in &self.objects {
            tags.entry(&object.tag).or_default().push(object);
        }
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(ms(rng.u64(10..90))).await;
            let chosen = &*self.objects[rng.usize(..self.objects.len())];
            let (purged, order) = match rng.u8(..8) {
                0 => (tags[&*chosen.tag].clone(), json!({"tags": [chosen.tag], "mode": "hard"})),
                _ => {
                    let url = format!("http://a.test{}", chosen.path);
                    (vec![chosen], json!({"urls": [url], "mode": "hard"}))
                }
            };
            for object in &purged {
                let mut state = object.state.lock().unwrap();
                state.version += 1;
                state.filled = None;
            }
            if node.purge(&order).await {
                tally.purges.fetch_add(1, Ordering::Relaxed);
                for object in &purged {
                    let mut state = object.state.lock().unwrap();
                    state.floor = state.version;
                }
            }
        }
    }
}

/// Where purges are ordered.
pub struct Purging {
    pub admin: SocketAddr,
    pub token: std::path::PathBuf,
}

impl Purging {
    /// Orders a purge; true if it was acknowledged.
    async fn purge(&self, order: &Value) -> bool {
        let Ok(token) = std::fs::read_to_string(&self.token) else { return false };
        let Ok(mut client) = Client::attempt(self.admin).await else { return false };
        let answer = client
            .ask("POST", &self.admin.to_string(), "/v1/purge")
            .header("Authorization", &format!("Bearer {}", token.trim()))
            .header("Content-Type", "application/json")
            .body(order.to_string().as_bytes())
            .attempt()
            .await;
        answer.is_ok_and(|answer| answer.status == 200)
    }
}

impl Tally {
    /// How many answers were not right.
    pub fn bad(&self) -> u64 {
        let counters = [&self.cut, &self.refused, &self.unanswered];
        counters.into_iter().map(Tally::count).sum::<u64>()
            + self.wrong.lock().unwrap().len() as u64
    }

    /// Takes over all that `other` has.
    pub fn add(&self, other: &Tally) {
        for (mine, theirs) in [
            (&self.right, &other.right),
            (&self.hits, &other.hits),
            (&self.cut, &other.cut),
            (&self.refused, &other.refused),
            (&self.unanswered, &other.unanswered),
            (&self.purges, &other.purges),
        ] {
            mine.fetch_add(Tally::count(theirs), Ordering::Relaxed);
        }
        self.wrong.lock().unwrap().extend(other.wrong());
    }

    /// What was wrong since this was last asked.
    pub fn wrong(&self) -> Vec<String> {
        std::mem::take(&mut *self.wrong.lock().unwrap())
    }

    fn note(&self, text: String) {
        *self.note.lock().unwrap() = text;
    }

    /// The last answer that was refused or cut.
    pub fn last_trouble(&self) -> String {
        self.note.lock().unwrap().clone()
    }

    pub fn count(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
