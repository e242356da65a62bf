//! Rule documents: `[[rules]]` with a typed condition in `when` and named actions in `do`, or with a
//! rule of the `$` spelling in `text`.

mod actions;
mod lex;
mod names;
mod parse;
mod quantity;
mod template;

use toml::de::DeValue;

use crate::address::Network;
use crate::budget::Limits;
use crate::check::Compiler;
use crate::document::{self, Read, Reader, Value, other_type, span, unknown};
use crate::dollar;
use crate::error::{Error, Span};
use crate::facts::Phase;
use crate::functions::Function;
use crate::program::{Compiled, Program};
use crate::tree::{Expr, Kind, RuleTree, Spelling, State};

/// Errors of one document that are reported at most.
const MOST_ERRORS: usize = 20;

/// The keys of a rule.
const KEYS: &[&str] =
    &["name", "state", "testers", "phase", "when", "pattern", "text", "do", "stop", "break"];

impl Program {
    /// Compiles a document of `[[rules]]`.
    ///
    /// # Errors
    /// Everything that is wrong with it, one thing for each rule; places are bytes of `source`.
    pub fn from_document(source: &str, limits: &Limits) -> Compiled {
        if source.len() > limits.set_bytes {
            return Err(vec![dollar::set_too_long(limits)]);
        }
        let document = document::parse(source).map_err(|error| vec![error])?;
        let reader = Reader { source, limits };
        let mut rules = None;
        for (key, value) in reader.entries(document.get_ref()) {
            match key.get_ref().as_ref() {
                "rules" => rules = Some(value),
                other => return Err(vec![unknown(other, span(key), &["rules"])]),
            }
        }
        rules.map_or_else(
            || Ok(Program::default()),
            |rules| Program::from_value(source, rules, limits),
        )
    }

    /// Compiles the array of rules that is `value` in a document `source`.
    ///
    /// # Errors
    /// As [`Program::from_document`].
    pub fn from_value<'d>(
        source: &'d str,
        value: &toml::Spanned<DeValue<'d>>,
        limits: &'d Limits,
    ) -> Compiled {
        let reader = Reader { source, limits };
        let DeValue::Array(rules) = value.get_ref() else {
            return Err(vec![
                other_type(value, "rules").hint("write each rule below a line [[rules]]"),
            ]);
        };
        if rules.len() > limits.rules {
            return Err(vec![dollar::too_many(rules.len(), limits, span(value))]);
        }
        let mut compiler = Compiler::new(limits);
        let mut errors = Vec::new();
        for rule in rules {
            if let Err(error) = reader.rule(rule).and_then(|rule| compiler.rule(&rule)) {
                errors.push(error);
                if errors.len() == MOST_ERRORS {
                    break;
                }
            }
        }
        if errors.is_empty() { Ok(compiler.finish()) } else { Err(errors) }
    }
}

/// The fields of a rule as they were found.
#[derive(Default)]
struct Fields<'v, 'd> {
    name: &'v str,
    state: State,
    testers: Vec<Network>,
    phase: Option<(Phase, Span)>,
    when: Option<&'v Value<'d>>,
    pattern: Option<&'v Value<'d>>,
    text: Option<&'v Value<'d>>,
    actions: Option<&'v Value<'d>>,
    stop: bool,
}

impl<'d> Reader<'d> {
    /// The rule that one table of `[[rules]]` is, not yet judged.
    pub(crate) fn rule<'v>(&self, value: &'v Value<'d>) -> Read<RuleTree<'v>> {
        let fields = self.fields(value)?;
        let pattern = match fields.pattern {
            Some(value) => Some(Expr::text(self.text(value, "a pattern")?, span(value))),
            None => None,
        };
        let pattern = pattern.filter(|pattern| pattern.constant() != Some(""));
        let (spelling, items, breaks) = match fields.text {
            Some(text) => {
                let (items, breaks) = self.dollar(&fields, text)?;
                (Spelling::Dollar, items, breaks)
            }
            None => (Spelling::When, self.when(&fields, value)?, false),
        };
        Ok(RuleTree {
            name: fields.name.into(),
            spelling,
            phase: fields.phase.map_or(Phase::Request, |(phase, _)| phase),
            state: fields.state,
            stop: fields.stop || breaks,
            testers: fields.testers,
            pattern,
            items,
        })
    }

    fn fields<'v>(&self, value: &'v Value<'d>) -> Read<Fields<'v, 'd>> {
        let mut fields = Fields::default();
        for (key, value) in self.entries(self.table(value, "a rule")?) {
            match key.get_ref().as_ref() {
                "name" => fields.name = self.text(value, "a name")?,
                "state" => {
                    fields.state = document::state(self.text(value, "a state")?, span(value))?
                }
                "testers" => fields.testers = self.testers(value)?,
                "phase" => fields.phase = Some((self.phase(value)?, span(value))),
                "when" => fields.when = Some(value),
                "pattern" => fields.pattern = Some(value),
                "text" => fields.text = Some(value),
                "do" => fields.actions = Some(value),
                "stop" | "break" => fields.stop = self.truth(value)?,
                other => return Err(unknown(other, span(key), KEYS)),
            }
        }
        Ok(fields)
    }

    fn dollar<'v>(
        &self,
        fields: &Fields<'v, 'd>,
        value: &'v Value<'d>,
    ) -> Read<(Vec<Expr<'v>>, bool)> {
        if let Some(other) = fields.when.or(fields.actions) {
            return Err(Error::new(span(other), "a rule has either `text`, or `when` and `do`")
                .hint("make two rules of it"));
        }
        if let Some((_, at)) = fields.phase.filter(|(phase, _)| *phase != Phase::Request) {
            return Err(Error::new(at, "a rule with `text` runs in the request phase"));
        }
        let text = self.text(value, "a rule")?;
        if text.len() > self.limits.rule_bytes {
            return Err(dollar::too_long(self.limits, span(value)));
        }
        let parsed = dollar::parse(text, &self.place(value), self.limits.depth)?;
        Ok((parsed.items, parsed.breaks))
    }

    /// The condition as a first call, and the actions behind it.
    fn when<'v>(&self, fields: &Fields<'v, 'd>, rule: &Value<'d>) -> Read<Vec<Expr<'v>>> {
        if let Some(pattern) = fields.pattern {
            return Err(Error::new(span(pattern), "`pattern` belongs to a rule with `text`")
                .hint("take groups out with capture(http.request.uri.path, \"…\", 1)"));
        }
        let mut items = Vec::new();
        if let Some(value) = fields.when {
            let condition = self.condition(value)?;
            let at = condition.span;
            items.push(Expr::new(Kind::Call(Function::When, vec![condition]), at));
        }
        if let Some(value) = fields.actions {
            for (key, value) in self.entries(self.table(value, "a table of actions")?) {
                items.extend(self.action(key.get_ref(), span(key), value)?);
            }
        } else if !fields.stop {
            return Err(Error::new(span(rule), "the rule does nothing")
                .hint("give it `do = { … }`, `text = \"…\"` or `stop = true`"));
        }
        Ok(items)
    }

    /// The condition that a value is.
    pub(crate) fn condition<'v>(&self, value: &'v Value<'d>) -> Read<Expr<'v>> {
        let text = self.text(value, "a condition")?;
        if text.len() > self.limits.rule_bytes {
            return Err(dollar::too_long(self.limits, span(value)));
        }
        parse::condition(text, &self.place(value), self.limits)
    }

    fn testers(&self, value: &Value<'d>) -> Read<Vec<Network>> {
        let mut testers = Vec::new();
        for value in self.each(value) {
            let text = self.text(value, "an address or an array of addresses")?;
            testers.push(Network::read(text, span(value))?);
        }
        Ok(testers)
    }
}
