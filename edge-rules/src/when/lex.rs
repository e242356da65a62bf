//! Conditions and the expressions of templates as tokens.

use std::borrow::Cow;

use crate::address::Network;
use crate::error::{Error, Span};
use crate::place::Place;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    /// A field, a function, or a word such as `and`.
    Word(&'s str),
    Text(Cow<'s, str>),
    Number(f64),
    Network(Network),
    /// Brackets, commas and operators.
    Sign(&'static str),
    End,
}

/// Signs, the longer ones first.
const SIGNS: &[&str] = &[
    "..", "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", "<", ">", "~", "!",
];

pub(super) struct Lexer<'s, 'p> {
    text: &'s str,
    pub(super) at: usize,
    place: &'p Place,
}

impl<'s, 'p> Lexer<'s, 'p> {
    /// Begins at a byte of a text.
    pub(super) fn new(text: &'s str, at: usize, place: &'p Place) -> Self {
        Lexer { text, at, place }
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        self.place.span(start, end)
    }

    /// The next token and where it begins and ends in the text.
    pub(super) fn next(&mut self) -> Result<(Token<'s>, usize, usize), Error> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
        let (rest, start) = (self.rest(), self.at);
        let token = match rest.as_bytes().first() {
            None => Token::End,
            Some(b'"') => self.quoted()?,
            Some(b'r') if rest.starts_with("r\"") || rest.starts_with("r#") => self.raw()?,
            Some(b'0'..=b'9' | b':' | b'-') => self.number()?,
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => self.word()?,
            _ => self.sign()?,
        };
        Ok((token, start, self.at))
    }

    fn rest(&self) -> &'s str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self, takes: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !takes(byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn sign(&mut self) -> Result<Token<'s>, Error> {
        let rest = self.rest();
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let letter = rest.chars().next().unwrap_or_default();
        let error = Error::new(
            self.span(self.at, self.at + letter.len_utf8()),
            format!("`{letter}` means nothing here"),
        );
        Err(match letter {
            '\'' => error.hint("texts stand between double quotes: \"…\""),
            '=' => error.hint("to compare write `eq` or `==`"),
            '&' => error.hint("write `and` or `&&`"),
            '|' => error.hint("write `or` or `||`"),
            '$' => error.hint("fields have no `$` here: `http.host`"),
            _ => error,
        })
    }

    /// A word; what looks like the start of an IPv6 address is one.
    fn word(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        let word = self.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        let is_hex = word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && self.rest().starts_with(':') {
            self.at = start;
            return self.number();
        }
        // In `1..9` and at the end of a sentence the dot is none of the word's.
        let word = word.trim_end_matches('.');
        self.at = start + word.len();
        Ok(Token::Word(word))
    }

    /// A number, an address or a network.
    fn number(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        let takes =
            |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'/' | b'-');
        let text = self.run(takes);
        let text = match text.find("..") {
            Some(range) => text.get(..range).unwrap_or_default(),
            None => text,
        };
        self.at = start + text.len();
        if let Some(network) =
            Network::parse(text).filter(|_| text.contains([':', '/']) || dots(text) == 3)
        {
            return Ok(Token::Network(network));
        }
        let plain = text.strip_prefix('-').unwrap_or(text);
        let digits = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match text.parse::<f64>().ok().filter(|_| digits) {
            Some(number) if number.abs() <= 9e15 => Ok(Token::Number(number)),
            Some(_) => Err(Error::new(self.span(start, self.at), "the number is too large")),
            None => Err(Error::new(
                self.span(start, self.at.max(start + 1)),
                format!("`{text}` is neither a number nor an address"),
            )
            .hint(
                "networks are written 192.0.2.0/24 or 2001:db8::/32, texts between double quotes",
            )),
        }
    }

    fn quoted(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        self.at += 1;
        let plain = self.run(|byte| byte != b'"' && byte != b'\\');
        if self.rest().starts_with('"') {
            self.at += 1;
            return Ok(Token::Text(Cow::Borrowed(plain)));
        }
        let mut text = plain.to_string();
        loop {
            let rest = self.rest();
            let mut letters = rest.chars();
            match (letters.next(), letters.next()) {
                (Some('"'), _) => {
                    self.at += 1;
                    return Ok(Token::Text(Cow::Owned(text)));
                }
                (Some('\\'), Some(letter @ ('"' | '\\'))) => {
                    text.push(letter);
                    self.at += 2;
                }
                (Some('\\'), Some(letter)) => {
                    let span = self.span(self.at, self.at + 1 + letter.len_utf8());
                    return Err(Error::new(span, format!("`\\{letter}` means nothing in a text"))
                        .hint(format!("write `\\\\{letter}`, or the text as r\"…\"")));
                }
                (Some('\\') | None, _) => {
                    return Err(Error::new(
                        self.span(start, start + 1),
                        "this `\"` is never closed",
                    ));
                }
                (Some(_), _) => text.push_str(self.run(|byte| byte != b'"' && byte != b'\\')),
            }
        }
    }

    /// `r"…"` or `r#"…"#`: nothing is special inside.
    fn raw(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        self.at += 1;
        let hashes = self.run(|byte| byte == b'#').len();
        let open = self.span(start, self.at + 1);
        let Some(body) = self.rest().strip_prefix('"').filter(|_| hashes <= 255) else {
            return Err(Error::new(open, "a raw text is written r\"…\" or r#\"…\"#"));
        };
        let close = format!("\"{}", "#".repeat(hashes));
        let Some(end) = body.find(&close) else {
            return Err(Error::new(open, format!("this raw text is never closed with `{close}`")));
        };
        self.at += 1 + end + close.len();
        Ok(Token::Text(Cow::Borrowed(body.get(..end).unwrap_or_default())))
    }
}

fn dots(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'.').count()
}
