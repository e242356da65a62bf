//! What lines look like, whatever is in them.

use super::*;
use crate::cache::verdict::{Reason, Verdict};
use crate::telemetry::record::{Outcome, Text, Tier};
use crate::telemetry::share::Share;
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

pub(in crate::telemetry) fn record() -> Record {
    Record {
        outcome: Outcome {
            version: Version::HTTP_2,
            method: Method::GET,
            status: StatusCode::OK,
            verdict: Some((Verdict::Hit, Reason::ALL[0])),
            tier: Tier::Memory,
            bytes_out: 1234,
            first_byte: Some(Duration::from_micros(210)),
            duration: Duration::from_micros(1305),
            ended: Ended::Whole,
        },
        time: Timestamp(1_769_860_800_123),
        request_id: "4f2a".into(),
        site: "shop".into(),
        client: "192.0.2.77".parse().unwrap(),
        host: "www.example.com".into(),
        target: Uri::from_static("/a%20b?token=s3cret&b=1"),
        key: Some(0xc0ffee),
        origin: Some(Box::new(Origin {
            server: "198.51.100.1:443".into(),
            status: Some(StatusCode::NOT_MODIFIED),
            ..Origin::default()
        })),
        tls: Some("TLSv1.3"),
        user_agent: "curl/8".into(),
        referer: Text::Absent,
        error_id: Text::Absent,
        code: None,
        share: Share::default(),
        details: None,
    }
}

fn details() -> Details {
    Details {
        server: Some("153.101.64.13".parse().unwrap()),
        request_length: Some(0),
        content_type: "image/png".into(),
        cache_control: "max-age=900".into(),
        source: Some(StatusCode::OK),
    }
}

fn share(text: &str) -> Share {
    let read: crate::telemetry::SiteLog = toml::from_str(&format!("sample = {text}")).unwrap();
    read.sample
}

/// The fields of a line: words, and what stands between quotes or brackets.
fn split(line: &str) -> Vec<String> {
    let (mut fields, mut rest) = (Vec::new(), line.strip_suffix('\n').unwrap());
    while !rest.is_empty() {
        let end = match rest.as_bytes()[0] {
            b'"' => rest[1..].find('"').unwrap() + 2,
            b'[' => rest.find(']').unwrap() + 1,
            _ => rest.find(' ').unwrap_or(rest.len()),
        };
        fields.push(rest[..end].to_owned());
        rest = &rest[end..];
        rest = if rest.is_empty() { rest } else { rest.strip_prefix(' ').unwrap() };
    }
    fields
}

fn line(format: Format, mask_client: bool, record: &Record) -> String {
    let settings = AccessLogSettings { format, mask_client, ..AccessLogSettings::default() };
    let mut out = Vec::new();
    Line::new(&settings).append(&mut out, &mut LastSecond::default(), record);
    String::from_utf8(out).unwrap()
}

#[test]
fn json_says_everything_that_is_known() {
    let read: serde_json::Value =
        serde_json::from_str(&line(Format::Json, true, &record())).unwrap();
    let expected = serde_json::json!({
        "ts": "2026-01-31T12:00:00.123Z", "request_id": "4f2a", "site": "shop",
        "client": "192.0.2.0", "method": "GET", "host": "www.example.com", "path": "/a%20b",
        "query": "token=***&b=1", "proto": "HTTP/2", "status": 200, "bytes_out": 1234,
        "ttfb_ms": 0.210, "duration_ms": 1.305, "cache": Verdict::Hit.as_str(),
        "reason": Reason::ALL[0].as_str(), "tier": "memory", "key": "0000000000c0ffee",
        "origin": "198.51.100.1:443", "origin_status": 304, "tls": "TLSv1.3", "ua": "curl/8",
    });
    assert_eq!(read, expected);
}

#[test]
fn every_field_of_a_line_is_known() {
    let mut record = record();
    record.outcome.ended = Ended::ClientGone;
    record.referer = "http://a/".into();
    record.error_id = "1".into();
    record.code = Some(1);
    record.share = share("0.5");
    // What failed is no sample of others.
    let told = [None, Some("timeout")].map(|fault| {
        let origin = record.origin.as_mut().unwrap();
        (origin.connect, origin.first_byte) = (Some(Duration::ZERO), Some(Duration::ZERO));
        origin.fault = fault;
        let line = line(Format::Json, true, &record);
        serde_json::from_str::<serde_json::Map<_, _>>(&line).unwrap()
    });
    let told: BTreeSet<_> = told.iter().flat_map(|line| line.keys().map(String::as_str)).collect();
    assert_eq!(told, FIELDS.into());
}

#[test]
fn each_line_tells_its_own_second() {
    let line = Line::new(&AccessLogSettings::default());
    let (mut out, mut second) = (Vec::new(), LastSecond::default());
    for millis in [0, 123, 1_769_860_800_123, 1_769_860_800_999, 1_769_860_801_000, 999] {
        line.append(&mut out, &mut second, &Record { time: Timestamp(millis), ..record() });
    }
    let text = String::from_utf8(out).unwrap();
    let times: Vec<_> = text.lines().map(|line| &line[7..31]).collect();
    assert_eq!(
        times,
        [
            "1970-01-01T00:00:00.000Z",
            "1970-01-01T00:00:00.123Z",
            "2026-01-31T12:00:00.123Z",
            "2026-01-31T12:00:00.999Z",
            "2026-01-31T12:00:01.000Z",
            "1970-01-01T00:00:00.999Z",
        ]
    );
}

#[test]
fn combined_is_what_log_analysers_expect() {
    let mut record = record();
    record.user_agent = Text::Bytes(Bytes::from_static(b"a\"b\\\n\xff"));
    assert_eq!(
        line(Format::Combined, false, &record),
        "192.0.2.77 - - [31/Jan/2026:12:00:00 +0000] \"GET /a%20b?token=***&b=1 HTTP/2\" \
         200 1234 \"-\" \"a\\x22b\\x5C\\x0A\\xFF\"\n"
    );
}

#[test]
fn the_form_with_21_fields_is_that_of_the_specification() {
    let time_zone = "+08:00".parse().unwrap();
    let settings =
        AccessLogSettings { format: Format::Fields, time_zone, ..AccessLogSettings::default() };
    let mut out = Vec::new();
    let mut record = Record { details: Some(Box::new(details())), ..record() };
    record.outcome.duration = Duration::from_micros(14_700);
    Line::new(&settings).append(&mut out, &mut LastSecond::default(), &record);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "192.0.2.77 - - [31/Jan/2026:20:00:00 +0800] \"GET https://www.example.com/a%20b?token=***&b=1 \
         HTTP/2\" 200 1234 \"-\" \"curl/8\" \"image/png\" 0 Hit \"C/200\" Static \"max-age=900\" 0.014 \
         153.101.64.13\n"
    );
}

#[test]
fn what_cannot_be_known_is_a_dash_in_each_of_21_fields() {
    let mut record = Record { tls: None, host: Text::Absent, ..record() };
    record.outcome.verdict = None;
    record.user_agent = Text::Absent;
    let text = line(Format::Fields, true, &record);
    assert!(text.starts_with("192.0.2.0 - - ["), "{text}");
    assert!(text.contains("\"GET http://-/a%20b?token=***&b=1 HTTP/2\""), "{text}");
    assert!(text.ends_with(" 200 1234 \"-\" \"-\" \"-\" - - \"-\" - \"-\" 0.001 -\n"), "{text}");
    record.details = Some(Box::new(details()));
    for (verdict, words) in [
        (Verdict::Hit, "0 Hit \"C/200\" Static"),
        (Verdict::Stale, "0 Stale \"C/200\" Static"),
        (Verdict::Miss, "0 Miss \"C/200\" Static"),
        (Verdict::Pass, "0 Pass \"C/200\" Dynamic"),
    ] {
        record.outcome.verdict = Some((verdict, Reason::ALL[0]));
        assert!(line(Format::Fields, false, &record).contains(words));
    }
}

#[test]
fn a_line_that_stands_for_others_says_so_and_a_failure_stands_for_itself() {
    let mut record = Record { share: share("0.25"), ..record() };
    let json = |record: &Record| -> serde_json::Value {
        serde_json::from_str(&line(Format::Json, false, record)).unwrap()
    };
    assert_eq!(json(&record)["sample"], 0.25);
    for format in [Format::Combined, Format::Fields] {
        assert!(line(format, false, &record).ends_with(" sample=0.25\n"));
    }
    record.outcome.ended = Ended::Cut;
    let cut = record.clone();
    record.outcome.ended = Ended::Whole;
    record.outcome.status = StatusCode::BAD_GATEWAY;
    let failed = record.clone();
    record.outcome.status = StatusCode::OK;
    let fault = Some("connection_refused");
    let stood_in =
        Record { origin: Some(Box::new(Origin { fault, ..Origin::default() })), ..record.clone() };
    let whole = Record { share: share("1"), ..record };
    for record in [cut, failed, stood_in, whole] {
        assert!(json(&record).get("sample").is_none());
        assert!(!line(Format::Fields, false, &record).contains("sample"));
    }
}

#[test]
fn several_lines_of_cache_control_are_told_as_one() {
    let mut record = Record { details: Some(Box::default()), ..record() };
    let mut headers = http::HeaderMap::new();
    for value in ["public", "max-age=5"] {
        headers.append("cache-control", value.parse().unwrap());
    }
    record.describe(&headers);
    assert!(
        line(Format::Fields, false, &record)
            .contains("\"-\" - Hit \"-\" Static \"public, max-age=5\"")
    );
}

/// A target out of any bytes, as far as there is one.
fn target(bytes: &[u8]) -> Uri {
    let bytes = [b"/", bytes].concat();
    Uri::try_from(bytes.as_slice()).unwrap_or(Uri::from_static("/"))
}

/// Bytes that break lines, quotes and terminals, more often than by chance.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\n\r\"\\ \0\x1b[]?&=%-".as_slice()),
        b' '..=b'~',
    ];
    prop::collection::vec(byte, 0..99)
}

proptest! {
    #[test]
    fn any_bytes_make_exactly_one_line_in_every_form(
        fields in prop::collection::vec(hostile(), 9),
        path in hostile(),
        limit in 64u64..200,
        sampled: bool,
    ) {
        let mut texts = fields.into_iter().map(|field| Text::Bytes(Bytes::from(field)));
        let mut text = || texts.next().unwrap_or_default();
        let record = Record {
            request_id: text(),
            site: text(),
            host: text(),
            user_agent: text(),
            referer: text(),
            error_id: text(),
            origin: Some(Box::new(Origin { server: text(), ..Origin::default() })),
            target: target(&path),
            share: share(if sampled { "0.1" } else { "1" }),
            details: Some(Box::new(Details {
                content_type: text(),
                cache_control: text(),
                ..details()
            })),
            ..record()
        };
        let line = |format| {
            let settings = AccessLogSettings {
                format,
                field_limit: crate::quantity::Size(limit),
                ..AccessLogSettings::default()
            };
            let mut out = Vec::new();
            Line::new(&settings).append(&mut out, &mut LastSecond::default(), &record);
            String::from_utf8(out).unwrap()
        };
        let json = line(Format::Json);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&read["status"], 200);
        let (combined, whole) = (line(Format::Combined), line(Format::Fields));
        for text in [&json, &combined, &whole] {
            prop_assert_eq!(text.lines().count(), 1);
            prop_assert!(text.strip_suffix('\n').unwrap().bytes().all(|it| (b' '..=b'~').contains(&it)));
        }
        prop_assert_eq!(split(&combined).len(), 9 + usize::from(sampled));
        let words = split(&whole);
        prop_assert_eq!(words.len(), 17 + usize::from(sampled));
        // With its three words, and the four parts of the second, the request makes 21 of these.
        prop_assert_eq!(words[4].split(' ').count(), 3);
        prop_assert!(words[4].starts_with("\"GET https://"));
        prop_assert_eq!(&words[15], "0.001");
    }

    #[test]
    fn no_secret_and_no_address_gets_through_in_any_form(
        before in "[a-z=&?]{0,9}", after in "[a-z=&?]{0,9}", host in 0u8..=255,
    ) {
        let query = format!("{before}&token=S3CRET&{after}");
        let record = Record {
            client: std::net::IpAddr::from([198, 51, 100, host]),
            target: format!("/x?{query}").parse().unwrap(),
            referer: Text::Bytes(format!("https://u:S3CRET@h/?{query}").into()),
            details: Some(Box::new(details())),
            ..record()
        };
        for format in [Format::Json, Format::Combined, Format::Fields] {
            let text = line(format, true, &record);
            prop_assert!(!text.contains("S3CRET"), "{}", text);
            prop_assert!(text.contains("198.51.100.0"), "{}", text);
        }
    }
}
