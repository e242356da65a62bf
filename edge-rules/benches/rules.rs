//! What does a rule cost? One rule, twenty, a thousand; parsing; and what a set holds while idle.
//!
//! `cargo bench -p edge-rules --bench rules [-- WORDS]` runs all, or those with WORDS in their name.

use std::error::Error;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use edge_rules::{
    Budget, DEFAULT_ZONE, DollarRule, Environment, Limits, Outcome, PatternCache, Phase, Program,
    Sample,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Host equals, pattern on the path, membership, part of a text, a number.
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

/// Evaluates over and over with one cache of patterns, as a serving thread does.
fn run(c: &mut Criterion, name: &str, program: &Program, request: &Sample, acts: usize) {
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
    assert_eq!(outcome.actions.len(), acts, "{name}: {outcome:?}");
    println!("{name}: {} steps, {} bytes", outcome.steps, program.bytes());
    c.bench_function(name, |b| b.iter(&mut evaluate));
}

fn parse(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("parse");
    let limits = Limits::default();
    let thousand = thousand();
    let twenty = TWENTY.to_string();
    for (name, source) in [("twenty when", &twenty), ("thousand when", &thousand)] {
        compile(source)?;
        group.throughput(Throughput::Bytes(source.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| Program::from_document(black_box(source), &limits))
        });
    }
    let rule = DollarRule { text: DOLLAR, ..DollarRule::default() };
    let rules = [rule; 20];
    group.throughput(Throughput::Bytes(20 * DOLLAR.len() as u64));
    group.bench_function("twenty $", |b| {
        b.iter(|| Program::from_dollar(black_box(&rules), &limits))
    });
    Ok(())
}

fn main() -> Result<()> {
    let mut c = Criterion::default().configure_from_args();
    let request = request();
    let mut elsewhere = request.clone();
    elsewhere.host = "b.example".into();
    run(&mut c, "one rule, acts", &compile(ONE)?, &request, 1);
    run(&mut c, "one rule, does not", &compile(ONE)?, &elsewhere, 0);
    run(&mut c, "twenty rules", &compile(TWENTY)?, &request, 4);
    run(&mut c, "thousand rules", &compile(&thousand())?, &request, 10);
    let dollar = Program::from_dollar_text(DOLLAR, &Limits::default()).map_err(|_| "no rule")?;
    run(&mut c, "one token rule", &dollar, &Sample::get("a.example/x.ts?t=1800000000&key=a"), 1);
    parse(&mut c)?;
    c.final_summary();
    Ok(())
}
