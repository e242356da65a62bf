//! What does a hit allocate? Allocations and bytes for each hit over HTTP/1.1, counted in the whole
//! process, in which a node runs with one serving thread, its access log and its metrics on.
//!
//! `cargo bench --bench allocations`. Fails if a hit allocates more often than [`MOST`] allows, or a
//! look-up of a client's country and network at all. Unlike times, these figures are the same on any
//! machine.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use brink::cli::demo::origin;
use brink::clock::Clock;
use brink::config::NodeConfig;
use brink::geo::{self, Geo};
use brink::node::Node;
use memchr::memmem;
use mimalloc::MiMalloc;
use stats_alloc::{Region, StatsAlloc};

/// How many allocations a hit may take, growth of what is allocated included: what was measured last,
/// and one more.
const MOST: f64 = 15.0;

const SIZES: [usize; 2] = [1 << 10, 10 << 10];
const HITS: usize = 10_000;
/// Requests before those that are counted: the first is the miss, others make buffers grow.
const WARM_UP: usize = 1000;

#[global_allocator]
static ALLOCATOR: StatsAlloc<MiMalloc> = StatsAlloc::new(MiMalloc);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    look_up_clients()?;
    let place = tempfile::tempdir()?;
    // For the origin and the node's own tasks; the serving thread has a runtime of its own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (_node, address) = runtime.block_on(start(place.path()))?;
    let mut most = 0_f64;
    for size in SIZES {
        let mut client = Client::connect(address, size)?;
        for _ in 0..WARM_UP {
            client.get()?;
        }
        let region = Region::new(&ALLOCATOR);
        for _ in 0..HITS {
            if !client.get()? {
                return Err("an answer was no hit".into());
            }
        }
        let change = region.change();
        let each = |count: usize| count as f64 / HITS as f64;
        let allocations = each(change.allocations + change.reallocations);
        let bytes = each(change.bytes_allocated);
        println!("{size} bytes: {allocations:.2} allocations a hit, {bytes:.0} bytes");
        most = most.max(allocations);
    }
    match most <= MOST {
        true => Ok(()),
        false => Err(format!("{most:.2} allocations a hit are more than {MOST}").into()),
    }
}

/// Looks up addresses that are known and one that is not.
fn look_up_clients() -> Outcome<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo/both.mmdb");
    let settings = geo::Settings { country: Some(file.clone()), asn: Some(file) };
    let geo = Geo::open(&settings).map_err(|complaints| format!("{complaints:?}"))?;
    let addresses = ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "127.0.0.1"];
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
    let look_up_all = || {
        let known = addresses.iter().map(|it| (geo.country(*it), geo.asn(*it)));
        known.filter(|(country, asn)| country.is_some() && asn.is_some()).count()
    };
    // A thread's first look-up registers the thread.
    look_up_all();
    let region = Region::new(&ALLOCATOR);
    let known = look_up_all();
    let allocations = region.change().allocations;
    println!("{known} of {} addresses known, {allocations} allocations", addresses.len());
    match (known, allocations) {
        (3, 0) => Ok(()),
        _ => Err("look-ups of clients should find three and allocate nothing".into()),
    }
}

/// Starts an origin, and a node with one site before it. The node's once-a-second tasks do not run,
/// so nothing but the hits is counted.
async fn start(place: &Path) -> Outcome<(Node, SocketAddr)> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let origin = origin::start(any_port, Clock::system()).await?;
    let folder = place.join("sites");
    std::fs::create_dir(&folder)?;
    let document =
        format!("hosts = [\"www.customer.test\"]\n[origin]\nservers = [\"http://{origin}\"]\n");
    std::fs::write(folder.join("customer.toml"), document)?;
    // A port that was free a moment ago.
    let address = TcpListener::bind(any_port)?.local_addr()?;
    let mut config =
        NodeConfig { state_dir: place.join("state"), threads: 1, ..NodeConfig::default() };
    config.sites.folder = folder;
    config.admin.socket = config.state_dir.join("admin.sock");
    config.admin.address = any_port;
    config.listen.http = vec![address];
    config.listen.https = Vec::new();
    config.upstream.allow_private.push("127.0.0.0/8".parse()?);
    config.telemetry.access_log.path = place.join("access.log");
    Ok((Node::start(config, None)?, address))
}

/// Asks for one object again and again on one connection, and allocates nothing meanwhile.
struct Client {
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
    size: usize,
}

impl Client {
    fn connect(address: SocketAddr, size: usize) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client { stream, request: request(size), answer: vec![0; 4096 + size], size })
    }

    /// Sends the request and takes the whole response; tells whether that was a hit.
    fn get(&mut self) -> Outcome<bool> {
        self.stream.write_all(self.request.as_bytes())?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(self.answer.get_mut(filled..).unwrap_or_default())?;
            if read == 0 {
                return Err("the response has another length than it should".into());
            }
            filled += read;
            let answer = self.answer.get(..filled).unwrap_or_default();
            match memmem::find(answer, b"\r\n\r\n") {
                Some(head) if filled == head + 4 + self.size => {
                    return Ok(memmem::find(answer, b"\r\ncache-status: brink; hit").is_some());
                }
                _ => {}
            }
        }
    }
}

/// As a browser sends it.
fn request(size: usize) -> String {
    format!(
        "GET /bytes/{size} HTTP/1.1\r\n\
         Host: www.customer.test\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         Accept: */*\r\n\
         Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Referer: http://www.customer.test/start\r\n\
         Connection: keep-alive\r\n\
         DNT: 1\r\n\
         Sec-Fetch-Dest: script\r\n\
         Sec-Fetch-Mode: no-cors\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Priority: u=2\r\n\r\n"
    )
}
