//! The folder of site documents: read at start and at each reload, compared with what is served,
//! judged, and turned into the next snapshot.
//!
//! A start is a reload after the last good documents: they are put in place first, unchecked since
//! they were checked when they were kept, and the folder is then compared with them. So a site whose
//! file went bad while the node was down is frozen as it is while the node runs, and a document
//! that did not change costs one comparison.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::document::Outline;
use super::entry::{Entry, Site, Surroundings};
use super::examine::examine;
use super::last_good::{FOLDER, Kept, NewSet, Taken};
use super::release::kept_form;
use super::report::{Refusal, Report};
use super::settings::Settings;
use super::settle::{Conflict, settle};
use super::snapshot::{Sites, Snapshot};
use super::stamp;

/// Longest site name in bytes; it stands in logs, metrics and paths.
const MAX_NAME: usize = 100;

/// The folder of documents and what was made of it.
pub struct Source {
    pub(super) settings: Settings,
    pub(super) sites: Arc<Sites>,
}

/// What was found under one name.
pub(super) enum Seen {
    /// What is served already.
    Same,
    /// Something new that is good by itself.
    Proposed(Arc<Entry>, NewSet),
    /// Something that will not do.
    Wrong(Vec<Diagnostic>),
    /// Nothing any more.
    Gone,
}

impl Source {
    /// Loads all sites. What is wrong with single sites is in the report; the others are served.
    ///
    /// With last good documents at hand, a folder that is empty or cannot be read freezes them all.
    ///
    /// # Errors
    /// When there is nothing to serve from: the folder cannot be read and nothing was kept, or what
    /// was kept cannot be read.
    pub fn start(
        settings: Settings,
        surroundings: Surroundings,
    ) -> Result<(Self, Report), Refusal> {
        let kept = surroundings.state.load().map_err(Refusal::State)?;
        let sites = Arc::new(Sites::new(surroundings));
        let mut source = Source { settings, sites };
        source.sites.swap(source.resume(kept));
        let report = match source.reload() {
            Ok(report) => report,
            Err(refusal) if !source.sites.snapshot().is_empty() => source.all_frozen(&refusal),
            // A new node whose folder is empty yet.
            Err(Refusal::Empty { .. }) => Report::default(),
            Err(refusal) => return Err(refusal),
        };
        Ok((source, report))
    }

    /// The sites as served, for whoever looks hosts up.
    pub fn sites(&self) -> &Arc<Sites> {
        &self.sites
    }

    /// Reads the folder again and swaps in what it says. Takes some microseconds for each document
    /// that did not change; call it where blocking is allowed.
    ///
    /// # Errors
    /// When nothing was changed, since the folder cannot be read or is empty.
    pub fn reload(&mut self) -> Result<Report, Refusal> {
        let clock = self.sites.surroundings().clock.clone();
        let started = clock.now();
        let previous = self.sites.snapshot();
        let mut report = Report::default();
        let names = self.list(&previous, &mut report)?;
        if names.is_empty() {
            let folder = self.settings.folder.clone();
            return Err(Refusal::Empty { folder, sites: previous.len() });
        }
        let seen = self.inspect_all(&names, &previous);

        let (mut proposed, mut sets) = (Vec::new(), Vec::new());
        let mut gone = without_file(&previous, &names);
        for (name, seen) in names.into_iter().zip(seen) {
            match seen {
                Seen::Same => report.unchanged += 1,
                Seen::Proposed(entry, set) => {
                    sets.push((Arc::clone(&entry), set));
                    proposed.push(entry);
                }
                Seen::Gone => gone.push(name),
                Seen::Wrong(diagnostics) => {
                    report.trouble(&name, previous.site(&name).is_some(), diagnostics);
                }
            }
        }
        // A file may come and go between the listing and its turn.
        gone.retain(|name| previous.site(name).is_some());
        let (next, conflicts) = settle(&previous, &gone, proposed);
        for conflict in &conflicts {
            let frozen = previous.site(&conflict.entry.name).is_some();
            report.trouble(&conflict.entry.name, frozen, vec![self.explain(conflict)]);
        }
        sets.retain(|(entry, _)| next.site(&entry.name).is_some_and(|now| Arc::ptr_eq(now, entry)));
        self.take(&previous, next, &sets, &gone, FOLDER, &mut report);
        report.took_ms = clock.now().0.saturating_sub(started.0);
        Ok(report)
    }

    /// Gives all clients of a site the rule set before its document's, at once and until the rules of
    /// the document change; `undo` ends that. Tells what clients have then.
    ///
    /// # Errors
    /// There is no such site, or what was ordered cannot be kept; nothing has changed.
    pub fn take_back(&mut self, name: &str, undo: bool) -> Result<String, String> {
        let surroundings = self.sites.surroundings();
        let previous = self.sites.snapshot();
        let entry = previous.site(name).ok_or_else(|| format!("there is no site `{name}`"))?;
        let site = entry.site(surroundings).map_err(|trouble| trouble.to_string())?;
        let set = &site.rules.own().name;
        let withdraw = |set| surroundings.state.withdraw(name, set).map_err(|it| it.to_string());
        withdraw((!undo).then_some(&**set))?;
        let document = site.document.clone();
        let next = Site::build(site.number, name, document, surroundings, Some(&site));
        let next = next.map_err(|complaint| complaint.message)?;
        let told = next.rules.told().unwrap_or_else(|| format!("all have {set}"));
        let entry = Arc::new(entry.anew().with_site(next));
        let (snapshot, _) = settle(&previous, &[], vec![entry]);
        self.sites.swap(snapshot);
        Ok(told)
    }

    /// Keeps what was taken, then lets everyone see it. In this order: a number must not be in use
    /// before it is known to be given.
    pub(super) fn take(
        &mut self,
        previous: &Snapshot,
        mut next: Snapshot,
        taken: &[(Arc<Entry>, NewSet)],
        gone: &[Box<str>],
        who: &str,
        report: &mut Report,
    ) {
        if !taken.is_empty() || !gone.is_empty() {
            let rows = taken.iter().map(|(entry, set)| Taken {
                name: &entry.name,
                number: entry.number,
                text: &entry.text,
                set: Some(set),
            });
            let surroundings = self.sites.surroundings();
            let (gone, now) = (gone.iter().map(|name| &**name), surroundings.clock.now());
            let kept = surroundings.state.commit(rows, gone, who, now);
            report.not_kept = kept.err().map(|error| error.to_string());
        }
        report.changed = taken.iter().filter(|(it, _)| previous.site(&it.name).is_some()).count();
        report.added = taken.len() - report.changed;
        report.removed = gone.len();
        report.sites = next.len();
        report.generation = next.generation;
        if previous.is_empty() {
            next.shrink();
        }
        self.sites.swap(next);
        self.refresh_certificates(report);
    }

    fn refresh_certificates(&self, report: &mut Report) {
        let surroundings = self.sites.surroundings();
        for (name, entry) in self.sites.snapshot().names.iter() {
            match entry.refresh_certificate(surroundings) {
                Ok(replaced) => report.certificates += usize::from(replaced),
                // The site itself is as it should be; only its certificate stays behind.
                Err(diagnostic) => report.tell(name, true, vec![diagnostic]),
            }
        }
    }

    /// The snapshot of what was kept. A text that is no document any more, after an upgrade that
    /// dropped a key, is left out here and judged afresh with its file.
    fn resume(&self, kept: Vec<Kept>) -> Snapshot {
        let entries = self.in_parallel(kept, |kept| {
            let outline = Outline::of(&kept.text)?;
            Some(Arc::new(Entry::new(&kept.name, kept.number, kept.text, outline)))
        });
        let entries = entries.into_iter().flatten().collect();
        let (mut snapshot, _) = settle(&Snapshot::default(), &[], entries);
        snapshot.shrink();
        snapshot
    }

    fn all_frozen(&self, refusal: &Refusal) -> Report {
        let snapshot = self.sites.snapshot();
        let (sites, generation) = (snapshot.len(), snapshot.generation);
        let folder = self.settings.folder.display().to_string();
        let mut report = Report { generation, sites, frozen: sites, ..Report::default() };
        report.tell("", true, vec![Diagnostic::whole_file(folder, refusal.to_string())]);
        report
    }

    /// The names of all documents in order.
    pub(super) fn list(
        &self,
        previous: &Snapshot,
        report: &mut Report,
    ) -> Result<Vec<Box<str>>, Refusal> {
        let folder = &self.settings.folder;
        let failed = |error| Refusal::Folder(folder.clone(), error);
        let mut names = Vec::with_capacity(previous.len());
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            match name_of(Path::new(&file)) {
                Ok(Some(name)) => names.push(name),
                Ok(None) => {}
                Err(message) => {
                    let path = folder.join(&file).display().to_string();
                    let diagnostic = Diagnostic::whole_file(path, message);
                    report.trouble(&file.to_string_lossy(), false, vec![diagnostic]);
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn inspect_all(&self, names: &[Box<str>], previous: &Snapshot) -> Vec<Seen> {
        let names = names.iter().collect();
        self.in_parallel(names, |name| self.inspect(name, previous.site(name)))
    }

    fn inspect(&self, name: &str, before: Option<&Arc<Entry>>) -> Seen {
        let surroundings = self.sites.surroundings();
        let path = self.settings.folder.join(format!("{name}.toml"));
        let before = before.filter(|entry| !entry.failed());
        let stamp = stamp::of(&path, surroundings.clock.now());
        if before.is_some_and(|entry| entry.is_current(stamp)) {
            return Seen::Same;
        }
        let text = match read(&path, self.settings.max_document.0) {
            Ok(Some(text)) => text,
            Ok(None) => return Seen::Gone,
            Err(diagnostic) => return Seen::Wrong(vec![diagnostic]),
        };
        if let Some(entry) = before.filter(|entry| *entry.text == *text) {
            entry.seen(stamp);
            return Seen::Same;
        }
        match self.judge(name, &text, before) {
            Err(diagnostics) => Seen::Wrong(diagnostics),
            Ok((entry, set)) => {
                entry.seen(stamp);
                Seen::Proposed(entry, set)
            }
        }
    }

    /// The entry that a document makes, and its rules.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn judge(
        &self,
        name: &str,
        text: &str,
        before: Option<&Arc<Entry>>,
    ) -> Result<(Arc<Entry>, NewSet), Vec<Diagnostic>> {
        let surroundings = self.sites.surroundings();
        let number = before.map_or_else(|| surroundings.state.next_number(), |entry| entry.number);
        let used = before.and_then(|entry| entry.site_in_use());
        let examined = examine(name, number, text, surroundings, used.map(|site| &**site))?;
        let outline = Outline::whole(&examined.site.document);
        let entry = Entry::new(name, number, text.into(), outline);
        let set = kept_form(&examined.site.document);
        // Who is in use stays in use; the rest is built again when somebody asks.
        let entry = match used {
            None => entry,
            Some(used) => {
                let is_used = |group| used.groups().any(|it| Arc::ptr_eq(it, group));
                let new = examined.site.groups().filter(|group| !is_used(group));
                new.for_each(|group| surroundings.watch(group));
                entry.built(examined.site, examined.certificate)
            }
        };
        Ok((Arc::new(entry), set))
    }

    /// The results of `work` in the order of the items.
    fn in_parallel<T: Send, R: Send>(
        &self,
        mut items: Vec<T>,
        work: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let share = items.len().div_ceil(self.settings.load_threads).max(1);
        std::thread::scope(|scope| {
            let work = &work;
            let mut workers = Vec::new();
            while !items.is_empty() {
                let rest = items.split_off(share.min(items.len()));
                let mine = std::mem::replace(&mut items, rest);
                workers.push(scope.spawn(move || mine.into_iter().map(work).collect::<Vec<R>>()));
            }
            workers
                .into_iter()
                .flat_map(|worker| match worker.join() {
                    Ok(results) => results,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }

    pub(super) fn explain(&self, conflict: &Conflict) -> Diagnostic {
        let surroundings = self.sites.surroundings();
        let host = super::host::display(&conflict.host);
        let message =
            format!("host `{host}` belongs to {} already", surroundings.file(&conflict.held_by));
        let at = conflict.entry.hosts.iter().position(|other| *other == conflict.host).unwrap_or(0);
        let complaint = crate::setting::Complaint::new(format!("hosts[{at}]"), message)
            .suggest("take the host out of one of the two");
        let file = surroundings.file(&conflict.entry.name);
        Diagnostic::from_complaint(&file, &conflict.entry.text, &complaint)
    }
}

/// The sites that none of the (sorted) names stands for.
pub(super) fn without_file(previous: &Snapshot, names: &[Box<str>]) -> Vec<Box<str>> {
    previous
        .names
        .iter()
        .filter(|(name, _)| names.binary_search_by(|other| (**other).cmp(name)).is_err())
        .map(|(name, _)| name.into())
        .collect()
}

/// The site name of a file: its stem. `None` for files that are no documents.
pub(super) fn name_of(file: &Path) -> Result<Option<Box<str>>, String> {
    let hidden = file.as_os_str().as_encoded_bytes().starts_with(b".");
    if hidden || file.extension().is_none_or(|extension| extension != "toml") {
        return Ok(None);
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if stem.len() > MAX_NAME || !stem.bytes().all(fits) {
        return Err(format!(
            "a file of this name is no site: names have 1 to {MAX_NAME} letters, digits, `.`, `_` and `-`"
        ));
    }
    Ok(Some(stem.as_ref().into()))
}

/// Reads one document; `None` when there is no such file any more.
///
/// # Errors
/// It is no regular file, cannot be read, is too large, or no text.
pub fn read(path: &Path, limit: u64) -> Result<Option<String>, Diagnostic> {
    let name = path.display().to_string();
    let complain = |message: String| Diagnostic::whole_file(&name, message);
    // Looked at before it is opened: a pipe would wait for a writer.
    let file = match std::fs::metadata(path).map(|data| data.is_file()) {
        Ok(true) => std::fs::File::open(path),
        Ok(false) => return Err(complain("is no regular file".into())),
        Err(error) => Err(error),
    };
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(complain(format!("cannot be read: {error}"))),
    };
    let mut bytes = Vec::with_capacity(1024);
    // One byte more than allowed tells a file that is too large, whatever its metadata say.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| complain(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > limit {
        return Err(complain(format!("is larger than {limit} bytes (`max_document`)")));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Diagnostic::at(&name, &text, valid..valid, "not UTF-8 from here on")
    })
}
