//! What ends a rule, what ends the set, and what later rules see of earlier ones.

use edge_rules::{Budget, DollarRule, End, Fate, Limits, Phase, Program, Sample, State};

use crate::kit::{effect, effects, evaluate, evaluate_within, program, short};

const NONE: [&str; 0] = [];

#[test]
fn a_false_when_ends_its_rule_only() {
    let rules = [("", "$WHEN($EQ(a,b))/x"), ("", "/y")];
    assert_eq!(effects(&rules, &Sample::get("a.example")), ["rewrite /y"]);
}

#[test]
fn what_was_done_before_a_false_when_stays() {
    assert_eq!(
        effect("$ADD_REQ_HEADER(A,1)$WHEN($EQ(a,b))$ADD_REQ_HEADER(B,2)/x", "a.example"),
        ["ask + a: 1"]
    );
}

#[test]
fn the_last_of_several_rewrites_counts() {
    let rules = [("", "/first"), ("", "/second")];
    assert_eq!(effects(&rules, &Sample::get("a.example")), ["rewrite /second"]);
    let rules = [("", "/first$$"), ("", "/second")];
    assert_eq!(effects(&rules, &Sample::get("a.example")), ["rewrite /first"]);
}

#[test]
fn all_rules_test_the_original_path() {
    let rules = [("", "/new"), ("^/(old)", "$WHEN($1)$ADD_REQ_HEADER(Was, $1)")];
    assert_eq!(effects(&rules, &Sample::get("a.example/old")), ["ask + was: old", "rewrite /new"]);
}

#[test]
fn a_break_counts_only_where_the_rule_took_effect() {
    let rule = |text| DollarRule { text, breaks: true, ..DollarRule::default() };
    let run = |first| {
        let rules = [rule(first), rule("/later")];
        let program = Program::from_dollar(&rules, &Limits::default()).unwrap();
        let outcome = evaluate(&program, Phase::Request, &Sample::get("a.example"));
        (short(&outcome), outcome.end)
    };
    assert_eq!(run("/a"), (vec!["rewrite /a".into()], End::Stopped));
    assert_eq!(run("$WHEN($EQ(a,b))/a").0, ["rewrite /later"]);
    assert_eq!(run("/$_GET_missing").0, ["rewrite /later"]);
    assert_eq!(run("$WHEN($EQ(a,a))").0, NONE);
}

#[test]
fn an_answer_ends_the_set_and_drops_the_rewrite() {
    for (rule, answer) in [("$EXIT(403, no)", "403 no"), ("$REDIRECT(/x)", "302 /x")] {
        let rules = [("", "/a"), ("", rule), ("", "$ADD_REQ_HEADER(A,1)")];
        let outcome = evaluate(&program(&rules), Phase::Request, &Sample::get("a.example"));
        assert_eq!((short(&outcome), outcome.end), (vec![answer.into()], End::Answered));
    }
}

#[test]
fn later_rules_see_what_earlier_ones_changed() {
    let request = Sample::get("a.example/?a=1&b=2").with_header("X", "1").with_header("Y", "1");
    let seen = |change: &str, look: &str| {
        let look = format!("$WHEN({look})$EXIT(499)");
        effects(&[("", change), ("", &look)], &request).last().is_some_and(|it| it == "499")
    };
    assert!(seen("$ADD_REQ_HEADER(New, 1)", "$EQ($_HEADER_new, 1)"));
    assert!(seen("$ADD_REQ_HEADER(X, 2)", "$EQ($_HEADER_x, 1)"));
    assert!(seen("$DEL_REQ_HEADER(x)", "$NOT($_HEADER_x)"));
    assert!(seen("$DEL_REQ_HEADER(x)$ADD_REQ_HEADER(X,3)", "$EQ($_HEADER_x,3)"));
    assert!(seen("$ADD_REQ_HEADER(Cookie,'k=v')", "$EQ($_COOKIE_k,v)"));
    assert!(seen("$DEL_ARG(a)", "$NOT($_GET_a),$EQ($_QUERY,b=2)"));
    assert!(seen("$DEL_ARG(a)$DEL_ARG(b)", "$NOT($_QUERY)"));
    assert!(seen("$SET_METHOD(POST)$SET_BODY(x)", "$EQ($_METHOD,POST),$EQ($_BODY,x)"));
    assert!(!seen("$DEL_REQ_HEADER(y)", "$NOT($_HEADER_x)"));
}

#[test]
fn arguments_that_were_removed_are_not_appended() {
    assert_eq!(
        effect("$DEL_ARG(a)/x?c=3", "a.example/?a=1&b=2"),
        ["argument - a", "rewrite /x?c=3&b=2"]
    );
}

#[test]
fn queries_are_joined_as_documented() {
    for (rule, target) in [
        ("/foo", "/foo?a=1"),
        ("/foo?bar=x", "/foo?bar=x&a=1"),
        ("/foo?bar=x?", "/foo?bar=x"),
        ("/foo??", "/foo"),
        ("/foo?", "/foo?a=1"),
    ] {
        assert_eq!(effect(rule, "a.example/?a=1"), [format!("rewrite {target}")]);
    }
    assert_eq!(effect("/foo?bar=x", "a.example/"), ["rewrite /foo?bar=x"]);
}

#[test]
fn a_rule_in_test_acts_for_its_testers_only() {
    let with = |state| {
        let rules = [DollarRule { text: "/a", state, ..DollarRule::default() }];
        Program::from_dollar(&rules, &Limits::default()).unwrap()
    };
    let run = |state| evaluate(&with(state), Phase::Request, &Sample::get("a.example"));
    assert_eq!(short(&run(State::Enabled)), ["rewrite /a"]);
    assert_eq!(short(&run(State::Test)), NONE);
    assert_eq!(run(State::Test).events[0].fate, Fate::InTest);
    assert_eq!(run(State::Disabled).events[0].fate, Fate::Disabled);
}

#[test]
fn a_failure_ends_the_rule_and_not_the_set() {
    let rules = [("", "$ADD_REQ_HEADER(A,1)$DIVIDE(1,0)$ADD_REQ_HEADER(B,1)"), ("", "/x")];
    let outcome = evaluate(&program(&rules), Phase::Request, &Sample::get("a.example"));
    assert_eq!(short(&outcome), ["ask + a: 1", "rewrite /x"]);
    assert!(
        matches!(outcome.events[0].fate, Fate::Failed(it) if it.to_string() == "divide_by_zero in divide")
    );
    assert_eq!(outcome.events[0].actions, 1);
}

#[test]
fn budgets_end_the_set_with_a_name() {
    let request = Sample::get(&format!("a.example/{}", "x".repeat(1000)));
    let run = |rule: &str, budget: Budget| {
        let rules: Vec<_> = (0..50).map(|_| ("", rule)).collect();
        evaluate_within(&program(&rules), Phase::Request, &request, &budget).end
    };
    let default = Budget::default;
    assert_eq!(run("$WHEN($EQ(a,b))", Budget { steps: 20, ..default() }), End::OutOfSteps);
    assert_eq!(
        run("$WHEN($EQ($_URI$_URI,b))", Budget { made_bytes: 9000, ..default() }),
        End::OutOfText
    );
    assert_eq!(run("$ADD_REQ_HEADER(A,1)", Budget { actions: 9, ..default() }), End::OutOfActions);
    assert_eq!(run("$WHEN($EQ(a,b))", default()), End::Finished);
}

#[test]
fn a_text_that_grows_too_long_fails_its_rule() {
    let twice = |inner: String| format!("$GSUB({inner},x,xxxxxxxxxx)");
    let rule = (0..6).fold("xxxxxxxxxx".to_string(), |text, _| twice(text));
    let outcome = evaluate(
        &program(&[("", &format!("$WHEN($LEN({rule}))/a"))]),
        Phase::Request,
        &Sample::get("a.example"),
    );
    assert!(
        matches!(outcome.events[0].fate, Fate::Failed(it) if it.to_string() == "long_text in replace")
    );
}
