//! Formats one record of the access log as one line.
//!
//! This happens on the serving thread, for every request, so it is made of constant pieces, copies
//! and arithmetic, without the formatting machinery of the standard library.
//!
//! ```text
//! {"ts":"2026-01-31T12:00:00.123Z","request_id":"...","site":"shop","client":"192.0.2.1",
//!  "method":"GET","host":"www.example.com","path":"/a","query":"b=1","proto":"HTTP/2","status":200,
//!  "bytes_out":1234,"ttfb_ms":0.210,"duration_ms":0.305,"cache":"hit","reason":"fresh",
//!  "tier":"memory","key":"00c0ffee00c0ffee", ...}
//! ```
//!
//! A field that has nothing to say is left out.

use std::borrow::Cow;
use std::net::IpAddr;

use http::Version;

use super::ascii::{self, Second, common_second, internet_second};
use super::json::Object;
use super::mask;
use super::out::Out;
use super::record::{Ended, Origin, Record};
use super::settings::{AccessLogSettings, Format};
use crate::clock::Timestamp;

/// How lines are written; fixed while the log is open.
#[derive(Debug)]
pub(super) struct Line {
    format: Format,
    mask_client: bool,
    limit: usize,
    secrets: Vec<String>,
}

impl Line {
    /// The line that the settings ask for.
    pub(super) fn new(settings: &AccessLogSettings) -> Self {
        Line {
            format: settings.format,
            mask_client: settings.mask_client,
            limit: usize::try_from(settings.field_limit.0).unwrap_or(usize::MAX),
            secrets: settings.secret_parameters.clone(),
        }
    }

    /// Appends the line for `record`, with its end.
    pub(super) fn append(&self, out: &mut impl Out, second: &mut LastSecond, record: &Record) {
        match self.format {
            Format::Json => self.json(out, second, record),
            Format::Combined => self.combined(out, second, record),
            Format::Off => {}
        }
    }

    fn json(&self, out: &mut impl Out, second: &mut LastSecond, record: &Record) {
        let outcome = &record.outcome;
        let second = second.text(record.time, internet_second);
        let mut line = Object::open(out, self.limit, second, record.time);
        line.text_if_any(b",\"request_id\":\"", record.request_id.bytes());
        line.text_if_any(b",\"site\":\"", record.site.bytes());
        line.plain(b",\"client\":\"", |out, _| ascii::address(out, self.client(record)));
        // A token, which has no character that needs an escape.
        line.word(b",\"method\":\"", outcome.method.as_str());
        line.text_if_any(b",\"host\":\"", record.host.bytes());
        line.text(b",\"path\":\"", record.target.path().as_bytes());
        line.text_if_any(b",\"query\":\"", self.query(record).as_deref());
        line.word(b",\"proto\":\"", protocol(outcome.version));
        line.number(b",\"status\":", outcome.status.as_u16().into());
        line.number(b",\"bytes_out\":", outcome.bytes_out);
        if let Some(first_byte) = outcome.first_byte {
            line.millis(b",\"ttfb_ms\":", first_byte);
        }
        line.millis(b",\"duration_ms\":", outcome.duration);
        if outcome.ended != Ended::Whole {
            line.word(b",\"ended\":\"", outcome.ended.as_str());
        }
        if let Some((verdict, reason)) = outcome.verdict {
            line.word(b",\"cache\":\"", verdict.as_str());
            line.word(b",\"reason\":\"", reason.as_str());
        }
        line.word(b",\"tier\":\"", outcome.tier.as_str());
        if let Some(key) = record.key {
            line.plain(b",\"key\":\"", |out, _| ascii::hex64(out, key));
        }
        if let Some(origin) = &record.origin {
            origin_fields(&mut line, origin);
        }
        line.text_if_any(b",\"tls\":\"", record.tls.map(str::as_bytes));
        line.text_if_any(b",\"ua\":\"", record.user_agent.bytes());
        line.text_if_any(b",\"referer\":\"", self.referer(record).as_deref());
        line.text_if_any(b",\"error_id\":\"", record.error_id.bytes());
        if let Some(code) = record.code {
            line.number(b",\"code\":", code.into());
        }
        line.close();
    }

    /// `client - - [day/Mon/year:time +0000] "GET /path?query HTTP/1.1" 200 12 "referer" "agent"`.
    fn combined(&self, out: &mut impl Out, second: &mut LastSecond, record: &Record) {
        let outcome = &record.outcome;
        ascii::address(out, self.client(record));
        out.put_array(b" - - [");
        out.put_array(second.text(record.time, common_second));
        out.put_array(b" +0000] \"");
        out.put(outcome.method.as_str().as_bytes());
        out.put_array(b" ");
        self.plain(out, record.target.path().as_bytes());
        if let Some(query) = self.query(record) {
            out.put_array(b"?");
            self.plain(out, &query);
        }
        out.put_array(b" ");
        out.put(protocol(outcome.version).as_bytes());
        out.put_array(b"\" ");
        ascii::decimal(out, outcome.status.as_u16().into());
        out.put_array(b" ");
        ascii::decimal(out, outcome.bytes_out);
        out.put_array(b" \"");
        self.plain(out, self.referer(record).as_deref().unwrap_or(b"-"));
        out.put_array(b"\" \"");
        self.plain(out, record.user_agent.bytes().unwrap_or(b"-"));
        out.put_array(b"\"\n");
    }

    /// Appends printable ASCII as it is and the rest as `\xNN`, the custom of nginx and Apache.
    fn plain(&self, out: &mut impl Out, value: &[u8]) {
        let head = value.get(..self.limit).unwrap_or(value);
        if ascii::is_plain(head) {
            out.put(head);
        } else {
            for &byte in head {
                match byte {
                    b' ' | b'!' | b'#'..=b'[' | b']'..=b'~' => out.put_array(&[byte]),
                    _ => {
                        out.put_array(b"\\x");
                        out.put_array(&ascii::hex(byte).map(|digit| digit.to_ascii_uppercase()));
                    }
                }
            }
        }
        if head.len() < value.len() {
            out.put_array(b"...");
        }
    }

    fn client(&self, record: &Record) -> IpAddr {
        if self.mask_client { mask::client(record.client) } else { record.client.to_canonical() }
    }

    fn query<'a>(&self, record: &'a Record) -> Option<Cow<'a, [u8]>> {
        record.target.query().map(|query| mask::query(query.as_bytes(), &self.secrets))
    }

    fn referer<'a>(&self, record: &'a Record) -> Option<Cow<'a, [u8]>> {
        record.referer.bytes().map(|value| mask::referer(value, &self.secrets))
    }
}

/// The second of the line before as text: most lines fall into the same one.
#[derive(Debug, Default)]
pub(super) struct LastSecond {
    seconds: u64,
    text: Option<Second>,
}

impl LastSecond {
    /// The second of `time`, in the one form that `write` has.
    fn text(&mut self, time: Timestamp, write: fn(Timestamp) -> Second) -> &Second {
        if self.seconds != time.seconds() {
            (self.seconds, self.text) = (time.seconds(), None);
        }
        self.text.get_or_insert_with(|| write(time))
    }
}

fn origin_fields(line: &mut Object<'_, impl Out>, origin: &Origin) {
    line.text_if_any(b",\"origin\":\"", origin.server.bytes());
    if let Some(status) = origin.status {
        line.number(b",\"origin_status\":", status.as_u16().into());
    }
    if let Some(connect) = origin.connect {
        line.millis(b",\"origin_connect_ms\":", connect);
    }
    if let Some(first_byte) = origin.first_byte {
        line.millis(b",\"origin_ttfb_ms\":", first_byte);
    }
    line.text_if_any(b",\"origin_fault\":\"", origin.fault.map(str::as_bytes));
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::verdict::{Reason, Verdict};
    use crate::telemetry::record::{Outcome, Text, Tier};
    use bytes::Bytes;
    use http::{Method, StatusCode, Uri};
    use proptest::prelude::*;
    use std::time::Duration;

    fn record() -> Record {
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
        }
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

    proptest! {
        #[test]
        fn any_field_bytes_make_exactly_one_record(
            fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..99), 7),
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
                ..record()
            };
            let json = line(Format::Json, false, &record);
            prop_assert_eq!(json.lines().count(), 1);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read["status"], 200);
            let combined = line(Format::Combined, false, &record);
            prop_assert_eq!(combined.lines().count(), 1);
            prop_assert_eq!(combined.matches('"').count(), 6);
            prop_assert!(combined.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
