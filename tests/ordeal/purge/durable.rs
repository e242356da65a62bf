//! A purge that was acknowledged is done after a crash at any moment, also for what was being fetched
//! while it was ordered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fastrand::Rng;
use serde_json::{Value, json};

use super::flood::Line;
use crate::kit::*;
use crate::report::Report;

/// URLs that are there all the time, one of which is purged in a round.
const OBJECTS: u32 = 8;
/// Bodies of what is being fetched: in one record, and as it comes to disk.
const LENGTHS: [u64; 2] = [40_000, 3 << 20];

/// One URL and the version that its origin has.
struct Object {
    path: String,
    length: u64,
    version: AtomicU32,
}

impl Object {
    fn new(path: String, length: u64) -> Arc<Object> {
        Arc::new(Object { path, length, version: AtomicU32::new(1) })
    }

    fn proof(&self) -> Proof {
        Proof::new("a.test", &self.path, self.version.load(Ordering::SeqCst), self.length)
    }

    /// Half of its first version waits for the gate, if there is one.
    fn on(self: &Arc<Self>, origin: &Origin, gate: Option<Gate>) {
        let (object, tag) = (self.clone(), self.path.replace('/', ""));
        origin.on(&self.path, move |_| {
            let proof = object.proof();
            let reply = Reply::proof(&proof)
                .header("Cache-Control", "max-age=86400")
                .header("Surrogate-Key", &format!("all {tag}"))
                .header("ETag", &proof.etag());
            match &gate {
                Some(gate) => reply.after(object.length as usize / 2, |reply| reply.wait(gate)),
                None => reply,
            }
        });
    }

    /// An order that names both.
    fn order(&self, other: &Object, kind: u32) -> Value {
        let both = [self, other];
        let urls = both.map(|it| format!("http://a.test{}", it.path));
        let mut order = match kind {
            0 => json!({"urls": urls}),
            1 => json!({"tags": both.map(|it| it.path.replace('/', ""))}),
            2 => json!({"prefixes": ["http://a.test/d/"]}),
            3 => json!({"rules": ["http://a.test/d/*"]}),
            4 => json!({"tags": ["all"], "host": "a.test"}),
            5 => json!({"hosts": ["a.test"]}),
            6 => json!({"sites": ["a"]}),
            _ => json!({"all": true}),
        };
        order["mode"] = json!("hard");
        order
    }
}

pub async fn run(report: &mut Report, rounds: u32) {
    let origin = Origin::start().await;
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let disk = setup.path("disk");
    let mut edge = setup
        .node(&format!(
            "[store]\nmemory = \"64MiB\"\nwindow_time = \"1s\"\n\
             disks = [{{ path = {disk:?}, size = \"1GiB\" }}]"
        ))
        .start()
        .await;
    let objects: Vec<_> =
        (0..OBJECTS).map(|number| Object::new(format!("/d/{number}"), 30_000)).collect();
    for object in &objects {
        object.on(&origin, None);
        edge.get(&object.path).await.whole(200);
    }
    let (mut stored, mut finished, mut wrong) = (0, 0, 0);
    for round in 0..rounds {
        let mut rng = Rng::with_seed(u64::from(round));
        let still = &objects[(round % OBJECTS) as usize];
        stored += u32::from(edge.get(&still.path).await.hit());
        let length = LENGTHS[round as usize % 2];
        let coming = Object::new(format!("/d/coming-{round}"), length);
        let gate = Gate::closed();
        coming.on(&origin, Some(gate.clone()));
        let client = fetch_half(&edge, &coming).await;
        let mut line = Line::to_admin(&edge.path("state/admin.sock")).await;
        line.purge(&still.order(&coming, rng.u32(..8))).await;
        for object in [still, &coming] {
            object.version.fetch_add(1, Ordering::SeqCst);
        }
        // The fetch ends before the crash, or not.
        if rng.bool() {
            tokio::time::sleep(ms(rng.u64(..200))).await;
            gate.open();
            tokio::time::sleep(ms(rng.u64(..1800))).await;
        } else {
            tokio::time::sleep(ms(rng.u64(..300))).await;
        }
        edge.stop(true).await;
        gate.open();
        finished += u32::from(client.await.unwrap());
        edge.go_on().await;
        // All others are asked for too, so that they are there to be purged.
        for object in objects.iter().chain([&coming]) {
            let answer = edge.get(&object.path).await;
            if answer.status != 200 || answer.body != object.proof().whole() {
                wrong += 1;
                report.missed(format!("round {round}: {} {:?}", object.path, answer.head));
            }
        }
    }
    report.figure(format!(
        "{rounds} crashes after a purge; {stored} of what was purged were hits before, {finished} of what \
         was being fetched came in full after it"
    ));
    report.bound(wrong == 0, format!("{wrong} answers older than an acknowledged purge"));
}

/// Asks for an object and reads until half of it is there; then ends with whether all of it came.
async fn fetch_half(edge: &Edge, object: &Object) -> tokio::task::JoinHandle<bool> {
    let (node, path, half) = (edge.http, object.path.clone(), object.length as usize / 2);
    let (told, half_there) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut client = Client::connect(node).await;
        let mut reading = client.get("a.test", &path).open().await;
        while reading.answer.body.len() < half && reading.more().await {}
        told.send(reading.answer.body.len() >= half).unwrap();
        reading.rest().await.end == End::Clean
    });
    assert!(half_there.await.unwrap(), "half of {} comes", object.path);
    task
}
