//! The `[origin]` table: what it says, and what it refuses.

use super::*;
use crate::quantity::Span;

#[test]
fn a_server_is_a_text_or_a_table() {
    let settings: Settings = toml::from_str(
        r#"servers = ["a.example", { url = "https://b.example:444", weight = 3, backup = true,
            max_fails = 0, fail_timeout = "30s" }]
        protocol = "follow"
        balance = "round-robin"
        http2 = "off"
        health = { path = "/up" }"#,
    )
    .unwrap();
    assert_eq!(settings.servers[0], ServerSettings::new("a.example".parse().unwrap()));
    assert_eq!(settings.servers[1].fail_timeout, Span::seconds(30));
    assert_eq!(settings.validate(), Vec::new());
    let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
    assert_eq!(again, settings);
}

#[test]
fn errors_name_the_trouble() {
    for (text, word) in [
        ("servers = [{ url = \"a\", wieght = 1 }]", "wieght"),
        ("servers = [{ weight = 1 }]", "url"),
        ("servers = [\"ftp://a\"]", "http or https"),
        ("servers = [5]", "a server such as"),
        ("balance = \"random\"", "p2c"),
    ] {
        let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn bad_values_are_complained_of_by_field() {
    let settings: Settings = toml::from_str(
        r#"servers = [{ url = "a", weight = 0, backup = true }]
        host = "a b"
        connect_timeout = "0s"
        retries = 11
        retry_budget = 101
        follow_redirects = 4
        tls = { certificate = "x.pem", server_name = "a b", verify = false, ca = "y.pem" }
        health = { path = "x", interval = "1ms", healthy = 0, status = [99] }"#,
    )
    .unwrap();
    let fields: Vec<_> = settings.validate().into_iter().map(|c| c.field).collect();
    assert_eq!(
        fields,
        [
            "servers",
            "servers[0].weight",
            "connect_timeout",
            "retries",
            "retry_budget",
            "follow_redirects",
            "host",
            "tls.key",
            "tls.server_name",
            "tls.ca",
            "health.path",
            "health.interval",
            "health.healthy",
            "health.status"
        ]
    );
}

#[test]
fn following_the_client_fixes_the_port_of_https() {
    let settings = Settings { protocol: Protocol::Follow, ..Settings::default() };
    let reach = |text: &str, client| settings.reach(&text.parse().unwrap(), client);
    assert_eq!(reach("o:8080", Scheme::Http), (Scheme::Http, 8080));
    assert_eq!(reach("o:8080", Scheme::Https), (Scheme::Https, 443));
    assert_eq!(reach("http://o:8080", Scheme::Https), (Scheme::Http, 8080));
    assert_eq!(reach("o", Scheme::Http), (Scheme::Http, 80));
}
