//! Runs rules against a request and says shortly what came of it.

use edge_rules::{
    Action, Budget, DEFAULT_ZONE, DollarRule, Environment, Fate, Limits, Outcome, PatternCache,
    Phase, Program, Sample,
};

/// The time in all tests.
pub const NOW: i64 = 1_481_106_349;

/// Compiles rules of the `$` spelling, each a pattern and a text.
pub fn program(rules: &[(&str, &str)]) -> Program {
    let rules: Vec<_> = rules
        .iter()
        .map(|(pattern, text)| DollarRule { text, pattern, ..DollarRule::default() })
        .collect();
    Program::from_dollar(&rules, &Limits::default()).unwrap_or_else(|errors| {
        let shown: Vec<_> = errors
            .iter()
            .map(|(at, error)| error.show("rule", rules[*at].text).to_string())
            .collect();
        panic!("{}", shown.join("\n"))
    })
}

/// Runs a phase with everything fixed; every rule is recorded.
pub fn evaluate(program: &Program, phase: Phase, request: &Sample) -> Outcome {
    evaluate_within(program, phase, request, &Budget::default())
}

/// The same within a budget.
pub fn evaluate_within(
    program: &Program,
    phase: Phase,
    request: &Sample,
    budget: &Budget,
) -> Outcome {
    let mut patterns = PatternCache::new(1 << 20);
    let mut bits = 0u64;
    let mut random = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bits
    };
    program.evaluate(
        phase,
        request,
        &mut Environment {
            now: NOW,
            random: &mut random,
            patterns: &mut patterns,
            budget,
            zone: DEFAULT_ZONE,
            tester: false,
            explain: true,
        },
    )
}

/// The effects of `$` rules on a request, each in short words.
pub fn effects(rules: &[(&str, &str)], request: &Sample) -> Vec<String> {
    short(&evaluate(&program(rules), Phase::Request, request))
}

/// The effects of one rule without a pattern on a GET.
pub fn effect(rule: &str, url: &str) -> Vec<String> {
    effects(&[("", rule)], &Sample::get(url))
}

/// What one expression is worth as the value of a header; `failed: …` or `unmatched` if it is not.
pub fn worth(expression: &str, request: &Sample) -> String {
    let rule = format!("$ADD_REQ_HEADER(X-Worth, {expression})");
    let outcome = evaluate(&program(&[("", &rule)]), Phase::Request, request);
    match (&outcome.actions[..], outcome.events[0].fate) {
        (_, Fate::Failed(failure)) => format!("failed: {failure}"),
        (actions, _) => match actions.last() {
            Some(Action::AddRequestHeader(header)) => {
                String::from_utf8_lossy(header.value.as_bytes()).into_owned()
            }
            other => format!("{other:?}"),
        },
    }
}

/// Whether one expression is true.
pub fn holds(expression: &str, request: &Sample) -> bool {
    !effects(&[("", &format!("$WHEN({expression})$EXIT(403)"))], request).is_empty()
}

/// Each action in short words.
pub fn short(outcome: &Outcome) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line =
        |header: &edge_rules::Header| format!("{}: {}", header.name, text(header.value.as_bytes()));
    let words = |action: &Action| match action {
        Action::AddRequestHeader(it) => format!("ask + {}", line(it)),
        Action::SetRequestHeader(it) => format!("ask = {}", line(it)),
        Action::RemoveRequestHeader(name) => format!("ask - {name}"),
        Action::AddResponseHeader(it) => format!("reply + {}", line(it)),
        Action::SetResponseHeader(it) => format!("reply = {}", line(it)),
        Action::RemoveResponseHeader(name) => format!("reply - {name}"),
        Action::RemoveArgument(name) => format!("argument - {}", text(name)),
        Action::SetMethod(method) => format!("method {method}"),
        Action::SetBody(body) => format!("body {}", text(body)),
        Action::Rewrite(target) => format!("rewrite {target}"),
        Action::Redirect { status, location } => format!("{status} {location}"),
        Action::Respond { status, body, content_type } => {
            let kind = content_type.as_deref().unwrap_or_default();
            format!("{status} {kind} {}", text(body)).trim_end().replace("  ", " ")
        }
        Action::LimitRate(bytes) => format!("rate {bytes}"),
        Action::LimitRateAfter(bytes) => format!("rate after {bytes}"),
        Action::ErrorPage { statuses, location } => format!("page {statuses:?} {location}"),
        other => format!("{other:?}"),
    };
    outcome.actions.iter().map(words).collect()
}
