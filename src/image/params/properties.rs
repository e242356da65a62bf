//! The parser on any text: it never panics, its canonical text means the same, and order is free.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::query::take;
use super::*;
use crate::image::settings::Separator;

/// A value that fits each key, so that every key is reached.
fn good(key: &'static str) -> BoxedStrategy<String> {
    let side = || (1u32..3000).prop_map(|it| it.to_string());
    let pair = || (1u32..3000, 1u32..3000).prop_map(|(w, h)| format!("{w}x{h}"));
    let placed = || {
        let sign = || select(vec!['a', 's']);
        (0u32..3000, 1u32..3000, sign(), 0u32..500, sign(), 0u32..500)
            .prop_map(|(w, h, a, x, b, y)| format!("{}x{h}{a}{x}{b}{y}", w.max(1)))
    };
    let colour = || any::<u32>().prop_map(|it| format!("{it:08X}"));
    let one_of = |values: &[&str]| {
        select(values.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>()).boxed()
    };
    match key {
        "fwfh" | "fwfh2" | "both" | "stretch" | "fxfn" | "fxfn2" | "margin" => pair().boxed(),
        "crop" | "clip" | "canvas" => placed().boxed(),
        "border" => prop_oneof![pair(), colour()].boxed(),
        "brdcolor" | "cvscolor" | "gdstartcolor" | "gdstopcolor" | "color" => colour().boxed(),
        "force" | "unsharp" | "lossless" | "compress" | "progressive" | "coalesce" | "gifto"
        | "noicc" | "strip" | "exifswitch" | "ignore-error" | "animate" | "repeat" => {
            one_of(&["true", "false"])
        }
        "gravity" => (0u32..=1000, 0u32..1000)
            .prop_map(|(x, y)| format!("fp:{}.{:03}x0.{y:03}", x / 1000, x % 1000))
            .boxed()
            .prop_union(one_of(&["auto", "north", "center", "southeast"]))
            .boxed(),
        "align" => one_of(&["north", "center", "southeast"]),
        "watermark/url" => "/[a-z]{1,9}[.]png".prop_map(|it| value::to_base64(&it)).boxed(),
        "watermark/text" => "[^\\p{C}]*[a-z]".prop_map(|it| value::to_base64(&it)).boxed(),
        "font" => one_of(&FONTS),
        "opacity" | "percent" => (0u32..=100).prop_map(|it| it.to_string()).boxed(),
        "rotate" => (1u32..=360).prop_map(|it| it.to_string()).boxed(),
        "quality" => (1u32..=99).prop_map(|it| it.to_string()).boxed(),
        "flip" => one_of(&["left,right", "top,down", "both"]),
        "gaussblur" => (0u32..=50, 1u32..50).prop_map(|(r, s)| format!("{r}x{s}")).boxed(),
        "gdori" => one_of(&["top,down", "bottom,up", "left,right", "right,left"]),
        "gdpos" => (0u32..50, 50u32..99).prop_map(|(a, b)| format!("{a},{b}")).boxed(),
        "format" => one_of(&["jpg", "png", "webp", "avif", "auto"]),
        "exformat" => one_of(&["hex", "dec"]),
        "dpr" => one_of(&["0.5", "1", "1.25", "2"]),
        "scale" | "wscale" | "hscale" | "size" | "excolor" => {
            (1u32..999).prop_map(|it| it.to_string()).boxed()
        }
        _ => side().boxed(),
    }
}

/// Keys that ask, after which nothing else counts, or not.
fn is_question(name: &&str) -> bool {
    matches!(*name, "info" | "meta" | "meta/iptc" | "meta/all" | "excolor" | "exformat")
}

/// `/key/value` for any key of those that ask, or of the others.
fn step(question: bool) -> impl Strategy<Value = String> {
    let names: Vec<&str> = key_names().filter(|name| is_question(name) == question).collect();
    select(names).prop_flat_map(|name| {
        let takes_value = keys::find(name).is_some_and(Key::takes_value);
        let value = if takes_value { good(name) } else { Just(String::new()).boxed() };
        value.prop_map(move |value| match value.is_empty() {
            true => format!("/{name}"),
            false => format!("/{name}/{value}"),
        })
    })
}

/// Keys that stand alone, each once, with their values.
fn free_steps() -> impl Strategy<Value = Vec<String>> {
    const FREE: [&str; 26] = [
        "fw",
        "force",
        "roundrect",
        "rotate",
        "flip",
        "unsharp",
        "gaussblur",
        "border",
        "brdcolor",
        "canvas",
        "cvscolor",
        "gdori",
        "gdpos",
        "gdstartcolor",
        "gdstopcolor",
        "format",
        "lossless",
        "quality",
        "compress",
        "progressive",
        "coalesce",
        "gifto",
        "noicc",
        "strip",
        "exifswitch",
        "dpr",
    ];
    subsequence(FREE.to_vec(), 1..FREE.len()).prop_flat_map(|names| {
        let step = |name: &'static str| match name {
            // A colour as a border belongs to a watermark.
            "border" => Just("/border/3x2".to_owned()).boxed(),
            _ => good(name).prop_map(move |value| format!("/{name}/{value}")).boxed(),
        };
        names.into_iter().map(step).collect::<Vec<_>>()
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC*",
        path in prop_oneof!["/\\PC*", "(/[afwmx.!_%-]{1,4}|/fw|%21|%2d){0,8}"],
    ) {
        let settings = Settings::default();
        let _ = parse(&text, &settings);
        let _ = parse(&format!("/{text}"), &settings);
        let _ = text.parse::<Spec>();
        let _ = take(&text, &settings);
        for separator in [Separator::Bang, Separator::Hyphen, Separator::Underscore] {
            if let Some(asked) = split(&path, separator) {
                prop_assert!(path.starts_with(asked.original));
                prop_assert!(path.ends_with(asked.suffix));
                prop_assert!(asked.original.len() + asked.suffix.len() < path.len());
                let _ = parse(asked.suffix, &settings);
            }
        }
    }

    #[test]
    fn any_value_is_read_or_refused(
        key in select(key_names().collect::<Vec<&str>>()),
        value in "[0-9a-zA-Z%,:.|x-]{0,12}",
    ) {
        for before in ["", "/crop/3x2", "/watermark/text/YQ", "/watermark/url/YQ"] {
            let text = format!("{before}/{key}/{value}");
            if let Ok(spec) = text.parse::<Spec>() {
                prop_assert_eq!(spec.canonical().parse::<Spec>(), Ok(spec));
            }
        }
    }

    #[test]
    fn the_canonical_text_means_the_same(
        steps in vec(step(false), 1..12),
        question in proptest::option::weighted(0.1, step(true)),
    ) {
        // With a crop and a watermark at the beginning, most keys are at home anywhere.
        let start = "/crop/900x900/watermark/text/YQ";
        let text = format!("{start}{}{}", steps.concat(), question.unwrap_or_default());
        if let Ok(spec) = text.parse::<Spec>() {
            let canonical = spec.canonical();
            let again = canonical.parse::<Spec>();
            prop_assert_eq!(again.as_ref(), Ok(&spec), "{} as {}", text, canonical);
            prop_assert_eq!(again.map(|it| it.canonical()), Ok(canonical));
        }
    }

    #[test]
    fn order_is_free(
        (steps, shuffled) in free_steps()
            .prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle())),
    ) {
        let spec = steps.concat().parse::<Spec>();
        prop_assert!(spec.is_ok(), "{:?}", spec);
        prop_assert_eq!(spec, shuffled.concat().parse::<Spec>());
    }

    #[test]
    fn a_percent_encoded_request_means_the_same(steps in free_steps()) {
        let plain = steps.concat();
        let encoded: String = plain
            .chars()
            .map(|it| if it == '/' { it.into() } else { format!("%{:02x}", u32::from(it)) })
            .collect();
        prop_assert_eq!(plain.parse::<Spec>(), encoded.parse::<Spec>());
    }
}

#[test]
fn the_generator_reaches_every_key() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for name in key_names() {
        let takes_value = keys::find(name).is_some_and(Key::takes_value);
        let value = good(name).new_tree(&mut runner).unwrap().current();
        let value = if takes_value { format!("/{value}") } else { String::new() };
        let before = match name {
            "gravity" => "/crop/3x2",
            "percent" | "repeat" => "/watermark/url/YQ",
            _ => "/watermark/text/YQ",
        };
        let text = format!("{before}/{name}{value}");
        assert!(text.parse::<Spec>().is_ok(), "{text}");
    }
}
