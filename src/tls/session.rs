//! What a finished handshake tells the requests that follow on the connection.

use std::sync::Arc;

use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConnection};

use super::Certificate;

/// The TLS side of one client connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// The protocol version as logs write it: `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite agreed on.
    pub cipher: Option<CipherSuite>,
    /// The server name that the client asked for, lower case; none if it sent none (RFC 6066).
    pub server_name: Option<Arc<str>>,
    /// The certificate that was chosen for that name. On a resumed session it was not sent again,
    /// but it is still the one that a full handshake would show, so a 421 is judged by it.
    pub certificate: Arc<Certificate>,
    /// Whether HTTP/2 was agreed on by ALPN (RFC 7301).
    pub http2: bool,
    /// Whether the handshake resumed an earlier session. Only a session made under the same server
    /// name is ever resumed (RFC 8446 section 4.2.11).
    pub resumed: bool,
}

impl Session {
    /// Reads the facts of a finished handshake in which `certificate` was chosen.
    pub fn new(connection: &ServerConnection, certificate: Arc<Certificate>) -> Session {
        Session {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            server_name: connection.server_name().map(Arc::from),
            certificate,
            http2: connection.alpn_protocol() == Some(b"h2"),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}
