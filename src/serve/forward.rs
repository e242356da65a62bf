//! The request that goes to the origin: the client's, made safe to pass on.
//!
//! Hop-by-hop fields end here (RFC 9110 section 7.6.1). What a client says about who forwarded its
//! request is replaced by what we know, since an origin would believe it, and an answer that reflects
//! it could be stored for everyone.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::cache;
use crate::header::{
    accept_encoding, cdn_loop, forwarded, hop_by_hop, request_id, surrogate_control, via,
};
use crate::serve::Serve;
use crate::serve::exchange::Exchange;
use crate::serve::plan::Asked;
use crate::upstream::{self, Outbound, Upload};

/// Fields that make some origins answer another method than the one that the cache knows.
const OVERRIDING: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// The fields of the origin's request, made from the client's.
fn request_headers(serve: &Serve, exchange: &Exchange, asked: &Asked) -> HeaderMap {
    let head = &asked.head;
    let mut headers = head.headers.clone();
    // gRPC clients say that they understand trailers; that stays true of us.
    let trailers = headers.get(header::TE).is_some_and(|te| te == "trailers");
    hop_by_hop::strip(&mut headers);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    forwarded::strip(&mut headers);
    if asked.site().policy.enabled {
        // Variants differ by the codings that we know, so the origin must not choose another one.
        accept_encoding::reduce(&mut headers);
    }
    if matches!(head.method, Method::GET | Method::HEAD) {
        for name in OVERRIDING {
            headers.remove(name);
        }
    }
    // The edge answers Expect itself, by reading the body when the origin wants it.
    headers.remove(header::EXPECT);
    surrogate_control::announce(&mut headers, cache::DEVICE);
    headers.remove(header::HOST);
    let client = exchange.connection.peer.ip();
    name_the_client(
        &mut headers,
        client,
        asked.identity.authority.as_str(),
        asked.identity.scheme.as_str(),
    );
    via::append(&mut headers, head.version, &serve.name);
    cdn_loop::append(&mut headers, &serve.name);
    headers.insert(request_id::X_REQUEST_ID, exchange.request_id.clone());
    headers
}

/// F18: the client's address in each form that origins look for, and RFC 7239's.
fn name_the_client(headers: &mut HeaderMap, client: IpAddr, host: &str, scheme: &'static str) {
    if let Ok(value) = HeaderValue::try_from(client.to_string()) {
        headers.insert(HeaderName::from_static("x-forwarded-for"), value.clone());
        headers.insert(HeaderName::from_static("x-real-ip"), value.clone());
        headers.insert(HeaderName::from_static("client-ip"), value);
    }
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(scheme));
    if let Ok(host) = HeaderValue::try_from(host) {
        headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    }
    if let Some(value) = forwarded::element(client, host, scheme) {
        headers.insert(header::FORWARDED, value);
    }
}

/// The request for the origin.
pub fn outbound(serve: &Serve, exchange: &Exchange, asked: &Asked, body: Upload) -> Outbound {
    let interim = exchange.connection.interim();
    Outbound {
        method: asked.head.method.clone(),
        scheme: asked.identity.scheme,
        host: asked.identity.authority.clone(),
        path: asked.target.clone(),
        headers: request_headers(serve, exchange, asked),
        body,
        body_limit: asked.site().respond.max_upload.0,
        on_interim: interim.map(|interim| {
            let pass_on: upstream::Interim = Arc::new(move |status, headers: &HeaderMap| {
                let mut headers = headers.clone();
                hop_by_hop::strip(&mut headers);
                // A client that takes none, or is gone, simply does not get it.
                let _ = interim.send(status, &headers);
            });
            pass_on
        }),
        upgrade: asked.wanted_protocol().cloned(),
    }
}
