//! Rules of the `$` spelling.

use std::fmt::Write;

use crate::field::{Keyed, VARIABLES};
use crate::functions::Type;
use crate::tree::{Expr, Kind};

/// The rule in parts that may stand on lines of their own: each call that has no value, and each
/// run of values.
pub(crate) fn chunks(items: &[Expr], breaks: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut run: &[Expr] = &[];
    let mut rest = items;
    while let Some((item, after)) = rest.split_first() {
        let acts = item.type_() == Type::Nothing;
        if !acts {
            run = items
                .get(items.len() - rest.len() - run.len()..items.len() - after.len())
                .unwrap_or_default();
        }
        if (acts || after.is_empty()) && !run.is_empty() {
            chunks.push(joined(run, chunks.is_empty()));
            run = &[];
        }
        if acts {
            chunks.push(joined(std::slice::from_ref(item), false));
        }
        rest = after;
    }
    if breaks {
        chunks.push("$$".into());
    }
    chunks
}

fn joined(items: &[Expr], first: bool) -> String {
    let mut out = String::new();
    let mut before = None;
    for item in items {
        if let Kind::Text(text) = &item.kind {
            text_after(&mut out, text, before, first);
        } else {
            expression(&mut out, item);
        }
        before = Some(&item.kind);
    }
    out
}

/// A text without quotes where it can do without them.
fn text_after(out: &mut String, text: &str, before: Option<&Kind>, first: bool) {
    let special = |letter: char| letter.is_control() || " $(),'\\".contains(letter);
    let next = |at: usize| text.as_bytes().get(at).copied().unwrap_or(b' ');
    let goes_on = match before {
        Some(Kind::Fact(_) | Kind::Listed(..) | Kind::Label(_) | Kind::Random(_)) => {
            next(0).is_ascii_alphanumeric() || next(0) == b'_'
        }
        Some(Kind::Group(_) | Kind::Captured(..)) => {
            next(0).is_ascii_digit() || (next(0) == b'.' && next(1).is_ascii_digit())
        }
        _ => false,
    };
    // What begins a block of a file could be taken for a comment or a key.
    let heads = first && before.is_none() && (text.starts_with('#') || text.ends_with(':'));
    if text.is_empty() || text.contains(special) || goes_on || heads {
        let _ = write!(out, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    } else {
        out.push_str(text);
    }
}

fn expression(out: &mut String, expr: &Expr) {
    let _ = match &expr.kind {
        Kind::Text(text) => return text_after(out, text, None, false),
        Kind::Join(parts) => return out.push_str(&joined(parts, false)),
        Kind::Fact(field) => {
            let name = VARIABLES.iter().find(|(_, known)| known == field);
            write!(out, "${}", name.map_or("", |(name, _)| name))
        }
        Kind::Listed(list, key) => match list {
            Keyed::Argument => write!(out, "$_GET_{key}"),
            Keyed::FormArgument => write!(out, "$_POST_{key}"),
            Keyed::Cookie => write!(out, "$_COOKIE_{key}"),
            _ => write!(out, "$_HEADER_{}", key.replace('-', "_")),
        },
        Kind::Label(number) => write!(out, "$_HOST_{number}"),
        Kind::Random(8) => write!(out, "$_RANDOM"),
        Kind::Random(letters) => write!(out, "$_RANDOM_{letters}"),
        Kind::Group(number) => write!(out, "${number}"),
        Kind::Captured(capture, number) => write!(out, "${capture}.{number}"),
        Kind::Number(number) => write!(out, "{}", crate::functions::numbers::write(*number)),
        Kind::Call(function, args) => return call(out, function.signature().dollar, args),
        Kind::Capture(_, args) => return call(out, "CAPTURE", args),
        // The other kinds are those of the `when` spelling.
        Kind::Truth(_) | Kind::Network(_) | Kind::In(..) => Ok(()),
    };
}

fn call(out: &mut String, name: &str, args: &[Expr]) {
    let _ = write!(out, "${name}(");
    for (number, arg) in args.iter().enumerate() {
        out.push_str(if number == 0 { "" } else { ", " });
        expression(out, arg);
    }
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dollar::parse;
    use crate::place::Place;

    fn again(text: &str) -> String {
        let parsed = parse(text, &Place::default(), 32).unwrap();
        chunks(&parsed.items, parsed.breaks).join(" ")
    }

    #[test]
    fn rules_are_written_with_few_quotes() {
        for (text, canonical) in [
            (
                "$WHEN( $EQ($_SCHEME,'http') )$REDIRECT('https://'$_HOST$_URI,301)$$",
                "$WHEN($EQ($_SCHEME, http)) $REDIRECT(https://$_HOST$_URI, 301) $$",
            ),
            ("/foo bar", "/foobar"),
            ("$_URI'foo'$1'.2'$1.html$_GET__upt'!x'", "$_URI'foo'$1'.2'$1.html$_GET__upt!x"),
            ("'a b\\'\\\\'", "'a b\\'\\\\'"),
            ("$EXIT(403,)", "$EXIT(403, '')"),
            ("$EXIT(403,'' )", "$EXIT(403, '')"),
            ("$_RANDOM_8 $_RANDOM_7 $_HEADER_User_Agent", "$_RANDOM$_RANDOM_7$_HEADER_user_agent"),
            (
                "$CAPTURE($_URI,'(.)') /$1.1 $DEL_ARG(a) /x",
                "$CAPTURE($_URI, '(.)') /$1.1 $DEL_ARG(a) /x",
            ),
            ("\\#a", "'#a'"),
            ("abc\\:$_URI", "'abc:'$_URI"),
        ] {
            assert_eq!(again(text), canonical);
            assert_eq!(again(canonical), canonical);
        }
    }
}
