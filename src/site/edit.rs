//! Changes of single sites by order: judged like an edit of the folder, written into the folder, and
//! only then served.
//!
//! The folder is the one source of truth: what is ordered is what its file holds from then on. A file
//! that holds something else than what is served (an edit that no reload has read yet, or one that will
//! not do) is never written over: that would lose it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::customers::Customers;
use super::diagnostic::Diagnostic;
use super::document::Document;
use super::entry::Entry;
use super::report::Report;
use super::settle::settle;
use super::source::{Seen, Source, name_of, read, without_file};
use crate::setting::Complaint;

/// A change of one site.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its document; none takes the site away.
    pub text: Option<String>,
    /// What must hold of the present document.
    pub condition: Condition,
    /// Whose sites may be changed.
    pub whose: Customers,
    /// Who orders it.
    pub who: String,
    /// Whether nothing is to be changed after all.
    pub dry_run: bool,
}

/// What must hold of the present document (RFC 9110 section 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// There is one.
    Present,
    /// There is none.
    Absent,
    /// It is one of these, by its entity tag.
    Is(Vec<String>),
}

/// What a change did, or would do.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The document before.
    pub before: Option<Box<str>>,
    /// The document now.
    pub after: Option<Box<str>>,
    /// The snapshot's generation.
    pub generation: u64,
    /// What went wrong although the change holds.
    pub warning: Option<String>,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refused {
    /// There is no such site.
    Missing,
    /// The name will not do.
    Name(String),
    /// The document will not do.
    Document(Vec<Diagnostic>),
    /// Another site has one of its hosts.
    Taken(String),
    /// The condition does not hold.
    Condition(String),
    /// The file holds something else than what is served.
    Drift(String),
    /// The file could not be written.
    Failed(String),
}

/// What a reload would do to one site.
#[derive(Debug)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// The document before, with every default.
    pub before: Option<String>,
    /// The document then, with every default; none if the site would go.
    pub after: Option<String>,
    /// Why the site would stay as it is, or would not be served.
    pub diagnostics: Vec<Diagnostic>,
}

/// The entity tag of a document.
pub fn etag(text: &str) -> String {
    let hash = Sha256::digest(text);
    let digits: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

impl Source {
    /// Changes one site, or finds out what would come of it.
    ///
    /// # Errors
    /// See [`Refused`]; nothing has changed then.
    pub fn change(&mut self, change: Change) -> Result<Changed, Refused> {
        let name = match name_of(Path::new(&format!("{}.toml", change.name))) {
            Ok(Some(name)) if *name == *change.name => name,
            Ok(_) => return Err(Refused::Name("a name begins with no dot".into())),
            Err(why) => return Err(Refused::Name(why)),
        };
        let previous = self.sites.snapshot();
        let entry = previous.site(&name);
        if entry.is_some_and(|entry| !change.whose.owns(entry.customer.as_deref())) {
            // To a customer, a name that somebody else has is a name that cannot be had.
            return Err(match change.text {
                None => Refused::Missing,
                Some(_) => Refused::Taken(format!("the name `{name}` is another's")),
            });
        }
        change.condition.check(entry.map(|entry| &*entry.text))?;
        let (proposed, gone, set) = match &change.text {
            None if entry.is_none() => return Err(Refused::Missing),
            None => (Vec::new(), vec![name.clone()], None),
            Some(text) => {
                self.check_size(&name, text)?;
                let before = entry.filter(|entry| !entry.failed());
                self.check_customer(&name, text, entry, &change.whose)?;
                let (entry, set) = self.judge(&name, text, before).map_err(Refused::Document)?;
                (vec![Arc::clone(&entry)], Vec::new(), Some((entry, set)))
            }
        };
        self.check_drift(&name, entry, change.text.as_deref())?;
        let (next, conflicts) = settle(&previous, &gone, proposed);
        if let Some(conflict) = conflicts.first() {
            let host = super::host::display(&conflict.host);
            return Err(match change.whose {
                Customers::All => Refused::Document(vec![self.explain(conflict)]),
                Customers::One(_) => Refused::Taken(format!("the host `{host}` is another's")),
            });
        }
        let (before, generation) = (entry.map(|entry| entry.text.clone()), next.generation);
        let after = change.text.as_deref().map(Box::from);
        let same = before == after;
        let mut changed = Changed { before, after, generation, warning: None };
        if change.dry_run || same {
            changed.generation = previous.generation;
            return Ok(changed);
        }
        self.write(&name, change.text.as_deref())?;
        let mut report = Report::default();
        self.take(&previous, next, set.as_slice(), &gone, &change.who, &mut report);
        changed.warning = report.not_kept;
        Ok(changed)
    }

    /// What a reload would do.
    ///
    /// # Errors
    /// One sentence: the folder cannot be read, or is empty.
    pub fn plan(&self) -> Result<Vec<Planned>, String> {
        let previous = self.sites.snapshot();
        let mut report = Report::default();
        let names = self.list(&previous, &mut report).map_err(|refusal| refusal.to_string())?;
        if names.is_empty() && !previous.is_empty() {
            return Err("the folder holds no site document; a reload would change nothing".into());
        }
        let seen = self.inspect_all(&names, &previous);
        let (mut planned, mut proposed) = (Vec::new(), Vec::new());
        let mut gone = without_file(&previous, &names);
        for (name, seen) in names.into_iter().zip(seen) {
            match seen {
                Seen::Same => {}
                Seen::Proposed(entry, _) => proposed.push(entry),
                Seen::Gone => gone.push(name),
                Seen::Wrong(diagnostics) => {
                    let before = previous.site(&name).and_then(|entry| self.effective(entry));
                    let (name, after) = (name.into(), before.clone());
                    planned.push(Planned { name, before, after, diagnostics });
                }
            }
        }
        gone.retain(|name| previous.site(name).is_some());
        let (_, conflicts) = settle(&previous, &gone, proposed.clone());
        for name in gone {
            let before = previous.site(&name).and_then(|entry| self.effective(entry));
            let (name, diagnostics) = (name.into(), Vec::new());
            planned.push(Planned { name, before, after: None, diagnostics });
        }
        for entry in proposed {
            let conflict = conflicts.iter().find(|it| Arc::ptr_eq(&it.entry, &entry));
            let before = previous.site(&entry.name).and_then(|entry| self.effective(entry));
            let after = match conflict {
                Some(_) => before.clone(),
                None => self.effective(&entry),
            };
            let diagnostics = conflict.map(|it| self.explain(it)).into_iter().collect();
            planned.push(Planned { name: entry.name.to_string(), before, after, diagnostics });
        }
        let troubles = report.troubles.into_iter();
        planned.extend(troubles.map(|it| Planned {
            name: it.site,
            before: None,
            after: None,
            diagnostics: it.diagnostics,
        }));
        planned.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(planned)
    }

    fn effective(&self, entry: &Entry) -> Option<String> {
        let file = self.sites.surroundings().file(&entry.name);
        Document::parse(&file, &entry.text).ok()?.effective().ok()
    }

    /// A customer brings documents of its own, and names no files of the node's but those that its site
    /// has already.
    fn check_customer(
        &self,
        name: &str,
        text: &str,
        entry: Option<&Arc<Entry>>,
        whose: &Customers,
    ) -> Result<(), Refused> {
        let Customers::One(customer) = whose else { return Ok(()) };
        let file = self.sites.surroundings().file(name);
        let document = Document::parse(&file, text).map_err(|it| Refused::Document(vec![it]))?;
        let complain = |field: &str, message: String, suggestion: String| {
            let complaint = Complaint::new(field, message).suggest(suggestion);
            Refused::Document(vec![Diagnostic::from_complaint(&file, text, &complaint)])
        };
        if !whose.owns(document.customer.as_deref()) {
            let message = "the site would not be the customer's own".into();
            return Err(complain("customer", message, format!("write `customer = {customer:?}`")));
        }
        let had = entry.and_then(|entry| Document::parse(&file, &entry.text).ok());
        let had = had.as_ref().map(Document::files).unwrap_or_default();
        match document.files().into_iter().find(|(_, path)| !had.iter().any(|(_, it)| it == path)) {
            None => Ok(()),
            Some((field, path)) => Err(complain(
                &field,
                format!("`{path}` is a file of the node's, which only its operator can name"),
                "leave it out, or ask the operator".into(),
            )),
        }
    }

    /// What is larger than a document may be could not be read again.
    fn check_size(&self, name: &str, text: &str) -> Result<(), Refused> {
        let most = self.settings.max_document.0;
        if text.len() as u64 <= most {
            return Ok(());
        }
        let why = format!("is larger than {most} bytes (`max_document`)");
        let file = self.sites.surroundings().file(name);
        Err(Refused::Document(vec![Diagnostic::whole_file(file, why)]))
    }

    fn check_drift(
        &self,
        name: &str,
        entry: Option<&Arc<Entry>>,
        next: Option<&str>,
    ) -> Result<(), Refused> {
        let path = self.settings.folder.join(format!("{name}.toml"));
        let held = match read(&path, self.settings.max_document.0) {
            Ok(held) => held,
            Err(diagnostic) => {
                return Err(Refused::Drift(format!(
                    "the site's file will not do: {}",
                    diagnostic.message
                )));
            }
        };
        let same = held.as_deref() == entry.map(|entry| &*entry.text);
        if same || (held.is_some() && held.as_deref() == next) {
            return Ok(());
        }
        let why = match held {
            None => "the site's file is gone, and no reload has seen that yet",
            Some(_) => "the site's file holds something else than what is served",
        };
        Err(Refused::Drift(format!("{why}: `brink plan` shows it, `brink reload` takes it")))
    }

    /// Writes a site's file, or takes it away; on disk when this returns.
    fn write(&self, name: &str, text: Option<&str>) -> Result<(), Refused> {
        let folder = &self.settings.folder;
        let path = folder.join(format!("{name}.toml"));
        let write = || -> std::io::Result<()> {
            match text {
                None => std::fs::remove_file(&path)?,
                Some(text) => {
                    // Hidden, so that no reload takes it for a document.
                    let new = folder.join(format!(".{name}.toml.new"));
                    let mut file = std::fs::File::create(&new)?;
                    file.write_all(text.as_bytes())?;
                    if let Ok(data) = std::fs::metadata(&path) {
                        file.set_permissions(data.permissions())?;
                    }
                    file.sync_all()?;
                    std::fs::rename(&new, &path)?;
                }
            }
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|error| {
            tracing::error!(%error, "{} could not be written", path.display());
            Refused::Failed(format!("the site's file could not be written: {error}"))
        })
    }
}

impl Condition {
    fn check(&self, present: Option<&str>) -> Result<(), Refused> {
        let holds = match self {
            Condition::Any => true,
            Condition::Present => present.is_some(),
            Condition::Absent => present.is_none(),
            Condition::Is(tags) => present.is_some_and(|text| tags.contains(&etag(text))),
        };
        match (holds, present) {
            (true, _) => Ok(()),
            (false, None) => Err(Refused::Condition("there is no such site".into())),
            (false, Some(text)) => Err(Refused::Condition(format!(
                "the site's document is another by now: its ETag is {}",
                etag(text)
            ))),
        }
    }
}
