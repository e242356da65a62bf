//! Conditions as a tree, and their types: who compares a text with a number is told where.

use std::borrow::Cow;

use super::lex::{Lexer, Token};
use super::names;
use crate::budget::Limits;
use crate::error::{Error, Span};
use crate::functions::{Function, Type};
use crate::place::Place;
use crate::tree::{Expr, Kind, Members};

type Parsed<T> = Result<T, Error>;

pub(super) struct Parser<'s, 'p> {
    lexer: Lexer<'s, 'p>,
    limits: &'p Limits,
    token: Token<'s>,
    /// Where the current token begins and ends, and where the one before ended.
    start: usize,
    end: usize,
    before: usize,
    depth: usize,
}

/// A condition, which lies at `place`.
pub(super) fn condition<'s>(text: &'s str, place: &Place, limits: &Limits) -> Parsed<Expr<'s>> {
    let mut parser = Parser::new(text, 0, place, limits)?;
    if parser.token == Token::End {
        return Err(Error::new(parser.here(), "the condition is empty")
            .hint("leave `when` out for a rule that always acts"));
    }
    let condition = parser.any()?;
    match parser.token {
        Token::End => Ok(condition),
        Token::Sign(")") => Err(Error::new(parser.here(), "this `)` closes nothing")),
        _ => Err(Error::new(parser.here(), "the condition should end here")
            .hint("join conditions with `and` or `or`")),
    }
}

impl<'s, 'p> Parser<'s, 'p> {
    /// Begins at a byte of a text.
    pub(super) fn new(
        text: &'s str,
        at: usize,
        place: &'p Place,
        limits: &'p Limits,
    ) -> Parsed<Self> {
        let lexer = Lexer::new(text, at, place);
        let mut parser =
            Parser { lexer, limits, token: Token::End, start: at, end: at, before: at, depth: 0 };
        parser.advance()?;
        Ok(parser)
    }

    /// The expression of a template, up to its `}`; where the text goes on.
    pub(super) fn embedded(mut self) -> Parsed<(Expr<'s>, usize)> {
        let expr = self.operand()?;
        if self.token != Token::Sign("}") {
            return Err(Error::new(self.here(), "the `}` of this template is missing")
                .hint("for a brace as text write `{{` or `}}`"));
        }
        Ok((expr, self.end))
    }

    fn advance(&mut self) -> Parsed<Token<'s>> {
        self.before = self.end;
        let (token, start, end) = self.lexer.next()?;
        (self.start, self.end) = (start, end);
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn here(&self) -> Span {
        self.lexer.span(self.start, self.end.max(self.start + 1))
    }

    /// From `start` to where the token before the current one ended.
    fn since(&self, start: usize) -> Span {
        self.lexer.span(start, self.before)
    }

    fn takes(&mut self, words: [&str; 2]) -> Parsed<bool> {
        let taken = match self.token {
            Token::Word(word) => word == words[0],
            Token::Sign(sign) => sign == words[1],
            _ => false,
        };
        if taken {
            self.advance()?;
        }
        Ok(taken)
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            let most = self.limits.depth;
            return Err(Error::new(self.here(), format!("expressions nest more than {most} deep")));
        }
        Ok(())
    }

    fn any(&mut self) -> Parsed<Expr<'s>> {
        self.joined(Function::Any, ["or", "||"], Self::all)
    }

    fn all(&mut self) -> Parsed<Expr<'s>> {
        self.joined(Function::All, ["and", "&&"], Self::not)
    }

    fn joined(
        &mut self,
        function: Function,
        words: [&str; 2],
        part: fn(&mut Self) -> Parsed<Expr<'s>>,
    ) -> Parsed<Expr<'s>> {
        let start = self.start;
        let first = part(self)?;
        let mut parts = vec![first];
        while self.takes(words)? {
            parts.push(part(self)?);
        }
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => Ok(only),
            (_, Some(last)) => {
                parts.push(last);
                Ok(Expr::new(Kind::Call(function, parts), self.since(start)))
            }
            (_, None) => Ok(Expr::new(Kind::Truth(false), self.since(start))),
        }
    }

    fn not(&mut self) -> Parsed<Expr<'s>> {
        let start = self.start;
        if self.takes(["not", "!"])? {
            self.deeper()?;
            let inner = self.not()?;
            self.depth -= 1;
            return Ok(Expr::new(Kind::Call(Function::Not, vec![inner]), self.since(start)));
        }
        if self.token == Token::Sign("(") {
            self.deeper()?;
            let open = self.here();
            self.advance()?;
            let inner = self.any()?;
            if self.token != Token::Sign(")") {
                return Err(Error::new(open, "this `(` is never closed"));
            }
            self.advance()?;
            self.depth -= 1;
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expr<'s>> {
        let start = self.start;
        let left = self.operand()?;
        let Some(operator) = self.operator()? else {
            if left.type_() == Type::Truth {
                return Ok(left);
            }
            return Err(self.no_operator(&left));
        };
        let at = self.since(start);
        match operator {
            "in" => return self.membership(left, start),
            "eq" | "ne" => {}
            "contains" | "matches" | "wildcard" | "strict" => {
                wanted(operator, &left, Type::Text, at)?;
            }
            _ => wanted(operator, &left, Type::Number, at)?,
        }
        let right = self.operand()?;
        let span = self.since(start);
        let call = |function, args| Expr::new(Kind::Call(function, args), span);
        Ok(match operator {
            "eq" => equal(left, right, span)?,
            "ne" => call(Function::Not, vec![equal(left, right, span)?]),
            "contains" | "matches" | "wildcard" | "strict" => {
                wanted(operator, &right, Type::Text, right.span)?;
                let function = match operator {
                    "contains" => Function::Contains,
                    "matches" => Function::Match,
                    "wildcard" => Function::Wildcard,
                    _ => Function::StrictWildcard,
                };
                call(function, vec![left, right])
            }
            _ => {
                wanted(operator, &right, Type::Number, right.span)?;
                let function = match operator {
                    "lt" => Function::Less,
                    "le" => Function::LessEqual,
                    "gt" => Function::Greater,
                    _ => Function::GreaterEqual,
                };
                call(function, vec![left, right])
            }
        })
    }

    /// The operator that stands here, by its word; none if the expression ends here.
    fn operator(&mut self) -> Parsed<Option<&'static str>> {
        let named = match self.token {
            Token::Word(word) => names::OPERATORS.iter().find(|(known, _)| *known == word),
            Token::Sign(sign) => names::OPERATORS.iter().find(|(_, known)| *known == sign),
            _ => None,
        };
        if let Some((word, _)) = named {
            self.advance()?;
            if *word == "strict" && self.advance()? != Token::Word("wildcard") {
                return Err(Error::new(self.here(), "`strict` stands before `wildcard` only"));
            }
            return Ok(Some(word));
        }
        match self.token {
            Token::Word(word) if !matches!(word, "and" | "or") => {
                let known = names::OPERATORS.iter().map(|(word, _)| *word);
                Err(Error::new(self.here(), format!("there is no operator `{word}`")).nearest(
                    word,
                    known,
                    str::to_string,
                ))
            }
            _ => Ok(None),
        }
    }

    fn no_operator(&self, left: &Expr) -> Error {
        let message = format!("a condition is true or false, but this is {}", left.type_().word());
        let example = match left.type_() {
            Type::Number => "compare it: `… eq 200`",
            Type::Address => "compare it: `… in {192.0.2.0/24}`",
            _ => "compare it: `… eq \"text\"`, or ask whether it is there: `exists(…)`",
        };
        Error::new(left.span, message).hint(example)
    }

    fn operand(&mut self) -> Parsed<Expr<'s>> {
        let start = self.start;
        let span = self.here();
        let kind = match self.advance()? {
            Token::Text(text) => Kind::Text(text),
            Token::Number(number) => Kind::Number(number),
            Token::Network(network) => Kind::Network(network),
            Token::Word("true") => Kind::Truth(true),
            Token::Word("false") => Kind::Truth(false),
            Token::Word(word) => match self.token {
                Token::Sign("(") => self.call(word, span)?,
                Token::Sign("[") => self.keyed(word, span)?,
                _ => names::field(word, span)?,
            },
            Token::End => return Err(Error::new(span, "something is missing at the end")),
            Token::Sign(sign) => {
                return Err(Error::new(
                    span,
                    format!("a field or a value should stand before `{sign}`"),
                ));
            }
        };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn call(&mut self, name: &str, span: Span) -> Parsed<Kind<'s>> {
        let function = names::function(name, span)?;
        self.deeper()?;
        self.advance()?;
        let mut args = Vec::new();
        while self.token != Token::Sign(")") {
            args.push(self.operand()?);
            match self.token {
                Token::Sign(",") => drop(self.advance()?),
                Token::Sign(")") => {}
                _ => {
                    return Err(Error::new(span, format!("the `(` of `{name}` is never closed"))
                        .hint("arguments stand between commas"));
                }
            }
        }
        self.advance()?;
        self.depth -= 1;
        Ok(Kind::Call(function, args))
    }

    fn keyed(&mut self, name: &str, span: Span) -> Parsed<Kind<'s>> {
        let list = names::list(name, span)?;
        self.advance()?;
        let at = self.here();
        let Token::Text(key) = self.advance()? else {
            return Err(
                Error::new(at, "a name should stand here").hint(format!("write {name}[\"name\"]"))
            );
        };
        if self.token != Token::Sign("]") {
            return Err(Error::new(self.here(), "the `]` is missing"));
        }
        self.advance()?;
        Ok(Kind::Listed(list, key))
    }

    fn membership(&mut self, left: Expr<'s>, start: usize) -> Parsed<Expr<'s>> {
        if self.token != Token::Sign("{") {
            return Err(Error::new(self.here(), "members stand between `{` and `}`")
                .hint("write in {\"a\" \"b\"}"));
        }
        let open = self.here();
        self.advance()?;
        let mut members = match left.type_() {
            Type::Text => Members::Texts(Vec::new()),
            Type::Number => Members::Numbers(Vec::new()),
            Type::Address => Members::Networks(Vec::new()),
            other => {
                let message = format!(
                    "`in` looks for texts, numbers or addresses, but this is {}",
                    other.word()
                );
                return Err(Error::new(left.span, message));
            }
        };
        let mut count = 0;
        while self.token != Token::Sign("}") {
            if self.token == Token::End {
                return Err(Error::new(open, "this `{` is never closed"));
            }
            count += 1;
            if count > self.limits.members {
                let most = self.limits.members;
                return Err(Error::new(self.here(), format!("there are more than {most} members")));
            }
            self.member(&mut members)?;
            // Commas between members are borne.
            if self.token == Token::Sign(",") {
                self.advance()?;
            }
        }
        self.advance()?;
        Ok(Expr::new(Kind::In(Box::new(left), members), self.since(start)))
    }

    fn member(&mut self, members: &mut Members<'s>) -> Parsed<()> {
        let span = self.here();
        match (self.advance()?, members) {
            (Token::Text(text), Members::Texts(texts)) => texts.push(text),
            (Token::Network(network), Members::Networks(networks)) => networks.push(network),
            (Token::Number(first), Members::Numbers(ranges)) => {
                let last = self.range_end(first)?;
                ranges.push((first, last));
            }
            (token, members) => {
                let (wanted, example) = match members {
                    Members::Texts(_) => ("texts", "\"CN\" \"HK\""),
                    Members::Numbers(_) => ("numbers", "200 300..399"),
                    Members::Networks(_) => ("addresses", "192.0.2.7 2001:db8::/32"),
                };
                let message =
                    format!("this is {}, but the members here are {wanted}", shown(&token));
                return Err(Error::new(span, message).hint(format!("write {{{example}}}")));
            }
        }
        Ok(())
    }

    fn range_end(&mut self, first: f64) -> Parsed<f64> {
        if self.token != Token::Sign("..") {
            return Ok(first);
        }
        self.advance()?;
        let span = self.here();
        match self.advance()? {
            Token::Number(last) if last >= first => Ok(last),
            Token::Number(_) => Err(Error::new(span, "the range ends before it begins")),
            _ => Err(Error::new(span, "a range is written 300..399")),
        }
    }
}

fn shown(token: &Token) -> Cow<'static, str> {
    match token {
        Token::Text(_) => "a text".into(),
        Token::Number(_) => "a number".into(),
        Token::Network(_) => "an address".into(),
        Token::Word(word) => format!("the word `{word}`").into(),
        Token::Sign(sign) => format!("`{sign}`").into(),
        Token::End => "the end".into(),
    }
}

fn wanted(operator: &str, expr: &Expr, wanted: Type, span: Span) -> Parsed<()> {
    let found = expr.type_();
    if found == wanted || found == Type::Any {
        return Ok(());
    }
    let word = if operator == "strict" { "strict wildcard" } else { operator };
    let compares = if wanted == Type::Text { "text" } else { "numbers" };
    let error = Error::new(
        if expr.span == Span::default() { span } else { expr.span },
        format!("`{word}` compares {compares}, but this is {}", found.word()),
    );
    Err(match (wanted, found) {
        (Type::Number, Type::Text) => error.hint("turn a text into a number with `number(…)`"),
        (Type::Text, Type::Number) => error.hint("put the number between quotes"),
        _ => error,
    })
}

/// Both sides must be of one type; an address is compared with networks.
fn equal<'s>(left: Expr<'s>, right: Expr<'s>, span: Span) -> Parsed<Expr<'s>> {
    if let (Type::Address, Kind::Network(network)) = (left.type_(), &right.kind) {
        let members = Members::Networks(vec![*network]);
        return Ok(Expr::new(Kind::In(Box::new(left), members), span));
    }
    let (wanted, found) = (left.type_(), right.type_());
    if wanted == found || wanted == Type::Any || found == Type::Any {
        return Ok(Expr::new(Kind::Call(Function::Equal, vec![left, right]), span));
    }
    let message = format!("expected {}, found {}", wanted.word(), found.word());
    let error = Error::new(right.span, message);
    Err(match (wanted, found) {
        (Type::Text, _) => error.hint("put it between double quotes"),
        (Type::Number, Type::Text) => error.hint("write the number without quotes"),
        (Type::Address, Type::Text) => error.hint("write the address without quotes"),
        _ => error,
    })
}
