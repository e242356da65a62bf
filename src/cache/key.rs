//! Cache keys: who asks for what, as one text that two different questions never share.
//!
//! A key's text is a row of parts, each a tag, a length and bytes, so no part can run into the next
//! whatever it holds:
//! ```text
//! S site u32 | P scheme or nothing | H host | / path | ? query | h name v value | c name v value |
//! d device | o origin | i image (what is made of it) | r text (one per rule of the customer that adds to the key) |
//! V name v value (one per field that Vary names)
//! ```
//! The host is lower-case, without the scheme's own port and without a trailing dot. Path and query
//! are what goes upstream, byte for byte.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use super::device::Device;
use super::policy::Policy;
use super::vary::{self, VarySpec};
use super::{Request, query, tags};
use crate::header::cookie;
use crate::header::no_vary_search::NoVarySearch;

/// Hashes are seeded once per process, so that nobody can choose URLs that collide.
static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

/// What an object is stored under. Comparing compares the whole text.
#[derive(Clone)]
pub struct Key {
    hash: u64,
    text: Arc<[u8]>,
}

/// A key to look up by and not to keep: cheaper to make, for its text is written once.
pub struct Question {
    hash: u64,
    text: Vec<u8>,
}

/// A key whose text lies elsewhere.
#[derive(Clone, Copy)]
pub struct KeyRef<'a> {
    hash: u64,
    text: &'a [u8],
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The host, with its port if that is not the scheme's own.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// What of the query counts.
    pub query: Option<&'a str>,
    /// What is made of it, if it is a picture.
    pub picture: Option<&'a str>,
}

/// The key of a request, before `Vary` is known. HEAD has the key of GET.
pub fn key(policy: &Policy, site: u32, request: &Request<'_>) -> Key {
    question(policy, site, request).to_key()
}

/// The same as a [`Question`].
pub fn question(policy: &Policy, site: u32, request: &Request<'_>) -> Question {
    let mut text = Text::begin(policy, site, request);
    text.part(b'/', request.path.as_bytes());
    if let Some(query) = query::keyed(policy, request.query) {
        text.part(b'?', query.as_bytes());
    }
    text.extras(policy, request.headers);
    text.finish()
}

/// The key of a request at a path for which the origin said `No-Vary-Search`. The store remembers
/// the field under [`path_key`]; while it does, both lookups and stores go by this key.
pub fn key_under(policy: &Policy, site: u32, request: &Request<'_>, found: &NoVarySearch) -> Key {
    question_under(policy, site, request, found).to_key()
}

/// The same as a [`Question`].
pub fn question_under(
    policy: &Policy,
    site: u32,
    request: &Request<'_>,
    found: &NoVarySearch,
) -> Question {
    let mut text = Text::begin(policy, site, request);
    text.part(b'/', request.path.as_bytes());
    let keyed = query::keyed(policy, request.query);
    // Its own tag: what is left of a query is not the same question as a query of just that.
    if let Some(left) = keyed.and_then(|query| query::significant(found, &query)) {
        text.part(b'&', left.as_bytes());
    } else {
        text.part(b'&', b"");
    }
    text.extras(policy, request.headers);
    text.finish()
}

/// The key of everything about a path that holds for all its queries.
pub fn path_key(policy: &Policy, site: u32, request: &Request<'_>) -> Key {
    let mut text = Text::begin(policy, site, request);
    text.part(b'.', request.path.as_bytes());
    text.finish().to_key()
}

impl Key {
    /// The key with this text, as [`Key::as_bytes`] gave it in this process or another.
    pub fn of_text(text: &[u8]) -> Key {
        Text(text.to_vec()).finish().to_key()
    }

    /// The key of the variant that a request selects under this URL.
    pub fn variant(&self, spec: &VarySpec, headers: &HeaderMap) -> Key {
        KeyRef::from(self).variant(spec, headers).to_key()
    }

    /// The key under which a variant in `language` can also be found: a request whose favourite
    /// language ([`accept_language::favourite`]) it is need not ask for another one, whatever else
    /// it lists. `None` when the URL does not vary by language.
    ///
    /// [`accept_language::favourite`]: crate::header::accept_language::favourite
    pub fn variant_in(&self, spec: &VarySpec, headers: &HeaderMap, language: &str) -> Option<Key> {
        Some(KeyRef::from(self).variant_in(spec, headers, language)?.to_key())
    }

    /// The hash of the text; the same for equal keys within one process.
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// The whole text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// How many bytes of memory the text takes.
    pub fn weight(&self) -> usize {
        self.text.len() + std::mem::size_of::<[usize; 2]>()
    }

    /// The site.
    pub fn site(&self) -> u32 {
        KeyRef::from(self).site()
    }

    /// The path.
    pub fn path(&self) -> &[u8] {
        self.parts().find(|(tag, _)| matches!(tag, b'/' | b'.')).map_or(b"", |(_, bytes)| bytes)
    }

    /// The host.
    pub fn host(&self) -> &[u8] {
        self.parts().find(|(tag, _)| *tag == b'H').map_or(b"", |(_, bytes)| bytes)
    }

    /// The parts: tag and bytes.
    fn parts(&self) -> impl Iterator<Item = (u8, &[u8])> {
        parts(&self.text)
    }
}

impl Question {
    /// The hash of the text; the same for equal keys within one process.
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// The question for what is made of this, told apart by a tag.
    pub fn derived(&self, tag: &str) -> Question {
        let mut text = Text(self.text.clone());
        text.part(b'i', tag.as_bytes());
        text.finish()
    }

    /// The key, to be kept.
    pub fn to_key(&self) -> Key {
        Key { hash: self.hash, text: Arc::from(&*self.text) }
    }
}

impl<'a> KeyRef<'a> {
    /// The hash of the text; the same for equal keys within one process.
    pub fn hash64(self) -> u64 {
        self.hash
    }

    /// The whole text.
    pub fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// A number for the URL, the same in every process: its site, host, path and query, whatever the
    /// scheme, the fields and the cookies that the key may hold besides. All queries of a path share
    /// one under `No-Vary-Search`.
    pub fn url_hash(self) -> u64 {
        let under = parts(self.text).any(|(tag, _)| tag == b'&');
        if under { self.path_hash() } else { self.hash_of(|tag| tag == b'?') }
    }

    /// Every number that [`KeyRef::url_hash`] may give for this URL, whatever is known of
    /// `No-Vary-Search`.
    pub fn url_hashes(self) -> [u64; 2] {
        [self.hash_of(|tag| tag == b'?'), self.path_hash()]
    }

    fn path_hash(self) -> u64 {
        // The same path without a query is another URL.
        self.hash_of(|_| false) ^ u64::MAX
    }

    fn hash_of(self, more: impl Fn(u8) -> bool) -> u64 {
        let mut digest = Sha256::new();
        for (tag, bytes) in parts(self.text) {
            if matches!(tag, b'S' | b'H' | b'/') || more(tag) {
                digest.update([tag]);
                digest.update((bytes.len() as u32).to_be_bytes());
                digest.update(bytes);
            }
        }
        tags::first_word(digest.finalize().as_slice())
    }

    /// The site.
    pub fn site(self) -> u32 {
        parts(self.text).find(|(tag, _)| *tag == b'S').map_or(0, |(_, bytes)| number(bytes))
    }

    /// What it asks for, in words; none if that is no text.
    pub fn asked(self) -> Option<Asked<'a>> {
        let mut asked = Asked { host: "", path: "", query: None, picture: None };
        for (tag, bytes) in parts(self.text) {
            let text = || std::str::from_utf8(bytes).ok();
            match tag {
                b'H' => asked.host = text()?,
                b'/' | b'.' => asked.path = text()?,
                b'?' | b'&' => asked.query = Some(text()?),
                b'i' => asked.picture = Some(text()?),
                _ => {}
            }
        }
        Some(asked)
    }

    /// Asks for the variant that a request selects under this URL.
    pub fn variant(self, spec: &VarySpec, headers: &HeaderMap) -> Question {
        self.selected(spec, headers, None)
    }

    /// As [`Key::variant_in`].
    pub fn variant_in(
        self,
        spec: &VarySpec,
        headers: &HeaderMap,
        language: &str,
    ) -> Option<Question> {
        spec.by_language().then(|| self.selected(spec, headers, Some(language)))
    }

    fn selected(self, spec: &VarySpec, headers: &HeaderMap, language: Option<&str>) -> Question {
        let mut text = Text(self.text.to_vec());
        for name in spec.names() {
            text.part(b'V', name.as_str().as_bytes());
            match language {
                Some(language) if *name == http::header::ACCEPT_LANGUAGE => {
                    text.part(b'l', language.as_bytes());
                }
                _ => text.sized(b'v', |buffer| vary::write(buffer, name, headers)),
            }
        }
        text.finish()
    }
}

impl<'a> From<&'a Key> for KeyRef<'a> {
    fn from(key: &'a Key) -> Self {
        KeyRef { hash: key.hash, text: &key.text }
    }
}

impl<'a> From<&'a Question> for KeyRef<'a> {
    fn from(question: &'a Question) -> Self {
        KeyRef { hash: question.hash, text: &question.text }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

impl PartialEq<Key> for Question {
    fn eq(&self, other: &Key) -> bool {
        self.hash == other.hash && *self.text == *other.text
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (tag, bytes) in self.parts() {
            let text = String::from_utf8_lossy(bytes);
            match tag {
                b'S' => write!(f, "site {} ", self.site())?,
                b'P' => write!(f, "{}://", if bytes.is_empty() { "any" } else { &*text })?,
                b'H' | b'/' => f.write_str(&text)?,
                b'.' => write!(f, "{text} (path)")?,
                b'?' => write!(f, "?{text}")?,
                b'&' => write!(f, " [query {text}]")?,
                b'h' => write!(f, " [field {text}")?,
                b'c' => write!(f, " [cookie {text}")?,
                b'd' => write!(f, " [device {text}]")?,
                b'i' => write!(f, " [image {text}]")?,
                b'o' => write!(f, " [origin {text}]")?,
                b'r' => write!(f, " [rule {text}]")?,
                b'V' => write!(f, " [vary {text}")?,
                b'v' | b'l' => write!(f, "={text}]")?,
                _ => write!(f, " absent]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

fn parts(text: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (tag, tail) = rest.split_first()?;
        let (length, tail) = tail.split_first_chunk::<4>()?;
        let (bytes, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = tail;
        Some((*tag, bytes))
    })
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}

/// A key's text while it grows.
pub(super) struct Text(Vec<u8>);

/// Room for the tags, and for a short query.
const SPARE: usize = 64;

impl Text {
    fn begin(policy: &Policy, site: u32, request: &Request<'_>) -> Self {
        let length = request.host.len() + request.path.len() + SPARE;
        let mut text = Text(Vec::with_capacity(length));
        text.part(b'S', &site.to_be_bytes());
        let scheme = if policy.separate_schemes { request.scheme } else { "" };
        text.lower(b'P', scheme);
        text.lower(b'H', plain_host(request.host, request.scheme));
        text
    }

    fn extras(&mut self, policy: &Policy, headers: &HeaderMap) {
        for name in &policy.key_headers {
            self.part(b'h', name.as_str().as_bytes());
            self.field(name, headers);
        }
        for name in &policy.key_cookies {
            self.part(b'c', name.as_bytes());
            match cookie::value(headers, name) {
                Some(value) => self.part(b'v', value),
                None => self.part(b'-', b""),
            }
        }
        if policy.key_device {
            self.part(b'd', Device::of(headers).as_str().as_bytes());
        }
        if let Some(origin) = &policy.origin {
            self.part(b'o', origin.as_bytes());
        }
        for text in &policy.key_texts {
            self.part(b'r', text);
        }
    }

    fn field(&mut self, name: &HeaderName, headers: &HeaderMap) {
        if headers.contains_key(name) {
            self.sized(b'v', |buffer| vary::write(buffer, name, headers));
        } else {
            self.part(b'-', b"");
        }
    }

    fn part(&mut self, tag: u8, bytes: &[u8]) {
        // Fields are bounded far below 4 GiB by the listener.
        let [a, b, c, d] = (bytes.len() as u32).to_be_bytes();
        self.0.extend_from_slice(&[tag, a, b, c, d]);
        self.0.extend_from_slice(bytes);
    }

    fn lower(&mut self, tag: u8, text: &str) {
        self.part(tag, text.as_bytes());
        let at = self.0.len() - text.len();
        if let Some(copy) = self.0.get_mut(at..) {
            copy.make_ascii_lowercase();
        }
    }

    /// A part whose length is known only once it is written.
    fn sized(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.part(tag, b"");
        let at = self.0.len();
        write(&mut self.0);
        let length = (self.0.len() - at) as u32;
        if let Some(slot) = self.0.get_mut(at - 4..at) {
            slot.copy_from_slice(&length.to_be_bytes());
        }
    }

    fn finish(self) -> Question {
        let mut hasher = SEED.build_hasher();
        hasher.write(&self.0);
        Question { hash: hasher.finish(), text: self.0 }
    }
}

/// `host` without the port that the scheme has anyway and without a trailing dot.
pub fn plain_host<'a>(host: &'a str, scheme: &str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let host = host.strip_suffix(port).unwrap_or(host);
    match host.rsplit_once(':') {
        // A port that stays: the dot would stand before it, and such a name is left as it is.
        Some((_, port)) if !port.ends_with(']') => host,
        _ => host.strip_suffix('.').unwrap_or(host),
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
