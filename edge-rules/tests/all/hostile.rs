//! Rule sets that mean harm: refused at load, or ended by the budget; never a panic.

use std::time::Instant;

use edge_rules::{
    Action, Budget, DollarRule, End, Fate, Limits, PatternCache, Phase, Program, Sample,
};
use proptest::prelude::*;

use crate::kit::{evaluate, program};

/// A request as large as a rule may see: 16 KiB of body and long headers.
fn large() -> Sample {
    let mut request =
        Sample::get(&format!("a.example/{}?q={}", "a".repeat(4000), "b".repeat(4000)))
            .with_header("X-Long", "ab".repeat(4000))
            .with_header("Content-Type", "application/x-www-form-urlencoded");
    request.body = Some(b"aaaaaaab".repeat(2048));
    request
}

fn rules(texts: &[String]) -> Result<Program, Vec<(usize, edge_rules::Error)>> {
    let rules: Vec<_> =
        texts.iter().map(|text| DollarRule { text, ..DollarRule::default() }).collect();
    Program::from_dollar(&rules, &Limits::default())
}

#[test]
fn too_many_rules_are_refused() {
    let texts = vec!["/a".to_string(); 10_000];
    let errors = rules(&texts).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].1.message.contains("10000 rules, at most 2000"), "{}", errors[0].1);
    let errors = rules(&vec!["a".repeat(16_000); 100]).unwrap_err();
    assert!(errors[0].1.message.contains("the set has more than 1048576 bytes"));
}

#[test]
fn forty_hostile_patterns_end_within_the_budget() {
    let patterns = ["(a|aa)+$", "(.*a){10}b$", "(a*)*b", "([a-z]+)*\\d", "(x+x+)+y"];
    let texts: Vec<String> = (0..40)
        .map(|number| format!("$WHEN($MATCH($_BODY, '{}{number}'))/x", patterns[number % 5]))
        .collect();
    let program = rules(&texts).unwrap();
    let outcome = evaluate(&program, Phase::Request, &large());
    assert!(outcome.steps <= Budget::default().steps);
    assert!(outcome.actions.is_empty());
}

#[test]
fn growth_is_ended_by_name() {
    let double = "$GSUB($_BODY,a,aaaaaaaaaaaaaaaaaaaa,)".to_string();
    let program = rules(&vec![format!("$WHEN($EQ({double},x))/x"); 100]).unwrap();
    let outcome = evaluate(&program, Phase::Request, &large());
    assert!(matches!(outcome.events[0].fate, Fate::Failed(it) if it.reason.word() == "long_text"));
    let program = rules(&vec!["$ADD_REQ_HEADER(A,$_BODY$_BODY)".to_string(); 100]).unwrap();
    assert_eq!(evaluate(&program, Phase::Request, &large()).end, End::OutOfText);
}

#[test]
fn patterns_made_of_the_request_are_bounded() {
    let request = |pattern: &str| Sample::get("a.example/x").with_header("P", pattern);
    let program = program(&[("", "$WHEN($MATCH($_URI,$_HEADER_p))/y")]);
    let fate = |pattern: &str| evaluate(&program, Phase::Request, &request(pattern)).events[0].fate;
    let failed = |pattern: &str, word: &str| matches!(fate(pattern), Fate::Failed(it) if it.reason.word() == word);
    assert_eq!(fate("^/[x-z]$"), Fate::Matched);
    assert!(failed("(", "bad_pattern"));
    assert!(failed("(?=a)", "bad_pattern"));
    assert!(failed(&"a".repeat(257), "large_pattern"));
    assert!(failed("((a{90}){90}){90}", "large_pattern"));
}

#[test]
fn work_that_grows_with_the_text_is_paid_for() {
    let steps = |rule: &str| {
        let outcome = evaluate(&rules(&[rule.to_string()]).unwrap(), Phase::Request, &large());
        assert_eq!(outcome.end, End::Finished, "{rule}");
        outcome.steps
    };
    for (rule, least) in [
        ("$WHEN($NOT($EQ($_BODY,$_BODY)))/x", 256),
        ("$WHEN($MATCH($_BODY,'b[a-z]c'))/x", 750),
        ("$WHEN($MD5($_BODY))", 2000),
        ("$WHEN($UNESCAPE($_BODY))", 4000),
        ("$WHEN($GSUB($_BODY,a,,))", 16_000),
        ("$WHEN($_POST_zz)/x", 1000),
        ("$DEL_ARG(a)$WHEN($_GET_zz)/x", 7000),
        ("$CAPTURE(x$_BODY,'^.*$')$WHEN($1.0)", 500),
        ("$WHEN($EQ($DIVIDE($_TIME,7),x))/x", 32),
    ] {
        assert!(steps(rule) >= least, "{rule}: {} steps", steps(rule));
    }
}

#[test]
fn no_hostile_set_takes_long() {
    let nested = format!("{}$_BODY{}", "$LOWER($UPPER(".repeat(15), "))".repeat(15));
    for texts in [
        vec!["$WHEN($MATCH($_BODY,'(a|ab|b)*c(a|b){200}$'))/x".to_string(); 2000],
        vec![format!("$WHEN($EQ({nested},x))/x"); 2000],
        vec!["$WHEN($_POST_zz)$WHEN($_GET_zz)/x".to_string(); 2000],
        vec!["$WHEN($MD5($_BODY))$WHEN($EQ(a,b))/x".to_string(); 2000],
        vec!["$ADD_REQ_HEADER(A,$_HEADER_a)".to_string(); 2000],
        vec!["$DEL_ARG(a)$WHEN($_GET_zz)/x".to_string(); 2000],
    ] {
        let program = rules(&texts).unwrap();
        evaluate(&program, Phase::Request, &large());
        let start = Instant::now();
        let outcome = evaluate(&program, Phase::Request, &large());
        // The bound is 5 ms of an optimized build on an idle machine; this is neither.
        let took = start.elapsed();
        assert!(took.as_millis() < 2000, "{}: {took:?} {:?}", texts[0], outcome.end);
    }
}

/// Pieces that rules are made of, so that chance finds more than the first error.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("$WHEN(".to_string()),
        Just("$NOT(".to_string()),
        Just("$EQ(".to_string()),
        Just("$MATCH($_URI,'(a|b)*'".to_string()),
        Just("$CAPTURE($_URI,'(.)(.)'".to_string()),
        Just("$SUB($_BODY,".to_string()),
        Just("$GSUB($_BODY,a,aaaa".to_string()),
        Just("$UNESCAPE(".to_string()),
        Just("$ADD_RSP_HEADER(A,".to_string()),
        Just("$REDIRECT(".to_string()),
        Just("$DECODE_BASE64(".to_string()),
        Just("$PCALL(".to_string()),
        Just("$INT($_GET_q,16,".to_string()),
        Just("$RANDI(".to_string()),
        Just(")".to_string()),
        Just("))".to_string()),
        Just(",".to_string()),
        Just("$_URI".to_string()),
        Just("$_GET_q".to_string()),
        Just("$_HOST_2".to_string()),
        Just("$1".to_string()),
        Just("$1.1".to_string()),
        Just("'quo\\'ted'".to_string()),
        Just("/x?y?".to_string()),
        Just("$$".to_string()),
        "[0-9]{1,20}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Pieces of conditions.
fn conditions() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("http.host ".to_string()),
        Just("http.request.uri.path ".to_string()),
        Just("http.request.headers[\"a\"] ".to_string()),
        Just("ip.src in {10.0.0.0/8 ::/0} ".to_string()),
        Just("eq \"a\" ".to_string()),
        Just("matches r\"^/(a|b)*\" ".to_string()),
        Just("wildcard \"*a*b*\" ".to_string()),
        Just("in {\"a\" \"b\"} ".to_string()),
        Just("and ".to_string()),
        Just("or ".to_string()),
        Just("not ".to_string()),
        Just("(".to_string()),
        Just(") ".to_string()),
        Just("lower(".to_string()),
        Just("len(".to_string()),
        Just("gt 5 ".to_string()),
        Just("ssl ".to_string()),
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Whatever leaves a rule can be sent.
fn is_safe(action: &Action) -> bool {
    let clean = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    match action {
        Action::AddRequestHeader(header)
        | Action::SetRequestHeader(header)
        | Action::AddResponseHeader(header)
        | Action::SetResponseHeader(header) => {
            clean(header.name.as_str().as_bytes()) && clean(header.value.as_bytes())
        }
        Action::RemoveRequestHeader(name) | Action::RemoveResponseHeader(name) => {
            clean(name.as_str().as_bytes())
        }
        Action::Rewrite(target) => target.starts_with('/') && clean(target.as_bytes()),
        Action::Redirect { location, .. } | Action::ErrorPage { location, .. } => {
            clean(location.as_bytes())
        }
        _ => true,
    }
}

fn survives(program: &Program, request: &Sample) {
    let budget = Budget::default();
    for phase in Phase::ALL {
        let outcome = evaluate(program, phase, request);
        assert!(outcome.steps <= budget.steps && outcome.actions.len() <= budget.actions + 1);
        assert!(outcome.actions.iter().all(is_safe), "{:?}", outcome.actions);
    }
}

/// Errors can be drawn, and point into the text.
fn is_drawn(errors: &[edge_rules::Error], source: &str) {
    for error in errors {
        assert!(error.show("f", source).to_string().contains('^'));
        assert!(error.span.start as usize <= source.len(), "{error:?}");
        assert!(!error.message.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_rule_or_an_error(text in "\\PC{0,60}") {
        match Program::from_dollar_text(&text, &Limits::default()) {
            Ok(program) => survives(&program, &large()),
            Err(errors) => is_drawn(&errors, &text),
        }
    }

    #[test]
    fn any_pieces_are_a_rule_or_an_error(text in pieces(), pattern in "[()a/.*|+]{0,8}") {
        let rule = DollarRule { text: &text, pattern: &pattern, ..DollarRule::default() };
        match Program::from_dollar(&[rule], &Limits::default()) {
            Ok(program) => survives(&program, &large()),
            Err(errors) => for (_, error) in errors {
                assert!(error.show("f", &text).to_string().contains('^'));
            },
        }
    }

    #[test]
    fn any_condition_is_a_rule_or_an_error(text in conditions(), template in "\\PC{0,20}") {
        let quote = |text: &str| text.replace("'''", "");
        let source = format!(
            "[[rules]]\nwhen = '''{} '''\ndo = {{ set_request_header = {{ A = '''{} ''' }} }}",
            quote(&text), quote(&template)
        );
        match Program::from_document(&source, &Limits::default()) {
            Ok(program) => survives(&program, &large()),
            Err(errors) => is_drawn(&errors, &source),
        }
    }

    #[test]
    fn any_document_is_a_program_or_errors(text in "(\\[\\[rules\\]\\]\n)?(when|do|text|name|\\PC{0,8}) ?= ?\\PC{0,30}") {
        match Program::from_document(&text, &Limits::default()) {
            Ok(program) => survives(&program, &large()),
            Err(errors) => is_drawn(&errors, &text),
        }
    }

    #[test]
    fn any_request_is_borne(path in "/\\PC{0,20}", query in "\\PC{0,20}", value in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut request = Sample::get("a.example").with_header("x", value.clone());
        (request.path, request.query, request.body) = (path, Some(query), Some(value));
        let program = program(&[
            ("^/(.)(.*)", "$ADD_RSP_HEADER(A, $1$_HEADER_x)"),
            ("^/(.)(.*)", "$ADD_RSP_HEADER($PCALL($_BODY), $_HEADER_x, 1)"),
            ("^/(.)(.*)", "$CAPTURE($_BODY,'(\\\\w+)=?')$ADD_REQ_HEADER(B, $1.1)"),
            ("^/(.)(.*)", "$REDIRECT404($UNESCAPE($_QUERY)$_HEADER_x)"),
            ("^/(.)(.*)", "$ADD_REQ_HEADER(C, $SUB($_BODY, $LEN($_URI), $LEN($_QUERY)))"),
            ("^/(.)(.*)", "/$2$_HEADER_x$UNESCAPE($_QUERY)"),
        ]);
        survives(&program, &request);
    }
}

#[test]
fn a_pattern_cache_of_no_size_still_serves() {
    let program = program(&[("", "$WHEN($MATCH($_URI,'^/[a-z]+$'))/y")]);
    let mut patterns = PatternCache::new(0);
    let mut env = edge_rules::Environment {
        now: 0,
        random: &mut || 0,
        patterns: &mut patterns,
        budget: &Budget::default(),
        zone: 0,
        tester: false,
        explain: false,
    };
    for _ in 0..3 {
        let outcome = program.evaluate(Phase::Request, &Sample::get("a.example/abc"), &mut env);
        assert_eq!(outcome.actions.len(), 1);
    }
}
