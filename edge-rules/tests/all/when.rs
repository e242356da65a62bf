//! The `when` spelling: documents in, effects out, and what customers read when they will not do.

use edge_rules::{Limits, Outcome, Phase, Program, Sample};

use crate::kit::{evaluate, short};

const NONE: [&str; 0] = [];

fn document(source: &str) -> Program {
    Program::from_document(source, &Limits::default()).unwrap_or_else(|errors| {
        let shown: Vec<_> =
            errors.iter().map(|error| error.show("rules.toml", source).to_string()).collect();
        panic!("{}", shown.join("\n"))
    })
}

fn run(source: &str, phase: Phase, request: &Sample) -> Outcome {
    evaluate(&document(source), phase, request)
}

fn request() -> Sample {
    let mut request = Sample::get("https://www.a.example/img/Cat.JPG?w=100&q=hi")
        .with_header("User-Agent", "Firefox")
        .with_header("Referer", "https://b.example/")
        .with_header("Cookie", "group=b")
        .with_header("X-Num", "42");
    (request.country, request.asn) = (Some("CN".into()), Some(64500));
    request
}

/// Whether a condition holds for the request.
fn holds(condition: &str) -> bool {
    let source = format!("[[rules]]\nwhen = '''{condition}'''\ndo = {{ respond = 403 }}");
    !run(&source, Phase::Request, &request()).actions.is_empty()
}

/// The effects of a `do` on the request.
fn done(actions: &str) -> Vec<String> {
    short(&run(&format!("[[rules]]\n[rules.do]\n{actions}"), Phase::Request, &request()))
}

/// What an expression is worth in a template.
fn worth(expression: &str) -> String {
    let found = done(&format!("set_request_header = {{ W = '{{{expression}}}' }}"));
    found.first().map_or("failed".into(), |it| it.trim_start_matches("ask = w: ").to_string())
}

#[test]
fn the_condition_that_everybody_shows() {
    let condition = r#"http.host eq "www.a.example" and http.request.uri.path matches "^/img/" and ip.src.country in {"CN" "HK"}"#;
    assert!(holds(condition));
    assert!(!holds(&condition.replace("CN", "US")));
}

#[test]
fn operators() {
    for (condition, truth) in [
        (r#"http.host == "www.a.example""#, true),
        (r#"http.host ne "a.example""#, true),
        (r#"http.host != "www.a.example""#, false),
        ("ip.src.asnum lt 64501", true),
        ("ip.src.asnum <= 64500", true),
        ("ip.src.asnum gt 64500", false),
        ("ip.src.asnum >= 64500", true),
        ("ip.src.asnum in {1 64000..65000}", true),
        ("ip.src.asnum in {1, 64501..65000}", false),
        (r#"http.user_agent contains "fox""#, true),
        (r#"http.request.uri.path matches r"\.JPG$""#, true),
        (r#"http.request.uri.path ~ "\\.JPG$""#, true),
        (r#"http.request.uri.path wildcard "/IMG/*.jpg""#, true),
        (r#"http.request.uri.path strict wildcard "/IMG/*""#, false),
        (r#"http.request.uri.path.extension in {"png" "jpg"}"#, true),
        ("ip.src in {192.0.2.0/24 2001:db8::/32}", true),
        ("ip.src eq 192.0.2.1", true),
        ("ip.src ne 192.0.2.1", false),
        (r#"ip_in(ip.src, "10.0.0.0/8", 192.0.2.1)"#, true),
        ("ssl", true),
        ("not ssl", false),
        ("ssl eq true", true),
        ("!ssl || ssl && ssl", true),
        ("not (ssl and not ssl)", true),
        (r#"http.request.headers["x-none"] eq "a""#, false),
        (r#"http.request.headers["x-none"] ne "a""#, true),
        (r#"exists(http.request.headers["X-NUM"])"#, true),
        (r#"exists(http.request.cookies["none"])"#, false),
        (r#"number(http.request.headers["x-num"]) ge 42"#, true),
        (
            r#"starts_with(http.request.uri.path, "/img/") and ends_with(http.host, ".example")"#,
            true,
        ),
        (r#"len(http.request.uri.query) eq 10"#, true),
        (r#"http.request.method in {"GET" "HEAD"}"#, true),
        (r#"tls.version eq "1.3" and http.request.version eq "1.1""#, true),
    ] {
        assert_eq!(holds(condition), truth, "{condition}");
    }
}

#[test]
fn values() {
    for (expression, value) in [
        ("http.host", "www.a.example"),
        ("http.request.method", "GET"),
        ("http.request.scheme", "https"),
        ("http.request.uri", "/img/Cat.JPG?w=100&q=hi"),
        ("http.request.full_uri", "https://www.a.example/img/Cat.JPG?w=100&q=hi"),
        ("http.request.uri.query", "w=100&q=hi"),
        ("http.request.uri.path.extension", "jpg"),
        (r#"http.request.uri.args["w"]"#, "100"),
        (r#"http.request.cookies["group"]"#, "b"),
        ("http.referer", "https://b.example/"),
        ("http.request.timestamp.sec", "1481106349"),
        ("ip.src", "192.0.2.1"),
        ("ip.src.country", "CN"),
        ("ip.src.asnum", "64500"),
        ("lower(http.request.uri.path)", "/img/cat.jpg"),
        ("upper(http.host)", "WWW.A.EXAMPLE"),
        (r#"concat("a", http.host, "b")"#, "awww.a.exampleb"),
        (r#"default(http.request.headers["none"], "x")"#, "x"),
        (r#"capture(http.request.uri.path, "([^/]+)\\.JPG$", 1)"#, "Cat"),
        (r#"replace(http.host, ".", "-")"#, "www-a-example"),
        ("substring(http.host, 4)", "a.example"),
        ("substring(http.host, 0, 3)", "www"),
        ("host_label(2)", "a"),
        (r#"url_encode("a b")"#, "a%20b"),
        (r#"url_decode("a%20b")"#, "a b"),
        (r#"encode_base64("abc")"#, "YWJj"),
        (r#"decode_base64("YWJj")"#, "abc"),
        (r#"md5("abc")"#, "900150983cd24fb0d6963f7d28e17f72"),
        ("add(1, 2)", "3"),
        ("modulo(7, 4)", "3"),
        ("len(http.host)", "13"),
        (r#"http.request.headers["none"]"#, "failed"),
        (r#"lower(http.request.headers["none"])"#, "failed"),
    ] {
        assert_eq!(worth(expression), value, "{expression}");
    }
    assert_eq!(worth("random_text(5)").len(), 5);
}

#[test]
fn actions() {
    for (actions, effects) in [
        ("set_request_header = { X-A = 'a{http.host}' }", vec!["ask = x-a: awww.a.example"]),
        ("add_request_header = { X-A = ['1', '2'] }", vec!["ask + x-a: 1", "ask + x-a: 2"]),
        ("remove_request_header = 'Cookie'", vec!["ask - cookie"]),
        ("set_response_header = { B = 'b', A = 'a' }", vec!["reply = b: b", "reply = a: a"]),
        ("add_response_header = { Vary = 'X' }", vec!["reply + vary: X"]),
        ("remove_response_header = ['A', 'B']", vec!["reply - a", "reply - b"]),
        ("remove_argument = ['w']\nrewrite = '/x'", vec!["argument - w", "rewrite /x?q=hi"]),
        ("set_method = 'HEAD'", vec!["method HEAD"]),
        ("rewrite = '/{{{http.host}}}??'", vec!["rewrite /{www.a.example}"]),
        (
            "redirect = 'https://b.example{http.request.uri}'",
            vec!["302 https://b.example/img/Cat.JPG?w=100&q=hi"],
        ),
        ("redirect = { to = '/x', status = 308 }", vec!["308 /x"]),
        ("respond = 404", vec!["404"]),
        (
            "respond = { status = 200, body = '<p>', content_type = 'text/html' }",
            vec!["200 text/html <p>"],
        ),
        (
            "cache = { ttl = '10m', stale = '1h', key = ['{ip.src.country}'], tags = 'a' }",
            vec!["CacheTtl(600)", "CacheStale(3600)", "CacheKey([67, 78])", "CacheTag(\"a\")"],
        ),
        ("cache = { bypass = true }", vec!["CacheBypass"]),
        ("cache = { bypass = false }", vec![]),
        ("origin = 'blue'", vec!["Origin(\"blue\")"]),
        ("limit_rate = '800KiB'", vec!["rate 819200"]),
        (
            "limit_rate = { after = '20MiB', rate = '1MB' }",
            vec!["rate after 20971520", "rate 1000000"],
        ),
        ("error_page = { on = [404, 503], to = '/lost' }", vec!["page [404, 503] /lost"]),
    ] {
        assert_eq!(done(actions), effects, "{actions}");
    }
}

#[test]
fn rules_run_in_their_phase_and_order() {
    let source = r#"
[[rules]]
name = "late"
phase = "response"
when = 'http.response.code eq 404 and http.response.headers["x-a"] eq "b"'
do = { set_response_header = { Seen = "{http.response.code}" } }

[[rules]]
name = "early"
stop = true
when = "ssl"
do = { set_request_header = { A = "1" } }

[[rules]]
name = "never"
do = { rewrite = "/x" }

[[rules]]
name = "ours"
phase = "cache"
when = "http.response.code in {200..299}"
do = { cache = { ttl = "1h" } }
"#;
    let program = document(source);
    let response = request().with_status(404).with_response_header("X-A", "b");
    let run = |phase| evaluate(&program, phase, &response);
    assert_eq!(short(&run(Phase::Request)), ["ask = a: 1"]);
    assert_eq!(short(&run(Phase::Response)), ["reply = seen: 404"]);
    assert_eq!(short(&run(Phase::Cache)), NONE);
    assert_eq!(program.rule_name(run(Phase::Response).events[0].rule), "late");
    assert!(program.has(Phase::Cache) && !program.has(Phase::Error));
    assert_eq!(program.rule_name(9), "");
}

#[test]
fn both_spellings_stand_in_one_document() {
    let source = r#"
[[rules]]
pattern = '^/img/(.*)'
text = "/pictures/$1"

[[rules]]
when = 'http.host eq "www.a.example"'
do = { set_request_header = { A = "b" } }

[[rules]]
text = '$WHEN($EQ($_HOST,www.a.example))$ADD_RSP_HEADER(C,d)'
break = true
"#;
    assert_eq!(
        short(&run(source, Phase::Request, &request())),
        ["ask = a: b", "reply + c: d", "rewrite /pictures/Cat.JPG?w=100&q=hi"]
    );
}

#[test]
fn a_rule_in_test_acts_for_its_testers() {
    let source = "[[rules]]\nstate = 'test'\ntesters = ['192.0.2.0/24']\ndo = { respond = 403 }";
    assert_eq!(short(&run(source, Phase::Request, &request())), ["403"]);
    let mut other = request();
    other.client = "198.51.100.1".parse().unwrap();
    assert_eq!(short(&run(source, Phase::Request, &other)), NONE);
}

/// The errors of a document as they are shown.
fn errors(source: &str) -> Vec<String> {
    let errors = Program::from_document(source, &Limits::default()).unwrap_err();
    errors.iter().map(|error| error.show("rules.toml", source).to_string()).collect()
}

/// The error of a condition; columns count from the condition's first letter.
fn wrong(condition: &str) -> String {
    let source = format!("[[rules]]\nwhen = '''\n{condition}'''\ndo = {{ respond = 403 }}");
    errors(&source).remove(0)
}

#[test]
fn conditions_are_judged_where_they_stand() {
    for (condition, place, message, hint) in [
        ("http.hots eq \"a\"", "3:1", "there is no field `http.hots`", "did you mean `http.host`?"),
        ("http.host eqq \"a\"", "3:11", "there is no operator `eqq`", "did you mean `eq`?"),
        ("lowr(http.host) eq \"a\"", "3:1", "there is no function `lowr`", "`lower`"),
        ("http.host", "3:1", "a condition is true or false, but this is text", "exists("),
        ("http.host eq 5", "3:14", "expected text, found a number", "double quotes"),
        ("ip.src.asnum eq \"5\"", "3:17", "expected a number, found text", "without quotes"),
        ("ip.src eq \"1.2.3.4\"", "3:11", "expected an address, found text", "without quotes"),
        ("http.host gt 5", "3:1", "`gt` compares numbers, but this is text", "number("),
        ("ip.src.asnum contains \"5\"", "3:1", "`contains` compares text", ""),
        (
            "http.host in {1 2}",
            "3:15",
            "this is a number, but the members here are texts",
            "\"CN\"",
        ),
        ("http.host in \"a\"", "3:14", "members stand between", "in {"),
        ("ip.src in {1.2.3}", "3:12", "neither a number nor an address", "192.0.2.0/24"),
        ("http.host eq 'a", "3:14", "`'` means nothing here", "double quotes"),
        ("http.host = \"a\"", "3:11", "`=` means nothing here", "`eq`"),
        ("http.host eq \"a", "3:14", "this `\"` is never closed", ""),
        (
            "http.request.uri.path matches \"\\.jpg\"",
            "3:32",
            "`\\.` means nothing in a text",
            "r\"",
        ),
        ("http.request.uri.path matches \"(\"", "3:31", "the pattern does not parse", ""),
        ("http.host matches http.host", "3:19", "the pattern must be a plain text", ""),
        ("(ssl", "3:1", "this `(` is never closed", ""),
        ("ssl)", "3:4", "this `)` closes nothing", ""),
        ("ssl ssl", "3:5", "there is no operator `ssl`", ""),
        ("ssl and", "3:8", "something is missing at the end", ""),
        ("http.request.headers eq \"a\"", "3:1", "is a list", "[\"name\"]"),
        ("http.request.header[\"a\"] eq \"a\"", "3:1", "there is no list", "http.request.headers"),
        ("lower(5) eq \"a\"", "3:7", "`lower` takes text, but this is a number", ""),
        (
            "lower(http.host, http.host) eq \"a\"",
            "3:1",
            "`lower` takes 1 argument, and here are 2",
            "",
        ),
        (
            "http.response.code eq 200",
            "3:1",
            "there is no response yet in the request phase",
            "phase = ",
        ),
        ("", "3:1", "the condition is empty", "leave `when` out"),
    ] {
        let shown = wrong(condition);
        for part in [&format!("rules.toml:{place}: "), message, hint] {
            assert!(shown.contains(part), "{condition}: {part}\n{shown}");
        }
    }
}

#[test]
fn escapes_of_the_document_do_not_shift_the_place() {
    let source = "[[rules]]\nwhen = \"http.host eq \\\"\\u00e9\\\" and htp.host eq \\\"b\\\"\"\ndo = { respond = 403 }";
    let shown = errors(source).remove(0);
    assert!(shown.starts_with("rules.toml:2:37: there is no field `htp.host`"), "{shown}");
}

#[test]
fn documents_are_judged_where_they_stand() {
    for (source, place, message) in [
        ("[[rules]]\nwen = 'ssl'", "2:1", "there is no key `wen` here"),
        ("[[rule]]\n", "1:3", "there is no key `rule` here"),
        ("rules = 5", "1:9", "expected rules, found a number"),
        ("[[rules]]\nwhen = 5", "2:8", "expected a condition, found a number"),
        ("[[rules]]\nwhen = 'ssl'", "1:1", "the rule does nothing"),
        ("[[rules]]\nstate = 'on'", "2:9", "there is no state `on`"),
        ("[[rules]]\nphase = 'late'\ndo = {}", "2:9", "there is no phase `late`"),
        ("[[rules]]\ndo = { respnd = 403 }", "2:8", "there is no action `respnd`"),
        ("[[rules]]\ndo = { respond = 42 }", "2:18", "42 is not a status"),
        ("[[rules]]\ndo = { redirect = { status = 301 } }", "2:19", "the key `to` is missing"),
        ("[[rules]]\ndo = { cache = { ttl = 10 } }", "2:24", "expected a time with its unit"),
        ("[[rules]]\ndo = { cache = { ttl = '10' } }", "2:24", "found `10`"),
        ("[[rules]]\ndo = { limit_rate = '0B' }", "2:21", "expected a size with its unit"),
        (
            "[[rules]]\ndo = { set_request_header = { 'a b' = 'c' } }",
            "2:31",
            "`a b` is not a header name",
        ),
        (
            "[[rules]]\ndo = { set_request_header = { a = '{htp.host}' } }",
            "2:37",
            "there is no field",
        ),
        (
            "[[rules]]\ndo = { set_request_header = { a = '{ssl}' } }",
            "2:37",
            "true or false cannot stand in a text",
        ),
        ("[[rules]]\ndo = { rewrite = '/}' }", "2:20", "this `}` closes nothing"),
        (
            "[[rules]]\ndo = { rewrite = '/{http.host' }",
            "2:30",
            "the `}` of this template is missing",
        ),
        (
            "[[rules]]\nphase = 'response'\ndo = { rewrite = '/' }",
            "3:18",
            "cannot be done in the response phase",
        ),
        ("[[rules]]\ntext = '$LOWR(a)'", "2:9", "there is no function `$LOWR`"),
        (
            "[[rules]]\ntext = 'a'\nwhen = 'ssl'",
            "3:8",
            "a rule has either `text`, or `when` and `do`",
        ),
        ("[[rules]]\ntext = 'a'\nphase = 'cache'", "3:9", "runs in the request phase"),
        ("[[rules]]\ntesters = ['x']\ndo = {}", "2:12", "not an address or a network"),
        ("[[rules]]\nwhen = ", "2:8", ""),
    ] {
        let shown = errors(source).remove(0);
        assert!(
            shown.starts_with(&format!("rules.toml:{place}: ")) && shown.contains(message),
            "{source}\n{shown}"
        );
    }
}

#[test]
fn every_rule_is_judged_and_a_set_is_bounded() {
    let bad = "[[rules]]\nwhen = 'x'\ndo = {}\n";
    assert_eq!(errors(&bad.repeat(3)).len(), 3);
    assert_eq!(errors(&bad.repeat(100)).len(), 20);
    let good = "[[rules]]\ndo = { respond = 403 }\n";
    assert!(errors(&good.repeat(2001))[0].contains("there are 2001 rules, at most 2000 can be"));
    assert!(errors(&"#".repeat((1 << 20) + 1))[0].contains("more than 1048576 bytes"));
    let deep = format!("[[rules]]\nwhen = '{}ssl'\ndo = {{}}", "not ".repeat(40));
    assert!(errors(&deep)[0].contains("nest more than 32 deep"));
    assert!(Program::from_document("", &Limits::default()).unwrap().is_empty());
}
