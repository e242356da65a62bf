//! An HTTP/2 client over hyper, for TLS (by ALPN) and for prior knowledge.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::Authority;
use super::wire::Stream;

/// One connection; clones share it.
#[derive(Clone, Debug)]
pub struct Http2 {
    scheme: &'static str,
    sender: SendRequest<Full<Bytes>>,
}

/// A whole response.
#[derive(Debug)]
pub struct Answer2 {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Answer2 {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Whether the request was never looked at, so that it may be sent elsewhere (RFC 9113 section 8.7).
pub fn unsent(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<h2::Error>());
    let refused = cause.is_some_and(|it| {
        let reason = it.reason();
        (it.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
            || reason == Some(h2::Reason::REFUSED_STREAM)
    });
    refused || error.is_canceled() || error.is_closed()
}

impl Http2 {
    /// Connects over TLS and fails the test unless the edge chooses `h2`.
    pub async fn tls(address: SocketAddr, name: &str, authority: &Authority) -> Http2 {
        Http2::attempt(address, name, authority).await.unwrap()
    }

    /// Connects over TLS if somebody listens.
    pub async fn attempt(
        address: SocketAddr,
        name: &str,
        authority: &Authority,
    ) -> std::io::Result<Http2> {
        let stream = authority.connect(address, name, &["h2", "http/1.1"]).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        Ok(Http2::over(stream, "https").await)
    }

    /// Connects in plain text, with prior knowledge (RFC 9113 section 3.3).
    pub async fn plain(address: SocketAddr) -> Http2 {
        Http2::over(TcpStream::connect(address).await.unwrap(), "http").await
    }

    async fn over(stream: impl Stream + 'static, scheme: &'static str) -> Http2 {
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Http2 { scheme, sender }
    }

    pub async fn get(&self, host: &str, target: &str) -> hyper::Result<Answer2> {
        self.send(self.request("GET", host, target, b"")).await
    }

    pub fn request(
        &self,
        method: &str,
        host: &str,
        target: &str,
        body: &[u8],
    ) -> Request<Full<Bytes>> {
        let uri = format!("{}://{host}{target}", self.scheme);
        let body = Full::new(Bytes::copy_from_slice(body));
        Request::builder().method(method).uri(uri).body(body).unwrap()
    }

    /// Sends it and reads the whole answer; an error is the stream's or the connection's.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> hyper::Result<Answer2> {
        let mut sender = self.sender.clone();
        sender.ready().await?;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok(Answer2 {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
            trailers,
        })
    }
}
