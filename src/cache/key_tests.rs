//! Tests of `key`: what shares a key and what never does.

use super::*;
use crate::cache::Settings;
use crate::header::present::Present;
use http::{HeaderValue, Method};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Ask {
    site: u32,
    scheme: &'static str,
    host: String,
    path: String,
    query: Option<String>,
    header: Option<String>,
}

impl Ask {
    fn key(&self, policy: &Policy) -> Key {
        let headers = self.headers();
        key(policy, self.site, &self.request(&headers))
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(value) = &self.header {
            headers.insert("x-part", HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn request<'a>(&'a self, headers: &'a HeaderMap) -> Request<'a> {
        Request {
            method: &Method::GET,
            scheme: self.scheme,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers,
            present: Present::of(headers),
        }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let host = prop_oneof!["[ab]{1,2}", "[aA]{1}[.]?(:80|:443|:81)?"];
    let query = proptest::option::of("[ab=&?/]{0,4}");
    let header = proptest::option::of("[ab]{0,2}");
    (0u32..2, prop_oneof![Just("http"), Just("https")], host, "/[ab/?]{0,3}", query, header)
        .prop_map(|(site, scheme, host, path, query, header)| Ask {
            site,
            scheme,
            host,
            path,
            query,
            header,
        })
}

fn at(host: &str, path: &str, query: Option<&str>) -> Ask {
    Ask {
        site: 1,
        scheme: "https",
        host: host.into(),
        path: path.into(),
        query: query.map(String::from),
        header: None,
    }
}

fn policies() -> Vec<Policy> {
    let plain = Settings::default();
    let rich = Settings {
        sort_query: true,
        drop_params: vec!["b".into()],
        key_headers: vec!["X-Part".into()],
        separate_schemes: true,
        ..Settings::default()
    };
    vec![Policy::new(&plain), Policy::new(&rich)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// D2: equal keys mean that the origin is asked the same, in every respect that the key decides.
    #[test]
    fn equal_keys_mean_equal_questions(one in ask(), two in ask()) {
        for policy in policies() {
            let tell = |ask: &Ask| {
                let scheme = policy.separate_schemes.then_some(ask.scheme);
                let host = plain_host(&ask.host, ask.scheme).to_ascii_lowercase();
                let sent = query::upstream(&policy, ask.query.as_deref()).map(|q| q.into_owned());
                let header = (!policy.key_headers.is_empty()).then(|| ask.header.clone());
                (ask.site, scheme, host, ask.path.clone(), sent, header)
            };
            let same = tell(&one) == tell(&two);
            prop_assert_eq!(one.key(&policy) == two.key(&policy), same, "{:?} {:?}", one, two);
        }
    }

    #[test]
    fn texts_are_taken_apart_again(ask in ask()) {
        let key = ask.key(&Policy::default());
        prop_assert_eq!(key.site(), ask.site);
        prop_assert_eq!(key.path(), ask.path.as_bytes());
        let _ = key.to_string();
    }
}

#[test]
fn hosts_are_normalised_and_delimiters_do_not_move() {
    let policy = Policy::default();
    let base = at("example.com", "/a", None).key(&policy);
    for host in ["EXAMPLE.com", "example.com.", "example.com:443"] {
        assert_eq!(at(host, "/a", None).key(&policy), base, "{host}");
    }
    for other in [
        at("example.com:80", "/a", None),
        at("example.com:8443", "/a", None),
        at("example.com", "/a", Some("")),
        at("example.com", "/a?", None),
        at("example.com", "/A", None),
        at("example.com", "/%61", None),
    ] {
        assert_ne!(other.key(&policy), base, "{other:?}");
    }
    assert_ne!(at("h", "/a", Some("b?c")).key(&policy), at("h", "/a?b", Some("c")).key(&policy));
    assert_eq!(plain_host("[::1]:443", "https"), "[::1]");
    assert_eq!(plain_host("[::1]", "https"), "[::1]");
    assert_eq!(base.to_string(), "site 1 any://example.com/a");
}

#[test]
fn variants_have_their_own_keys() {
    let policy = Policy::default();
    let base = at("h", "/", None).key(&policy);
    let spec = VarySpec::new([http::header::ACCEPT_LANGUAGE]).unwrap();
    let headers = |text: &'static str| {
        HeaderMap::from_iter([(http::header::ACCEPT_LANGUAGE, HeaderValue::from_static(text))])
    };
    let (one, two) = (headers("en, de"), headers("fr;q=0.5, de;q=1.0"));
    assert_ne!(base.variant(&spec, &one), base.variant(&spec, &two));
    assert_ne!(base.variant(&spec, &one), base);
    assert_eq!(base.variant_in(&spec, &one, "de"), base.variant_in(&spec, &two, "de"));
    assert_ne!(base.variant_in(&spec, &one, "de"), base.variant_in(&spec, &one, "en"));
    let other = VarySpec::new([http::header::ACCEPT]).unwrap();
    assert_eq!(base.variant_in(&other, &one, "de"), None);
}

#[test]
fn no_vary_search_leaves_out_what_does_not_matter() {
    let policy = Policy::default();
    let found = NoVarySearch::parse(&HeaderMap::from_iter([(
        crate::header::no_vary_search::NO_VARY_SEARCH,
        HeaderValue::from_static("key-order, params=(\"t\")"),
    )]))
    .unwrap();
    let under = |query: Option<&str>| {
        let ask = at("h", "/", query);
        let headers = ask.headers();
        key_under(&policy, 1, &ask.request(&headers), &found)
    };
    assert_eq!(under(Some("a=1&b=2&t=3")), under(Some("b=2&t=4&a=1")));
    assert_eq!(under(Some("t=3")), under(None));
    assert_ne!(under(Some("a=1")), under(Some("a=2")));
    assert_ne!(under(None), at("h", "/", None).key(&policy));
    let ask = at("h", "/", Some("x"));
    let headers = ask.headers();
    let path = path_key(&policy, 1, &ask.request(&headers));
    assert_eq!(path, path_key(&policy, 1, &at("h", "/", None).request(&headers)));
    assert_ne!(path, ask.key(&policy));
}
