//! The fonts of the machine and those that were configured, and which of them a name means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use resvg::usvg::FontResolver;
use resvg::usvg::fontdb::{Database, FaceInfo, Family, ID, Query, Source};
use skrifa::MetadataProvider;

/// Fonts to write with.
#[derive(Clone, Debug)]
pub struct Fonts {
    database: Arc<Database>,
}

/// The most bytes of fonts that a process holds.
const HELD_MOST: u64 = 128 << 20;

/// The fonts of this process, for drawings: those that [`Fonts::hold`] took into memory, else what is
/// installed.
static OURS: OnceLock<Arc<Database>> = OnceLock::new();

/// The fonts that drawings are made with: those which are installed on this machine, looked up once, or
/// what [`Fonts::hold`] took.
pub fn ours() -> Arc<Database> {
    OURS.get_or_init(|| Arc::new(with_kinds(installed()))).clone()
}

/// Says which families the kinds mean that drawings name.
fn with_kinds(database: Database) -> Database {
    let fonts = Fonts { database: Arc::new(database) };
    let of = |name: &str| fonts.family(name).unwrap_or_default();
    let (serif, sans, fixed) = (of("roman"), of("arial"), of("courier"));
    let mut database = Arc::unwrap_or_clone(fonts.database);
    database.set_serif_family(serif.clone());
    database.set_sans_serif_family(sans.clone());
    database.set_monospace_family(fixed);
    database.set_cursive_family(serif);
    database.set_fantasy_family(sans);
    database
}

fn installed() -> Database {
    let mut database = Database::new();
    database.load_system_fonts();
    database
}

/// Chooses fonts for the renderer: for a character that the chosen one lacks, the most similar.
pub fn resolver() -> FontResolver<'static> {
    FontResolver {
        select_font: FontResolver::default_font_selector(),
        select_fallback: Box::new(|character, used, database| similar(character, used, database)),
    }
}

/// Of the faces that have the character and were not tried, the one that differs least from the first
/// that was tried.
fn similar(character: char, used: &[ID], database: &Database) -> Option<ID> {
    let wanted = used.first().and_then(|&id| database.face(id))?;
    let differences = |face: &FaceInfo| {
        u8::from(face.style != wanted.style)
            + u8::from(face.weight != wanted.weight)
            + u8::from(face.stretch != wanted.stretch)
    };
    let has = |face: &&FaceInfo| {
        let glyph = database.with_face_data(face.id, |data, index| {
            skrifa::FontRef::from_index(data, index).ok()?.charmap().map(character)
        });
        glyph.flatten().is_some()
    };
    let untried = database.faces().filter(|face| !used.contains(&face.id));
    untried.filter(has).min_by_key(|face| differences(face)).map(|face| face.id)
}

impl Default for Fonts {
    fn default() -> Self {
        Fonts { database: ours() }
    }
}

impl Fonts {
    /// No fonts at all.
    pub fn none() -> Self {
        Fonts { database: Arc::new(Database::new()) }
    }

    /// Takes these files and folders and the installed fonts into memory as far as [`HELD_MOST`] goes,
    /// each file once, for all that this process will draw: it will not be able to open a file.
    pub fn hold(paths: &[PathBuf]) -> Self {
        let own = paths.iter().fold(Fonts::none(), |fonts, path| fonts.and(path));
        let installed = installed();
        let mut held = Database::new();
        let mut room = HELD_MOST;
        let mut files = BTreeSet::new();
        for face in own.database.faces().chain(installed.faces()) {
            let Source::File(path) = &face.source else { continue };
            let size = std::fs::metadata(path).map_or(u64::MAX, |it| it.len());
            if size > room || !files.insert(path.clone()) {
                continue;
            }
            if let Ok(bytes) = std::fs::read(path) {
                room -= size;
                held.load_font_data(bytes);
            }
        }
        Fonts { database: OURS.get_or_init(|| Arc::new(with_kinds(held))).clone() }
    }

    /// These and all fonts of a file or a folder. What cannot be read is left out.
    pub fn and(mut self, path: &Path) -> Self {
        let database = Arc::make_mut(&mut self.database);
        if path.is_dir() {
            database.load_fonts_dir(path);
        } else {
            // Not a font: whoever asks for it by name hears so then.
            drop(database.load_font_file(path));
        }
        self
    }

    /// All of them, for the renderer.
    pub fn database(&self) -> Arc<Database> {
        self.database.clone()
    }

    /// The installed family that a name means: itself, be it in lower case and with hyphens, else the
    /// first of its kin, else any.
    pub fn family(&self, name: &str) -> Option<String> {
        let has = |family: &&str| {
            let families = &[Family::Name(family)];
            self.database.query(&Query { families, ..Query::default() }).is_some()
        };
        let kin = std::iter::once(name).chain(kin(name).iter().copied());
        let any = || {
            let mut faces = self.database.faces();
            faces.find_map(|face| face.families.first()).map(|(family, _)| family.clone())
        };
        let itself = || {
            let families = self.database.faces().flat_map(|face| &face.families);
            let mut families = families.map(|(family, _)| family);
            families.find(|family| is_spelled(family, name)).cloned()
        };
        let kin = || kin.chain(FALL_BACK.iter().copied()).find(has).map(str::to_owned);
        itself().or_else(kin).or_else(any)
    }

    /// The first character of a text that no font can show.
    pub fn missing(&self, text: &str) -> Option<char> {
        let needs_none = |it: char| it.is_whitespace() || it.is_control() || is_invisible(it);
        let mut missing: BTreeSet<char> = text.chars().filter(|&it| !needs_none(it)).collect();
        for face in self.database.faces() {
            if missing.is_empty() {
                return None;
            }
            self.database.with_face_data(face.id, |data, index| {
                if let Ok(font) = skrifa::FontRef::from_index(data, index) {
                    let glyphs = font.charmap();
                    missing.retain(|&it| glyphs.map(it).is_none());
                }
            });
        }
        text.chars().find(|it| missing.contains(it))
    }
}

/// Whether a URL's name is this family's: `noto-sans` is `Noto Sans`.
fn is_spelled(family: &str, name: &str) -> bool {
    let spelled = |byte: u8| if byte == b' ' { b'-' } else { byte.to_ascii_lowercase() };
    family.len() == name.len() && family.bytes().zip(name.bytes()).all(|(a, b)| spelled(a) == b)
}

/// Joiners, marks of direction and variation selectors, which need no glyph.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

const FALL_BACK: &[&str] = &["DejaVu Sans", "Noto Sans", "Liberation Sans"];
const SONG: &[&str] = &[
    "SimSun",
    "NSimSun",
    "Noto Serif CJK SC",
    "Noto Serif SC",
    "Source Han Serif SC",
    "AR PL UMing CN",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Noto Sans CJK SC",
    "Droid Sans Fallback",
];
const HEI: &[&str] = &[
    "SimHei",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
];
const KAI: &[&str] = &[
    "KaiTi",
    "SimKai",
    "AR PL UKai CN",
    "AR PL KaitiM GB",
    "Noto Serif CJK SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Noto Sans CJK SC",
];
const TRADITIONAL: &[&str] = &[
    "Noto Sans CJK TC",
    "Noto Sans TC",
    "Source Han Sans TC",
    "AR PL UMing TW",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Noto Sans CJK SC",
    "Droid Sans Fallback",
];

/// What stands in for the fonts that URLs name.
fn kin(name: &str) -> &'static [&'static str] {
    match name {
        "simsun" | "simfang" => SONG,
        "simhei" | "simyou" | "sc" => HEI,
        "simkai" | "simli" => KAI,
        "tc" => TRADITIONAL,
        "arial" => &["Arial", "Liberation Sans", "Arimo", "DejaVu Sans"],
        "helvetica" => &["Helvetica", "Nimbus Sans", "Liberation Sans", "DejaVu Sans"],
        "georgia" => &["Georgia", "Gelasio", "DejaVu Serif"],
        "courier" => &["Courier New", "Liberation Mono", "Cousine", "DejaVu Sans Mono"],
        "roman" => &["Times New Roman", "Liberation Serif", "Tinos", "DejaVu Serif"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_installed_families() {
        let fonts = Fonts::default();
        let known = [
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
        for name in known {
            assert!(!kin(name).is_empty(), "{name}");
            assert!(fonts.family(name).is_some(), "{name}: no font is installed");
        }
        assert_eq!(fonts.family("DejaVu Serif").as_deref(), Some("DejaVu Serif"));
        assert_eq!(fonts.family("dejavu-serif").as_deref(), Some("DejaVu Serif"));
        assert_eq!(Fonts::none().family("arial"), None);
    }

    #[test]
    fn characters_without_a_glyph_are_found() {
        let fonts = Fonts::default();
        assert_eq!(fonts.missing("Hello, W\u{f6}rld\n\u{200b}"), None);
        assert_eq!(fonts.missing("a\u{10fffd}"), Some('\u{10fffd}'));
        assert_eq!(Fonts::none().missing("a"), Some('a'));
    }

    #[test]
    fn what_stands_in_for_a_font_looks_like_it() {
        let fonts = Fonts::default();
        let face = |weight: u16| {
            let mut faces = fonts.database.faces();
            let found = faces.find(|it| {
                it.weight.0 == weight && it.families.iter().any(|(name, _)| name == "DejaVu Serif")
            });
            found.map(|it| it.id).expect("DejaVu is not installed")
        };
        for weight in [400, 700] {
            let id = similar('a', &[face(weight)], &fonts.database).unwrap();
            assert!(id != face(weight), "one that was not tried");
            assert_eq!(fonts.database.face(id).unwrap().weight.0, weight);
        }
        assert_eq!(similar('\u{10fffd}', &[face(400)], &fonts.database), None);
    }

    #[test]
    fn configured_fonts_are_added() {
        let folder = tempfile::tempdir().unwrap();
        let face = ours().faces().next().cloned().expect("no font is installed");
        let bytes = ours().with_face_data(face.id, |data, _| data.to_vec()).unwrap();
        std::fs::write(folder.path().join("one.ttf"), &bytes).unwrap();
        let family = Some(face.families[0].0.clone());
        assert_eq!(Fonts::none().and(folder.path()).family("x"), family);
        assert_eq!(Fonts::none().and(&folder.path().join("one.ttf")).family("x"), family);
        assert_eq!(Fonts::none().and(&folder.path().join("none.ttf")).family("x"), None);
    }
}
