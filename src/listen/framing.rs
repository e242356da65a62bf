//! What a request head must hold to be understood in one way only.
//!
//! hyper refuses what is not HTTP at all and re-frames the rest; this is what it leaves open: who is
//! asked (RFC 9112 section 3.2, RFC 9113 section 8.3.1), and codings or lengths that two parties
//! could read differently (RFC 9112 section 6). A `Content-Length` beside `Transfer-Encoding` is
//! dropped by hyper, which then closes the connection after the response; tests hold it to that.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};

use super::Settings;
use crate::header::present::Present;

/// Why a request is refused before anybody looks at what it asks for. The HTTP/1 connection should
/// be closed after the answer: see [`super::Connection::close_after_response`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRequest {
    /// No `Host` and no authority, or an empty one.
    MissingHost,
    /// More than one `Host` field line.
    DuplicateHost,
    /// A `Host` or authority that is no host with an optional port.
    BadHost,
    /// `Host` names another authority than the request target.
    HostConflict,
    /// A user name or password in the request target (RFC 9110 section 4.2.4).
    UserInfo,
    /// A request target that the method does not allow, or of another scheme than HTTP's.
    BadTarget,
    /// A request target longer than the limit.
    UriTooLong,
    /// Too many fields, or one that is too long.
    FieldsTooLarge,
    /// A `Transfer-Encoding` other than a single `chunked`.
    BadTransferEncoding,
    /// A `Content-Length` that is no plain number.
    BadContentLength,
    /// TRACE, which would echo credentials (RFC 9110 section 9.3.8).
    Trace,
    /// CONNECT: the node is no forward proxy.
    Connect,
}

impl BadRequest {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::FieldsTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Trace => StatusCode::METHOD_NOT_ALLOWED,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The reason as one word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingHost => "missing-host",
            Self::DuplicateHost => "duplicate-host",
            Self::BadHost => "bad-host",
            Self::HostConflict => "host-conflict",
            Self::UserInfo => "userinfo",
            Self::BadTarget => "bad-target",
            Self::UriTooLong => "uri-too-long",
            Self::FieldsTooLarge => "fields-too-large",
            Self::BadTransferEncoding => "bad-transfer-encoding",
            Self::BadContentLength => "bad-content-length",
            Self::Trace => "trace",
            Self::Connect => "connect",
        }
    }
}

/// Checks a request head, whose fields are those in `present` and others, and returns the one
/// authority that it names: host and, if given, port, as the client wrote them. If that is `known`, it
/// has been found well-formed before.
///
/// # Errors
/// The first thing found wrong.
pub fn check<'a>(
    head: &'a Parts,
    present: Present,
    known: Option<&str>,
    settings: &Settings,
) -> Result<&'a str, BadRequest> {
    check_size(head, settings)?;
    match head.method {
        Method::CONNECT => return Err(BadRequest::Connect),
        Method::TRACE => return Err(BadRequest::Trace),
        _ => check_target(head)?,
    }
    if present.has(Present::BODY) {
        check_codings(head)?;
        check_length(head)?;
    }
    match authority(head)? {
        named if known == Some(named) || well_formed(named) => Ok(named),
        _ => Err(BadRequest::BadHost),
    }
}

fn check_size(head: &Parts, settings: &Settings) -> Result<(), BadRequest> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len())
        + head.uri.authority().map_or(0, |authority| authority.as_str().len());
    if target as u64 > settings.uri.0 {
        return Err(BadRequest::UriTooLong);
    }
    let fields = if head.version == Version::HTTP_2 { settings.h2.fields } else { settings.fields };
    let longest = head.headers.values().map(HeaderValue::len).max().unwrap_or(0);
    if head.headers.len() > fields || longest as u64 > settings.field.0 {
        return Err(BadRequest::FieldsTooLarge);
    }
    Ok(())
}

/// RFC 9112 section 3.2: origin-form, or absolute-form, or `*` for OPTIONS alone.
fn check_target(head: &Parts) -> Result<(), BadRequest> {
    let scheme = head.uri.scheme_str();
    let known = scheme.is_none_or(|scheme| matches!(scheme, "http" | "https"));
    let path = head.uri.path();
    let form = path.starts_with('/') || path == "*" && head.method == Method::OPTIONS;
    // Authority-form, which CONNECT alone may use, has an authority but no scheme.
    let authority_form = head.uri.authority().is_some() && scheme.is_none();
    if known && form && !(authority_form && head.version != Version::HTTP_2) {
        Ok(())
    } else {
        Err(BadRequest::BadTarget)
    }
}

/// RFC 9112 section 6.1. hyper has refused it over HTTP/1.0 and where `chunked` is not last.
fn check_codings(head: &Parts) -> Result<(), BadRequest> {
    let mut lines = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(()),
        (Some(line), None)
            if head.version == Version::HTTP_11
                && line.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(())
        }
        _ => Err(BadRequest::BadTransferEncoding),
    }
}

/// RFC 9110 section 8.6: digits and nothing else; equal repetitions count once.
fn check_length(head: &Parts) -> Result<(), BadRequest> {
    let mut first: Option<&[u8]> = None;
    for line in head.headers.get_all(CONTENT_LENGTH) {
        let digits = line.as_bytes();
        let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !number || first.is_some_and(|first| first != digits) {
            return Err(BadRequest::BadContentLength);
        }
        first = Some(digits);
    }
    Ok(())
}

/// RFC 9112 section 3.2.2 lets an absolute-form target overrule `Host`; that the two differ is an
/// attack more often than not, so it is refused, over HTTP/2 as RFC 9113 section 8.3.1 demands.
fn authority(head: &Parts) -> Result<&str, BadRequest> {
    let mut lines = head.headers.get_all(HOST).iter();
    let host =
        lines.next().map(|line| line.to_str().map_err(|_| BadRequest::BadHost)).transpose()?;
    if lines.next().is_some() {
        return Err(BadRequest::DuplicateHost);
    }
    let target = head.uri.authority().map(http::uri::Authority::as_str);
    if target.is_some_and(|target| target.contains('@')) {
        return Err(BadRequest::UserInfo);
    }
    match (target, host) {
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => {
            Err(BadRequest::HostConflict)
        }
        // RFC 9112 section 3.2: HTTP/1.1 wants the field even where the target says it all.
        (Some(_), None) if head.version == Version::HTTP_11 => Err(BadRequest::MissingHost),
        (None, None) | (Some(""), _) | (None, Some("")) => Err(BadRequest::MissingHost),
        (Some(named), _) | (None, Some(named)) => Ok(named),
    }
}

/// RFC 9110 section 4.2.1 and RFC 3986 section 3.2: a name or address, and perhaps a port.
fn well_formed(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                ("", port.strip_prefix(':').or((port.is_empty()).then_some("0")))
            }
            None => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) if !host.is_empty() => (host, Some(port)),
            Some(_) => return false,
            None => (authority, Some("0")),
        },
    };
    // Underscores are no host name's, but names in the wild have them.
    let name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let port = port.is_some_and(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    // A trailing dot is the root's; no other label may be empty.
    let labels = host.is_empty() || !host.trim_end_matches('.').is_empty();
    name && port && labels && !host.contains("..") && host.len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn judge(request: http::request::Builder) -> Result<String, BadRequest> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, Present::of(&head.headers), None, &Settings::default()).map(str::to_owned)
    }

    fn get(target: &str) -> http::request::Builder {
        Request::get(target)
    }

    #[test]
    fn one_authority_is_named() {
        for host in ["a.test", "A.test:8080", "192.0.2.1", "[2001:db8::1]:443", "[::1]", "a_b.test"]
        {
            assert_eq!(judge(get("/x").header("host", host)), Ok(host.to_owned()));
        }
        let absolute = get("http://a.test/x").header("host", "A.test");
        assert_eq!(judge(absolute), Ok("a.test".to_owned()));
        assert_eq!(judge(get("https://a.test/").version(Version::HTTP_2)), Ok("a.test".to_owned()));
    }

    #[test]
    fn a_missing_doubled_or_contradicted_host_is_refused() {
        assert_eq!(judge(get("/")), Err(BadRequest::MissingHost));
        assert_eq!(judge(get("/").version(Version::HTTP_10)), Err(BadRequest::MissingHost));
        assert_eq!(judge(get("/").header("host", "")), Err(BadRequest::MissingHost));
        let twice = get("/").header("host", "a.test").header("host", "a.test");
        assert_eq!(judge(twice), Err(BadRequest::DuplicateHost));
        let conflict = get("http://a.test/").header("host", "b.test");
        assert_eq!(judge(conflict), Err(BadRequest::HostConflict));
        let conflict = get("https://a.test/").version(Version::HTTP_2).header("host", "b.test");
        assert_eq!(judge(conflict), Err(BadRequest::HostConflict));
        let user = get("http://u:p@a.test/").header("host", "a.test");
        assert_eq!(judge(user), Err(BadRequest::UserInfo));
        for bad in [
            "a.test, b.test",
            "a.test:",
            "a.test:x",
            "a.test:65536",
            "a b",
            ":80",
            "u@a.test",
            "[::1",
            "a/b",
            "[::1]x",
            "::1",
            "a.test:80:80",
        ] {
            assert_eq!(judge(get("/").header("host", bad)), Err(BadRequest::BadHost), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_host_is_an_authority_that_others_read_alike(host in "[a-zA-Z0-9._:@/, \\[\\]-]{0,20}") {
            if let Ok(named) = judge(get("/").header("host", &host)) {
                let read: http::uri::Authority = named.parse().unwrap();
                prop_assert_eq!(read.as_str(), &named);
                prop_assert!(read.port().is_none() || read.port_u16().is_some());
            }
        }
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        let coded = |value: &str| {
            judge(get("/").header("host", "a.test").header("transfer-encoding", value))
        };
        assert!(coded("Chunked").is_ok());
        for bad in [
            "gzip, chunked",
            "identity",
            "chunked, chunked",
            "\"chunked\"",
            "xchunked",
            "",
            "chunked;x=1",
        ] {
            assert_eq!(coded(bad), Err(BadRequest::BadTransferEncoding), "{bad}");
        }
        let sized =
            |value: &str| judge(get("/").header("host", "a.test").header("content-length", value));
        assert!(sized("0").is_ok());
        for bad in ["+1", "-1", "0x10", "1,1", "1 2", ""] {
            assert_eq!(sized(bad), Err(BadRequest::BadContentLength), "{bad}");
        }
    }

    #[test]
    fn methods_and_targets_that_no_edge_serves_are_refused() {
        let with = |method: &str, target: &str| {
            judge(Request::builder().method(method).uri(target).header("host", "a.test"))
        };
        assert_eq!(with("TRACE", "/"), Err(BadRequest::Trace));
        assert_eq!(with("CONNECT", "a.test:443"), Err(BadRequest::Connect));
        assert_eq!(with("GET", "a.test:443"), Err(BadRequest::BadTarget));
        assert_eq!(with("GET", "*"), Err(BadRequest::BadTarget));
        assert!(with("OPTIONS", "*").is_ok());
        assert_eq!(with("GET", "ftp://a.test/"), Err(BadRequest::BadTarget));
        let long = format!("/{}", "x".repeat(8192));
        assert_eq!(with("GET", &long), Err(BadRequest::UriTooLong));
        let long = judge(get("/").header("host", "a.test").header("cookie", "x".repeat(8193)));
        assert_eq!(long, Err(BadRequest::FieldsTooLarge));
    }
}
