//! Changes a text a little, so that much of it is still what it was.

use crate::grammar::Chance;

/// Pieces that decide something in one of the languages.
const PIECES: &[&str] = &[
    "$",
    "$$",
    "(",
    ")",
    ",",
    "'",
    "\\",
    "\\'",
    "''",
    "$_URI",
    "$_QUERY",
    "$1",
    "$1.1",
    "$0",
    "$99.99",
    "$WHEN(",
    "$NOT(",
    "$PCALL(",
    "$CAPTURE($_URI,'(.)')",
    "$SELECT(",
    "$OR(",
    "\"",
    "r#\"",
    "\"#",
    "{",
    "}",
    "{{",
    "}}",
    " and ",
    " or ",
    "not ",
    " eq ",
    " ne ",
    " in {",
    " matches ",
    " contains ",
    " wildcard ",
    "..",
    "http.host",
    "http.request.uri",
    "http.request.uri.path",
    "ip.src",
    "ssl",
    "exists(",
    "concat(",
    "default(",
    "substring(",
    "capture(",
    "number(",
    "[[rules]]\n",
    "\n\n",
    "\n",
    "# x\n",
    "'''",
    "\"\"\"",
    "=",
    ".",
    "[",
    "]",
    "do.",
    "when = ",
    "text = ",
    "stop = true\n",
    "state = \"test\"\n",
    "name: ",
    "pattern: ",
    "é",
    "\u{0}",
    "\r",
    "\u{85}",
    "\t",
    "-1",
    "0",
    "9e15",
    "99999999999999999999",
    "0.1",
    "192.0.2.0/24",
    "::/0",
    "%",
    "%0d%0a",
    "*",
    "?",
    "/",
    "\u{2028}",
    "\\u0000",
    "\\x41",
    "(?i)",
    "(?=",
    "[^",
    "{1000}",
    "(a*)*",
];

/// A text out of `texts`, changed in a few places.
pub fn mutated(chance: &mut Chance, texts: &[String]) -> String {
    let mut text = texts[chance.below(texts.len())].clone();
    for _ in 0..chance.below(6) {
        let (start, end) = span(chance, &text);
        match chance.below(8) {
            0 => text.replace_range(start..end, ""),
            1 => {
                let part = text[start..end].to_string();
                let at = place(chance, &text);
                text.insert_str(at, &part);
            }
            2 => {
                let other = &texts[chance.below(texts.len())];
                let (from, to) = span(chance, other);
                text.replace_range(start..end, &other[from..to]);
            }
            3 => text.replace_range(start..end, chance.of(PIECES)),
            4 => text.truncate(start),
            5 => {
                let part = text[start..end].to_string();
                text.replace_range(start..end, &part.repeat(1 + chance.below(40)));
            }
            6 => nest(chance, &mut text, start, end),
            _ => text.insert_str(start, chance.of(PIECES)),
        }
        // What is far too long is refused at once.
        let most = (0..=text.len().min(20_000)).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(most.unwrap_or(0));
    }
    text
}

/// Brackets around a part, some of them deep.
fn nest(chance: &mut Chance, text: &mut String, start: usize, end: usize) {
    let (open, close) = [("(", ")"), ("$LOWER(", ")"), ("not (", ")"), ("lower(", ")"), ("[", "]")]
        [chance.below(5)];
    let depth = [1, 2, 33, 200][chance.below(4)];
    let part = text[start..end].to_string();
    text.replace_range(start..end, &format!("{}{part}{}", open.repeat(depth), close.repeat(depth)));
}

fn place(chance: &mut Chance, text: &str) -> usize {
    let at = chance.below(text.len() + 1);
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn span(chance: &mut Chance, text: &str) -> (usize, usize) {
    let start = place(chance, text);
    let most = [4, 30, 300][chance.below(3)];
    let length = chance.below(most);
    let mut ends = (start..=(start + length).min(text.len())).rev();
    let end = ends.find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    (start, end)
}
