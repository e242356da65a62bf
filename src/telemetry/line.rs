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
use super::record::{Details, Ended, Origin, Record};
use super::settings::{AccessLogSettings, Format};
use super::zone::Zone;
use crate::cache::verdict::Verdict;
use crate::clock::Timestamp;

/// Every field that a line of JSON may have, in this order.
pub(super) const FIELDS: [&str; 29] = [
    "ts",
    "request_id",
    "site",
    "client",
    "method",
    "host",
    "path",
    "query",
    "proto",
    "status",
    "bytes_out",
    "ttfb_ms",
    "duration_ms",
    "ended",
    "cache",
    "reason",
    "tier",
    "key",
    "origin",
    "origin_status",
    "origin_connect_ms",
    "origin_ttfb_ms",
    "origin_fault",
    "tls",
    "ua",
    "referer",
    "error_id",
    "code",
    "sample",
];

/// How lines are written; fixed while the log is open.
#[derive(Debug)]
pub(super) struct Line {
    format: Format,
    zone: Zone,
    mask_client: bool,
    limit: usize,
    secrets: Vec<String>,
}

impl Line {
    /// The line that the settings ask for.
    pub(super) fn new(settings: &AccessLogSettings) -> Self {
        Line {
            format: settings.format,
            zone: settings.time_zone,
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
            Format::Fields => self.fields(out, second, record),
            Format::Off => {}
        }
    }

    /// Whether the line tells what a record has in its details.
    pub(super) fn tells_details(&self) -> bool {
        self.format == Format::Fields
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
        if let Some(share) = record.sampled() {
            line.bare(b",\"sample\":", |out| share.write(out));
        }
        line.close();
    }

    /// `client - - [day/Mon/year:time +0000] "GET /path?query HTTP/1.1" 200 12 "referer" "agent"`.
    fn combined(&self, out: &mut impl Out, second: &mut LastSecond, record: &Record) {
        self.first_fields(out, second, record, |_| {});
        end(out, record);
    }

    /// `client - - [day/Mon/year:time +0800] "GET https://host/path?query HTTP/1.1" 200 12 "referer"
    /// "agent" "type" 0 Hit "C/200" Static "max-age=900" 0.014 server`: 21 fields and a bare `-`,
    /// which the user is too, since credentials are not looked at. What is not known is `-`.
    fn fields(&self, out: &mut impl Out, second: &mut LastSecond, record: &Record) {
        self.first_fields(out, second, record, |out| {
            out.put(if record.tls.is_some() { b"https://" } else { b"http://" });
            self.word(out, record.host.bytes().unwrap_or(b"-"));
        });
        static NONE: Details = Details::NONE;
        let details = record.details.as_deref().unwrap_or(&NONE);
        out.put_array(b" \"");
        self.plain(out, details.content_type.bytes().unwrap_or(b"-"));
        out.put_array(b"\" ");
        match details.request_length {
            Some(length) => ascii::decimal(out, length),
            None => out.put_array(b"-"),
        }
        let (found, kind) = words(record);
        out.put_array(b" ");
        out.put(found);
        match details.source {
            Some(status) => {
                out.put_array(b" \"C/");
                ascii::decimal(out, status.as_u16().into());
                out.put_array(b"\" ");
            }
            None => out.put_array(b" \"-\" "),
        }
        out.put(kind);
        out.put_array(b" \"");
        self.plain(out, details.cache_control.bytes().unwrap_or(b"-"));
        out.put_array(b"\" ");
        ascii::seconds(out, record.outcome.duration);
        out.put_array(b" ");
        match details.server {
            Some(server) => ascii::address(out, server.to_canonical()),
            None => out.put_array(b"-"),
        }
        end(out, record);
    }

    /// The fields of the combined format; `place` writes what stands before the path.
    #[inline]
    fn first_fields<O: Out>(
        &self,
        out: &mut O,
        second: &mut LastSecond,
        record: &Record,
        place: impl FnOnce(&mut O),
    ) {
        let outcome = &record.outcome;
        ascii::address(out, self.client(record));
        out.put_array(b" - - [");
        out.put_array(second.text(self.zone.shown(record.time), common_second));
        out.put_array(&self.zone.text());
        out.put_array(b"] \"");
        out.put(outcome.method.as_str().as_bytes());
        out.put_array(b" ");
        place(out);
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
        out.put_array(b"\"");
    }

    /// As [`Line::plain`] what must have no space, since the words of a request are told apart by them.
    fn word(&self, out: &mut impl Out, value: &[u8]) {
        if memchr::memchr(b' ', value).is_none() {
            return self.plain(out, value);
        }
        let head = value.get(..self.limit).unwrap_or(value);
        for (number, piece) in head.split(|&byte| byte == b' ').enumerate() {
            if number > 0 {
                out.put_array(b"\\x20");
            }
            self.plain(out, piece);
        }
        if head.len() < value.len() {
            out.put_array(b"...");
        }
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

/// How the object was found, and whether the like of it is stored at all.
fn words(record: &Record) -> (&'static [u8], &'static [u8]) {
    match record.outcome.verdict {
        Some((Verdict::Hit, _)) => (b"Hit", b"Static"),
        Some((Verdict::Stale, _)) => (b"Stale", b"Static"),
        Some((Verdict::Miss, _)) => (b"Miss", b"Static"),
        Some((Verdict::Pass, _)) => (b"Pass", b"Dynamic"),
        None => (b"-", b"-"),
    }
}

/// Ends a line of fields, which has one more where it stands for others that were left out.
fn end(out: &mut impl Out, record: &Record) {
    if let Some(share) = record.sampled() {
        out.put_array(b" sample=");
        share.write(out);
    }
    out.put_array(b"\n");
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
#[path = "line_tests.rs"]
pub(super) mod tests;
