//! Every function: with a value, with what is missing, with what is wrong.

use edge_rules::Sample;

use crate::kit::{effect, effects, holds, worth};

const NONE: [&str; 0] = [];

fn request() -> Sample {
    Sample::get("a.example/x.ts?n=7&e=&w=abc").with_header("Accept", "text/html")
}

/// Expression and what it is worth.
fn all(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(worth(expression, &request()), *expected, "{expression}");
    }
}

#[test]
fn conditions() {
    for (expression, truth) in [
        ("$NOT($_GET_none)", true),
        ("$NOT($_GET_n)", false),
        ("$NOT($_GET_e)", false),
        ("$NOT($EQ(a,b))", true),
        ("$NOT($EQ(a,a))", false),
        ("$ALL()", false),
        ("$ALL($_GET_n)", true),
        ("$ALL($_GET_n,$_GET_none)", false),
        ("$ANY()", false),
        ("$ANY($_GET_none,$_GET_n)", true),
        ("$ANY($_GET_none)", false),
        ("$OR($_GET_none,$_GET_n)", true),
        ("$OR($_GET_none)", false),
        ("''", true),
        ("0", true),
        ("$_GET_none", false),
        ("$WHEN($EQ(a,a))", true),
    ] {
        assert_eq!(holds(expression, &request()), truth, "{expression}");
    }
}

#[test]
fn what_decides_ends_the_looking() {
    for rule in [
        "$WHEN($_GET_none, $EXIT(403))",
        "$WHEN($ALL($_GET_none, $EXIT(403)))",
        "$WHEN($ANY($_GET_n, $EXIT(403)))",
        "$WHEN($OR($_GET_n, $EXIT(403)))",
        "$SELECT($_GET_n, , $EXIT(403))",
    ] {
        assert_eq!(effects(&[("", rule)], &request()), NONE, "{rule}");
    }
    assert_eq!(effects(&[("", "$WHEN($ANY($_GET_none, $EXIT(403)))")], &request()), ["403"]);
}

#[test]
fn selections() {
    all(&[
        ("$OR($_GET_none,$_GET_n)", "7"),
        ("$OR($_GET_none)", "failed: missing_value in $ADD_REQ_HEADER"),
        ("$SELECT($_GET_n,yes,no)", "yes"),
        ("$SELECT($_GET_none,yes,no)", "no"),
        ("$SELECT($EQ(a,b),yes,$_GET_none)", "failed: missing_value in $ADD_REQ_HEADER"),
        ("a$PCALL($DIVIDE(1,0))b", "ab"),
        ("a$PCALL(?$_GET_none)b", "ab"),
        ("a$PCALL($_GET_none)b", "ab"),
        ("$PCALL($_GET_n)", "7"),
        ("a$EQ(a,a)", "failed: not_text in $ADD_REQ_HEADER"),
    ]);
}

#[test]
fn a_false_when_within_a_protection_still_ends_the_rule() {
    assert_eq!(effect("$PCALL($WHEN($EQ(a,b)))/x", "a.example"), NONE);
    assert_eq!(effect("$PCALL($EXIT(403))/x", "a.example"), ["403"]);
}

#[test]
fn matching() {
    for (expression, truth) in [
        ("$MATCH($_URI, '\\\\.ts$')", true),
        ("$MATCH($_URI, X)", false),
        ("$MATCH($_URI, X, 1)", true),
        ("$MATCH($_URI, X, '')", false),
        ("$MATCH($_URI, X, $_GET_none)", false),
        ("$MATCH($_URI, X, $_GET_n)", true),
        ("$MATCH($_GET_none, x)", false),
        ("$MATCH($_URI, $_GET_none)", false),
        ("$MATCH(abcd, $_GET_w)", true),
        ("$MATCH(ab, $_GET_w)", false),
        ("$MATCH(abcd, '('$_GET_w, 1)", false),
        ("$MATCH($_URI, '')", true),
        ("$MATCH(7, $_GET_n, 1, $_GET_none)", true),
    ] {
        assert_eq!(holds(expression, &request()), truth, "{expression}");
    }
}

#[test]
fn capturing() {
    let rule = |text: &str| effects(&[("", text)], &request());
    assert_eq!(
        rule("$CAPTURE($_URI, '(\\\\w)\\\\.(ts)')/$1.2/$1.1"),
        ["rewrite /ts/x?n=7&e=&w=abc"]
    );
    assert_eq!(rule("$CAPTURE($_GET_w, '')/$1.0??"), ["rewrite /abc"]);
    assert_eq!(rule("$CAPTURE($_GET_w, '(B)', 1)/$1.1??"), ["rewrite /b"]);
    assert_eq!(rule("$CAPTURE($_GET_w, '(B)')/$1.1??"), NONE);
    assert_eq!(rule("$CAPTURE($_GET_none, '(B)')/$1.1??"), NONE);
    assert_eq!(
        rule("$CAPTURE($_GET_w, '(a)')$CAPTURE($LOWER(XYZ), '(z)')/$2.1$1.1??"),
        ["rewrite /za"]
    );
    assert_eq!(rule("$CAPTURE($_GET_w, $_GET_w)/$1.0??"), ["rewrite /abc"]);
}

#[test]
fn changes_of_headers() {
    for (rule, expected) in [
        ("$ADD_REQ_HEADER(X-A, b)", "ask + x-a: b"),
        ("$DEL_REQ_HEADER(X-A)", "ask - x-a"),
        ("$ADD_RSP_HEADER(X-A, b)", "reply + x-a: b"),
        ("$ADD_RSP_HEADER(X-A, b, )", "reply + x-a: b"),
        ("$ADD_RSP_HEADER(X-A, b, 1)", "reply = x-a: b"),
        ("$DEL_RSP_HEADER(X-A)", "reply - x-a"),
        ("$DEL_ARG(n)", "argument - n"),
    ] {
        assert_eq!(effect(rule, "a.example"), [expected], "{rule}");
    }
    for rule in [
        "$ADD_REQ_HEADER(X-A, $_GET_none)",
        "$ADD_REQ_HEADER($_GET_none, a)",
        "$DEL_REQ_HEADER($_GET_none)",
        "$ADD_RSP_HEADER(X-A, $_GET_none)",
        "$DEL_RSP_HEADER($_GET_none)",
        "$DEL_ARG($_GET_none)",
    ] {
        assert_eq!(effect(rule, "a.example"), NONE, "{rule}");
    }
}

#[test]
fn line_breaks_never_leave_a_rule() {
    let url = "a.example/?v=a%0d%0aSet-Cookie:x&z=a%00";
    for value in ["$UNESCAPE($_GET_v)", "$UNESCAPE($_GET_z)", "$DECODE_BASE64('YQpi')"] {
        for rule in [
            format!("$ADD_REQ_HEADER(X, {value})"),
            format!("$ADD_REQ_HEADER({value}, x)"),
            format!("$ADD_RSP_HEADER(X, {value})"),
            format!("$ADD_RSP_HEADER({value}, x, 1)"),
            format!("$DEL_RSP_HEADER({value})"),
            format!("$DEL_REQ_HEADER({value})"),
            format!("$REDIRECT(http://a.example/{value})"),
            format!("$REDIRECT404(http://a.example/{value})"),
        ] {
            assert_eq!(effect(&rule, url), NONE, "{rule}");
        }
    }
    assert_eq!(effect("/$UNESCAPE($_GET_v)??", url), ["rewrite /a%0D%0ASet-Cookie:x"]);
}

#[test]
fn protected_headers_stay() {
    for name in [
        "Via",
        "Age",
        "Server",
        "Connection",
        "X-Cache",
        "X-Source",
        "X-Request-Id",
        "Content-Range",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        let rule = format!("$DEL_RSP_HEADER($UPPER({name}))");
        assert_eq!(effect(&rule, "a.example"), NONE, "{name}");
    }
    assert_eq!(effect("$ADD_REQ_HEADER($UPPER(Content-Length), 5)", "a.example"), NONE);
}

#[test]
fn changes_of_method_and_body() {
    let mut post = request();
    (post.method, post.body) = ("POST".into(), Some(b"b".to_vec()));
    let rule = |text: &str, request: &Sample| effects(&[("", text)], request);
    assert_eq!(rule("$SET_METHOD(HEAD)", &request()), ["method HEAD"]);
    assert_eq!(rule("$SET_METHOD(PUT)", &post), ["method PUT"]);
    assert_eq!(rule("$SET_METHOD(GET)", &post), NONE);
    assert_eq!(rule("$SET_METHOD($_GET_w)", &request()), NONE);
    assert_eq!(rule("$SET_METHOD($_GET_none)", &request()), NONE);
    assert_eq!(rule("$SET_BODY(new)", &post), ["body new"]);
    assert_eq!(rule("$SET_BODY(new)", &request()), NONE);
    assert_eq!(rule("$SET_BODY($_GET_none)", &post), NONE);
}

#[test]
fn answers() {
    for (rule, expected) in [
        ("$REDIRECT(/x)", "302 /x"),
        ("$REDIRECT(/x, 301)", "301 /x"),
        ("$REDIRECT(/x, $ADD(300, 2))", "302 /x"),
        ("$EXIT(403)", "403"),
        ("$EXIT(200, 'hello there')", "200 hello there"),
        ("$EXIT(401, $_GET_none)", "401"),
        ("$EXIT(401, a, text/html)", "401 a"),
        ("$REDIRECT404(/lost)", "page [404] /lost"),
    ] {
        assert_eq!(effect(rule, "a.example"), [expected], "{rule}");
    }
    for rule in [
        "$REDIRECT($_GET_none)",
        "$REDIRECT($PCALL($_GET_none))",
        "$REDIRECT(/x, $ADD(300,4))",
        "$EXIT($_GET_none)",
        "$EXIT($ADD(99,0))",
        "$REDIRECT404($_GET_none)",
    ] {
        assert_eq!(effect(rule, "a.example"), NONE, "{rule}");
    }
}

#[test]
fn arithmetic() {
    all(&[
        ("$ADD(1,2)", "3"),
        ("$ADD($_GET_n,0.5)", "7.5"),
        ("$MSUB(1,2)", "-1"),
        ("$MULTIPLY(3,4)", "12"),
        ("$DIVIDE(7,2)", "3.5"),
        ("$MOD(7,3)", "1"),
        ("$FLOOR(3.7)", "3"),
        ("$CEIL(3.2)", "4"),
        ("$FLOOR($MULTIPLY(-1,0.5))", "-1"),
        ("$BYTE(A)", "65"),
        ("$BYTE(Abc)", "65"),
        ("$ADD($_GET_w,1)", "failed: not_a_number in add"),
        ("$MSUB(1,$_GET_e)", "failed: not_a_number in subtract"),
        ("$MULTIPLY($_GET_w,1)", "failed: not_a_number in multiply"),
        ("$DIVIDE(1,0)", "failed: divide_by_zero in divide"),
        ("$MOD(1,0)", "failed: divide_by_zero in modulo"),
        ("$FLOOR($_GET_w)", "failed: not_a_number in floor"),
        ("$CEIL($_GET_w)", "failed: not_a_number in ceil"),
        ("$BYTE($_GET_e)", "failed: empty_text in byte"),
        ("$MULTIPLY(1e300,1e300)", "failed: out_of_range in multiply"),
    ]);
}

#[test]
fn comparisons() {
    for (expression, truth) in [
        ("$GT(2,1)", true),
        ("$GT(1,1)", false),
        ("$GE(1,1)", true),
        ("$GE(0.5,1)", false),
        ("$GT($_GET_n,06)", true),
        ("$GT($_GET_none,1)", false),
        ("$GE(1,$_GET_none)", false),
        ("$GT($_GET_w,1)", false),
        ("$EQ($_GET_w,abc)", true),
        ("$EQ($_GET_w,ABC)", false),
        ("$EQ($_GET_none,$_GET_none)", false),
        ("$EQ($_GET_none,'')", false),
        ("$EQ($_GET_e,'')", true),
        ("$EQ($ADD(1,2),3)", true),
        ("$EQ($_IP,192.0.2.1)", true),
        ("$EQ(a,a,$_GET_none)", true),
    ] {
        assert_eq!(holds(expression, &request()), truth, "{expression}");
    }
}

/// A missing argument makes the result missing, whichever function it is.
#[test]
fn functions_of_what_is_missing_are_missing() {
    for function in [
        "$ADD($_GET_none,1)",
        "$MSUB(1,$_GET_none)",
        "$MULTIPLY($_GET_none,1)",
        "$DIVIDE($_GET_none,0)",
        "$MOD($_GET_none,0)",
        "$FLOOR($_GET_none)",
        "$CEIL($_GET_none)",
        "$BYTE($_GET_none)",
        "$SUB($_GET_none,1,2)",
        "$SUB(a,$_GET_none,2)",
        "$GSUB($_GET_none,a,b,)",
        "$GSUB(a,$_GET_none,b,)",
        "$UPPER($_GET_none)",
        "$LOWER($_GET_none)",
        "$LEN($_GET_none)",
        "$ENCODE_BASE64($_GET_none)",
        "$DECODE_BASE64($_GET_none)",
        "$ESCAPE($_GET_none)",
        "$UNESCAPE($_GET_none)",
        "$MD5($_GET_none)",
        "$MD5_BIN($_GET_none)",
        "$RANDI($_GET_none,)",
        "$UNIXT($_GET_none,1,1,1,1,1)",
        "$INT($_GET_none)",
        "$STRF_TIME($_GET_none)",
    ] {
        assert!(holds(&format!("$NOT({function})"), &request()), "{function}");
    }
}

#[test]
fn strings() {
    all(&[
        ("$SUB(abcdef,2,3)", "bc"),
        ("$SUB(abcdef,4,99)", "def"),
        ("$SUB(abcdef,9,99)", ""),
        ("$SUB($_GET_w,$_GET_w,2)", "failed: not_a_number in $SUB"),
        ("$GSUB(a.b.c,.,-,)", "a-b-c"),
        ("$GSUB(a.b.c,.,-,1)", "a-b.c"),
        ("$GSUB(a.b.c,.,'',-1)", "abc"),
        ("$GSUB(a.b.c,.,-)", "a-b-c"),
        ("$GSUB(a.b.c,.,-,$_GET_w)", "failed: not_a_number in replace"),
        ("$UPPER(aBc1)", "ABC1"),
        ("$LOWER(aBc1)", "abc1"),
        ("$LEN(你)", "3"),
        ("$LEN('')", "0"),
        ("$UPPER($EQ(a,b)a)", "failed: not_text in upper"),
    ]);
}

#[test]
fn codes() {
    all(&[
        ("$ENCODE_BASE64(abc)", "YWJj"),
        ("$DECODE_BASE64('YWI=')", "ab"),
        ("$DECODE_BASE64('YWI')", "failed: bad_base64 in decode_base64"),
        ("$ESCAPE('a b/c')", "a%20b%2Fc"),
        ("$UNESCAPE('a%20b')", "a b"),
        ("$UNESCAPE('%zz')", "failed: bad_escape in url_decode"),
        ("$MD5(abc)", "900150983cd24fb0d6963f7d28e17f72"),
        ("$ENCODE_BASE64($MD5_BIN(abc))", "kAFQmDzST7DWlj99KOF/cg=="),
        ("$LEN($MD5_BIN(abc))", "16"),
    ]);
}

#[test]
fn numerals_and_times() {
    all(&[
        ("$INT(ff,16,10)", "255"),
        ("$INT(255,10,16)", "ff"),
        ("$INT(10,2)", "2"),
        ("$INT(12)", "12"),
        ("$INT(12,,)", "12"),
        ("$INT($_GET_w,10)", "failed: not_a_number in $INT"),
        ("$INT(1,99)", "failed: out_of_range in $INT"),
        ("$UNIXT(2018,2,23,9,55,0)", "1519350900"),
        ("$UNIXT(2018,13,23,9,55,0)", "failed: out_of_range in unix_time"),
        ("$STRF_TIME(1519350900)", "201802230955"),
        ("$STRF_TIME(1519350900,-)", "2018-02-23-09-55"),
        ("$STRF_TIME($_GET_w)", "failed: not_a_number in format_time"),
    ]);
}

#[test]
fn random_numbers_lie_between_their_bounds() {
    for _ in 0..50 {
        let number: i64 = worth("$RANDI(3,5)", &request()).parse().unwrap();
        assert!((3..=5).contains(&number));
        let number: i64 = worth("$RANDI(2,)", &request()).parse().unwrap();
        assert!((0..=2).contains(&number));
    }
    assert_eq!(worth("$RANDI(5,3)", &request()), "failed: out_of_range in random_integer");
    assert_eq!(worth("$RANDI($_GET_w,3)", &request()), "failed: not_a_number in random_integer");
}

#[test]
fn rates() {
    assert_eq!(effect("$LIMIT_RATE(800, k)", "a.example"), ["rate 819200"]);
    assert_eq!(effect("$LIMIT_RATE(1.5, M)", "a.example"), ["rate 1572864"]);
    assert_eq!(effect("$LIMIT_RATE_AFTER(0, k)", "a.example"), ["rate after 0"]);
    for rule in [
        "$LIMIT_RATE($MSUB(1,1), k)",
        "$LIMIT_RATE($_GET_none, k)",
        "$LIMIT_RATE(1, $LOWER(G))",
        "$LIMIT_RATE_AFTER($MSUB(0,1), k)",
        "$LIMIT_RATE_AFTER(1, $_GET_none)",
    ] {
        assert_eq!(effect(rule, "a.example"), NONE, "{rule}");
    }
}

#[test]
fn too_many_arguments_are_evaluated_and_ignored() {
    assert_eq!(worth("$LOWER(A, B)", &request()), "a");
    assert_eq!(
        effects(&[("", "$WHEN($LOWER($_GET_none, $ADD_REQ_HEADER(X,1)))")], &request()),
        ["ask + x: 1"]
    );
}
