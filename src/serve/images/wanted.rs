//! What a request asks of an image: the original's URL, and what to make of it.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};

use super::protect;
use crate::header::accept_image::Accepted;
use crate::image::params::{self, Error, query};
use crate::image::settings::Protect;
use crate::image::spec::{Content, Format, Quality, SIDE_MOST, Scale};
use crate::image::{Settings, Spec, density};
use crate::serve::answer::Refusal;
use crate::serve::plan;

/// The pixels of the client's screen for each of its lengths.
pub const SEC_CH_DPR: HeaderName = HeaderName::from_static("sec-ch-dpr");
/// How wide the picture will be shown, in pixels of the screen.
pub const SEC_CH_WIDTH: HeaderName = HeaderName::from_static("sec-ch-width");
/// The client wants few bytes.
const SAVE_DATA: HeaderName = HeaderName::from_static("save-data");

/// What a request for a site with images is about.
pub enum Wanted {
    /// A file as it is.
    File {
        /// The text behind the separator, where it may be a secret.
        secret: Option<Box<str>>,
    },
    /// A picture made of an original, or an answer about one.
    Picture(Box<Picture>),
}

/// A picture to make.
#[derive(Clone)]
pub struct Picture {
    /// What is asked for, with the site's share in it.
    pub spec: Spec,
    /// What tells it from other pictures of the same original.
    pub tag: String,
    /// The formats that count for it.
    pub accepted: Accepted,
    /// The fields of the request that it depends on.
    pub varies: Vec<HeaderName>,
    /// Whether nobody asked for it: the original will do.
    pub optional: bool,
    /// A name behind the separator that may be a secret and not a version.
    pub secret: Option<Box<str>>,
    /// What is to be said where the name is no secret and no version.
    unknown: Option<Error>,
}

/// Endings of files that are made smaller unasked, where a site wants that.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "gif"];

/// Reads a request; `uri` becomes the original's. None where it is not about images.
///
/// # Errors
/// What is asked for is not in the language, or the site does not allow it.
pub fn wanted(
    settings: &Settings,
    method: &Method,
    uri: &mut Uri,
    headers: &HeaderMap,
) -> Result<Option<Wanted>, Refusal> {
    if !settings.enabled || !matches!(*method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    if let Some(asked) = params::split(uri.path(), settings.separator) {
        let name = asked.name().map(Box::from);
        if name.as_deref().is_some_and(|name| protect::is_sites(settings, name)) {
            let original = asked.original.to_owned();
            ask_for(uri, &original, uri.query().map(str::to_owned).as_deref())?;
            return Ok(Some(Wanted::File { secret: name }));
        }
        let mut rest = uri.query().map(str::to_owned);
        if let Some(signed) = settings.signed.as_ref().filter(|_| name.is_none()) {
            let query = rest.as_deref().unwrap_or_default();
            let left = signed.check(uri.path(), query).map_err(refuse)?;
            rest = (!left.is_empty()).then_some(left);
        }
        let spec = params::parse(asked.suffix, settings);
        let original = asked.original.to_owned();
        let picture = match spec {
            Ok(spec) => Picture::of(spec, settings, headers, name),
            // An origin may name a secret that no version has.
            Err(unknown) if name.is_some() && settings.protect != Protect::Off => Picture {
                unknown: Some(unknown),
                ..Picture::of(Spec::default(), settings, headers, name)
            },
            Err(error) => return Err(refuse(error)),
        };
        ask_for(uri, &original, rest.as_deref())?;
        return Ok(Some(Wanted::Picture(Box::new(picture))));
    }
    if settings.query && has_ending(uri.path()) {
        let mut text = uri.query().unwrap_or_default().to_owned();
        let is_ours = text
            .split('&')
            .any(|pair| query::ARGUMENTS.contains(&pair.split('=').next().unwrap_or_default()));
        if let Some(signed) = settings.signed.as_ref().filter(|_| is_ours) {
            text = signed.check(uri.path(), &text).map_err(refuse)?;
        }
        if let Some(taken) = query::take(&text, settings).map_err(refuse)? {
            let path = uri.path().to_owned();
            ask_for(uri, &path, Some(taken.rest.as_str()).filter(|rest| !rest.is_empty()))?;
            let picture = Picture::of(taken.spec, settings, headers, None);
            return Ok(Some(Wanted::Picture(Box::new(picture))));
        }
    }
    let adapts = settings.webp || settings.avif || settings.client_hints || settings.save_data;
    if adapts && has_ending(uri.path()) {
        let picture = Picture::of(Spec::default(), settings, headers, None);
        if picture.is_adapted() && settings.protect != Protect::All {
            let picture = Picture { optional: true, ..picture };
            return Ok(Some(Wanted::Picture(Box::new(picture))));
        }
    }
    Ok(Some(Wanted::File { secret: None }))
}

/// Makes the URL of a picture that of its original.
pub fn name_the_original(settings: &Settings, uri: &mut Uri) {
    let asked = params::split(uri.path(), settings.separator).filter(|_| settings.enabled);
    if let Some(original) = asked.map(|asked| asked.original.to_owned()) {
        let query = uri.query().map(str::to_owned);
        // A part of a path that was one is a path.
        let _ = ask_for(uri, &original, query.as_deref());
    }
}

/// The quality for who wants few bytes, unless a lower one is asked for.
const SAVING: u8 = 50;
/// The widths that count of those that a client names: multiples of this, for the sake of the cache.
const WIDTH_STEP: u32 = 160;

impl Picture {
    fn of(
        mut spec: Spec,
        settings: &Settings,
        headers: &HeaderMap,
        secret: Option<Box<str>>,
    ) -> Picture {
        let mut varies = Vec::new();
        let mut accepted = Accepted::default();
        if spec.question.is_none() {
            if settings.client_hints {
                spec = hinted(spec, headers);
                varies.extend([SEC_CH_DPR, SEC_CH_WIDTH]);
            }
            if settings.save_data {
                save(&mut spec, headers);
                varies.push(SAVE_DATA);
            }
            let adapts = settings.webp || settings.avif;
            if spec.output.format == Format::Source && adapts {
                spec.output.format = Format::Auto;
            }
            if spec.output.format == Format::Auto {
                let shown = Accepted::parse(headers);
                accepted.webp = shown.webp && (settings.webp || !adapts);
                accepted.avif = shown.avif && (settings.avif || !adapts);
                varies.push(header::ACCEPT);
            }
        }
        let mut tag = spec.canonical();
        for (is_in, word) in [(accepted.webp, " webp"), (accepted.avif, " avif")] {
            if is_in {
                tag.push_str(word);
            }
        }
        Picture { spec, tag, accepted, varies, optional: false, secret, unknown: None }
    }

    /// Whether nothing but the format may change.
    pub fn is_format_alone(&self) -> bool {
        let mut rest = self.spec.clone();
        rest.output.format = Format::Source;
        self.spec.output.format == Format::Auto && rest == Spec::default()
    }

    /// Whether the client may get something else than the original.
    fn is_adapted(&self) -> bool {
        let mut spec = self.spec.clone();
        spec.output.format = Format::Source;
        self.accepted.webp || self.accepted.avif || spec != Spec::default()
    }

    /// The paths of the watermarks' pictures, each once.
    pub fn marks(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for mark in &self.spec.marks {
            if let Content::Image { path, .. } = &mark.content
                && !paths.contains(path)
            {
                paths.push(path.clone());
            }
        }
        paths
    }

    /// The refusal where what looked like a version is none, and no secret either.
    pub fn unknown(&self) -> Option<Refusal> {
        self.unknown.clone().map(refuse)
    }
}

/// Lowers the quality for a client that wants few bytes.
fn save(spec: &mut Spec, headers: &HeaderMap) {
    let wants = headers.get(SAVE_DATA).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"on"));
    if wants && !spec.output.lossless {
        let asked = match spec.output.quality {
            Some(Quality::Fixed(quality)) => quality,
            Some(Quality::Auto) | None => SAVING,
        };
        spec.output.quality = Some(Quality::Fixed(asked.min(SAVING)));
    }
}

/// What is asked for, as the client's screen wants it: larger by its density, or as wide as the place
/// where it is shown, if no size is asked for.
fn hinted(mut spec: Spec, headers: &HeaderMap) -> Spec {
    let number = |name: &HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    match spec.scale {
        Some(_) => {
            let density = number(&SEC_CH_DPR).filter(|it| (0.5..=5.0).contains(it));
            let quarters = density.map(|it| (it * f64::from(density::ONE)).ceil() as u32);
            let denser = quarters.and_then(|it| spec.clone().at_density(it).ok());
            denser.unwrap_or(spec)
        }
        None => {
            let width =
                number(&SEC_CH_WIDTH).filter(|it| (1.0..=f64::from(SIDE_MOST)).contains(it));
            if let Some(width) = width {
                let width = (width.ceil() as u32).next_multiple_of(WIDTH_STEP);
                spec.scale = Some(Scale::Width(width.min(SIDE_MOST)));
            }
            spec
        }
    }
}

fn has_ending(path: &str) -> bool {
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    ending.is_some_and(|(_, it)| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(it)))
}

/// What the language says of a request, as an answer.
fn refuse(error: Error) -> Refusal {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    Refusal::client(status, error.code, error.message).as_json()
}

fn ask_for(uri: &mut Uri, path: &str, query: Option<&str>) -> Result<(), Refusal> {
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let bad = |_| Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, "bad path");
    plan::ask_for(uri, PathAndQuery::try_from(text).map_err(bad)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(settings: &Settings, uri: &str, accept: &str) -> (Uri, Option<Wanted>) {
        let mut uri: Uri = uri.parse().unwrap();
        let headers = HeaderMap::from_iter([(http::header::ACCEPT, accept.parse().unwrap())]);
        let wanted = wanted(settings, &Method::GET, &mut uri, &headers);
        (uri, wanted.unwrap_or_else(|refusal| panic!("{refusal:?}")))
    }

    fn tag(settings: &Settings, uri: &str, accept: &str) -> (String, String) {
        match ask(settings, uri, accept) {
            (uri, Some(Wanted::Picture(picture))) => (uri.to_string(), picture.tag),
            (uri, _) => (uri.to_string(), "file".into()),
        }
    }

    #[test]
    fn the_original_and_what_is_made_of_it_are_told_apart() {
        let settings = Settings { enabled: true, query: true, ..Settings::default() };
        for (uri, original, wanted) in [
            ("/a.jpg!/fw/300?v=1", "/a.jpg?v=1", "/fw/300"),
            ("/a.jpg?w=300&v=1", "/a.jpg?v=1", "/fw/300"),
            ("/a.jpg?v=1", "/a.jpg?v=1", "file"),
            ("/page?w=300", "/page?w=300", "file"),
        ] {
            assert_eq!(tag(&settings, uri, ""), (original.into(), wanted.into()), "{uri}");
        }
    }

    #[test]
    fn hints_and_thrift_count_where_the_site_wants_them() {
        let tag = |settings: &Settings, uri: &str, fields: &[(&'static str, &str)]| {
            let mut uri: Uri = uri.parse().unwrap();
            let fields = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            match wanted(settings, &Method::GET, &mut uri, &HeaderMap::from_iter(fields)) {
                Ok(Some(Wanted::Picture(picture))) => picture.tag,
                _ => "file".into(),
            }
        };
        let off = Settings { enabled: true, ..Settings::default() };
        let on = Settings { client_hints: true, save_data: true, ..off.clone() };
        let dense = [("sec-ch-dpr", "2.0"), ("sec-ch-width", "301")];
        assert_eq!(tag(&off, "/a.jpg!/fw/300", &dense), "/fw/300");
        assert_eq!(tag(&on, "/a.jpg!/fw/300", &dense), "/fw/600");
        assert_eq!(tag(&on, "/a.jpg", &dense), "/fw/320");
        assert_eq!(tag(&on, "/a.jpg", &[("sec-ch-width", "nan")]), "file");
        assert_eq!(tag(&on, "/a.jpg!/fw/3", &[("save-data", "on")]), "/fw/3/quality/50");
        assert_eq!(tag(&on, "/a.jpg!/quality/30", &[("save-data", "on")]), "/quality/30");
        assert_eq!(tag(&off, "/a.jpg", &[("save-data", "on")]), "file");
    }

    #[test]
    fn formats_count_where_the_site_or_the_request_wants_them() {
        let plain = Settings { enabled: true, ..Settings::default() };
        let webp = Settings { webp: true, ..plain.clone() };
        let accept = "image/avif,image/webp,*/*";
        assert_eq!(tag(&plain, "/a.jpg", accept).1, "file");
        assert_eq!(tag(&plain, "/a.jpg!/fw/3", accept).1, "/fw/3");
        assert_eq!(tag(&plain, "/a.jpg!/format/auto", accept).1, "/format/auto webp avif");
        assert_eq!(tag(&webp, "/a.jpg", accept).1, "/format/auto webp");
        assert_eq!(tag(&webp, "/a.jpg", "*/*").1, "file");
        assert_eq!(tag(&webp, "/a.css", accept).1, "file");
        assert_eq!(tag(&webp, "/a.jpg!/fw/3", "*/*").1, "/fw/3/format/auto");
        assert_eq!(tag(&webp, "/a.jpg!/fw/3/format/png", accept).1, "/fw/3/format/png");
        assert_eq!(tag(&webp, "/a.jpg!/info", accept).1, "/info");
    }
}
