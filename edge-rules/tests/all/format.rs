//! Canonical text: laid out once it stays so, and what compiles is the same.

use edge_rules::{Limits, Program, format_document, format_rules};

/// Lays a document out; the program must be the same, and a second time changes nothing.
fn document(source: &str) -> String {
    let limits = Limits::default();
    let made = format_document(source, &limits)
        .unwrap_or_else(|errors| panic!("{}", errors[0].show("source", source)));
    let program = |text: &str| {
        Program::from_document(text, &limits)
            .unwrap_or_else(|errors| panic!("{}", errors[0].show("made", text)))
    };
    assert_eq!(program(source), program(&made), "{made}");
    assert_eq!(format_document(&made, &limits).unwrap(), made);
    made
}

fn rules(source: &str) -> String {
    let limits = Limits::default();
    let made = format_rules(source, &limits)
        .unwrap_or_else(|errors| panic!("{}", errors[0].show("source", source)));
    let program = |text: &str| Program::from_rules(text, &limits).unwrap();
    assert_eq!(program(source), program(&made), "{made}");
    assert_eq!(format_rules(&made, &limits).unwrap(), made);
    made
}

const UNTIDY: &str = r#"

  # The file.


# The first rule.
[[rules]]  # here
do={redirect={to="https://{ http.host }{http.request.uri}",status=301}}   # go
stop   =  true
  # Why.

  when  = "( !ssl&&http.host == \"a.example\" )"
name = 'first'
[[ rules ]]
text="""
$WHEN( $EQ( $_SCHEME , 'http' ) )
   $EXIT( 403 , '' )"""
pattern = "^/(\\w+)"
[[rules]]
when = 'http.request.uri.path.extension in {"jpg","png"} and http.referer ne "" and not http.referer contains "https://www.a.example/"'
[rules.do]
rewrite = "/{{x}}"
# Headers.
[rules.do.set_request_header]
A = ["1",'2']
"B" = "{http.host}"
[[rules]]
do.set_response_header . C = '"'
do.respond = 0x193
[[rules]]
do = { # first
  cache = { ttl = "1h30m", tags = ["a",
   "b" # two
  ] }, # cache
  # alone
  origin = "x" }
# The end.

"#;

const TIDY: &str = r#"# The file.

# The first rule.
[[rules]] # here
name = "first"
# Why.
when = 'not ssl and http.host eq "a.example"'
do = { redirect = { to = "https://{http.host}{http.request.uri}", status = 301 } } # go
stop = true

[[rules]]
pattern = '^/(\w+)'
text = "$WHEN($EQ($_SCHEME, http)) $EXIT(403, '')"

[[rules]]
when = '''
    http.request.uri.path.extension in {"jpg" "png"}
    and http.referer ne ""
    and not http.referer contains "https://www.a.example/"
'''

[rules.do]
rewrite = "/{{x}}"

# Headers.
[rules.do.set_request_header]
A = ["1", "2"]
"B" = "{http.host}"

[[rules]]
do.set_response_header.C = '"'
do.respond = 0x193

[[rules]]
do = { # first
    cache = { ttl = "1h30m", tags = [
        "a",
        "b", # two
    ] }, # cache
    # alone
    origin = "x",
}

# The end.
"#;

#[test]
fn a_document_is_laid_out_and_its_comments_stay() {
    assert_eq!(document(UNTIDY), TIDY);
}

#[test]
fn a_document_without_tables_is_laid_out_too() {
    let source = "# x\nrules=[{do={respond=403},when='ssl'},{text='/a'}]\n";
    assert_eq!(
        document(source),
        "# x\nrules = [{ do = { respond = 403 }, when = \"ssl\" }, { text = \"/a\" }]\n"
    );
    assert_eq!(document(""), "");
    assert_eq!(document("\n# only this\n"), "# only this\n");
    let errors = format_document("[[rules]]\nwhen = 'x'\n", &Limits::default()).unwrap_err();
    assert!(errors[0].message.contains("no field"), "{}", errors[0]);
}

#[test]
fn templates_and_texts_that_look_alike_stay_apart() {
    for text in
        ["a{\"b\"}c", "{\"\"}{\"a\"}{\"}}\"}", "{5}{-1.5}", "{{{\"{\"}}}", "{http.host}x{\"y\"}"]
    {
        document(&format!("[[rules]]\ndo = {{ set_body = '''/{text}''' }}\n"));
    }
    let long = "x".repeat(90);
    let made = document(&format!("[[rules]]\ntext = \"$DEL_ARG({long})$DEL_ARG(y)$$\"\n"));
    assert_eq!(made, format!("[[rules]]\ntext = '''\n$DEL_ARG({long})\n$DEL_ARG(y)\n$$\n'''\n"));
}

#[test]
fn a_file_of_rules_is_laid_out_and_its_comments_stay() {
    let source = "#file\n\n\n # one\npattern:  ^/(.)\nname: one\n  $WHEN( $1 )\n$REDIRECT( 'https://a/'$1 ,301 )$$\n\n/x\nyz\n";
    let expected = "#file\n\n# one\nname: one\npattern: ^/(.)\n$WHEN($1)\n$REDIRECT(https://a/$1, 301)\n$$\n\n/xyz\n";
    assert_eq!(rules(source), expected);
    assert_eq!(
        rules("testers: 192.0.2.1,::1\nstate: test\nname:\n'#a'"),
        "name:\nstate: test\ntesters: 192.0.2.1, ::1\n'#a'\n"
    );
}
