//! Which of the fields that control caching counts for us (RFC 9213 section 2.2).

use http::HeaderName;
use http::header::{EXPIRES, HeaderMap};
use serde::{Deserialize, Serialize};

use super::tags;
use crate::header::cache_control::Directives;
use crate::header::date::{self, Date};
use crate::header::{surrogate_control, targeted};

/// The fields, in the order in which we look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlField {
    /// `Brink-Cache-Control`.
    Own,
    /// `CDN-Cache-Control`.
    Cdn,
    /// `Surrogate-Control`.
    Surrogate,
    /// `Cache-Control`, and with it `Expires`.
    CacheControl,
}

impl ControlField {
    /// The field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            ControlField::Own => "Brink-Cache-Control",
            ControlField::Cdn => "CDN-Cache-Control",
            ControlField::Surrogate => "Surrogate-Control",
            ControlField::CacheControl => "Cache-Control",
        }
    }
}

/// What the origin says to this cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where it says so.
    pub field: ControlField,
    /// What it says.
    pub directives: Directives,
    /// `Expires`; absent when a targeted field counts, because that one alone decides.
    pub expires: Date,
}

impl Control {
    /// Chooses the field: the first targeted one that is valid and not empty, else `Cache-Control`
    /// and `Expires`. `headers` must still have the fields that clients do not see.
    pub fn of(headers: &HeaderMap) -> Self {
        let targeted = targeted::parse(headers, &targeted::OWN)
            .map(|found| (ControlField::Own, found))
            .or_else(|| Some((ControlField::Cdn, targeted::parse(headers, &targeted::CDN)?)))
            .or_else(|| {
                let found = surrogate_control::parse(headers, super::DEVICE)?;
                Some((ControlField::Surrogate, found))
            });
        match targeted {
            Some((field, directives)) => Control { field, directives, expires: Date::Absent },
            None => Control {
                field: ControlField::CacheControl,
                directives: Directives::parse(headers),
                expires: date::field(headers, EXPIRES),
            },
        }
    }
}

/// Moves the fields that are meant for us alone out of `headers`: `Brink-Cache-Control`,
/// `Surrogate-Control` and tags. Clients never see them; a later 304 may still need them.
pub fn hide(headers: &mut HeaderMap) -> HeaderMap {
    const OURS: [HeaderName; 2] = [targeted::OWN, surrogate_control::SURROGATE_CONTROL];
    let mut hidden = HeaderMap::new();
    if headers.keys().any(|name| OURS.contains(name) || tags::FIELDS.contains(name)) {
        for name in OURS.into_iter().chain(tags::FIELDS) {
            super::storable::move_field(headers, &mut hidden, &name);
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::cache_control::Delta;
    use http::HeaderValue;

    fn choose(fields: &[(&'static str, &'static str)]) -> (ControlField, Option<u64>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let control = Control::of(&headers);
        (control.field, control.directives.max_age.map(Delta::seconds))
    }

    #[test]
    fn the_first_valid_field_counts() {
        const OWN: &str = "brink-cache-control";
        const CDN: &str = "cdn-cache-control";
        const SURROGATE: &str = "surrogate-control";
        let plain = ("cache-control", "max-age=1");
        for (fields, expected) in [
            (&[plain][..], (ControlField::CacheControl, Some(1))),
            (&[plain, (SURROGATE, "max-age=2")], (ControlField::Surrogate, Some(2))),
            (&[plain, (SURROGATE, "max-age=2"), (CDN, "max-age=3")], (ControlField::Cdn, Some(3))),
            (&[plain, (CDN, "max-age=3"), (OWN, "max-age=4")], (ControlField::Own, Some(4))),
            (&[plain, (CDN, "foo")], (ControlField::Cdn, None)),
            (&[plain, (CDN, "")], (ControlField::CacheControl, Some(1))),
            (&[plain, (CDN, "max-age=10000, &&&&&")], (ControlField::CacheControl, Some(1))),
            (&[plain, (CDN, "max-age=\"3\""), (OWN, "(")], (ControlField::CacheControl, Some(1))),
            (&[plain, (SURROGATE, "max-age=9;other")], (ControlField::CacheControl, Some(1))),
        ] {
            assert_eq!(choose(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn targeted_fields_silence_expires_and_own_ones_are_hidden() {
        let mut headers = HeaderMap::new();
        headers.insert(EXPIRES, HeaderValue::from_static("0"));
        assert_eq!(Control::of(&headers).expires, Date::Invalid);
        headers.insert(targeted::CDN, HeaderValue::from_static("max-age=3600"));
        headers.insert(targeted::OWN, HeaderValue::from_static("max-age=60"));
        assert_eq!(Control::of(&headers).expires, Date::Absent);
        let hidden = hide(&mut headers);
        assert_eq!((hidden.len(), headers.len()), (1, 2));
        assert!(headers.contains_key(targeted::CDN), "passed on to the next cache");
    }
}
