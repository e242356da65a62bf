//! The few expressions in which plug-ins that were written for Varnish name tags, hosts and paths.
//!
//! They stand for lists and beginnings, and are read as such: no expression is run. What has another
//! shape is not understood, and who sent it is told so.

/// What such an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Everything: `.*`.
    All,
    /// These.
    List(Vec<String>),
}

/// Before and behind a list of alternatives with escapes, as FOSHttpCache and API Platform send them.
const WRAPS: [(&str, &str); 5] = [
    ("(^|,)(", ")(,|$)"),
    ("(", ")(,.+)?$"),
    ("(", r")($|\,)"),
    ("obj.http.X-Magento-Tags ~ (,|^)", "(,|$)"),
    ("^(", ")$"),
];

/// Before and behind each tag, as Magento sends them.
const MAGENTO: (&str, &str) = ("((^|,)", "(,|$))");

/// Tags, by a list or by one of the known expressions.
pub(super) fn tags(text: &str) -> Option<Shape> {
    let text = text.trim();
    if text == ".*" {
        return Some(Shape::All);
    }
    if text.starts_with(MAGENTO.0) {
        return magento(text).map(Shape::List);
    }
    if let Some(list) = WRAPS.iter().find_map(|(start, end)| within(text, start, end)) {
        return alternatives(list).map(Shape::List);
    }
    if text.contains(['(', ')', '[', ']', '^', '$', '?', '\\']) || text.contains(".*") {
        return None;
    }
    let list: Vec<String> =
        text.split(['|', ',', ' ', '\t']).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    (!list.is_empty()).then_some(Shape::List(list))
}

/// Hosts: `^(a.com|b.com)$`, `^a\.com$`, `a.com`. A dot may be escaped or not.
pub(super) fn hosts(text: &str) -> Option<Shape> {
    let text = text.trim();
    if text == ".*" {
        return Some(Shape::All);
    }
    let list = within(text, "^(", ")$").or_else(|| within(text, "^", "$")).unwrap_or(text);
    let hosts = alternatives(list)?;
    let is_host = |it: &String| it.parse::<http::uri::Authority>().is_ok();
    hosts.iter().all(is_host).then_some(Shape::List(hosts))
}

/// A path, and whether only what is exactly it is meant and not all that begins with it.
pub(super) fn path(text: &str) -> Option<(String, bool)> {
    let text = text.trim();
    if text == ".*" {
        return Some(("/".into(), false));
    }
    let text = text.strip_prefix('^').unwrap_or(text);
    let (text, exact) = match text.strip_suffix('$') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let open = text.strip_suffix(".*").or_else(|| text.strip_suffix('*'));
    let path = unescaped(open.unwrap_or(text))?;
    let path = if path.is_empty() { "/".into() } else { path };
    path.starts_with('/').then_some((path, exact && open.is_none()))
}

fn within<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix(end)
}

/// `((^|,)a(,|$))|((^|,)b(,|$))`, the tags as they are.
fn magento(text: &str) -> Option<Vec<String>> {
    let (mut rest, mut tags) = (text, Vec::new());
    loop {
        let (tag, behind) = rest.strip_prefix(MAGENTO.0)?.split_once(MAGENTO.1)?;
        if tag.is_empty() || tag.contains(['|', '(', ')']) {
            return None;
        }
        tags.push(tag.to_owned());
        match behind.strip_prefix('|') {
            Some(more) => rest = more,
            None => return behind.is_empty().then_some(tags),
        }
    }
}

/// Alternatives between bars that are not escaped.
fn alternatives(list: &str) -> Option<Vec<String>> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in list.bytes().enumerate() {
        if byte == b'|' && !escaped {
            parts.push(list.get(start..at)?);
            start = at + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    parts.push(list.get(start..)?);
    parts.into_iter().map(|part| unescaped(part).filter(|it| !it.is_empty())).collect()
}

/// A text in which nothing but escaped characters means something else than itself; a dot may stand
/// for itself.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next().filter(|it| !it.is_ascii_alphanumeric())?),
            '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' | '^' | '$' | '|' => return None,
            _ => plain.push(character),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(items: &[&str]) -> Option<Shape> {
        Some(Shape::List(items.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn tags_as_plug_ins_send_them() {
        for (text, expected) in [
            (".*", Some(Shape::All)),
            ("((^|,)cat_p_12(,|$))|((^|,)cat_p(,|$))", list(&["cat_p_12", "cat_p"])),
            (r"(^|,)(tag\-one|a\|b|c)(,|$)", list(&["tag-one", "a|b", "c"])),
            ("(tag1|tag2)(,.+)?$", list(&["tag1", "tag2"])),
            (r"(/books/1|/books)($|\,)", list(&["/books/1", "/books"])),
            (r"obj.http.X-Magento-Tags ~ (,|^)cms\_b(,|$)", list(&["cms_b"])),
            ("node:1 node_list", list(&["node:1", "node_list"])),
            ("a|b", list(&["a", "b"])),
            ("a, b,", list(&["a", "b"])),
            ("+/ab=", list(&["+/ab="])),
            ("", None),
            (" , ", None),
            ("(a", None),
            ("a.*", None),
            ("((^|,)a(,|$))x", None),
            ("(^|,)(a|(b))(,|$)", None),
            (r"(^|,)(\d)(,|$)", None),
            ("(^|,)(a||b)(,|$)", None),
        ] {
            assert_eq!(tags(text), expected, "{text}");
        }
    }

    #[test]
    fn hosts_and_paths_as_plug_ins_send_them() {
        assert_eq!(hosts(".*"), Some(Shape::All));
        assert_eq!(hosts("^(a.com|b.com:8080)$"), list(&["a.com", "b.com:8080"]));
        assert_eq!(hosts(r"^www\.a\.com$"), list(&["www.a.com"]));
        assert_eq!(hosts("a.com"), list(&["a.com"]));
        assert_eq!(hosts("^.*a.com$"), None);
        for (text, expected) in [
            (".*", Some(("/", false))),
            ("/.*", Some(("/", false))),
            ("/news/.*", Some(("/news/", false))),
            ("/news/*", Some(("/news/", false))),
            (r"^/a\.html$", Some(("/a.html", true))),
            ("/a", Some(("/a", false))),
            ("", Some(("/", false))),
            ("a", None),
            ("/[ab]", None),
            ("/a.*b", None),
        ] {
            assert_eq!(path(text), expected.map(|(path, exact)| (path.into(), exact)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_as_it_was(tags_in in prop::collection::vec("[a-z.:|/+_-]{1,8}", 1..5)) {
            let escape = |tag: &String| -> String {
                tag.chars().flat_map(|it| {
                    let escaped = r".\+*?[^]$(){}=!<>|:-#/".contains(it).then_some('\\');
                    escaped.into_iter().chain([it])
                }).collect()
            };
            let joined = tags_in.iter().map(escape).collect::<Vec<_>>().join("|");
            prop_assert_eq!(tags(&format!("(^|,)({joined})(,|$)")), Some(Shape::List(tags_in)));
        }

        #[test]
        fn no_text_upsets_them(text in "\\PC{0,40}") {
            tags(&text);
            hosts(&text);
            path(&text);
        }
    }
}
