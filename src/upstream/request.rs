//! One request on its way out: what is kept to send it again, and the form each protocol wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Parts, PathAndQuery, Scheme as UriScheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::fault::{Fault, FaultKind};
use super::target::{HostValue, Scheme};
use super::upload::{Upload, UploadBody};

/// Interim responses of one request that are passed on; an origin that sends more is ignored.
const MOST_INTERIM: u32 = 16;

/// Called with each interim response (1xx but 100 and 101) of an HTTP/1.1 origin, as it arrives.
pub type Interim = Arc<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

/// A request for an origin.
pub struct Outbound {
    /// The method.
    pub method: Method,
    /// What the client spoke; decides where the site says `protocol = "follow"`.
    pub scheme: Scheme,
    /// The host as the client named it; goes out as `Host` unless the site sets another.
    pub host: Authority,
    /// The path and query as they are to be sent.
    pub path: PathAndQuery,
    /// The end-to-end fields, complete. Fields of framing, `Connection`, `Expect`, `Upgrade` and
    /// `Host` are removed or replaced here; `TE` stays only as `trailers`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Upload,
    /// Most bytes of body; more is a fault with status 413.
    pub body_limit: u64,
    /// Takes interim responses.
    pub on_interim: Option<Interim>,
    /// The value of `Upgrade`, if the client wants another protocol on this connection.
    pub upgrade: Option<HeaderValue>,
}

/// An [`Outbound`] while it is tried: it survives attempts as long as it can be sent again.
pub(crate) struct Order {
    pub method: Method,
    pub scheme: Scheme,
    pub path: PathAndQuery,
    pub headers: HeaderMap,
    pub upload: Upload,
    pub limit: u64,
    pub on_interim: Option<Interim>,
    pub upgrade: Option<HeaderValue>,
    /// Whether a copy must be kept for another attempt or a redirect.
    keeps: bool,
    /// Whether it still has all that it takes to be sent.
    pub whole: bool,
}

impl Order {
    /// Takes a request in and makes its framing ours.
    pub fn new(outbound: Outbound) -> Result<(Self, Authority), Fault> {
        let Outbound { method, scheme, host, path, mut headers, body, .. } = outbound;
        if body.length().is_some_and(|length| length > outbound.body_limit) {
            return Err(Fault::new(FaultKind::UploadTooLarge));
        }
        for name in [&CONNECTION, &CONTENT_LENGTH, &TRANSFER_ENCODING, &EXPECT, &UPGRADE] {
            headers.remove(name);
        }
        if headers.get(TE).is_some_and(|value| value.as_bytes() != b"trailers") {
            headers.remove(TE);
        }
        let upload = if body.is_empty() { Upload::Empty } else { body };
        let keeps = method.is_idempotent() && upload.again().is_some();
        let order = Order {
            method,
            scheme,
            path,
            headers,
            upload,
            limit: outbound.body_limit,
            on_interim: outbound.on_interim,
            upgrade: outbound.upgrade,
            keeps,
            whole: true,
        };
        Ok((order, host))
    }

    /// Whether it may be sent again after an origin may have seen it: RFC 9110 section 9.2.2
    /// forbids that for methods that are not idempotent.
    pub fn may_repeat(&self) -> bool {
        self.keeps
    }

    /// Whether redirects may be followed for it.
    pub fn may_follow(&self) -> bool {
        let safe = self.method == Method::GET || self.method == Method::HEAD;
        safe && matches!(self.upload, Upload::Empty) && self.upgrade.is_none()
    }

    /// Whether a backup may be asked after others failed: not for POST, nor with a body (F11).
    pub fn may_back_up(&self) -> bool {
        self.method != Method::POST && matches!(self.upload, Upload::Empty)
    }

    /// The request in the form of HTTP/1.1 or HTTP/2.
    pub fn request(
        &mut self,
        scheme: Scheme,
        host: &HostValue,
        http2: bool,
    ) -> Request<UploadBody> {
        self.whole = self.keeps;
        let (headers, upload) = match self.upload.again() {
            Some(upload) if self.keeps => (self.headers.clone(), upload),
            _ => (std::mem::take(&mut self.headers), std::mem::take(&mut self.upload)),
        };
        let mut request = Request::new(UploadBody::new(upload, self.limit));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = headers;
        if http2 {
            *request.uri_mut() = absolute(scheme, &host.authority, &self.path);
            *request.version_mut() = http::Version::HTTP_2;
            request.headers_mut().remove(HOST);
        } else {
            *request.uri_mut() = Uri::from(self.path.clone());
            request.headers_mut().insert(HOST, host.field.clone());
            self.frame_http1(&mut request);
            self.listen_for_interim(&mut request);
        }
        request
    }

    /// The connection options and framing of HTTP/1.1. A length that is known hyper writes itself.
    fn frame_http1(&self, request: &mut Request<UploadBody>) {
        let length = http_body::Body::size_hint(request.body()).exact();
        let headers = request.headers_mut();
        if let Some(protocol) = &self.upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, protocol.clone());
        } else if headers.contains_key(TE) {
            headers.insert(CONNECTION, HeaderValue::from_static("te"));
        }
        match length {
            // hyper would send no body with GET or HEAD unless told so.
            None => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            // RFC 9110 section 8.6: a method that anticipates content says so when there is none.
            Some(0) if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Some(_) => {}
        }
    }

    fn listen_for_interim(&self, request: &mut Request<UploadBody>) {
        let Some(interim) = self.on_interim.clone() else { return };
        let seen = AtomicU32::new(0);
        hyper::ext::on_informational(request, move |response| {
            // 100 answers an Expect that we never send (RFC 9110 section 15.2).
            let passes = response.status() != StatusCode::CONTINUE
                && seen.fetch_add(1, Ordering::Relaxed) < MOST_INTERIM;
            if passes {
                interim(response.status(), response.headers());
            }
        });
    }

    /// Takes back a request that never left.
    pub fn restore(&mut self, request: Request<UploadBody>) {
        if !self.keeps {
            let (head, body) = request.into_parts();
            self.headers = head.headers;
            // Set anew when it is framed for the next connection.
            for name in [&CONNECTION, &CONTENT_LENGTH, &TRANSFER_ENCODING, &UPGRADE] {
                self.headers.remove(name);
            }
            self.upload = body.into_upload();
            self.whole = true;
        }
    }
}

fn absolute(scheme: Scheme, authority: &Authority, path: &PathAndQuery) -> Uri {
    let mut parts = Parts::default();
    parts.scheme = Some(match scheme {
        Scheme::Http => UriScheme::HTTP,
        Scheme::Https => UriScheme::HTTPS,
    });
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(path.clone());
    // All three are there, so that it cannot fail; a path alone would be refused by the origin.
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from(path.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn outbound(method: Method, body: Upload) -> Outbound {
        Outbound {
            method,
            scheme: Scheme::Http,
            host: Authority::from_static("www.example"),
            path: PathAndQuery::from_static("/a?b"),
            headers: HeaderMap::new(),
            body,
            body_limit: 10,
            on_interim: None,
            upgrade: None,
        }
    }

    fn host() -> HostValue {
        HostValue::new(Authority::from_static("o.example")).unwrap()
    }

    #[test]
    fn framing_fields_of_the_client_never_reach_the_origin() {
        let mut given = outbound(Method::GET, Upload::Empty);
        for name in ["connection", "content-length", "transfer-encoding", "expect", "upgrade", "te"]
        {
            given.headers.insert(name, HeaderValue::from_static("5"));
        }
        let (mut order, _) = Order::new(given).unwrap();
        let request = order.request(Scheme::Http, &host(), false);
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()[HOST], "o.example");
        assert_eq!(request.uri().to_string(), "/a?b");
    }

    #[test]
    fn http2_gets_an_authority_and_no_host() {
        let mut given = outbound(Method::GET, Upload::Empty);
        given.headers.insert("te", HeaderValue::from_static("trailers"));
        given.headers.insert("host", HeaderValue::from_static("www.example"));
        let (mut order, _) = Order::new(given).unwrap();
        let request = order.request(Scheme::Https, &host(), true);
        assert_eq!(request.uri().to_string(), "https://o.example/a?b");
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()[TE], "trailers");
        let request = order.request(Scheme::Http, &host(), false);
        assert_eq!(request.headers()[CONNECTION], "te");
    }

    #[test]
    fn a_body_known_to_be_too_large_is_refused_before_anything_is_sent() {
        let body = Upload::Whole(Bytes::from_static(b"12345678901"));
        let fault = Order::new(outbound(Method::PUT, body)).err().unwrap();
        assert_eq!(fault.kind, FaultKind::UploadTooLarge);
    }

    #[test]
    fn what_cannot_be_repeated_is_handed_out_once_and_can_be_taken_back() {
        let body = || Upload::Whole(Bytes::from_static(b"x"));
        let (order, _) = Order::new(outbound(Method::PUT, body())).unwrap();
        assert!(order.may_repeat());
        let (mut order, _) = Order::new(outbound(Method::POST, body())).unwrap();
        assert!(!order.may_repeat());
        let request = order.request(Scheme::Http, &host(), false);
        assert!(!order.whole);
        order.restore(request);
        assert!(order.whole && order.upload.length() == Some(1));
    }
}
