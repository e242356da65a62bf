//! Tests of a rule set, written as a table: requests, and what should become of them.
//!
//! ```toml
//! [[tests]]
//! name = "plain requests are sent to https"
//! request = "GET http://a.example/x?y=1"
//! expect = { status = 301, location = "https://a.example/x?y=1", matched = ["force https"] }
//! ```
//!
//! Only what `expect` names is compared. A test asks as a client would whose request misses the
//! cache: the phases `request` and `origin-request` run, and if `status` says what the origin
//! answers also `cache`, `response` and, from 400 on, `error`; an answer of a rule ends them all.
//! With `phase` that phase runs alone. Time, random bits and the client are fixed, see [`Tests`].

mod compare;
mod read;
mod report;
mod settle;

use toml::de::DeTable;

use crate::budget::Limits;
use crate::document::{self, Reader, other_type, span, unknown};
use crate::error::Error;
use crate::facts::Phase;
use crate::program::Program;
use crate::sample::Sample;

pub use report::{Mismatch, Report, TestResult};

/// The tests of one rule set.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `name` | what reports call it | the request |
/// | `request` | method and URL, `"GET https://a.example/x?y=1"`; GET if left out | |
/// | `headers` | request headers; an array gives several lines of one name | none |
/// | `body` | the request's body | none |
/// | `client` `country` `asn` | the client's address, country, autonomous system | `192.0.2.1`, none, none |
/// | `http` `tls` | versions | `1.1`, `1.3` over https |
/// | `now` | Unix time in seconds | 1700000000 |
/// | `random` | where between its bounds every random value lies, from 0 up to 1 | 0.5 |
/// | `tester` | whether rules in test act | `false` |
/// | `status` `response_headers` | what the origin answers | nothing |
/// | `phase` | the one phase to run | all that apply |
/// | `expect` | what should come of it, see below | |
///
/// | key of `expect` | meaning |
/// |---|---|
/// | `verdict` | `pass`, `redirect` or `respond` |
/// | `url` | where the request goes on to: a whole URL, or path and query |
/// | `method` `request_headers` | the request that goes on; of a header `false` says there is none, `true` that there is one |
/// | `status` `location` `response_headers` | the answer; `status` and `location` also those of an error page |
/// | `body` | of the answer, or where the request goes on of the request |
/// | `actions` | all actions in their order, each its word (`"cache_ttl"`), or word and value (`"cache_ttl 600"`) |
/// | `matched` `failed` | all rules that did, in their order, by name or number from 1 |
#[derive(Debug)]
pub struct Tests {
    tests: Vec<Test>,
}

/// One test.
#[derive(Debug)]
struct Test {
    name: String,
    /// Its line in the document, from 1.
    line: usize,
    request: Sample,
    now: i64,
    random: f64,
    tester: bool,
    phase: Option<Phase>,
    expect: Expect,
}

/// What should come of a test's request; only what is named is compared.
#[derive(Debug, Default)]
struct Expect {
    verdict: Option<String>,
    url: Option<String>,
    method: Option<String>,
    status: Option<u16>,
    location: Option<String>,
    body: Option<String>,
    request_headers: Vec<(String, Wanted)>,
    response_headers: Vec<(String, Wanted)>,
    actions: Option<Vec<String>>,
    matched: Option<Vec<Label>>,
    failed: Option<Vec<Label>>,
}

/// What a header should be.
#[derive(Debug)]
enum Wanted {
    Present(bool),
    Lines(Vec<String>),
}

/// A rule as a test names it.
#[derive(Debug)]
enum Label {
    Name(String),
    /// From 1.
    Number(u32),
}

/// Tests of one document at most, and errors that are reported.
const MOST_TESTS: usize = 10_000;
const MOST_ERRORS: usize = 20;

impl Tests {
    /// Reads a document of `[[tests]]`.
    ///
    /// # Errors
    /// Everything that is wrong with it, one thing for each test; places are bytes of `source`.
    pub fn parse(source: &str) -> Result<Tests, Vec<Error>> {
        let limits = Limits::default();
        if source.len() > limits.set_bytes {
            return Err(vec![crate::dollar::set_too_long(&limits)]);
        }
        let document = document::parse(source).map_err(|error| vec![error])?;
        Tests::read(&Reader { source, limits: &limits }, document.get_ref())
    }

    fn read<'d>(reader: &Reader<'d>, document: &DeTable<'d>) -> Result<Tests, Vec<Error>> {
        let mut tests = Vec::new();
        let mut errors = Vec::new();
        for (key, value) in reader.entries(document) {
            if key.get_ref() != "tests" {
                return Err(vec![unknown(key.get_ref(), span(key), &["tests"])]);
            }
            let Some(values) = value.get_ref().as_array() else {
                let hint = "write each test below a line [[tests]]";
                return Err(vec![other_type(value, "tests").hint(hint)]);
            };
            if values.len() > MOST_TESTS {
                let message = format!("there are more than {MOST_TESTS} tests");
                return Err(vec![Error::new(span(value), message)]);
            }
            for value in values.iter() {
                match reader.test(value) {
                    Ok(test) => tests.push(test),
                    Err(error) if errors.len() < MOST_ERRORS => errors.push(error),
                    Err(_) => break,
                }
            }
        }
        if errors.is_empty() { Ok(Tests { tests }) } else { Err(errors) }
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// Whether there is no test.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Runs all tests on a program.
    pub fn run(&self, program: &Program) -> Report {
        let mut patterns = crate::pattern_cache::PatternCache::new(4 << 20);
        let mut report = Report::of(program);
        for test in &self.tests {
            let settled = test.settle(program, &mut patterns);
            report.add(program, test, &settled);
        }
        report
    }
}
