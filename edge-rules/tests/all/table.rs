//! Tables of tests: what they compare, what they report, and what is said of a wrong one.

use edge_rules::{Limits, Program, Report, Tests};

fn run(rules: &str, tests: &str) -> Report {
    let program = Program::from_document(rules, &Limits::default()).unwrap();
    let tests =
        Tests::parse(tests).unwrap_or_else(|errors| panic!("{}", errors[0].show("t", tests)));
    tests.run(&program)
}

/// The first line of what is wrong with a test, and its hint.
fn wrong(line: &str) -> String {
    let source = format!("[[tests]]\n{line}\n");
    let errors = Tests::parse(&source).unwrap_err();
    let (at, column) = errors[0].place(&source);
    format!("{at}:{column}: {}", errors[0])
}

const RULES: &str = r#"
[[rules]]
name = "force https"
when = 'not ssl'
do = { redirect = { to = "https://{http.host}{http.request.uri}", status = 301 } }
[[rules]]
when = 'http.request.uri.path eq "/old"'
do = { rewrite = "/new", remove_argument = "a", set_response_header = { X-Was = "old" }, cache = { ttl = "10m" } }
[[rules]]
name = "unused"
when = 'http.host eq "never.example"'
do = { respond = 403 }
[[rules]]
state = "disabled"
do = { respond = 403 }
[[rules]]
name = "fails"
when = 'http.request.uri.path eq "/fail"'
do = { set_request_header = { X = '{http.request.headers["none"]}'  } }
"#;

#[test]
fn what_is_named_is_compared() {
    let report = run(
        RULES,
        r#"
[[tests]]
request = "GET http://a.example/x?y=1"
expect = { verdict = "redirect", status = 301, location = "https://a.example/x?y=1", matched = ["force https"] }
[[tests]]
name = "old"
request = "GET https://a.example:8443/old?a=1&b=2"
expect = { verdict = "pass", url = "/new?b=2", response_headers = { x-was = "old" }, actions = ["remove_argument a", "set_response_header", "cache_ttl 600", "rewrite /new?b=2"], matched = [2] }
[[tests]]
request = "https://a.example/old"
expect = { url = "https://a.example/new", request_headers = { X = false }, method = "GET" }
[[tests]]
request = "https://a.example/fail"
expect = { matched = [], failed = ["fails"] }
"#,
    );
    assert!(report.is_good(), "{report}");
    assert_eq!(report.unmatched, ["\"unused\"", "\"fails\""]);
    assert_eq!(report.results[1].line, 5);
}

#[test]
fn what_differs_is_told() {
    let report = run(
        RULES,
        r#"
[[tests]]
name = "all wrong"
request = "GET http://a.example/x"
expect = { verdict = "pass", url = "/y", method = "PUT", status = 302, location = "/", body = "b", request_headers = { A = "1" }, response_headers = { B = true }, actions = ["respond"], matched = [1, "unused"], failed = [2] }
[[tests]]
request = "GET http://a.example/x"
expect = { status = 301 }
"#,
    );
    assert_eq!((report.passed(), report.results.len(), report.is_good()), (1, 2, false));
    let shown = report.to_string();
    let expected = r#"failed: all wrong (line 2)
  verdict: expected "pass", got "redirect"
  url: expected "/y", got "/x"
  method: expected "PUT", got "GET"
  status: expected 302, got 301
  location: expected "/", got "https://a.example/x"
  body: expected "b", got nothing
  request header A: expected "1", got nothing
  response header B: expected any value, got nothing
  actions: expected "respond", got "redirect 301 https://a.example/x"
  matched: expected 1, "unused", got "force https"
  failed: expected 2, got nothing
  rule "force https" matched
no test matches: 2, "unused", "fails"
1 of 2 tests passed"#;
    assert_eq!(shown, expected);
}

const PHASES: &str = r#"
[[rules]]
do = { set_response_header = { X-Asked = "yes" }, error_page = { on = [404], to = "/lost.html" } }
[[rules]]
phase = "origin-request"
do = { set_request_header = { X-Key = "k" } }
[[rules]]
phase = "cache"
when = 'http.response.code eq 200 and http.response.headers["x-kind"] eq "api"'
do = { cache = { ttl = "1m" } }
[[rules]]
phase = "response"
when = 'http.response.headers["x-asked"] eq "yes"'
do = { remove_response_header = "X-Kind" }
[[rules]]
phase = "error"
when = 'http.response.code eq 503'
do = { respond = { status = 503, body = "later", content_type = "text/plain" } }
"#;

#[test]
fn phases_run_in_the_order_of_a_request() {
    let report = run(
        PHASES,
        r#"
[[tests]]
request = "https://a.example/"
expect = { request_headers = { X-Key = "k" }, response_headers = { X-Asked = "yes" }, matched = [1, 2] }
[[tests]]
request = "https://a.example/"
status = 200
response_headers = { X-Kind = "api", Via = ["a", "b"] }
expect = { verdict = "pass", status = 200, response_headers = { X-Kind = false, X-Asked = "yes", Via = ["a", "b"] }, matched = [1, 2, 3, 4] }
[[tests]]
request = "https://a.example/"
status = 404
response_headers = { X-Kind = "api" }
expect = { verdict = "redirect", status = 302, location = "/lost.html", response_headers = { X-Kind = false, X-Asked = "yes" } }
[[tests]]
request = "https://a.example/"
status = 503
expect = { verdict = "respond", status = 503, body = "later", response_headers = { Content-Type = "text/plain", X-Asked = false }, matched = [1, 2, 4, 5] }
[[tests]]
request = "https://a.example/"
status = 200
response_headers = { X-Kind = "api" }
phase = "cache"
expect = { actions = ["cache_ttl 60"], matched = [3], request_headers = { X-Key = false } }
"#,
    );
    assert!(report.is_good() && report.unmatched.is_empty(), "{report}");
}

#[test]
fn time_chance_and_client_are_what_the_test_says() {
    let rules = r#"
[[rules]]
state = "test"
do = { set_request_header = { X = '{http.request.timestamp.sec} {random_integer(1, 100)} {ip.src} {default(ip.src.country, "none")}', Y = '{http.request.version} {default(tls.version, "none")}'  } }
[[rules]]
when = 'ip.src.asnum eq 64500 and http.request.body.form["a"] eq "b"'
do = { set_method = "PUT", set_body = "c" }
"#;
    let report = run(
        rules,
        r#"
[[tests]]
request = "http://a.example/"
tester = true
expect = { request_headers = { X = "1700000000 51 192.0.2.1 none", Y = "1.1 none" } }
[[tests]]
request = "https://a.example/"
tester = true
now = 12
random = 0.0
client = "2001:db8::1"
country = "DE"
http = "2"
expect = { request_headers = { X = "12 1 2001:db8::1 DE", Y = "2 1.3" } }
[[tests]]
request = "POST https://a.example/"
random = 0
asn = 64500
headers = { Content-Type = "application/x-www-form-urlencoded", X-Two = ["1", "2"] }
body = "a=b"
expect = { method = "PUT", body = "c", request_headers = { X = false, X-Two = ["1", "2"] } }
"#,
    );
    assert!(report.is_good(), "{report}");
}

#[test]
fn wrong_tables_are_refused_with_place_and_way_out() {
    for (line, error) in [
        ("name = 1", "1:1: the key `request` is missing"),
        (
            "request = \"/x\"\nexpect = {}",
            "2:11: not a method and a URL (write \"GET https://a.example/x?y=1\")",
        ),
        (
            "request = \"ftp://a/x\"\nexpect = {}",
            "2:11: not a method and a URL (write \"GET https://a.example/x?y=1\")",
        ),
        (
            "request = \"GTE https://a/x\"\nexpect = {}",
            "2:11: not a method and a URL (write \"GET https://a.example/x?y=1\")",
        ),
        ("request = \"https://a/\"", "1:1: the key `expect` is missing"),
        (
            "request = \"https://a/\"\nexpct = {}",
            "3:1: there is no key `expct` here (did you mean `expect`?)",
        ),
        (
            "request = \"https://a/\"\nexpect = { stauts = 200 }",
            "3:12: there is no key `stauts` here (did you mean `status`?)",
        ),
        (
            "request = \"https://a/\"\nexpect = { verdict = \"ok\" }",
            "3:22: there is no verdict `ok` (verdicts are pass, redirect, respond)",
        ),
        (
            "request = \"https://a/\"\nexpect = { matched = [true] }",
            "3:23: expected names or numbers of rules, found true or false",
        ),
        (
            "request = \"https://a/\"\nphase = \"cache\"\nexpect = {}",
            "1:1: the key `status` is missing (the phase cache has a response)",
        ),
        (
            "request = \"https://a/\"\nrandom = 1\nexpect = {}",
            "3:10: expected a number from 0 up to 1, 1 not included",
        ),
        ("request = \"https://a/\"\nstatus = 99\nexpect = {}", "3:10: 99 is not a status"),
        ("request = \"https://a/\"\nasn = -1\nexpect = {}", "3:7: expected a number of a network"),
        ("request = \"https://a/\"\nclient = \"a\"\nexpect = {}", "3:10: `a` is not an address"),
        ("request = ", "2:11: string values must be quoted, expected literal string"),
    ] {
        assert_eq!(wrong(line), error, "{line}");
    }
    let errors = Tests::parse("[[test]]\n").unwrap_err();
    assert_eq!(errors[0].to_string(), "there is no key `test` here (did you mean `tests`?)");
    assert!(Tests::parse("tests = 1").unwrap_err()[0].message.contains("expected tests"));
    assert!(Tests::parse("").unwrap().is_empty());
}
