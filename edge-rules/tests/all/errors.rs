//! What customers read when a rule will not do: the place, the text, and a way out.

use edge_rules::{DollarRule, Limits, Program};

/// The error of one `$` rule as it is shown.
fn error(text: &str) -> String {
    let errors = Program::from_dollar_text(text, &Limits::default()).unwrap_err();
    assert_eq!(errors.len(), 1);
    errors[0].show("rule", text).to_string()
}

#[test]
fn an_error_shows_its_place_and_a_way_out() {
    assert_eq!(
        error("$WHEN($EQ($_HOST, a))\n  $REDIRCT(/x)"),
        "rule:2:3: there is no function `$REDIRCT`\n  |\n2 |   $REDIRCT(/x)\n  |   ^^^^^^^^^ did you mean `$REDIRECT`?"
    );
}

#[test]
fn names_that_are_unknown_are_near_to_something() {
    for (text, place, message, hint) in [
        ("$WEHN($_URI)", "1:1", "there is no function `$WEHN`", "did you mean `$WHEN`?"),
        ("$when($_URI)", "1:1", "there is no function `$when`", "did you mean `$WHEN`?"),
        ("$LOWER($_HSOT)", "1:8", "there is no variable `$_HSOT`", "did you mean `$_HOST`?"),
        ("$_URIx", "1:1", "there is no variable `$_URIx`", "quote it: `$_URI'x'`"),
        ("$_HOST_0", "1:1", "is not the number of a label", "from the left"),
        ("$_RANDOM_33", "1:1", "is not a number of random letters", "`$_RANDOM_32`"),
        ("$URI", "1:1", "called without `(`", "did you mean the variable `$_URI`?"),
    ] {
        let shown = error(text);
        for part in [place, message, hint] {
            assert!(shown.contains(part), "{text}: {part}\n{shown}");
        }
    }
}

#[test]
fn signs_out_of_place_are_pointed_at() {
    for (text, place, message) in [
        ("a,b", "1:2", "`,` stands outside a call"),
        ("a)", "1:2", "this `)` closes nothing"),
        ("a(b", "1:2", "`(` stands outside a call"),
        ("$LOWER(a", "1:1", "the `(` of `$LOWER` is never closed"),
        ("$LOWER($UPPER(a)", "1:1", "the `(` of `$LOWER` is never closed"),
        ("'abc", "1:1", "this `'` is never closed"),
        ("abc\\", "1:4", "nothing follows the `\\`"),
        ("a$", "1:2", "nothing is named after the `$`"),
        ("$$/a", "1:1", "`$$` can only stand at the end"),
        ("$LOWER($$)", "1:8", "`$$` can only stand at the end"),
        ("$100", "1:1", "no pattern has so many groups"),
    ] {
        let shown = error(text);
        assert!(shown.contains(&format!("rule:{place}: ")) && shown.contains(message), "{shown}");
    }
}

#[test]
fn arguments_are_counted_and_judged() {
    for (text, place, message) in [
        ("$EQ(a)", "1:1", "`$EQ` takes at least 2 arguments, and here are 1"),
        ("$WHEN()", "1:1", "`$WHEN` takes at least 1 argument, and here are 0"),
        ("$ADD(abc,1)", "1:6", "expected a number, found the text `abc`"),
        ("$ADD($EQ(a,b),1)", "1:6", "argument 1 of `$ADD` is a number, but this is true or false"),
        ("$LOWER($EQ(a,b))", "1:8", "`$LOWER` takes text, but this is true or false"),
        ("$REDIRECT(/x,404)", "1:14", "404 is not a redirect"),
        ("$EXIT(42)", "1:7", "42 is not a status"),
        ("$SET_METHOD(FETCH)", "1:13", "`FETCH` is not a method"),
        ("$LIMIT_RATE(1,g)", "1:15", "`g` is not a unit"),
        ("$ADD_REQ_HEADER('X Y',1)", "1:17", "`X Y` is not a header name"),
        ("$ADD_REQ_HEADER(X,'a\nb')", "1:19", "a header value cannot hold line breaks"),
        ("$DEL_RSP_HEADER(Via)", "1:17", "`Via` is the edge's own and cannot be removed"),
        ("$ADD_RSP_HEADER(Content-Length,1)", "1:17", "cannot be set"),
        ("$MATCH(a,'(')", "1:10", "the pattern does not parse"),
        ("$MATCH(a,'(?!b)')", "1:10", "look-around is not supported"),
        ("$MATCH(a,'(b)\\\\1')", "1:10", "back-references are not supported"),
        ("$MATCH(a,'((a{99}){99}){99}')", "1:10", "the pattern is too large"),
        ("/$1", "1:2", "the rule has no pattern"),
        ("$1.2", "1:1", "no `$CAPTURE` number 1 stands before it"),
        ("$CAPTURE(a,'(a)')$1.2", "1:18", "that pattern has one group"),
    ] {
        let shown = error(text);
        assert!(shown.contains(&format!("rule:{place}: ")) && shown.contains(message), "{shown}");
    }
}

#[test]
fn a_group_that_the_pattern_lacks_is_pointed_at() {
    let rule = DollarRule { text: "/$2", pattern: "^/(a)", ..DollarRule::default() };
    let errors = Program::from_dollar(&[rule], &Limits::default()).unwrap_err();
    assert_eq!(errors[0].1.message, "`$2` is always missing: the pattern has one group");
}

#[test]
fn every_rule_is_judged() {
    let rule = |text| DollarRule { text, ..DollarRule::default() };
    let rules = [rule("$A()"), rule("/ok"), rule("$B()")];
    let errors = Program::from_dollar(&rules, &Limits::default()).unwrap_err();
    let numbers: Vec<_> = errors.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 2]);
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = format!("{}a{}", "$LOWER(".repeat(33), ")".repeat(33));
    assert!(error(&deep).contains("nest more than 32 deep"));
    assert!(error(&"a".repeat(16 * 1024 + 1)).contains("more than 16384 bytes"));
    let limits = Limits { nodes: 10, ..Limits::default() };
    let errors = Program::from_dollar_text(&"$_URI".repeat(11), &limits).unwrap_err();
    assert!(errors[0].message.contains("more than 10 expressions"));
    let rule = |text| DollarRule { text, ..DollarRule::default() };
    let texts: Vec<String> =
        (0..40).map(|number| format!("$WHEN($MATCH($_URI,'(a{number}b?){{200}}'))")).collect();
    let rules: Vec<_> = texts.iter().map(|text| rule(text.as_str())).collect();
    let errors = Program::from_dollar(&rules, &Limits::default()).unwrap_err();
    assert!(errors[0].1.message.contains("together are too large"), "{:?}", errors[0]);
}
