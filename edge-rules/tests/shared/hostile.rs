//! Rule sets that mean harm, each as a document, and the request that makes the most of them.

/// What the request is: an address, fields and a body, all within what a node takes by default.
pub struct Attack {
    pub path: String,
    pub query: String,
    pub fields: Vec<(&'static str, String)>,
    pub body: String,
}

/// `a` and `b` without a pattern of their own, so that searches meet ever new states.
fn noise(length: usize) -> String {
    let mut bits = 0x9e37_79b9_u32;
    let letter = |_| {
        bits ^= bits << 13;
        bits ^= bits >> 17;
        bits ^= bits << 5;
        if bits & 1 == 0 { 'a' } else { 'b' }
    };
    (0..length).map(letter).collect()
}

/// The request that all sets are tried with.
pub fn attack() -> Attack {
    Attack {
        path: format!("/{}", noise(4000)),
        query: "a&".repeat(1500),
        fields: vec![
            ("X-Same", "a".repeat(4000)),
            ("X-Escaped", "%61".repeat(2000)),
            ("Cookie", "a=1; ".repeat(1000)),
            ("Content-Type", "application/x-www-form-urlencoded".into()),
        ],
        body: noise(16 << 10),
    }
}

/// Rules of the `$` spelling; `{n}` becomes the number of each.
fn rules(count: usize, text: &str) -> String {
    let rule = |number: usize| {
        format!("[[rules]]\ntext = '''{}'''\n", text.replace("{n}", &number.to_string()))
    };
    (0..count).map(rule).collect()
}

/// Rules of the `when` spelling that do nothing but ask.
fn asking(count: usize, condition: &str) -> String {
    let rule = |number: usize| {
        let condition = condition.replace("{n}", &number.to_string());
        format!("[[rules]]\nwhen = '''{condition}'''\ndo = {{ respond = 403 }}\n")
    };
    (0..count).map(rule).collect()
}

/// As many rules as fit that ask the same over and over.
fn over_and_over(condition: &str) -> String {
    let conditions = vec![condition; (12_000 / condition.len()).clamp(1, 60)].join(",");
    let rule = format!("$WHEN($OR({conditions}))/x");
    rules((900_000 / (rule.len() + 30)).min(2000), &rule)
}

/// All sets by name.
pub fn sets() -> Vec<(&'static str, String)> {
    [searches(), parts(), growth(), actions(), looks()].concat()
}

type Sets = Vec<(&'static str, String)>;

/// Patterns that need ever new states, and many of them.
fn searches() -> Sets {
    let match_body = |pattern: &str| rules(40, &format!("$WHEN($MATCH($_BODY,'{pattern}'))/x"));
    let capture = |pattern: &str| rules(40, &format!("$CAPTURE($_BODY,'{pattern}')$WHEN($1.1)/x"));
    let optional = "(b?)".repeat(95);
    vec![
        ("40 patterns", match_body("[ab]*a[ab]{470}c{n}")),
        ("40 patterns, small", match_body("[ab]*a[ab]{14}c{n}")),
        ("40 patterns, nested", match_body("((((a|b)*)*)*c|((a*)*b*)*)*d{n}")),
        ("40 patterns, groups", capture("([ab]*)a[ab]{460}(c{n})")),
        ("a hundred groups", capture(&format!("(a|b)*{optional}c{{n}}"))),
        ("2,000 patterns", asking(2000, "http.request.uri.path matches \"[a-f]+x{n}[0-9]*y\"")),
        ("patterns made anew", rules(2000, "$WHEN($MATCH($_URI,'[ab]*a[ab]{100}'$_RANDOM_8))/x")),
    ]
}

/// Parts of texts that nearly stand in them.
fn parts() -> Sets {
    let same = "http.request.headers[\"x-same\"]";
    let body = "http.request.body.raw";
    let nearly = format!("{}b", "a".repeat(2000));
    let stars = format!("{}c", "*a".repeat(1000));
    vec![
        ("wildcards", asking(200, &format!("{same} wildcard \"*{nearly}\""))),
        ("many stars", asking(200, &format!("{body} wildcard \"{stars}\""))),
        ("parts of texts", asking(200, &format!("{body} contains \"{nearly}\""))),
        ("parts of texts, short", over_and_over("$MATCH($_BODY,aaaaaaaaaaaaaaaaaaaac)")),
    ]
}

/// Depth, and texts that grow.
fn growth() -> Sets {
    let nested = |count: usize, start: &str, middle: &str, end: &str| {
        format!("$EQ({}{middle}{},x)", start.repeat(count), end.repeat(count))
    };
    let too_deep = nested(40, "$LOWER(", "$_URI", ")");
    let grow = |by: &str| rules(2000, &format!("$WHEN($EQ($PCALL($GSUB($_BODY,a,{by},)),x))/x"));
    vec![
        ("deep nesting", over_and_over(&nested(14, "$LOWER($UPPER(", "$_BODY", "))"))),
        ("too deep nesting", rules(1, &format!("$WHEN({too_deep})/x"))),
        ("chains of $PCALL", over_and_over(&nested(28, "$PCALL(", "$DIVIDE(1,0)", ")"))),
        ("growth", grow("aaaa")),
        ("growth that fails", grow("aaaaaaaaaaaa")),
    ]
}

/// Rules that act, and rules that look at what others did.
fn actions() -> Sets {
    let edits = |edit: &str, look: &str| rules(250, edit) + &over_and_over(look);
    vec![
        ("10,000 rules", rules(10_000, "$ADD_RSP_HEADER(A, {n})")),
        ("2,000 rules, all act", rules(2000, "$ADD_RSP_HEADER(A, {n})")),
        ("rewrite loops", rules(2000, "$WHEN($MATCH($_URI, ^/))/{n}$_URI")),
        ("redirect loop", rules(1, "$REDIRECT($_SCHEME://$_HOST$_URI, 302)")),
        ("headers changed", edits("$ADD_REQ_HEADER(A,1)", "$EQ($_HEADER_x_same,x)")),
        ("arguments removed", edits("$DEL_ARG(z{n})", "$_GET_zz")),
        ("body set", rules(1, "$SET_BODY($_BODY)") + &over_and_over("$EQ($_BODY,x)")),
    ]
}

/// Functions and facts that take longer the more there is to look at.
fn looks() -> Sets {
    let members: Vec<String> = (0..2000).map(|number| format!("\"m{number}\"")).collect();
    let members = format!("http.request.body.raw in {{ {} }}", members.join(" "));
    let groups = vec!["$EQ($1.0,x)"; 40].join(",");
    let extension = "http.request.uri.path.extension eq";
    vec![
        ("bodies compared", over_and_over("$NOT($EQ($_BODY,$_BODY))")),
        ("sums", over_and_over("$EQ($MD5($_BODY),x)")),
        ("replacing", over_and_over("$EQ($GSUB($_BODY,a,,),x)")),
        ("escapes", over_and_over("$EQ($UNESCAPE($_HEADER_x_escaped),x)")),
        ("base64", over_and_over("$EQ($ENCODE_BASE64($_BODY),x)")),
        ("arguments", over_and_over("$OR($_GET_zz,$_COOKIE_zz,$_POST_zz)")),
        ("extensions", asking(2000, &format!("{extension} \"{{n}}\" or {extension} \"x\""))),
        ("parts taken out", rules(1000, &format!("$CAPTURE(x$_BODY,'.*')$WHEN($OR({groups}))/x"))),
        ("numbers", over_and_over("$EQ($DIVIDE($_TIME,7),x)")),
        ("many members", asking(10, &members)),
    ]
}
