//! Formats one record of the access log as one line, in the writer's thread.
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
use std::io::Write;

use http::Version;

use super::json::Object;
use super::mask;
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
    pub(super) fn append(&self, out: &mut Vec<u8>, record: &Record) {
        match self.format {
            Format::Json => self.json(out, record),
            Format::Combined => self.combined(out, record),
            Format::Off => {}
        }
    }

    fn json(&self, out: &mut Vec<u8>, record: &Record) {
        let outcome = &record.outcome;
        let mut line = Object::open(out, self.limit);
        line.text("ts", date_time(record.time).as_bytes());
        line.text_if_any("request_id", record.request_id.bytes());
        line.text_if_any("site", record.site.bytes());
        line.text("client", self.client(record).as_bytes());
        line.text("method", outcome.method.as_str().as_bytes());
        line.text_if_any("host", record.host.bytes());
        line.text("path", record.target.path().as_bytes());
        line.text_if_any("query", self.query(record).as_deref());
        line.text("proto", protocol(outcome.version).as_bytes());
        line.number("status", outcome.status.as_u16().into());
        line.number("bytes_out", outcome.bytes_out);
        if let Some(first_byte) = outcome.first_byte {
            line.millis("ttfb_ms", first_byte);
        }
        line.millis("duration_ms", outcome.duration);
        if outcome.ended != Ended::Whole {
            line.text("ended", outcome.ended.as_str().as_bytes());
        }
        if let Some((verdict, reason)) = outcome.verdict {
            line.text("cache", verdict.as_str().as_bytes());
            line.text("reason", reason.as_str().as_bytes());
        }
        line.text("tier", outcome.tier.as_str().as_bytes());
        if let Some(key) = record.key {
            line.text("key", format!("{key:016x}").as_bytes());
        }
        if let Some(origin) = &record.origin {
            origin_fields(&mut line, origin);
        }
        line.text_if_any("tls", record.tls.map(str::as_bytes));
        line.text_if_any("ua", record.user_agent.bytes());
        line.text_if_any("referer", self.referer(record).as_deref());
        line.text_if_any("error_id", record.error_id.bytes());
        if let Some(code) = record.code {
            line.number("code", code.into());
        }
        line.close();
    }

    /// `client - - [day/Mon/year:time +0000] "GET /path?query HTTP/1.1" 200 12 "referer" "agent"`.
    fn combined(&self, out: &mut Vec<u8>, record: &Record) {
        let outcome = &record.outcome;
        // Writing to a vector cannot fail.
        let _ = write!(out, "{} - - [{}] \"", self.client(record), common_date(record.time));
        self.plain(out, outcome.method.as_str().as_bytes());
        out.push(b' ');
        self.plain(out, record.target.path().as_bytes());
        if let Some(query) = self.query(record) {
            out.push(b'?');
            self.plain(out, &query);
        }
        let (status, bytes) = (outcome.status.as_u16(), outcome.bytes_out);
        let _ = write!(out, " {}\" {status} {bytes} \"", protocol(outcome.version));
        self.plain(out, self.referer(record).as_deref().unwrap_or(b"-"));
        out.extend_from_slice(b"\" \"");
        self.plain(out, record.user_agent.bytes().unwrap_or(b"-"));
        out.extend_from_slice(b"\"\n");
    }

    /// Appends printable ASCII as it is and the rest as `\xNN`, the custom of nginx and Apache.
    fn plain(&self, out: &mut Vec<u8>, value: &[u8]) {
        for &byte in value.iter().take(self.limit) {
            match byte {
                b'"' | b'\\' => {
                    let _ = write!(out, "\\x{byte:02X}");
                }
                b' '..=b'~' => out.push(byte),
                _ => {
                    let _ = write!(out, "\\x{byte:02X}");
                }
            }
        }
        if value.len() > self.limit {
            out.extend_from_slice(b"...");
        }
    }

    fn client(&self, record: &Record) -> String {
        if self.mask_client {
            mask::client(record.client).to_string()
        } else {
            record.client.to_canonical().to_string()
        }
    }

    fn query<'a>(&self, record: &'a Record) -> Option<Cow<'a, [u8]>> {
        record.target.query().map(|query| mask::query(query.as_bytes(), &self.secrets))
    }

    fn referer<'a>(&self, record: &'a Record) -> Option<Cow<'a, [u8]>> {
        record.referer.bytes().map(|value| mask::referer(value, &self.secrets))
    }
}

fn origin_fields(line: &mut Object<'_>, origin: &Origin) {
    line.text_if_any("origin", origin.server.bytes());
    if let Some(status) = origin.status {
        line.number("origin_status", status.as_u16().into());
    }
    if let Some(connect) = origin.connect {
        line.millis("origin_connect_ms", connect);
    }
    if let Some(first_byte) = origin.first_byte {
        line.millis("origin_ttfb_ms", first_byte);
    }
    line.text_if_any("origin_fault", origin.fault.map(str::as_bytes));
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

/// RFC 3339, in UTC with milliseconds.
pub(super) fn date_time(time: Timestamp) -> String {
    let (year, month, day) = date(time);
    let (hour, minute, second) = of_day(time);
    let millis = time.0 % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date of the NCSA formats, in UTC: `10/Oct/2000:13:55:36 +0000`.
fn common_date(time: Timestamp) -> String {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (year, month, day) = date(time);
    let (hour, minute, second) = of_day(time);
    let name = MONTHS.chunks(3).nth(month as usize - 1).unwrap_or(b"Jan").escape_ascii();
    format!("{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

fn of_day(time: Timestamp) -> (u64, u64, u64) {
    let second = time.seconds() % 86_400;
    (second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of the Gregorian calendar. Years are taken to begin in March, so that the
/// leap day is the last; an era is the 400 years after which the calendar repeats.
fn date(time: Timestamp) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    // 0000-03-01 is this many days before 1970-01-01.
    const EPOCH: u64 = 719_468;
    let days = time.seconds() / 86_400 + EPOCH;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
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
            origin: Some(Origin {
                server: "198.51.100.1:443".into(),
                status: Some(StatusCode::NOT_MODIFIED),
                ..Origin::default()
            }),
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
        Line::new(&settings).append(&mut out, record);
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
                origin: Some(Origin { server: text(), ..Origin::default() }),
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

        #[test]
        fn dates_agree_with_those_of_http(seconds in 0u64..253_402_300_800) {
            let time = Timestamp::from_seconds(seconds);
            let http = httpdate::fmt_http_date(time.system_time());
            let common = common_date(time);
            prop_assert_eq!(&http[5..16], common[..11].replace('/', " "));
            prop_assert_eq!(&http[17..25], &common[12..20]);
            prop_assert_eq!(&date_time(time)[11..19], &http[17..25]);
        }
    }
}
