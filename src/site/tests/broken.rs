//! Twenty and more broken documents: each refused with line, column, the text and a way out.

use super::*;
use proptest::prelude::*;

/// What is written, and what must be said: line, column, text, part of the message, part of the
/// suggestion.
type Case = (&'static str, u32, u32, &'static str, &'static str, &'static str);

const HEAD: &str = "hosts = [\"a.test\"]\n[origin]\nservers = [\"http://192.0.2.1\"]\n";

/// Documents as a whole.
const WHOLE: &[Case] = &[
    ("hosts = [\"a.test\"\n", 1, 18, "", "unclosed array", ""),
    ("hosts = \"a.test\"\n", 1, 9, "\"a.test\"", "string \"a.test\" will not do", "sequence"),
    ("host = [\"a.test\"]\n", 1, 1, "host", "unknown key `host`", "did you mean `hosts`?"),
    ("[origin]\nservers = [\"b\"]\n", 1, 1, "", "`hosts` is missing", ""),
    ("hosts = [\"a.test\"]\n", 1, 1, "", "`origin` is missing", ""),
    ("hosts = []\n[origin]\nservers = [\"b\"]\n", 1, 9, "[]", "1 to 1000 hosts", ""),
    (
        "hosts = [\"http://a.test/\"]\n[origin]\nservers = [\"b\"]\n",
        1,
        10,
        "\"http://a.test/\"",
        "is a URL",
        "write `a.test`",
    ),
    (
        "hosts = [\"a.test\", \"bücher.test\"]\n[origin]\nservers = [\"b\"]\n",
        1,
        20,
        "\"bücher.test\"",
        "not ASCII",
        "xn--",
    ),
    (
        "hosts = [\"a.test\", \"A.test\"]\n[origin]\nservers = [\"b\"]\n",
        1,
        20,
        "\"A.test\"",
        "twice",
        "",
    ),
    (
        "hosts = [\"a.test\"]\n[origin]\nservers = [\"127.0.0.1:8080\"]\n",
        3,
        12,
        "\"127.0.0.1:8080\"",
        "this node itself",
        "customer's own server",
    ),
    (
        "hosts = [\"a.test\"]\n[origin]\nservers = [\"a.test:8443\"]\n",
        3,
        12,
        "\"a.test:8443\"",
        "this node itself",
        "customer's own server",
    ),
    (
        "hosts = [\"a.test\"]\n[origin]\nservers = [{ url = \"ftp://b\" }]\n",
        3,
        20,
        "\"ftp://b\"",
        "http or https",
        "",
    ),
    (
        "hosts = [\"a.test\"]\n[origin]\nservers = [{ url = \"b\", wieght = 1 }]\n",
        3,
        25,
        "wieght",
        "unknown key `wieght`",
        "did you mean `weight`?",
    ),
    ("hosts = [\"a.test\"]\n[origin]\nservers = []\n", 3, 11, "[]", "no origin server", ""),
    (
        "hosts = [\"a.test\"]\npreset = \"pages\"\n",
        2,
        10,
        "\"pages\"",
        "unknown value `pages`",
        "did you mean `page`?",
    ),
    ("hosts = [\"a.test\"]\nenabled = 1\n", 2, 11, "1", "integer `1` will not do", "a boolean"),
    ("hosts = [\"a.test\"]\nhosts = [\"b.test\"]\n", 2, 1, "hosts", "duplicate key", ""),
];

/// What follows three good lines.
const TAILS: &[Case] = &[
    ("connect_timeout = 5\n", 4, 19, "5", "integer `5` will not do", "a text with a unit"),
    ("connect_timeout = \"5 parsecs\"\n", 4, 19, "\"5 parsecs\"", "is not a time", ""),
    ("retries = 99\n", 4, 11, "99", "origin.retries: 99 is too many", ""),
    ("health = { path = \"up\" }\n", 4, 19, "\"up\"", "origin.health.path", "begin it with `/`"),
    ("tls = { ca = \"no-such.pem\" }\n", 4, 14, "\"no-such.pem\"", "no-such.pem", ""),
    ("[cash]\n", 4, 2, "cash", "unknown key `cash`", "did you mean `cache`?"),
    ("[tls]\nkey = \"a.key\"\n", 4, 2, "tls", "tls.certificate: ", "PEM"),
    ("[tls]\ncertificate = \"no.pem\"\nkey = \"no.key\"\n", 5, 15, "\"no.pem\"", "cannot read", ""),
    ("[respond]\nerrors = \"jsn\"\n", 5, 10, "\"jsn\"", "unknown value `jsn`", "`json`"),
    ("[respond]\nmax_upload = \"5 MiBs\"\n", 5, 14, "\"5 MiBs\"", "is not a size", ""),
    ("[respond]\nmethods = [\"GET\", \"put\"]\n", 5, 19, "\"put\"", "case-sensitive", "\"PUT\""),
    ("[respond]\n\tx-cache = true\n", 5, 2, "x-cache", "unknown key `x-cache`", "`x_cache`"),
];

#[test]
fn each_is_refused_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let around = surroundings(folder.path());
    let whole = WHOLE.iter().map(|case| (case.0.to_owned(), case));
    let tails = TAILS.iter().map(|case| (format!("{HEAD}{}", case.0), case));
    let mut unlike = String::new();
    for (text, (_, line, column, offending, message, suggestion)) in whole.chain(tails) {
        let Err(found) = examine("a", 1, &text, &around, None).map_err(|mut all| all.remove(0))
        else {
            unlike += &format!("taken:\n{text}");
            continue;
        };
        let as_said = (found.line, found.column, &*found.text) == (*line, *column, *offending)
            && found.message.contains(message)
            && found.suggestion.as_deref().unwrap_or_default().contains(suggestion)
            && found.file.ends_with("a.toml");
        if !as_said {
            unlike +=
                &format!("{found}\nwanted {line}:{column} {offending} {message} {suggestion}\n\n");
        }
    }
    assert!(unlike.is_empty(), "{unlike}");
}

#[test]
fn everything_wrong_with_the_values_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{HEAD}retries = 99\n[respond]\nmethods = [\"get\"]\n");
    let found = examine("a", 1, &text, &surroundings(folder.path()), None).unwrap_err();
    let lines: Vec<u32> = found.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [4, 6]);
}

proptest! {
    /// A good document with a few characters changed is taken or refused, and never worse.
    #[test]
    fn damaged_documents_do_no_harm(at in 0usize..60, cut in 0usize..8, put in "[\\[\\]\"=.{},a-c0-9\n]{0,4}") {
        let mut text = format!("{HEAD}[respond]\nerrors = \"page\"\n");
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &put);
        if let Err(found) = Document::parse("a.toml", &text) {
            prop_assert!(found.line >= 1 && !found.message.is_empty());
        }
    }
}

#[test]
fn machines_get_the_same_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let found = examine("a", 1, "host = 1", &surroundings(folder.path()), None).unwrap_err();
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["line"], 1);
    assert_eq!(json["text"], "host");
    assert_eq!(json["suggestion"], "did you mean `hosts`?");
}
