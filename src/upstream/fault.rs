//! What can go wrong between us and an origin, one variant each.
//!
//! A [`Fault`] says whose fault it is, what `Proxy-Status` calls it (RFC 9209 section 2.3), which
//! eight-digit code customers look for (`SSSxxNNN`: status, tier, number), and which status the
//! client gets. Only the story turns a fault into a response.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use http::StatusCode;

/// Who has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The client: it broke off or sent too much.
    Client,
    /// The customer's origin or its DNS.
    Origin,
    /// This node.
    Edge,
}

/// Each way in which asking an origin fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The origin's name has no address.
    NameUnresolved,
    /// The name servers did not answer in time.
    ResolveTimeout,
    /// Every address of the origin is one that we refuse to dial (SSRF guard).
    AddressProhibited,
    /// The origin's address is this node itself.
    OwnAddress,
    /// Active checks hold every server of the site for down.
    NoServer,
    /// The origin refused the connection.
    Refused,
    /// The network has no way to the origin.
    Unroutable,
    /// The origin reset the connection.
    Reset,
    /// TLS failed for a reason other than the certificate.
    HandshakeFailed,
    /// The origin's certificate is for another name.
    CertificateName,
    /// The origin's certificate has no issuer that we trust (self-signed, private CA).
    CertificateIssuer,
    /// The origin's certificate is out of date, or not yet valid.
    CertificateExpired,
    /// The origin's certificate is unusable for another reason.
    CertificateInvalid,
    /// The client went away while its request body was being passed on.
    ClientAborted,
    /// The client framed its request body wrongly.
    UploadMalformed,
    /// The client sent its request body too slowly.
    UploadTooSlow,
    /// The request body is larger than the site allows.
    UploadTooLarge,
    /// The origin closed the connection instead of answering.
    Closed,
    /// The origin closed the connection while we were sending.
    BrokenPipe,
    /// The origin's response ended before its end.
    UnexpectedEnd,
    /// The operating system gave up connecting.
    ConnectTimedOut,
    /// Connecting took longer than `connect_timeout`.
    ConnectTimeout,
    /// The response head took longer than `first_byte_timeout`.
    FirstByteTimeout,
    /// The response body stalled for longer than `between_bytes_timeout`.
    BetweenBytesTimeout,
    /// The origin stopped taking the request body for longer than `between_bytes_timeout`.
    SendTimeout,
    /// What the origin sent is not HTTP, or not what was asked for.
    InvalidResponse,
    /// The response head is larger than `max_response_head`, or has more than 100 fields.
    HeadTooLarge,
    /// A fault of our own.
    Internal,
}

use FaultKind as Kind;
use Whose::{Client, Edge, Origin};

/// One line of the table of faults.
struct Facts {
    kind: FaultKind,
    whose: Whose,
    status: u16,
    token: &'static str,
    code: u32,
    text: &'static str,
}

const fn facts(
    kind: FaultKind,
    whose: Whose,
    status: u16,
    token: &'static str,
    code: u32,
    text: &'static str,
) -> Facts {
    Facts { kind, whose, status, token, code, text }
}

/// What is to be said of each kind, in the order of the kinds. In codes xx = 02 is the customer's
/// own origin; the number is 000 where the published list has none.
#[rustfmt::skip]
const FACTS: [Facts; FaultKind::COUNT] = [
    facts(Kind::NameUnresolved, Origin, 503, "dns_error", 50302001, "resolve failed"),
    facts(Kind::ResolveTimeout, Origin, 503, "dns_timeout", 50302002, "resolve timeout"),
    facts(Kind::AddressProhibited, Origin, 502, "destination_ip_prohibited", 50202001, "no valid source address"),
    facts(Kind::OwnAddress, Origin, 508, "proxy_loop_detected", 40310007, "cyclic request"),
    facts(Kind::NoServer, Origin, 502, "destination_unavailable", 50202001, "no valid source address"),
    facts(Kind::Refused, Origin, 503, "connection_refused", 50302004, "connection refused"),
    facts(Kind::Unroutable, Origin, 502, "destination_ip_unroutable", 50202000, "no route to the origin"),
    facts(Kind::Reset, Origin, 503, "connection_terminated", 50302005, "connection reset by peer"),
    facts(Kind::HandshakeFailed, Origin, 503, "tls_protocol_error", 50302006, "TLS handshake failed"),
    facts(Kind::CertificateName, Origin, 503, "tls_certificate_error", 50302015, "certificate host mismatch"),
    facts(Kind::CertificateIssuer, Origin, 503, "tls_certificate_error", 50302016, "certificate self signed"),
    facts(Kind::CertificateExpired, Origin, 503, "tls_certificate_error", 50302017, "certificate expired"),
    facts(Kind::CertificateInvalid, Origin, 503, "tls_certificate_error", 50302000, "certificate invalid"),
    facts(Kind::ClientAborted, Client, 503, "http_request_error", 50302007, "client abort"),
    facts(Kind::UploadMalformed, Client, 400, "http_request_error", 40010000, "malformed request body"),
    facts(Kind::UploadTooSlow, Client, 408, "http_request_error", 40810000, "request body too slow"),
    facts(Kind::UploadTooLarge, Client, 413, "http_request_error", 41310001, "request body too large"),
    facts(Kind::Closed, Origin, 503, "connection_terminated", 50302008, "connection closed"),
    facts(Kind::BrokenPipe, Origin, 503, "connection_terminated", 50302009, "broken pipe"),
    facts(Kind::UnexpectedEnd, Origin, 503, "http_response_incomplete", 50302010, "unexpected end"),
    facts(Kind::ConnectTimedOut, Origin, 504, "connection_timeout", 50402001, "connection timed out"),
    facts(Kind::ConnectTimeout, Origin, 504, "connection_timeout", 50402002, "connection timeout"),
    facts(Kind::FirstByteTimeout, Origin, 504, "http_response_timeout", 50402003, "read timeout"),
    facts(Kind::BetweenBytesTimeout, Origin, 504, "connection_read_timeout", 50402003, "read timeout"),
    facts(Kind::SendTimeout, Origin, 504, "connection_write_timeout", 50402004, "send timeout"),
    facts(Kind::InvalidResponse, Origin, 502, "http_protocol_error", 50202000, "invalid response"),
    facts(Kind::HeadTooLarge, Origin, 502, "http_response_header_section_size", 50202000, "response head too large"),
    facts(Kind::Internal, Edge, 500, "proxy_internal_error", 50010000, "internal error"),
];

impl FaultKind {
    /// How many kinds there are, for tables of counters.
    pub const COUNT: usize = Kind::Internal as usize + 1;

    /// The kinds in order of [`FaultKind::index`].
    pub const ALL: [FaultKind; FaultKind::COUNT] = {
        let mut all = [Kind::Internal; FaultKind::COUNT];
        let mut place = 0;
        while place < FaultKind::COUNT {
            all[place] = FACTS[place].kind;
            place += 1;
        }
        all
    };

    /// The place of this kind in [`FaultKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The table has a line for each kind, so that the index cannot miss.
    const fn facts(self) -> &'static Facts {
        const TABLE: &[Facts; FaultKind::COUNT] = &FACTS;
        &TABLE[self as usize]
    }

    /// Who has to mend it.
    pub const fn whose(self) -> Whose {
        self.facts().whose
    }

    /// The status of the answer that the client gets, if nothing stored can be served instead.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.facts().status).unwrap_or(StatusCode::BAD_GATEWAY)
    }

    /// The `error` parameter of `Proxy-Status` (RFC 9209 section 2.3).
    pub const fn proxy_status(self) -> &'static str {
        self.facts().token
    }

    /// The eight-digit code for `X-Error-Code` and the JSON error body.
    pub const fn code(self) -> u32 {
        self.facts().code
    }

    /// A few plain words, the `msg` of the JSON error body.
    pub const fn text(self) -> &'static str {
        self.facts().text
    }

    /// Whether another server, or the same one a moment later, may well do better. A response head
    /// that is late is not asked for again: whoever waits has waited long enough.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Kind::NameUnresolved
                | Kind::ResolveTimeout
                | Kind::AddressProhibited
                | Kind::Refused
                | Kind::Unroutable
                | Kind::Reset
                | Kind::HandshakeFailed
                | Kind::CertificateName
                | Kind::CertificateIssuer
                | Kind::CertificateExpired
                | Kind::CertificateInvalid
                | Kind::Closed
                | Kind::BrokenPipe
                | Kind::ConnectTimedOut
                | Kind::ConnectTimeout
        )
    }

    /// Whether this speaks against the server that was asked, as `max_fails` counts it.
    pub const fn blames_server(self) -> bool {
        matches!(self.whose(), Whose::Origin) && !matches!(self, Kind::NoServer)
    }
}

/// One failure to get a response, or the rest of one, from an origin.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// The server that was asked (`host:port`), if it came that far.
    pub server: Option<Arc<str>>,
    /// More for the log; it never goes to the client.
    pub detail: Option<Box<str>>,
}

impl Fault {
    /// A fault of `kind` at an unnamed server.
    pub fn new(kind: FaultKind) -> Self {
        Fault { kind, server: None, detail: None }
    }

    /// The same fault at `server`.
    pub fn at(mut self, server: &Arc<str>) -> Self {
        self.server.get_or_insert_with(|| server.clone());
        self
    }

    /// The same fault with words for the log.
    pub fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string().into_boxed_str());
        self
    }

    /// The fault behind an error of the TCP or TLS connection, while it is being made.
    pub fn from_connect(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Fault::new(tls_kind(tls)).because(tls);
        }
        let kind = match error.kind() {
            // A peer that hangs up in the middle of the handshake does not speak TLS.
            io::ErrorKind::UnexpectedEof => Kind::HandshakeFailed,
            _ => io_kind(error).unwrap_or(Kind::Unroutable),
        };
        Fault::new(kind).because(error)
    }

    /// The fault behind an error of hyper's, on a connection that stood.
    pub fn from_hyper(error: &hyper::Error) -> Self {
        Fault::new(hyper_kind(error)).because(Chain(error))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        if let Some(server) = &self.server {
            write!(f, " at {server}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl Error for Fault {}

/// Prints an error and what caused it.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

fn io_kind(error: &io::Error) -> Option<FaultKind> {
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => Kind::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Kind::Reset,
        io::ErrorKind::BrokenPipe => Kind::BrokenPipe,
        io::ErrorKind::TimedOut => Kind::ConnectTimedOut,
        io::ErrorKind::UnexpectedEof => Kind::UnexpectedEnd,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Kind::Unroutable,
        _ => return None,
    })
}

fn tls_kind(error: &rustls::Error) -> FaultKind {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Kind::HandshakeFailed;
    };
    match certificate {
        Certificate::Expired
        | Certificate::ExpiredContext { .. }
        | Certificate::NotValidYet
        | Certificate::NotValidYetContext { .. } => Kind::CertificateExpired,
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            Kind::CertificateName
        }
        Certificate::UnknownIssuer => Kind::CertificateIssuer,
        // What `openssl req -x509` makes: self-signed, and marked as a CA.
        Certificate::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            Kind::CertificateIssuer
        }
        _ => Kind::CertificateInvalid,
    }
}

fn hyper_kind(error: &hyper::Error) -> FaultKind {
    if error.is_parse_too_large() {
        return Kind::HeadTooLarge;
    }
    if error.is_parse() {
        return Kind::InvalidResponse;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return io_kind(io).unwrap_or(Kind::UnexpectedEnd);
        }
        if let Some(h2) = cause.downcast_ref::<h2::Error>() {
            return h2_kind(h2);
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Kind::Closed;
    }
    Kind::InvalidResponse
}

fn h2_kind(error: &h2::Error) -> FaultKind {
    if let Some(io) = error.get_io() {
        return io_kind(io).unwrap_or(Kind::Closed);
    }
    match error.reason() {
        // RFC 9113 section 8.7: REFUSED_STREAM says that nothing was done.
        Some(h2::Reason::REFUSED_STREAM | h2::Reason::NO_ERROR) => Kind::Closed,
        Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::COMPRESSION_ERROR) => Kind::InvalidResponse,
        _ => Kind::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_place_and_its_facts() {
        for (place, kind) in FaultKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), place);
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
            assert_eq!(kind.code().to_string().len(), 8, "{kind:?}");
            assert!(!kind.proxy_status().is_empty() && !kind.text().is_empty());
        }
    }

    #[test]
    fn codes_begin_with_the_status_but_for_the_loop() {
        for kind in FaultKind::ALL {
            // A loop is 508 in HTTP (RFC 5842), while the published code says 403.
            if kind != FaultKind::OwnAddress {
                assert_eq!(kind.code() / 100_000, u32::from(kind.status().as_u16()), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_fault_reads_as_one_line() {
        let fault = Fault::new(FaultKind::Refused).at(&"o.test:80".into()).because("os error 111");
        assert_eq!(fault.to_string(), "connection refused at o.test:80: os error 111");
    }
}
