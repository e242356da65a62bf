//! What the disk holds of a URL: all its variants with their metadata, as one record, and of small
//! bodies the bytes too, so that one read serves a hit. Larger bodies lie apart, a mebibyte a record,
//! so that a 304 rewrites none of them.
//!
//! ```text
//! format u8 | length of the list u32 | list of variants (postcard) | small bodies, one after another
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::entry::Names;
use crate::cache::{Arrival, Key, Lifetimes, Parent, Stored, VarySpec};
use crate::clock::Timestamp;

/// Goes up with every change of what is written, so that an older or newer program's records are
/// misses and never misread.
const FORMAT: u8 = 1;

/// Format and length.
const HEAD: usize = 5;

/// A body up to this size lies beside its metadata.
pub(super) const SMALL: u64 = 32 << 10;

/// All small bodies of a URL together may take so much; the rest lie apart.
const SMALL_TOGETHER: usize = 512 << 10;

/// One variant as it comes back.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) names: Option<Names>,
    pub(super) stored: Stored,
    /// The body, if it lies here.
    pub(super) body: Option<Bytes>,
}

/// One variant to be written.
pub(super) struct Source<'a> {
    pub(super) names: Option<&'a Names>,
    pub(super) stored: Stored,
    /// The body, if it is complete and small.
    pub(super) body: Option<&'a Bytes>,
}

#[derive(Serialize, Deserialize)]
struct Page<'a> {
    /// The key's text, to tell apart URLs whose names on disk are the same.
    #[serde(borrow)]
    key: &'a [u8],
    #[serde(borrow)]
    variants: Vec<Variant<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Variant<'a> {
    status: u16,
    #[serde(borrow)]
    headers: Vec<(&'a str, &'a [u8])>,
    #[serde(borrow)]
    hidden: Vec<(&'a str, &'a [u8])>,
    request_time: Timestamp,
    response_time: Timestamp,
    lifetimes: Lifetimes,
    #[serde(borrow)]
    vary: Vec<&'a str>,
    total: Option<u64>,
    reach: Option<u64>,
    object_id: u64,
    fill_seq: u64,
    #[serde(borrow)]
    parent: Option<(&'a [u8], u64)>,
    rest_until: Option<Timestamp>,
    #[serde(borrow)]
    names: Option<(&'a [u8], Option<&'a [u8]>)>,
    /// Length of the body, if it lies here.
    body: Option<u32>,
}

/// Writes the variants of the URL with this key, the newest first. Says for each whether its body
/// went in. `None` if it cannot be written (nothing that HTTP allows).
pub(super) fn encode(key: &[u8], sources: &[Source<'_>]) -> Option<(Bytes, Vec<bool>)> {
    let mut together = 0;
    let bodies: Vec<Option<&Bytes>> = sources
        .iter()
        .map(|source| {
            let body = source.body.filter(|body| body.len() as u64 <= SMALL)?;
            let fits = together + body.len() <= SMALL_TOGETHER;
            together += if fits { body.len() } else { 0 };
            fits.then_some(body)
        })
        .collect();
    let variants = sources.iter().zip(&bodies).map(|(source, body)| of(source, *body)).collect();
    let list = postcard::to_stdvec(&Page { key, variants }).ok()?;
    let mut page = BytesMut::with_capacity(HEAD + list.len() + together);
    page.put_u8(FORMAT);
    page.put_u32(u32::try_from(list.len()).ok()?);
    page.put_slice(&list);
    bodies.iter().flatten().for_each(|body| page.put_slice(body));
    Some((page.freeze(), bodies.iter().map(Option::is_some).collect()))
}

/// The variants of the URL with this key, the newest first; `None` if this is not a page, or one of
/// another URL. The page comes from a record whose checksum holds, but a program of another version
/// may have written it: whatever the bytes are, nothing breaks.
pub(super) fn decode(key: &[u8], page: &Bytes) -> Option<Vec<Leaf>> {
    let (format, rest) = page.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let list = rest.get(..length).filter(|_| *format == FORMAT)?;
    let (list, left) = postcard::take_from_bytes::<Page<'_>>(list).ok()?;
    let mut bodies = page.slice(HEAD + length..);
    let sound = left.is_empty() && list.key == key;
    sound.then_some(list.variants)?.iter().map(|variant| leaf(variant, &mut bodies)).collect()
}

/// The key of a page, for listings.
pub(super) fn key_of(page: &Bytes) -> Option<Key> {
    let (length, rest) = page.get(1..)?.split_first_chunk::<4>()?;
    let list = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let (list, _) = postcard::take_from_bytes::<Page<'_>>(list).ok()?;
    (*page.first()? == FORMAT).then(|| Key::of_text(list.key))
}

fn of<'a>(source: &'a Source<'_>, body: Option<&Bytes>) -> Variant<'a> {
    let stored = &source.stored;
    Variant {
        status: stored.status.as_u16(),
        headers: fields(&stored.headers),
        hidden: fields(&stored.hidden),
        request_time: stored.request_time,
        response_time: stored.response_time,
        lifetimes: stored.lifetimes,
        vary: stored.vary.iter().flat_map(VarySpec::names).map(HeaderName::as_str).collect(),
        total: stored.total,
        reach: stored.reach,
        object_id: stored.object_id,
        fill_seq: stored.fill_seq,
        parent: stored.parent.as_ref().map(|parent| (parent.key.as_bytes(), parent.object_id)),
        rest_until: stored.rest_until,
        names: source.names.map(Names::texts),
        body: body.map(|body| body.len() as u32),
    }
}

fn leaf(variant: &Variant<'_>, bodies: &mut Bytes) -> Option<Leaf> {
    let body = match variant.body {
        Some(length) if length as usize <= bodies.len() => Some(bodies.split_to(length as usize)),
        Some(_) => return None,
        None => None,
    };
    let (request_time, response_time) = (variant.request_time, variant.response_time);
    let mut lifetimes = variant.lifetimes;
    let arrival = Arrival::of(lifetimes.date, lifetimes.age_value, request_time, response_time);
    lifetimes.apparent_age = arrival.apparent_age;
    lifetimes.response_delay = arrival.response_delay;
    lifetimes.corrected_initial_age = arrival.corrected_initial_age;
    let vary = variant.vary.iter().map(|name| HeaderName::try_from(*name).ok());
    let stored = Stored {
        status: StatusCode::from_u16(variant.status).ok()?,
        headers: header_map(&variant.headers)?,
        hidden: header_map(&variant.hidden)?,
        request_time,
        response_time,
        lifetimes,
        vary: VarySpec::new(vary.collect::<Option<Vec<_>>>()?),
        total: variant.total,
        reach: variant.reach,
        object_id: variant.object_id,
        fill_seq: variant.fill_seq,
        parent: variant.parent.map(|(key, object_id)| Parent { key: Key::of_text(key), object_id }),
        rest_until: variant.rest_until,
    };
    let names = variant.names.map(|(key, by_language)| Names::of_texts(key, by_language));
    Some(Leaf { names, stored, body })
}

fn fields(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

fn header_map(fields: &[(&str, &[u8])]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        headers.append(HeaderName::try_from(*name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::cache::{Allowance, Reason};

    fn sample(headers: &[(u8, String)], object_id: u64, rare: bool) -> Stored {
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(format!("x-{name}")).unwrap();
            fields.append(name, HeaderValue::try_from(value).unwrap());
        }
        let time = Timestamp::from_seconds(1_000_000);
        let arrival =
            Arrival::of(time, Duration::from_secs(3), time, time.plus(Duration::from_millis(70)));
        let window = Duration::from_secs(u64::from(rare) * 9);
        Stored {
            status: StatusCode::NOT_FOUND,
            hidden: fields.clone(),
            headers: fields,
            request_time: time,
            response_time: time.plus(Duration::from_millis(70)),
            lifetimes: Lifetimes {
                source: crate::cache::Source::Rule(7),
                fresh: Duration::from_millis(60_500),
                stale_while_revalidate: Allowance { window, refused: None },
                stale_if_error: Allowance { window, refused: Some(Reason::Uncacheable) },
                stale_refused: rare.then_some(Reason::Partial),
                no_cache: rare,
                immutable: !rare,
                date: time,
                age_value: Duration::from_secs(3),
                apparent_age: arrival.apparent_age,
                response_delay: arrival.response_delay,
                corrected_initial_age: arrival.corrected_initial_age,
            },
            vary: VarySpec::new(rare.then(|| HeaderName::from_static("accept-encoding"))),
            total: Some(object_id),
            reach: rare.then_some(4),
            object_id,
            fill_seq: 77,
            parent: rare.then(|| Parent { key: Key::of_text(b"parent"), object_id: 5 }),
            rest_until: rare.then_some(time),
        }
    }

    fn source<'a>(stored: Stored, names: Option<&'a Names>, body: Option<&'a Bytes>) -> Source<'a> {
        Source { names, stored, body }
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(
            headers in proptest::collection::vec((0u8..6, "[ -~]{0,20}"), 0..12),
            bodies in proptest::collection::vec(proptest::option::of(0usize..50_000), 1..20),
            rare: bool,
        ) {
            let names = Names::of_texts(b"key and more", rare.then_some(&b"key and de"[..]));
            let bodies: Vec<Option<Bytes>> =
                bodies.into_iter().map(|length| Some(vec![7; length?].into())).collect();
            let sources: Vec<_> = bodies
                .iter()
                .enumerate()
                .map(|(n, body)| {
                    let stored = sample(&headers, n as u64, rare);
                    source(stored, rare.then_some(&names), body.as_ref())
                })
                .collect();
            let (page, inside) = encode(b"key", &sources).unwrap();
            prop_assert_eq!(key_of(&page), Some(Key::of_text(b"key")));
            prop_assert!(decode(b"other", &page).is_none());
            let leaves = decode(b"key", &page).unwrap();
            prop_assert_eq!(leaves.len(), sources.len());
            for ((leaf, source), inside) in leaves.iter().zip(&sources).zip(inside) {
                prop_assert_eq!(format!("{:?}", leaf.stored), format!("{:?}", source.stored));
                prop_assert_eq!(leaf.names.as_ref(), source.names);
                prop_assert_eq!(leaf.body.as_ref(), source.body.filter(|_| inside));
                let small = source.body.is_some_and(|body| body.len() as u64 <= SMALL);
                prop_assert!(inside == small || sources.len() > 16);
            }
        }

        #[test]
        fn no_bytes_break_it(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            flip in 0usize..400,
        ) {
            let _ = decode(b"key", &Bytes::from(bytes));
            let body = Bytes::from_static(b"body");
            let (page, _) =
                encode(b"key", &[source(sample(&[(1, "v".into())], 1, true), None, Some(&body))]).unwrap();
            let mut page = page.to_vec();
            let at = flip % page.len();
            page[at] ^= 0x41;
            let _ = decode(b"key", &Bytes::from(page));
        }
    }

    #[test]
    fn the_format_has_not_changed_without_its_number() {
        let body = Bytes::from_static(b"body");
        let names = Names::of_texts(b"k v", None);
        let stored = sample(&[(1, "value".into())], 258, true);
        let (page, _) = encode(b"k", &[source(stored, Some(&names), Some(&body))]).unwrap();
        let hex: String = page.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (FORMAT, hex.as_str()),
            (
                1,
                "010000007b016b0194030103782d310576616c75650103782d310576616c75658094ebdc03c694ebdc0306073c80cab5ee0109000009000113010901008094ebdc03030000000080bbb0210380bbb021010f6163636570742d656e636f64696e67018202010482024d0106706172656e7405018094ebdc0301036b2076000104626f6479"
            ),
            "a new layout needs a new FORMAT"
        );
    }
}
