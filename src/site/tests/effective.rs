//! Presets: what they say is good, lies under the document, and is shown by `effective`.

use super::*;

fn parse(text: &str) -> Document {
    Document::parse("a.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_preset_is_good_by_itself() {
    let plain = parse(&document("a.test"));
    for preset in Preset::ALL {
        let with = parse(&format!("preset = \"{preset}\"\n{}", document("a.test")));
        assert_eq!(with.validate(), vec![], "{preset}");
        assert_ne!(with.cache, plain.cache, "{preset} changes nothing");
        assert_eq!(Preset::named(preset.as_str()), Some(preset));
    }
    assert_eq!(plain.cache, crate::cache::Settings::default());
    assert_eq!(plain.respond, Respond::default());
}

#[test]
fn what_is_shown_means_the_same_without_the_preset() {
    for preset in Preset::ALL {
        let document = parse(&format!("preset = \"{preset}\"\n{}", document("a.test")));
        let shown = document.effective().unwrap();
        assert_eq!(parse(&shown), document, "{shown}");
        let mut bare = document.clone();
        bare.preset = None;
        assert_eq!(parse(&bare.effective().unwrap()), bare);
    }
}
