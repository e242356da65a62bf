//! The request that goes to the origin: the client's, made safe to pass on.
//!
//! Hop-by-hop fields end here (RFC 9110 section 7.6.1). What a client says about who forwarded its
//! request is replaced by what we know, since an origin would believe it, and an answer that reflects
//! it could be stored for everyone.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

use crate::cache;
use crate::header::forwarded::Client;
use crate::header::{
    accept_encoding, cdn_loop, forwarded, hop_by_hop, request_id, surrogate_control, via,
};
use crate::serve::Serve;
use crate::serve::exchange::Exchange;
use crate::serve::plan::Asked;
use crate::serve::rules;
use crate::upstream::{self, Outbound, Upload};

/// Fields that make some origins answer another method than the one that the cache knows.
const OVERRIDING: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// Most fields that are added to the client's.
const ADDED: usize = 12;

/// What says that we understand `Surrogate-Control`.
static CAPABILITY: LazyLock<Option<HeaderValue>> =
    LazyLock::new(|| surrogate_control::capability(cache::DEVICE));

/// The fields of the origin's request, made from the client's.
fn request_headers(serve: &Serve, exchange: &Exchange, asked: &Asked) -> HeaderMap {
    let head = &asked.head;
    // What `Connection` names is gone already.
    let safe = matches!(head.method, Method::GET | Method::HEAD);
    let mut headers = HeaderMap::with_capacity(head.headers.len() + ADDED);
    for (name, value) in &head.headers {
        if passes(name, safe) {
            headers.append(name, value.clone());
        }
    }
    // gRPC clients say that they understand trailers; that stays true of us.
    if head.headers.get(header::TE).is_some_and(|te| te == "trailers") {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if asked.policy().enabled {
        // Variants differ by the codings that we know, so the origin must not choose another one.
        accept_encoding::reduce(&mut headers);
    }
    if let Some(capability) = &*CAPABILITY {
        headers.append(surrogate_control::SURROGATE_CAPABILITY, capability.clone());
    }
    let (identity, scheme) = (&asked.identity, asked.identity.scheme.as_str());
    headers.insert(forwarded::X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    if exchange.inner.is_none() {
        let client = exchange.connection.peer.ip();
        name_the_client(&mut headers, client, identity.authority.as_str(), scheme);
    }
    match &serve.via {
        Some(value) if head.version == Version::HTTP_11 => {
            headers.append(header::VIA, value.clone());
        }
        _ => via::append(&mut headers, head.version, &serve.name),
    }
    cdn_loop::append(&mut headers, &serve.name);
    headers.insert(request_id::X_REQUEST_ID, exchange.request_id.clone());
    headers
}

/// Whether a client's field goes on to the origin. `Expect` does not: the edge answers it itself, by
/// reading the body when the origin wants it.
fn passes(name: &HeaderName, safe: bool) -> bool {
    let ends_here = hop_by_hop::is_known(name)
        || matches!(name.as_str(), "host" | "expect")
        || forwarded::is_claim(name.as_str())
        || safe && OVERRIDING.contains(&name.as_str());
    !ends_here
}

/// F18: the client's address in each form that origins look for, and RFC 7239's.
fn name_the_client(headers: &mut HeaderMap, client: IpAddr, host: &str, scheme: &'static str) {
    let Some(client) = Client::new(client, host, scheme) else { return };
    for name in forwarded::ADDRESS {
        headers.insert(name, client.address.clone());
    }
    if let Some(host) = client.host {
        headers.insert(forwarded::X_FORWARDED_HOST, host);
    }
    headers.insert(header::FORWARDED, client.element);
}

/// The request for the origin.
pub fn outbound(serve: &Serve, exchange: &Exchange, asked: &Asked, body: Upload) -> Outbound {
    let interim = exchange.connection.interim();
    let (mut path, mut headers) = (asked.target.clone(), request_headers(serve, exchange, asked));
    rules::on_origin_request(exchange, &mut path, &mut headers);
    Outbound {
        method: asked.head.method.clone(),
        scheme: asked.identity.scheme,
        host: asked.identity.authority.clone(),
        path,
        headers,
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
