//! Certificates and the choice between them: which certificate answers a server name, with which
//! protocol versions, and what a finished handshake tells the request.
//!
//! Nothing here reads a file or a socket: certificates come in as bytes, a client's hello as the
//! server name in it, and what goes out is a rustls configuration for `listen` to shake hands with.

mod certificate;
mod session;
mod settings;
mod sni;

pub use certificate::{Certificate, CertificateError};
pub use session::Session;
pub use settings::{MinimumVersion, Settings};
pub use sni::{Choice, Sni};
