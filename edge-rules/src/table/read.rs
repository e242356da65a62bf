//! Reads one test out of its document.

use super::{Expect, Label, Test, Wanted};
use crate::document::{Read, Reader, Value, missing, other_type, span, unknown};
use crate::error::Error;
use crate::sample::Sample;

/// The keys of a test and of its `expect`.
const KEYS: &[&str] = &[
    "name",
    "request",
    "headers",
    "body",
    "client",
    "country",
    "asn",
    "http",
    "tls",
    "now",
    "random",
    "tester",
    "status",
    "response_headers",
    "phase",
    "expect",
];
const EXPECTED: &[&str] = &[
    "verdict",
    "url",
    "method",
    "status",
    "location",
    "body",
    "request_headers",
    "response_headers",
    "actions",
    "matched",
    "failed",
];
const VERDICTS: &[&str] = &["pass", "redirect", "respond"];
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/// The time of tests that name none: 14 November 2023, 22:13:20 UTC.
const NOW: i64 = 1_700_000_000;

impl<'d> Reader<'d> {
    pub(super) fn test(&self, value: &Value<'d>) -> Read<Test> {
        let entries = self.entries(self.table(value, "a test")?);
        let asked = entries.iter().find(|(key, _)| key.get_ref() == "request");
        let Some((_, asked)) = asked else { return Err(missing(value, "request")) };
        let request = self.text(asked, "a method and a URL")?;
        let mut test = Test {
            name: request.into(),
            line: Error::new(span(value), "").place(self.source).0,
            request: asked_for(request).ok_or_else(|| {
                Error::new(span(asked), "not a method and a URL")
                    .hint("write \"GET https://a.example/x?y=1\"")
            })?,
            now: NOW,
            random: 0.5,
            tester: false,
            phase: None,
            expect: Expect::default(),
        };
        let mut expects = false;
        for (key, value) in entries {
            expects |= key.get_ref() == "expect";
            match key.get_ref().as_ref() {
                "name" => test.name = self.text(value, "a name")?.into(),
                "now" => test.now = self.whole(value, "a Unix time in seconds")?,
                "random" => test.random = self.random(value)?,
                "tester" => test.tester = self.truth(value)?,
                "phase" => test.phase = Some(self.phase(value)?),
                "expect" => test.expect = self.expect(value)?,
                key_of_request => {
                    if !self.fact(&mut test.request, key_of_request, value)? {
                        return Err(unknown(key_of_request, span(key), KEYS));
                    }
                }
            }
        }
        if !expects {
            return Err(missing(value, "expect"));
        }
        match test.phase.filter(|phase| phase.has_response() && test.request.status.is_none()) {
            Some(phase) => {
                Err(missing(value, "status")
                    .hint(format!("the phase {} has a response", phase.word())))
            }
            None => Ok(test),
        }
    }

    /// Takes in what the request is; whether the key says so.
    fn fact(&self, request: &mut Sample, key: &str, value: &Value<'d>) -> Read<bool> {
        match key {
            "request" => {}
            "headers" => request.headers = self.lines(value)?,
            "response_headers" => request.response_headers = self.lines(value)?,
            "body" => request.body = Some(self.text(value, "a text")?.into()),
            "http" => request.http_version = self.text(value, "\"1.0\", \"1.1\" or \"2\"")?.into(),
            "tls" => request.tls_version = Some(self.text(value, "\"1.2\" or \"1.3\"")?.into()),
            "country" => request.country = Some(self.text(value, "two letters")?.into()),
            "asn" => request.asn = Some(self.bounded(value, "a number of a network")?),
            "status" => request.status = Some(self.status(value)?),
            "client" => {
                let text = self.text(value, "an address")?;
                let wrong = |_| Error::new(span(value), format!("`{text}` is not an address"));
                request.client = text.parse().map_err(wrong)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn random(&self, value: &Value<'d>) -> Read<f64> {
        let read = |text: &str| text.replace('_', "").parse::<f64>().ok();
        let float = value.get_ref().as_float().and_then(|float| read(float.as_str()));
        let number = float.or_else(|| self.whole(value, "").ok().map(|whole| whole as f64));
        number.filter(|number| (0.0..1.0).contains(number)).ok_or_else(|| {
            Error::new(span(value), "expected a number from 0 up to 1, 1 not included")
        })
    }

    fn status(&self, value: &Value<'d>) -> Read<u16> {
        let status: u16 = self.bounded(value, "a status")?;
        if (100..600).contains(&status) {
            return Ok(status);
        }
        Err(Error::new(span(value), format!("{status} is not a status")))
    }

    fn bounded<T: TryFrom<i64>>(&self, value: &Value<'d>, wanted: &str) -> Read<T> {
        T::try_from(self.whole(value, wanted)?)
            .map_err(|_| Error::new(span(value), format!("expected {wanted}")))
    }

    fn strings(&self, value: &Value<'d>, wanted: &str) -> Read<Vec<String>> {
        self.each(value).into_iter().map(|it| Ok(self.text(it, wanted)?.to_string())).collect()
    }

    fn lines(&self, value: &Value<'d>) -> Read<Vec<(String, Vec<u8>)>> {
        let mut lines = Vec::new();
        for (name, value) in self.entries(self.table(value, "a table of headers")?) {
            for line in self.strings(value, "a text")? {
                lines.push((name.get_ref().to_ascii_lowercase(), line.into_bytes()));
            }
        }
        Ok(lines)
    }

    fn expect(&self, value: &Value<'d>) -> Read<Expect> {
        let mut expect = Expect::default();
        let text = |value, wanted| Ok(Some(self.text(value, wanted)?.to_string()));
        for (key, value) in self.entries(self.table(value, "a table")?) {
            match key.get_ref().as_ref() {
                "verdict" => expect.verdict = text(value, "a verdict")?,
                "url" => expect.url = text(value, "a URL, or path and query")?,
                "method" => expect.method = text(value, "a method")?,
                "status" => expect.status = Some(self.status(value)?),
                "location" => expect.location = text(value, "a URL")?,
                "body" => expect.body = text(value, "a text")?,
                "request_headers" => expect.request_headers = self.wanted(value)?,
                "response_headers" => expect.response_headers = self.wanted(value)?,
                "actions" => {
                    expect.actions = Some(self.strings(value, "an action or an array of them")?);
                }
                "matched" => expect.matched = Some(self.labels(value)?),
                "failed" => expect.failed = Some(self.labels(value)?),
                other => return Err(unknown(other, span(key), EXPECTED)),
            }
            if let Some(word) = expect.verdict.as_deref().filter(|it| !VERDICTS.contains(it)) {
                return Err(Error::new(span(value), format!("there is no verdict `{word}`"))
                    .hint(format!("verdicts are {}", VERDICTS.join(", "))));
            }
        }
        Ok(expect)
    }

    fn wanted(&self, value: &Value<'d>) -> Read<Vec<(String, Wanted)>> {
        let mut headers = Vec::new();
        for (name, value) in self.entries(self.table(value, "a table of headers")?) {
            let wanted = match value.get_ref().as_bool() {
                Some(present) => Wanted::Present(present),
                None => Wanted::Lines(self.strings(value, "a text, true or false")?),
            };
            headers.push((name.get_ref().to_string(), wanted));
        }
        Ok(headers)
    }

    fn labels(&self, value: &Value<'d>) -> Read<Vec<Label>> {
        let label = |value: &Value<'d>| match value.get_ref().as_str() {
            Some(name) => Ok(Label::Name(name.into())),
            None if value.get_ref().is_integer() => {
                Ok(Label::Number(self.bounded(value, "a rule's number, from 1")?))
            }
            None => Err(other_type(value, "names or numbers of rules")),
        };
        self.each(value).into_iter().map(label).collect()
    }
}

/// The request that a line asks for: a URL, with or without a method before it.
fn asked_for(line: &str) -> Option<Sample> {
    let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
    let mut request = Sample::get(url);
    request.method = method.into();
    if let Some((host, _)) = request.host.rsplit_once(':').filter(|(_, port)| is_port(port)) {
        request.host = host.into();
    }
    let is_scheme = matches!(request.scheme.as_str(), "http" | "https");
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = METHODS.contains(&method) && is_scheme && plain && !request.host.is_empty();
    fits.then_some(request)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
