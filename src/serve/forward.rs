//! The request that goes to the origin: the client's, made safe to pass on.
//!
//! Hop-by-hop fields end here (RFC 9110 section 7.6.1). What a client says about who forwarded its
//! request is replaced by what we know, since an origin would believe it, and an answer that reflects
//! it could be stored for everyone.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::header::{cdn_loop, forwarded, hop_by_hop, request_id, via};
use crate::serve::Serve;

/// Fields that make some origins answer another request than the one in the cache key.
const OVERRIDING: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Who asked, and by which name and scheme.
pub struct Asker<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The host that it named.
    pub host: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The request's id.
    pub request_id: &'a HeaderValue,
}

/// The fields of the origin's request, made from the client's.
pub fn request_headers(serve: &Serve, head: &Parts, asker: &Asker<'_>) -> HeaderMap {
    let mut headers = head.headers.clone();
    // gRPC clients say that they understand trailers; that stays true of us.
    let trailers = headers.get(header::TE).is_some_and(|te| te == "trailers");
    hop_by_hop::strip(&mut headers);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    forwarded::strip(&mut headers);
    if matches!(head.method, Method::GET | Method::HEAD) {
        for name in OVERRIDING {
            headers.remove(name);
        }
    }
    // The edge answers Expect itself, by reading the body when the origin wants it.
    headers.remove(header::EXPECT);
    headers.remove(header::HOST);
    name_the_client(&mut headers, asker);
    via::append(&mut headers, head.version, &serve.name);
    cdn_loop::append(&mut headers, &serve.cdn_id);
    headers.insert(request_id::X_REQUEST_ID, asker.request_id.clone());
    headers
}

/// F18: the client's address in each form that origins look for, and RFC 7239's.
fn name_the_client(headers: &mut HeaderMap, asker: &Asker<'_>) {
    if let Ok(client) = HeaderValue::try_from(asker.client.to_string()) {
        headers.insert(HeaderName::from_static("x-forwarded-for"), client.clone());
        headers.insert(HeaderName::from_static("x-real-ip"), client.clone());
        headers.insert(HeaderName::from_static("client-ip"), client);
    }
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(asker.scheme));
    if let Ok(host) = HeaderValue::try_from(asker.host) {
        headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    }
    if let Some(value) = forwarded::element(asker.client, asker.host, asker.scheme) {
        headers.insert(header::FORWARDED, value);
    }
}
