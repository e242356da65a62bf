//! Entity tags, RFC 9110 section 8.8.3, and the two ways to compare them.

use super::list;

/// An entity tag; `opaque` still has its quotes.
///
/// A tag without quotes or with a strange weakness mark is kept as it came and compared byte by
/// byte: origins that send such tags recognise them only unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// `W/` stood before it.
    pub weak: bool,
    /// The tag itself.
    pub opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Takes a tag apart; `None` for no text at all.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = list::trim(text);
        if text.is_empty() {
            return None;
        }
        Some(match text.strip_prefix(b"W/") {
            Some(opaque) if well_formed(opaque) => EntityTag { weak: true, opaque },
            _ => EntityTag { weak: false, opaque: text },
        })
    }

    /// Whether both name the same bytes (section 8.8.3.2, strong comparison). Only well-formed
    /// tags that are not weak can.
    pub fn same_bytes(&self, other: &EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque && well_formed(self.opaque)
    }

    /// Whether both name equivalent representations (weak comparison).
    pub fn equivalent(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }

    /// Whether the tag can stand for exact bytes.
    pub fn is_strong(&self) -> bool {
        !self.weak && well_formed(self.opaque)
    }
}

/// Whether one of the `lines` of `If-None-Match` or `If-Match` is `*` or holds a tag that `matches`.
pub fn any_listed<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    matches: impl Fn(&EntityTag<'_>) -> bool,
) -> bool {
    lines.flat_map(list::entity_tags).any(|member| {
        member == b"*" || EntityTag::parse(member).is_some_and(|listed| matches(&listed))
    })
}

fn well_formed(opaque: &[u8]) -> bool {
    match opaque {
        [b'"', inner @ .., b'"'] => inner.iter().all(|b| *b == 0x21 || *b >= 0x23 && *b != 0x7f),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(text: &str) -> EntityTag<'_> {
        EntityTag::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn comparison_follows_the_table_of_the_rfc() {
        for (one, two, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            (r#"1"#, r#"1"#, false, true),
            (r#"1"#, r#""1""#, false, false),
            (r#"w/"1""#, r#"w/"1""#, false, true),
        ] {
            assert_eq!(tag(one).same_bytes(&tag(two)), strong, "{one} {two}");
            assert_eq!(tag(one).equivalent(&tag(two)), weak, "{one} {two}");
        }
    }

    #[test]
    fn lists_are_searched() {
        let stored = tag(r#""b,c""#);
        let found = |lines: &[&str]| {
            any_listed(lines.iter().map(|line| line.as_bytes()), |listed| {
                listed.equivalent(&stored)
            })
        };
        assert!(found(&[r#""a", "b,c""#]) && found(&[r#""a""#, r#"W/"b,c""#]) && found(&["*"]));
        assert!(!found(&[r#""a", "b", c"#]) && !found(&[]));
    }

    proptest! {
        #[test]
        fn any_text_is_a_tag_that_equals_itself(text in proptest::collection::vec(any::<u8>(), 1..40)) {
            if let Some(tag) = EntityTag::parse(&text) {
                prop_assert!(tag.equivalent(&tag));
            }
        }
    }
}
