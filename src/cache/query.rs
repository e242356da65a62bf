//! Queries: taken apart, thinned out and sorted, so that equal questions get equal keys.
//!
//! What the key holds of the query is what goes upstream, byte for byte, save in `origin-only` mode
//! where the site says that the origin's answer does not depend on it.

use std::borrow::Cow;

use super::policy::Policy;
use super::settings::QueryMode;
use crate::header::no_vary_search::NoVarySearch;

/// One `name=value` of a query, as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The whole text between the `&`s.
    pub text: &'a str,
    /// What stands before the first `=`.
    pub name: &'a str,
    /// What stands after it, if there is one.
    pub value: Option<&'a str>,
}

/// The parameters of a query in their order; empty ones are kept, since the origin sees them too.
pub fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query.split('&').map(|text| match text.split_once('=') {
        Some((name, value)) => Pair { text, name, value: Some(value) },
        None => Pair { text, name: text, value: None },
    })
}

/// Parameters that name a campaign or a click and never change a page (`drop_tracking`).
pub const TRACKING: &[&str] = &[
    "utm_*",
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "gad_source",
    "gad_campaignid",
    "msclkid",
    "yclid",
    "ysclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "li_fat_id",
    "epik",
    "srsltid",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "__hssc",
    "__hstc",
    "__hsfp",
    "hsctatracking",
    "vero_id",
    "vero_conv",
    "oly_anon_id",
    "oly_enc_id",
    "s_kwcid",
    "wickedid",
    "rb_clickid",
    "spm",
    "bd_vid",
    "qhclickid",
];

/// A parameter name, or the beginning of one (`utm_*`), in any letter case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamName {
    text: Box<str>,
    begins: bool,
}

impl ParamName {
    /// Reads `name` or `begin*`.
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(begin) => ParamName { text: begin.into(), begins: true },
            None => ParamName { text: text.into(), begins: false },
        }
    }

    /// Whether `name`, as it stands in a query, is meant.
    pub fn matches(&self, name: &str) -> bool {
        let wanted = self.text.as_bytes();
        match name.as_bytes().get(..wanted.len()) {
            Some(begin) => {
                begin.eq_ignore_ascii_case(wanted) && (self.begins || name.len() == wanted.len())
            }
            None => false,
        }
    }
}

/// The query that goes upstream: without what the site drops, sorted if it says so.
pub fn upstream<'a>(policy: &Policy, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    match policy.query {
        QueryMode::Ignore => None,
        QueryMode::OriginOnly => query.map(Cow::Borrowed),
        QueryMode::Full => thin(policy, query?),
    }
}

/// The query as the key holds it, before `No-Vary-Search`.
pub(super) fn keyed<'a>(policy: &Policy, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    match policy.query {
        QueryMode::Ignore | QueryMode::OriginOnly => None,
        QueryMode::Full => thin(policy, query?),
    }
}

/// What `No-Vary-Search` leaves of a keyed query.
pub(super) fn significant(found: &NoVarySearch, query: &str) -> Option<String> {
    let mut left: Vec<&str> =
        pairs(query).filter(|pair| found.matters(pair.name)).map(|pair| pair.text).collect();
    if found.key_order {
        sort(&mut left);
    }
    (!left.is_empty()).then(|| left.join("&"))
}

fn thin<'a>(policy: &Policy, query: &'a str) -> Option<Cow<'a, str>> {
    let dropped = |pair: &Pair<'_>| policy.dropped.iter().any(|name| name.matches(pair.name));
    let drops = !policy.dropped.is_empty() && pairs(query).any(|pair| dropped(&pair));
    if !drops && !policy.sort_query {
        return Some(Cow::Borrowed(query));
    }
    let mut left: Vec<&str> =
        pairs(query).filter(|pair| !drops || !dropped(pair)).map(|pair| pair.text).collect();
    if policy.sort_query {
        sort(&mut left);
    }
    // A query of nothing but dropped parameters is no query.
    (!left.is_empty()).then(|| Cow::Owned(left.join("&")))
}

/// Sorts by name; parameters of one name keep their order, which may mean something.
fn sort(texts: &mut [&str]) {
    texts.sort_by_key(|text| text.split_once('=').map_or(*text, |(name, _)| name));
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;
    use proptest::prelude::*;

    fn policy(change: impl FnOnce(&mut Settings)) -> Policy {
        let mut settings = Settings::default();
        change(&mut settings);
        Policy::new(&settings)
    }

    #[test]
    fn modes_and_thinning() {
        let full = policy(|_| {});
        let sorted = policy(|s| s.sort_query = true);
        let thinned = policy(|s| {
            s.drop_tracking = true;
            s.drop_params = vec!["session".into(), "x_*".into()];
        });
        let ignore = policy(|s| s.query = QueryMode::Ignore);
        let origin = policy(|s| s.query = QueryMode::OriginOnly);
        for (policy, query, key, sent) in [
            (&full, "c=3&b&utm_a=1", Some("c=3&b&utm_a=1"), Some("c=3&b&utm_a=1")),
            (&full, "", Some(""), Some("")),
            (&sorted, "c=3&b=2&a=1&b=1", Some("a=1&b=2&b=1&c=3"), Some("a=1&b=2&b=1&c=3")),
            (&thinned, "a=1&UTM_x=2&b&session=9&x_1", Some("a=1&b"), Some("a=1&b")),
            (&thinned, "fbclid=1", None, None),
            (&thinned, "fbclids=1", Some("fbclids=1"), Some("fbclids=1")),
            (&ignore, "a=1", None, None),
            (&origin, "a=1", None, Some("a=1")),
        ] {
            assert_eq!(keyed(policy, Some(query)).as_deref(), key, "{query}");
            assert_eq!(upstream(policy, Some(query)).as_deref(), sent, "{query}");
        }
        assert_eq!(keyed(&full, None), None);
    }

    proptest! {
        #[test]
        fn what_is_keyed_is_what_is_sent(query in "[a-c=&%]{0,16}", sort: bool, track: bool) {
            let policy = policy(|s| {
                s.sort_query = sort;
                s.drop_tracking = track;
                s.drop_params = vec!["a".into()];
            });
            let keyed = keyed(&policy, Some(&query));
            prop_assert_eq!(&keyed, &upstream(&policy, Some(&query)));
            // Normalising twice changes nothing.
            prop_assert_eq!(&upstream(&policy, keyed.as_deref()), &keyed);
        }
    }
}
