//! The URL language of images: from the text behind the separator to a [`Spec`].
//!
//! `split` finds the text, `keys` lists what may stand in it, `value` reads values, `draft` collects
//! them, `query` translates the spelling that other image services share. README.md beside this
//! folder has the language on one page.

mod draft;
pub mod error;
mod keys;
pub mod query;
mod split;
pub(super) mod value;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use draft::Draft;
pub use error::{Error, code};
use error::{did_you_mean, quoted};
use keys::Key;
pub(super) use keys::names as key_names;
pub(super) use split::is_name;
pub use split::{Asked, split};
use value::Wrong;

use super::settings::Settings;
use super::spec::{Content, Spec};

/// The most bytes of the text behind the separator, as it stands in the URL.
pub const SUFFIX_MOST: usize = 2048;

/// The fonts that every site may name.
pub const FONTS: [&str; 12] = [
    "simsun",
    "simhei",
    "simkai",
    "simli",
    "simyou",
    "simfang",
    "sc",
    "tc",
    "arial",
    "georgia",
    "helvetica",
    "roman",
];

/// Reads what stands behind the separator: `/fw/300`, `small` or `small/fw/300`, percent-encoded as
/// in the URL. Whether a bare name is an original's secret must be asked before.
///
/// # Errors
/// 404 for a version that does not exist, else 400 with a message for the customer.
pub fn parse(suffix: &str, settings: &Settings) -> Result<Spec, Error> {
    if suffix.len() > SUFFIX_MOST {
        return Err(Error::bad(
            code::INVALID,
            format!(
                "the parameters have {} bytes; at most {SUFFIX_MOST} are allowed",
                suffix.len()
            ),
        ));
    }
    let (version, parameters) = suffix.split_at(suffix.find('/').unwrap_or(suffix.len()));
    let mut draft = Draft::default();
    if !version.is_empty() {
        expand(version, settings, &mut draft)?;
    } else if parameters.is_empty() {
        return Err(Error::bad(code::INVALID, "nothing follows the separator"));
    }
    if !parameters.is_empty() {
        if !settings.parameters {
            return Err(Error::bad(
                code::INVALID,
                "this site allows its versions alone, and no parameters",
            ));
        }
        read(parameters, &mut draft, &|key, value| permit(key, key.name, value, settings))
            .map_err(|error| hint_at_version(error, suffix, settings))?;
    }
    finish(draft, settings)
}

/// Puts a version's own parameters into `draft`.
fn expand(version: &str, settings: &Settings, draft: &mut Draft) -> Result<(), Error> {
    let Some(preset) = settings.presets.get(version) else {
        let similar = did_you_mean(version, settings.presets.keys().map(String::as_str));
        return Err(Error::no_version(format!("no version {}{similar}", quoted(version))));
    };
    read(&preset.text(), draft, &|_, _| Ok(())).map_err(|error| Error {
        message: format!("version {}: {}", quoted(version), error.message),
        ..error
    })?;
    draft.begin_overrides();
    Ok(())
}

/// Joins a draft and asks whether the site allows what came out.
fn finish(draft: Draft, settings: &Settings) -> Result<Spec, Error> {
    let spec = join(draft)?;
    for mark in &spec.marks {
        match &mark.content {
            Content::Image { path, .. } if split(path, settings.separator).is_some() => {
                return Err(Error::bad(
                    code::MARK,
                    format!("`watermark/url`: {} is no original", quoted(path)),
                ));
            }
            Content::Text { font, .. } => {
                let known = || FONTS.into_iter().chain(settings.fonts.iter().map(String::as_str));
                if !known().any(|it| it == font) {
                    let similar = did_you_mean(font, known());
                    return Err(Error::bad(
                        code::MARK_FONT,
                        format!("`font`: no font is called {}{similar}", quoted(font)),
                    ));
                }
            }
            Content::Image { .. } => {}
        }
    }
    Ok(spec)
}

fn join(draft: Draft) -> Result<Spec, Error> {
    draft.finish().map_err(|_| {
        Error::bad(code::VALUE, "`dpr`: a length or an area leaves its bounds at this density")
    })
}

impl FromStr for Spec {
    type Err = Error;

    /// Reads parameters such as a canonical text, under no site's limits and of any length; the empty
    /// text is the default.
    ///
    /// # Errors
    /// As [`parse`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut draft = Draft::default();
        if !text.is_empty() {
            read(text, &mut draft, &|_, _| Ok(()))?;
        }
        join(draft)
    }
}

/// Checks preset parameters without a site around them.
pub(super) fn check(text: &str, settings: &Settings) -> Result<Spec, Error> {
    let mut draft = Draft::default();
    read(text, &mut draft, &|_, _| Ok(()))?;
    finish(draft, settings)
}

type Permit<'a> = &'a dyn Fn(&Key, &str) -> Result<(), Error>;

/// Reads `/key/value/key/value…` into `draft`, if `permit` has nothing against the key or its value.
fn read(text: &str, draft: &mut Draft, permit: Permit<'_>) -> Result<(), Error> {
    let Some(text) = text.strip_prefix('/') else {
        return Err(Error::bad(
            code::INVALID,
            format!("{} does not begin with a slash", quoted(text)),
        ));
    };
    let mut words = text.split('/').peekable();
    while let Some(word) = words.next() {
        let name = decoded(word)?;
        let longer = match (&*name, words.peek()) {
            ("watermark" | "meta", Some(next)) => Some(format!("{name}/{next}")),
            _ => None,
        };
        let key = match longer.as_deref().and_then(keys::find) {
            Some(key) => {
                words.next();
                key
            }
            None => keys::find(&name).ok_or_else(|| unknown(&name, longer.as_deref()))?,
        };
        let value = match words.next_if(|_| key.takes_value()) {
            Some(value) => decoded(value)?,
            None => Cow::Borrowed(""),
        };
        permit(key, &value)?;
        apply(key, key.name, &value, draft)?;
    }
    Ok(())
}

/// Applies one key, which the customer knows by `name`, and explains what is wrong with its value.
fn apply(key: &Key, name: &str, value: &str, draft: &mut Draft) -> Result<(), Error> {
    let allowed = key.allowed;
    (key.set)(draft, value).map_err(|wrong| {
        let message = match wrong {
            Wrong::Because(clause) if value.is_empty() => format!("`{name}` {clause}"),
            Wrong::Because(clause) => format!("`{name}` ({}) {clause}", quoted(value)),
            Wrong::Value if value.is_empty() => {
                format!("`{name}` has no value; allowed is {allowed}")
            }
            Wrong::Value => format!("`{name}`: {} is not allowed; write {allowed}", quoted(value)),
        };
        Error::bad(key.code, message)
    })
}

fn decoded(word: &str) -> Result<Cow<'_, str>, Error> {
    percent_decode_str(word).decode_utf8().map_err(|_| {
        Error::bad(code::INVALID, format!("{} is not UTF-8 when decoded", quoted(word)))
    })
}

fn unknown(name: &str, longer: Option<&str>) -> Error {
    match (name, longer) {
        ("watermark", Some(longer)) => Error::bad(
            code::MARK,
            format!("{} is unknown; write `watermark/url` or `watermark/text`", quoted(longer)),
        ),
        ("watermark", None) => Error::bad(code::MARK, "`watermark` is followed by `url` or `text`"),
        ("", _) => Error::bad(code::INVALID, "a key is empty: there is a slash too many"),
        _ => {
            let similar = keys::meant(name)
                .map(|key| format!("; did you mean `{key}`?"))
                .unwrap_or_else(|| did_you_mean(name, keys::names()));
            Error::bad(code::INVALID, format!("no key is called {}{similar}", quoted(name)))
        }
    }
}

/// Whether a URL of this site may say this.
fn permit(key: &Key, name: &str, value: &str, settings: &Settings) -> Result<(), Error> {
    let keys = &settings.allowed_keys;
    if !keys.is_empty() && !keys.iter().any(|it| it == key.name) {
        return Err(Error::bad(key.code, format!("`{name}` is not allowed in URLs of this site")));
    }
    let listed = || settings.allowed_sizes.iter().any(|it| it == value);
    if key.sized && !settings.allowed_sizes.is_empty() && !listed() {
        return Err(Error::bad(
            key.code,
            format!(
                "`{name}`: {} is none of the sizes of this site: {}",
                quoted(value),
                settings.allowed_sizes.join(", ")
            ),
        ));
    }
    Ok(())
}

/// `!/small` was meant to be `!small`.
fn hint_at_version(error: Error, suffix: &str, settings: &Settings) -> Error {
    let name = suffix.trim_start_matches('/');
    if !settings.presets.contains_key(name) {
        return error;
    }
    let separator = char::from(settings.separator.byte());
    let message = format!("{name} is a version: write `{separator}{name}` without a slash");
    Error { message, ..error }
}
