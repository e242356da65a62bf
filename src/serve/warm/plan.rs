//! What an order asks for: its URLs in all variants, checked before anything begins.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::image::params;
use crate::serve::Serve;
use crate::site::{Customers, Site};
use crate::upstream::Scheme;

/// Most values of one kind of variant.
const VARIANTS: usize = 100;
/// What browsers say that they take.
const BROWSERS: &str = "gzip, deflate, br, zstd";
/// How the URLs of pictures end.
const PICTURES: [&str; 12] =
    ["jpg", "jpeg", "jfif", "png", "gif", "webp", "avif", "bmp", "tif", "tiff", "ico", "svg"];
/// Bytes that a request and what came of it take, beside its URL.
const EACH: u64 = 160;

/// What to fetch into the cache.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WarmOrder {
    /// URLs.
    pub urls: Vec<String>,
    /// URLs of sitemaps: XML, an index, or one URL a line, perhaps in gzip.
    pub sitemaps: Vec<String>,
    /// Values of `Accept-Encoding`, each a variant; `identity`: none. What browsers send if it is
    /// empty.
    pub encodings: Vec<String>,
    /// What is to be made of pictures, each a variant: a version (named preset) or parameters such
    /// as `/fw/300/format/webp`. They are for URLs that end like pictures.
    pub forms: Vec<String>,
    /// Byte ranges, each a variant: `0-1048575`, `500-` or `-500`. The whole if it is empty.
    pub ranges: Vec<String>,
    /// Most requests that are begun in a second; `[warm] rate` at most.
    pub rate: Option<u32>,
    /// Most requests at a time; `[warm] concurrency` at most.
    pub concurrency: Option<u32>,
}

/// A checked order.
pub(super) struct Plan {
    pub urls: Vec<Arc<str>>,
    pub sitemaps: Vec<Arc<str>>,
    pub encodings: Vec<Arc<str>>,
    pub forms: Vec<Arc<str>>,
    pub ranges: Vec<Arc<str>>,
    pub rate: u32,
    pub concurrency: u32,
}

/// One request that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The URL with its form.
    pub url: Arc<str>,
    pub encoding: Arc<str>,
    pub range: Option<Arc<str>>,
}

impl Plan {
    /// Checks an order.
    pub fn of(serve: &Serve, order: &WarmOrder, whose: &Customers) -> Result<Plan, String> {
        let settings = &serve.warm.settings;
        if order.urls.is_empty() && order.sitemaps.is_empty() {
            return Err("name `urls` or `sitemaps`".into());
        }
        for (field, list) in
            [("encodings", &order.encodings), ("forms", &order.forms), ("ranges", &order.ranges)]
        {
            if list.len() > VARIANTS {
                return Err(format!("`{field}` has {} entries; at most {VARIANTS}", list.len()));
            }
        }
        if order.sitemaps.len() > settings.sitemaps as usize {
            let most = settings.sitemaps;
            return Err(format!("{} sitemaps are more than {most}", order.sitemaps.len()));
        }
        order.encodings.iter().try_for_each(|it| encoding(it))?;
        order.ranges.iter().try_for_each(|it| range(it))?;
        let shared = |list: &[String]| list.iter().map(|it| Arc::from(it.as_str())).collect();
        let encodings = match order.encodings.is_empty() {
            true => vec![Arc::from(BROWSERS)],
            false => shared(&order.encodings),
        };
        let plan = Plan {
            urls: shared(&order.urls),
            sitemaps: shared(&order.sitemaps),
            encodings,
            forms: shared(&order.forms),
            ranges: shared(&order.ranges),
            rate: limit("rate", order.rate, settings.rate)?,
            concurrency: limit("concurrency", order.concurrency, settings.concurrency)?,
        };
        let wanted: u64 = plan.urls.iter().map(|url| plan.variants_of(url)).sum();
        if wanted > u64::from(settings.requests) {
            let most = settings.requests;
            return Err(format!("{wanted} requests are more than {most}, the most of one job"));
        }
        for url in order.urls.iter().chain(&order.sitemaps) {
            let site = serve.site_of_url(url, whose)?;
            if !plan.forms.is_empty() && is_picture(url) {
                plan.forms.iter().try_for_each(|form| check_form(&site, url, form))?;
            }
        }
        Ok(plan)
    }

    /// How many requests a URL comes to.
    fn variants_of(&self, url: &str) -> u64 {
        let forms = if is_picture(url) { self.forms.len().max(1) } else { 1 };
        (forms * self.encodings.len() * self.ranges.len().max(1)) as u64
    }

    /// The requests that a URL of a site comes to.
    pub fn wishes(&self, url: &str, site: &Site) -> Vec<Wish> {
        let urls: Vec<Arc<str>> = match self.forms.is_empty() || !is_picture(url) {
            true => vec![url.into()],
            false => self.forms.iter().map(|form| formed(site, url, form).into()).collect(),
        };
        let mut wishes = Vec::new();
        for url in urls {
            for encoding in &self.encodings {
                let wish = |range| {
                    let (url, encoding) = (Arc::clone(&url), Arc::clone(encoding));
                    Wish { url, encoding, range }
                };
                match self.ranges.is_empty() {
                    true => wishes.push(wish(None)),
                    false => wishes.extend(self.ranges.iter().cloned().map(Some).map(wish)),
                }
            }
        }
        wishes
    }

    /// About how much memory it takes with its results. A sitemap may list as much as a job may ask.
    pub fn memory(&self, settings: &Settings) -> u64 {
        let of = |url: &Arc<str>| self.variants_of(url) * (EACH + url.len() as u64);
        let listed: u64 = self.urls.iter().map(of).sum();
        let read = match self.sitemaps.is_empty() {
            true => 0,
            false => u64::from(settings.requests) * EACH,
        };
        // A small node takes a job with sitemaps all the same: their results are bounded by requests.
        listed + read.min(settings.memory.0 / 2)
    }
}

impl Wish {
    /// What tells it from others for the same URL.
    pub fn variant(&self) -> String {
        match &self.range {
            None => self.encoding.to_string(),
            Some(range) => format!("{}; bytes={range}", self.encoding),
        }
    }
}

/// Path and query of a URL, its host, and what a client would speak.
pub(super) fn parts(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = match url.split_once("://")? {
        ("http", rest) => (Scheme::Http, rest),
        ("https", rest) => (Scheme::Https, rest),
        _ => return None,
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at_checked(at)?;
    // What follows `#` is the client's own.
    let target = target.split('#').next().unwrap_or_default();
    Some((scheme, host, if target.is_empty() { "/" } else { target }))
}

fn is_picture(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let Some((_, end)) = path.rsplit_once('.') else { return false };
    PICTURES.iter().any(|picture| end.eq_ignore_ascii_case(picture))
}

/// A URL with what is to be made of its picture.
fn formed(site: &Site, url: &str, form: &str) -> String {
    let separator = char::from(site.document.images.separator.byte());
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (url, String::new()),
    };
    format!("{path}{separator}{form}{query}")
}

fn check_form(site: &Site, url: &str, form: &str) -> Result<(), String> {
    let images = &site.document.images;
    if !images.enabled {
        return Err(format!("`{url}`: its site makes no pictures, and `forms` are wanted"));
    }
    let formed = formed(site, url, form);
    let path = formed.split('?').next().unwrap_or_default();
    let bad = |why: &str| format!("the form `{form}` will not do: {why}");
    let asked = params::split(path, images.separator).ok_or_else(|| bad("it names nothing"))?;
    params::parse(asked.suffix, images).map(drop).map_err(|why| bad(&why.message))
}

fn limit(field: &str, wanted: Option<u32>, most: u32) -> Result<u32, String> {
    match wanted.unwrap_or(most) {
        wanted if (1..=most).contains(&wanted) => Ok(wanted),
        wanted => Err(format!("`{field}` is {wanted}; from 1 to {most} will do")),
    }
}

fn encoding(text: &str) -> Result<(), String> {
    let fits = |it: char| {
        it.is_ascii_alphanumeric() || matches!(it, ' ' | ',' | ';' | '=' | '.' | '*' | '-')
    };
    match !text.is_empty() && text.len() <= 100 && text.chars().all(fits) {
        true => Ok(()),
        false => Err(format!("`{text}` is no value of Accept-Encoding")),
    }
}

fn range(text: &str) -> Result<(), String> {
    let number = |it: &str| it.parse::<u64>().is_ok() && it.bytes().all(|it| it.is_ascii_digit());
    let good = match text.split_once('-') {
        Some(("", end)) => number(end),
        Some((start, "")) => number(start),
        Some((start, end)) => {
            number(start) && number(end) && start.parse::<u64>().ok() <= end.parse::<u64>().ok()
        }
        None => false,
    };
    match good {
        true => Ok(()),
        false => Err(format!("`{text}` is no range of bytes, as `0-1048575` is one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, expected) in [
            ("http://a.test/x?y#z", Some((Scheme::Http, "a.test", "/x?y"))),
            ("https://a.test:8443", Some((Scheme::Https, "a.test:8443", "/"))),
            ("ftp://a.test/", None),
            ("a.test/x", None),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
        assert!(is_picture("http://a.test/x.JPG?v=1") && !is_picture("http://a.test/x?y=.jpg"));
    }

    #[test]
    fn ranges_and_encodings_are_judged() {
        for good in ["0-0", "0-1048575", "5-", "-5"] {
            assert!(range(good).is_ok(), "{good}");
        }
        for bad in ["", "-", "5", "5-4", "a-b", "+1-2", "0-1,2-3", "99999999999999999999-"] {
            assert!(range(bad).is_err(), "{bad}");
        }
        assert!(encoding("br;q=1.0, *;q=0").is_ok() && encoding("gzip\r\nX: y").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in "(https?://)?.{0,30}") {
            let _ = (parts(&text), is_picture(&text), range(&text), encoding(&text));
        }
    }
}
