//! The checks themselves, tried on samples: a bad one must be found, a good one must pass.

use crate::layers::{self, Layers};
use crate::source::Source;
use crate::{floors, leftovers, sizes, vague_names};

const TABLE: &str = "
# Layers
| layer | modules | may do | may import |
|---|---|---|---|
| 7 process | cli, node | start | anything below (`cli` → `node`) |
| 2 machines | store, upstream | sockets | 1 and 0, never each other |
| 1 decisions | cache | judge | 0 |
| 0 words | clock, header | print | std |
";

fn layers() -> Layers {
    Layers::parse(TABLE).unwrap()
}

fn breaches(path: &str, text: &str) -> Vec<String> {
    layers::breaches(&layers(), &Source::new(path, text, false))
}

#[test]
fn table_is_read_whole() {
    let layers = layers();
    assert_eq!(layers.of("cli"), Some(7));
    assert_eq!(layers.of("header"), Some(0));
    assert_eq!(layers.of("serve"), None);
    assert!(Layers::parse("no table here").is_err());
    assert!(Layers::parse(&TABLE.replace("| judge ", "")).is_err());
    assert!(Layers::parse(&TABLE.replace("cache", "store")).unwrap_err().contains("twice"));
}

#[test]
fn downward_imports_pass() {
    let text = "use crate::cache::{Key, key::Text};\nuse crate::{clock::Clock, header};\n\
                use std::sync::Arc;\nuse super::body::Body;\nmod tests { use super::super::body; }";
    assert_eq!(breaches("src/store/memory.rs", text), [""; 0]);
    assert_eq!(breaches("src/cli/run.rs", "use crate::node::Node;"), [""; 0]);
    assert_eq!(breaches("src/main.rs", "fn main() {}"), [""; 0]);
}

#[test]
fn upward_and_sideways_imports_fail() {
    for (path, text, word) in [
        ("src/cache/age.rs", "use crate::store::Entry;", "upward"),
        ("src/cache/mod.rs", "use crate::{clock, header::{age, via}, store};", "upward"),
        ("src/store/mod.rs", "fn f() { crate::upstream::send() }", "sideways"),
        ("src/node.rs", "use crate::cli::Command;", "sideways"),
        ("src/clock.rs", "pub use crate::header::date;", "sideways"),
        ("src/clock.rs", "use super::header;", "leaves clock"),
        ("src/cache/mod.rs", "use super::store::Entry;", "leaves cache"),
        ("src/cache/age.rs", "use super::super::store::Entry;", "leaves cache"),
        ("src/cache/age.rs", "mod tests { use super::super::super::store; }", "leaves cache"),
        ("src/store/mod.rs", "use crate::serve::Exchange;", "`serve` is not in"),
        ("src/serve/mod.rs", "use crate::store::Entry;", "`serve` is not in"),
    ] {
        let found = breaches(path, text);
        assert_eq!(found.len(), 1, "{path} {text}: {found:?}");
        assert!(found[0].contains(word), "{found:?}");
    }
}

#[test]
fn comments_and_strings_import_nothing() {
    let text = r##"// use crate::store;
/* crate::store /* nested */ crate::store */
const A: &str = "crate::store \" crate::store"; const B: &str = r#"crate::store " "#;
const C: char = '"'; fn f<'a>(x: &'a str) {} pub(crate) fn g() {} // crate::store"##;
    assert_eq!(breaches("src/cache/age.rs", text), [""; 0]);
}

#[test]
fn pure_modules_must_not_act() {
    let judge = |text| layers::impurities(&layers(), &Source::new("src/cache/age.rs", text, false));
    assert_eq!(judge("use std::net::IpAddr; #[cfg(test)] mod tests { use tokio::time; }").len(), 0);
    assert_eq!(judge("use tokio::time;").len(), 1);
    assert_eq!(judge("fn f() { let now = SystemTime::now(); std::fs::read(a) }").len(), 2);
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text = "fn a() {\n  if x { \"}\" }\n}\n\ntrait T { fn b(x: [u8; 4]); }\n\
                #[cfg(test)]\nmod tests {\n  fn c()\n  where A: B,\n  {\n  }\n}";
    let functions = Source::new("src/x.rs", text, false).functions();
    let seen: Vec<_> =
        functions.iter().map(|it| (it.name.as_str(), it.line, it.lines, it.test)).collect();
    assert_eq!(seen, [("a", 1, 3, false), ("c", 8, 4, true)]);
}

#[test]
fn sizes_are_held_and_may_only_shrink() {
    let long = |lines| {
        vec![Source::new("src/x.rs", &format!("fn f() {{\n{}}}", "\n".repeat(lines)), true)]
    };
    let first = |lines, ratchet| sizes(&long(lines), ratchet).first().cloned().unwrap_or_default();
    assert_eq!(first(50, ""), "");
    assert!(first(80, "").contains("82 lines, at most 70"));
    assert_eq!(first(80, "# old\nfunction src/x.rs::f 82"), "");
    assert!(first(81, "function src/x.rs::f 82").contains("grew from 82"));
    assert!(first(79, "function src/x.rs::f 82").contains("shrank to 81"));
    assert!(first(50, "function src/x.rs::f 82").contains("fits now"));
    assert!(first(50, "function src/gone.rs::f 82").contains("no such"));
    assert!(first(50, "function src/x.rs::f many").contains("cannot read"));
    assert!(sizes(&long(510), "").iter().any(|it| it.contains("at most 500")));
    let plain = Source::new("src/x.rs", &format!("fn f() {{\n{}}}", "\n".repeat(60)), false);
    assert!(sizes(&[plain], "")[0].contains("95 in 100 functions"));
}

#[test]
fn leftovers_and_vague_names_are_found() {
    let find = |text: &str| leftovers(&Source::new("src/x.rs", text, false)).len();
    assert_eq!(find("/// A to-do list. // todo later\nfn todo_list() { \"TODO\"; }"), 0);
    assert_eq!(
        find(concat!("// TO", "DO: more\nfn f() { todo!(); dbg!(x); unimplemented!() }")),
        4
    );
    let vague = |text: &str| vague_names(&Source::new("src/x.rs", text, false)).len();
    assert_eq!(vague("mod commons; mod uncommon {}"), 0);
    assert_eq!(vague("pub mod utils; mod common {} pub(crate) mod manager;"), 3);
}

#[test]
fn modules_know_their_file_and_whether_they_are_tests() {
    let text =
        "#[cfg(test)]\nmod tests;\n#[path = \"odd.rs\"]\npub(crate) mod even;\nmod a { mod b; }";
    let source = Source::new("src/x.rs", text, false);
    let modules = source.modules();
    let names: Vec<_> = modules.iter().map(|it| (it.name.as_str(), it.test)).collect();
    assert_eq!(names, [("tests", true), ("even", false), ("a", false), ("b", false)]);
    assert_eq!(modules[1].path.as_deref(), Some("odd.rs"));
    assert!(modules[2].body.as_ref().unwrap().contains(&modules[3].at));
}

#[test]
fn old_dependencies_are_found() {
    let lock = |name, version| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
    assert_eq!(floors::below(&lock("hyper", "1.12.0")).len(), 0);
    assert_eq!(floors::below(&lock("hyper", "1.10.9")).len(), 1);
    assert_eq!(floors::below(&lock("wasmtime", "36.0.6")).len(), 0);
    assert_eq!(floors::below(&lock("wasmtime", "36.0.5")).len(), 1);
    assert_eq!(floors::below(&lock("wasmtime", "39.9.9")).len(), 1);
    assert_eq!(floors::below(&lock("wasmtime", "48.0.0")).len(), 0);
}
