//! The life of one request, told once.
//!
//! | step | file | what it settles |
//! |---|---|---|
//! | identify | `identify.rs` | is the request sound, and which site is it for? |
//! | admit | `admit.rs` | does the site take it? |
//! | rules | `rules/` | what do the customer's own rules make of it? |
//! | plan | `plan.rs` | may the cache be asked, and under which key? |
//! | judge | `judge.rs` | what is stored, and may it be used? |
//! | obtain | `miss.rs` `pass.rs` `head.rs` | get what the store cannot give |
//! | deliver | `deliver.rs` `range.rs` | conditions, ranges, the fields that say how it went |
//! | pages | `pages.rs` | the site's own page where the answer is an error |
//! | settle | `settle.rs` | count it, log it, bill it |
//!
//! A step returns what it found; only [`Serve::story`] and [`Serve::obtain`] branch on it. Whatever
//! goes wrong on the way is a [`Refusal`], which `answer.rs` alone turns into a
//! response.

mod admit;
pub mod answer;
pub mod body;
mod deliver;
mod exchange;
pub mod explain;
mod forward;
mod head;
mod identify;
pub mod images;
pub mod inspect;
mod judge;
mod miss;
pub mod pace;
pub mod pages;
mod pass;
mod plan;
pub mod purge;
mod range;
pub mod rules;
mod sent;
mod settle;
mod slices;
mod tunnel;
pub mod warm;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;

use crate::audit::Audit;
use crate::cache::Reason;
use crate::clock::Clock;
use crate::fill::Flights;
use crate::geo::Geo;
use crate::header::present::Present;
use crate::listen::{self, Connection, Handler};
use crate::site::Sites;
use crate::store::Store;
use crate::telemetry::{AccessLog, Watch};
use crate::usage::Usage;

use answer::Refusal;
use body::Body;
use deliver::Obtained;
use exchange::Exchange;
use identify::Memory;
use judge::Finding;
use plan::{Asked, Course, Plan};
use sent::Sent;

/// Everything that the story needs of the node.
pub struct Serve {
    /// What the node calls itself in `Via`, `Cache-Status`, `Proxy-Status` and `CDN-Loop`.
    pub name: String,
    /// Its `Via` over HTTP/1.1, which nearly every response has.
    pub via: Option<HeaderValue>,
    /// All sites.
    pub sites: Arc<Sites>,
    /// Where stored responses are.
    pub store: Arc<Store>,
    /// Fetches under way.
    pub flights: Arc<Flights>,
    /// Where clients are.
    pub geo: Arc<Geo>,
    /// The node's clock.
    pub clock: Clock,
    /// Where requests are logged.
    pub log: AccessLog,
    /// What may be looked at while it happens.
    pub watch: Watch,
    /// What is counted for bills.
    pub usage: Usage,
    /// What customers' rules run with.
    pub rules: Arc<rules::Bench>,
    /// What makes pictures.
    pub workshop: Arc<images::Workshop>,
    /// How many purges sites and customers ordered of late.
    pub pace: purge::Pace,
    /// How many things a customer may purge each second.
    pub customer_purge_rate: u32,
    /// Where orders are noted.
    pub audit: Arc<Audit>,
    /// Jobs that fill the cache.
    pub warm: warm::Desk,
    /// Dry runs of purges.
    pub surveys: purge::Surveys,
}

impl Handler for Serve {
    type Body = Body;
    type Memory = Memory;

    fn greet(&self) -> Memory {
        Memory::new(self)
    }

    async fn handle(
        &self,
        connection: &Arc<Connection>,
        memory: &Arc<Memory>,
        request: Request<listen::Body>,
    ) -> Response<Body> {
        let mut exchange = Exchange::begin(self, connection, memory, &request);
        let told = async {
            let response = match self.story(&mut exchange, request).await {
                Ok(response) => response,
                Err(refusal) => answer::answer(&self.name, &mut exchange, refusal),
            };
            let response = rules::on_response(self, &mut exchange, response);
            match pages::are_for(self, &mut exchange, response.status()) {
                true => Box::pin(pages::instead(self, &mut exchange, response)).await,
                false => response,
            }
        };
        let told = AssertUnwindSafe(told).catch_unwind().await;
        // A panic costs its own request and no other.
        let broken = |_| answer::answer(&self.name, &mut exchange, Refusal::broken().closing());
        let response = told.unwrap_or_else(broken);
        settle::settle(exchange, response)
    }
}

impl Serve {
    /// The steps in their order. What asks an origin is boxed: it is many times larger than the rest,
    /// and every hit would have to carry its room about.
    async fn story(
        &self,
        exchange: &mut Exchange,
        request: Request<listen::Body>,
    ) -> Result<Response<Body>, Refusal> {
        let (mut head, upload) = request.into_parts();
        let mut present = Present::of(&head.headers);
        let identity = identify::identify(self, exchange, &head, present)?;
        if purge::is_order(&identity, &head) {
            return Box::pin(purge::by_method(self, exchange, &identity, &head)).await;
        }
        if identity.site.pages.as_ref().is_some_and(|pages| !pages.settings.images.is_empty()) {
            exchange.wish.image = pages::wants_image(head.uri.path(), &head.headers);
        }
        admit::admit(self, &identity.site, &head, present)?;
        let mut sent = Sent::new(upload);
        if rules::read_bodies(&identity) && !sent.is_end_stream() {
            Box::pin(sent.peek()).await?;
        }
        let asking = (&mut head, &mut present, &mut sent);
        let policy = match rules::on_request(self, exchange, &identity, asking)? {
            rules::Course::Answered(response) => return Ok(*response),
            rules::Course::On(policy) => policy,
        };
        let images = &identity.site.document.images;
        let wanted = images::wanted(images, &head.method, &mut head.uri, &head.headers)?;
        let mut asked = Asked::new(identity, head, present, policy)?;
        let course = plan::plan(self, &asked, !sent.is_end_stream());
        if let Some(wanted) = wanted {
            return Box::pin(images::answer(self, exchange, &mut asked, sent, (course, wanted)))
                .await;
        }
        match course {
            Course::Pass(reason) => {
                asked.tell_scheme();
                Box::pin(pass::pass(self, exchange, &mut asked, sent, reason)).await
            }
            Course::Cache(plan) => {
                exchange.keyed(plan.question.hash64());
                let obtained = self.obtain(exchange, &mut asked, &plan).await?;
                deliver::deliver(self, exchange, &asked, obtained)
            }
        }
    }

    /// What is stored, in memory or on disk.
    async fn find(&self, exchange: &mut Exchange, asked: &mut Asked, plan: &Plan) -> Finding {
        let mut finding = judge::judge(self, asked, plan, exchange.now);
        if finding.is_absent() && Box::pin(self.store.bring(&plan.question)).await {
            exchange.brought = true;
            finding = judge::judge(self, asked, plan, exchange.now);
        }
        if let Some((entry, first)) = finding.in_doubt(asked) {
            exchange.ahead = Box::pin(entry.body.probe(first)).await;
            if exchange.ahead.is_none() {
                // The disk has lost or damaged what was to be sent: the entry knows that now.
                finding = judge::judge(self, asked, plan, exchange.now);
            }
        }
        finding
    }

    /// Gets the object that the cache is asked for: from the store, or through it.
    async fn obtain(
        &self,
        exchange: &mut Exchange,
        asked: &mut Asked,
        plan: &Plan,
    ) -> Result<Obtained, Refusal> {
        match self.find(exchange, asked, plan).await {
            Finding::Usable(entry, judgement) => {
                let rescue = slices::rescue(self, exchange, asked, plan, &entry);
                Ok(Obtained::stored(entry, judgement).rescued_by(rescue))
            }
            // Who wants it to be fresh waits for it.
            Finding::Refreshable(entry, _) if exchange.inner.is_some() => {
                Box::pin(miss::fetch(self, exchange, asked, plan, Reason::Expired, Some(entry)))
                    .await
            }
            Finding::Refreshable(entry, judgement) => {
                miss::refresh(self, exchange, asked, plan, &entry);
                let rescue = slices::rescue(self, exchange, asked, plan, &entry);
                Ok(Obtained::stored(entry, judgement).rescued_by(rescue))
            }
            Finding::Refused(reason) => Err(Refusal::not_stored(exchange, reason)),
            // Nothing was storable here a moment ago: no waiting for others, and the client's own
            // condition or range may have its effect.
            Finding::Wanting(Reason::Uncacheable, _) => {
                Box::pin(pass::past(self, exchange, asked, plan)).await
            }
            Finding::Wanting(reason, base) if asked.head.method == Method::HEAD => {
                Box::pin(head::ask(self, exchange, asked, plan, reason, base)).await
            }
            Finding::Wanting(reason, base) => {
                Box::pin(miss::fetch(self, exchange, asked, plan, reason, base)).await
            }
        }
    }
}

impl Refusal {
    /// No site has the host.
    fn unknown_host() -> Self {
        Refusal::client(StatusCode::BAD_REQUEST, 40_010_041, "bucket not found")
    }

    /// Something of ours broke.
    fn broken() -> Self {
        Refusal::edge(StatusCode::INTERNAL_SERVER_ERROR, 50_010_000, "internal error")
    }

    /// The client wanted an answer from the store or none (RFC 9111 section 5.2.1.7).
    fn not_stored(exchange: &mut Exchange, reason: Reason) -> Self {
        exchange.decided(reason);
        Refusal::client(
            StatusCode::GATEWAY_TIMEOUT,
            50_410_000,
            "not stored, and only-if-cached was asked for",
        )
    }
}
