//! Judges parsed rules and lays them down flat: names, types, constants, phases, bounds.

mod argument;
mod guard;

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};

use crate::action::Header;
use crate::address::{self, Network};
use crate::budget::Limits;
use crate::error::{Error, Span};
use crate::facts::Phase;
use crate::field::Keyed;
use crate::functions::{Function, Param, Signature, Type};
use crate::pattern::{self, Shape};
use crate::program::{List, Node, NodeId, Pattern, PatternShape, Program, Rule, Set};
use crate::text::{Str, Texts};
use crate::tree::{Expr, Kind, Members, RuleTree, Spelling};

type Judged<T> = Result<T, Error>;

/// Collects judged rules into a program.
pub(crate) struct Compiler<'l> {
    limits: &'l Limits,
    texts: Texts,
    nodes: Vec<Node>,
    lists: Vec<NodeId>,
    numbers: Vec<f64>,
    patterns: Vec<Pattern>,
    known_patterns: HashMap<u64, u32, foldhash::fast::RandomState>,
    sets: Vec<Set>,
    names: Vec<HeaderName>,
    lines: Vec<Header>,
    rules: Vec<(Phase, Rule)>,
    /// States that all patterns together need.
    states: usize,
}

/// What holds for the rule that is being judged.
struct Scope {
    spelling: Spelling,
    phase: Phase,
    /// Groups of the rule's pattern, if it has one.
    groups: Option<usize>,
    /// Groups of each `$CAPTURE` so far; none where its pattern is not constant.
    captures: Vec<(u8, Option<usize>)>,
    /// Nodes of the rules before.
    nodes_before: usize,
}

impl<'l> Compiler<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Compiler {
            limits,
            texts: Texts::default(),
            nodes: Vec::new(),
            lists: Vec::new(),
            numbers: Vec::new(),
            patterns: Vec::new(),
            known_patterns: HashMap::default(),
            sets: Vec::new(),
            names: Vec::new(),
            lines: Vec::new(),
            rules: Vec::new(),
            states: 0,
        }
    }

    /// Judges one more rule.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn rule(&mut self, rule: &RuleTree) -> Judged<()> {
        let pattern = match &rule.pattern {
            Some(expr) => {
                let text = expr.constant().unwrap_or_default();
                Some(self.pattern(text, false, expr.span)?)
            }
            None => None,
        };
        let mut scope = Scope {
            spelling: rule.spelling,
            phase: rule.phase,
            groups: pattern.map(|(_, groups)| groups),
            captures: Vec::new(),
            nodes_before: self.nodes.len(),
        };
        let mut items = Vec::with_capacity(rule.items.len());
        for item in &rule.items {
            items.push(self.expr(&mut scope, item)?);
        }
        let guard = guard::of(self, &items);
        let items = self.list(&items, Span::default())?;
        let testers = (!rule.testers.is_empty())
            .then(|| self.set(Set::Networks(address::sorted(rule.testers.clone()))));
        let rule = Rule {
            name: self.texts.add(&rule.name),
            number: self.rules.len() as u32,
            guard,
            items,
            pattern: pattern.map(|(id, _)| id),
            testers,
            spelling: rule.spelling,
            state: rule.state,
            stop: rule.stop,
        };
        self.rules.push((scope.phase, rule));
        Ok(())
    }

    /// The program of all rules.
    pub(crate) fn finish(mut self) -> Program {
        self.rules.sort_by_key(|(phase, _)| *phase);
        let phases =
            Phase::ALL.map(|phase| self.rules.partition_point(|(known, _)| *known <= phase) as u32);
        Program {
            text: self.texts.finish(),
            nodes: self.nodes.into(),
            lists: self.lists.into(),
            numbers: self.numbers.into(),
            patterns: self.patterns.into(),
            sets: self.sets.into(),
            names: self.names.into(),
            lines: self.lines.into(),
            rules: self.rules.into_iter().map(|(_, rule)| rule).collect(),
            phases,
        }
    }

    fn expr(&mut self, scope: &mut Scope, expr: &Expr) -> Judged<NodeId> {
        let node = match &expr.kind {
            Kind::Text(text) => Node::Text(self.texts.add(text)),
            Kind::Number(number) => self.number(*number),
            Kind::Truth(truth) => Node::Truth(*truth),
            Kind::Network(_) => return Err(lonely_network(expr.span)),
            Kind::Fact(field) if field.is_known_in(scope.phase) => Node::Fact(*field),
            Kind::Listed(list, key) if list.is_known_in(scope.phase) => self.listed(*list, key),
            Kind::Fact(_) | Kind::Listed(..) => return Err(too_early(expr.span, scope.phase)),
            Kind::Label(number) => Node::Label(*number),
            Kind::Random(letters) => Node::Random(*letters),
            Kind::Group(number) => group(scope, *number, expr.span)?,
            Kind::Captured(capture, number) => captured(scope, *capture, *number, expr.span)?,
            Kind::Join(parts) => self.join(scope, parts, expr.span)?,
            Kind::Call(function, args) => self.call(scope, *function, args, expr.span)?,
            Kind::Capture(number, args) => {
                let list = self.arguments(scope, Function::Capture.signature(), args, expr.span)?;
                scope.captures.push((*number, self.groups_of(list)));
                Node::Capture(*number, list)
            }
            Kind::In(value, members) => {
                let value = self.expr(scope, value)?;
                let set = self.members(members);
                Node::In(value, self.set(set))
            }
        };
        self.node(scope, node, expr.span)
    }

    fn node(&mut self, scope: &Scope, node: Node, span: Span) -> Judged<NodeId> {
        if self.nodes.len() - scope.nodes_before >= self.limits.nodes {
            let most = self.limits.nodes;
            return Err(Error::new(span, format!("the rule has more than {most} expressions"))
                .hint("split it into several rules"));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() as u32 - 1)
    }

    /// A value by its name; of a header that cannot be there there is none.
    fn listed(&mut self, list: Keyed, key: &str) -> Node {
        match (list, HeaderName::from_bytes(key.as_bytes())) {
            (Keyed::Header, Ok(name)) => Node::RequestHeader(self.name(name)),
            (Keyed::ResponseHeader, Ok(name)) => Node::ResponseHeader(self.name(name)),
            _ => Node::Listed(list, self.texts.add(key)),
        }
    }

    fn name(&mut self, name: HeaderName) -> u32 {
        let known = self.names.iter().position(|known| *known == name);
        known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        }) as u32
    }

    /// Makes what is constant of the header that an action is about ready to be sent.
    fn prepare_header(&mut self, list: List) {
        let start = list.start as usize;
        let constant = |at: usize| {
            let id = *self.lists.get(start + at)?;
            match self.nodes.get(id as usize)? {
                Node::Text(text) => Some((id as usize, self.texts.get(*text))),
                _ => None,
            }
        };
        let Some((id, name)) = constant(0) else { return };
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
        let value = constant(1).and_then(|(_, value)| HeaderValue::from_str(value).ok());
        let ready = match value {
            Some(value) => {
                self.lines.push(Header { name, value });
                Node::Line(self.lines.len() as u32 - 1)
            }
            None => Node::Name(self.name(name)),
        };
        if let Some(node) = self.nodes.get_mut(id) {
            *node = ready;
        }
    }

    fn number(&mut self, number: f64) -> Node {
        self.numbers.push(number);
        Node::Number(self.numbers.len() as u32 - 1)
    }

    fn list(&mut self, ids: &[NodeId], span: Span) -> Judged<List> {
        let len = u16::try_from(ids.len())
            .map_err(|_| Error::new(span, "there are more than 65,535 arguments"))?;
        let start = self.lists.len() as u32;
        self.lists.extend_from_slice(ids);
        Ok(List { start, len })
    }

    fn join(&mut self, scope: &mut Scope, parts: &[Expr], span: Span) -> Judged<Node> {
        let mut ids = Vec::with_capacity(parts.len());
        for part in parts {
            if scope.spelling == Spelling::When && part.type_() == Type::Truth {
                return Err(Error::new(part.span, "true or false cannot stand in a text"));
            }
            ids.push(self.expr(scope, part)?);
        }
        Ok(Node::Join(self.list(&ids, span)?))
    }

    fn call(
        &mut self,
        scope: &mut Scope,
        function: Function,
        args: &[Expr],
        span: Span,
    ) -> Judged<Node> {
        let signature = function.signature();
        if signature.phases & scope.phase.bit() == 0 {
            return Err(wrong_phase(signature, scope.phase, span));
        }
        if function == Function::IpIn {
            return self.ip_in(scope, args, span);
        }
        let insensitive = match args {
            [text, pattern] if function == Function::Match => insensitive(text, pattern),
            _ => None,
        };
        let args = insensitive.as_ref().map_or(args, |args| args);
        let list = self.arguments(scope, signature, args, span)?;
        if matches!(signature.params.first(), Some(Param::Name(..))) {
            self.prepare_header(list);
        }
        Ok(Node::Call(function, list))
    }

    /// `ip_in(address, "network", …)` is an `in`.
    fn ip_in(&mut self, scope: &mut Scope, args: &[Expr], span: Span) -> Judged<Node> {
        let signature = Function::IpIn.signature();
        argument::count(scope.spelling, signature, args.len(), span)?;
        let mut networks = Vec::new();
        for arg in args.iter().skip(1) {
            networks.push(match arg.kind {
                Kind::Network(network) => network,
                _ => Network::read(arg.constant().unwrap_or_default(), arg.span)?,
            });
        }
        let Some(value) = args.first() else { return Ok(Node::Truth(false)) };
        let value = self.argument(scope, signature, 0, value, args)?;
        Ok(Node::In(value, self.set(Set::Networks(address::sorted(networks)))))
    }

    fn members(&mut self, members: &Members) -> Set {
        match members {
            Members::Texts(texts) => {
                let mut places: Vec<Str> = texts.iter().map(|text| self.texts.add(text)).collect();
                places.sort_unstable_by(|a, b| self.texts.get(*a).cmp(self.texts.get(*b)));
                places.dedup();
                Set::Texts(places.into())
            }
            Members::Numbers(ranges) => {
                let mut ranges = ranges.clone();
                ranges.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
                // A range within the one before adds nothing, and would hide it from the search.
                ranges.dedup_by(|later, before| later.1 <= before.1);
                Set::Numbers(ranges.into())
            }
            Members::Networks(networks) => Set::Networks(address::sorted(networks.clone())),
        }
    }

    fn set(&mut self, set: Set) -> u32 {
        self.sets.push(set);
        self.sets.len() as u32 - 1
    }

    /// The number of a pattern and how many groups it has.
    fn pattern(&mut self, text: &str, ignore_case: bool, span: Span) -> Judged<(u32, usize)> {
        let limits = self.limits;
        if text.len() > limits.pattern_bytes {
            let most = limits.pattern_bytes;
            return Err(Error::new(span, format!("the pattern has more than {most} bytes")));
        }
        let hash = pattern::hash(text, ignore_case);
        let known = self.known_patterns.get(&hash).and_then(|id| {
            let known = self.patterns.get(*id as usize)?;
            let same = self.texts.get(known.text) == text && known.ignore_case == ignore_case;
            same.then_some((*id, usize::from(known.groups)))
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let checked = pattern::check(text, ignore_case).map_err(|complaint| {
            let error = Error::new(span, complaint.message);
            match complaint.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        if checked.states > limits.pattern_states {
            return Err(Error::new(
                span,
                "the pattern is too large when its repetitions are counted",
            )
            .hint("repeat less, or smaller parts"));
        }
        self.states += checked.states;
        if self.states > limits.set_pattern_states {
            return Err(Error::new(span, "the patterns of all rules together are too large")
                .hint("use fewer, or compare texts where that will do"));
        }
        let mut add = |text: &str| self.texts.add(text);
        let shape = match &checked.shape {
            Shape::Pattern => PatternShape::Pattern,
            Shape::Begins(text) => PatternShape::Begins(add(text)),
            Shape::Contains(text) => PatternShape::Contains(add(text)),
            Shape::Starts(text) => PatternShape::Starts(add(text)),
            Shape::Ends(text) => PatternShape::Ends(add(text)),
            Shape::Is(text) => PatternShape::Is(add(text)),
        };
        let (text, states) = (self.texts.add(text), checked.states as u32);
        let groups = checked.groups as u16;
        self.patterns.push(Pattern { text, hash, states, groups, ignore_case, shape });
        let id = self.patterns.len() as u32 - 1;
        self.known_patterns.insert(hash, id);
        Ok((id, checked.groups))
    }

    /// How many groups the pattern of a `$CAPTURE` has, if it is constant.
    fn groups_of(&self, list: List) -> Option<usize> {
        let id = self.lists.get(list.start as usize + 1)?;
        let Node::Pattern(pattern) = self.nodes.get(*id as usize)? else { return None };
        self.patterns.get(*pattern as usize).map(|pattern| usize::from(pattern.groups))
    }
}

/// The search in a text in lower case as one that does not tell case apart, where that is the same.
fn insensitive<'s>(text: &Expr<'s>, pattern: &Expr<'s>) -> Option<[Expr<'s>; 3]> {
    let Kind::Call(Function::Lower, inner) = &text.kind else { return None };
    let [inner] = &inner[..] else { return None };
    let is_same = pattern::has_no_capitals(pattern.constant()?);
    is_same.then(|| [inner.clone(), pattern.clone(), Expr::text("i", pattern.span)])
}

fn group(scope: &Scope, number: u8, span: Span) -> Judged<Node> {
    match scope.groups {
        None => {
            Err(Error::new(span, format!("`${number}` is always missing: the rule has no pattern"))
                .hint("give the rule a `pattern` with groups"))
        }
        Some(groups) if usize::from(number) > groups => Err(Error::new(
            span,
            format!("`${number}` is always missing: {}", has_groups("the pattern", groups)),
        )),
        Some(_) => Ok(Node::Group(number)),
    }
}

fn captured(scope: &Scope, capture: u8, number: u8, span: Span) -> Judged<Node> {
    let of_number = scope.captures.iter().find(|(known, _)| *known == capture);
    match of_number {
        None => {
            let message = format!(
                "`${capture}.{number}` is always missing: no `$CAPTURE` number {capture} stands before it"
            );
            Err(Error::new(span, message).hint(format!(
                "for group {capture} and then `.{number}` write `${capture}'.{number}'`"
            )))
        }
        Some((_, Some(groups))) if usize::from(number) > *groups => {
            let of = has_groups("that pattern", *groups);
            Err(Error::new(span, format!("`${capture}.{number}` is always missing: {of}")))
        }
        Some(_) => Ok(Node::Captured(capture, number)),
    }
}

fn has_groups(what: &str, groups: usize) -> String {
    match groups {
        0 => format!("{what} has no groups"),
        1 => format!("{what} has one group"),
        _ => format!("{what} has {groups} groups"),
    }
}

fn lonely_network(span: Span) -> Error {
    Error::new(span, "an address can only be compared with `ip.src`")
        .hint("as text, put it between quotes")
}

fn too_early(span: Span, phase: Phase) -> Error {
    Error::new(span, format!("there is no response yet in the {} phase", phase.word()))
        .hint("give the rule `phase = \"response\"`, `\"cache\"` or `\"error\"`")
}

fn wrong_phase(signature: &Signature, phase: Phase, span: Span) -> Error {
    let allowed: Vec<_> = Phase::ALL
        .into_iter()
        .filter(|phase| signature.phases & phase.bit() != 0)
        .map(|phase| format!("`{}`", phase.word()))
        .collect();
    let message = format!("this cannot be done in the {} phase", phase.word());
    Error::new(span, message).hint(format!("it can be done in {}", allowed.join(", ")))
}
