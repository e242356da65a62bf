//! The document of one site: the tables that each feature defines, gathered and read as one.
//!
//! A document is parsed once. Its preset's tables are laid under its own before the values become
//! types, so whatever it spells out wins, and every error points into the operator's own text.

use std::collections::BTreeMap;
use std::sync::Arc;

use edge_rules::Program;
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::host;
use super::pages::Pages;
use super::preset::{self, Preset};
use super::purging::Purging;
use super::release::Release;
use super::respond::Respond;
use super::rules::checked_rules;
use crate::setting::Complaint;
use crate::{cache, image, telemetry, tls, upstream};

/// One site as its operator describes it, with the preset's defaults filled in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The names that the site answers for: exact, or `*.example.com`, where `*` covers one to four
    /// labels and a more specific name of any site wins. Required, 1 to 1000.
    pub hosts: Vec<String>,
    /// Whether the site is open; a closed one answers 405 with code 40510001. Default: true.
    #[serde(default = "open")]
    pub enabled: bool,
    /// Whose site it is: a customer's name of letters, digits, `-`, `_` and `.`, whose tokens reach
    /// it through the admin API. Default: nobody's but the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The scenario whose defaults apply where the document is silent. Default: none, which is
    /// RFC 9111 and nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Where the content comes from. Required.
    pub origin: upstream::Settings,
    /// Other origins, by names of letters, digits, `-` and `_`, for rules to choose; at most 32.
    /// What each of them answers is stored apart. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, upstream::Settings>,
    /// What is cached, how long and under which key.
    #[serde(default)]
    pub cache: cache::Settings,
    /// The site's certificate.
    #[serde(default)]
    pub tls: tls::Settings,
    /// What is made of images.
    #[serde(default)]
    pub images: image::Settings,
    /// How the edge answers.
    #[serde(default)]
    pub respond: Respond,
    /// Who may purge the site by requests to it.
    #[serde(default)]
    pub purge: Purging,
    /// The site's own pages for errors. Default: none.
    #[serde(default)]
    pub pages: Pages,
    /// What of the site is logged.
    #[serde(default)]
    pub log: telemetry::SiteLog,
    /// The customer's edge rules, in their order; edge-rules/README.md is their language. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<toml::Table>,
    /// How the rules reach clients.
    #[serde(default)]
    pub release: Release,
    /// The rules, checked.
    #[serde(skip)]
    pub program: Option<Arc<Program>>,
}

/// More hosts than any customer binds; the table would take more, a person would not.
const MAX_HOSTS: usize = 1000;

/// Most origins beside the first.
const MAX_ORIGINS: usize = 32;

/// Whether this can name an origin.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether this can name a customer.
pub fn is_customer(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn open() -> bool {
    true
}

impl Document {
    /// Reads a document and lays its preset underneath.
    ///
    /// # Errors
    /// The first place where `text` is not TOML, or has an unknown key or a wrong type.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let explain = |error: toml::de::Error| Diagnostic::from_toml(file, text, &error);
        let mut document = DeTable::parse(text).map_err(explain)?;
        let program = checked_rules(file, text, document.get_ref(), true)?;
        if let Some(preset) = named_preset(document.get_ref()) {
            preset::lay_under(document.get_mut(), preset.table());
        }
        let document =
            Document::deserialize(toml::Deserializer::from(document)).map_err(explain)?;
        Ok(Document { program, ..document })
    }

    /// The hosts as the table keeps them; those that are no host names are left out.
    pub fn patterns(&self) -> Box<[Box<str>]> {
        self.hosts.iter().filter_map(|text| host::parse(text).ok()).collect()
    }

    /// Everything that is wrong with the values; paths start at the document's root.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = self.validate_hosts();
        if let Some(customer) = self.customer.as_deref().filter(|it| !is_customer(it)) {
            let message = format!("`{customer}` is no name of a customer");
            let suggestion = "write 1 to 64 letters, digits, `-`, `_` and `.`";
            complaints.push(Complaint::new("customer", message).suggest(suggestion));
        }
        if self.origins.len() > MAX_ORIGINS {
            let message =
                format!("a site has at most {MAX_ORIGINS}, this has {}", self.origins.len());
            complaints.push(Complaint::new("origins", message));
        }
        for (path, origin) in self.all_origins() {
            complaints.extend(origin.validate().into_iter().map(|found| found.within(&path)));
        }
        complaints.extend(self.origins.keys().filter(|name| !is_name(name)).map(|name| {
            let message =
                format!("`{name}` is no name: it has 1 to 64 letters, digits, `-` and `_`");
            Complaint::new(format!("origins.{name}"), message)
        }));
        let tables = [
            ("cache", self.cache.validate()),
            ("tls", self.tls.validate()),
            ("images", self.images.validate()),
            ("respond", self.respond.validate()),
            ("purge", self.purge.validate()),
            ("pages", self.pages.validate()),
            ("release", self.release.validate()),
        ];
        for (table, found) in tables {
            complaints.extend(found.into_iter().map(|complaint| complaint.within(table)));
        }
        complaints
    }

    /// The site's origin and the others that rules may choose, with their places in the document.
    pub fn all_origins(&self) -> impl Iterator<Item = (String, &upstream::Settings)> {
        let others = self.origins.iter().map(|(name, it)| (format!("origins.{name}"), it));
        std::iter::once(("origin".to_owned(), &self.origin)).chain(others)
    }

    /// The files of the node that it names, each with its place.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (field, path) in [("certificate", &self.tls.certificate), ("key", &self.tls.key)] {
            if !path.is_empty() {
                files.push((format!("tls.{field}"), path.clone()));
            }
        }
        for (place, origin) in self.all_origins() {
            let tls = &origin.tls;
            let named = [("ca", &tls.ca), ("certificate", &tls.certificate), ("key", &tls.key)];
            for (field, path) in
                named.into_iter().filter_map(|(it, path)| Some((it, path.as_ref()?)))
            {
                files.push((format!("{place}.tls.{field}"), path.display().to_string()));
            }
        }
        files
    }

    /// The document with every default written out, as TOML.
    ///
    /// # Errors
    /// When a value has no TOML form, which no value of a parsed document lacks.
    pub fn effective(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    fn validate_hosts(&self) -> Vec<Complaint> {
        if self.hosts.is_empty() || self.hosts.len() > MAX_HOSTS {
            let message =
                format!("a site has 1 to {MAX_HOSTS} hosts, this has {}", self.hosts.len());
            return vec![Complaint::new("hosts", message)];
        }
        let mut complaints = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (at, text) in self.hosts.iter().enumerate() {
            let field = format!("hosts[{at}]");
            match host::parse(text) {
                Ok(pattern) => {
                    if !seen.insert(pattern) {
                        let message = format!("`{text}` stands here twice");
                        complaints.push(Complaint::new(field, message));
                    }
                }
                Err((message, suggestion)) => {
                    complaints.push(Complaint { suggestion, ..Complaint::new(field, message) });
                }
            }
        }
        complaints
    }
}

/// What the table of sites has to know of a document.
pub struct Outline {
    /// Its hosts in the table's form.
    pub hosts: Box<[Box<str>]>,
    /// Whose it is.
    pub customer: Option<Box<str>>,
}

impl Outline {
    /// Reads only this of a document that was validated before. `None` when it is no such document
    /// after all.
    pub fn of(text: &str) -> Option<Outline> {
        let document = DeTable::parse(text).ok()?;
        let value = |name: &str| document.get_ref().iter().find(|(key, _)| key.get_ref() == name);
        let DeValue::Array(hosts) = value("hosts")?.1.get_ref() else { return None };
        let hosts = hosts.iter().map(|host| match host.get_ref() {
            DeValue::String(text) => host::parse(text).ok(),
            _ => None,
        });
        let customer = match value("customer").map(|(_, value)| value.get_ref()) {
            None => None,
            Some(DeValue::String(name)) => Some(name.as_ref().into()),
            Some(_) => return None,
        };
        Some(Outline { hosts: hosts.collect::<Option<_>>()?, customer })
    }

    /// The same of a document that was read whole.
    pub fn whole(document: &Document) -> Outline {
        let customer = document.customer.as_deref().map(Box::from);
        Outline { hosts: document.patterns(), customer }
    }
}

/// The preset that a document names, if there is one by that name; if not, serde says so later.
fn named_preset(document: &DeTable<'_>) -> Option<Preset> {
    match document.iter().find(|(key, _)| key.get_ref() == "preset")?.1.get_ref() {
        DeValue::String(name) => Preset::named(name),
        _ => None,
    }
}
