//! Variants: what `Vary` makes part of the key, with values normalised so that requests which want
//! the same are the same (RFC 9111 section 4.1).

use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, ORIGIN, REFERER, USER_AGENT,
};
use http::{HeaderMap, HeaderName};

use super::policy::Policy;
use super::verdict::Reason;
use crate::header::vary::Vary;
use crate::header::{accept_encoding, accept_language, forwarded, list};

/// The request fields that select among the variants of a URL: never empty, sorted, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarySpec(Arc<[HeaderName]>);

impl VarySpec {
    /// A spec of these names; `None` when there are none.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Option<Self> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        (!names.is_empty()).then(|| VarySpec(names.into()))
    }

    /// The names.
    pub fn names(&self) -> &[HeaderName] {
        &self.0
    }

    /// Whether variants differ by language.
    pub fn by_language(&self) -> bool {
        self.0.contains(&ACCEPT_LANGUAGE)
    }

    /// Whether two requests select the same variant.
    pub fn same(&self, one: &HeaderMap, two: &HeaderMap) -> bool {
        self.0.iter().all(|name| {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            write(&mut first, name, one);
            write(&mut second, name, two);
            first == second
        })
    }
}

/// What `Vary` of a response makes part of the key.
///
/// # Errors
/// The reason not to store: `*`, a field that the site does not allow, or one that tells the origin
/// who the client is.
pub fn spec(policy: &Policy, response: &HeaderMap) -> Result<Option<VarySpec>, Reason> {
    let names = match crate::header::vary::parse(response) {
        Vary::Nothing => return Ok(None),
        Vary::Anything => return Err(Reason::VaryAny),
        Vary::Names(names) => names,
    };
    let names: Vec<_> =
        names.into_iter().filter(|name| !policy.vary_ignore.contains(name)).collect();
    let allowed = |name: &HeaderName| {
        let listed = policy.vary_allow.is_empty() || policy.vary_allow.contains(name);
        listed && !forwarded::CLIENT.contains(name)
    };
    match names.iter().all(allowed) {
        true => Ok(VarySpec::new(names)),
        false => Err(Reason::VaryRefused),
    }
}

/// Appends the normalised value of a request field. Values that are equal here select the same
/// variant; nothing is hashed away.
///
/// An absent field is a byte that no value can hold. Unknown fields are taken to be lists: lines
/// are joined and whitespace around commas outside quotes goes ("adding or removing whitespace,
/// where allowed" and "combining multiple header field lines"). Fields that are known not to be
/// lists keep their bytes.
pub(super) fn write(buffer: &mut Vec<u8>, name: &HeaderName, headers: &HeaderMap) {
    if !headers.contains_key(name) {
        buffer.push(1);
    } else if *name == ACCEPT_ENCODING {
        let accepted = accept_encoding::Accepted::parse(headers).unwrap_or_default();
        buffer.extend_from_slice(accepted.as_str().as_bytes());
    } else if *name == ACCEPT_LANGUAGE {
        for (tag, quality) in accept_language::wishes(headers) {
            buffer.extend_from_slice(tag.as_bytes());
            buffer.push(b';');
            buffer.extend_from_slice(quality.to_string().as_bytes());
            buffer.push(b',');
        }
    } else if [AUTHORIZATION, COOKIE, ORIGIN, REFERER, USER_AGENT].contains(name) {
        for line in headers.get_all(name) {
            buffer.extend_from_slice(list::trim(line.as_bytes()));
            buffer.push(0);
        }
    } else {
        for line in headers.get_all(name) {
            for member in list::members(line.as_bytes()) {
                buffer.extend_from_slice(member);
                buffer.push(b',');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;
    use http::HeaderValue;
    use http::header::VARY;

    fn fields(name: &HeaderName, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_static(line));
        }
        headers
    }

    fn same(name: &'static str, one: &[&'static str], two: &[&'static str]) -> bool {
        let name = HeaderName::from_static(name);
        let spec = VarySpec::new([name.clone()]).unwrap();
        spec.same(&fields(&name, one), &fields(&name, two))
    }

    #[test]
    fn equal_wishes_select_the_same_variant() {
        for (name, one, two) in [
            ("foo", &["1, 2"][..], &["1", "2"][..]),
            ("foo", &["1,2"], &[" 1, 2 "]),
            ("foo", &[], &[]),
            ("accept-language", &["en, de"], &["de, en"]),
            ("accept-language", &["en, de"], &["eN, De"]),
            ("accept-language", &["en, de"], &[" en ,   de"]),
            ("accept-encoding", &["gzip, deflate, br"], &["br;q=1.0, gzip"]),
        ] {
            assert!(same(name, one, two), "{name} {one:?} {two:?}");
        }
    }

    #[test]
    fn different_wishes_do_not() {
        for (name, one, two) in [
            ("foo", &["1"][..], &["2"][..]),
            ("foo", &["1"], &[]),
            ("foo", &[""], &[]),
            ("foo", &["a"], &["A"]),
            ("foo", &["1 2"], &["12"]),
            ("foo", &["\"1, 2\""], &["\"1,2\""]),
            ("user-agent", &["a (b, c)"], &["a (b,c)"]),
            ("cookie", &["a=1"], &["a=2"]),
            ("accept-encoding", &["gzip"], &["br"]),
            ("accept-encoding", &[], &["identity"]),
            ("accept-language", &["en;q=0.5, de"], &["en, de"]),
        ] {
            assert!(!same(name, one, two), "{name} {one:?} {two:?}");
        }
    }

    #[test]
    fn the_site_limits_vary() {
        let policy = Policy::new(&Settings {
            vary_allow: vec!["accept-encoding".into()],
            vary_ignore: vec!["User-Agent".into()],
            ..Settings::default()
        });
        let read = |line: &'static str| spec(&policy, &fields(&VARY, &[line]));
        assert_eq!(read("*"), Err(Reason::VaryAny));
        assert_eq!(read("Cookie"), Err(Reason::VaryRefused));
        assert_eq!(read("User-Agent"), Ok(None));
        assert_eq!(read("User-Agent, Accept-Encoding"), Ok(VarySpec::new([ACCEPT_ENCODING])));
        assert_eq!(spec(&Policy::default(), &HeaderMap::new()), Ok(None));
    }
}
