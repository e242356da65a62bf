//! The thread that jobs run on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{HeaderValue, Method, Request, Version, header};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, oneshot};

use super::job::{Done, Job};
use super::plan::{Wish, parts};
use super::sitemap::{self, Sitemap};
use crate::listen::{self, Connection};
use crate::serve::exchange::{Inner, Told};
use crate::serve::identify::Memory;
use crate::serve::{Exchange, Serve, answer, rules, settle};
use crate::site::Side;
use crate::telemetry::Ended;

/// How deep an index of sitemaps may lie in others.
const DEPTH: u32 = 3;

/// What runs jobs.
pub struct Runner {
    serve: Arc<Serve>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a thread that runs the jobs that are ordered.
///
/// # Errors
/// The system has no thread or runtime for it.
pub fn start(serve: &Arc<Serve>, limits: Arc<listen::Settings>) -> std::io::Result<Runner> {
    let (end, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runner = Arc::clone(serve);
    let thread = std::thread::Builder::new().name("warm".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = take_jobs(runner, limits) => {}
                _ = ended => {}
            }
        });
    })?;
    Ok(Runner { serve: Arc::clone(serve), end: Some(end), thread: Some(thread) })
}

impl Runner {
    /// Ends all jobs and the thread, and waits for it.
    pub fn stop(&mut self) {
        self.serve.warm.cancel_all();
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has ended too.
            let _ = thread.join();
        }
    }
}

async fn take_jobs(serve: Arc<Serve>, limits: Arc<listen::Settings>) {
    let Some(mut jobs) = serve.warm.receiver.lock().take() else { return };
    let turns = Arc::new(Semaphore::new(serve.warm.settings.jobs as usize));
    let nobody = Connection::none(limits);
    while let Some(job) = jobs.recv().await {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let (serve, nobody) = (Arc::clone(&serve), Arc::clone(&nobody));
        tokio::spawn(async move {
            job.begins(serve.clock.now());
            if !job.is_cancelled() {
                let run =
                    Run { serve: &serve, job: &job, nobody: &nobody, full: AtomicBool::new(false) };
                tokio::select! {
                    () = run.all() => {}
                    () = job.stop.notified() => {}
                }
            }
            job.ends(serve.clock.now());
            drop(turn);
        });
    }
}

struct Run<'a> {
    serve: &'a Arc<Serve>,
    job: &'a Arc<Job>,
    nobody: &'a Arc<Connection>,
    /// Whether no more requests may be added.
    full: AtomicBool,
}

impl Run<'_> {
    async fn all(&self) {
        let plan = &self.job.plan;
        let mut wishes = VecDeque::new();
        for url in &plan.urls {
            self.wish(url, &mut wishes);
        }
        let mut sitemaps: VecDeque<_> =
            plan.sitemaps.iter().map(|it| (Arc::clone(it), 0)).collect();
        let mut read = 0;
        while let Some((url, depth)) = sitemaps.pop_front() {
            read += 1;
            if read > self.serve.warm.settings.sitemaps {
                self.failed(&url, "sitemap", "the job has read as many sitemaps as it may".into());
                break;
            }
            match self.sitemap(&url).await {
                Ok(Sitemap::Urls(urls)) => urls.iter().for_each(|url| self.wish(url, &mut wishes)),
                Ok(Sitemap::Index(_)) if depth >= DEPTH => {
                    let why = format!("it lies deeper than {DEPTH} indexes");
                    self.failed(&url, "sitemap", why);
                }
                Ok(Sitemap::Index(more)) => {
                    sitemaps.extend(more.into_iter().map(|url| (Arc::from(url), depth + 1)));
                }
                Err(why) => self.failed(&url, "sitemap", why),
            }
        }
        self.fetch(wishes).await;
    }

    /// Notes a URL with its variants; one that is nobody's, or too many, has failed already.
    fn wish(&self, url: &str, wishes: &mut VecDeque<(Wish, &'static [Side])>) {
        if self.full.load(Ordering::Relaxed) {
            return;
        }
        match self.serve.site_of_url(url, &self.job.whose) {
            Err(why) => self.failed(url, "", why),
            Ok(site) => {
                let new = self.job.plan.wishes(url, &site);
                let most = u64::from(self.serve.warm.settings.requests);
                if self.job.wanted() + new.len() as u64 > most {
                    let why = format!("from here on it is more than {most} requests");
                    self.failed(url, "", why);
                    // Told once.
                    self.full.store(true, Ordering::Relaxed);
                    return;
                }
                self.job.wants(new.len() as u64);
                wishes.extend(new.into_iter().map(|wish| (wish, site.rules.sides())));
            }
        }
    }

    fn failed(&self, url: &str, variant: &str, why: String) {
        self.job.wants(1);
        self.job.is_done(failure(url, variant, why));
        let most = u64::from(self.serve.warm.settings.requests);
        self.full.fetch_or(self.job.wanted() > most, Ordering::Relaxed);
    }

    /// Makes the requests, so many at a time and in a second.
    async fn fetch(&self, mut wishes: VecDeque<(Wish, &'static [Side])>) {
        let plan = &self.job.plan;
        let pause = Duration::from_secs(1) / plan.rate;
        let mut turns = tokio::time::interval(pause);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut under_way = FuturesUnordered::new();
        loop {
            let room = under_way.len() < plan.concurrency as usize && !wishes.is_empty();
            tokio::select! {
                Some(()) = under_way.next() => {}
                _ = turns.tick(), if room => {
                    if let Some((wish, sides)) = wishes.pop_front() {
                        under_way.push(self.one(wish, sides));
                    }
                }
                else => return,
            }
        }
    }

    /// Makes one request, once for each set of rules that clients may have.
    async fn one(&self, wish: Wish, sides: &'static [Side]) {
        let begun = Instant::now();
        let mut done = failure(&wish.url, &wish.variant(), String::new());
        for side in sides {
            let asked = self.ask(&wish.url, Some(&wish), *side, None);
            let limit = self.serve.warm.settings.timeout.0;
            match tokio::time::timeout(limit, asked).await {
                Err(_) => done.error = Some("it took too long".into()),
                Ok(Err(why)) => done.error = Some(why),
                Ok(Ok((told, _))) => note(&mut done, told),
            }
            if done.error.is_some() {
                break;
            }
        }
        done.millis = begun.elapsed().as_millis() as u64;
        self.job.is_done(done);
    }

    async fn sitemap(&self, url: &str) -> Result<Sitemap, String> {
        let most = self.serve.warm.settings.sitemap.0;
        let limit = self.serve.warm.settings.timeout.0;
        let asked = self.ask(url, None, Side::Document, Some(most));
        let asked = tokio::time::timeout(limit, asked).await;
        let (told, bytes) = asked.map_err(|_| "it took too long".to_owned())??;
        let mut done = failure(url, "sitemap", String::new());
        note(&mut done, told);
        match done.error {
            Some(why) => Err(why),
            None => tokio::task::spawn_blocking(move || sitemap::read(bytes, most))
                .await
                .map_err(|error| error.to_string())?,
        }
    }

    /// Makes a request as a client would, and reads its answer to the end; keeps the body if so many
    /// bytes of it are wanted.
    async fn ask(
        &self,
        url: &str,
        wish: Option<&Wish>,
        side: Side,
        keep: Option<u64>,
    ) -> Result<(Told, Vec<u8>), String> {
        let serve = &**self.serve;
        serve.site_of_url(url, &self.job.whose)?;
        let (scheme, host, target) = parts(url).ok_or("it is no URL")?;
        let mut request = Request::builder()
            .method(Method::GET)
            .version(Version::HTTP_11)
            .uri(target)
            .header(header::HOST, host)
            .header(header::USER_AGENT, HeaderValue::from_static("brink (warm)"));
        if let Some(wish) = wish.filter(|wish| &*wish.encoding != "identity") {
            request = request.header(header::ACCEPT_ENCODING, &*wish.encoding);
        }
        if let Some(range) = wish.and_then(|wish| wish.range.as_deref()) {
            request = request.header(header::RANGE, format!("bytes={range}"));
        }
        let request = request.body(listen::Body::empty()).map_err(|error| error.to_string())?;
        let memory = Arc::new(Memory::new(serve));
        let (asker, told) = oneshot::channel();
        let mut exchange = Exchange::begin(serve, self.nobody, &memory, &request);
        exchange.inner = Some(Box::new(Inner { scheme, side, refused: None, asker }));
        let response = match serve.story(&mut exchange, request).await {
            Ok(response) => response,
            Err(refusal) => answer::answer(&serve.name, &mut exchange, refusal),
        };
        let response = rules::on_response(serve, &mut exchange, response);
        let mut body = settle::settle(exchange, response).into_body();
        let mut kept = Vec::new();
        while let Some(frame) = body.frame().await {
            // How it broke is told by the exchange.
            let Ok(frame) = frame else { break };
            let Some((most, data)) = keep.zip(frame.data_ref()) else { continue };
            if kept.len() as u64 + data.len() as u64 > most {
                return Err(sitemap::too_large(most));
            }
            kept.extend_from_slice(data);
        }
        drop(body);
        let told = told.await.map_err(|_| "nobody tells what came of it".to_owned())?;
        Ok((told, kept))
    }
}

fn failure(url: &str, variant: &str, why: String) -> Done {
    Done {
        seq: 0,
        url: url.to_owned(),
        variant: variant.to_owned(),
        status: 0,
        cache: "",
        bytes: 0,
        millis: 0,
        error: (!why.is_empty()).then_some(why),
    }
}

fn note(done: &mut Done, told: Told) {
    let outcome = told.outcome;
    done.status = outcome.status.as_u16();
    done.cache = outcome.verdict.map_or("", |(verdict, _)| verdict.as_str());
    done.bytes += outcome.bytes_out;
    done.error = match (told.refused, told.fault) {
        (Some(why), _) => Some(why.into_owned()),
        (None, Some(fault)) => Some(fault.to_owned()),
        _ if done.status >= 400 => Some(format!("the status is {}", outcome.status)),
        _ if outcome.ended != Ended::Whole => Some("the body was cut".into()),
        _ => None,
    };
}
