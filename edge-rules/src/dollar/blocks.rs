//! Files of rules in the `$` spelling: a block of lines for each rule, blank lines between them.
//!
//! ```text
//! # A block may begin with comments, and with what belongs to the rule beside its text.
//! name: new pictures
//! pattern: ^/p/(\w+)$
//! $WHEN($1)
//! /pictures/$1.jpg
//! ```

use super::{parse, set_too_long, too_long, too_many};
use crate::address::Network;
use crate::budget::Limits;
use crate::check::Compiler;
use crate::document::{self, Read};
use crate::error::{Error, Span};
use crate::facts::Phase;
use crate::place::Place;
use crate::program::{Compiled, Program};
use crate::tree::{Expr, RuleTree, Spelling, State};

/// What may stand in a block before the rule's text.
const KEYS: &[&str] = &["name", "pattern", "state", "testers"];

/// One block as it was found; texts are those of the source.
#[derive(Debug, Default)]
pub(crate) struct Block<'s> {
    /// Lines that begin with `#`.
    pub(crate) comments: Vec<&'s str>,
    /// Lines `key: value`, and where each value begins.
    pub(crate) entries: Vec<(&'s str, &'s str, usize)>,
    /// The rule, and where it begins; empty in a block of comments alone.
    pub(crate) text: &'s str,
    pub(crate) start: usize,
}

impl Program {
    /// Compiles a file of rules in the `$` spelling: a block of lines for each rule, blank lines
    /// between them. A block may begin with comments (`#`) and with lines `name: …`, `pattern: …`,
    /// `state: …` and `testers: …, …`; the rest of it is the rule.
    ///
    /// # Errors
    /// Everything that is wrong with it, one thing for each rule; places are bytes of `source`.
    pub fn from_rules(source: &str, limits: &Limits) -> Compiled {
        if source.len() > limits.set_bytes {
            return Err(vec![set_too_long(limits)]);
        }
        let blocks = blocks(source).map_err(|error| vec![error])?;
        if blocks.len() > limits.rules {
            return Err(vec![too_many(blocks.len(), limits, Span::default())]);
        }
        let mut compiler = Compiler::new(limits);
        let mut errors = Vec::new();
        for block in blocks.iter().filter(|block| !block.text.is_empty()) {
            let judged = block.tree(limits).and_then(|rule| compiler.rule(&rule));
            errors.extend(judged.err());
        }
        if errors.is_empty() { Ok(compiler.finish()) } else { Err(errors) }
    }
}

/// The blocks of a file.
///
/// # Errors
/// The first line before a rule's text that is none of the known ones.
pub(crate) fn blocks(source: &str) -> Read<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let mut block = Block::default();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if line.trim_ascii().is_empty() {
            if !block.is_empty() {
                blocks.push(std::mem::take(&mut block));
            }
        } else if block.text.is_empty() {
            block.begin(source, line, start)?;
        } else {
            block.text = source.get(block.start..at).unwrap_or_default();
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    for block in &mut blocks {
        block.text = block.text.trim_ascii_end();
        if let (true, Some((key, _, start))) = (block.text.is_empty(), block.entries.first()) {
            let message = format!("behind `{key}:` stands no rule");
            return Err(Error::new(Span::new(*start, *start), message)
                .hint("a blank line ends the rule: leave none within it"));
        }
    }
    Ok(blocks)
}

impl<'s> Block<'s> {
    fn is_empty(&self) -> bool {
        self.comments.is_empty() && self.entries.is_empty() && self.text.is_empty()
    }

    /// Takes in a line before the rule's text, or the first one of it.
    fn begin(&mut self, source: &'s str, line: &'s str, start: usize) -> Read<()> {
        let text = line.trim_ascii();
        if text.starts_with('#') {
            self.comments.push(text);
            return Ok(());
        }
        let Some((key, value)) = entry(text) else {
            self.start = start + line.len() - line.trim_ascii_start().len();
            self.text = source.get(self.start..start + line.len()).unwrap_or_default();
            return Ok(());
        };
        let key_start = start + line.len() - line.trim_ascii_start().len();
        if !KEYS.contains(&key) {
            return Err(document::unknown(key, Span::new(key_start, key_start + key.len()), KEYS));
        }
        let value_start = key_start + text.len() - value.len();
        self.entries.push((key, value, value_start));
        Ok(())
    }

    /// The rule, not yet judged.
    pub(crate) fn tree(&self, limits: &Limits) -> Read<RuleTree<'s>> {
        let whole = Span::new(self.start, self.start + self.text.len());
        if self.text.len() > limits.rule_bytes {
            return Err(too_long(limits, whole));
        }
        let parsed = parse(self.text, &Place::at_byte(self.start), limits.depth)?;
        let mut rule = RuleTree {
            name: "".into(),
            spelling: Spelling::Dollar,
            phase: Phase::Request,
            state: State::Enabled,
            stop: parsed.breaks,
            testers: Vec::new(),
            pattern: None,
            items: parsed.items,
        };
        for (key, value, start) in &self.entries {
            let span = Span::new(*start, start + value.len());
            match *key {
                "name" => rule.name = (*value).into(),
                "state" => rule.state = document::state(value, span)?,
                "testers" => {
                    for text in value.split(',') {
                        rule.testers.push(Network::read(text.trim_ascii(), span)?);
                    }
                }
                _ if value.is_empty() => {}
                _ => rule.pattern = Some(Expr::text(*value, span)),
            }
        }
        Ok(rule)
    }
}

/// `key: value`; a colon that no space follows is the rule's own.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase());
    let apart = value.is_empty() || value.starts_with([' ', '\t']);
    (is_key && apart).then(|| (key, value.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(source: &str) -> String {
        let errors = Program::from_rules(source, &Limits::default()).unwrap_err();
        errors[0].show("a.rules", source).to_string().lines().next().unwrap().to_string()
    }

    #[test]
    fn each_block_is_a_rule() {
        let source =
            "# A file.\n\n# One.\nname: one\npattern: ^/(.)$\n$WHEN($1)\n  /x/$1\n\n\n/y$$\n";
        let program = Program::from_rules(source, &Limits::default()).unwrap();
        assert_eq!((program.len(), program.rule_name(0), program.rule_name(1)), (2, "one", ""));
        assert!(program.rules[1].stop && program.rules[0].pattern.is_some());
        let source = "state: test\ntesters: 192.0.2.7, 2001:db8::/32\r\n/x\r\n";
        let program = Program::from_rules(source, &Limits::default()).unwrap();
        assert_eq!((program.rules[0].state, program.sets.len()), (State::Test, 1));
        let page = "$REDIRECT(http://a.example/x)";
        assert_eq!(Program::from_rules(page, &Limits::default()).unwrap().len(), 1);
    }

    #[test]
    fn errors_point_at_the_file() {
        assert_eq!(error("/x\n\npatern: ^/\n/y"), "a.rules:3:1: there is no key `patern` here");
        assert_eq!(error("/x\n\n\n  $WEHN($1)\n"), "a.rules:4:3: there is no function `$WEHN`");
        assert_eq!(error("name: a\n\n/x"), "a.rules:1:7: behind `name:` stands no rule");
        assert_eq!(
            error("pattern: (\n/x"),
            "a.rules:1:10: the pattern does not parse: unclosed group"
        );
        assert_eq!(error("state: on\n/x"), "a.rules:1:8: there is no state `on`");
        assert_eq!(error("testers: 1\n/x"), "a.rules:1:10: not an address or a network");
    }
}
