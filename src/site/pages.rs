//! The `[pages]` table of a site document: what visitors get in place of an error.
//!
//! `serve` acts on it. A page is a path of the site itself, so it is fetched from the site's own
//! origin through its own cache, and no site can name what belongs to another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::diagnostic::nearest;
use crate::cache::Policy;
use crate::clock::Timestamp;
use crate::setting::Complaint;

/// The site's own pages for errors. Each is a path of the same site, as in `"/errors/404.html"`, with a
/// query if need be, and may be stored; one whose origin does not say for how long is stored for a
/// minute. Where a page cannot be had, the answer is what it would be without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pages {
    /// For clients whose address or region is refused; sent with the status of the error, as all
    /// pages are but those of `origin` and `images`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<str>>,
    /// For requests that are refused for their Referer, User-Agent or token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hotlink: Option<Box<str>>,
    /// For requests that the customer's own authority refuses or cannot judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Box<str>>,
    /// For requests that come too often or look like attacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Box<str>>,
    /// For 403 and 404 of the customer's edge rules, where these have no words of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: ByStatus,
    /// For everything while the site is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Box<str>>,
    /// For what the origin gives no answer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<Box<str>>,
    /// By the origin's status, of 400, 403, 404, 405, 414, 416, 500 to 504: the client is sent there by
    /// a 302.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub origin: ByStatus,
    /// Pictures of at most 30KiB by status, 403, 404 or 405, whoever gave it: a client that asked for
    /// a picture is sent there by a 302, unless there is a page for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: ByStatus,
}

/// Paths by status code.
pub type ByStatus = BTreeMap<Box<str>, Box<str>>;

/// Who made an error that the edge answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The client's address or region is refused.
    Refused,
    /// The Referer, User-Agent or token is.
    Hotlink,
    /// The customer's authority refuses.
    Authentication,
    /// The edge protects itself and its customers.
    Security,
    /// A rule of the customer.
    Rules,
    /// The site is closed.
    Closed,
    /// The origin gave no answer.
    Unreachable,
}

/// What a client gets in place of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead<'a> {
    /// This page, with the error's status.
    Page(&'a str),
    /// A 302 to this page.
    Elsewhere(&'a str),
    /// A 302 to this picture, if it is small enough.
    Image(&'a str),
}

const RULE_STATUSES: &[&str] = &["403", "404"];
const IMAGE_STATUSES: &[&str] = &["403", "404", "405"];
const ORIGIN_STATUSES: &[&str] =
    &["400", "403", "404", "405", "414", "416", "500", "501", "502", "503", "504"];
/// Longest path of a page, in bytes.
const LONGEST: usize = 1024;

/// What the keys of pages have that are stored apart.
const APART: &[u8] = b"\0page";

/// How long a page lives whose origin says nothing about that.
const LIFETIME: Duration = Duration::from_secs(60);
/// The origin is asked for a page that it gave not, or not to be stored, once in so long.
const BACK_OFF: Duration = Duration::from_secs(10);
/// How often pages that are needed when the origin fails are looked after while it does not.
const LOOK_AFTER: Duration = Duration::from_secs(60);

impl Pages {
    /// What is wrong with the values, seen from the table.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let single = self.single();
        for (name, path) in single.iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
            complaints.extend(complaint(path).map(|found| found.within(name)));
        }
        for (table, pages, statuses) in self.tables() {
            for (status, path) in pages {
                let field = format!("{table}.{status}");
                if !statuses.contains(&&**status) {
                    let message = format!("there is no page for `{status}` here");
                    let near =
                        nearest(status, statuses).map(|near| format!("did you mean {near}?"));
                    let known = || format!("write one of {}", statuses.join(", "));
                    let suggestion = near.unwrap_or_else(known);
                    complaints.push(Complaint::new(field, message).suggest(suggestion));
                    continue;
                }
                complaints.extend(complaint(path).map(|found| found.within(&field)));
            }
        }
        complaints
    }

    /// What is sent in place of an error of the edge's own, if anything is.
    pub fn for_edge(
        &self,
        source: Option<Source>,
        status: StatusCode,
        wants_image: bool,
    ) -> Option<Instead<'_>> {
        let page = match source {
            Some(Source::Refused) => self.refused.as_deref(),
            Some(Source::Hotlink) => self.hotlink.as_deref(),
            Some(Source::Authentication) => self.authentication.as_deref(),
            Some(Source::Security) => self.security.as_deref(),
            Some(Source::Rules) => self.rules.get(status.as_str()).map(|path| &**path),
            Some(Source::Closed) => self.closed.as_deref(),
            Some(Source::Unreachable) => self.unreachable.as_deref(),
            None => None,
        };
        page.map(Instead::Page).or_else(|| self.image(status, wants_image))
    }

    /// What is sent in place of an origin's error, if anything is.
    pub fn for_origin(&self, status: StatusCode, wants_image: bool) -> Option<Instead<'_>> {
        let page = self.origin.get(status.as_str()).map(|path| Instead::Elsewhere(path));
        page.or_else(|| self.image(status, wants_image))
    }

    /// Whether this is the path of one of the pages: nobody is sent from one to another.
    pub fn has(&self, path: &str) -> bool {
        self.all().any(|page| page.split('?').next() == Some(path))
    }

    /// Every page.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let single = self.single().into_iter().filter_map(|(_, path)| path.as_ref());
        let by_status = self.tables().into_iter().flat_map(|(_, pages, _)| pages.values());
        single.chain(by_status).map(|path| &**path)
    }

    /// The pages for an origin that fails.
    pub fn for_outages(&self) -> impl Iterator<Item = &str> {
        let statuses = self.origin.iter().filter(|(status, _)| status.starts_with('5'));
        self.unreachable.iter().chain(statuses.map(|(_, path)| path)).map(|path| &**path)
    }

    fn image(&self, status: StatusCode, wants_image: bool) -> Option<Instead<'_>> {
        let path = self.images.get(status.as_str()).filter(|_| wants_image);
        path.map(|path| Instead::Image(path))
    }

    fn single(&self) -> [(&'static str, &Option<Box<str>>); 6] {
        [
            ("refused", &self.refused),
            ("hotlink", &self.hotlink),
            ("authentication", &self.authentication),
            ("security", &self.security),
            ("closed", &self.closed),
            ("unreachable", &self.unreachable),
        ]
    }

    fn tables(&self) -> [(&'static str, &ByStatus, &'static [&'static str]); 3] {
        [
            ("rules", &self.rules, RULE_STATUSES),
            ("origin", &self.origin, ORIGIN_STATUSES),
            ("images", &self.images, IMAGE_STATUSES),
        ]
    }
}

/// What is wrong with a page, if anything is; the field is the value itself.
fn complaint(path: &str) -> Option<Complaint> {
    let wrong = |message: String| Some(Complaint::new("", message));
    let example = "write the path alone, as in \"/errors/404.html\"";
    if path.len() > LONGEST {
        return wrong(format!("the path is longer than {LONGEST} bytes"));
    }
    if path.contains("://") || path.starts_with("//") {
        let found = wrong(format!("`{path}` names a host; a page is a path of the site itself"))?;
        return Some(found.suggest(example));
    }
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\".contains(&byte));
    if !path.starts_with('/') || !is_plain || PathAndQuery::try_from(path).is_err() {
        let found = wrong(format!("`{path}` is no path as it stands in a URL"))?;
        return Some(found.suggest(example));
    }
    None
}

/// The pages of a site in use.
#[derive(Debug)]
pub struct ErrorPages {
    /// Which page for which error.
    pub settings: Pages,
    /// How pages are cached: as the site says, and for a minute where nobody says how long; while the
    /// origin cannot be reached, for as long as that takes.
    pub policy: Arc<Policy>,
    /// Before when nobody asks an origin for a page, one for each; held by who asks.
    doors: BTreeMap<Box<str>, Mutex<Timestamp>>,
    looked_after: AtomicU64,
}

impl ErrorPages {
    /// The pages, if there are any. Where the site has rules, what is fetched for pages is stored
    /// apart from what visitors get: not all rules have had their say of it.
    pub fn new(settings: &Pages, policy: &Policy, has_rules: bool) -> Option<Arc<ErrorPages>> {
        let doors: BTreeMap<_, _> =
            settings.all().map(|path| (path.into(), Mutex::default())).collect();
        if doors.is_empty() {
            return None;
        }
        let mut policy = policy.clone().lasting(LIFETIME);
        if has_rules {
            policy.key_texts.push(APART.into());
        }
        let policy = Arc::new(policy);
        let (settings, looked_after) = (settings.clone(), AtomicU64::new(0));
        Some(Arc::new(ErrorPages { settings, policy, doors, looked_after }))
    }

    /// What keeps a page from being asked for more often than its origin can bear.
    pub fn door(&self, path: &str) -> Option<&Mutex<Timestamp>> {
        self.doors.get(path)
    }

    /// Opens the door to who may ask the origin now, and closes it behind them for a while.
    pub fn opens(not_before: &mut Timestamp, now: Timestamp) -> bool {
        let open = now >= *not_before;
        if open {
            *not_before = now.plus(BACK_OFF);
        }
        open
    }

    /// Whether the pages for outages are to be looked after now; says so once in a minute.
    pub fn are_due(&self, now: Timestamp) -> bool {
        let last = self.looked_after.load(Ordering::Relaxed);
        let due = last == 0 || now.since(Timestamp(last)) >= LOOK_AFTER;
        due && self
            .looked_after
            .compare_exchange(last, now.0.max(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pages(text: &str) -> Pages {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn each_error_has_its_page_and_pages_win_over_pictures() {
        let pages = pages(
            "hotlink = '/h'\nclosed = '/c'\nunreachable = '/u'\nrules = { 404 = '/r' }\n\
             origin = { 404 = '/o', 503 = '/busy' }\nimages = { 403 = '/403.png', 404 = '/404.png' }",
        );
        let edge = |source, status: u16, image| {
            pages.for_edge(source, StatusCode::from_u16(status).unwrap(), image)
        };
        assert_eq!(edge(Some(Source::Hotlink), 403, true), Some(Instead::Page("/h")));
        assert_eq!(edge(Some(Source::Closed), 405, true), Some(Instead::Page("/c")));
        assert_eq!(edge(Some(Source::Unreachable), 502, false), Some(Instead::Page("/u")));
        assert_eq!(edge(Some(Source::Rules), 404, true), Some(Instead::Page("/r")));
        assert_eq!(edge(Some(Source::Rules), 403, true), Some(Instead::Image("/403.png")));
        assert_eq!(edge(Some(Source::Refused), 403, false), None);
        assert_eq!(edge(None, 403, true), Some(Instead::Image("/403.png")));
        let origin =
            |status: u16, image| pages.for_origin(StatusCode::from_u16(status).unwrap(), image);
        assert_eq!(origin(404, true), Some(Instead::Elsewhere("/o")));
        assert_eq!(origin(403, true), Some(Instead::Image("/403.png")));
        assert_eq!((origin(403, false), origin(405, true)), (None, None));
        assert_eq!(pages.for_outages().collect::<Vec<_>>(), ["/u", "/busy"]);
        assert!(pages.has("/busy") && pages.has("/403.png") && !pages.has("/x"));
        assert_eq!(pages.validate(), vec![]);
        assert_eq!(super::tests::pages(&toml::to_string_pretty(&pages).unwrap()), pages);
    }

    #[test]
    fn what_is_no_page_is_named() {
        let found = pages(
            "closed = 'closed.html'\nhotlink = 'https://other.test/x'\nrefused = '//other.test/x'\n\
             security = '/a b'\nrules = { 405 = '/x' }\norigin = { 40 = '/x', 404 = '' }\n\
             images = { 404 = '/ok.png#x' }",
        )
        .validate();
        let fields: Vec<_> = found.iter().map(|it| it.field.as_str()).collect();
        let expected = [
            "refused",
            "hotlink",
            "security",
            "closed",
            "rules.405",
            "origin.40",
            "origin.404",
            "images.404",
        ];
        assert_eq!(fields, expected);
        assert!(found.iter().all(|it| it.suggestion.is_some()), "{found:?}");
        assert!(toml::from_str::<Pages>("hotlnk = '/x'").is_err());
    }

    #[test]
    fn a_page_is_asked_for_once_in_a_while() {
        let (mut not_before, now) = (Timestamp::default(), Timestamp(1_000_000));
        assert!(ErrorPages::opens(&mut not_before, now));
        assert!(!ErrorPages::opens(&mut not_before, now.plus(Duration::from_secs(9))));
        assert!(ErrorPages::opens(&mut not_before, now.plus(Duration::from_secs(10))));
        let made = ErrorPages::new(&pages("closed = '/c'"), &Policy::default(), false).unwrap();
        assert!(made.door("/c").is_some() && made.door("/d").is_none());
        assert!(made.are_due(now) && !made.are_due(now.plus(Duration::from_secs(59))));
        assert!(made.are_due(now.plus(Duration::from_secs(60))));
        assert!(ErrorPages::new(&Pages::default(), &Policy::default(), true).is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_on_the_site(path in "[ -~é]{0,12}", slash: bool) {
            let path = if slash { format!("/{path}") } else { path };
            if complaint(&path).is_none() {
                let base = http::Uri::from_static("http://a.test/");
                let whole: http::Uri = format!("http://a.test{path}").parse().unwrap();
                prop_assert_eq!(whole.authority(), base.authority());
                prop_assert!(path.starts_with('/') && !path.starts_with("//"));
                prop_assert!(http::HeaderValue::try_from(&path).is_ok());
            }
        }
    }
}
