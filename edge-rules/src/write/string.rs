//! Strings of TOML: the plainest quotes that hold a text.

use super::{QUOTING, WIDTH};
use crate::tree::Expr;

/// A text on one line, between double quotes if nothing in it needs an escape.
pub(crate) fn string(text: &str) -> String {
    let has_controls = text.chars().any(|letter| letter.is_control() && letter != '\t');
    if !has_controls && !text.contains(['"', '\\', '\t']) {
        format!("\"{text}\"")
    } else if !has_controls && !text.contains('\'') {
        format!("'{text}'")
    } else if !has_controls && !text.contains("'''") && !text.ends_with('\'') {
        format!("'''{text}'''")
    } else {
        escaped(text)
    }
}

/// Between double quotes, with escapes.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => {
                out.push_str(&format!("\\u{:04X}", letter as u32));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Lines between triple quotes, if they can hold them.
fn lines(lines: &[String]) -> Option<String> {
    let text = lines.join("\n");
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    let fits = !text.contains("'''") && text.chars().all(is_plain);
    fits.then(|| format!("'''\n{text}\n'''"))
}

/// The `text` of a rule: on one line, or each of its chunks on its own.
pub(crate) fn text_string(chunks: &[String]) -> String {
    let line = chunks.join(" ");
    let wide = line.chars().count() + QUOTING > WIDTH && chunks.len() > 1;
    wide.then(|| lines(chunks)).flatten().unwrap_or_else(|| string(&line))
}

/// The `when` of a rule: on one line, or parts that `and` or `or` joins on their own.
pub(crate) fn wide_condition(expr: &Expr) -> String {
    let line = super::condition(expr);
    if line.chars().count() + QUOTING <= WIDTH {
        return string(&line);
    }
    let spread = super::condition::lines(expr, WIDTH - QUOTING + 4);
    if spread.len() == 1 {
        return string(&line);
    }
    lines(&spread).unwrap_or_else(|| string(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_plainly_as_can_be() {
        for (text, written) in [
            ("a'b", "\"a'b\""),
            ("a\"b", "'a\"b'"),
            ("'\\", "''''\\'''"),
            ("\"'", "\"\\\"'\""),
            ("\t", "'\t'"),
            ("a\r\n\u{85}", "\"a\\r\\n\\u0085\""),
        ] {
            assert_eq!(string(text), written);
            let document = format!("a = {written}");
            let value = crate::document::parse(&document).unwrap();
            assert_eq!(value.get_ref().get("a").unwrap().get_ref().as_str(), Some(text));
        }
    }
}
