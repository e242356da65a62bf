//! What the tests of the store share.

mod bodies;
mod keeping;
mod survey;
mod tiers;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::*;
use crate::cache::{self, Policy};
use crate::quantity::{Size, Span};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn settings(memory: u64) -> Settings {
    Settings {
        memory: Size(memory),
        max_object: Size(memory),
        stream_buffer: Size(8 * KIB),
        stall_timeout: Span::millis(200),
        ..Settings::default()
    }
}

fn store_of(memory: u64) -> (Arc<Store>, Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    (Store::new(settings(memory), clock.clone()), clock)
}

fn incoming<'a>(key: &'a Key, headers: &'a HeaderMap, stored: Stored) -> Incoming<'a> {
    let doom = Doom::default();
    Incoming { key, request_headers: headers, stored, part: None, max_variants: 4, doom }
}

/// Byte `at` of every body in these tests.
fn byte(at: u64) -> u8 {
    (at.wrapping_mul(31) >> 3) as u8
}

fn bytes(range: Range<u64>) -> Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..8 * MIB).map(byte).collect());
    pattern.slice(range.start as usize..range.end as usize)
}

/// Runs a write that must not wait.
fn write(writer: &mut Writer, bytes: Bytes) -> Result<(), Cut> {
    at_once(writer.write(bytes))
}

/// Ends a body that need not wait for a disk.
fn finish(writer: Writer) -> Result<bool, Cut> {
    at_once(writer.finish())
}

fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn fill(store: &Arc<Store>, key: &Key, size: u64) -> Arc<Entry> {
    let headers = HeaderMap::new();
    let (_, mut writer) = store.insert(incoming(key, &headers, stored(Some(size))));
    write(&mut writer, bytes(0..size)).unwrap();
    assert!(finish(writer).unwrap());
    match store.peek(key, &headers) {
        Lookup::Found(entry) => entry,
        other => panic!("{other:?}"),
    }
}

fn found(store: &Store, key: &Key) -> Option<Arc<Entry>> {
    match store.get(key, &HeaderMap::new()) {
        Lookup::Found(entry) => Some(entry),
        _ => None,
    }
}

/// Reads until the reader would wait.
fn read_ready(reader: &mut Reader) -> (Vec<u8>, Option<Result<(), Cut>>) {
    let mut read = Vec::new();
    loop {
        match reader.poll_chunk(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(chunk))) => read.extend_from_slice(&chunk),
            Poll::Ready(Some(Err(cut))) => return (read, Some(Err(cut))),
            Poll::Ready(None) => return (read, Some(Ok(()))),
            Poll::Pending => return (read, None),
        }
    }
}

async fn read_all(mut reader: Reader) -> (u64, Result<(), Cut>) {
    let mut at = 0;
    loop {
        match poll_fn(|context| reader.poll_chunk(context)).await {
            Some(Ok(chunk)) => {
                assert_eq!(chunk, bytes(at..at + chunk.len() as u64));
                at += chunk.len() as u64;
            }
            Some(Err(cut)) => return (at, Err(cut)),
            None => return (at, Ok(())),
        }
    }
}

fn key(path: &str) -> Key {
    let headers = HeaderMap::new();
    cache::key(&Policy::default(), 1, &request(path, &headers))
}

fn request<'a>(path: &'a str, headers: &'a HeaderMap) -> cache::Request<'a> {
    let method = &http::Method::GET;
    cache::Request {
        method,
        scheme: "http",
        host: "h",
        path,
        query: None,
        headers,
        present: crate::header::present::Present::of(headers),
    }
}

/// A response with these fields.
fn response(fields: &[(&'static str, &'static str)], total: Option<u64>) -> Stored {
    let mut headers =
        HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let none = HeaderMap::new();
    let asked = request("/", &none);
    let now = Timestamp::from_seconds(1_000_000);
    let storing =
        cache::storable(&Policy::default(), &asked, StatusCode::OK, &headers, now, now).unwrap();
    // As the store gives them: never the same twice.
    Stored { total, ..storing.into_stored(fastrand::u64(..)) }
}

fn stored(total: Option<u64>) -> Stored {
    response(&[], total)
}

fn stored_with_vary(total: u64) -> Stored {
    response(&[("vary", "x-kind")], Some(total))
}
