//! `No-Vary-Search` (draft-ietf-httpbis-no-vary-search): which query parameters do not matter.

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode;
use sfv::{BareItem, ListEntry};

use super::dictionary;

/// The response field.
pub const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");

/// What the field says of a path's queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoVarySearch {
    /// `key-order`: the order of parameters does not matter.
    pub key_order: bool,
    /// `params`: those which do not matter.
    pub params: Params,
}

/// The parameters that do not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Params {
    /// None: every parameter matters.
    #[default]
    Nothing,
    /// The named ones.
    Named(Vec<String>),
    /// All but the named ones (`params, except=("q")`).
    AllBut(Vec<String>),
}

impl NoVarySearch {
    /// Reads the field; `None` when it is absent, says nothing, or is malformed (the draft then
    /// takes every parameter to matter).
    pub fn parse(headers: &HeaderMap) -> Option<Self> {
        let members = dictionary::parse(headers, &NO_VARY_SEARCH)?;
        let key_order = match members.get("key-order") {
            None => false,
            Some(entry) => boolean(entry)?,
        };
        let except = members.get("except");
        let params = match members.get("params") {
            Some(ListEntry::InnerList(_)) if except.is_some() => return None,
            Some(entry @ ListEntry::InnerList(_)) => Params::Named(names(entry)?),
            Some(entry) if boolean(entry)? => {
                Params::AllBut(except.map_or(Some(Vec::new()), names)?)
            }
            _ if except.is_some() => return None,
            _ => Params::Nothing,
        };
        let found = NoVarySearch { key_order, params };
        (found != NoVarySearch::default()).then_some(found)
    }

    /// Whether the parameter `name`, as it stands in the query, matters. Names are compared decoded,
    /// as forms decode them.
    pub fn matters(&self, name: &str) -> bool {
        match &self.params {
            Params::Nothing => true,
            Params::Named(names) => !names.iter().any(|listed| same(name, listed)),
            Params::AllBut(names) => names.iter().any(|listed| same(name, listed)),
        }
    }
}

fn same(raw: &str, listed: &str) -> bool {
    if raw == listed {
        return true;
    }
    let spaced = raw.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy() == listed
}

fn boolean(entry: &ListEntry) -> Option<bool> {
    match entry {
        ListEntry::Item(item) => item.bare_item.as_boolean(),
        ListEntry::InnerList(_) => None,
    }
}

fn names(entry: &ListEntry) -> Option<Vec<String>> {
    let ListEntry::InnerList(list) = entry else { return None };
    let text = |item: &sfv::Item| match &item.bare_item {
        BareItem::String(name) => {
            let spaced = name.as_str().replace('+', " ");
            Some(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
        }
        _ => None,
    };
    list.items.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<NoVarySearch> {
        let value = HeaderValue::from_str(text).ok()?;
        NoVarySearch::parse(&HeaderMap::from_iter([(NO_VARY_SEARCH, value)]))
    }

    #[test]
    fn what_matters() {
        for (text, matters, not) in [
            ("params", &[][..], &["a", "b"][..]),
            (r#"params=("a" "x y")"#, &["b", "A"], &["a", "%61", "x+y", "x%20y"]),
            (r#"params, except=("q")"#, &["q"], &["a"]),
            ("key-order", &["a"], &[]),
            (r#"key-order, params=("a")"#, &["b"], &["a"]),
        ] {
            let found = read(text).unwrap();
            assert!(matters.iter().all(|name| found.matters(name)), "{text}");
            assert!(!not.iter().any(|name| found.matters(name)), "{text}");
            assert_eq!(found.key_order, text.contains("key-order"), "{text}");
        }
        for text in [
            "",
            "params=?0",
            "params=a",
            "params=(a)",
            r#"except=("a")"#,
            r#"params=("a"), except=("b")"#,
            "key-order=1",
            "(",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_upsets_the_parser(text in "\\PC{0,60}", name in "\\PC{0,10}") {
            if let Some(found) = read(&text) {
                found.matters(&name);
            }
        }
    }
}
