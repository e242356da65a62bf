//! The `[images]` table of a site document. Untouched, images are files like all others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::params::{self, FONTS, SUFFIX_MOST, is_name, key_names};
use super::preset::Preset;
use crate::quantity::Size;
use crate::setting::Complaint;

/// What stands between an image's path and what is asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Separator {
    /// `!`
    #[default]
    #[serde(rename = "!")]
    Bang,
    /// `-`
    #[serde(rename = "-")]
    Hyphen,
    /// `_`
    #[serde(rename = "_")]
    Underscore,
}

impl Separator {
    /// The character, which is ASCII.
    pub fn byte(self) -> u8 {
        match self {
            Separator::Bang => b'!',
            Separator::Hyphen => b'-',
            Separator::Underscore => b'_',
        }
    }
}

/// Whose originals need a secret, `/a.jpg!SECRET`. Pictures made of them never do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protect {
    /// Nobody's.
    Off,
    /// Those which the origin answers with a `Content-Secret` field; its value is the secret.
    #[default]
    Header,
    /// As "header", and all others need one of the site's `secrets`.
    All,
}

/// Free parameters need a signature; versions do not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The secret key, at least 16 bytes.
    pub key: String,
    /// The argument of the query that carries the signature. Default: "sign".
    #[serde(default = "sign")]
    pub parameter: String,
}

fn sign() -> String {
    "sign".into()
}

/// What a site says about images.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether images are processed at all. Default: false.
    pub enabled: bool,
    /// Between path and request: "!", "-" or "_". It must not stand in the names of files. A change
    /// makes all URLs of processed images void. Default: "!".
    pub separator: Separator,
    /// The versions (named presets) by name: parameters such as "/fw/300/format/webp", or a table
    /// as consoles keep them.
    pub presets: BTreeMap<String, Preset>,
    /// Whether URLs may have parameters, and not versions alone. Default: true.
    pub parameters: bool,
    /// The keys that URLs may use; versions may use all. Empty: every key. Default: empty.
    pub allowed_keys: Vec<String>,
    /// The values that URLs may give to keys that take a size, as they are written there: "300",
    /// "300x200"; `dpr` is not among them. Versions may have any. Empty: every size. Default: empty.
    pub allowed_sizes: Vec<String>,
    /// Free parameters need a signature. Default: no.
    pub signed: Option<Signed>,
    /// Read `?w=300&fit=crop` too, as many image services spell it. Default: false.
    pub query: bool,
    /// Fonts of the node beside the twelve of the language, by their family in lower case and with hyphens
    /// ("noto-sans").
    pub fonts: Vec<String>,
    /// Send WebP to clients that accept it, for originals too, where it is smaller and no format is
    /// asked for. Default: false.
    pub webp: bool,
    /// The same with AVIF, made behind the first answers. Default: false.
    pub avif: bool,
    /// Lower the quality for clients that send `Save-Data: on`. Default: false.
    pub save_data: bool,
    /// Heed the hints `Sec-CH-DPR` and `Sec-CH-Width`, and ask browsers for them. Default: false.
    pub client_hints: bool,
    /// Whose originals need a secret: "off", "header" or "all". Default: "header".
    pub protect: Protect,
    /// The secrets that open any original where `protect = "all"`: letters and digits.
    pub secrets: Vec<String>,
    /// The most pixels of a source, all frames together. Default: 200000000.
    pub max_pixels: u64,
    /// The largest source. Default: "32MiB".
    pub max_source: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: false,
            separator: Separator::Bang,
            presets: BTreeMap::new(),
            parameters: true,
            allowed_keys: Vec::new(),
            allowed_sizes: Vec::new(),
            signed: None,
            query: false,
            fonts: Vec::new(),
            webp: false,
            avif: false,
            save_data: false,
            client_hints: false,
            protect: Protect::Header,
            secrets: Vec::new(),
            max_pixels: PIXELS_MOST,
            max_source: Size::mib(32),
        }
    }
}

/// The most pixels of a source that a site may allow.
pub const PIXELS_MOST: u64 = 200_000_000;
/// The largest source that a site may allow.
const SOURCE_MOST: Size = Size::mib(256);
/// The most entries in any list of this table.
const LIST_MOST: usize = 1000;
/// The fewest bytes of a signing key.
const KEY_LEAST: usize = 16;

impl Settings {
    /// What is wrong with the values.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        self.check_presets(&mut found);
        self.check_lists(&mut found);
        self.check_secrets(&mut found);
        if self.max_pixels == 0 || self.max_pixels > PIXELS_MOST {
            found.push(
                Complaint::new("max_pixels", format!("{} pixels", self.max_pixels))
                    .suggest(format!("write 1 to {PIXELS_MOST}")),
            );
        }
        if self.max_source.0 == 0 || self.max_source > SOURCE_MOST {
            found.push(
                Complaint::new("max_source", format!("`{}`", self.max_source))
                    .suggest(format!("write \"1B\" to \"{SOURCE_MOST}\"")),
            );
        }
        found
    }

    fn check_presets(&self, found: &mut Vec<Complaint>) {
        for (name, preset) in &self.presets {
            let field = format!("presets.{name}");
            let text = preset.text();
            if !is_name(name) || name.as_bytes().contains(&self.separator.byte()) {
                found.push(
                    Complaint::new(&field, format!("`{name}` is no name of a version"))
                        .suggest("write letters, digits, `-` and `_`, but not the separator"),
                );
            } else if text.len() > SUFFIX_MOST {
                found.push(Complaint::new(
                    &field,
                    format!("{} bytes; at most {SUFFIX_MOST} are allowed", text.len()),
                ));
            } else if let Err(error) = params::check(&text, self) {
                found.push(Complaint::new(&field, error.message));
            }
        }
    }

    fn check_lists(&self, found: &mut Vec<Complaint>) {
        let lengths = [
            ("presets", self.presets.len()),
            ("allowed_keys", self.allowed_keys.len()),
            ("allowed_sizes", self.allowed_sizes.len()),
            ("fonts", self.fonts.len()),
            ("secrets", self.secrets.len()),
        ];
        for (field, length) in lengths.into_iter().filter(|(_, length)| *length > LIST_MOST) {
            found.push(Complaint::new(field, format!("{length} entries; at most {LIST_MOST}")));
        }
        for (at, key) in self.allowed_keys.iter().enumerate() {
            if !key_names().any(|it| it == key) {
                found.push(
                    Complaint::new(format!("allowed_keys[{at}]"), format!("`{key}` is no key"))
                        .suggest("write a key of the URL language such as \"fw\""),
                );
            }
        }
        for (at, size) in self.allowed_sizes.iter().enumerate() {
            let fits = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'x' | b'a' | b's');
            if size.is_empty() || !size.bytes().all(fits) {
                found.push(
                    Complaint::new(format!("allowed_sizes[{at}]"), format!("`{size}` is no size"))
                        .suggest("write it as in the URL: \"300\", \"300x200\""),
                );
            }
        }
        for (at, font) in self.fonts.iter().enumerate() {
            if params::value::font(font).as_ref() != Ok(font) || FONTS.contains(&font.as_str()) {
                found.push(
                    Complaint::new(format!("fonts[{at}]"), format!("`{font}` is no new name"))
                        .suggest("write lower-case letters, digits and `-`"),
                );
            }
        }
    }

    fn check_secrets(&self, found: &mut Vec<Complaint>) {
        for (at, secret) in self.secrets.iter().enumerate() {
            if !is_name(secret) || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                found.push(
                    Complaint::new(format!("secrets[{at}]"), "not made of letters and digits")
                        .suggest("write 1 to 64 letters and digits"),
                );
            }
        }
        if self.protect == Protect::All && self.secrets.is_empty() {
            found.push(
                Complaint::new("protect", "no original could be had, for there are no secrets")
                    .suggest("write secrets = [\"…\"]"),
            );
        }
        let Some(signed) = &self.signed else { return };
        if signed.key.len() < KEY_LEAST {
            found.push(
                Complaint::new("signed.key", format!("{} bytes", signed.key.len()))
                    .suggest(format!("write at least {KEY_LEAST} bytes that nobody can guess")),
            );
        }
        if !is_name(&signed.parameter) {
            found.push(Complaint::new(
                "signed.parameter",
                format!("`{}` is no name of an argument", signed.parameter),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default_and_is_sound() {
        let settings: Settings = toml::from_str("").unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.validate().is_empty());
        let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn a_full_table_is_read() {
        let text = r#"
            enabled = true
            separator = "_"
            presets.small = "/fw/300/format/webp"
            presets.exif = "/meta"
            presets.old = { type = "fix_both", value = "300x200", quality = 80 }
            allowed_keys = ["fw", "watermark/text"]
            allowed_sizes = ["300", "300x200"]
            signed = { key = "0123456789abcdef" }
            fonts = ["noto-sans"]
            webp = true
            protect = "all"
            secrets = ["s3cret"]
            max_source = "8MiB"
        "#;
        let settings: Settings = toml::from_str(text).unwrap();
        assert!(settings.validate().is_empty(), "{:?}", settings.validate());
        assert_eq!(settings.signed.as_ref().unwrap().parameter, "sign");
        let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, field) in [
            ("presets.small = \"/wf/300\"", "presets.small"),
            ("presets.small = \"fw/300\"", "presets.small"),
            ("presets.\"a!b\" = \"/fw/300\"", "presets.a!b"),
            ("separator = \"_\"\npresets.a_b = \"/fw/300\"", "presets.a_b"),
            ("presets.a = \"/watermark/text/YQ/font/comic\"", "presets.a"),
            ("presets.a = { type = \"fix_width\" }", "presets.a"),
            ("allowed_keys = [\"wf\"]", "allowed_keys[0]"),
            ("allowed_sizes = [\"300px\"]", "allowed_sizes[0]"),
            ("fonts = [\"No To\"]", "fonts[0]"),
            ("fonts = [\"arial\"]", "fonts[0]"),
            ("secrets = [\"a-b\"]", "secrets[0]"),
            ("protect = \"all\"", "protect"),
            ("signed = { key = \"short\" }", "signed.key"),
            ("signed = { key = \"0123456789abcdef\", parameter = \"a=b\" }", "signed.parameter"),
            ("max_pixels = 0", "max_pixels"),
            ("max_source = \"1GiB\"", "max_source"),
        ] {
            let settings: Settings = toml::from_str(text).unwrap();
            let fields: Vec<_> = settings.validate().into_iter().map(|it| it.field).collect();
            assert_eq!(fields, [field], "{text}");
        }
        for text in ["enable = true", "separator = \"+\"", "protect = \"some\"", "presets.a = 5"] {
            assert!(toml::from_str::<Settings>(text).is_err(), "{text}");
        }
    }
}
