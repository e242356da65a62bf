//! Tokens of the `$` spelling as a tree. Names are looked up here, all else is judged later.

use std::borrow::Cow;

use super::lex::{Lexer, Token};
use crate::error::{Error, Span};
use crate::field::{Keyed, VARIABLES};
use crate::functions::{Function, SIGNATURES};
use crate::place::Place;
use crate::tree::{Expr, Kind};

/// What one rule text says.
#[derive(Debug)]
pub(crate) struct Parsed<'s> {
    pub(crate) items: Vec<Expr<'s>>,
    /// It ends with `$$`.
    pub(crate) breaks: bool,
}

struct Parser<'s, 'p> {
    lexer: Lexer<'s, 'p>,
    token: Token<'s>,
    span: Span,
    captures: u8,
    deepest: usize,
}

/// Parses one rule text, which lies at `place` and whose calls nest at most `depth` deep.
///
/// # Errors
/// The first thing that is no rule.
pub(crate) fn parse<'s>(text: &'s str, place: &Place, depth: usize) -> Result<Parsed<'s>, Error> {
    let mut parser = Parser {
        lexer: Lexer::new(text, place),
        token: Token::End,
        span: Span::default(),
        captures: 0,
        deepest: depth,
    };
    parser.advance()?;
    let items = parser.items(0)?;
    let breaks = parser.token == Token::Break;
    if breaks {
        let span = parser.span;
        parser.advance()?;
        if parser.token != Token::End {
            return Err(Error::new(span, "`$$` can only stand at the end of the rule")
                .hint("as text, write `\\$\\$`"));
        }
    }
    match parser.token {
        Token::End => Ok(Parsed { items, breaks }),
        Token::Comma => {
            Err(Error::new(parser.span, "`,` stands outside a call").hint("as text, write `\\,`"))
        }
        _ => Err(Error::new(parser.span, "this `)` closes nothing").hint("as text, write `\\)`")),
    }
}

impl<'s> Parser<'s, '_> {
    fn advance(&mut self) -> Result<Token<'s>, Error> {
        let (token, span) = self.lexer.next()?;
        self.span = span;
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// Items up to what cannot be one; texts side by side become one.
    fn items(&mut self, depth: usize) -> Result<Vec<Expr<'s>>, Error> {
        let mut items: Vec<Expr<'s>> = Vec::new();
        loop {
            let span = self.span;
            let kind = match &self.token {
                Token::Comma | Token::Close | Token::Break | Token::End => return Ok(items),
                _ => self.item(depth)?,
            };
            let last = items.last_mut();
            match (kind, last) {
                (Kind::Text(text), Some(Expr { kind: Kind::Text(before), span: place })) => {
                    before.to_mut().push_str(&text);
                    *place = place.to(span);
                }
                (kind, _) => items.push(Expr::new(kind, span.to(self.span_before()))),
            }
        }
    }

    /// Up to where the token before the current one reached, roughly: its own start.
    fn span_before(&self) -> Span {
        Span { start: self.span.start, end: self.span.start }
    }

    fn item(&mut self, depth: usize) -> Result<Kind<'s>, Error> {
        let span = self.span;
        Ok(match self.advance()? {
            Token::Text(text) => Kind::Text(text),
            Token::Variable(name) => variable(name, span)?,
            Token::Group(number) => Kind::Group(number),
            Token::Captured(capture, number) => Kind::Captured(capture, number),
            Token::Call(name) => self.call(name, span, depth + 1)?,
            // The caller looks at the token before it asks for an item.
            Token::Comma | Token::Close | Token::Break | Token::End => {
                Kind::Text(Cow::Borrowed(""))
            }
        })
    }

    fn call(&mut self, name: &str, span: Span, depth: usize) -> Result<Kind<'s>, Error> {
        if depth > self.deepest {
            let message = format!("calls nest more than {} deep", self.deepest);
            return Err(Error::new(span, message));
        }
        let function = function(name, span)?;
        let args = self.arguments(name, span, depth)?;
        if function == Function::Capture {
            self.captures = self
                .captures
                .checked_add(1)
                .filter(|count| *count < 100)
                .ok_or_else(|| Error::new(span, "a rule can have at most 99 `$CAPTURE`"))?;
            return Ok(Kind::Capture(self.captures, args));
        }
        Ok(Kind::Call(function, args))
    }

    /// Arguments up to the `)`; `()` has none, and between two commas lies an empty one.
    fn arguments(&mut self, name: &str, open: Span, depth: usize) -> Result<Vec<Expr<'s>>, Error> {
        let mut args = Vec::new();
        if self.token == Token::Close {
            self.advance()?;
            return Ok(args);
        }
        loop {
            let start = self.span;
            let items = self.items(depth)?;
            args.push(joined(items, start));
            match self.token {
                Token::Comma => drop(self.advance()?),
                Token::Close => {
                    self.advance()?;
                    return Ok(args);
                }
                Token::Break => {
                    return Err(Error::new(
                        self.span,
                        "`$$` can only stand at the end of the rule",
                    )
                    .hint("as text, write `\\$\\$`"));
                }
                _ => {
                    let message = format!("the `(` of `${name}` is never closed");
                    return Err(Error::new(open, message).hint("a `)` is missing"));
                }
            }
        }
    }
}

/// One item as it is, several as a text that joins them.
fn joined<'s>(mut items: Vec<Expr<'s>>, start: Span) -> Expr<'s> {
    match (items.len(), items.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            let span = start.to(last.span);
            items.push(last);
            Expr::new(Kind::Join(items), span)
        }
        (_, None) => Expr::text("", start),
    }
}

fn function(name: &str, span: Span) -> Result<Function, Error> {
    let known = || SIGNATURES.iter().filter(|row| !row.dollar.is_empty());
    known().find(|row| row.dollar == name).map(|row| row.function).ok_or_else(|| {
        Error::new(span, format!("there is no function `${name}`")).nearest(
            name,
            known().map(|row| row.dollar),
            |found| format!("${found}"),
        )
    })
}

/// Variables whose names go on with a key.
const LISTS: &[(&str, Keyed)] = &[
    ("_GET_", Keyed::Argument),
    ("_POST_", Keyed::FormArgument),
    ("_HEADER_", Keyed::Header),
    ("_COOKIE_", Keyed::Cookie),
];

/// Most random letters that `$_RANDOM_n` gives, and how many `$_RANDOM` does.
const MOST_RANDOM: u8 = 32;
const RANDOM: u8 = 8;

fn variable<'s>(name: &'s str, span: Span) -> Result<Kind<'s>, Error> {
    if let Some((_, field)) = VARIABLES.iter().find(|(known, _)| *known == name) {
        return Ok(Kind::Fact(*field));
    }
    if name == "_RANDOM" {
        return Ok(Kind::Random(RANDOM));
    }
    for (start, list) in LISTS {
        let Some(key) = name.strip_prefix(start).filter(|key| !key.is_empty()) else { continue };
        let key: Cow<'s, str> = match list {
            Keyed::Header => key.to_ascii_lowercase().replace('_', "-").into(),
            _ => key.into(),
        };
        return Ok(Kind::Listed(*list, key));
    }
    if let Some(number) = name.strip_prefix("_HOST_") {
        return match number.parse::<u8>() {
            Ok(number @ 1..=127) => Ok(Kind::Label(number)),
            _ => Err(Error::new(span, format!("`{number}` is not the number of a label"))
                .hint("labels are counted from 1, from the left: `$_HOST_1`")),
        };
    }
    if let Some(letters) = name.strip_prefix("_RANDOM_") {
        return match letters.parse::<u8>() {
            Ok(letters @ 1..=MOST_RANDOM) => Ok(Kind::Random(letters)),
            _ => Err(Error::new(span, format!("`{letters}` is not a number of random letters"))
                .hint("write `$_RANDOM_1` to `$_RANDOM_32`")),
        };
    }
    Err(unknown(name, span))
}

/// A name may be unknown because text follows it: `$_URIfoo`.
fn unknown(name: &str, span: Span) -> Error {
    let error = Error::new(span, format!("there is no variable `${name}`"));
    let longest = VARIABLES
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| name.starts_with(known))
        .max_by_key(|known| known.len());
    match longest.and_then(|known| Some((known, name.strip_prefix(known)?))) {
        Some((known, rest)) if !rest.starts_with('_') => {
            error.hint(format!("if text follows the variable, quote it: `${known}'{rest}'`"))
        }
        _ => error.nearest(name, super::variable_names(), |found| format!("${found}")),
    }
}
