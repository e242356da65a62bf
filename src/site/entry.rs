//! One site in the table: its document as text, and what is built from it when it is first used.
//!
//! A site without traffic is this text, its hosts and two empty cells, well under 2 KiB. The first
//! request fills the first cell ([`Site`]), the first TLS handshake the second (the certificate).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;

use super::certificates::Loaded;
use super::diagnostic::Diagnostic;
use super::document::{Document, Outline};
use super::last_good::LastGood;
use super::pages::ErrorPages;
use super::release::Rules;
use super::respond::Respond;
use crate::cache::Policy;
use crate::clock::Clock;
use crate::setting::Complaint;
use crate::tls::Certificate;
use crate::upstream::{self, Group, Shared};

/// What every site of the node is built with.
#[derive(Clone)]
pub struct Surroundings {
    /// The folder of the documents; relative paths in a document start there.
    pub folder: PathBuf,
    /// What all groups of origin servers share.
    pub upstream: Arc<Shared>,
    /// Where the node listens; no site may have that for an origin.
    pub listeners: Vec<std::net::SocketAddr>,
    /// Where the active health checks of origins run; `None`: nowhere, as in `brink check`.
    pub checks: Option<Handle>,
    /// What is kept of sites.
    pub state: Arc<LastGood>,
    /// The node's clock.
    pub clock: Clock,
}

impl Surroundings {
    /// The file of the site `name`, as the operator would name it.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(format!("{name}.toml")).display().to_string()
    }

    /// Starts the health checks of a group that comes into use, if its settings ask for any. They
    /// end with the group.
    pub(super) fn watch(&self, group: &Arc<Group>) {
        if let Some(checks) = &self.checks {
            let _inside = checks.enter();
            upstream::watch(group);
        }
    }
}

/// A site in use: its settings in the form that each feature works with.
#[derive(Debug)]
pub struct Site {
    /// Part of every cache key; no two sites ever have the same.
    pub number: u32,
    /// The stem of the document's file.
    pub name: Arc<str>,
    /// Whether the site is open; a closed one answers 405 (code 40510001) to everything.
    pub enabled: bool,
    /// What is cached, for how long and under which key.
    pub policy: Arc<Policy>,
    /// Where what is not cached comes from.
    pub group: Arc<Group>,
    /// Other origins that rules may choose, by name.
    pub origins: BTreeMap<Box<str>, Arc<Group>>,
    /// How the edge answers.
    pub respond: Respond,
    /// What visitors get in place of errors, if the site has pages for them.
    pub pages: Option<Arc<ErrorPages>>,
    /// The customer's rules.
    pub rules: Rules,
    /// The whole document with its preset merged in.
    pub document: Document,
}

impl Site {
    /// Builds a site. Parts whose settings are as in `before` are taken over, so that a change of
    /// the cache policy costs no origin connection.
    ///
    /// # Errors
    /// What the origin's settings name and cannot be had.
    pub fn build(
        number: u32,
        name: &str,
        document: Document,
        surroundings: &Surroundings,
        before: Option<&Site>,
    ) -> Result<Site, Complaint> {
        let name: Arc<str> = name.into();
        let before = before.filter(|site| site.number == number);
        let same_cache = before.filter(|site| site.document.cache == document.cache);
        let group = |path: &str, origin: &upstream::Settings, used: Option<&Arc<Group>>| {
            let origin = with_paths(origin, &surroundings.folder);
            match used.filter(|used| used.settings() == &origin) {
                Some(used) => Ok(Arc::clone(used)),
                None => Group::new((number, &name), &origin, &surroundings.upstream)
                    .map_err(|complaint| complaint.within(path)),
            }
        };
        let mut origins = BTreeMap::new();
        for (name, origin) in &document.origins {
            let used = before.and_then(|site| site.origins.get(&**name));
            let made = group(&format!("origins.{name}"), origin, used)?;
            origins.insert(Box::from(name.as_str()), made);
        }
        let policy = match same_cache {
            Some(site) => site.policy.clone(),
            None => Arc::new(Policy::new(&document.cache)),
        };
        let rules = Rules::new(&name, &document, &surroundings.state)?;
        Ok(Site {
            number,
            name: Arc::clone(&name),
            enabled: document.enabled,
            pages: ErrorPages::new(&document.pages, &policy, rules.any()),
            policy,
            group: group("origin", &document.origin, before.map(|site| &site.group))?,
            origins,
            respond: document.respond.clone(),
            rules,
            document,
        })
    }
}

impl Site {
    /// All groups of origin servers.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        std::iter::once(&self.group).chain(self.origins.values())
    }
}

/// The origin's settings with the paths in them starting at the folder of the documents.
pub(super) fn with_paths(origin: &upstream::Settings, folder: &Path) -> upstream::Settings {
    let mut origin = origin.clone();
    let tls = &mut origin.tls;
    for path in [&mut tls.ca, &mut tls.certificate, &mut tls.key].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    origin
}

/// A site's place in the table.
#[derive(Debug)]
pub struct Entry {
    /// The stem of the document's file.
    pub name: Box<str>,
    /// Part of every cache key.
    pub number: u32,
    /// The document as written.
    pub text: Box<str>,
    /// Its hosts as the table keeps them.
    pub hosts: Box<[Box<str>]>,
    /// Whose it is.
    pub customer: Option<Box<str>>,
    /// The file's stamp when its text was last known to be this one; 0: not known.
    stamp: AtomicU64,
    site: OnceLock<Result<Arc<Site>, Arc<Diagnostic>>>,
    // Boxed by `Arc` inside, so an unused cell is two words.
    certificate: OnceLock<ArcSwapOption<Loaded>>,
}

impl Entry {
    /// An entry with nothing built yet.
    pub fn new(name: &str, number: u32, text: Box<str>, outline: Outline) -> Self {
        let Outline { hosts, customer } = outline;
        Entry {
            customer,
            name: name.into(),
            number,
            text,
            hosts,
            stamp: AtomicU64::new(0),
            site: OnceLock::new(),
            certificate: OnceLock::new(),
        }
    }

    /// The same entry with its site built already, and its certificate read.
    pub fn built(self, site: Site, certificate: Option<Loaded>) -> Self {
        let certificate = OnceLock::from(ArcSwapOption::new(certificate.map(Arc::new)));
        Entry { certificate, ..self.with_site(site) }
    }

    /// The same entry with its site built already.
    pub fn with_site(self, site: Site) -> Self {
        Entry { site: OnceLock::from(Ok(Arc::new(site))), ..self }
    }

    /// The site, built now if nobody asked before.
    ///
    /// # Errors
    /// When the document was good once and cannot be built now. The answer is kept.
    pub fn site(&self, surroundings: &Surroundings) -> Result<Arc<Site>, Arc<Diagnostic>> {
        self.site.get_or_init(|| self.build(surroundings).map_err(Arc::new)).clone()
    }

    /// The same entry with nothing built yet.
    pub fn anew(&self) -> Self {
        let outline = Outline { hosts: self.hosts.clone(), customer: self.customer.clone() };
        Entry::new(&self.name, self.number, self.text.clone(), outline)
    }

    /// The site if somebody asked for it and it could be built.
    pub fn site_in_use(&self) -> Option<&Arc<Site>> {
        self.site.get()?.as_ref().ok()
    }

    /// Whether somebody asked for the site and it could not be built.
    pub fn failed(&self) -> bool {
        self.site.get().is_some_and(Result::is_err)
    }

    /// The certificate, read now if nobody asked before; `None` when the site has none or its files
    /// cannot be read, which is remembered until the next reload.
    pub fn certificate(&self, surroundings: &Surroundings) -> Option<Arc<Certificate>> {
        let cell = self.certificate.get_or_init(|| {
            ArcSwapOption::new(self.read_certificate(surroundings).ok().flatten().map(Arc::new))
        });
        cell.load().as_ref().map(|loaded| loaded.certificate.clone())
    }

    /// Reads the certificate's files again if it is in use and they changed.
    ///
    /// # Errors
    /// When the new files will not do; the certificate read before stays in use.
    pub fn refresh_certificate(&self, surroundings: &Surroundings) -> Result<bool, Diagnostic> {
        let Some(cell) = self.certificate.get() else { return Ok(false) };
        let current = cell.load_full();
        let now = surroundings.clock.now();
        if current.as_ref().is_some_and(|loaded| !loaded.changed(now)) {
            return Ok(false);
        }
        let Some(fresh) = self.read_certificate(surroundings)? else { return Ok(false) };
        if let Some(complaint) = fresh.judge(&self.hosts, now) {
            return Err(self.complain(surroundings, &complaint));
        }
        let replaced = current.is_none_or(|loaded| {
            loaded.certificate.fingerprint() != fresh.certificate.fingerprint()
        });
        cell.store(Some(Arc::new(fresh)));
        Ok(replaced)
    }

    /// Whether the file at `path` is known to hold this text still.
    pub fn is_current(&self, stamp: Option<u64>) -> bool {
        stamp.is_some_and(|stamp| stamp == self.stamp.load(Ordering::Relaxed))
    }

    /// Remembers the stamp of a file that was seen to hold this text.
    pub fn seen(&self, stamp: Option<u64>) {
        self.stamp.store(stamp.unwrap_or(0), Ordering::Relaxed);
    }

    fn build(&self, surroundings: &Surroundings) -> Result<Arc<Site>, Diagnostic> {
        let document = Document::parse(&surroundings.file(&self.name), &self.text)?;
        let site = Site::build(self.number, &self.name, document, surroundings, None)
            .map_err(|complaint| self.complain(surroundings, &complaint))?;
        site.groups().for_each(|group| surroundings.watch(group));
        Ok(Arc::new(site))
    }

    fn read_certificate(&self, surroundings: &Surroundings) -> Result<Option<Loaded>, Diagnostic> {
        let site = self.site(surroundings).map_err(|trouble| (*trouble).clone())?;
        let settings = &site.document.tls;
        if !settings.enabled() {
            return Ok(None);
        }
        Loaded::read(&surroundings.folder, settings, surroundings.clock.now())
            .map(Some)
            .map_err(|complaint| self.complain(surroundings, &complaint))
    }

    fn complain(&self, surroundings: &Surroundings, complaint: &Complaint) -> Diagnostic {
        Diagnostic::from_complaint(&surroundings.file(&self.name), &self.text, complaint)
    }

    #[cfg(test)]
    pub(super) fn for_test(name: &str, hosts: &[&str]) -> Self {
        let hosts = hosts.iter().map(|host| Box::from(*host)).collect();
        Entry::new(name, 0, "".into(), Outline { hosts, customer: None })
    }
}
