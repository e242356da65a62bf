//! `Proxy-Status`, RFC 9209: what went wrong between a proxy and the next server.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::cache_status::{quoted, word};

/// The response field.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// One proxy's member of the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyStatus<'a> {
    /// Who speaks.
    pub proxy: &'a str,
    /// `error`: one of the registered types, such as `connection_refused`.
    pub error: Option<&'a str>,
    /// `next-hop`; only where the site lets clients see it.
    pub next_hop: Option<&'a str>,
    /// `received-status`: what the next server answered.
    pub received_status: Option<u16>,
    /// `details`: free text; here it carries the error id that the log has too.
    pub details: Option<&'a str>,
}

impl fmt::Display for ProxyStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, self.proxy)?;
        if let Some(error) = self.error {
            f.write_str("; error=")?;
            word(f, error)?;
        }
        if let Some(hop) = self.next_hop {
            f.write_str("; next-hop=")?;
            quoted(f, hop)?;
        }
        if let Some(status) = self.received_status {
            write!(f, "; received-status={status}")?;
        }
        if let Some(details) = self.details {
            f.write_str("; details=")?;
            quoted(f, details)?;
        }
        Ok(())
    }
}

impl ProxyStatus<'_> {
    /// Adds this proxy's member after those of the proxies nearer to the origin.
    pub fn append(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            headers.append(PROXY_STATUS, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_reads_as_the_rfc_writes_it() {
        let status = ProxyStatus {
            proxy: "brink",
            error: Some("connection_refused"),
            details: Some("id \"7f\""),
            ..Default::default()
        };
        let text = status.to_string();
        assert_eq!(text, r#"brink; error=connection_refused; details="id \"7f\"""#);
        assert!(sfv::Parser::new(&text).parse::<sfv::List>().is_ok());
    }
}
