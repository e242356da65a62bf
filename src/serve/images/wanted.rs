//! What a request asks of an image: the original's URL, and what to make of it.

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::header::accept_image::Accepted;
use crate::image::params::{self, Error, query};
use crate::image::settings::Protect;
use crate::image::spec::{Content, Format};
use crate::image::{Settings, Spec};
use crate::serve::answer::Refusal;

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
    /// Whether it depends on `Accept`.
    pub varies: bool,
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
    let accepted = Accepted::parse(headers);
    if let Some(asked) = params::split(uri.path(), settings.separator) {
        let name = asked.name().map(Box::from);
        let is_secret = name.as_deref().is_some_and(|name: &str| {
            settings.protect == Protect::All && settings.secrets.iter().any(|it| it == name)
        });
        if is_secret {
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
            Ok(spec) => Picture::of(spec, settings, accepted, name),
            // An origin may name a secret that no version has.
            Err(unknown) if name.is_some() && settings.protect != Protect::Off => Picture {
                unknown: Some(unknown),
                ..Picture::of(Spec::default(), settings, accepted, name)
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
            let picture = Picture::of(taken.spec, settings, accepted, None);
            return Ok(Some(Wanted::Picture(Box::new(picture))));
        }
    }
    if (settings.webp || settings.avif) && has_ending(uri.path()) {
        let picture = Picture::of(Spec::default(), settings, accepted, None);
        if picture.is_adapted() && settings.protect != Protect::All {
            let picture = Picture { optional: true, ..picture };
            return Ok(Some(Wanted::Picture(Box::new(picture))));
        }
    }
    Ok(Some(Wanted::File { secret: None }))
}

impl Picture {
    fn of(
        mut spec: Spec,
        settings: &Settings,
        accepted: Accepted,
        secret: Option<Box<str>>,
    ) -> Picture {
        let adapts = settings.webp || settings.avif;
        if spec.question.is_none() && spec.output.format == Format::Source && adapts {
            spec.output.format = Format::Auto;
        }
        let by_name = spec.output.format == Format::Auto && !adapts;
        let varies = spec.question.is_none() && spec.output.format == Format::Auto;
        let accepted = Accepted {
            webp: varies && accepted.webp && (settings.webp || by_name),
            avif: varies && accepted.avif && (settings.avif || by_name),
        };
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

    /// Whether the client shows a format that the original may not have.
    fn is_adapted(&self) -> bool {
        self.accepted.webp || self.accepted.avif
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
    let bad = || Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, "bad path");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|_| bad())?);
    *uri = Uri::from_parts(parts).map_err(|_| bad())?;
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
