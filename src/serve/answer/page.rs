//! The body of an answer that the edge makes itself: a page for people, or JSON for programs.
//!
//! Pure functions of their words. The page needs nothing from elsewhere, follows the reader's light
//! or dark setting, is shorter than 4 KiB whatever it is told, and escapes all of it.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// The media type of [`page`].
pub const PAGE_TYPE: &str = "text/html; charset=utf-8";
/// The media type of [`json`].
pub const JSON_TYPE: &str = "application/json";

/// How many bytes of each text are shown, counted when escaped.
const TITLE_LIMIT: usize = 200;
const SENTENCE_LIMIT: usize = 800;
const ID_LIMIT: usize = 120;
/// RFC 5646 needs no more for any language that it names (section 4.4.1).
const LANGUAGE_LIMIT: usize = 35;

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#1d2326;--soft:#556066;--line:#d9d6cd}\
@media (prefers-color-scheme:dark){:root{--paper:#14181a;--ink:#e8e6e0;--soft:#a3adb1;--line:#343b3e}}\
body{margin:0;min-height:100vh;display:grid;place-content:center;background:var(--paper);\
color:var(--ink);font:1.05rem/1.6 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}\
main{max-width:34rem;padding:2rem 1.5rem}\
.status{margin:0;color:var(--soft);font-variant-numeric:tabular-nums;letter-spacing:.04em}\
h1{margin:.2rem 0 .8rem;font-size:clamp(1.5rem,5vw,2rem);line-height:1.25;text-wrap:balance}\
p{margin:0 0 1rem}\
dl{margin:2rem 0 0;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);\
font-size:.9rem;display:flex;gap:.6rem;flex-wrap:wrap}\
dd{margin:0;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere;\
user-select:all}";

/// An error page.
///
/// `title` and `sentence` are in `language` (a language tag, English by default); `error_id` is what
/// the access log carries too and may be empty. Texts too long are cut.
pub fn page(
    status: StatusCode,
    title: &str,
    sentence: &str,
    error_id: &str,
    language: Option<&str>,
) -> Bytes {
    let language = language.filter(|tag| is_language(tag)).unwrap_or("en");
    let words = Words::of(language);
    let (title, sentence) = (escape(title, TITLE_LIMIT), escape(sentence, SENTENCE_LIMIT));
    let reference = if error_id.is_empty() {
        String::new()
    } else {
        let (label, id) = (words.reference, escape(error_id, ID_LIMIT));
        format!("<dl><dt>{label}</dt><dd>{id}</dd></dl>")
    };
    let (code, label) = (status.as_u16(), words.status);
    Bytes::from(format!(
        "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"data:,\">\
         <title>{code} {title}</title><style>{STYLE}</style></head>\n\
         <body><main><p class=\"status\">{label} {code}</p><h1>{title}</h1><p>{sentence}</p>\
         {reference}</main></body></html>\n"
    ))
}

/// The JSON body of an error: `{"code":"40010041","msg":"bucket not found","id":"..."}`.
///
/// `code` is the product's eight digits; `id` is left out when it is empty.
pub fn json(code: u32, message: &str, error_id: &str) -> Bytes {
    let body = Body { code: format!("{code:08}"), msg: message, id: error_id };
    // Strings alone: this cannot fail.
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}

#[derive(Serialize)]
struct Body<'a> {
    code: String,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
}

/// The few words of the page's own.
struct Words {
    status: &'static str,
    reference: &'static str,
}

impl Words {
    fn of(language: &str) -> Words {
        match language.split('-').next() {
            Some("zh") => Words { status: "状态码", reference: "错误编号" },
            _ => Words { status: "Status", reference: "Reference" },
        }
    }
}

fn is_language(tag: &str) -> bool {
    tag.len() <= LANGUAGE_LIMIT
        && tag
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The text with what HTML takes for markup escaped, without control characters, and cut before it
/// becomes longer than `limit` bytes.
fn escape(text: &str, limit: usize) -> String {
    let mut escaped = String::with_capacity(text.len().min(limit));
    let mut buffer = [0; 4];
    for character in text.chars().filter(|character| !character.is_control()) {
        let piece: &str = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            _ => character.encode_utf8(&mut buffer),
        };
        if escaped.len() + piece.len() > limit {
            break;
        }
        escaped.push_str(piece);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_page_says_what_happened_in_the_readers_language() {
        let english = page(StatusCode::BAD_GATEWAY, "No answer", "Try again.", "a1b2", None);
        for wanted in ["lang=\"en\"", "Status 502", "<h1>No answer</h1>", "<dd>a1b2</dd>"] {
            assert!(text(&english).contains(wanted), "{wanted}");
        }
        let chinese = page(StatusCode::NOT_FOUND, "未找到", "没有。", "", Some("zh-CN"));
        assert!(text(&chinese).contains("lang=\"zh-CN\"") && text(&chinese).contains("状态码 404"));
        assert!(!text(&chinese).contains("<dl>"));
        let odd = page(StatusCode::NOT_FOUND, "t", "s", "", Some("x\" onload=\"1"));
        assert!(text(&odd).contains("<html lang=\"en\">"));
    }

    #[test]
    fn json_is_as_the_specification_prints_it() {
        assert_eq!(
            text(&json(40_010_041, "bucket not found", "")),
            r#"{"code":"40010041","msg":"bucket not found"}"#
        );
        assert_eq!(text(&json(40_010_041, "m", "i")), r#"{"code":"40010041","msg":"m","id":"i"}"#);
        let read: serde_json::Value = serde_json::from_slice(&json(1, "a\"\r\n", "x")).unwrap();
        assert_eq!(read, serde_json::json!({"code": "00000001", "msg": "a\"\r\n", "id": "x"}));
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_or_makes_the_page_long(
            title in ".{0,400}", sentence in "[<>&\"'a]{0,2000}", id: String, language: String,
        ) {
            let made = page(StatusCode::OK, &title, &sentence, &id, Some(&language));
            prop_assert!(made.len() < 4096, "{}", made.len());
            // As many tags as a page without words has.
            let empty = page(StatusCode::OK, "", "", if id.is_empty() { "" } else { "i" }, None);
            prop_assert_eq!(text(&made).matches('<').count(), text(&empty).matches('<').count());
            prop_assert!(!text(&made).contains(|c: char| c.is_control() && c != '\n'));
        }
    }
}
