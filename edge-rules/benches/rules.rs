//! What does a rule cost? One rule, twenty, a thousand; parsing; and what a set holds while idle.
//!
//! `cargo bench -p edge-rules --bench rules [-- WORDS]` prints a table of all, or of those with WORDS in
//! their name, each beside its bound: the middle one of many short runs, and the shortest.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use edge_rules::{
    Budget, DEFAULT_ZONE, DollarRule, Environment, Limits, Outcome, PatternCache, Phase, Program,
    Sample,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rules of one condition each.
const SINGLE: [(&str, &str); 5] = [
    ("host equals", r#"http.host eq "www.a.example""#),
    ("pattern on the path", r#"http.request.uri.path matches "^/img/[a-z0-9]+/""#),
    ("member of a set", r#"ip.src.country in {"CN" "HK" "TW"}"#),
    ("part of a text", r#"http.user_agent contains "Firefox""#),
    ("number", "ip.src.asnum lt 65000"),
];

/// All five in one.
const ONE: &str = r#"
[[rules]]
when = 'http.host eq "www.a.example" and http.request.uri.path matches "^/img/[a-z0-9]+/" and ip.src.country in {"CN" "HK" "TW"} and http.user_agent contains "Firefox" and ip.src.asnum lt 65000'
do = { set_request_header = { X-Region = "east" } }
"#;

/// What a site of some size has: twenty rules, of which five act on the request below.
const TWENTY: &str = r#"
[[rules]]
when = 'not ssl'
do = { redirect = { to = "https://{http.host}{http.request.uri}", status = 301 } }
[[rules]]
when = 'http.host eq "a.example"'
do = { redirect = { to = "https://www.a.example{http.request.uri}", status = 301 } }
[[rules]]
when = 'http.request.uri.path eq "/old"'
do = { rewrite = "/new" }
[[rules]]
when = 'starts_with(http.request.uri.path, "/admin/") and not ip.src in {192.0.2.0/24 2001:db8::/32}'
do = { respond = 403 }
[[rules]]
when = 'http.request.uri.path.extension in {"jpg" "png" "gif" "webp"} and not http.referer contains "a.example"'
do = { respond = 403 }
[[rules]]
when = 'http.request.uri.path matches "^/v[0-9]+/"'
do = { set_request_header = { X-Api = "1" } }
[[rules]]
when = 'ip.src.country in {"KP" "SY"}'
do = { respond = 451 }
[[rules]]
when = 'lower(http.user_agent) contains "badbot"'
do = { respond = 403 }
[[rules]]
when = 'http.request.cookies["group"] eq "b"'
do = { cache = { key = "b" } }
[[rules]]
when = 'exists(http.request.uri.args["nocache"])'
do = { cache = { bypass = true } }
[[rules]]
when = 'http.request.method in {"PUT" "DELETE" "PATCH"}'
do = { respond = 405 }
[[rules]]
when = 'http.request.uri.path wildcard "/download/*.zip"'
do = { limit_rate = { rate = "800KiB", after = "20MiB" } }
[[rules]]
when = 'ends_with(http.request.uri.path, ".js")'
do = { set_response_header = { X-Content-Type-Options = "nosniff" } }
[[rules]]
when = 'http.request.uri.path matches "^/img/(.*)$" and http.user_agent contains "Mobile"'
do = { cache = { key = "mobile" } }
[[rules]]
when = 'http.host eq "static.a.example"'
do = { cache = { ttl = "7d" } }
[[rules]]
when = 'http.host wildcard "*.b.example"'
do = { origin = "blue" }
[[rules]]
when = 'len(http.request.uri.query) gt 500'
do = { respond = 414 }
[[rules]]
do = { set_response_header = { Strict-Transport-Security = "max-age=31536000" } }
[[rules]]
when = 'http.request.uri.path.extension in {"css" "js"}'
do = { set_response_header = { Access-Control-Allow-Origin = "*" } }
[[rules]]
when = 'http.host eq "www.a.example"'
do = { set_request_header = { X-From-Edge = "brink" } }
"#;

const DOLLAR: &str = "$WHEN($MATCH($_URI, '\\\\.ts$'),$OR($GT($_TIME, $_GET_t),$NOT($EQ($MD5('abc'$_GET_t$_URI),$LOWER($_GET_key)))))$EXIT(403)";

fn request() -> Sample {
    let mut request = Sample::get("https://www.a.example/img/abc1/x.js?v=12")
        .with_header("accept", "*/*")
        .with_header("accept-language", "en-GB,en;q=0.7,de;q=0.3")
        .with_header("accept-encoding", "gzip, deflate, br, zstd")
        .with_header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )
        .with_header("referer", "https://www.a.example/start")
        .with_header("cookie", "id=3f9c2a; group=a");
    (request.country, request.asn) = (Some("HK".into()), Some(64500));
    request
}

/// A thousand rules for as many hosts and paths; ten act on the request.
fn thousand() -> String {
    let rule = |number: usize| {
        let (condition, name) = match number {
            number if number.is_multiple_of(100) => (
                r#"http.host eq "www.a.example" and http.user_agent contains "Firefox""#.into(),
                number,
            ),
            number if number % 10 == 1 => {
                (format!(r#"http.request.uri.path matches "^/p{number}/[a-z]+""#), number)
            }
            number if number % 10 == 2 => {
                (format!(r#"starts_with(http.request.uri.path, "/s{number}/")"#), number)
            }
            number if number % 10 == 3 => {
                (format!(r#"http.request.uri.path eq "/page/{number}""#), number)
            }
            number => (format!(r#"http.host eq "h{number}.example" and ssl"#), number),
        };
        format!(
            "[[rules]]\nwhen = '{condition}'\ndo = {{ set_request_header = {{ X-Rule = \"{name}\" }} }}\n"
        )
    };
    (0..1000).map(rule).collect()
}

fn compile(source: &str) -> Result<Program> {
    let shown = |errors: Vec<edge_rules::Error>| {
        errors.first().map(|error| error.show("bench", source).to_string()).unwrap_or_default()
    };
    Ok(Program::from_document(source, &Limits::default()).map_err(shown)?)
}

/// What is measured: a name, and the most that it may take.
struct Row<'a> {
    name: &'a str,
    most: Option<Duration>,
}

/// Runs whose middle and least count, and how long each is.
const RUNS: usize = 25;
const RUN: Duration = Duration::from_millis(20);

/// How long `work` takes: the middle one of many runs, and the least.
fn time(mut work: impl FnMut()) -> (Duration, Duration) {
    let mut times = 1;
    let mut run = |times: u32| {
        let start = Instant::now();
        (0..times).for_each(|_| work());
        start.elapsed()
    };
    while run(times) < RUN / 4 {
        times *= 2;
    }
    times *= 4;
    let mut all: Vec<Duration> = (0..RUNS).map(|_| run(times) / times).collect();
    all.sort_unstable();
    let least = all.first().copied().unwrap_or_default();
    (all.get(RUNS / 2).copied().unwrap_or_default(), least)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "MISSED" }
}

/// Evaluates over and over with one cache of patterns, as a serving thread does.
fn run(row: &Row, program: &Program, request: &Sample, acts: usize) {
    let mut patterns = PatternCache::new(8 << 20);
    let budget = Budget::default();
    let mut evaluate = || -> Outcome {
        program.evaluate(
            Phase::Request,
            black_box(request),
            &mut Environment {
                now: 1_700_000_000,
                random: &mut || 4,
                patterns: &mut patterns,
                budget: &budget,
                zone: DEFAULT_ZONE,
                tester: false,
                explain: false,
            },
        )
    };
    let outcome = evaluate();
    assert_eq!(outcome.actions.len(), acts, "{}: {outcome:?}", row.name);
    let (middle, least) = time(|| drop(black_box(evaluate())));
    let bound = row.most.map(|most| format!("{most:?}: {}", verdict(middle <= most)));
    println!(
        "{:28} {middle:>10.2?} {least:>10.2?} {:>6}  {}",
        row.name,
        outcome.steps,
        bound.unwrap_or_default()
    );
}

/// Reads a set over and over.
fn parse<T>(name: &str, bytes: usize, read: impl Fn() -> std::result::Result<Program, T>) {
    let (middle, least) = time(|| assert!(read().is_ok()));
    let speed = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e6;
    println!(
        "{name:28} {:>6.1} MB/s {:>6.1} MB/s {bytes:>7}  20 MB/s: {}",
        speed(middle),
        speed(least),
        verdict(speed(middle) >= 20.0)
    );
}

/// What a loaded set holds while nobody asks: its own bytes, and no pattern.
fn idle(program: &Program) {
    let patterns = PatternCache::new(8 << 20);
    assert_eq!((patterns.builds(), patterns.bytes()), (0, 0), "a load builds no pattern");
    let bytes = program.bytes();
    println!(
        "{:28} {bytes:>6} bytes, 0 patterns built   8 KiB: {}",
        "twenty rules, idle",
        verdict(bytes <= 8 << 10)
    );
}

fn main() -> Result<()> {
    let only = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let wanted = |name: &str| name.contains(&only);
    let request = request();
    let mut elsewhere = request.clone();
    elsewhere.host = "b.example".into();
    let token = Sample::get("a.example/x.ts?t=1800000000&key=a");
    let dollar = Program::from_dollar_text(DOLLAR, &Limits::default()).map_err(|_| "no rule")?;
    let (twenty, thousand) = (TWENTY.to_string(), thousand());
    let mut rows = Vec::new();
    for (name, condition) in SINGLE {
        let source = format!(
            "[[rules]]\nwhen = '{condition}'\ndo = {{ set_request_header = {{ X-Region = \"east\" }} }}\n"
        );
        rows.push((name, Some(250), compile(&source)?, &request, 1));
    }
    rows.push(("one rule of all five", Some(250), compile(ONE)?, &request, 1));
    rows.push(("the same, does not match", None, compile(ONE)?, &elsewhere, 0));
    rows.push(("a token rule", None, dollar, &token, 1));
    rows.push(("twenty rules", Some(2_000), compile(&twenty)?, &request, 4));
    rows.push(("thousand rules", Some(20_000), compile(&thousand)?, &request, 10));
    println!("{:28} {:>10} {:>10} {:>6}  bound", "", "middle", "least", "steps");
    for (name, most, program, request, acts) in &rows {
        if wanted(name) {
            run(&Row { name, most: most.map(Duration::from_nanos) }, program, request, *acts);
        }
    }
    let limits = Limits::default();
    for (name, source) in [("parse twenty", &twenty), ("parse thousand", &thousand)] {
        if wanted(name) {
            parse(name, source.len(), || Program::from_document(black_box(source), &limits));
        }
    }
    let rules = [DollarRule { text: DOLLAR, ..DollarRule::default() }; 20];
    if wanted("parse twenty $") {
        let read = || Program::from_dollar(black_box(&rules), &limits);
        parse("parse twenty $", 20 * DOLLAR.len(), read);
    }
    if wanted("twenty rules, idle") {
        idle(&compile(&twenty)?);
    }
    Ok(())
}
