//! `Cache-Status`, RFC 9211: how a cache came by its answer, written in one line.

use std::fmt::{self, Write};

use http::{HeaderMap, HeaderName};

use super::compose;

/// The response field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went forward (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache was told not to look.
    Bypass,
    /// The method cannot be answered from a cache.
    Method,
    /// Nothing is stored for this URL.
    UriMiss,
    /// Something is stored for this URL, but for other request fields.
    VaryMiss,
    /// Nothing usable is stored; no closer reason is known.
    Miss,
    /// The client asked to go forward.
    Request,
    /// What is stored is stale.
    Stale,
    /// What is stored lacks some of the bytes.
    Partial,
}

impl Forward {
    /// The word in the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Method => "method",
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Miss => "miss",
            Forward::Request => "request",
            Forward::Stale => "stale",
            Forward::Partial => "partial",
        }
    }
}

/// One cache's member of the field. `hit` and `fwd` exclude each other, and so they share a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// Who speaks: `brink`, or the node's own name; a token or it is quoted.
    pub cache: &'a str,
    /// `fwd`; `None` is `hit`.
    pub forward: Option<Forward>,
    /// `fwd-status`: what the next server answered.
    pub forward_status: Option<u16>,
    /// `ttl`: seconds of freshness left, negative when stale.
    pub ttl: Option<i64>,
    /// `stored`.
    pub stored: bool,
    /// `collapsed`: the request waited for another one's answer.
    pub collapsed: bool,
    /// `key`; only for those who may see it.
    pub key: Option<&'a str>,
    /// `detail`: the reason word.
    pub detail: Option<&'a str>,
}

impl fmt::Display for CacheStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f)
    }
}

impl CacheStatus<'_> {
    /// Adds this cache's member after those of the caches nearer to the origin (section 2).
    pub fn append(&self, headers: &mut HeaderMap) {
        // Writing into memory cannot fail.
        headers.append(CACHE_STATUS, compose::value(|text| _ = self.tell(text)));
    }

    fn tell(&self, out: &mut impl Write) -> fmt::Result {
        word(out, self.cache)?;
        match self.forward {
            None => out.write_str("; hit")?,
            Some(forward) => {
                out.write_str("; fwd=")?;
                out.write_str(forward.as_str())?;
            }
        }
        if let Some(status) = self.forward_status {
            out.write_str("; fwd-status=")?;
            out.write_str(itoa::Buffer::new().format(status))?;
        }
        if let Some(ttl) = self.ttl {
            out.write_str("; ttl=")?;
            out.write_str(itoa::Buffer::new().format(ttl))?;
        }
        if self.stored {
            out.write_str("; stored")?;
        }
        if self.collapsed {
            out.write_str("; collapsed")?;
        }
        if let Some(key) = self.key {
            out.write_str("; key=")?;
            quoted(out, key)?;
        }
        if let Some(detail) = self.detail {
            out.write_str("; detail=")?;
            word(out, detail)?;
        }
        Ok(())
    }
}

/// A token where it can be one, else a string (RFC 9651 sections 3.3.3 and 3.3.4).
pub(super) fn word(out: &mut impl Write, text: &str) -> fmt::Result {
    let token = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '*')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
    if token { out.write_str(text) } else { quoted(out, text) }
}

/// A string; what a structured string cannot hold becomes `?`.
pub(super) fn quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            ' '..='~' => out.write_char(c)?,
            _ => out.write_str("?")?,
        }
    }
    out.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_read_as_the_rfc_writes_them() {
        let hit = CacheStatus { cache: "brink", ttl: Some(318), ..Default::default() };
        assert_eq!(hit.to_string(), "brink; hit; ttl=318");
        let miss = CacheStatus {
            cache: "edge1",
            forward: Some(Forward::UriMiss),
            forward_status: Some(200),
            stored: true,
            collapsed: true,
            detail: Some("uri-miss"),
            ..Default::default()
        };
        assert_eq!(
            miss.to_string(),
            "edge1; fwd=uri-miss; fwd-status=200; stored; collapsed; detail=uri-miss"
        );
        let mut headers = HeaderMap::new();
        hit.append(&mut headers);
        miss.append(&mut headers);
        assert_eq!(headers.get_all(CACHE_STATUS).iter().count(), 2);
    }

    proptest! {
        #[test]
        fn every_member_is_a_structured_list(cache in "\\PC{0,12}", key in "\\PC{0,20}", ttl: i32) {
            let status = CacheStatus {
                cache: &cache,
                key: Some(&key),
                ttl: Some(ttl.into()),
                detail: Some(&key),
                ..Default::default()
            };
            let text = status.to_string();
            let parsed: Result<sfv::List, _> = sfv::Parser::new(&text).parse();
            prop_assert!(parsed.is_ok(), "{}", text);
        }
    }
}
