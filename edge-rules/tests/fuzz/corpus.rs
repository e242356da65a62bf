//! What mutations begin with: the cook book, its tests, and pieces that have meant harm.

use std::fs;
use std::path::Path;

/// Texts by what reads them.
pub struct Corpus {
    pub documents: Vec<String>,
    pub rules: Vec<String>,
    pub tests: Vec<String>,
}

/// Documents that reach what the cook book does not.
const DOCUMENTS: &[&str] = &[
    "rules = [{ text = '/a' }, { do = { respond = 403 }, when = 'ssl' }]\n",
    "[[rules]]\ntext = '''$CAPTURE($_URI,'(.)(.)')$WHEN($1.1)$SET_BODY($_BODY$_BODY)/$1.2$$'''\n",
    "[[rules]]\nwhen = 'lower(http.request.body.raw) matches \"(a|aa)+$\" and not (ssl or ip.src in {10.0.0.0/8 ::1})'\ndo = { set_body = '{http.request.body.raw}{{x}}' }\nstop = true\n",
    "[[rules]]\nphase = 'response'\nwhen = 'http.response.code in {200 300..399}'\ndo.set_response_header = { A = ['{http.response.headers[\"b\"]}', 'x'] }\n",
    "[[rules]]\nphase = 'error'\ndo.respond = { status = 503, body = \"\\u00e9\\t\", content_type = 'text/plain' }\n[rules.do.limit_rate]\nrate = '1KB' # slow\n",
];

const RULES: &[&str] = &[
    "# One.\nname: one\npattern: ^/(.*)$\n$WHEN($MATCH($_URI, (a|b)*), $GT($_TIME, $_GET_t))\n/x/$1?y=$_GET_y?\n",
    "$ADD_RSP_HEADER(A, $UNESCAPE($_GET_a))$REDIRECT($UNESCAPE($_QUERY), 301)\n\n$EXIT(403, $DECODE_BASE64($_GET_b))\n",
    "$WHEN($MATCH($_URI, $_HEADER_p, 1))$ADD_REQ_HEADER($_GET_a, $_HEADER_b)/$GSUB($_URI, a, $_BODY,)\n",
    "$SET_METHOD($UPPER($_GET_m))$SET_BODY($SUB($_BODY, 2, -2))$LIMIT_RATE($_GET_n, k)$DEL_ARG($_GET_a)\n",
    "/$PCALL($DIVIDE($_GET_a, $_GET_b))$RANDI(1, 9)$_RANDOM_32$STRF_TIME($_TIME, '-')$INT(ff, 16, 2)\n",
];

impl Corpus {
    /// Reads the cook book.
    pub fn load() -> Corpus {
        let mut corpus = Corpus { documents: Vec::new(), rules: Vec::new(), tests: Vec::new() };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut paths: Vec<_> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            let text = fs::read_to_string(path).unwrap();
            match path.to_string_lossy() {
                name if name.ends_with(".test.toml") => corpus.tests.push(text),
                name if name.ends_with(".toml") => corpus.documents.push(text),
                _ => corpus.rules.push(text),
            }
        }
        corpus.documents.extend(DOCUMENTS.iter().map(ToString::to_string));
        corpus.rules.extend(RULES.iter().map(ToString::to_string));
        corpus
    }
}
