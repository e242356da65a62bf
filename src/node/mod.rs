//! Builds every part from the settings and joins them: the only place that knows them all.
//!
//! A node is started with [`Node::start`], obeys signals and orders in [`Node::run`], and ends there
//! when a drain has ended. `serving` holds the threads that clients meet, `metrics` the list of what
//! a scrape shows; `push` sends records of usage away.

mod metrics;
mod push;
mod reload;
mod serving;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Version;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::{self, Admin, NodeOrder, Token, Tokens};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::fill::Flights;
use crate::geo::Geo;
use crate::header::via;
use crate::listen::{self, Admission, Drain, Front, Stage, notify};
use crate::node::serving::ServingThread;
use crate::serve::Serve;
use crate::serve::images::Workshop;
use crate::serve::purge::{Pace, Surveys};
use crate::serve::{rules, warm};
use crate::site::{LastGood, Sites, Source, Surroundings};
use crate::store::{self, Store};
use crate::telemetry::{AccessLog, Registry, Watch};
use crate::tls::Sni;
use crate::upstream::Shared;
use crate::usage::Usage;

/// How often the node looks after itself: clock, store, watchdog.
const TICK: Duration = Duration::from_secs(1);
/// How long the disks may take to store what memory has at the end.
const CLOSING: Duration = Duration::from_secs(20);
/// How many reload orders may wait; one more waits to be accepted.
const ORDERS_WAITING: usize = 8;

/// A running node.
pub struct Node {
    config: NodeConfig,
    /// The file that a reload reads again; none for a node made by the program itself.
    file: Option<PathBuf>,
    clock: Clock,
    serve: Arc<Serve>,
    store: Arc<Store>,
    source: Source,
    upstream: Arc<Shared>,
    log: AccessLog,
    usage: Usage,
    limits: Arc<ArcSwap<listen::Settings>>,
    admission: Admission,
    sni: Arc<Sni>,
    threads: Vec<ServingThread<Serve>>,
    open: HashMap<SocketAddr, Arc<Drain>>,
    ready: Arc<AtomicBool>,
    orders: mpsc::Receiver<NodeOrder>,
    order: mpsc::Sender<NodeOrder>,
    fortune: Arc<metrics::Fortune>,
    warm: warm::Runner,
}

impl Node {
    /// Starts a node: loads the sites, binds every listener and begins to serve. Must be called
    /// inside a tokio runtime, on which the admin listener and the node's own tasks then run.
    ///
    /// # Errors
    /// What could not be had: the state folder, the sites, a database, a disk, an address.
    pub fn start(config: NodeConfig, file: Option<PathBuf>) -> Result<Self, String> {
        Node::start_on(config, file, Arc::new(store::disk::Files))
    }

    /// The same with disks that `opener` opens, so that a test can make them fail.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_on(
        config: NodeConfig,
        file: Option<PathBuf>,
        opener: Arc<dyn store::Opener>,
    ) -> Result<Self, String> {
        let clock = Clock::system();
        let geo = open_geo(&config, file.as_deref())?;
        let (upstream, source, report) = load_sites(&config, &clock)?;
        tell(&report);
        let log = AccessLog::open(&config.telemetry.access_log)
            .map_err(|error| format!("cannot open the access log: {error}"))?;
        let usage = Usage::open(&config.usage, &config.state_dir, &config.name, clock.clone())?;
        bill_origins(&upstream, &usage);
        let store = Store::open(config.store.clone(), clock.clone(), &config.state_dir, opener)?;
        let flights = Flights::new(config.fill.clone(), Arc::clone(&store), clock.clone());
        let limits = Arc::new(ArcSwap::from_pointee(config.listen.clone()));
        let serve = Arc::new(Serve {
            name: config.name.clone(),
            via: via::value(Version::HTTP_11, &config.name),
            sites: Arc::clone(source.sites()),
            store: Arc::clone(&store),
            flights,
            geo,
            clock: clock.clone(),
            log: log.clone(),
            watch: Watch::new(&config.telemetry.access_log),
            usage: usage.clone(),
            rules: rules::Bench::new(config.rules.clone(), clock.clone(), usage.meter()),
            workshop: Workshop::new(&config.images, usage.meter())
                .map_err(|error| format!("cannot keep image workers: {error}"))?,
            pace: Pace::default(),
            customer_purge_rate: config.admin.purge_rate,
            audit: open_audit(&config, &clock)?,
            surveys: Surveys::default(),
            warm: warm::Desk::new(config.warm.clone()),
        });
        let sni = sni(&config, source.sites())?;
        let (order, orders) = mpsc::channel(ORDERS_WAITING);
        let fortune = Arc::new(metrics::Fortune::new(&report));
        let warm = warm::start(&serve, limits.load_full())
            .map_err(|error| format!("cannot start the thread that warms: {error}"))?;
        let mut node = Node {
            warm,
            admission: Admission::new(config.listen.max_connections),
            threads: start_threads(config.serving_threads())?,
            open: HashMap::new(),
            ready: Arc::new(AtomicBool::new(false)),
            file,
            clock,
            serve,
            store,
            source,
            upstream,
            log,
            usage,
            limits,
            sni,
            orders,
            order,
            fortune,
            config,
        };
        node.listen()?;
        node.start_admin()?;
        push::start(&node)?;
        node.ready.store(true, Ordering::Relaxed);
        Ok(node)
    }

    /// The node's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Obeys signals and reload orders until the node is told to end; then drains and returns.
    ///
    /// SIGHUP reloads, SIGTERM drains, SIGINT and SIGQUIT end at once, SIGUSR1 opens the log anew.
    ///
    /// # Errors
    /// The system does not let signals be watched.
    pub async fn run(mut self) -> Result<(), String> {
        let watch = |kind| signal(kind).map_err(|error| format!("cannot watch signals: {error}"));
        let (mut hangup, mut term) =
            (watch(SignalKind::hangup())?, watch(SignalKind::terminate())?);
        let mut user = watch(SignalKind::user_defined1())?;
        let (interrupt, quit) = (watch(SignalKind::interrupt())?, watch(SignalKind::quit())?);
        let mut at_once = std::pin::pin!(either(interrupt, quit));
        let mut tick =
            tokio::time::interval(notify::watchdog_interval().map_or(TICK, |w| w.min(TICK)));
        notify::ready(&self.status());
        loop {
            tokio::select! {
                _ = tick.tick() => self.look_after(),
                _ = hangup.recv() => drop(self.reload()),
                Some(order) = self.orders.recv() => self.obey(order),
                _ = user.recv() => self.log.reopen(),
                _ = term.recv() => break,
                () = &mut at_once => {
                    self.end(Duration::ZERO, Duration::ZERO).await;
                    return Ok(());
                }
            }
        }
        let (delay, timeout) =
            (self.config.listen.drain_delay.0, self.config.listen.drain_timeout.0);
        tokio::select! {
            () = self.end(delay, timeout) => Ok(()),
            () = at_once => Ok(()),
        }
    }

    /// Does as ordered. Whoever asked may be gone; what was done counts all the same.
    fn obey(&mut self, order: NodeOrder) {
        match order {
            NodeOrder::Reload(answer) => drop(answer.send(self.reload())),
            NodeOrder::Plan(answer) => drop(answer.send(self.plan())),
            NodeOrder::Change(change, answer) => {
                let changed = self.source.change(change);
                if let Ok(changed) = &changed {
                    self.fortune.changed(changed.generation);
                }
                drop(answer.send(changed));
            }
            NodeOrder::TakeBack { site, undo, answer } => {
                let done = self.source.take_back(&site, undo);
                if let Ok(now) = &done {
                    tracing::warn!("rules of {site}, by order: {now}");
                }
                drop(answer.send(done));
            }
        }
    }

    fn look_after(&self) {
        self.clock.anchor();
        self.store.sweep();
        notify::watchdog();
    }

    fn status(&self) -> String {
        format!("serving {} sites", self.source.sites().snapshot().len())
    }

    /// Drains every listener and stops the threads.
    async fn end(&mut self, delay: Duration, timeout: Duration) {
        self.ready.store(false, Ordering::Relaxed);
        notify::stopping("draining");
        tracing::info!(connections = self.admission.taken(), "draining");
        let drains = self.open.values().map(|drain| drain.run(&self.admission, delay, timeout));
        let left = futures_util::future::join_all(drains).await.into_iter().max().unwrap_or(0);
        if left > 0 {
            tracing::warn!(connections = left, "cut off at the end of the drain");
        }
        self.warm.stop();
        for thread in self.threads.drain(..) {
            thread.end();
        }
        if tokio::time::timeout(CLOSING, self.store.close()).await.is_err() {
            tracing::warn!("the disks could not be closed in {CLOSING:?}: some of memory is lost");
        }
        self.usage.close();
        self.log.close();
    }

    /// Opens the listeners that the settings name and are not open, and drains those they do not
    /// name any more.
    fn listen(&mut self) -> Result<(), String> {
        let settings = self.config.listen.clone();
        let wanted: Vec<(SocketAddr, bool)> = settings
            .http
            .iter()
            .map(|address| (*address, false))
            .chain(settings.https.iter().map(|address| (*address, true)))
            .collect();
        let mut bound = Vec::new();
        for (address, tls) in wanted.iter().filter(|(address, _)| !self.open.contains_key(address))
        {
            for thread in 0..self.threads.len() {
                let listener = listen::bind(*address, &settings)
                    .map_err(|error| format!("cannot listen on {address}: {error}"))?;
                bound.push((thread, *address, *tls, listener));
            }
        }
        // Only when all could be bound does anything change.
        for (thread, address, tls, listener) in bound {
            let drain = Arc::clone(self.open.entry(address).or_default());
            if let Some(thread) = self.threads.get(thread) {
                thread.serve(listener, self.front(thread, tls, &drain));
            }
        }
        self.open.retain(|address, drain| {
            let stays = wanted.iter().any(|(wanted, _)| wanted == address);
            if !stays {
                drain.advance(Stage::Draining);
            }
            stays
        });
        Ok(())
    }

    fn front(&self, thread: &ServingThread<Serve>, tls: bool, drain: &Drain) -> Front<Serve> {
        Front {
            handler: Arc::clone(&self.serve),
            tls: tls.then(|| Arc::clone(&self.sni)),
            settings: Arc::clone(&self.limits),
            admission: self.admission.clone(),
            meters: Arc::clone(&thread.meters),
            drain: drain.watch(),
        }
    }

    fn start_admin(&self) -> Result<(), String> {
        let token_file = self.config.state_dir.join("admin.token");
        let token = Token::load_or_make(&token_file).map_err(|error| {
            format!("cannot keep the admin token in {}: {error}", token_file.display())
        })?;
        let mut registry = Registry::new();
        metrics::register(&mut registry, self);
        let issued = self.config.state_dir.join("tokens.json");
        let issued = Tokens::open(&issued, self.clock.clone())
            .map_err(|error| format!("cannot keep tokens in {}: {error}", issued.display()))?;
        let admin = Arc::new(Admin {
            hosts: self.config.admin.hosts.clone(),
            tokens: issued,
            started: self.clock.now(),
            answered: admin::Answered::default(),
            serve: Arc::clone(&self.serve),
            sites: Arc::clone(self.source.sites()),
            metrics: Box::new(move || registry.render()),
            orders: self.order.clone(),
            ready: Arc::clone(&self.ready),
            token,
        });
        let settings = &self.config.admin;
        let socket = admin::bind_socket(&settings.socket).map_err(|error| {
            format!("cannot open the admin socket {}: {error}", settings.socket.display())
        })?;
        let tcp = admin::bind_tcp(settings.address).map_err(|error| {
            format!("cannot listen on {} for the admin API: {error}", settings.address)
        })?;
        tokio::spawn(admin::serve_socket(Arc::clone(&admin), socket));
        tokio::spawn(admin::serve_tcp(admin, tcp));
        Ok(())
    }
}

/// Has each request to an origin put on its site's bill.
fn bill_origins(upstream: &Shared, usage: &Usage) {
    let meter = usage.meter();
    upstream.tell(Arc::new(move |site, bytes| meter.origin(site, bytes)));
}

fn load_sites(
    config: &NodeConfig,
    clock: &Clock,
) -> Result<(Arc<Shared>, Source, crate::site::Report), String> {
    std::fs::create_dir_all(&config.state_dir).map_err(|error| {
        format!("cannot make the folder {}: {error}", config.state_dir.display())
    })?;
    let upstream = Shared::new(&config.upstream, clock.clone());
    upstream.set_own_addresses(config.own_addresses());
    let state = LastGood::open(&config.state_dir).map_err(|error| error.to_string())?;
    let surroundings = Surroundings {
        state: Arc::new(state),
        folder: config.sites.folder.clone(),
        upstream: Arc::clone(&upstream),
        listeners: config.own_addresses(),
        checks: Some(tokio::runtime::Handle::current()),
        clock: clock.clone(),
    };
    let (source, report) =
        Source::start(config.sites.clone(), surroundings).map_err(|refusal| refusal.to_string())?;
    Ok((upstream, source, report))
}

/// Opens the databases that tell where clients are.
fn open_geo(config: &NodeConfig, file: Option<&Path>) -> Result<Arc<Geo>, String> {
    Geo::open(&config.geo).map(Arc::new).map_err(|complaints| {
        let diagnostics = NodeConfig::locate(file, "geo", complaints);
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })
}

/// Opens the log of orders.
fn open_audit(config: &NodeConfig, clock: &Clock) -> Result<Arc<Audit>, String> {
    let room = config.admin.audit_log.0;
    Audit::open(&config.state_dir.join("audit"), room, clock.clone()).map(Arc::new)
}

fn sni(config: &NodeConfig, sites: &Arc<Sites>) -> Result<Arc<Sni>, String> {
    let sites = Arc::clone(sites);
    let fallback = config.listen.default_server_name.clone();
    Sni::new(move |name| sites.certificate(name), fallback)
        .map(Arc::new)
        .map_err(|error| format!("cannot set up TLS: {error}"))
}

fn start_threads(count: usize) -> Result<Vec<ServingThread<Serve>>, String> {
    (0..count)
        .map(ServingThread::start)
        .collect::<std::io::Result<_>>()
        .map_err(|error| format!("cannot start the serving threads: {error}"))
}

/// Says what came of loading the sites, each trouble with its place.
fn tell(report: &crate::site::Report) {
    tracing::info!("{report}");
    for diagnostic in report.diagnostics() {
        tracing::error!("{diagnostic}");
    }
    if let Some(why) = &report.not_kept {
        tracing::error!("the last good documents could not be kept: {why}");
    }
}

async fn either(mut one: Signal, mut other: Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
