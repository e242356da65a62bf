//! The `$` spelling as tokens: white space falls away, quotes and backslashes are resolved.

use std::borrow::Cow;

use crate::error::{Error, Span};
use crate::place::Place;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    /// Bare or quoted text.
    Text(Cow<'s, str>),
    /// `$NAME(`; the name.
    Call(&'s str),
    /// `$_NAME`; the name with its `_`.
    Variable(&'s str),
    /// `$N`.
    Group(u8),
    /// `$n.m`.
    Captured(u8, u8),
    Comma,
    Close,
    /// `$$`.
    Break,
    End,
}

pub(super) struct Lexer<'s, 'p> {
    text: &'s str,
    at: usize,
    place: &'p Place,
}

impl<'s, 'p> Lexer<'s, 'p> {
    pub(super) fn new(text: &'s str, place: &'p Place) -> Self {
        Lexer { text, at: 0, place }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        self.place.span(start, end)
    }

    /// The next token and its place.
    pub(super) fn next(&mut self) -> Result<(Token<'s>, Span), Error> {
        self.skip_space();
        let start = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some(b'$') => self.dollar()?,
            Some(b'\'') => self.quoted()?,
            Some(b'\\') => self.escaped()?,
            Some(b',') => self.one(Token::Comma),
            Some(b')') => self.one(Token::Close),
            Some(b'(') => {
                return Err(Error::new(self.span(start, start + 1), "`(` stands outside a call")
                    .hint("as text, write `\\(`"));
            }
            Some(_) => self.bare(),
        };
        Ok((token, self.span(start, self.at)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn one(&mut self, token: Token<'s>) -> Token<'s> {
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The bytes from here for which `takes` holds, which are all ASCII or whole characters.
    fn run(&mut self, takes: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !takes(*byte)).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn bare(&mut self) -> Token<'s> {
        let special = |byte: u8| b"$(),'\\".contains(&byte) || byte.is_ascii_whitespace();
        Token::Text(Cow::Borrowed(self.run(|byte| !special(byte))))
    }

    fn escaped(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        let next = self.text.get(start + 1..).and_then(|rest| rest.chars().next());
        let Some(next) = next else {
            return Err(Error::new(self.span(start, start + 1), "nothing follows the `\\`")
                .hint("for a backslash write `\\\\`"));
        };
        self.at = start + 1 + next.len_utf8();
        Ok(Token::Text(Cow::Borrowed(self.text.get(start + 1..self.at).unwrap_or_default())))
    }

    fn quoted(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        self.at += 1;
        let plain = self.run(|byte| byte != b'\'' && byte != b'\\');
        if self.peek() == Some(b'\'') {
            self.at += 1;
            return Ok(Token::Text(Cow::Borrowed(plain)));
        }
        let mut text = plain.to_string();
        loop {
            match self.peek() {
                Some(b'\'') => {
                    self.at += 1;
                    return Ok(Token::Text(Cow::Owned(text)));
                }
                Some(b'\\') if self.at + 1 < self.text.len() => {
                    let rest = self.text.get(self.at + 1..).unwrap_or_default();
                    let next = rest.chars().next().unwrap_or('\\');
                    text.push(next);
                    self.at += 1 + next.len_utf8();
                }
                Some(b'\\') | None => {
                    let span = self.span(start, start + 1);
                    return Err(
                        Error::new(span, "this `'` is never closed").hint("as text, write `\\'`")
                    );
                }
                Some(_) => text.push_str(self.run(|byte| byte != b'\'' && byte != b'\\')),
            }
        }
    }

    fn dollar(&mut self) -> Result<Token<'s>, Error> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'$') => Ok(self.one(Token::Break)),
            Some(b'_') => {
                Ok(Token::Variable(self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_')))
            }
            Some(b'0'..=b'9') => self.group(start),
            Some(byte) if byte.is_ascii_alphabetic() => self.call(start),
            _ => Err(Error::new(self.span(start, start + 1), "nothing is named after the `$`")
                .hint("as text, write `\\$`")),
        }
    }

    fn call(&mut self, start: usize) -> Result<Token<'s>, Error> {
        let name = self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let end = self.at;
        self.skip_space();
        if self.peek() == Some(b'(') {
            return Ok(self.one(Token::Call(name)));
        }
        let error = Error::new(self.span(start, end), format!("`${name}` is called without `(`"));
        let variable = super::variable_names().find(|it| it.trim_start_matches('_') == name);
        Err(match variable {
            Some(variable) => error.hint(format!("did you mean the variable `${variable}`?")),
            None => error.hint("as text, write `\\$`"),
        })
    }

    fn group(&mut self, start: usize) -> Result<Token<'s>, Error> {
        let first = self.digits(start)?;
        let bytes = self.text.as_bytes();
        let is_captured = self.peek() == Some(b'.')
            && bytes.get(self.at + 1).is_some_and(|byte| byte.is_ascii_digit());
        if !is_captured {
            return Ok(Token::Group(first));
        }
        self.at += 1;
        let second = self.digits(start)?;
        Ok(Token::Captured(first, second))
    }

    fn digits(&mut self, start: usize) -> Result<u8, Error> {
        let digits = self.run(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| *number < 100).ok_or_else(|| {
            Error::new(self.span(start, self.at), "no pattern has so many groups")
                .hint("groups are numbered up to 99; quote digits that follow: `$1'23'`")
        })
    }
}
