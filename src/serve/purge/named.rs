//! What a purge names: URLs, folders and patterns become what the store knows them by, as a request
//! for them would be looked up.

use std::sync::Arc;

use http::{Method, Request, Uri, header};

use crate::cache::pattern::Pattern;
use crate::cache::{self, Key, KeyRef, tags};
use crate::header::present::Present;
use crate::image::params;
use crate::serve::Serve;
use crate::serve::identify::{Identity, canonical_authority, canonical_host};
use crate::serve::images;
use crate::serve::plan::Asked;
use crate::serve::purge::MOST;
use crate::site::{Customers, Entry, Site};
use crate::store::rules::{Matching, Scope};
use crate::upstream::Scheme;

/// Rules with patterns that a site may have at a time: each is tried on what it might be about.
const PATTERNS: usize = 1000;

/// The words of one order.
pub(super) struct Named<'a>(&'a Serve, &'a Customers);

impl<'a> Named<'a> {
    /// Words that mean nothing beyond whose sites are meant.
    pub fn new(serve: &'a Serve, whose: &'a Customers) -> Self {
        Named(serve, whose)
    }

    fn site_of(&self, host: &str) -> Result<Arc<Site>, String> {
        self.0.site_of(host, self.1)
    }

    /// All that there is, or all of a customer's sites.
    pub fn everything(&self) -> Vec<Scope> {
        match self.1 {
            Customers::All => vec![Scope::All],
            Customers::One(_) => self.numbers().map(Scope::Site).collect(),
        }
    }

    /// The numbers of a customer's sites.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let snapshot = self.0.sites.snapshot();
        let own = |entry: &&Arc<Entry>| self.1.owns(entry.customer.as_deref());
        let entries = snapshot.names.iter().map(|(_, entry)| entry).filter(own);
        entries.map(|entry| entry.number).collect::<Vec<_>>().into_iter()
    }

    /// A URL with all that hangs on it, whatever is known of its query.
    pub fn url(&self, url: &str) -> Result<[Scope; 2], String> {
        let asked = self.0.asked(url, self.1)?;
        let site = asked.site();
        let question = cache::question(&site.policy, site.number, &asked.request());
        Ok(KeyRef::from(&question).url_hashes().map(Scope::Url))
    }

    /// All URLs that begin so.
    pub fn prefix(&self, prefix: &str) -> Result<Scope, String> {
        let bad = |why: &str| format!("`{prefix}` names nothing: {why}");
        let (host, path) = parts(prefix).map_err(|why| bad(&why))?;
        let site = self.site_of(&host).map_err(|why| bad(&why))?.number;
        if path.ends_with('/') && !path.contains('?') {
            return Ok(Scope::Folder(site, format!("{host}{path}").into()));
        }
        if path.contains(['*', '(', ')', '?']) {
            return Err(bad("a prefix has no `*`, list or query; name it as a rule"));
        }
        self.matching(site, host, &format!("{path}*"), None).map_err(|why| bad(&why))
    }

    /// All URLs that match.
    pub fn rule(&self, rule: &str) -> Result<Scope, String> {
        let bad = |why: &str| format!("`{rule}` names nothing: {why}");
        let (host, target) = parts(rule).map_err(|why| bad(&why))?;
        let site = self.site_of(&host).map_err(|why| bad(&why))?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let images = &site.document.images;
        let Some(picture) = params::split(path, images.separator).filter(|_| images.enabled) else {
            return self.matching(site.number, host, target, None).map_err(|why| bad(&why));
        };
        let form = params::parse(picture.suffix, images).map_err(|why| bad(&why.message))?;
        let pattern = match query {
            Some(query) => format!("{}?{query}", picture.original),
            None => picture.original.to_owned(),
        };
        let form = Some(form.canonical().into());
        self.matching(site.number, host, &pattern, form).map_err(|why| bad(&why))
    }

    fn matching(
        &self,
        site: u32,
        host: String,
        pattern: &str,
        picture: Option<Box<str>>,
    ) -> Result<Scope, String> {
        let pattern = Pattern::parse(pattern)?;
        Ok(Scope::Matching(site, Arc::new(Matching { host: host.into(), pattern, picture })))
    }

    /// All of a host.
    pub fn host(&self, host: &str) -> Result<Scope, String> {
        let site = self.site_of(host)?.number;
        let host = canonical_authority(host.trim(), Scheme::Http);
        Ok(match host.strip_prefix("*.") {
            Some(_) => Scope::Matching(
                site,
                Arc::new(Matching { host: host.into(), pattern: Pattern::all(), picture: None }),
            ),
            None => Scope::Folder(site, format!("{host}/").into()),
        })
    }

    /// All of a site.
    pub fn site(&self, name: &str) -> Result<Scope, String> {
        self.number(name).map(Scope::Site)
    }

    fn number(&self, name: &str) -> Result<u32, String> {
        let snapshot = self.0.sites.snapshot();
        let own = |entry: &&Arc<Entry>| self.1.owns(entry.customer.as_deref());
        let entry = snapshot.site(name).filter(own);
        Ok(entry.ok_or_else(|| format!("there is no site `{name}`"))?.number)
    }

    /// What has one of these tags, of the site that has the host or the name, or of all.
    pub fn tags(
        &self,
        tags: &[String],
        host: Option<&str>,
        name: Option<&str>,
    ) -> Result<Vec<Scope>, String> {
        let site = match (host, name) {
            (Some(host), None) => Some(self.site_of(host)?.number),
            (None, Some(name)) => Some(self.number(name)?),
            (None, None) => None,
            (Some(_), Some(_)) => return Err("say `host` or `site`, not both".into()),
        };
        let sites: Vec<Option<u32>> = match (site, self.1) {
            (None, Customers::One(_)) => self.numbers().map(Some).collect(),
            (site, _) => vec![site],
        };
        if sites.len() * tags.len() > MOST {
            return Err(format!(
                "{} tags of {} sites are more than {MOST} together; say whose by `host`",
                tags.len(),
                sites.len()
            ));
        }
        let mut scopes = Vec::with_capacity(2 * sites.len() * tags.len());
        for tag in tags {
            let tag = tag.trim();
            if tag.is_empty() {
                return Err("a tag is empty".into());
            }
            let hash = tags::hash(tag.as_bytes());
            scopes.extend(sites.iter().map(|site| Scope::Tag(*site, hash)));
            // A group is a host's own.
            if let (Some(_), Some(host)) = (site, host) {
                let host = canonical_authority(host, Scheme::Http);
                scopes.push(Scope::Tag(site, tags::group_hash(&host, tag)));
            }
        }
        Ok(scopes)
    }

    /// Whether a host, perhaps with `*.`, is this site's.
    pub fn check_host(&self, host: &str, site: u32) -> Result<(), String> {
        match self.site_of(host)?.number == site {
            true => Ok(()),
            false => Err(format!("`{host}` is another site's")),
        }
    }
}

/// Whether the sites have room for these patterns.
pub(super) fn check_room(serve: &Serve, scopes: &[Scope]) -> Result<(), String> {
    let mut new = std::collections::HashMap::<u32, usize>::new();
    for scope in scopes {
        if let Scope::Matching(site, _) = scope {
            *new.entry(*site).or_default() += 1;
        }
    }
    match new.iter().find(|(site, new)| serve.store.patterns_of(**site) + **new > PATTERNS) {
        Some(_) => Err(format!(
            "the site has more than {PATTERNS} purge rules with patterns of the last 30 days; \
             purge folders, tags or the whole site instead"
        )),
        None => Ok(()),
    }
}

/// A URL that asks for what is stored under a key.
pub(super) fn url(serve: &Serve, key: &Key) -> String {
    let Some(asked) = KeyRef::from(key).asked() else { return key.to_string() };
    let mut url = format!("http://{}{}", asked.host, asked.path);
    if let Some(picture) = asked.picture {
        let site = serve.sites.find(&canonical_host(asked.host)).ok().flatten();
        let separator = site.map(|site| site.document.images.separator).unwrap_or_default();
        url.push(separator.byte().into());
        url.push_str(picture);
    }
    if let Some(query) = asked.query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// Host, with its port, and the rest of a URL that may have stars.
fn parts(url: &str) -> Result<(String, &str), String> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => return Err("it must begin with http:// or https://".into()),
    };
    let at = rest.find('/').ok_or("behind the host must stand a path, `/` at least")?;
    let (host, path) = rest.split_at(at);
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err("a path has no spaces and no letters beyond ASCII: write them as %XX".into());
    }
    let end = host.strip_prefix("*.").unwrap_or(host);
    if end.is_empty() || end.parse::<http::uri::Authority>().is_err() || end.contains(['*', '@']) {
        return Err(format!("`{host}` is no host"));
    }
    Ok((canonical_authority(host, scheme), path))
}

impl Serve {
    /// A request for a URL.
    ///
    /// # Errors
    /// It is none, or no site has its host, or somebody else's.
    pub(in crate::serve) fn asked(&self, url: &str, whose: &Customers) -> Result<Asked, String> {
        let bad = |why: String| format!("`{url}` names nothing: {why}");
        let uri = url.parse::<Uri>().map_err(|error| bad(error.to_string()))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(bad("it must begin with http:// or https://".into())),
        };
        let authority = uri.authority().cloned().ok_or_else(|| bad("it names no host".into()))?;
        let request = Request::builder().method(Method::GET).uri(uri).body(());
        let mut head = request.map_err(|error| bad(error.to_string()))?.into_parts().0;
        head.headers.remove(header::HOST);
        let site = self.site_of(authority.as_str(), whose).map_err(bad)?;
        // A picture is kept and purged with its original.
        images::name_the_original(&site.document.images, &mut head.uri);
        let refused = |_| bad("no request could be for it".into());
        let identity = Identity::new(site, scheme, authority.as_str(), 0).map_err(refused)?;
        let present = Present::of(&head.headers);
        Asked::new(identity, head, present, None).map_err(refused)
    }

    /// The site of a URL.
    ///
    /// # Errors
    /// It is no URL, or no site has its host, or somebody else's.
    pub(in crate::serve) fn site_of_url(
        &self,
        url: &str,
        whose: &Customers,
    ) -> Result<Arc<Site>, String> {
        self.asked(url, whose).map(|asked| Arc::clone(&asked.identity.site))
    }

    fn site_of(&self, host: &str, whose: &Customers) -> Result<Arc<Site>, String> {
        match self.sites.find(&canonical_host(host)) {
            Ok(Some(site)) if whose.owns(site.document.customer.as_deref()) => Ok(site),
            // Whether others have it is theirs to know.
            Ok(_) => Err(format!("no site has the host `{host}`")),
            Err(diagnostic) => Err(diagnostic.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_are_told_apart() {
        for (url, expected) in [
            ("http://A.com/x/*", ("a.com", "/x/*")),
            ("https://a.com:443/", ("a.com", "/")),
            ("http://a.com:8080/?a", ("a.com:8080", "/?a")),
            ("https://*.a.com/img/", ("*.a.com", "/img/")),
        ] {
            let (host, path) = parts(url).unwrap();
            assert_eq!((host.as_str(), path), expected, "{url}");
        }
        for url in [
            "/x",
            "a.com/x",
            "ftp://a.com/",
            "http://a.com",
            "http:///x",
            "http://a*.com/",
            "http://a.com/\u{e9}",
        ] {
            assert!(parts(url).is_err(), "{url}");
        }
    }
}
