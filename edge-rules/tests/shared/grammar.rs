//! Rules and requests made by chance out of the language's own parts: most of them compile.

use edge_rules::Sample;

/// Repeatable chance.
pub struct Chance(pub u64);

impl Chance {
    /// The next 64 bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        (self.bits() % most.max(1) as u64) as usize
    }

    /// One of them.
    pub fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

const PATTERNS: &[&str] =
    &["^/(\\w+)/", "(a|b)+", "\\.(jpg|png)$", "^/a", "x$", "(.)(.)", "[0-9]+", "a.*b", ""];
const WORDS: &[&str] =
    &["a", "b", "A", "1", "12", "/a", "/x/", "jpg", "x.y", "no", "*", "?", "q=1", "https"];
const NAMES: &[&str] = &["a", "b", "q", "t"];

fn dollar_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A rule of the `$` spelling: its pattern and its text.
pub fn dollar_rule(chance: &mut Chance) -> (String, String) {
    let pattern = if chance.one_in(2) { "^/(\\w*)(.*)" } else { "" };
    let mut rule = Dollar { chance, captures: 0, groups: !pattern.is_empty() };
    let mut text = String::new();
    if rule.chance.one_in(4) {
        text.push_str(&rule.capture());
    }
    for _ in 0..rule.chance.below(3) {
        let conditions: Vec<String> = (0..=rule.chance.below(2)).map(|_| rule.truth(2)).collect();
        text.push_str(&format!("$WHEN({})", conditions.join(", ")));
    }
    for _ in 0..rule.chance.below(4) {
        text.push_str(&rule.action());
    }
    if rule.chance.one_in(2) {
        text.push_str(&format!("/{}{}", rule.value(1), rule.value(1)));
    }
    if rule.chance.one_in(8) {
        text.push_str(&rule.action());
    }
    if rule.chance.one_in(5) {
        text.push_str("$$");
    }
    (pattern.into(), text)
}

struct Dollar<'c> {
    chance: &'c mut Chance,
    captures: usize,
    groups: bool,
}

impl Dollar<'_> {
    fn capture(&mut self) -> String {
        let text = self.value(1);
        self.captures += 1;
        format!("$CAPTURE({text}, '(.)(.?)')")
    }

    fn truth(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.one_in(4) {
            return self.value(1);
        }
        match self.chance.below(12) {
            0 => format!("$NOT({})", self.truth(depth - 1)),
            1 => format!("$ALL({}, {})", self.truth(depth - 1), self.truth(depth - 1)),
            2 => format!("$ANY({}, {})", self.truth(depth - 1), self.truth(depth - 1)),
            3 => format!("$OR({}, {})", self.truth(depth - 1), self.truth(depth - 1)),
            4 => format!(
                "$SELECT({}, {}, {})",
                self.truth(0),
                self.truth(depth - 1),
                self.truth(depth - 1)
            ),
            5 => format!("$GT({}, {})", self.number(), self.number()),
            6 => format!("$GE({}, {})", self.number(), self.number()),
            7 | 8 => {
                let pattern = dollar_quoted(self.chance.of(PATTERNS));
                let flag = self.chance.of(&["", "", ", 1", ","]);
                format!("$MATCH({}, {pattern}{flag})", self.value(1))
            }
            9 => format!("$EQ({}, {})", self.number(), self.number()),
            10 => format!("$EQ($_IP, {})", self.chance.of(&["192.0.2.1", "::1", "a"])),
            _ => format!("$EQ({}, {})", self.value(2), self.value(1)),
        }
    }

    fn number(&mut self) -> String {
        match self.chance.below(6) {
            0 => "$_TIME".into(),
            1 => format!("$LEN({})", self.value(1)),
            2 => format!("$ADD($_GET_t, {})", self.chance.below(9)),
            3 => "$_GET_t".into(),
            4 => format!("$BYTE({})", self.value(1)),
            _ => self.chance.of(&["0", "1", "-1", "3.5", "1481106349"]).into(),
        }
    }

    fn value(&mut self, depth: usize) -> String {
        let name = self.chance.of(NAMES);
        let leaf = match self.chance.below(14) {
            0 => "$_URI".into(),
            1 => "$_HOST".into(),
            2 => "$_QUERY".into(),
            3 | 4 => format!("$_GET_{name}"),
            5 => format!("$_HEADER_{name}"),
            6 => format!("$_COOKIE_{name}"),
            7 => "$_HOST_1".into(),
            8 if self.groups => self.chance.of(&["$1", "$2", "$0"]).into(),
            9 if self.captures > 0 => self.chance.of(&["$1.0", "$1.1", "$1.2"]).into(),
            10 => "$_GEOIP_COUNTRY_CODE".into(),
            11 => "$PCALL(?$_QUERY)".into(),
            _ => dollar_quoted(self.chance.of(WORDS)),
        };
        if depth == 0 || self.chance.one_in(2) {
            return leaf;
        }
        match self.chance.below(14) {
            0 => format!("$LOWER({})", self.value(depth - 1)),
            1 => format!("$UPPER({})", self.value(depth - 1)),
            2 => format!("$MD5({})", self.value(depth - 1)),
            3 => format!("{}{}", self.value(depth - 1), self.value(depth - 1)),
            4 => format!(
                "$SUB({}, {}, {})",
                self.value(depth - 1),
                self.chance.below(4),
                self.chance.of(&["-1", "2", "9", "0", "-2"])
            ),
            5 => format!(
                "$GSUB({}, a, {}, {})",
                self.value(depth - 1),
                self.value(0),
                self.chance.of(&["", "1", "-1"])
            ),
            6 => format!("$OR({}, {})", self.value(depth - 1), self.value(depth - 1)),
            7 => format!("$PCALL({})", self.value(depth - 1)),
            8 => format!("$ESCAPE({})", self.value(depth - 1)),
            9 => format!("$UNESCAPE({})", self.value(depth - 1)),
            10 => format!("$DECODE_BASE64({})", self.value(depth - 1)),
            11 => format!("$ENCODE_BASE64({})", self.value(depth - 1)),
            12 => "$_URI$PCALL(?$_QUERY)".into(),
            _ => leaf,
        }
    }

    fn action(&mut self) -> String {
        let name = self.chance.of(NAMES);
        match self.chance.below(13) {
            0 | 1 => format!("$ADD_REQ_HEADER({name}, {})", self.value(2)),
            2 => format!("$DEL_REQ_HEADER({name})"),
            3 | 4 => format!(
                "$ADD_RSP_HEADER({name}, {}{})",
                self.value(2),
                self.chance.of(&["", ", 1", ","])
            ),
            5 => format!("$DEL_RSP_HEADER({name})"),
            6 => format!("$DEL_ARG({name})"),
            7 => format!("$SET_METHOD({})", self.chance.of(&["PUT", "POST", "GET"])),
            8 => format!(
                "$REDIRECT({}{}, 301)",
                self.chance.of(&["/", "https://a.example"]),
                self.value(2)
            ),
            9 => format!("$EXIT(403, {})", self.value(2)),
            10 => "$EXIT(403)".into(),
            11 => "$LIMIT_RATE_AFTER(20, m)$LIMIT_RATE(1.5, k)".into(),
            _ => format!("$REDIRECT404(/{})", self.value(1)),
        }
    }
}

/// A rule of the `when` spelling as a table of a document.
pub fn when_rule(chance: &mut Chance) -> String {
    let mut rule = When(chance);
    let mut out = String::from("[[rules]]\n");
    if !rule.0.one_in(4) {
        out.push_str(&format!("when = '''{}'''\n", rule.truth(2)));
    }
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..=rule.0.below(3) {
        let action = rule.action();
        let key = action.split(' ').next().unwrap_or_default().to_string();
        if !keys.iter().any(|known| known.starts_with(&format!("{key} "))) {
            keys.push(action);
        }
    }
    out.push_str(&format!("do = {{ {} }}\n", keys.join(", ")));
    if rule.0.one_in(5) {
        out.push_str("stop = true\n");
    }
    out
}

struct When<'c>(&'c mut Chance);

fn when_quoted(text: &str) -> String {
    format!("r#\"{text}\"#")
}

impl When<'_> {
    fn truth(&mut self, depth: usize) -> String {
        if depth > 0 && self.0.one_in(2) {
            return match self.0.below(3) {
                0 => format!("not ({})", self.truth(depth - 1)),
                1 => format!("({} and {})", self.truth(depth - 1), self.truth(depth - 1)),
                _ => format!("({} or {})", self.truth(depth - 1), self.truth(depth - 1)),
            };
        }
        let word = when_quoted(self.0.of(WORDS));
        match self.0.below(16) {
            0 => "ssl".into(),
            1 => format!("exists({})", self.value(1)),
            2 => format!(
                "{} {} {word}",
                self.value(2),
                self.0.of(&["eq", "ne", "contains", "wildcard", "strict wildcard"])
            ),
            3 => format!("starts_with({}, {word})", self.value(1)),
            4 => format!("ends_with({}, {word})", self.value(1)),
            5 => format!("{} matches {}", self.value(1), when_quoted(self.0.of(PATTERNS))),
            6 => format!("{} in {{{word} \"b\"}}", self.value(1)),
            7 => format!("{} in {{1 3..12}}", self.number()),
            8 => "ip.src in {192.0.2.1 ::1}".into(),
            9 => "ip_in(ip.src, \"192.0.2.0/30\")".into(),
            10 => format!("http.request.uri.path.extension in {{{word} \"png\"}}"),
            11 => "http.request.uri.path.extension eq \"jpg\"".into(),
            12 => format!(
                "{} {} {}",
                self.number(),
                self.0.of(&["lt", "le", "gt", "ge", "eq"]),
                self.number()
            ),
            13 => self.0.of(&["true", "false", "ssl ne true"]).into(),
            _ => format!("{} eq {}", self.value(2), self.value(1)),
        }
    }

    fn number(&mut self) -> String {
        match self.0.below(5) {
            0 => "http.request.timestamp.sec".into(),
            1 => format!("len({})", self.value(1)),
            2 => "number(http.request.uri.args[\"t\"])".into(),
            3 => format!("add({}, 1)", self.0.below(9)),
            _ => self.0.of(&["0", "1", "-1", "3.5", "1481106349"]).into(),
        }
    }

    fn value(&mut self, depth: usize) -> String {
        let name = self.0.of(NAMES);
        let leaf = match self.0.below(14) {
            0 => "http.request.uri.path".into(),
            1 => "http.host".into(),
            2 => "http.request.uri".into(),
            3 => "http.request.uri.query".into(),
            4 | 5 => format!("http.request.uri.args[\"{name}\"]"),
            6 => format!("http.request.headers[\"{name}\"]"),
            7 => format!("http.request.cookies[\"{name}\"]"),
            8 => "ip.src.country".into(),
            9 => "host_label(1)".into(),
            10 => "http.request.full_uri".into(),
            11 => "http.referer".into(),
            12 => "capture(http.request.uri.path, \"^/(.)(.?)\", 1)".into(),
            _ => when_quoted(self.0.of(WORDS)),
        };
        if depth == 0 || self.0.one_in(2) {
            return leaf;
        }
        match self.0.below(10) {
            0 => format!("lower({})", self.value(depth - 1)),
            1 => format!("md5({})", self.value(depth - 1)),
            2 | 3 => format!("concat({}, {})", self.value(depth - 1), self.value(depth - 1)),
            4 => format!("default({}, {})", self.value(depth - 1), self.value(depth - 1)),
            5 => format!(
                "substring({}, {}, {})",
                self.value(depth - 1),
                self.0.of(&["0", "2", "-3"]),
                self.0.of(&["5", "-1", "0"])
            ),
            6 => format!("substring({}, 1)", self.value(depth - 1)),
            7 => format!("replace({}, \"a\", {})", self.value(depth - 1), self.value(0)),
            8 => format!("url_decode({})", self.value(depth - 1)),
            _ => leaf,
        }
    }

    fn text(&mut self) -> String {
        match self.0.below(3) {
            0 => self.0.of(&["a", "{{x}}", "1"]).into(),
            1 => format!("{{{}}}", self.value(2)),
            _ => format!("a{{{}}}b{{{}}}", self.value(1), self.value(1)),
        }
    }

    fn action(&mut self) -> String {
        let name = self.0.of(NAMES);
        match self.0.below(13) {
            0 => format!(
                "add_request_header = {{ {name} = '''{}''', B = ['''{}''', \"2\"] }}",
                self.text(),
                self.text()
            ),
            1 | 2 => format!("set_request_header = {{ {name} = '''{}''' }}", self.text()),
            3 => format!("remove_request_header = [\"{name}\", \"x\"]"),
            4 => format!("add_response_header = {{ {name} = '''{}''' }}", self.text()),
            5 => format!("set_response_header = {{ {name} = '''{}''' }}", self.text()),
            6 => format!("remove_argument = \"{name}\""),
            7 => "set_method = \"PUT\"".into(),
            8 => format!("redirect = {{ to = '''/{}''' }}", self.text()),
            9 => format!("respond = {{ status = 403, body = '''{}''' }}", self.text()),
            10 => "limit_rate = { rate = \"20MB\", after = \"1KiB\" }".into(),
            11 => format!("error_page = {{ on = [404], to = '''/{}''' }}", self.text()),
            _ => format!("rewrite = '''/{}'''", self.text()),
        }
    }
}

/// A request that such rules ask about.
pub fn request(chance: &mut Chance) -> Sample {
    let scheme = chance.of(&["http", "https"]);
    let path = chance.of(&[
        "/",
        "/a",
        "/a/b.jpg",
        "/x/.png",
        "/ab.tar.JPG",
        "/12",
        "/a.b/x",
        "/no",
        "/x%41",
    ]);
    let query = chance.of(&[
        "",
        "?",
        "?a=1",
        "?t=12",
        "?a=/a&t=1481106349",
        "?q=%41&b=YQ==",
        "?t=x&a=jpg&b=A",
    ]);
    let host = chance.of(&["a", "a.example", "www.a.example"]);
    let mut request = Sample::get(&format!("{scheme}://{host}{path}{query}"));
    if chance.one_in(3) {
        request = request.with_header(chance.of(NAMES), chance.of(WORDS));
    }
    if chance.one_in(3) {
        request = request.with_header("Cookie", "a=b; t=12; q");
    }
    if chance.one_in(4) {
        request = request.with_header("Referer", "https://a.example/");
    }
    if chance.one_in(3) {
        request.country = Some(chance.of(&["CN", "DE"]).into());
    }
    if chance.one_in(4) {
        request.method = "POST".into();
        request.body = Some(b"a=1&b=2".to_vec());
        request = request.with_header("Content-Type", "application/x-www-form-urlencoded");
    }
    if chance.one_in(4) {
        request.client = "::1".parse().unwrap();
    }
    request
}
