//! Scenarios (page, image, download, video, dynamic): sets of defaults for the tables of a site.
//!
//! Without a preset a site is cached by RFC 9111 and nothing more. A preset is a TOML table that is
//! laid under the site's own, key by key: tables merge, anything else that the site spells out wins,
//! lists included.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What kind of content a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Pages with their style sheets, scripts and small images.
    Page,
    /// Mostly images.
    Image,
    /// Packages and archives.
    Download,
    /// Video and audio on demand.
    Video,
    /// Answers made anew for each request.
    Dynamic,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 5] =
        [Preset::Page, Preset::Image, Preset::Download, Preset::Video, Preset::Dynamic];

    /// The preset's name as documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Page => "page",
            Preset::Image => "image",
            Preset::Download => "download",
            Preset::Video => "video",
            Preset::Dynamic => "dynamic",
        }
    }

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Preset::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// Its defaults as TOML, commented.
    pub fn text(self) -> &'static str {
        match self {
            Preset::Page => include_str!("presets/page.toml"),
            Preset::Image => include_str!("presets/image.toml"),
            Preset::Download => include_str!("presets/download.toml"),
            Preset::Video => include_str!("presets/video.toml"),
            Preset::Dynamic => include_str!("presets/dynamic.toml"),
        }
    }

    /// Its defaults, parsed once.
    pub fn table(self) -> &'static DeTable<'static> {
        static TABLES: LazyLock<[Spanned<DeTable<'static>>; 5]> = LazyLock::new(|| {
            // A test parses each text, so none is empty.
            Preset::ALL.map(|preset| {
                DeTable::parse(preset.text()).unwrap_or_else(|_| Spanned::new(0..0, DeTable::new()))
            })
        });
        let [page, image, download, video, dynamic] = &*TABLES;
        match self {
            Preset::Page => page,
            Preset::Image => image,
            Preset::Download => download,
            Preset::Video => video,
            Preset::Dynamic => dynamic,
        }
        .get_ref()
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Puts into `document` what `defaults` has and it has not; tables are merged, nothing else is.
pub fn lay_under<'i>(document: &mut DeTable<'i>, defaults: &DeTable<'i>) {
    for (name, default) in defaults {
        match document.iter_mut().find(|(key, _)| key.get_ref() == name.get_ref()) {
            None => {
                document.insert(name.clone(), default.clone());
            }
            Some((_, own)) => {
                if let (DeValue::Table(own), DeValue::Table(default)) =
                    (own.get_mut(), default.get_ref())
                {
                    lay_under(own, default);
                }
            }
        }
    }
}
