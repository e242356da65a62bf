//! Rules in the other spelling do the same, and what has no like there is named.

use edge_rules::{
    Action, Converted, Fate, Limits, Notation, Outcome, Phase, Program, Sample, convert_document,
    convert_rules,
};

use crate::grammar::{Chance, dollar_rule, request, when_rule};
use crate::kit::evaluate;

fn convert(source: &str, to: Notation) -> Converted {
    convert_document(source, to, &Limits::default())
        .unwrap_or_else(|errors| panic!("{}", errors[0].show("source", source)))
}

fn to_when(text: &str) -> String {
    let pattern =
        if text.contains("$1") && !text.contains("CAPTURE") { "pattern = '^/(.)'\n" } else { "" };
    shown(&convert(&format!("[[rules]]\n{pattern}text = '''{text}'''\n"), Notation::When))
}

fn to_dollar(rule: &str) -> String {
    shown(&convert(&format!("[[rules]]\n{rule}\n"), Notation::Dollar))
}

/// The converted rule without its header, or why there is none.
fn shown(converted: &Converted) -> String {
    match converted.kept.first() {
        Some(error) => format!("kept: {error}"),
        None => converted.text.trim_start_matches("[[rules]]\n").trim_end().to_string(),
    }
}

/// Setting a request header is removing it and adding one.
fn plain(outcome: &Outcome) -> Vec<Action> {
    let mut made = Vec::new();
    for action in &outcome.actions {
        match action {
            Action::SetRequestHeader(header) => {
                made.push(Action::RemoveRequestHeader(header.name.clone()));
                made.push(Action::AddRequestHeader(header.clone()));
            }
            other => made.push(other.clone()),
        }
    }
    made
}

/// Both programs do the same to a request; a rule that failed may instead not match.
pub fn assert_same(programs: &(Program, Program), request: &Sample, shown: &str) {
    let a = evaluate(&programs.0, Phase::Request, request);
    let b = evaluate(&programs.1, Phase::Request, request);
    assert_eq!(plain(&a), plain(&b), "{shown}");
    assert_eq!(a.end, b.end, "{shown}");
    let fate = |fate: Fate| match fate {
        Fate::Failed(_) => Fate::Unmatched,
        other => other,
    };
    for (a, b) in a.events.iter().zip(&b.events) {
        assert_eq!(fate(a.fate), fate(b.fate), "{shown}");
    }
}

#[test]
fn dollar_rules_become_conditions_and_actions() {
    for (text, made) in [
        (
            "$WHEN($EQ($_SCHEME, http))$REDIRECT(https://$_HOST$_URI$PCALL(?$_QUERY), 301)$$",
            "when = 'http.request.scheme eq \"http\"'\ndo = { redirect = { to = \"https://{http.host}{http.request.uri}\", status = 301 } }\nstop = true",
        ),
        (
            "$WHEN($MATCH($_URI, '.ts$'), $NOT($EQ($MD5('abc'$_GET_t$_URI), $LOWER($_GET_key))))$EXIT(403)",
            "when = '''\n    http.request.uri.path matches \".ts$\"\n    and exists(http.request.uri.args[\"t\"])\n    and md5(concat(\"abc\", http.request.uri.args[\"t\"], http.request.uri.path)) ne lower(http.request.uri.args[\"key\"])\n'''\ndo = { respond = 403 }",
        ),
        (
            "$WHEN($1, $GT($_TIME, $_GET_t))/x/$1",
            "when = '''\n    exists(capture(http.request.uri.path, \"^/(.)\", 1))\n    and http.request.timestamp.sec gt number(http.request.uri.args[\"t\"])\n'''\ndo = { rewrite = '/x/{capture(http.request.uri.path, \"^/(.)\", 1)}' }",
        ),
        (
            "$CAPTURE($_URI,'(.)',1)$ADD_RSP_HEADER(A, $1.1, 1)$ADD_RSP_HEADER(B, b, 1)",
            "do = { set_response_header = { A = '{capture(http.request.uri.path, \"(?i)(.)\", 1)}', B = \"b\" } }",
        ),
        (
            "$WHEN($ALL())$DEL_ARG(a)$DEL_ARG(b)",
            "when = \"false\"\ndo = { remove_argument = [\"a\", \"b\"] }",
        ),
        (
            "$WHEN($EQ($_IP, 192.0.2.1))$EXIT(403, $_GET_a)",
            "when = \"ip.src in {192.0.2.1}\"\ndo = { respond = { status = 403, body = '{default(http.request.uri.args[\"a\"], \"\")}' } }",
        ),
        (
            "$LIMIT_RATE_AFTER(20, m)$LIMIT_RATE(800, k)",
            "do = { limit_rate = { after = \"20MiB\", rate = \"800KiB\" } }",
        ),
        (
            "$WHEN($SUB($_GET_a, 9, 99))$SET_METHOD(PUT)",
            "when = 'exists(substring(http.request.uri.args[\"a\"], 8, 99))'\ndo = { set_method = \"PUT\" }",
        ),
        // What has no like there.
        ("/x$WHEN($_GET_a)", "kept: a condition behind actions (make two rules of it)"),
        (
            "$WHEN($MATCH($_URI, $_GET_a))/x",
            "kept: a pattern that the request makes (`matches` takes a plain text)",
        ),
        (
            "$WHEN($MATCH($_IP, '^10'))/x",
            "kept: an address as text (compare it: `ip.src in {192.0.2.0/24}`)",
        ),
        (
            "$WHEN($ANY($_GET_a, $EQ(x$_GET_b, y)))/x",
            "kept: where this is missing the joined text fails here, and is missing there (ask for it in the `$WHEN` first)",
        ),
        ("$WHEN($_GET_a)", "kept: the rule does nothing"),
        (
            "$DEL_ARG(a)$SET_METHOD(PUT)$DEL_ARG(b)",
            "kept: the same action again behind another one (make two rules of it)",
        ),
        (
            "/x$ADD_REQ_HEADER(A, $_GET_a)",
            "kept: an action behind the new URL (write the new URL last)",
        ),
        ("$EXIT($_GET_a)", "kept: a status that the request makes"),
        ("$WHEN($EQ($_TIME, $_GET_t))/x", "kept: values of two kinds are compared as texts"),
        ("$ADD_REQ_HEADER(A, $MD5_BIN(a))", "kept: `$MD5_BIN` has no like in the other spelling"),
    ] {
        assert_eq!(to_when(text), made, "{text}");
    }
}

#[test]
fn conditions_and_actions_become_dollar_rules() {
    for (rule, made) in [
        (
            "when = 'not ssl and http.request.uri.path.extension in {\"jpg\" \"png\"}'\ndo = { redirect = { to = \"https://{http.host}{http.request.uri}\", status = 301 } }",
            "text = '''\n$WHEN($NOT($EQ($_SCHEME, https)), $MATCH($_URI, '\\\\.(jpg|png)$', 1))\n$REDIRECT(https://$_HOST$_URI$PCALL(?$_QUERY), 301)\n'''",
        ),
        (
            "when = 'http.host in {\"a\" \"b\"} and http.user_agent contains \"b.t\"'\ndo = { set_request_header = { X-C = \"{ip.src.country}\" }, rewrite = \"/x{http.request.uri.path}\" }\nstop = true",
            "text = '''\n$WHEN($ANY($EQ($_HOST, a), $EQ($_HOST, b)), $MATCH($_HEADER_user_agent, 'b\\\\.t'))\n$WHEN($_GEOIP_COUNTRY_CODE)\n$DEL_REQ_HEADER(X-C)\n$ADD_REQ_HEADER(X-C, $_GEOIP_COUNTRY_CODE)\n/x$_URI\n$$\n'''",
        ),
        (
            "when = 'md5(concat(\"a\", http.request.uri.args[\"t\"])) ne http.request.uri.args[\"k\"]'\ndo = { respond = { status = 403, body = \"no\" } }",
            "text = \"$WHEN($NOT($EQ($MD5($SELECT($_GET_t, a$_GET_t, $_GET_t)), $_GET_k))) $EXIT(403, no)\"",
        ),
        (
            "do = { set_response_header = { A = \"1\" }, rewrite = '/{capture(http.request.uri.path, \"^/(.)\", 1)}' }",
            "text = \"$CAPTURE($_URI, '^/(.)') $ADD_RSP_HEADER(A, 1, 1) /$1.1\"",
        ),
        (
            "when = 'http.request.timestamp.sec lt 5'\ndo = { respond = 403 }",
            "text = \"$WHEN($GT(5, $_TIME)) $EXIT(403)\"",
        ),
        // What has no like there.
        (
            "when = 'ip.src in {192.0.2.0/24}'\ndo = { respond = 403 }",
            "kept: the `$` spelling compares no networks (name single addresses)",
        ),
        ("do = { cache = { ttl = \"1m\" } }", "kept: this action has no like in the `$` spelling"),
        (
            "do = { rewrite = '/{http.request.uri.args[\"a\"]}', respond = 403 }",
            "kept: actions behind the new URL (write the rewrite last)",
        ),
        (
            "phase = \"response\"\ndo = { respond = 403 }",
            "kept: the `$` spelling has no response phase",
        ),
        (
            "do = { respond = { status = 200, content_type = \"a/b\" } }",
            "kept: `$EXIT` names no content type",
        ),
        (
            "when = 'ip.src.asnum eq 1'\ndo = { respond = 403 }",
            "kept: the `$` spelling has no such variable",
        ),
        (
            "when = 'exists(http.request.headers[\"a_b\"])'\ndo = { respond = 403 }",
            "kept: the name does not fit a variable",
        ),
        ("do = { error_page = { on = [503], to = \"/\" } }", "kept: `$REDIRECT404` knows 404 only"),
        (
            "do = { rewrite = \"{http.host}\" }",
            "kept: the new URL may be empty (begin it with `/`)",
        ),
        (
            "do = { set_request_header = { A = '{http.request.headers[\"a\"]}' } }",
            "kept: a request header is replaced by what may fail",
        ),
    ] {
        assert_eq!(to_dollar(rule), made, "{rule}");
    }
}

#[test]
fn what_stays_and_what_goes_keep_their_place_and_comments() {
    let source = "# Top.\n[[rules]]\nname = \"a\" # name\n# Why.\ntext = '/a'\nstate = \"disabled\"\n[[rules]]\ntext = '$EXIT($_GET_a)'\n";
    let converted = convert(source, Notation::When);
    assert_eq!(
        converted.text,
        "# Top.\n[[rules]]\nname = \"a\" # name\nstate = \"disabled\"\n# Why.\ndo = { rewrite = \"/a\" }\n\n[[rules]]\ntext = \"$EXIT($_GET_a)\"\n"
    );
    assert_eq!(converted.kept.len(), 1);
    assert_eq!(converted.kept[0].place(source), (8, 15));
    let same = convert("rules = [{ do = { respond = 403 } }]", Notation::When);
    assert_eq!(
        (same.text.as_str(), same.kept.len()),
        ("rules = [{ do = { respond = 403 } }]\n", 0)
    );
    let file = "# One.\nname: one\nstate: test\ntesters: 192.0.2.1\npattern: ^/(a)\n/x/$1$$\n\n# Two.\n$EXIT($_GET_a)\n";
    let converted = convert_rules(file, &Limits::default()).unwrap();
    assert_eq!(
        converted.text,
        "# One.\n[[rules]]\nname = \"one\"\nstate = \"test\"\ntesters = [\"192.0.2.1\"]\ndo = { rewrite = '/x/{capture(http.request.uri.path, \"^/(a)\", 1)}' }\nstop = true\n\n# Two.\n[[rules]]\ntext = \"$EXIT($_GET_a)\"\n"
    );
    assert_eq!(converted.kept[0].place(file), (9, 7));
}

/// Patterns and rules of the language's own documents, and what is said of those that stay.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("", "$WHEN($MATCH($_URI, '.ts$'),$OR($NOT($_GET_t),$NOT($_GET_key)))$EXIT(403)", ""),
    ("", "$WHEN($MATCH($_URI, '.ts$'),$GT($_TIME, $_GET_t))$EXIT(401)", ""),
    (
        "",
        "$WHEN($MATCH($_URI, '.ts$'),$NOT($EQ($MD5('abc'$_GET_t$_URI),$LOWER($_GET_key))))$EXIT(403)",
        "",
    ),
    (
        "",
        "$WHEN($NOT($EQ($_URI, /live.html)), $NOT($_COOKIE_token))$REDIRECT(http://test.example.com/no_token.html,301)",
        "",
    ),
    ("^/pay/([0-9]+)/([0-9]+)/(.*?).html$", "/pay.php?payid=$1&categoryid=$2", ""),
    (r"/(.*)/playlist\.m3u8$", "/$1'.m3u8'", ""),
    ("", "$ADD_REQ_HEADER(X-From-Cdn, upyun)", ""),
    ("", "$DEL_REQ_HEADER(Accept-Encoding)", ""),
    ("", "$ADD_RSP_HEADER(CDN, UPYUN, 1)", ""),
    (
        r"^(/).+-10\.mp4$",
        "$WHEN($1, $EQ($_HOST, 'test.example.com'))$LIMIT_RATE_AFTER(20, m)$LIMIT_RATE(800, k)",
        "",
    ),
    ("", "$WHEN($MATCH($LOWER($_URI), /uptest.png)) /UPtest.png", ""),
    (
        "",
        "$WHEN($GT($_TIME,$ADD($INT($_GET_t,16,10),3600)))$EXIT(403)",
        "`$INT` has no like in the other spelling",
    ),
    (
        "",
        "/$SUB($DECODE_BASE64($_HEADER_foo), $_GET_from, $_GET_to)/",
        "`$SUB` with places that the request makes",
    ),
    ("", "$WHEN($ALL(), $EXIT(403))", "this cannot be asked in a condition"),
    ("", "/foo/'$_HOST'", ""),
    ("", r"/foo/'$\\,\''", ""),
    ("/x/(.*)", "/foo?bar=$1?", ""),
    ("", "/foo??", ""),
    ("", "/$_GET_foo/bar", ""),
    ("", "/index.php?ip=$_IP&method=$_METHOD", ""),
    (
        "",
        "$WHEN($MATCH($LOWER($_HEADER_cache_control), only-if-cached))$DEL_REQ_HEADER(Cache-Control)",
        "",
    ),
    ("^/images/(.*)$", "$WHEN($EQ($_HOST, 'images.foo.com'))/$1$$", ""),
    ("", "$WHEN($MATCH($_URI, '^/foo/'), $NOT($_HEADER_referer))$EXIT(403)", ""),
    (r"\.(js|css)$", "$WHEN($1, $EQ($_SCHEME, http))$REDIRECT(https://$_HOST$_URI, 302)", ""),
    (r"\.(jpg|png|gif)$", "$WHEN($1, $NOT($MATCH($_URI, !)))$EXIT(404)", ""),
    ("^(/)d/new/[^!]+$", "$WHEN($1)$_URI!nrimg", ""),
    ("", r"$WHEN($NOT($MATCH($_URI,'[\\.]')))/index.html", ""),
    ("^/(.*)", "$WHEN($EQ($_SCHEME,http)) $REDIRECT(https://$_HOST/$1,301)", ""),
    (
        "^/(.*)",
        r"$WHEN($MATCH($LOWER($_HEADER_user_agent),'bot\\b|spider\\b'),$NOT($MATCH($LOWER($_URI),'\\.'))) $REDIRECT(https://htm.$_HOST/$1,301)",
        "",
    ),
    (
        "",
        "$WHEN($NOT($EQ($_HOST, a.example)))$REDIRECT($_SCHEME://a.example$_URI$PCALL(?$_QUERY), 301)",
        "",
    ),
    ("", "/cdn$_URI", ""),
    ("^/([^/]*).html$", "/$1/$$", ""),
    (
        "",
        "$WHEN($MATCH($_URI,'re'),$OR($GT($_TIME,$SUB($_GET__upt,9,99)),$NOT($_GET__upt),$NOT($EQ($SUB($MD5('TOKEN''&'$SUB($_GET__upt,9,99)'&'$_URI),13,20),$SUB($_GET__upt,1,8)))))$EXIT(403)",
        "where this is missing the joined text fails here, and is missing there",
    ),
    // What fails between them must not let the second happen.
    (
        "",
        "$DEL_RSP_HEADER(a)/$LOWER($_GEOIP_COUNTRY_CODE)$DEL_RSP_HEADER(a)",
        "the same action again behind another one",
    ),
];

#[test]
fn the_documented_examples_move_over() {
    for (pattern, text, why) in EXAMPLES {
        let quoted = text.replace('\\', "\\\\");
        let source = format!("[[rules]]\npattern = '''{pattern}'''\ntext = \"\"\"{quoted}\"\"\"\n");
        let converted = convert(&source, Notation::When);
        let kept = converted.kept.first().map_or("", |error| &error.message);
        assert_eq!(kept, *why, "{text}");
        let program = |text: &str| Program::from_document(text, &Limits::default()).unwrap();
        let programs = (program(&source), program(&converted.text));
        let back = convert(&converted.text, Notation::Dollar);
        let and_back = (program(&source), program(&back.text));
        for seed in 0..60 {
            let request = request(&mut Chance(seed));
            assert_same(&programs, &request, &converted.text);
            assert_same(&and_back, &request, &back.text);
        }
    }
}

#[test]
fn whatever_is_converted_does_the_same() {
    let (mut compiled, mut made) = ([0; 2], [0; 2]);
    for seed in 0..3000 {
        let mut chance = Chance(seed);
        let (at, to, source) = match seed % 2 {
            0 => {
                let (pattern, text) = dollar_rule(&mut chance);
                let line = format!("[[rules]]\npattern = '''{pattern}'''\ntext = '''{text}'''\n");
                (0, Notation::When, line)
            }
            _ => (1, Notation::Dollar, when_rule(&mut chance)),
        };
        let source = source + "[[rules]]\ndo = { add_response_header = { Last = \"1\" } }\n";
        let Ok(converted) = convert_document(&source, to, &Limits::default()) else { continue };
        compiled[at] += 1;
        if converted.kept.is_empty() {
            made[at] += 1;
        }
        let program = |text: &str| Program::from_document(text, &Limits::default()).unwrap();
        let programs = (program(&source), program(&converted.text));
        for _ in 0..8 {
            let request = request(&mut chance);
            assert_same(&programs, &request, &format!("{source}\n{}\n{request:?}", converted.text));
        }
    }
    // Enough of both to mean something; the last rule has a like in either spelling.
    assert!(compiled[0] > 1000 && compiled[1] > 1000, "{compiled:?}");
    assert!(made[0] > 300 && made[1] > 300, "{made:?} of {compiled:?}");
}
