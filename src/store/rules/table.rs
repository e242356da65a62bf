//! The rules that hold, by what they name.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::scope::{Matching, Scope};
use super::{COUNTERS, Mode};
use crate::cache::KeyRef;

/// The newest rules of one scope; 0 where there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Marks {
    pub soft: u64,
    pub hard: u64,
}

#[derive(Default)]
pub(super) struct Table {
    /// The rule for everything.
    pub all: Marks,
    marks: HashMap<Scope, Marks, RandomState>,
    folders: HashMap<u32, HashMap<Arc<str>, Marks, RandomState>, RandomState>,
    /// In the order of their newest numbers.
    patterns: HashMap<u32, Vec<(Arc<Matching>, Marks)>, RandomState>,
    /// Numbers of the newest rules about tags, folders and patterns: objects need not be asked for
    /// theirs without.
    newest_tag: u64,
    newest_folder: u64,
    newest_pattern: u64,
    /// In the order of their numbers; a scope may be named by several.
    line: VecDeque<(u64, Scope)>,
    count: usize,
}

/// Places in the line of scopes that were named again, which are left until there are so many.
const SPARE: usize = 1024;

impl Marks {
    fn add(&mut self, mode: Mode, number: u64) {
        let mark = match mode {
            Mode::Soft => &mut self.soft,
            Mode::Hard => &mut self.hard,
        };
        *mark = number.max(*mark);
    }

    fn join(&mut self, other: Marks) {
        self.add(Mode::Soft, other.soft);
        self.add(Mode::Hard, other.hard);
    }

    fn newest(self) -> u64 {
        self.soft.max(self.hard)
    }
}

impl Table {
    /// How many scopes are named.
    pub fn len(&self) -> usize {
        self.count
    }

    /// How long the line is.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.line.len()
    }

    /// How many patterns are named of a site.
    pub fn patterns_of(&self, site: u32) -> usize {
        self.patterns.get(&site).map_or(0, Vec::len)
    }

    /// Adds a rule; numbers never fall.
    pub fn add(&mut self, scope: &Scope, mode: Mode, number: u64) {
        let mut marks = self.remove(scope).unwrap_or_default();
        marks.add(mode, number);
        match scope {
            Scope::All => return self.all.join(marks),
            Scope::Folder(site, folder) => {
                self.newest_folder = number.max(self.newest_folder);
                self.folders.entry(*site).or_default().insert(Arc::clone(folder), marks);
            }
            Scope::Matching(site, matching) => {
                self.newest_pattern = number.max(self.newest_pattern);
                self.patterns.entry(*site).or_default().push((Arc::clone(matching), marks));
            }
            Scope::Tag(..) => {
                self.newest_tag = number.max(self.newest_tag);
                self.marks.insert(scope.clone(), marks);
            }
            Scope::Url(_) | Scope::Site(_) => {
                self.marks.insert(scope.clone(), marks);
            }
        }
        self.count += 1;
        self.line.push_back((number, scope.clone()));
    }

    /// Lets the oldest rules go while there are too many, or they are older than `since`. Gives back
    /// their scopes; their numbers stay in the rule for everything.
    pub fn shorten(&mut self, most: usize, since: u64) -> Vec<Scope> {
        if self.line.len() > 2 * self.count + SPARE {
            let mut line = std::mem::take(&mut self.line);
            line.retain(|(number, scope)| {
                self.marks_of(scope).is_some_and(|it| it.newest() == *number)
            });
            self.line = line;
        }
        let mut gone = Vec::new();
        while let Some((number, scope)) = self.line.front() {
            if self.count <= most && *number >= since {
                break;
            }
            let newest = self.marks_of(scope).map_or(0, Marks::newest);
            let Some((number, scope)) = self.line.pop_front() else { break };
            // Else a newer rule of the same scope stands further down the line.
            if newest == number
                && let Some(marks) = self.remove(&scope)
            {
                self.all.join(marks);
                COUNTERS.merged.bump();
                gone.push(scope);
            }
        }
        gone
    }

    /// The newest rules that name an object, as far as they are newer than `fill_seq`.
    pub fn about(&self, key: KeyRef<'_>, fill_seq: u64, tags: impl FnOnce() -> Vec<u64>) -> Marks {
        let mut found = self.all;
        let site = key.site();
        let mut join = |marks: Option<&Marks>| {
            if let Some(marks) = marks {
                found.join(*marks);
            }
        };
        if !self.marks.is_empty() {
            join(self.marks.get(&Scope::Site(site)));
            join(self.marks.get(&Scope::Url(key.url_hash())));
        }
        if self.newest_tag > fill_seq {
            for tag in tags() {
                join(self.marks.get(&Scope::Tag(Some(site), tag)));
                join(self.marks.get(&Scope::Tag(None, tag)));
            }
        }
        if self.newest_folder > fill_seq
            && let Some(folders) = self.folders.get(&site)
            && let Some(asked) = key.asked()
        {
            let url = [asked.host, asked.path].concat();
            let ends = memchr::memchr_iter(b'/', url.as_bytes());
            ends.for_each(|end| join(url.get(..=end).and_then(|folder| folders.get(folder))));
        }
        if self.newest_pattern > fill_seq
            && let Some(patterns) = self.patterns.get(&site)
            && let Some(asked) = key.asked()
        {
            let newer = patterns.iter().rev().take_while(|(_, marks)| marks.newest() > fill_seq);
            let matching = newer.filter(|(matching, _)| matching.holds(&asked));
            matching.for_each(|(_, marks)| join(Some(marks)));
        }
        found
    }

    /// The rules about one URL.
    pub fn of_url(&self, url: u64) -> Marks {
        self.marks.get(&Scope::Url(url)).copied().unwrap_or_default()
    }

    fn marks_of(&self, scope: &Scope) -> Option<Marks> {
        match scope {
            Scope::All => Some(self.all),
            Scope::Folder(site, folder) => self.folders.get(site)?.get(folder).copied(),
            Scope::Matching(site, matching) => {
                let mut patterns = self.patterns.get(site)?.iter();
                patterns.find(|(it, _)| it == matching).map(|(_, marks)| *marks)
            }
            Scope::Url(_) | Scope::Tag(..) | Scope::Site(_) => self.marks.get(scope).copied(),
        }
    }

    fn remove(&mut self, scope: &Scope) -> Option<Marks> {
        let marks = match scope {
            Scope::All => None,
            Scope::Folder(site, folder) => {
                let folders = self.folders.get_mut(site)?;
                let marks = folders.remove(folder);
                if folders.is_empty() {
                    self.folders.remove(site);
                }
                marks
            }
            Scope::Matching(site, matching) => {
                let patterns = self.patterns.get_mut(site)?;
                let at = patterns.iter().position(|(it, _)| it == matching)?;
                let (_, marks) = patterns.remove(at);
                if patterns.is_empty() {
                    self.patterns.remove(site);
                }
                Some(marks)
            }
            Scope::Url(_) | Scope::Tag(..) | Scope::Site(_) => self.marks.remove(scope),
        }?;
        self.count -= 1;
        Some(marks)
    }
}
