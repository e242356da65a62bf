//! Every key of the URL language: what it means, its default, and the code of a wrong value.

use super::*;
use crate::image::spec::*;

fn spec(text: &str) -> Spec {
    parse(text, &Settings::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(suffix: &str) -> Error {
    refused_by(suffix, &Settings::default())
}

fn refused_by(suffix: &str, settings: &Settings) -> Error {
    match parse(suffix, settings) {
        Ok(spec) => panic!("{suffix} means {spec:?}"),
        Err(error) => error,
    }
}

fn site(toml: &str) -> Settings {
    let settings: Settings = toml::from_str(toml).unwrap();
    assert_eq!(settings.validate(), []);
    settings
}

/// `/{key}/{value}` is refused with `code` for each value, and so is the key without one.
fn all_refused(key: &str, code: u32, values: &[&str]) {
    for value in values {
        let error = refused(&format!("/{key}/{value}"));
        assert_eq!((error.status, error.code), (400, code), "{key}/{value}: {error}");
        let name = key.rsplit_once("YQ/").map_or(key, |(_, name)| name);
        assert!(error.message.contains(&format!("`{name}`")), "{key}/{value}: {error}");
    }
    assert_eq!(refused(&format!("/{key}")).code, code, "{key}");
}

#[test]
fn scaling_keys() {
    let (width, height) = (300, 200);
    let gravity = Gravity::At(Position::Center);
    for (text, scale) in [
        ("/fw/300", Scale::Width(300)),
        ("/fh/200", Scale::Height(200)),
        ("/max/300", Scale::Longest(300)),
        ("/min/300", Scale::Shortest(300)),
        ("/fwfh/300x200", Scale::Fit { width, height }),
        ("/fwfh2/300x200", Scale::Cover { width, height }),
        ("/both/300x200", Scale::Exact { width, height, gravity }),
        ("/sq/300", Scale::Exact { width, height: 300, gravity }),
        ("/stretch/300x200", Scale::Stretch { width, height }),
        ("/scale/1000", Scale::Percent(1000)),
        ("/wscale/1", Scale::WidthPercent(1)),
        ("/hscale/50", Scale::HeightPercent(50)),
        ("/fxfn/300x200", Scale::FitSides { long: 300, short: 200 }),
        ("/fxfn/200x300", Scale::FitSides { long: 300, short: 200 }),
        ("/fxfn2/300x200", Scale::CoverSides { long: 300, short: 200 }),
        ("/fp/25000000", Scale::Area(25_000_000)),
    ] {
        assert_eq!(spec(text), Spec { scale: Some(scale), ..Spec::default() }, "{text}");
        let forced = spec(&format!("{text}/force/true"));
        assert_eq!(forced.force, scale.heeds_force(), "{text}");
        assert!(!spec(&format!("{text}/force/false")).force, "{text}");
    }
    for key in ["fw", "fh", "max", "min", "sq"] {
        all_refused(key, code::VALUE, &["0", "20001", "-1", "3x2", "abc", "1.5", "%20300"]);
    }
    for key in ["fwfh", "fwfh2", "both", "stretch", "fxfn", "fxfn2"] {
        all_refused(key, code::VALUE, &["300", "0x200", "300x0", "300X200", "20001x1", "3x2a1a1"]);
    }
    for key in ["scale", "wscale", "hscale"] {
        all_refused(key, code::VALUE, &["0", "1001", "50%25"]);
        assert_eq!(spec(&format!("/{key}/100")), Spec::default());
    }
    all_refused("fp", code::VALUE, &["0", "25000001"]);
    all_refused("force", code::TYPE, &["1", "yes", "TRUE"]);
    all_refused("dpr", code::VALUE, &["0", "6", "1.1"]);
    assert_eq!(spec("/force/true"), Spec::default());
}

#[test]
fn the_last_scaling_key_counts() {
    assert_eq!(spec("/fw/300/fh/200"), spec("/fh/200"));
    assert_eq!(spec("/fw/300/fw/200"), spec("/fw/200"));
    assert_eq!(spec("/force/true/fw/300/fh/200"), spec("/fh/200/force/true"));
}

#[test]
fn crop_keys() {
    let crop = Crop { width: Some(3), height: Some(2), x: 0, y: 0, gravity: Gravity::default() };
    assert_eq!(spec("/crop/3x2").crop, Some(crop));
    assert_eq!(spec("/clip/3x2a10s20").clip, Some(Crop { x: 10, y: -20, ..crop }));
    let rest = Crop { width: None, height: None, x: 5, y: 6, ..crop };
    assert_eq!(spec("/crop/0x0a5a6").crop, Some(rest));
    assert_eq!(spec("/crop/0x2").crop, Some(Crop { width: None, ..crop }));
    assert_eq!(spec("/crop/0x0/gravity/center"), Spec::default());
    assert_eq!(spec("/roundrect/10").round, Some(10));
    for key in ["crop", "clip"] {
        all_refused(key, code::CROP, &["3", "3x2a1", "20001x1", "3x2a20001a0", "1,2,3,4"]);
    }
    assert_eq!(spec("/fw/3/roundrect"), spec("/roundrect/10/fw/3"));
    for value in ["0", "20001", "x"] {
        assert_eq!(refused(&format!("/roundrect/{value}")).code, code::CROP, "{value}");
    }
    all_refused("crop/3x2/gravity", code::CROP, &[]);
    for value in ["up", "centre", "fp:2x0", "NORTH"] {
        assert_eq!(refused(&format!("/crop/3x2/gravity/{value}")).code, code::CROP);
    }
}

#[test]
fn a_gravity_belongs_to_what_stands_before_it() {
    let north = Gravity::At(Position::North);
    let (crop, clip) = ("/crop/3x2", "/clip/4x5");
    let both = spec(&format!("{crop}{clip}/gravity/north"));
    assert_eq!((both.crop, both.clip.unwrap().gravity), (spec(crop).crop, north));
    let both = spec(&format!("{clip}/fw/3{crop}/fh/3/gravity/north"));
    assert_eq!((both.crop.unwrap().gravity, both.clip), (north, spec(clip).clip));
    let scale = |text| spec(text).scale;
    let exact = |gravity| Some(Scale::Exact { width: 3, height: 2, gravity });
    assert_eq!(scale("/both/3x2/gravity/auto"), exact(Gravity::Auto));
    assert_eq!(
        scale("/both/3x2/gravity/fp:0.4x0.25/crop/1x1/gravity/north"),
        exact(Gravity::Focus { x: 400, y: 250 })
    );
    assert_eq!(scale("/crop/1x1/both/3x2/gravity/north"), scale("/both/3x2"));
    for text in ["/gravity/north", "/fw/300/gravity/north", "/gravity/north/crop/3x2"] {
        let error = refused(text);
        assert_eq!(error.code, code::CROP);
        assert!(error.message.contains("write it after `crop`"), "{error}");
    }
}

#[test]
fn watermark_keys() {
    let image =
        Content::Image { path: "/path/to/watermark.png".into(), percent: Some(30), repeat: true };
    let mark = spec("/watermark/url/L3BhdGgvdG8vd2F0ZXJtYXJrLnBuZw==/percent/30/repeat/true")
        .marks
        .remove(0);
    assert_eq!(mark, Mark::new(image));
    let text = Content::Text {
        text: "你好！".into(),
        size: 20,
        font: "simhei".into(),
        colour: Colour { red: 255, ..Colour::BLACK },
        outline: Some(Colour { alpha: 0xBF, ..Colour::BLACK }),
    };
    let mark = Mark {
        align: Position::SouthEast,
        margin_x: 0,
        margin_y: 5,
        opacity: 50,
        animate: true,
        ..Mark::new(text)
    };
    assert_eq!(
        spec(
            "/watermark/text/5L2g5aW977yB/size/20/font/simhei/color/FF0000/border/00000040\
             /align/southeast/margin/0x5/opacity/50/animate/true"
        )
        .marks,
        [mark]
    );
    let Content::Text { size: 32, font, colour: Colour::BLACK, outline: None, .. } =
        spec("/watermark/text/YQ").marks.remove(0).content
    else {
        panic!("other defaults")
    };
    assert_eq!(font, "simsun");
}

#[test]
fn wrong_watermark_values() {
    for (key, code, values) in [
        ("align", code::MARK_ALIGN, ["up", "right,bottom"]),
        ("margin", code::MARK_MARGIN, ["20", "-1x2"]),
        ("opacity", code::MARK_OPACITY, ["101", "0.5"]),
        ("animate", code::MARK_ANIMATE, ["1", "yes"]),
        ("size", code::MARK_SIZE, ["0", "2001"]),
        ("font", code::MARK_FONT, ["co_mic", "a.b"]),
        ("color", code::MARK_COLOUR, ["red", "FFF"]),
        ("border", code::BORDER, ["red", "3x"]),
    ] {
        all_refused(&format!("watermark/text/YQ/{key}"), code, &values);
        let alone = format!("/{key}/{}", if key == "border" { "FF000000" } else { values[0] });
        assert_eq!(refused(&alone).code, code, "{alone}");
    }
    for (key, values) in [("percent", ["101", "x"]), ("repeat", ["1", "x"])] {
        all_refused(&format!("watermark/url/YQ/{key}"), code::INVALID, &values);
    }
    all_refused("watermark/text", code::MARK_TEXT, &["YQA", "!!", "IA==", "BwcH"]);
    // "", "/a/../b", "/a/", "/a?b", bytes that are no UTF-8.
    all_refused("watermark/url", code::MARK, &["", "L2EvLi4vYg", "L2Ev", "L2E|Yg", "gIA"]);
    assert_eq!(refused("/watermark/image/YQ").code, code::MARK);
    assert_eq!(refused("/watermark").code, code::MARK);
    let long = value::to_base64(&"x".repeat(1001));
    assert_eq!(refused(&format!("/watermark/text/{long}")).code, code::MARK_TEXT);
    for text in [
        "/watermark/url/YQ/size/3",
        "/watermark/text/YQ/percent/3",
        "/align/north/watermark/text/YQ",
    ] {
        assert!(refused(text).message.contains("belongs to a"), "{text}");
    }
}

#[test]
fn each_watermark_has_its_own_keys() {
    let marks =
        spec("/watermark/text/YQ/font/simhei/fw/300/align/north/watermark/url/YQ/align/southeast")
            .marks;
    let align: Vec<Position> = marks.iter().map(|mark| mark.align).collect();
    assert_eq!(align, [Position::North, Position::SouthEast]);
    assert_eq!(spec(&"/watermark/text/YQ".repeat(10)).marks.len(), MARKS_MOST);
    assert_eq!(refused(&"/watermark/text/YQ".repeat(11)).code, code::MARK_TEXT);
    // What cannot be seen is not there.
    assert_eq!(spec("/watermark/text/YQ/opacity/0"), Spec::default());
    assert_eq!(spec("/watermark/text/YQ/color/000000FF"), Spec::default());
    assert_eq!(spec("/watermark/text/YQ/border/FFFFFFFF/font/SimSun"), spec("/watermark/text/YQ"));
}

#[test]
fn a_border_is_a_frame_or_an_outline() {
    let frame = Frame { width: 3, height: 2, colour: Colour::WHITE };
    assert_eq!(spec("/border/3x2").frame, Some(frame));
    let black = Frame { colour: Colour::BLACK, ..frame };
    assert_eq!(spec("/brdcolor/00000000/border/3x2").frame, Some(black));
    let both = spec("/watermark/text/YQ/border/3x2/border/FF000000");
    assert_eq!(both.frame, Some(frame));
    let Content::Text { outline: Some(outline), .. } = both.marks[0].content else { panic!() };
    assert_eq!(outline, Colour { red: 255, ..Colour::BLACK });
    assert_eq!(spec("/border/0x0"), Spec::default());
    assert_eq!(spec("/brdcolor/000000"), Spec::default());
    all_refused("border", code::BORDER, &["3", "20001x0", "black"]);
    all_refused("brdcolor", code::BORDER, &["black"]);
}

#[test]
fn effect_keys() {
    assert_eq!(spec("/rotate/auto").rotate, Some(Rotate::Auto));
    assert_eq!(spec("/rotate/90").rotate, Some(Rotate::Degrees(90)));
    assert_eq!(spec("/rotate/360"), Spec::default());
    assert_eq!(spec("/flip/left,right").flip, Some(Flip::Horizontal));
    assert_eq!(spec("/flip/top%2Cdown").flip, Some(Flip::Vertical));
    assert_eq!(spec("/flip/both").flip, Some(Flip::Both));
    assert!(spec("/unsharp/true").unsharp);
    assert_eq!(spec("/unsharp/false"), Spec::default());
    assert_eq!(spec("/gaussblur/5x2").blur, Some(Blur { radius: 5, sigma: 2 }));
    let canvas = Canvas { width: 3, height: 2, at: None, colour: Colour::WHITE };
    assert_eq!(spec("/canvas/3x2").canvas, Some(canvas));
    assert_eq!(
        spec("/canvas/3x2s1a4/cvscolor/000000").canvas,
        Some(Canvas { at: Some((-1, 4)), colour: Colour::BLACK, ..canvas })
    );
    let gradient =
        Gradient { direction: Direction::Down, span: None, from: Gradient::FROM, to: Gradient::TO };
    assert_eq!(spec("/gdori/top,down").gradient, Some(gradient));
    assert_eq!(
        spec("/gdpos/0,200/gdstartcolor/FFFFFF/gdstopcolor/FFFFFFFF/gdori/right,left").gradient,
        Some(Gradient {
            direction: Direction::Left,
            span: Some((0, 200)),
            from: Colour::WHITE,
            to: Colour { alpha: 0, ..Colour::WHITE },
        })
    );
    assert_eq!(spec("/gdpos/0,200/gdstartcolor/FFFFFF"), Spec::default());
    assert_eq!(spec("/gdori/bottom,up/gdstopcolor/000000FF"), Spec::default());
    all_refused("rotate", code::ROTATE, &["0", "361", "-90", "left"]);
    all_refused("flip", code::INVALID, &["left", "right,left"]);
    all_refused("unsharp", code::UNSHARP, &["1"]);
    all_refused("gaussblur", code::BLUR, &["51x1", "5x0", "5"]);
    all_refused("canvas", code::CANVAS, &["0x5", "5", "3x2a1"]);
    all_refused("cvscolor", code::CANVAS_COLOUR, &["FFF"]);
    all_refused("gdori", code::GRADIENT_DIRECTION, &["top", "down,top"]);
    all_refused("gdpos", code::GRADIENT_SPAN, &["200,0", "200", "a,b"]);
    all_refused("gdstartcolor", code::GRADIENT_FROM, &["red"]);
    all_refused("gdstopcolor", code::GRADIENT_TO, &["red"]);
}

#[test]
fn output_keys() {
    let plain = Output::default();
    for (text, output) in [
        ("/format/jpg", Output { format: Format::Jpeg, ..plain }),
        ("/format/jpeg", Output { format: Format::Jpeg, ..plain }),
        ("/format/png", Output { format: Format::Png, ..plain }),
        ("/format/webp", Output { format: Format::WebP, ..plain }),
        ("/format/avif", Output { format: Format::Avif, ..plain }),
        ("/format/auto", Output { format: Format::Auto, ..plain }),
        ("/lossless/true", Output { lossless: true, ..plain }),
        ("/quality/75", Output { quality: Some(Quality::Fixed(75)), ..plain }),
        ("/quality/auto", Output { quality: Some(Quality::Auto), ..plain }),
        ("/compress/true", Output { compress: true, ..plain }),
        ("/progressive/true", Output { progressive: true, ..plain }),
        ("/coalesce/false", Output { coalesce: false, ..plain }),
        ("/gifto/true", Output { first_frame_only: true, ..plain }),
        ("/noicc/true", Output { keep_icc: false, ..plain }),
        ("/strip/true", Output { keep_icc: false, ..plain }),
        ("/exifswitch/true", Output { keep_exif: true, ..plain }),
        ("/exifswitch/true/strip/true", Output { keep_icc: false, ..plain }),
    ] {
        assert_eq!(spec(text), Spec { output, ..Spec::default() }, "{text}");
    }
    for (key, code) in [
        ("lossless", code::WEBP),
        ("compress", code::COMPRESS),
        ("progressive", code::PROGRESSIVE),
        ("coalesce", code::INVALID),
        ("gifto", code::GIFTO),
        ("noicc", code::NO_ICC),
        ("strip", code::NO_ICC),
        ("exifswitch", code::EXIF_SWITCH),
        ("ignore-error", code::INVALID),
    ] {
        all_refused(key, code, &["1", "on"]);
        let default = key == "coalesce";
        assert_eq!(spec(&format!("/{key}/{default}")), Spec::default(), "{key}");
    }
    all_refused("format", code::FORMAT, &["gif", "JPG", "heic"]);
    all_refused("quality", code::QUALITY, &["0", "100", "best"]);
    assert!(spec("/ignore-error/true").ignore_error);
}

#[test]
fn what_a_format_cannot_do_has_no_part_in_the_key() {
    for (text, same) in [
        ("/format/png/quality/80/progressive/true/lossless/true", "/format/png"),
        ("/format/jpg/lossless/true/gifto/true/coalesce/false", "/format/jpg"),
        ("/format/webp/lossless/true/quality/80", "/format/webp/lossless/true"),
        ("/format/webp/compress/true/progressive/true", "/format/webp"),
        ("/format/avif/compress/true/gifto/true", "/format/avif"),
    ] {
        assert_eq!(spec(text).canonical(), same, "{text}");
    }
}

#[test]
fn question_keys() {
    for (text, question) in [
        ("/info", Question::Info),
        ("/meta", Question::Meta),
        ("/meta/iptc", Question::MetaIptc),
        ("/meta/all", Question::MetaAll),
        ("/excolor/10", Question::Colours { count: 10, hex: false }),
        ("/exformat/hex/excolor/4096", Question::Colours { count: 4096, hex: true }),
        ("/excolor/10/exformat/dec", Question::Colours { count: 10, hex: false }),
        ("/fw/300/info/format/webp", Question::Info),
    ] {
        let expected = Spec { question: Some(question), ..Spec::default() };
        assert_eq!(spec(text), expected, "{text}");
    }
    assert!(spec("/meta/ignore-error/true").ignore_error);
    all_refused("excolor", code::COLOUR_COUNT, &["0", "4097"]);
    all_refused("exformat", code::COLOUR_FORMAT, &["rgb"]);
    assert_eq!(refused("/info/true").code, code::INVALID);
}

#[test]
fn malformed_text_is_explained() {
    for (text, words) in [
        ("", "nothing follows"),
        ("/", "a slash too many"),
        ("/fw", "`fw` has no value; allowed is a length"),
        ("/fw/300/", "a slash too many"),
        ("//fw/300", "a slash too many"),
        ("/wf/300", "no key is called `wf`; did you mean `fw`?"),
        ("/qualty/80", "did you mean `quality`?"),
        ("/width/300", "no key is called `width`; did you mean `fw`?"),
        ("/brightness/5", "no key is called `brightness`"),
        ("/fw/abc", "`fw`: `abc` is not allowed; write a length in pixels, 1 to 20000"),
        ("/fw/%FF", "`%FF` is not UTF-8"),
    ] {
        let error = refused(text);
        assert_eq!(error.status, 400, "{text}");
        assert!(error.message.contains(words), "{text}: {error}");
    }
    let long = format!("/fw/{}", "3".repeat(SUFFIX_MOST));
    assert!(refused(&long).message.contains("at most 2048"), "{}", refused(&long));
    assert!(refused(&format!("/fw/{}", "é".repeat(500))).message.len() < 500);
}

#[test]
fn versions_and_overrides() {
    let settings = site(
        r#"
        presets.small = "/fw/300/quality/80/watermark/text/YQ/align/north"
        presets.square = { type = "fix_both", value = "50x50", webp = true }
        presets.exif = "/meta"
        "#,
    );
    let spec_of = |suffix| parse(suffix, &settings).unwrap();
    assert_eq!(spec_of("small"), spec("/fw/300/quality/80/watermark/text/YQ/align/north"));
    assert_eq!(spec_of("square"), spec("/both/50x50/format/webp"));
    assert_eq!(spec_of("exif"), spec("/meta"));
    assert_eq!(spec_of("small/fw/500"), spec("/fw/500/quality/80/watermark/text/YQ/align/north"));
    // A watermark replaces the version's; its keys alone change the version's own.
    assert_eq!(
        spec_of("small/watermark/text/Yg/watermark/text/Yw"),
        spec("/fw/300/quality/80/watermark/text/Yg/watermark/text/Yw")
    );
    assert_eq!(
        spec_of("small/align/south"),
        spec("/fw/300/quality/80/watermark/text/YQ/align/south")
    );
    assert_eq!(spec_of("square/gravity/auto"), spec("/both/50x50/gravity/auto/format/webp"));
    assert_eq!(spec_of("square/dpr/2"), spec("/both/100x100/format/webp"));

    let error = refused_by("smal", &settings);
    assert_eq!((error.status, error.code), (404, code::NO_VERSION));
    assert_eq!(error.message, "no version `smal`; did you mean `small`?");
    let error = refused_by("/small", &settings);
    assert_eq!(error.status, 400);
    assert!(error.message.contains("write `!small` without a slash"), "{error}");
    assert_eq!(refused_by("small/wf/3", &settings).code, code::INVALID);
    assert_eq!(refused_by("small/", &settings).code, code::INVALID);
}

#[test]
fn a_site_may_allow_less() {
    let listed = site(
        r#"
        presets.small = "/fw/123/rotate/90"
        allowed_sizes = ["300", "300x200", "100x100a10a10"]
        allowed_keys = ["fw", "both", "crop", "format", "watermark/text"]
        "#,
    );
    for text in ["/fw/300", "/both/300x200", "/crop/100x100a10a10", "/format/webp", "small"] {
        assert!(parse(text, &listed).is_ok(), "{text}");
    }
    for text in ["/fw/301", "/both/300x300", "/crop/100x100a10a11", "/rotate/90", "small/fw/1"] {
        assert_eq!(refused_by(text, &listed).status, 400, "{text}");
    }
    assert!(refused_by("/fw/301", &listed).message.contains("300, 300x200"));

    let versions = site("parameters = false\npresets.small = \"/fw/123\"");
    assert!(parse("small", &versions).is_ok());
    assert_eq!(refused_by("/fw/300", &versions).code, code::INVALID);
    assert_eq!(refused_by("small/fw/300", &versions).code, code::INVALID);
}

#[test]
fn fonts_and_marks_are_known_to_the_site() {
    let settings = site("fonts = [\"noto\"]");
    assert!(parse("/watermark/text/YQ/font/noto", &settings).is_ok());
    for font in FONTS {
        assert!(parse(&format!("/watermark/text/YQ/font/{font}"), &settings).is_ok(), "{font}");
    }
    let error = refused("/watermark/text/YQ/font/ariel");
    assert_eq!(error.code, code::MARK_FONT);
    assert!(error.message.ends_with("did you mean `arial`?"), "{error}");
    // "/a.png!small": no transform of a transform.
    let mark = format!("/watermark/url/{}", value::to_base64("/a.png!small"));
    assert_eq!(refused(&mark).code, code::MARK);
    assert!(parse(&mark, &site("separator = \"_\"")).is_ok());
}

#[test]
fn the_canonical_text_is_short_and_the_same_for_the_same() {
    for (text, canonical) in [
        ("/format/webp/fw/0300/force/false", "/fw/300/format/webp"),
        ("/sq/300/quality/080", "/both/300x300/quality/80"),
        ("/clip/3x2a0a0/gravity/northwest/crop/0x0a5a6", "/crop/0x0a5a6/clip/3x2"),
        ("/both/3x2/gravity/fp:0.500x0.25", "/both/3x2/gravity/fp:0.5x0.25"),
        ("/brdcolor/ff000080/border/3x2", "/border/3x2/brdcolor/FF000080"),
        ("/watermark/url/YS5wbmc=/margin/20x20/opacity/050", "/watermark/url/L2EucG5n/opacity/50"),
        ("/canvas/3x2a0a0/cvscolor/FFFFFF00", "/canvas/3x2a0a0"),
        ("/strip/true/exifswitch/true", "/noicc/true"),
        ("/excolor/5/fw/300", "/excolor/5"),
    ] {
        assert_eq!(spec(text).canonical(), canonical, "{text}");
    }
    assert_eq!(Spec::default().canonical(), "");
}
