//! The facts by name: what each is called in both spellings, what type it has and when it is known.

use crate::facts::Phase;
use crate::functions::Type;
use crate::text::Str;

/// A fact without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    Scheme,
    Tls,
    Method,
    Host,
    Path,
    Query,
    Target,
    Url,
    Extension,
    Body,
    HttpVersion,
    TlsVersion,
    Client,
    Country,
    Asn,
    Time,
    Status,
}

/// A fact of a list, chosen by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Keyed {
    Argument,
    FormArgument,
    Header,
    Cookie,
    ResponseHeader,
}

/// The fields of conditions and templates.
pub(crate) const FIELDS: &[(&str, Field)] = &[
    ("http.host", Field::Host),
    ("http.request.method", Field::Method),
    ("http.request.scheme", Field::Scheme),
    ("http.request.uri", Field::Target),
    ("http.request.uri.path", Field::Path),
    ("http.request.uri.path.extension", Field::Extension),
    ("http.request.uri.query", Field::Query),
    ("http.request.full_uri", Field::Url),
    ("http.request.body.raw", Field::Body),
    ("http.request.version", Field::HttpVersion),
    ("http.request.timestamp.sec", Field::Time),
    ("http.response.code", Field::Status),
    ("ip.src", Field::Client),
    ("ip.src.country", Field::Country),
    ("ip.src.asnum", Field::Asn),
    ("ssl", Field::Tls),
    ("tls.version", Field::TlsVersion),
];

/// The lists of conditions and templates, each asked with `["name"]`.
pub(crate) const LISTS: &[(&str, Keyed)] = &[
    ("http.request.headers", Keyed::Header),
    ("http.request.uri.args", Keyed::Argument),
    ("http.request.body.form", Keyed::FormArgument),
    ("http.request.cookies", Keyed::Cookie),
    ("http.response.headers", Keyed::ResponseHeader),
];

/// Fields that are a header by another name.
pub(crate) const HEADERS: &[(&str, &str)] =
    &[("http.referer", "referer"), ("http.user_agent", "user-agent")];

/// The variables of the `$` spelling without a name of their own.
pub(crate) const VARIABLES: &[(&str, Field)] = &[
    ("_IP", Field::Client),
    ("_HOST", Field::Host),
    ("_URI", Field::Path),
    ("_QUERY", Field::Query),
    ("_METHOD", Field::Method),
    ("_SCHEME", Field::Scheme),
    ("_TIME", Field::Time),
    ("_BODY", Field::Body),
    ("_GEOIP_COUNTRY_CODE", Field::Country),
];

impl Field {
    pub(crate) fn type_(self) -> Type {
        match self {
            Field::Tls => Type::Truth,
            Field::Client => Type::Address,
            Field::Asn | Field::Time | Field::Status => Type::Number,
            _ => Type::Text,
        }
    }

    /// Whether there is such a fact in a phase.
    pub(crate) fn is_known_in(self, phase: Phase) -> bool {
        self != Field::Status || phase.has_response()
    }
}

impl Keyed {
    /// Whether there is such a list in a phase.
    pub(crate) fn is_known_in(self, phase: Phase) -> bool {
        self != Keyed::ResponseHeader || phase.has_response()
    }

    /// Whether keys are header names, for which letter case does not count.
    pub(crate) fn is_header(self) -> bool {
        matches!(self, Keyed::Header | Keyed::ResponseHeader)
    }
}

/// A condition that many rules begin with, so simple that it is judged before anything else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Guard {
    None,
    HostIs(Str),
    PathIs(Str),
    PathStarts(Str),
}
