//! The rules on disk: one redb file, a row for each rule. A thread writes them, all that wait at a
//! time in one transaction, so that many purges share one sync.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use super::{Matching, Mode, Scope};

/// Scope to the numbers of its newest soft and hard rule.
const RULES: TableDefinition<'_, (u8, u32, u64), (u64, u64)> = TableDefinition::new("purge_rules");

/// The same for scopes that are named by a text: kind, site and text.
const TEXTS: TableDefinition<'_, (u8, u32, &str), (u64, u64)> = TableDefinition::new("purge_texts");

const FILE: &str = "purge.redb";

/// What redb may keep in memory; the rows are read once, at start.
const CACHE_BYTES: usize = 4 << 20;

/// A rule as it is kept.
pub(super) type Rule = (u64, Scope, Mode);

/// Scopes that went, and the numbers of the rule for everything that stands in their place.
pub(super) type Rest = Option<(Vec<Scope>, u64, u64)>;

/// What the thread is given.
struct Order {
    rules: Vec<Rule>,
    rest: Rest,
    done: Option<oneshot::Sender<Result<(), String>>>,
}

/// Where rules are written.
pub(super) struct Journal {
    /// Gone only while this is being dropped.
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens or makes the file in `folder`. Gives the rules that it keeps in the order of their
    /// numbers; nothing if it was not there, or could not be read and was put aside.
    ///
    /// # Errors
    /// One sentence: it can be neither read nor made anew.
    pub(super) fn open(folder: &Path) -> Result<(Self, Option<Vec<Rule>>), String> {
        let path = folder.join(FILE);
        let explain = |error: &dyn std::fmt::Display| {
            format!("cannot keep the purge rules in {}: {error}", path.display())
        };
        std::fs::create_dir_all(folder).map_err(|error| explain(&error))?;
        let (database, rules) = match path.exists().then(|| load(&path)) {
            Some(Ok((database, rules))) => (database, Some(rules)),
            Some(Err(error @ redb::Error::DatabaseAlreadyOpen)) => return Err(explain(&error)),
            Some(Err(error)) => {
                let aside = path.with_extension("damaged");
                tracing::error!(%error, "{} cannot be read: it is put aside, and everything stored \
                    is stale", path.display());
                std::fs::rename(&path, aside).map_err(|error| explain(&error))?;
                (load(&path).map_err(|error| explain(&error))?.0, None)
            }
            None => (load(&path).map_err(|error| explain(&error))?.0, None),
        };
        let (orders, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("purge".into())
            .spawn(move || write_all(&database, &waiting))
            .map_err(|error| explain(&error))?;
        Ok((Journal { orders: Some(orders), thread: Some(thread) }, rules))
    }

    /// Writes rules; they are on disk when this ends.
    pub(super) async fn write(&self, rules: Vec<Rule>, rest: Rest) -> Result<(), String> {
        let (done, written) = oneshot::channel();
        self.send(Order { rules, rest, done: Some(done) });
        written.await.map_err(|_| gone())?
    }

    /// Writes rules a moment later.
    pub(super) fn write_soon(&self, rules: Vec<Rule>, rest: Rest) {
        self.send(Order { rules, rest, done: None });
    }

    fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread ends after us; if it broke, whoever waits for it is told.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Journal {
    /// Waits until everything is written and the file is closed.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> String {
    "the purge journal is closed".to_owned()
}

/// Orders taken into one transaction at most.
const TOGETHER: usize = 4096;

fn write_all(database: &Database, waiting: &mpsc::Receiver<Order>) {
    while let Ok(first) = waiting.recv() {
        let orders: Vec<Order> =
            std::iter::once(first).chain(waiting.try_iter()).take(TOGETHER).collect();
        let written = commit(database, &orders).map_err(|error| {
            tracing::error!(%error, "purge rules could not be written: a restart forgets them");
            format!("the rules hold, but could not be made durable: {error}")
        });
        for done in orders.into_iter().filter_map(|order| order.done) {
            // Whoever asked may be gone.
            let _ = done.send(written.clone());
        }
    }
}

fn commit(database: &Database, orders: &[Order]) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut numbers = writing.open_table(RULES)?;
        let mut texts = writing.open_table(TEXTS)?;
        for order in orders {
            for (number, scope, mode) in &order.rules {
                match Row::of(scope) {
                    Row::Number(row) => add(&mut numbers, row, *number, *mode)?,
                    Row::Text(kind, site, text) => {
                        add(&mut texts, (kind, site, text.as_str()), *number, *mode)?;
                    }
                }
            }
            let Some((gone, soft, hard)) = &order.rest else { continue };
            for scope in gone {
                match Row::of(scope) {
                    Row::Number(row) => drop(numbers.remove(row)?),
                    Row::Text(kind, site, text) => drop(texts.remove((kind, site, &*text))?),
                }
            }
            numbers.insert(ALL, (*soft, *hard))?;
        }
    }
    writing.commit()?;
    Ok(())
}

fn add<'a, K: redb::Key>(
    table: &mut redb::Table<'_, K, (u64, u64)>,
    row: impl std::borrow::Borrow<K::SelfType<'a>>,
    number: u64,
    mode: Mode,
) -> Result<(), redb::Error> {
    let (mut soft, mut hard) = table.get(row.borrow())?.map_or((0, 0), |marks| marks.value());
    match mode {
        Mode::Soft => soft = soft.max(number),
        Mode::Hard => hard = hard.max(number),
    }
    table.insert(row.borrow(), (soft, hard))?;
    Ok(())
}

fn load(path: &Path) -> Result<(Database, Vec<Rule>), redb::Error> {
    let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
    let writing = database.begin_write()?;
    writing.open_table(RULES)?;
    writing.open_table(TEXTS)?;
    writing.commit()?;
    let reading = database.begin_read()?;
    let mut rules = Vec::new();
    // A scope of a newer version: what it names is not known, so it may be anything.
    let mut keep = |scope: Option<Scope>, (soft, hard): (u64, u64)| {
        let scope = scope.unwrap_or(Scope::All);
        rules.extend((soft > 0).then_some((soft, scope.clone(), Mode::Soft)));
        rules.extend((hard > 0).then_some((hard, scope, Mode::Hard)));
    };
    for row in reading.open_table(RULES)?.iter()? {
        let (row, marks) = row?;
        keep(of_number(row.value()), marks.value());
    }
    for row in reading.open_table(TEXTS)?.iter()? {
        let (row, marks) = row?;
        keep(of_text(row.value()), marks.value());
    }
    rules.sort_unstable_by_key(|(number, ..)| *number);
    Ok((database, rules))
}

/// A scope as a row's key.
enum Row {
    Number((u8, u32, u64)),
    Text(u8, u32, String),
}

/// The row of the rule for everything.
const ALL: (u8, u32, u64) = (0, 0, 0);

impl Row {
    fn of(scope: &Scope) -> Row {
        match scope {
            Scope::All => Row::Number(ALL),
            Scope::Site(site) => Row::Number((1, *site, 0)),
            Scope::Url(hash) => Row::Number((2, 0, *hash)),
            Scope::Tag(None, hash) => Row::Number((3, 0, *hash)),
            Scope::Tag(Some(site), hash) => Row::Number((4, *site, *hash)),
            Scope::Folder(site, folder) => Row::Text(1, *site, folder.to_string()),
            Scope::Matching(site, matching) => Row::Text(2, *site, matching.to_string()),
        }
    }
}

fn of_number(row: (u8, u32, u64)) -> Option<Scope> {
    Some(match row {
        (0, ..) => Scope::All,
        (1, site, _) => Scope::Site(site),
        (2, _, hash) => Scope::Url(hash),
        (3, _, hash) => Scope::Tag(None, hash),
        (4, site, hash) => Scope::Tag(Some(site), hash),
        _ => return None,
    })
}

fn of_text((kind, site, text): (u8, u32, &str)) -> Option<Scope> {
    match kind {
        1 => Some(Scope::Folder(site, text.into())),
        2 => Some(Scope::Matching(site, Arc::new(Matching::parse(text)?))),
        _ => None,
    }
}
