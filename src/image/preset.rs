//! Versions: named presets of a site, as URL text or in the form in which consoles keep them.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::params::value::to_base64;

/// What a version does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Preset {
    /// Parameters as in a URL: `/fw/300/format/webp`.
    Text(String),
    /// The console's form.
    Options(Box<Options>),
}

/// The console's form of a version; what is left out stays as the source is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What `value` means.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// The size: `300`, `"300x200"`, or a percentage.
    pub value: Option<Value>,
    /// Sharpen.
    pub unsharp: Option<Switch>,
    /// Progressive JPEG.
    pub progressive: Option<Switch>,
    /// One more pass for size.
    pub compress: Option<Switch>,
    /// Straighten by EXIF orientation.
    pub rotate: Option<Switch>,
    /// 1 to 99, or "auto".
    pub quality: Option<Value>,
    /// As the URL key; goes before `webp`.
    pub format: Option<String>,
    /// WebP as the format.
    pub webp: Option<Switch>,
    /// The first frame alone.
    pub gifto: Option<Switch>,
    /// Mark animated images too.
    pub animate: Option<Switch>,
    /// The watermark.
    pub watermark: Option<Watermark>,
    /// Blur, by the two that follow.
    pub gaussblur: Option<Switch>,
    /// The blur's radius. Default: 0, from the deviation.
    pub gaussblur_radio: Option<Value>,
    /// The blur's standard deviation. Default: 1.
    pub gaussblur_deviation: Option<Value>,
}

/// The ways to a new size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the URL key of each says it")]
pub enum Kind {
    FixWidth,
    FixHeight,
    FixWidthOrHeight,
    FixBoth,
    FixMax,
    FixMin,
    FixScale,
}

/// A watermark in the console's form.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watermark {
    /// Whether there is one. Default: enable.
    pub enable: Option<Switch>,
    /// The path of an image; goes before `text`.
    pub url: Option<String>,
    /// A text.
    pub text: Option<String>,
    /// A position, or two of the old words: "right,bottom".
    pub align: Option<String>,
    /// As the URL key: "20x20".
    pub margin: Option<String>,
    /// 0 to 100.
    pub opacity: Option<Value>,
    /// Mark animated images too; goes before that of the version.
    pub animate: Option<Switch>,
    /// An image's size by percent.
    pub percent: Option<Value>,
    /// Tile an image.
    pub repeat: Option<Switch>,
    /// A text's font size.
    pub size: Option<Value>,
    /// A text's font.
    pub font: Option<String>,
    /// A text's colour.
    pub color: Option<String>,
    /// A text's outline.
    pub border: Option<String>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected true, false, \"enable\" or \"disable\"")]
pub enum Switch {
    /// `true` or `false`.
    Plain(bool),
    /// In words.
    Word(SwitchWord),
}

/// On or off in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SwitchWord {
    #[serde(alias = "true")]
    Enable,
    #[serde(alias = "false")]
    Disable,
}

/// A number, or a text such as `"300x200"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a number or a text")]
pub enum Value {
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
}

impl Switch {
    fn on(self) -> bool {
        matches!(self, Switch::Plain(true) | Switch::Word(SwitchWord::Enable))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Preset;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters such as \"/fw/300\", or a table of options")
            }

            fn visit_str<E>(self, text: &str) -> Result<Preset, E> {
                Ok(Preset::Text(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Preset, A::Error> {
                let options = Options::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Preset::Options(Box::new(options)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Preset {
    /// Its parameters as in a URL. Whether they make sense is for the parser to say.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Preset::Text(text) => text.into(),
            Preset::Options(options) => options.text().into(),
        }
    }
}

impl Options {
    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(kind) = self.kind {
            let value = self.value.as_ref().map(Value::to_string).unwrap_or_default();
            put(&mut text, kind.key(), value);
        } else if let Some(value) = &self.value {
            // A size without a type: the parser says that it has no key.
            put(&mut text, "", value);
        }
        switch(&mut text, "unsharp", self.unsharp);
        switch(&mut text, "progressive", self.progressive);
        switch(&mut text, "compress", self.compress);
        if self.rotate.is_some_and(Switch::on) {
            put(&mut text, "rotate", "auto");
        }
        optional(&mut text, "quality", self.quality.as_ref());
        if self.webp.is_some_and(Switch::on) {
            put(&mut text, "format", "webp");
        }
        optional(&mut text, "format", self.format.as_ref());
        switch(&mut text, "gifto", self.gifto);
        if self.gaussblur.is_some_and(Switch::on) {
            let radius = self.gaussblur_radio.as_ref().map_or("0".into(), Value::to_string);
            let sigma = self.gaussblur_deviation.as_ref().map_or("1".into(), Value::to_string);
            put(&mut text, "gaussblur", format_args!("{radius}x{sigma}"));
        }
        if let Some(mark) = self.watermark.as_ref().filter(|it| it.enable.is_none_or(Switch::on)) {
            mark.write(&mut text, self.animate);
        }
        text
    }
}

impl Kind {
    fn key(self) -> &'static str {
        match self {
            Kind::FixWidth => "fw",
            Kind::FixHeight => "fh",
            Kind::FixWidthOrHeight => "fwfh",
            Kind::FixBoth => "both",
            Kind::FixMax => "max",
            Kind::FixMin => "min",
            Kind::FixScale => "scale",
        }
    }
}

impl Watermark {
    fn write(&self, text: &mut String, animate: Option<Switch>) {
        match (&self.url, &self.text) {
            (Some(path), _) => put(text, "watermark/url", to_base64(path)),
            (None, words) => {
                put(text, "watermark/text", to_base64(words.as_deref().unwrap_or_default()));
            }
        }
        optional(text, "align", self.align.as_deref().map(modern));
        optional(text, "margin", self.margin.as_ref());
        optional(text, "opacity", self.opacity.as_ref());
        switch(text, "animate", self.animate.or(animate));
        optional(text, "percent", self.percent.as_ref());
        switch(text, "repeat", self.repeat);
        optional(text, "size", self.size.as_ref());
        optional(text, "font", self.font.as_ref());
        optional(text, "color", self.color.as_ref());
        optional(text, "border", self.border.as_ref());
    }
}

/// `right,bottom` as `southeast`; anything else as it is.
fn modern(align: &str) -> &str {
    match align {
        "left,top" => "northwest",
        "center,top" => "north",
        "right,top" => "northeast",
        "left,middle" => "west",
        "center,middle" => "center",
        "right,middle" => "east",
        "left,bottom" => "southwest",
        "center,bottom" => "south",
        "right,bottom" => "southeast",
        other => other,
    }
}

fn put(text: &mut String, key: &str, value: impl fmt::Display) {
    // A slash would begin another key.
    let value = value.to_string().replace('%', "%25").replace('/', "%2F");
    // Writing to a string cannot fail.
    let _ = write!(text, "/{key}/{value}");
}

fn optional(text: &mut String, key: &str, value: Option<impl fmt::Display>) {
    if let Some(value) = value {
        put(text, key, value);
    }
}

fn switch(text: &mut String, key: &str, value: Option<Switch>) {
    optional(text, key, value.map(Switch::on));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Spec;

    fn spec(options: &str) -> Spec {
        let preset = Preset::Options(toml::from_str(options).unwrap());
        preset.text().parse().unwrap()
    }

    #[test]
    fn every_type_has_its_key() {
        for (kind, value, text) in [
            ("fix_width", "300", "/fw/300"),
            ("fix_height", "300", "/fh/300"),
            ("fix_width_or_height", "\"300x200\"", "/fwfh/300x200"),
            ("fix_both", "\"300x200\"", "/both/300x200"),
            ("fix_max", "300", "/max/300"),
            ("fix_min", "\"300\"", "/min/300"),
            ("fix_scale", "30", "/scale/30"),
        ] {
            let options = format!("type = \"{kind}\"\nvalue = {value}");
            assert_eq!(spec(&options), text.parse().unwrap(), "{kind}");
        }
    }

    #[test]
    fn every_option_has_its_key() {
        assert_eq!(
            spec(
                r#"
                unsharp = "enable"
                progressive = true
                compress = "true"
                rotate = "enable"
                quality = 80
                webp = "disable"
                format = "jpg"
                gifto = "disable"
                animate = true
                gaussblur = "enable"
                gaussblur_radio = 3
                gaussblur_deviation = 2
                watermark = { url = "/logo.png", align = "right,bottom", margin = "0x0", opacity = 50, percent = 20, repeat = true }
                "#
            ),
            "/unsharp/true/progressive/true/compress/true/rotate/auto/quality/80/format/jpg\
             /gaussblur/3x2/watermark/url/L2xvZ28ucG5n/align/southeast/margin/0x0/opacity/50\
             /percent/20/repeat/true/animate/true"
                .parse()
                .unwrap()
        );
        assert_eq!(
            spec(
                r#"
                webp = true
                gaussblur = true
                watermark = { text = "a/b", size = 20, font = "arial", color = "FF0000", border = "00000040", animate = false }
                "#
            ),
            "/format/webp/gaussblur/0x1/watermark/text/YS9i/size/20/font/arial/color/FF0000/border/00000040"
                .parse()
                .unwrap()
        );
        assert_eq!(
            spec("rotate = \"disable\"\ngaussblur = false\nwatermark = { enable = false }"),
            Spec::default()
        );
    }

    #[test]
    fn a_value_cannot_bring_a_key_with_it() {
        let preset: Options =
            toml::from_str("type = \"fix_width\"\nvalue = \"3/format/png\"").unwrap();
        assert!(preset.text().parse::<Spec>().is_err());
        let preset: Options = toml::from_str("value = 3").unwrap();
        assert!(preset.text().parse::<Spec>().is_err());
    }

    #[test]
    fn wrong_options_are_refused() {
        for text in ["typ = 3", "unsharp = \"yes\"", "quality = []", "type = \"fix_depth\""] {
            assert!(toml::from_str::<Options>(text).is_err(), "{text}");
        }
    }
}
