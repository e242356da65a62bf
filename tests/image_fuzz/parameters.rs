//! Texts of the URL language, and what must hold for each.

use std::fmt;

use brink::image::Settings;
use brink::image::params::{self, Error};
use brink::image::settings::Separator;
use brink::image::spec::Spec;
use fastrand::Rng;

/// Every key, and some that are none.
const KEYS: &[&str] = &[
    "fw",
    "fh",
    "max",
    "min",
    "fwfh",
    "fwfh2",
    "both",
    "sq",
    "stretch",
    "scale",
    "wscale",
    "hscale",
    "fxfn",
    "fxfn2",
    "fp",
    "force",
    "dpr",
    "crop",
    "clip",
    "gravity",
    "roundrect",
    "watermark/url",
    "watermark/text",
    "align",
    "margin",
    "opacity",
    "animate",
    "percent",
    "repeat",
    "size",
    "font",
    "color",
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
    "ignore-error",
    "info",
    "meta",
    "meta/iptc",
    "meta/all",
    "excolor",
    "exformat",
    "wf",
    "watermark",
    "",
    "FW",
];

/// Values, right for some keys and wrong for others.
const VALUES: &[&str] = &[
    "1",
    "300",
    "300x200",
    "0x200",
    "300x0",
    "3000x2000a10s20",
    "300x200s500s500",
    "0",
    "20000",
    "20001",
    "65535x65535",
    "4294967295",
    "4294967296",
    "-1",
    "+1",
    "007",
    "1.5",
    "0.5",
    "1.25",
    "1e3",
    "NaN",
    "true",
    "false",
    "auto",
    "north",
    "center",
    "southeast",
    "fp:0.5x0.25",
    "fp:1x1.001",
    "fp:.x",
    "0.0005",
    "FF00FF",
    "ff00ff80",
    "FFF",
    "left,right",
    "top,down",
    "both",
    "bottom,up",
    "right,left",
    "0,100",
    "50,50",
    "99,1",
    "L21hcmsucG5n",
    "5Lit5paH",
    "YQ",
    "YQ==",
    "L2EucG5nIS9mdy8x",
    "IA",
    "_w",
    "-_",
    "simhei",
    "arial",
    "comic",
    "jpg",
    "png",
    "webp",
    "avif",
    "gif",
    "hex",
    "dec",
    "0x1000",
    "50x49",
    "1x0",
    "%00",
    "%2F",
    "%25",
    "%zz",
    "%ff",
    "é",
    "٣",
    "",
    "x",
    "ax",
    "1as",
    "1x1a1",
    "1x1aa",
    "1x1a1sé",
];

/// Keys with values that suit them.
const STEPS: &[&str] = &[
    "/fw/300",
    "/max/20000",
    "/fwfh2/300x200",
    "/both/1x1/gravity/auto",
    "/both/300x200/gravity/fp:0.123x1",
    "/fxfn/200x300",
    "/fp/25000000",
    "/scale/1000",
    "/force/true",
    "/dpr/2.5",
    "/crop/0x100a5s5/gravity/southeast",
    "/clip/9x0s9a9",
    "/roundrect/20000",
    "/rotate/auto",
    "/rotate/359",
    "/flip/left,right",
    "/unsharp/true",
    "/gaussblur/0x1000",
    "/border/0x7",
    "/brdcolor/abcdef01",
    "/canvas/300x200a10s20",
    "/cvscolor/00000080",
    "/gdori/bottom,up",
    "/gdpos/0,100",
    "/gdstartcolor/ffffff",
    "/watermark/text/5Lit5paH/font/simhei/size/9/color/FF0000/border/00FF0080",
    "/watermark/url/L21hcmsucG5n/percent/10/repeat/true/margin/0x7/opacity/1",
    "/format/auto",
    "/format/webp/lossless/true",
    "/quality/99",
    "/quality/auto",
    "/compress/true",
    "/progressive/true",
    "/coalesce/false",
    "/gifto/true",
    "/strip/true",
    "/exifswitch/true",
    "/ignore-error/true",
    "/excolor/4096/exformat/hex",
    "/meta/all",
];

/// Arguments with values that suit them.
const PAIRS: &[&str] = &[
    "w=300",
    "h=0.5",
    "fit=crop",
    "fit=clip",
    "crop=entropy",
    "crop=top,left",
    "crop=focalpoint",
    "fp-x=0.25",
    "q=80",
    "fm=webp",
    "auto=format",
    "dpr=2",
    "blur=20",
    "rot=90",
    "flip=hv",
    "bg=fff",
    "v=%31",
];

/// Arguments of the query spelling.
const ARGUMENTS: &[&str] = &[
    "w", "h", "fit", "crop", "fp-x", "fp-y", "q", "fm", "auto", "dpr", "blur", "rot", "flip",
    "sharp", "bg", "v", "",
];

/// Their values beside those above.
const WORDS: &[&str] = &[
    "crop",
    "clip",
    "max",
    "scale",
    "fill",
    "fillmax",
    "min",
    "entropy",
    "faces",
    "focalpoint",
    "top,left",
    "format",
    "compress,format",
    "h",
    "v",
    "hv",
    "0.3",
    "90",
    "360",
    "2",
    "fff",
    "8f00ff00",
    "jpg",
    "pjpg",
];

/// What decides something, wherever it stands.
const PIECES: &[&str] = &[
    "/",
    "//",
    "!",
    "_",
    "-",
    "%",
    "%2f",
    "%21",
    "x",
    "a",
    "s",
    ",",
    ":",
    "=",
    "&",
    "?",
    "+",
    ".",
    "..",
    "\u{0}",
    "\r\n",
    "\u{1b}",
    "\u{202e}",
    "0",
    "9",
    "true",
    "/fw/",
    "watermark/text/",
    "é",
];

/// Texts that the mutations begin with.
const TEXTS: &[&str] = &[
    "/fw/300/format/webp",
    "small/fw/96/rotate/auto",
    "old",
    "/both/300x200/gravity/fp:0.4x0.25/crop/100x0a5s5/gravity/southeast/quality/auto",
    "/watermark/text/5Lit5paH/size/40/font/simhei/color/FF000080/border/FFFFFF/align/southeast",
    "/watermark/url/L21hcmsucG5n/percent/10/repeat/true/animate/true/margin/0x7/opacity/50",
    "/canvas/300x200a10s20/cvscolor/00000000/border/4x5/brdcolor/123456/roundrect/9",
    "/gdori/top,down/gdpos/10,90/gdstartcolor/FFFFFF/gdstopcolor/000000FF/gaussblur/5x2/flip/both",
    "/excolor/20/exformat/hex",
    "/meta/iptc",
    "w=300&h=200&fit=crop&crop=focalpoint&fp-x=0.2&fp-y=0.9&q=80&fm=webp&dpr=2&v=3",
    "auto=format,compress&w=0.5&bg=fff&rot=90&flip=hv&sharp=10&blur=20",
    "/a/b.jpg!/fw/300",
    "/a/b.jpg!small/fw/300",
    "/a!b/c%21/info",
];

/// How far the cases got.
#[derive(Default)]
pub struct Target {
    cases: u64,
    read: u64,
    queries: u64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} were read as suffixes, {} as queries", self.read, self.queries)
    }
}

impl Target {
    /// A run that hardly ever gets past the first error finds nothing.
    pub fn is_reached(&self) -> bool {
        self.read * 20 > self.cases && self.queries * 40 > self.cases
    }

    pub fn case(&mut self, rng: &mut Rng, input: &mut Vec<u8>) {
        let mut text = match rng.u8(..8) {
            0..3 => suffix(rng),
            3..5 => query(rng),
            _ => one(rng, TEXTS).into(),
        };
        for _ in 0..rng.usize(..4) {
            mutate(rng, &mut text);
        }
        *input = text.clone().into_bytes();
        self.cases += 1;
        let settings = settings(rng);
        let separator = settings.separator;
        self.read += u64::from(means(params::parse(&text, &settings), &settings));
        let taken = params::query::take(&text, &settings).transpose();
        if let Some(taken) = taken {
            if let Ok(taken) = &taken {
                let rest = params::query::take(&taken.rest, &settings);
                assert!(matches!(rest, Ok(None)), "{:?} is left: {rest:?}", taken.rest);
            }
            self.queries += u64::from(means(taken.map(|it| it.spec), &settings));
        }
        for path in [text.clone(), format!("/a.jpg!{text}")] {
            if let Some(asked) = params::split(&path, separator) {
                assert!(asked.original.len() + asked.suffix.len() < path.len(), "{asked:?}");
                means(params::parse(asked.suffix, &settings), &settings);
            }
        }
    }
}

/// Whether it was read. What was, has one canonical text that means the same.
fn means(read: Result<Spec, Error>, settings: &Settings) -> bool {
    match read {
        Ok(spec) => {
            let canonical = spec.canonical();
            let again = canonical.parse::<Spec>();
            assert_eq!(again.as_ref(), Ok(&spec), "{canonical}");
            assert_eq!(again.unwrap().canonical(), canonical);
            // Without a site's lists, it can be asked for as it stands.
            let free = Settings { fonts: settings.fonts.clone(), ..Settings::default() };
            if !canonical.is_empty() && canonical.len() <= params::SUFFIX_MOST {
                let asked = params::parse(&canonical, &free);
                let refused_mark = asked.as_ref().is_err_and(|it| it.code == params::code::MARK);
                assert!(refused_mark || asked.as_ref() == Ok(&spec), "{canonical}: {asked:?}");
            }
            true
        }
        Err(error) => {
            assert!(matches!(error.status, 400 | 403 | 404 | 405 | 409), "{error:?}");
            assert!((40_000_000..42_000_000).contains(&error.code), "{error:?}");
            assert!(!error.message.chars().any(char::is_control), "{error:?}");
            assert!((5..1000).contains(&error.message.len()), "{error:?}");
            false
        }
    }
}

/// A site, with lists or without.
fn settings(rng: &mut Rng) -> Settings {
    let separator = [Separator::Bang, Separator::Hyphen, Separator::Underscore][rng.usize(..3)];
    let list = |rng: &mut Rng, text: &str| match rng.u8(..8) {
        0 => text.split(' ').map(String::from).collect(),
        _ => Vec::new(),
    };
    let presets = "presets.small = '/fw/96/format/webp'\n\
                   presets.old = { type = 'fix_both', value = '300x200', quality = 80 }\n";
    Settings {
        separator,
        query: true,
        parameters: rng.u8(..16) > 0,
        allowed_keys: list(rng, "fw fh format quality watermark/text"),
        allowed_sizes: list(rng, "300 300x200"),
        fonts: vec!["noto-sans".into()],
        ..toml::from_str(presets).unwrap()
    }
}

fn one<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words[rng.usize(..words.len())]
}

fn suffix(rng: &mut Rng) -> String {
    let version = if rng.u8(..6) == 0 { one(rng, &["small", "old", "none"]) } else { "" };
    (0..1 + rng.usize(..6)).fold(version.into(), |text, _| {
        if rng.u8(..8) > 0 {
            return text + one(rng, STEPS);
        }
        let (key, value) = (one(rng, KEYS), value(rng));
        format!("{text}/{key}/{value}")
    })
}

fn query(rng: &mut Rng) -> String {
    let arguments: Vec<String> = (0..1 + rng.usize(..5))
        .map(|_| {
            if rng.u8(..8) > 0 {
                return one(rng, PAIRS).into();
            }
            let name = one(rng, ARGUMENTS);
            let value = if rng.bool() { one(rng, WORDS).into() } else { value(rng) };
            format!("{name}={value}")
        })
        .collect();
    arguments.join("&")
}

fn value(rng: &mut Rng) -> String {
    match rng.u8(..8) {
        0 => rng.u32(..).to_string(),
        1 => rng.u32(..3000).to_string(),
        2 => format!("{}x{}", rng.u32(..3000), rng.u32(..3000)),
        3 => {
            let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            (0..rng.usize(..40)).map(|_| letters.as_bytes()[rng.usize(..64)] as char).collect()
        }
        _ => one(rng, VALUES).into(),
    }
}

/// Changes a text in one place.
fn mutate(rng: &mut Rng, text: &mut String) {
    let place = |rng: &mut Rng, text: &str| {
        let at = rng.usize(..=text.len());
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()
    };
    let (one_end, other_end) = (place(rng, text), place(rng, text));
    let span = one_end.min(other_end)..one_end.max(other_end);
    match rng.u8(..7) {
        0 => text.replace_range(span, ""),
        1 => {
            let part = text[span].to_string();
            text.insert_str(one_end, &part);
        }
        2 => text.replace_range(span, one(rng, PIECES)),
        3 => text.insert_str(one_end, one(rng, PIECES)),
        4 => {
            let made = suffix(rng);
            text.insert_str(one_end, &made);
        }
        5 if text.len() < 4000 => {
            let part = text[span.clone()].to_string();
            text.replace_range(span, &part.repeat(1 + rng.usize(..30)));
        }
        _ => text.insert(one_end, rng.char(..)),
    }
}
