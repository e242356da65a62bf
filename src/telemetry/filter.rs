//! Which of many lines are wanted: `status >= 500 and host = "a.com"`.
//!
//! A condition is a field of the JSON log, one of `=` `!=` `<` `<=` `>` `>=` `~` (holds the text) `!~`, and a
//! number, a word or a text in quotes; or a field alone, which must be there. `not`, `and`, `or` and
//! parentheses join them, in this order.

use serde_json::Value;

use super::line::FIELDS;

/// How deep parentheses and `not` go, and how many conditions there are at most.
const MOST: usize = 64;

/// A condition on lines.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every line.
    All,
    /// The field is there.
    There(String),
    /// The field compares so with a value.
    Is(String, Test, String),
    /// It does not hold.
    Not(Box<Filter>),
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// One of both holds.
    Or(Box<Filter>, Box<Filter>),
}

/// How a field compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is the same.
    Same,
    /// It is less.
    Less,
    /// It is more.
    More,
    /// It holds the text.
    Holds,
}

/// The tests with what turns them around: `(word, test, whether it must hold)`; longer words first.
const TESTS: [(&str, Test, bool); 9] = [
    ("==", Test::Same, true),
    ("!=", Test::Same, false),
    (">=", Test::Less, false),
    ("<=", Test::More, false),
    ("!~", Test::Holds, false),
    ("=", Test::Same, true),
    ("<", Test::Less, true),
    (">", Test::More, true),
    ("~", Test::Holds, true),
];

impl Filter {
    /// Reads a condition; an empty text wants every line.
    ///
    /// # Errors
    /// One sentence: where it is wrong.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let mut reader = Reader { text, at: 0, count: 0 };
        reader.skip();
        if reader.rest().is_empty() {
            return Ok(Filter::All);
        }
        let filter = reader.either(0)?;
        match reader.rest() {
            "" => Ok(filter),
            _ => Err(reader.wrong("`and` or `or`")),
        }
    }

    /// Whether a line is wanted.
    pub fn takes(&self, line: &Value) -> bool {
        match self {
            Filter::All => true,
            Filter::There(field) => line.get(field).is_some(),
            Filter::Is(field, test, value) => {
                line.get(field).is_some_and(|held| test.holds(held, value))
            }
            Filter::Not(inner) => !inner.takes(line),
            Filter::And(one, other) => one.takes(line) && other.takes(line),
            Filter::Or(one, other) => one.takes(line) || other.takes(line),
        }
    }
}

impl Test {
    fn holds(self, held: &Value, value: &str) -> bool {
        if let (Some(held), Ok(value)) = (held.as_f64(), value.parse::<f64>()) {
            return match self {
                Test::Same => held == value,
                Test::Less => held < value,
                Test::More => held > value,
                Test::Holds => false,
            };
        }
        let printed;
        let held = match held {
            Value::String(text) => text.as_str(),
            other => {
                printed = other.to_string();
                &printed
            }
        };
        match self {
            Test::Same => held.eq_ignore_ascii_case(value),
            Test::Less => held < value,
            Test::More => held > value,
            Test::Holds => held.to_ascii_lowercase().contains(&value.to_ascii_lowercase()),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    count: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn wrong(&self, wanted: &str) -> String {
        let found = self.rest().split_whitespace().next().unwrap_or("the end");
        format!("at character {}: {wanted} is wanted, not `{found}`", self.at + 1)
    }

    /// Takes a word that stands there, apart from what follows.
    fn word(&mut self, word: &str) -> bool {
        let Some(start) = self.rest().get(..word.len()) else { return false };
        let next = self.rest().get(word.len()..).and_then(|rest| rest.chars().next());
        let ends = next.is_none_or(|it| !is_name(it));
        let found = start.eq_ignore_ascii_case(word) && ends;
        if found {
            self.at += word.len();
            self.skip();
        }
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
            self.skip();
        }
        found
    }

    fn either(&mut self, depth: usize) -> Result<Filter, String> {
        let mut one = self.both(depth)?;
        while self.word("or") || self.sign("||") {
            one = Filter::Or(Box::new(one), Box::new(self.both(depth)?));
        }
        Ok(one)
    }

    fn both(&mut self, depth: usize) -> Result<Filter, String> {
        let mut one = self.one(depth)?;
        while self.word("and") || self.sign("&&") {
            one = Filter::And(Box::new(one), Box::new(self.one(depth)?));
        }
        Ok(one)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, String> {
        self.count += 1;
        if depth >= MOST || self.count > MOST {
            return Err(format!("a condition has at most {MOST} parts"));
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.sign("(") {
            let inner = self.either(depth + 1)?;
            return if self.sign(")") { Ok(inner) } else { Err(self.wrong("`)`")) };
        }
        let length = self.rest().find(|it| !is_name(it)).unwrap_or(self.rest().len());
        let field = self.rest().get(..length).unwrap_or_default();
        if field.is_empty() {
            return Err(self.wrong("a field of the log"));
        }
        if !FIELDS.contains(&field) {
            let like = |name: &&str| (1000.0 * strsim::jaro_winkler(field, name)) as u32;
            let meant = FIELDS.into_iter().max_by_key(like).unwrap_or_default();
            let at = self.at + 1;
            return Err(format!(
                "at character {at}: the log has no field `{field}`; did you mean `{meant}`? It has {}",
                FIELDS.join(", ")
            ));
        }
        self.at += length;
        self.skip();
        let Some((_, test, must)) = TESTS.into_iter().find(|(word, ..)| self.sign(word)) else {
            return Ok(Filter::There(field.to_owned()));
        };
        let is = Filter::Is(field.to_owned(), test, self.value()?);
        Ok(if must { is } else { Filter::Not(Box::new(is)) })
    }

    fn value(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''));
        let (value, length) = match quote {
            Some(quote) => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find(quote).ok_or_else(|| self.wrong("a closing quote"))?;
                (inner.get(..end).unwrap_or_default(), end + 2)
            }
            None => {
                let is_end = |it: char| it.is_whitespace() || matches!(it, '(' | ')');
                let end = rest.find(is_end).unwrap_or(rest.len());
                (rest.get(..end).unwrap_or_default(), end)
            }
        };
        if length == 0 {
            return Err(self.wrong("a value"));
        }
        self.at += length;
        self.skip();
        Ok(value.to_owned())
    }
}

fn is_name(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn lines_are_taken_by_what_they_hold() {
        let line = json!({
            "status": 503, "host": "a.com", "path": "/x/y.jpg", "cache": "miss", "duration_ms": 12.5,
        });
        for (text, takes) in [
            ("", true),
            ("status = 503", true),
            ("status>=500 and host=a.com", true),
            ("status >= 500 AND host = 'b.com'", false),
            ("status < 500 or path ~ \".JPG\"", true),
            ("not (status = 503)", false),
            ("not status = 200 and cache = miss", true),
            ("duration_ms > 12 && duration_ms <= 12.5", true),
            ("host != a.com || path !~ jpg", false),
            ("origin_status", false),
            ("not origin_status and cache", true),
            ("origin_status != 200", true),
            ("status = 503 or status = 1 and status = 2", true),
        ] {
            let filter = Filter::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(filter.takes(&line), takes, "{text}");
        }
        for (text, at) in [
            ("status =", "9: a value"),
            ("(status = 1", "12: `)`"),
            ("status = 1 host", "12: `and`"),
            ("= 5", "1: a field"),
            ("host = \"a", "8: a closing"),
            ("status = 1 or staus = 3", "15: the log has no field `staus`; did you mean `status`?"),
        ] {
            let why = Filter::parse(text).unwrap_err();
            assert!(why.contains(&format!("character {at}")), "{text}: {why}");
        }
        assert!(Filter::parse(&"(".repeat(1000)).is_err());
        assert!(Filter::parse(&"not ".repeat(1000)).is_err());
        assert!(Filter::parse(&vec!["ua"; 100].join(" and ")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([a-z=<>~!()\"' é&|]|ua|tls){0,40}") {
            if let Ok(filter) = Filter::parse(&text) {
                filter.takes(&json!({ "ua": 1, "tls": "x" }));
            }
        }
    }
}
