//! Runs a program for one request: values are looked up when a rule asks, effects become actions.
//!
//! Expressions nest no deeper than the parser allowed, nothing loops, and every step is paid for out
//! of a [`Budget`], so an evaluation ends soon whatever the rules and the request are.

mod conditions;
mod effects;
mod patterns;
mod read;
mod value;
mod values;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::accept;
use crate::action::Action;
use crate::budget::Budget;
use crate::facts::{Facts, Phase};
use crate::field::Guard;
use crate::functions::{Function, Type};
use crate::pattern_cache::PatternCache;
use crate::program::{List, Node, NodeId, Program, Rule};
use crate::trace::{End, Event, Failure, Fate, Reason};
use crate::tree::{Spelling, State};

use value::{NOTHING, Value};

/// What an evaluation needs beside the request's facts.
pub struct Environment<'e> {
    /// Unix time in seconds.
    pub now: i64,
    /// 64 random bits at each call.
    pub random: &'e mut dyn FnMut() -> u64,
    /// Built patterns, shared by all sets of a thread.
    pub patterns: &'e mut PatternCache,
    /// What the evaluation may cost.
    pub budget: &'e Budget,
    /// Seconds east of UTC for `$UNIXT` and `$STRF_TIME`.
    pub zone: i32,
    /// Whether rules in test act whoever asks: the request carried the signed test header.
    pub tester: bool,
    /// Whether rules that did not match are recorded too.
    pub explain: bool,
}

/// The zone of the `$` language's own logs: UTC+8.
pub const DEFAULT_ZONE: i32 = 8 * 3600;

/// What the rules of one phase decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// How the evaluation ended.
    pub end: End,
    /// What became of the rules: those that matched or failed, or all if asked to explain.
    pub events: SmallVec<[Event; 8]>,
    /// Steps that were spent.
    pub steps: u32,
}

impl Outcome {
    /// What became of each rule with what it decided, and what was decided when all had run.
    pub fn by_rule(&self) -> (Vec<(&Event, &[Action])>, &[Action]) {
        let mut rest = &*self.actions;
        let mut done = 0;
        let steps = self.events.iter().map(|event| {
            let count = (event.actions as usize).saturating_sub(done).min(rest.len());
            let (own, others) = rest.split_at(count);
            (done, rest) = (done + count, others);
            (event, own)
        });
        (steps.collect(), rest)
    }
}

/// So many actions come without further room.
const EXPECTED: usize = 16;

/// Why a rule stops before its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    Unmatched,
    Answered,
    Failed(Failure),
    Exhausted(End),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Stop {
        Stop::Failed(Failure { reason, function: None })
    }
}

type Step<T> = Result<T, Stop>;

impl Program {
    /// Runs the rules of one phase, in their order.
    pub fn evaluate(&self, phase: Phase, facts: &dyn Facts, env: &mut Environment) -> Outcome {
        let rules = self.rules_of(phase);
        if rules.is_empty() {
            return Outcome::default();
        }
        let mut evaluator = Evaluator {
            steps: env.budget.steps,
            made: env.budget.made_bytes,
            program: self,
            facts,
            env,
            rule: None,
            actions: Vec::with_capacity(rules.len().min(EXPECTED)),
            changed: Changed::default(),
            rewrite: None,
            groups: None,
            captures: SmallVec::new(),
        };
        evaluator.run(rules)
    }
}

/// What earlier actions changed, so that later rules see it.
#[derive(Default)]
struct Changed {
    request_headers: bool,
    response_headers: bool,
    arguments: bool,
    method: bool,
    body: bool,
}

struct Evaluator<'a, 'e, 'v> {
    program: &'a Program,
    facts: &'a dyn Facts,
    env: &'v mut Environment<'e>,
    rule: Option<&'a Rule>,
    /// Steps and bytes that are left.
    steps: u32,
    made: usize,
    actions: Vec<Action>,
    changed: Changed,
    /// The deferred rewrite: the last one counts.
    rewrite: Option<Box<[u8]>>,
    /// The groups of the rule's pattern, once they were asked for.
    groups: Option<patterns::Slots>,
    captures: SmallVec<[patterns::Captured<'a>; 1]>,
}

impl<'a> Evaluator<'a, '_, '_> {
    fn run(&mut self, rules: &'a [Rule]) -> Outcome {
        let mut events = SmallVec::new();
        let mut end = End::Finished;
        let (host, path) = (self.facts.host(), self.facts.path());
        for rule in rules {
            // State and guard are all that most rules of a long set cost.
            let fate = if let Some(fate) = self.kept_back(rule) {
                Ok(fate)
            } else if !self.guard_holds(rule.guard, host, path) {
                Ok(Fate::Unmatched)
            } else {
                self.rule(rule)
            };
            let (fate, ended) = match fate {
                Ok(Fate::Matched) if rule.stop => (Fate::Matched, Some(End::Stopped)),
                Ok(Fate::Answered) => (Fate::Answered, Some(End::Answered)),
                Ok(fate) => (fate, None),
                Err(exhausted) => (Fate::Unmatched, Some(exhausted)),
            };
            let counts = matches!(fate, Fate::Matched | Fate::Failed(_) | Fate::Answered);
            if counts || self.env.explain {
                let actions = self.actions.len() as u32;
                events.push(Event { rule: rule.number, fate, actions });
            }
            if let Some(ended) = ended {
                end = ended;
                break;
            }
        }
        if end != End::Answered {
            self.apply_rewrite();
        }
        let steps = self.env.budget.steps - self.steps;
        Outcome { actions: std::mem::take(&mut self.actions), end, events, steps }
    }

    fn guard_holds(&self, guard: Guard, host: &str, path: &str) -> bool {
        match guard {
            Guard::None => true,
            Guard::HostIs(text) => self.program.text_of(text) == host,
            Guard::PathIs(text) => self.program.text_of(text) == path,
            Guard::PathStarts(text) => path.starts_with(self.program.text_of(text)),
        }
    }

    /// What keeps the rule from acting for this request, if its state does.
    fn kept_back(&self, rule: &Rule) -> Option<Fate> {
        match rule.state {
            State::Enabled => None,
            State::Disabled => Some(Fate::Disabled),
            State::Test => {
                let client = self.facts.client();
                let is_tester = || rule.testers.is_some_and(|it| self.is_in_networks(it, client));
                (!self.env.tester && !is_tester()).then_some(Fate::InTest)
            }
        }
    }

    /// Runs one rule to its end; the error is that the budget ended all.
    fn rule(&mut self, rule: &'a Rule) -> Result<Fate, End> {
        self.rule = Some(rule);
        self.groups = None;
        self.captures.clear();
        match self.items(rule) {
            Ok(()) => Ok(Fate::Matched),
            Err(Stop::Unmatched) => Ok(Fate::Unmatched),
            Err(Stop::Answered) => Ok(Fate::Answered),
            Err(Stop::Failed(failure)) => Ok(Fate::Failed(failure)),
            Err(Stop::Exhausted(end)) => Err(end),
        }
    }

    fn items(&mut self, rule: &'a Rule) -> Step<()> {
        let program = self.program;
        let mut output = Vec::new();
        for id in program.list(rule.items) {
            // The value of an action is the empty text.
            let text = self.text(*id)?.ok_or(Reason::Missing)?;
            if !text.is_empty() {
                self.make(output.len() + text.len())?;
                output.extend_from_slice(&text);
            }
        }
        if output.is_empty() { Ok(()) } else { self.set_rewrite(output) }
    }

    fn set_rewrite(&mut self, target: Vec<u8>) -> Step<()> {
        if target.first() != Some(&b'/') {
            return Err(Reason::Target.into());
        }
        self.rewrite = Some(target.into());
        Ok(())
    }

    /// Joins the result of the rewrite with the arguments of the request: they are kept unless it
    /// ends with a `?` behind its own.
    fn apply_rewrite(&mut self) {
        let Some(rewrite) = self.rewrite.take() else { return };
        let at = rewrite.iter().position(|byte| *byte == b'?').unwrap_or(rewrite.len());
        let (path, own) = rewrite.split_at(at);
        let own = own.strip_prefix(b"?").unwrap_or_default();
        let (own, keeps) = match own.strip_suffix(b"?") {
            Some(own) => (own, false),
            None => (own, true),
        };
        let query = self.facts.query().filter(|_| keeps);
        let kept = query.and_then(|query| self.kept_query(query));
        let mut target = path.to_vec();
        let queries = [own, kept.as_deref().unwrap_or_default()];
        for (number, query) in queries.into_iter().filter(|query| !query.is_empty()).enumerate() {
            target.push(if number == 0 { b'?' } else { b'&' });
            target.extend_from_slice(query);
        }
        if let Ok(target) = accept::target(&target) {
            self.actions.push(Action::Rewrite(target.into()));
        }
    }

    fn value(&mut self, id: NodeId) -> Step<Value<'a>> {
        self.spend(0)?;
        match self.program.node(id) {
            Node::Text(text) => Ok(Value::borrowed(self.program.text_of(text))),
            Node::Number(at) => {
                let number = self.program.numbers.get(at as usize).copied();
                Ok(Value::Number(number.unwrap_or_default()))
            }
            Node::Truth(truth) => Ok(Value::Truth(truth)),
            Node::Fact(field) => self.fact(field),
            Node::Listed(list, key) => self.listed(list, self.program.text_of(key)),
            Node::RequestHeader(at) => self.request_header(at),
            Node::ResponseHeader(at) => self.response_header(at),
            Node::Name(at) => Ok(Value::of(self.program.names.get(at as usize))),
            Node::Line(at) => {
                Ok(Value::of(self.program.lines.get(at as usize).map(|line| &line.name)))
            }
            Node::Label(number) => Ok(self.label(usize::from(number))),
            Node::Random(letters) => Ok(self.random_text(usize::from(letters))),
            Node::Group(number) => self.group(usize::from(number)),
            Node::Captured(capture, number) => self.captured(capture, usize::from(number)),
            Node::Join(list) => self.join(list),
            Node::In(value, set) => self.is_in(value, set).map(Value::Truth),
            Node::Pattern(id) => {
                let pattern = self.program.pattern(id);
                Ok(Value::of(pattern.map(|pattern| self.program.text_of(pattern.text))))
            }
            Node::Capture(number, list) => {
                self.capture(number, list).map_err(|stop| named(stop, Function::Capture))?;
                Ok(NOTHING)
            }
            Node::Call(function, list) => {
                self.call(function, list).map_err(|stop| named(stop, function))
            }
        }
    }

    fn call(&mut self, function: Function, list: List) -> Step<Value<'a>> {
        let signature = function.signature();
        let mut args = self.program.list(list);
        if !signature.repeat && args.len() > signature.params.len() {
            // What is too many is evaluated and ignored.
            let (taken, extra) = args.split_at(signature.params.len());
            for id in extra {
                self.value(*id)?;
            }
            args = taken;
        }
        if let Some(value) = self.condition(function, args)? {
            return Ok(value);
        }
        if signature.result == Type::Nothing {
            self.effect(function, args)?;
            return Ok(NOTHING);
        }
        self.pure(function, args)
    }

    fn join(&mut self, list: List) -> Step<Value<'a>> {
        let mut joined = Vec::new();
        for id in self.program.list(list) {
            let text = self.text(*id)?.ok_or(Reason::Missing)?;
            self.make(joined.len() + text.len())?;
            joined.extend_from_slice(&text);
        }
        Ok(Value::Text(Cow::Owned(joined)))
    }

    fn text(&mut self, id: NodeId) -> Step<Option<Cow<'a, [u8]>>> {
        if let Node::Text(text) = self.program.node(id) {
            self.spend(0)?;
            return Ok(Some(Cow::Borrowed(self.program.text_of(text).as_bytes())));
        }
        match self.value(id)? {
            Value::Text(text) => Ok(Some(text)),
            value => {
                self.spend_written(&value)?;
                Ok(value.into_text()?)
            }
        }
    }

    /// Pays for writing a value as text, if it is none.
    fn spend_written(&mut self, value: &Value) -> Step<()> {
        match value {
            Value::Number(number) if number.fract() == 0.0 => self.spend_steps(4),
            Value::Number(_) => self.spend_steps(32),
            Value::Address(_) => self.spend_steps(8),
            Value::Missing | Value::Truth(_) | Value::Text(_) => Ok(()),
        }
    }

    fn number(&mut self, id: NodeId) -> Step<Option<f64>> {
        Ok(self.value(id)?.into_number()?)
    }

    /// Pays for one step, and one more for each 64 bytes that it looks at.
    fn spend(&mut self, bytes: usize) -> Step<()> {
        self.spend_steps(1 + (bytes / 64) as u32)
    }

    fn spend_steps(&mut self, steps: u32) -> Step<()> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Stop::Exhausted(End::OutOfSteps))
            }
        }
    }

    /// Pays for a text of so many bytes that a rule makes.
    fn make(&mut self, bytes: usize) -> Step<()> {
        if bytes > self.env.budget.text_bytes {
            return Err(Reason::LongText.into());
        }
        match self.made.checked_sub(bytes) {
            Some(left) => {
                self.made = left;
                self.spend(bytes)
            }
            None => Err(Stop::Exhausted(End::OutOfText)),
        }
    }

    fn made(&mut self, text: Vec<u8>) -> Step<Value<'a>> {
        self.make(text.len())?;
        Ok(Value::Text(Cow::Owned(text)))
    }

    fn spelling(&self) -> Spelling {
        self.rule.map_or(Spelling::Dollar, |rule| rule.spelling)
    }
}

/// Says in which function it failed, unless one within it did.
fn named(stop: Stop, function: Function) -> Stop {
    match stop {
        Stop::Failed(Failure { reason, function: None }) => {
            Stop::Failed(Failure { reason, function: Some(function) })
        }
        other => other,
    }
}
