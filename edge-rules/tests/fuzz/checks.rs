//! What must hold for every text, every program and every request.

use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;

use edge_rules::{
    Action, Budget, DEFAULT_ZONE, Environment, Error, Facts, Failure, Fate, Limits, Notation,
    Outcome, PatternCache, Phase, Program, Reason, Sample, Tests, convert_document, convert_rules,
    format_document, format_rules,
};
use http::HeaderName;

use crate::corpus::Corpus;
use crate::grammar::{Chance, dollar_rule, request, when_rule};
use crate::mutate::mutated;

/// How far the cases got.
#[derive(Default)]
pub struct Tally {
    pub compiled: usize,
    converted: usize,
    evaluated: usize,
    actions: usize,
    exhausted: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { compiled, converted, evaluated, actions, exhausted } = self;
        write!(
            f,
            "{compiled} compiled, {converted} converted, {evaluated} evaluations with {actions} actions, {exhausted} ended by a budget"
        )
    }
}

/// Errors can be shown whatever their text is.
fn shown<T>(result: Result<T, Vec<Error>>, source: &str) -> Option<T> {
    result
        .map_err(|errors| {
            assert!(!errors.is_empty());
            for error in errors.iter().take(3) {
                let shown = error.show("fuzz", source).to_string();
                assert!(!shown.contains(['\r', '\0', '\x1b']), "{shown:?}");
            }
        })
        .ok()
}

/// A rule set: by chance out of the grammar, or mutated.
fn document(chance: &mut Chance, corpus: &Corpus) -> String {
    match chance.below(4) {
        0 => (0..1 + chance.below(4)).map(|_| when_rule(chance)).collect(),
        1 => (0..1 + chance.below(4)).map(|_| dollar_table(chance)).collect(),
        _ => mutated(chance, &corpus.documents),
    }
}

fn dollar_table(chance: &mut Chance) -> String {
    let (pattern, text) = dollar_rule(chance);
    format!("[[rules]]\npattern = '''{pattern}'''\ntext = '''{text}'''\n")
}

pub fn parser(chance: &mut Chance, corpus: &Corpus, input: &mut String, tally: &mut Tally) {
    match chance.below(8) {
        0 => {
            *input = mutated(chance, &corpus.tests);
            let rules = &corpus.documents[chance.below(corpus.documents.len())];
            let program = Program::from_document(rules, &Limits::default()).unwrap();
            if let Some(tests) = shown(Tests::parse(input), input) {
                tally.compiled += 1;
                let report = tests.run(&program);
                assert_eq!(report.results.len(), tests.len());
                assert!(!report.to_string().contains(['\r', '\0', '\x1b']), "{report}");
            }
        }
        1 | 2 => {
            *input = mutated(chance, &corpus.rules);
            a_file(input, chance, tally);
        }
        _ => {
            *input = document(chance, corpus);
            a_document(input, chance, tally);
        }
    }
}

fn a_document(source: &str, chance: &mut Chance, tally: &mut Tally) {
    let limits = Limits::default();
    let Some(program) = shown(Program::from_document(source, &limits), source) else { return };
    tally.compiled += 1;
    // Only what no longer fits the bounds is not laid out.
    if let Some(made) = shown(format_document(source, &limits), source) {
        let again = Program::from_document(&made, &limits);
        assert!(again.as_ref().is_ok_and(|it| *it == program), "{again:?}\nlaid out:\n{made}");
        assert_eq!(format_document(&made, &limits).unwrap(), made);
    }
    for to in [Notation::When, Notation::Dollar] {
        let converted = convert_document(source, to, &limits);
        let Some(converted) = shown(converted, source) else { continue };
        for kept in &converted.kept {
            kept.show("fuzz", source).to_string();
        }
        same(&program, &converted.text, chance);
        tally.converted += 1;
    }
}

fn a_file(source: &str, chance: &mut Chance, tally: &mut Tally) {
    let limits = Limits::default();
    let Some(program) = shown(Program::from_rules(source, &limits), source) else { return };
    tally.compiled += 1;
    if let Some(made) = shown(format_rules(source, &limits), source) {
        let again = Program::from_rules(&made, &limits);
        assert!(again.as_ref().is_ok_and(|it| *it == program), "{again:?}\nlaid out:\n{made}");
        assert_eq!(format_rules(&made, &limits).unwrap(), made);
    }
    if let Some(converted) = shown(convert_rules(source, &limits), source) {
        same(&program, &converted.text, chance);
        tally.converted += 1;
    }
}

/// A converted document compiles, and does the same to requests.
fn same(program: &Program, converted: &str, chance: &mut Chance) {
    let other = Program::from_document(converted, &Limits::default())
        .unwrap_or_else(|errors| panic!("{}", errors[0].show("converted", converted)));
    for _ in 0..4 {
        let request = request(chance);
        let run =
            |program: &Program| evaluate(program, Phase::Request, &request, &Budget::default());
        let (a, b) = (run(program), run(&other));
        let long = |outcome: &Outcome| {
            outcome.end.is_exhausted()
                || outcome.events.iter().any(|it| {
                    matches!(it.fate, Fate::Failed(Failure { reason: Reason::LongText, .. }))
                })
        };
        if !long(&a) && !long(&b) {
            assert_eq!(plain(&a), plain(&b), "{request:?}\nconverted:\n{converted}");
            assert_eq!(a.end, b.end, "{request:?}\nconverted:\n{converted}");
        }
    }
}

/// Setting a request header is removing it and adding one.
fn plain(outcome: &Outcome) -> Vec<Action> {
    let one = |action: &Action| match action {
        Action::SetRequestHeader(header) => vec![
            Action::RemoveRequestHeader(header.name.clone()),
            Action::AddRequestHeader(header.clone()),
        ],
        other => vec![other.clone()],
    };
    outcome.actions.iter().flat_map(one).collect()
}

fn evaluate(program: &Program, phase: Phase, facts: &dyn Facts, budget: &Budget) -> Outcome {
    let mut patterns = PatternCache::new(1 << 20);
    let mut chance = Chance(7);
    let mut random = || chance.bits();
    let mut env = Environment {
        now: 1_481_106_349,
        random: &mut random,
        patterns: &mut patterns,
        budget,
        zone: DEFAULT_ZONE,
        tester: true,
        explain: true,
    };
    program.evaluate(phase, facts, &mut env)
}

pub fn evaluator(chance: &mut Chance, corpus: &Corpus, input: &mut String, tally: &mut Tally) {
    let limits = Limits::default();
    let program = if chance.below(4) == 0 {
        *input = mutated(chance, &corpus.rules);
        Program::from_rules(input, &limits)
    } else {
        *input = document(chance, corpus);
        Program::from_document(input, &limits)
    };
    let Ok(program) = program else { return };
    tally.compiled += 1;
    for _ in 0..6 {
        let request = hostile(chance);
        let budget = budget(chance);
        for phase in Phase::ALL {
            let counted = Counted { facts: &request, asked: Cell::new(0) };
            let outcome = evaluate(&program, phase, &counted, &budget);
            tally.evaluated += 1;
            tally.actions += outcome.actions.len();
            tally.exhausted += usize::from(outcome.end.is_exhausted());
            assert!(outcome.steps <= budget.steps, "{} steps", outcome.steps);
            assert!(outcome.actions.len() <= budget.actions + 1, "{request:?}");
            // Each look at the request is paid for; a cookie or a form argument takes a few.
            let most = 8 * (budget.steps as usize + program.len() + 8);
            assert!(counted.asked.get() <= most, "{} looks, {budget:?}", counted.asked.get());
            outcome.actions.iter().for_each(|action| clean(action, &request));
        }
    }
}

fn budget(chance: &mut Chance) -> Budget {
    let whole = Budget::default();
    match chance.below(4) {
        0 => Budget { steps: chance.below(200) as u32, ..whole },
        1 => Budget { made_bytes: chance.below(500), text_bytes: chance.below(100), ..whole },
        2 => Budget { actions: chance.below(4), ..whole },
        _ => whole,
    }
}

/// A request with what no server should let through.
fn hostile(chance: &mut Chance) -> Sample {
    const EVIL: &[&str] = &[
        "",
        "\r\nSet-Cookie: a=b",
        "a\nb",
        "\0",
        "é",
        "\u{7f}",
        "%0d%0a",
        "%",
        "%zz",
        "//evil.example",
        "YQ0KYg==",
        "DQo=",
        "a b",
        "1e309",
        "-1",
        "99999999999999999999",
        "(",
        "(a*)*$",
        "Content-Length",
        "Host",
        "X\r\nY",
        "{",
        "GET",
    ];
    let mut request = request(chance);
    let piece = |chance: &mut Chance| {
        let times = [1, 1, 1, 3000][chance.below(4)];
        chance.of(EVIL).repeat(times)
    };
    request.path = format!("/{}", piece(chance));
    let names = ["a", "b", "t", "q", "m", "n", "id", "save", "_upt"];
    let query: Vec<String> =
        names.iter().filter(|_| chance.below(2) == 0).map(|name| format!("{name}=")).collect();
    request.query = Some(query.iter().map(|start| format!("{start}{}&", piece(chance))).collect());
    for name in
        ["a", "b", "p", "cookie", "referer", "origin", "user-agent", "x-trace", "accept-language"]
    {
        if chance.below(3) == 0 {
            request = request.with_header(name, piece(chance));
        }
    }
    request.status = Some(200 + chance.below(400) as u16);
    request =
        request.with_response_header("x-tag", piece(chance)).with_response_header("b", "\r\n");
    if chance.below(2) == 0 {
        request.method = "POST".into();
        request.body = Some(format!("website={}&mail={}", piece(chance), piece(chance)).into());
        request = request.with_header("content-type", "application/x-www-form-urlencoded");
    }
    request
}

/// What leaves a rule splits no message.
fn clean(action: &Action, request: &Sample) {
    let texts: Vec<&[u8]> = match action {
        Action::AddRequestHeader(it)
        | Action::SetRequestHeader(it)
        | Action::AddResponseHeader(it)
        | Action::SetResponseHeader(it) => vec![it.name.as_str().as_bytes(), it.value.as_bytes()],
        Action::RemoveRequestHeader(it) | Action::RemoveResponseHeader(it) => {
            vec![it.as_str().as_bytes()]
        }
        Action::Rewrite(it) | Action::CacheTag(it) | Action::Origin(it) => vec![it.as_bytes()],
        Action::Redirect { location, .. } | Action::ErrorPage { location, .. } => {
            vec![location.as_bytes()]
        }
        Action::Respond { content_type, .. } => {
            content_type.as_deref().map(str::as_bytes).into_iter().collect()
        }
        Action::SetMethod(it) => vec![it.as_bytes()],
        // Bodies and keys may hold any byte, and so may the name of an argument, which is looked for.
        _ => Vec::new(),
    };
    let bad = |text: &&[u8]| text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    assert!(!texts.iter().any(bad), "{action:?}\n{request:?}");
}

/// Counts how often a request is looked at.
struct Counted<'s> {
    facts: &'s Sample,
    asked: Cell<usize>,
}

impl Counted<'_> {
    fn facts(&self) -> &Sample {
        self.asked.set(self.asked.get() + 1);
        self.facts
    }
}

impl Facts for Counted<'_> {
    fn scheme(&self) -> &str {
        self.facts().scheme()
    }
    fn method(&self) -> &str {
        self.facts().method()
    }
    fn host(&self) -> &str {
        self.facts().host()
    }
    fn path(&self) -> &str {
        self.facts().path()
    }
    fn query(&self) -> Option<&str> {
        self.facts().query()
    }
    fn header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]> {
        self.facts().header(name, nth)
    }
    fn client(&self) -> IpAddr {
        self.facts().client()
    }
    fn country(&self) -> Option<&str> {
        self.facts().country()
    }
    fn body(&self) -> Option<&[u8]> {
        self.facts().body()
    }
    fn status(&self) -> Option<u16> {
        self.facts().status()
    }
    fn response_header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]> {
        self.facts().response_header(name, nth)
    }
}
