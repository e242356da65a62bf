//! The 44 documented examples: each rule with requests and what becomes of them.

use edge_rules::{Fate, Phase, Sample};

use crate::kit::{NOW, effect, effects, evaluate, holds, program, short};

const NONE: [&str; 0] = [];

fn get(url: &str) -> Sample {
    Sample::get(url)
}

/// Examples 1 to 3: an own token scheme with the secret `abc`.
const TOKEN: [(&str, &str); 3] = [
    ("", "$WHEN($MATCH($_URI, '.ts$'),$OR($NOT($_GET_t),$NOT($_GET_key)))$EXIT(403)"),
    ("", "$WHEN($MATCH($_URI, '.ts$'),$GT($_TIME, $_GET_t))$EXIT(401)"),
    (
        "",
        "$WHEN($MATCH($_URI, '.ts$'),$NOT($EQ($MD5('abc'$_GET_t$_URI),$LOWER($_GET_key))))$EXIT(403)",
    ),
];
const KEY: &str = "77ab1110615bd218b70bc84b0e22c604";

#[test]
fn e01_a_link_without_its_token_is_refused() {
    assert_eq!(effects(&TOKEN[..1], &get("a.example/test.ts?t=1")), ["403"]);
    assert_eq!(effects(&TOKEN[..1], &get("a.example/test.ts?key=1")), ["403"]);
    assert_eq!(effects(&TOKEN[..1], &get("a.example/test.ts?t=1&key=1")), NONE);
    assert_eq!(effects(&TOKEN[..1], &get("a.example/test.mp4")), NONE);
}

#[test]
fn e02_a_link_that_expired_is_refused() {
    assert_eq!(effects(&TOKEN[1..2], &get("a.example/test.ts?t=1")), ["401"]);
    let later = format!("a.example/test.ts?t={NOW}");
    assert_eq!(effects(&TOKEN[1..2], &get(&later)), NONE);
}

#[test]
fn e03_the_three_rules_form_one_token_check() {
    let ask = |query: &str| effects(&TOKEN, &get(&format!("a.example/test.ts?{query}")));
    assert_eq!(ask(&format!("t=1481106349&key={KEY}")), NONE);
    assert_eq!(ask(&format!("t=1481106349&key={}", KEY.to_uppercase())), NONE);
    assert_eq!(ask(&format!("t=1481106350&key={KEY}")), ["403"]);
    assert_eq!(ask("t=1481106349&key=x"), ["403"]);
    assert_eq!(ask(&format!("t=1481106348&key={KEY}")), ["401"]);
    assert_eq!(ask(""), ["403"]);
}

#[test]
fn e04_who_has_no_token_cookie_is_sent_away() {
    let rule = "$WHEN($NOT($EQ($_URI, /live.html)), $NOT($_COOKIE_token))$REDIRECT(http://test.example.com/no_token.html,301)";
    assert_eq!(effect(rule, "a.example/x"), ["301 http://test.example.com/no_token.html"]);
    assert_eq!(effect(rule, "a.example/live.html"), NONE);
    let request = get("a.example/x").with_header("Cookie", "a=b; token=1");
    assert_eq!(effects(&[("", rule)], &request), NONE);
}

#[test]
fn e05_groups_of_the_path_become_arguments() {
    let rule = ("^/pay/([0-9]+)/([0-9]+)/(.*?).html$", "/pay.php?payid=$1&categoryid=$2");
    assert_eq!(
        effects(&[rule], &get("a.example/pay/25/8/x.html")),
        ["rewrite /pay.php?payid=25&categoryid=8"]
    );
    assert_eq!(effects(&[rule], &get("a.example/pay/25/x.html")), NONE);
}

#[test]
fn e06_a_playlist_lies_elsewhere() {
    let rule = ("/(.*)/playlist\\.m3u8$", "/$1'.m3u8'");
    assert_eq!(
        effects(&[rule], &get("a.example/app/stream/playlist.m3u8")),
        ["rewrite /app/stream.m3u8"]
    );
}

#[test]
fn e07_the_origin_sees_a_header() {
    assert_eq!(
        effect("$ADD_REQ_HEADER(X-From-Cdn, upyun)", "a.example"),
        ["ask + x-from-cdn: upyun"]
    );
}

#[test]
fn e08_a_request_header_goes() {
    assert_eq!(effect("$DEL_REQ_HEADER(Accept-Encoding)", "a.example"), ["ask - accept-encoding"]);
}

#[test]
fn e09_a_response_header_replaces_any_of_its_name() {
    assert_eq!(effect("$ADD_RSP_HEADER(CDN, UPYUN, 1)", "a.example"), ["reply = cdn: UPYUN"]);
    assert_eq!(effect("$ADD_RSP_HEADER(CDN, UPYUN)", "a.example"), ["reply + cdn: UPYUN"]);
}

#[test]
fn e10_large_files_are_slowed() {
    let rule = (
        "^(/).+-10\\.mp4$",
        "$WHEN($1, $EQ($_HOST, 'test.example.com'))$LIMIT_RATE_AFTER(20, m)$LIMIT_RATE(800, k)",
    );
    let slow = ["rate after 20971520", "rate 819200"];
    assert_eq!(effects(&[rule], &get("test.example.com/x-10.mp4")), slow);
    assert_eq!(effects(&[rule], &get("test.example.com/x-11.mp4")), NONE);
    assert_eq!(effects(&[rule], &get("a.example/x-10.mp4")), NONE);
}

#[test]
fn e11_any_letter_case_is_one_file() {
    let rule = "$WHEN($MATCH($LOWER($_URI), /uptest.png)) /UPtest.png";
    assert_eq!(effect(rule, "a.example/uPteST.png"), ["rewrite /UPtest.png"]);
    assert_eq!(effect(rule, "a.example/other.png"), NONE);
}

#[test]
fn e12_a_hexadecimal_time_is_compared() {
    let old = "$GT($_TIME,$ADD($INT($_GET_t,16,10),3600))";
    let ask = |time: i64| get(&format!("a.example/?t={time:x}"));
    assert!(holds(old, &ask(NOW - 3601)));
    assert!(!holds(old, &ask(NOW - 3600)));
    assert!(!holds(old, &get("a.example/")));
    // As a whole rule it is true or false, which is no path.
    assert_eq!(effects(&[("", old)], &ask(0)), NONE);
}

#[test]
fn e13_calls_nest() {
    let rule = "/$SUB($DECODE_BASE64($_HEADER_foo), $_GET_from, $_GET_to)/";
    let request = get("a.example/x?from=2&to=4").with_header("foo", "YWJjZGVm");
    assert_eq!(effects(&[("", rule)], &request), ["rewrite /bcd/?from=2&to=4"]);
}

#[test]
fn e14_what_decides_first_ends_it() {
    assert_eq!(effect("$WHEN($ALL(), $EXIT(403))", "a.example"), NONE);
}

#[test]
fn e15_quotes_expand_nothing() {
    assert_eq!(effect("/foo/'$_HOST'", "a.example"), ["rewrite /foo/$_HOST"]);
}

#[test]
fn e16_a_backslash_takes_the_next_letter_as_it_is() {
    assert_eq!(effect("/foo/'$\\\\,\\''", "a.example"), ["rewrite /foo/$\\,'"]);
}

#[test]
fn e17_a_question_mark_at_the_end_drops_the_arguments() {
    assert_eq!(
        effects(&[("/x/(.*)", "/foo?bar=$1?")], &get("a.example/x/7?a=1")),
        ["rewrite /foo?bar=7"]
    );
}

#[test]
fn e18_two_question_marks_leave_no_argument() {
    assert_eq!(effect("/foo??", "a.example/any?a=1"), ["rewrite /foo"]);
}

#[test]
fn e19_a_missing_value_fails_the_rewrite() {
    assert_eq!(effect("/$_GET_foo/bar", "a.example/?foo=x"), ["rewrite /x/bar?foo=x"]);
    assert_eq!(effect("/$_GET_foo/bar", "a.example/"), NONE);
}

#[test]
fn e20_variables_stand_in_arguments() {
    let mut request = get("a.example/");
    request.client = "192.168.1.1".parse().unwrap();
    assert_eq!(
        effects(&[("", "/index.php?ip=$_IP&method=$_METHOD")], &request),
        ["rewrite /index.php?ip=192.168.1.1&method=GET"]
    );
}

#[test]
fn e21_only_if_cached_is_ignored() {
    let rule = (
        "",
        "$WHEN($MATCH($LOWER($_HEADER_cache_control), only-if-cached))$DEL_REQ_HEADER(Cache-Control)",
    );
    let request = get("a.example").with_header("Cache-Control", "Only-If-Cached");
    assert_eq!(effects(&[rule], &request), ["ask - cache-control"]);
    assert_eq!(effects(&[rule], &get("a.example")), NONE);
}

#[test]
fn e22_a_break_skips_later_rules() {
    let rules = [("/download/(.*)$", "/movies/$1 $$"), ("", "/later")];
    assert_eq!(effects(&rules, &get("a.example/download/a.mp4")), ["rewrite /movies/a.mp4"]);
    assert_eq!(effects(&rules, &get("a.example/other")), ["rewrite /later"]);
}

#[test]
fn e23_a_host_has_its_own_root() {
    let rule = ("^/images/(.*)$", "$WHEN($EQ($_HOST, 'images.foo.com'))/$1$$");
    assert_eq!(effects(&[rule], &get("images.foo.com/images/a.png")), ["rewrite /a.png"]);
    assert_eq!(effects(&[rule], &get("foo.com/images/a.png")), NONE);
}

#[test]
fn e24_three_rewrites_by_pattern() {
    let rules = [
        ("/(.*).html$", "/html/$1.html"),
        ("/downloads/(.*\\.mp4)$", "/movies/$1"),
        ("/foo/([^/]+)/bar/(.*)", "/$1/$2"),
    ];
    assert_eq!(effects(&rules, &get("a.example/a.html")), ["rewrite /html/a.html"]);
    assert_eq!(effects(&rules, &get("a.example/downloads/x.mp4")), ["rewrite /movies/x.mp4"]);
    assert_eq!(effects(&rules, &get("a.example/foo/u/bar/v")), ["rewrite /u/v"]);
}

#[test]
fn e25_a_header_under_one_path() {
    let rule = "$WHEN($MATCH($_URI, '^/foo/.*'))$ADD_REQ_HEADER(X-Foo, bar)";
    assert_eq!(effect(rule, "a.example/foo/x"), ["ask + x-foo: bar"]);
    assert_eq!(effect(rule, "a.example/x/foo/"), NONE);
}

#[test]
fn e26_a_header_for_one_host() {
    let rule = "$WHEN($EQ($_HOST, 'foo.com'))$ADD_REQ_HEADER(X-Foo, bar)";
    assert_eq!(effect(rule, "foo.com/"), ["ask + x-foo: bar"]);
    assert_eq!(effect(rule, "a.foo.com/"), NONE);
}

#[test]
fn e27_no_referer_no_file() {
    let rule = ("", "$WHEN($MATCH($_URI, '^/foo/'), $NOT($_HEADER_referer))$EXIT(403)");
    assert_eq!(effects(&[rule], &get("a.example/foo/x")), ["403"]);
    assert_eq!(effects(&[rule], &get("a.example/foo/x").with_header("Referer", "x")), NONE);
}

#[test]
fn e28_scripts_are_forced_to_https() {
    let rule =
        ("\\.(js|css)$", "$WHEN($1, $EQ($_SCHEME, http))$REDIRECT(https://$_HOST$_URI, 302)");
    assert_eq!(effects(&[rule], &get("http://a.example/x.js")), ["302 https://a.example/x.js"]);
    assert_eq!(effects(&[rule], &get("https://a.example/x.js")), NONE);
    assert_eq!(effects(&[rule], &get("http://a.example/x.html")), NONE);
}

#[test]
fn e29_original_images_are_hidden() {
    let rule = ("\\.(jpg|png|gif)$", "$WHEN($1, $NOT($MATCH($_URI, !)))$EXIT(404)");
    assert_eq!(effects(&[rule], &get("a.example/x.jpg")), ["404"]);
    assert_eq!(effects(&[rule], &get("a.example/x.jpg!v")), NONE);
}

#[test]
fn e30_originals_are_served_as_a_version() {
    let rule = ("^(/)d/new/[^!]+$", "$WHEN($1)$_URI!nrimg");
    assert_eq!(effects(&[rule], &get("a.example/d/new/x.jpg")), ["rewrite /d/new/x.jpg!nrimg"]);
    assert_eq!(effects(&[rule], &get("a.example/d/new/x.jpg!v")), NONE);
    assert_eq!(effects(&[rule], &get("a.example/other/x.jpg")), NONE);
}

#[test]
fn e31_a_redirect_ends_the_set_and_drops_the_rewrite() {
    let rules = program(&[
        ("", "$WHEN($EQ($_URI, /123.mp4))/beibei.mp4"),
        ("", "$WHEN($EQ($_URI, /123.mp4))$ADD_RSP_HEADER(CDN, UPYUN)"),
        ("", "$WHEN($EQ($_URI, /123.mp4))$REDIRECT(http://b.example/, 302)"),
        ("", "$WHEN($EQ($_URI, /123.mp4))$EXIT(403)"),
        ("", "$WHEN($EQ($_URI, /123.mp4))$LIMIT_RATE(200, k)"),
    ]);
    let outcome = evaluate(&rules, Phase::Request, &get("a.example/123.mp4"));
    assert_eq!(short(&outcome), ["reply + cdn: UPYUN", "302 http://b.example/"]);
    let fates: Vec<_> = outcome.events.iter().map(|event| event.fate).collect();
    assert_eq!(fates, [Fate::Matched, Fate::Matched, Fate::Answered]);
}

#[test]
fn e32_a_bare_path_rewrites_everything() {
    for url in ["a.example/", "a.example/x/y.html"] {
        assert_eq!(effect("/foo", url), ["rewrite /foo"]);
    }
}

#[test]
fn e33_as_the_tenth_with_another_rate() {
    let rule = (
        "^(/).+-10\\.mp4$",
        "$WHEN($1, $EQ($_HOST, 'test.upyun.com'))$LIMIT_RATE_AFTER(20, m)$LIMIT_RATE(100, k)",
    );
    assert_eq!(
        effects(&[rule], &get("test.upyun.com/x-10.mp4")),
        ["rate after 20971520", "rate 102400"]
    );
}

// Examples 34 to 37 are of the form-based mode: here as the programs that its table gives for them.

#[test]
fn e34_host_and_user_agent_redirect_with_a_group() {
    let rule = (
        "^/(\\w+)",
        "$WHEN($EQ($_HOST, a.example), $MATCH($_HEADER_user_agent, Mobile))$REDIRECT(https://test.com/$1/123.html, 301)",
    );
    let request = get("a.example/x/y").with_header("User-Agent", "X Mobile");
    assert_eq!(effects(&[rule], &request), ["301 https://test.com/x/123.html"]);
    assert_eq!(effects(&[rule], &get("a.example/x/y")), NONE);
}

#[test]
fn e35_spiders_are_refused() {
    let rule = ("", "$WHEN($MATCH($_HEADER_user_agent, 'googlebot|bingbot', 1))$EXIT(403)");
    assert_eq!(
        effects(&[rule], &get("a.example").with_header("User-Agent", "Googlebot/2.1")),
        ["403"]
    );
    assert_eq!(effects(&[rule], &get("a.example").with_header("User-Agent", "Firefox")), NONE);
}

#[test]
fn e36_the_own_page_for_what_is_not_found() {
    assert_eq!(
        effect("$REDIRECT404(http://a.example/lost.html)", "a.example/x"),
        ["page [404] http://a.example/lost.html"]
    );
}

#[test]
fn e37_a_response_header_for_one_host() {
    let rule = "$WHEN($EQ($_HOST, test.example.com))$ADD_RSP_HEADER(CDN, UPYUN)";
    assert_eq!(effect(rule, "test.example.com/"), ["reply + cdn: UPYUN"]);
    assert_eq!(effect(rule, "a.example/"), NONE);
}

#[test]
fn e38_paths_without_a_dot_serve_the_single_page() {
    let rule = "$WHEN($NOT($MATCH($_URI,'[\\\\.]')))/index.html";
    assert_eq!(effect(rule, "a.example/users/7"), ["rewrite /index.html"]);
    assert_eq!(effect(rule, "a.example/app.js"), NONE);
}

#[test]
fn e39_https_is_forced() {
    let rule = ("^/(.*)", "$WHEN($EQ($_SCHEME,http)) $REDIRECT(https://$_HOST/$1,301)");
    assert_eq!(effects(&[rule], &get("http://a.example/x/y")), ["301 https://a.example/x/y"]);
    assert_eq!(effects(&[rule], &get("https://a.example/x/y")), NONE);
}

#[test]
fn e40_crawlers_get_the_rendered_host() {
    // The published rule uses `$1`, so it had a pattern such as that of the rule before.
    let rule = (
        "^/(.*)",
        "$WHEN($MATCH($LOWER($_HEADER_user_agent),'bot\\\\b|spider\\\\b'),$NOT($MATCH($LOWER($_URI),'\\\\.'))) $REDIRECT(https://htm.$_HOST/$1,301)",
    );
    let bot = |url: &str| get(url).with_header("User-Agent", "Mozilla (compatible; Googlebot/2.1)");
    assert_eq!(effects(&[rule], &bot("a.example/x")), ["301 https://htm.a.example/x"]);
    assert_eq!(effects(&[rule], &bot("a.example/x.js")), NONE);
    assert_eq!(effects(&[rule], &get("a.example/x")), NONE);
    assert_eq!(effects(&[rule], &get("a.example/x").with_header("User-Agent", "robots")), NONE);
}

#[test]
fn e41_one_canonical_host_keeps_the_query() {
    let rule = "$WHEN($NOT($EQ($_HOST, a.example)))$REDIRECT($_SCHEME://a.example$_URI$PCALL(?$_QUERY), 301)";
    assert_eq!(effect(rule, "https://www.a.example/x?q=1"), ["301 https://a.example/x?q=1"]);
    assert_eq!(effect(rule, "http://www.a.example/x"), ["301 http://a.example/x"]);
    assert_eq!(effect(rule, "http://a.example/x"), NONE);
}

#[test]
fn e42_all_paths_get_a_prefix() {
    assert_eq!(effect("/cdn$_URI", "a.example/x?a=1"), ["rewrite /cdn/x?a=1"]);
}

#[test]
fn e43_pages_without_their_ending() {
    let rules = [("^/([^/]*).html$", "/$1/ $$"), ("", "/later")];
    assert_eq!(effects(&rules, &get("a.example/about.html")), ["rewrite /about/"]);
}

#[test]
fn e44_the_builtin_token_rebuilt_for_some_paths() {
    let rule = "$WHEN($MATCH($_URI,'re'),$OR($GT($_TIME,$SUB($_GET__upt,9,99)),$NOT($_GET__upt),$NOT($EQ($SUB($MD5('TOKEN''&'$SUB($_GET__upt,9,99)'&'$_URI),13,20),$SUB($_GET__upt,1,8)))))$EXIT(403)";
    let token =
        crate::kit::worth("$SUB($MD5('TOKEN&1481106349&/pre.ts'),13,20)", &get("a.example"));
    assert_eq!(token.len(), 8);
    let ask = |query: &str| effect(rule, &format!("a.example/pre.ts{query}"));
    assert_eq!(ask(&format!("?_upt={token}1481106349")), NONE);
    assert_eq!(ask(&format!("?_upt={token}1481106348")), ["403"]);
    assert_eq!(ask("?_upt=000000001481106349"), ["403"]);
    assert_eq!(ask(""), ["403"]);
    assert_eq!(effect(rule, "a.example/other"), NONE);
}
