//! The spelling that many image services share, `?w=300&h=200&fit=crop&q=80&fm=auto`: translated to
//! keys of the URL language, for sites that ask for it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::draft::Draft;
use super::error::quoted;
use super::value::{self, Wrong};
use super::{Error, SUFFIX_MOST, apply, code, finish, keys, permit};
use crate::image::Spec;
use crate::image::settings::Settings;

/// What a query asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The request.
    pub spec: Spec,
    /// The query without the arguments that made it up, for key and origin.
    pub rest: String,
}

/// The arguments that are read; of one that stands twice the last counts.
pub const ARGUMENTS: [&str; 15] = [
    "w", "h", "fit", "crop", "fp-x", "fp-y", "q", "fm", "auto", "dpr", "blur", "rot", "flip",
    "sharp", "bg",
];

/// Takes the request for an image out of `query` (without `?`); `None` if it holds none. Only for
/// paths of images that [`super::split`] does not split, on a site with `query = true`: arguments such
/// as `q` are common elsewhere.
///
/// # Errors
/// As [`super::parse`].
pub fn take(query: &str, settings: &Settings) -> Result<Option<Taken>, Error> {
    let is_ours = |pair: &&str| ARGUMENTS.contains(&split(pair).0);
    let (ours, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_ours);
    if ours.is_empty() {
        return Ok(None);
    }
    let length: usize = ours.iter().map(|pair| pair.len() + 1).sum();
    if length > SUFFIX_MOST {
        return Err(Error::bad(
            code::INVALID,
            format!("the arguments have {length} bytes; at most {SUFFIX_MOST} are allowed"),
        ));
    }
    if !settings.parameters {
        return Err(Error::bad(code::INVALID, "this site allows its versions alone"));
    }
    let mut request =
        Request { arguments: Arguments::read(&ours)?, draft: Draft::default(), settings };
    request.size()?;
    request.effects()?;
    request.output()?;
    Ok(Some(Taken { spec: finish(request.draft, settings)?, rest: rest.join("&") }))
}

fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// The decoded values of our arguments.
struct Arguments<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Arguments<'a> {
    fn read(pairs: &[&'a str]) -> Result<Self, Error> {
        let decode = |pair: &&'a str| {
            let (name, text) = split(pair);
            let value = percent_decode_str(text).decode_utf8().map_err(|_| {
                Error::bad(code::INVALID, format!("`{name}` is not UTF-8 when decoded"))
            })?;
            Ok((name, value))
        };
        pairs.iter().map(decode).collect::<Result<_, _>>().map(Arguments)
    }

    fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_ref())
    }
}

struct Request<'a> {
    arguments: Arguments<'a>,
    draft: Draft,
    settings: &'a Settings,
}

/// How width and height are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Inside the box, never enlarged.
    Max,
    /// Inside the box.
    Clip,
    /// Cut to the box.
    Crop,
    /// Inside the box, the rest filled.
    Fill,
    /// Stretched to the box.
    Scale,
}

const FITS: [(&str, Fit); 9] = [
    ("max", Fit::Max),
    ("scale-down", Fit::Max),
    ("clip", Fit::Clip),
    ("contain", Fit::Clip),
    ("crop", Fit::Crop),
    ("cover", Fit::Crop),
    ("fill", Fit::Fill),
    ("pad", Fit::Fill),
    ("scale", Fit::Scale),
];

/// One word or two of `crop`, put in the order in which they stand here, as a gravity.
const CROPS: [(&str, &str); 16] = [
    ("center", "center"),
    ("top", "north"),
    ("bottom", "south"),
    ("left", "west"),
    ("right", "east"),
    ("top,left", "northwest"),
    ("top,right", "northeast"),
    ("bottom,left", "southwest"),
    ("bottom,right", "southeast"),
    ("attention", "auto"),
    ("edges", "auto"),
    ("entropy", "auto"),
    ("faces", "auto"),
    ("smart", "auto"),
    ("auto", "auto"),
    ("focalpoint", "focus"),
];

impl Request<'_> {
    /// Applies a key of the URL language; messages name the argument.
    fn set(&mut self, argument: &str, key: &str, value: &str) -> Result<(), Error> {
        let Some(key) = keys::find(key) else {
            return Err(Error::bad(code::INVALID, format!("`{argument}` has no meaning here")));
        };
        permit(key, argument, value, self.settings)?;
        apply(key, argument, value, &mut self.draft)
    }

    /// As [`Request::set`], for an argument whose values are those of the key.
    fn pass(&mut self, argument: &str, key: &str) -> Result<(), Error> {
        match self.arguments.get(argument).map(str::to_owned) {
            Some(value) => self.set(argument, key, &value),
            None => Ok(()),
        }
    }

    /// An argument's value as `read` understands it.
    fn value<T>(
        &self,
        name: &str,
        code: u32,
        allowed: &str,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.arguments.get(name) else { return Ok(None) };
        let wrong = |_| {
            let text = quoted(text);
            Error::bad(code, format!("`{name}`: {text} is not allowed; write {allowed}"))
        };
        read(text).map(Some).map_err(wrong)
    }

    fn size(&mut self) -> Result<(), Error> {
        const SIDE: &str = "a length in pixels, 1 to 20000";
        const FIT: &str = "`max`, `clip`, `crop`, `fill` or `scale`";
        let width = self.value("w", code::VALUE, SIDE, value::side)?;
        let height = self.value("h", code::VALUE, SIDE, value::side)?;
        let fit = self.value("fit", code::TYPE, FIT, |text| value::named(&FITS, text))?;
        let gravity = self.gravity()?;
        let fit = fit.unwrap_or(Fit::Max);
        let (width, height) = match (width, height) {
            (None, None) => return Ok(()),
            (Some(width), None) => {
                self.set("w", "fw", &width.to_string())?;
                return self.force(fit != Fit::Max);
            }
            (None, Some(height)) => {
                self.set("h", "fh", &height.to_string())?;
                return self.force(fit != Fit::Max);
            }
            (Some(width), Some(height)) => (width, height),
        };
        let size = format!("{width}x{height}");
        match fit {
            Fit::Max | Fit::Clip => {
                self.set("w, h", "fwfh", &size)?;
                self.force(fit == Fit::Clip)
            }
            Fit::Scale => self.set("w, h", "stretch", &size),
            Fit::Crop => {
                self.set("w, h", "both", &size)?;
                self.set("crop", "gravity", &gravity)
            }
            Fit::Fill => {
                self.set("w, h", "fwfh", &size)?;
                self.force(true)?;
                self.set("w, h", "canvas", &size)?;
                self.pass("bg", "cvscolor")
            }
        }
    }

    fn force(&mut self, force: bool) -> Result<(), Error> {
        if force { self.set("fit", "force", "true") } else { Ok(()) }
    }

    /// What `crop`, `fp-x` and `fp-y` say, as a value of `gravity`.
    fn gravity(&self) -> Result<String, Error> {
        const CROP: &str = "`top`, `bottom`, `left`, `right`, two of them such as `top,left`, \
                            `center`, `attention` or `focalpoint`";
        const SHARE: &str = "a number from 0 to 1 with up to three decimals";
        let word = self.value("crop", code::CROP, CROP, |text| match text.split_once(',') {
            Some((side, end @ ("top" | "bottom"))) => {
                value::named(&CROPS, &format!("{end},{side}"))
            }
            _ => value::named(&CROPS, text),
        })?;
        let share = |name| {
            let read = |text: &str| value::gravity(&format!("fp:{text}x0"));
            self.value(name, code::CROP, SHARE, read)?;
            Ok::<_, Error>(self.arguments.get(name))
        };
        let (x, y) = (share("fp-x")?, share("fp-y")?);
        let wants_focus = word.is_none_or(|word| word == "focus");
        if (x, y) != (None, None) && wants_focus {
            return Ok(format!("fp:{}x{}", x.unwrap_or("0.5"), y.unwrap_or("0.5")));
        }
        Ok(word.filter(|word| *word != "focus").unwrap_or("center").to_owned())
    }

    fn effects(&mut self) -> Result<(), Error> {
        let blur = self.value("blur", code::BLUR, "a sigma in pixels, 0 to 1000", |text| {
            value::number(text, 0, 1000)
        })?;
        if let Some(sigma) = blur.filter(|it| *it > 0) {
            self.set("blur", "gaussblur", &format!("0x{sigma}"))?;
        }
        let angle = self.value("rot", code::ROTATE, "an angle in degrees, 0 to 360", |text| {
            value::number(text, 0, 360)
        })?;
        if let Some(angle) = angle.filter(|it| *it > 0) {
            self.set("rot", "rotate", &angle.to_string())?;
        }
        let flip = self.value("flip", code::INVALID, "`h`, `v` or `hv`", |text| {
            value::named(&[("h", "left,right"), ("v", "top,down"), ("hv", "both")], text)
        })?;
        if let Some(flip) = flip {
            self.set("flip", "flip", flip)?;
        }
        let sharp = self
            .value("sharp", code::UNSHARP, "0 (off) to 100", |text| value::number(text, 0, 100))?;
        if sharp.is_some_and(|it| it > 0) {
            self.set("sharp", "unsharp", "true")?;
        }
        self.pass("dpr", "dpr")
    }

    fn output(&mut self) -> Result<(), Error> {
        let automatic = self.arguments.get("auto").unwrap_or_default().to_owned();
        for word in automatic.split(',').filter(|word| !word.is_empty()) {
            match word {
                "format" => self.set("auto", "format", "auto")?,
                "compress" => self.set("auto", "quality", "auto")?,
                _ => {
                    let word = quoted(word);
                    let message =
                        format!("`auto`: {word} is not allowed; write `format` or `compress`");
                    return Err(Error::bad(code::FORMAT, message));
                }
            }
        }
        self.pass("fm", "format")?;
        match self.arguments.get("q") {
            // Elsewhere the scale goes to 100.
            Some("100") => self.set("q", "quality", "99"),
            _ => self.pass("q", "quality"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(query: &str) -> Taken {
        take(query, &Settings::default()).unwrap().unwrap()
    }

    #[test]
    fn every_argument_is_a_key_in_other_words() {
        for (query, text) in [
            ("w=300", "/fw/300"),
            ("h=200", "/fh/200"),
            ("w=300&fit=clip", "/fw/300/force/true"),
            ("w=300&h=200", "/fwfh/300x200"),
            ("w=300&h=200&fit=max", "/fwfh/300x200"),
            ("w=300&h=200&fit=contain", "/fwfh/300x200/force/true"),
            ("w=300&h=200&fit=crop", "/both/300x200"),
            ("w=300&h=200&fit=crop&crop=top", "/both/300x200/gravity/north"),
            ("w=300&h=200&fit=cover&crop=left,bottom", "/both/300x200/gravity/southwest"),
            ("w=300&h=200&fit=crop&crop=entropy", "/both/300x200/gravity/auto"),
            ("w=300&h=200&fit=crop&fp-x=0.4", "/both/300x200/gravity/fp:0.4x0.5"),
            (
                "w=300&h=200&fit=crop&crop=focalpoint&fp-x=1&fp-y=0.25",
                "/both/300x200/gravity/fp:1x0.25",
            ),
            ("w=300&h=200&fit=crop&crop=top&fp-x=1", "/both/300x200/gravity/north"),
            ("w=3&h=2&fit=fill", "/fwfh/3x2/force/true/canvas/3x2"),
            ("w=3&h=2&fit=pad&bg=000000", "/fwfh/3x2/force/true/canvas/3x2/cvscolor/000000"),
            ("w=300&h=200&fit=scale", "/stretch/300x200"),
            ("w=300&dpr=2", "/fw/600"),
            ("q=80&fm=webp", "/quality/80/format/webp"),
            ("q=100", "/quality/99"),
            ("auto=format,compress", "/format/auto/quality/auto"),
            ("auto=format%2Ccompress&q=70&fm=avif", "/format/avif/quality/70"),
            ("blur=20&rot=90&flip=hv&sharp=10", "/gaussblur/0x20/rotate/90/flip/both/unsharp/true"),
            ("blur=0&rot=0&sharp=0", ""),
            ("w=3&w=300", "/fw/300"),
        ] {
            assert_eq!(taken(query).spec, text.parse().unwrap(), "{query}");
        }
    }

    #[test]
    fn other_arguments_stay_in_their_order() {
        assert_eq!(taken("a=1&w=300&b&fm=webp&c=%20").rest, "a=1&b&c=%20");
        assert_eq!(taken("w=300").rest, "");
        assert_eq!(take("a=1&width=300", &Settings::default()), Ok(None));
        assert_eq!(take("", &Settings::default()), Ok(None));
    }

    #[test]
    fn wrong_values_are_named_as_they_were_written() {
        for (query, code, word) in [
            ("w=abc", code::VALUE, "`w`: `abc`"),
            ("h=0", code::VALUE, "`h`: `0`"),
            ("w", code::VALUE, "`w`"),
            ("w=3&fit=bounds", code::TYPE, "`fit`: `bounds`"),
            ("w=3&crop=middle", code::CROP, "`crop`: `middle`"),
            ("fp-x=2", code::CROP, "`fp-x`: `2`"),
            ("q=101", code::QUALITY, "`q`: `101`"),
            ("fm=gif", code::FORMAT, "`fm`: `gif`"),
            ("auto=redeye", code::FORMAT, "`auto`: `redeye`"),
            ("dpr=1.1", code::VALUE, "`dpr`: `1.1`"),
            ("blur=-1", code::BLUR, "`blur`: `-1`"),
            ("rot=361", code::ROTATE, "`rot`: `361`"),
            ("flip=x", code::INVALID, "`flip`: `x`"),
            ("sharp=x", code::UNSHARP, "`sharp`: `x`"),
            ("w=3&h=3&fit=fill&bg=red", code::CANVAS_COLOUR, "`bg`: `red`"),
            ("w=%FF", code::INVALID, "`w` is not UTF-8"),
        ] {
            let error = take(query, &Settings::default()).unwrap_err();
            assert_eq!((error.status, error.code), (400, code), "{query}: {error}");
            assert!(error.message.contains(word), "{query}: {error}");
        }
        let long = format!("w=300&fm={}", "x".repeat(SUFFIX_MOST));
        assert_eq!(take(&long, &Settings::default()).unwrap_err().code, code::INVALID);
    }

    #[test]
    fn the_limits_of_the_site_hold() {
        let settings = Settings {
            allowed_sizes: vec!["300".into(), "300x200".into()],
            allowed_keys: vec!["fw".into(), "fwfh".into(), "format".into()],
            ..Settings::default()
        };
        assert!(take("w=300&fm=webp", &settings).is_ok());
        assert!(take("w=300&h=200", &settings).is_ok());
        assert_eq!(take("w=301", &settings).unwrap_err().code, code::VALUE);
        assert_eq!(take("q=80", &settings).unwrap_err().code, code::QUALITY);
        let none = Settings { parameters: false, ..Settings::default() };
        assert_eq!(take("w=300", &none).unwrap_err().code, code::INVALID);
    }
}
