//! Making and taking back tokens, and reading the audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::Admin;
use crate::admin::access::{Operator, Role};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::take::{At, Body, Params};
use crate::admin::tokens::{NewToken, TokenInfo};
use crate::audit::Line;
use crate::clock::Timestamp;
use crate::site::is_customer;
use crate::usage::parse_moment;

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenOrder {
    /// Who or what it is for, 1 to 100 bytes.
    name: String,
    /// What it opens.
    role: Role,
    /// Whose sites it sees; without it, all. An operator's has none.
    customer: Option<String>,
    /// When it ends, as RFC 3339, a date or seconds since 1970; without it, when it is taken back.
    expires: Option<String>,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenMade {
    /// The token itself. It is not told again.
    token: String,
    #[serde(flatten)]
    info: TokenInfo,
}

/// All tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenList {
    /// The oldest first.
    tokens: Vec<TokenInfo>,
}

/// Lists the tokens; none of them tells its secret.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens",
    responses((status = 200, body = TokenList)))]
pub(super) async fn list(State(admin): State<Arc<Admin>>, _: Operator) -> Json<TokenList> {
    Json(TokenList { tokens: admin.tokens.list() })
}

/// Makes a token.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = TokenOrder,
    responses((status = 201, body = TokenMade)))]
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    _: Operator,
    Body(order): Body<TokenOrder>,
) -> Result<impl IntoResponse, Problem> {
    let new = order.checked(admin.serve.clock.now())?;
    let whose = new.customer.clone().map_or("all sites".into(), |it| format!("customer {it}"));
    let (info, token) = admin.tokens.create(new).map_err(Problem::failed)?;
    let noted = format!("token {} ({}), {}, {whose}", info.name, info.id, info.role.as_str());
    Ok((StatusCode::CREATED, Noted(noted), Json(TokenMade { token, info })))
}

/// Takes a token back: it opens nothing from now on.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 200, body = TokenInfo)))]
pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    _: Operator,
    At(id): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let gone = admin.tokens.revoke(&id).map_err(Problem::failed)?;
    let gone = gone.ok_or_else(|| Problem::missing(format!("there is no token `{id}`")))?;
    Ok((Noted(format!("token {} ({})", gone.name, gone.id)), Json(gone)))
}

impl TokenOrder {
    fn checked(self, now: Timestamp) -> Result<NewToken, Problem> {
        let TokenOrder { name, role, customer, expires } = self;
        if name.trim().is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(Problem::wrong("`name` has 1 to 100 bytes that can be shown"));
        }
        if let Some(customer) = customer.as_deref().filter(|it| !is_customer(it)) {
            return Err(Problem::wrong(format!("`{customer}` is no name of a customer")));
        }
        if role == Role::Operator && customer.is_some() {
            return Err(Problem::wrong("an operator's token is no customer's"));
        }
        let moment = |text: String| {
            let seconds = parse_moment(&text).map(Timestamp::from_seconds);
            seconds.filter(|end| *end > now).ok_or_else(|| {
                Problem::wrong(format!("`{text}` is no moment to come, as `2027-01-31` is one"))
            })
        };
        let expires = expires.map(moment).transpose()?;
        Ok(NewToken { name, role, customer, expires })
    }
}

/// Which lines of the audit log are wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The most lines; 100 if it is missing.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Those before this number alone.
    before: Option<u64>,
    /// Those whose actor's name, customer or address holds this text alone.
    who: Option<String>,
    /// Those whose action or detail holds this text alone.
    what: Option<String>,
    /// Whether the chain is to be looked at from its beginning to its end.
    #[serde(default)]
    verify: bool,
}

/// What the audit log holds.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditTold {
    /// The newest first.
    lines: Vec<Line>,
    /// What came of looking at the chain, if that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Chain>,
}

/// What came of looking at the chain.
#[derive(Serialize, ToSchema)]
pub(super) struct Chain {
    /// Whether every line follows the one before, unchanged.
    whole: bool,
    /// How many lines there are, or the number of the first that is wrong.
    line: u64,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Reads the audit log: who ordered what, and what came of it.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(Wanted),
    responses((status = 200, body = AuditTold)))]
pub(super) async fn audit(
    State(admin): State<Arc<Admin>>,
    _: Operator,
    Params(wanted): Params<Wanted>,
) -> Result<Json<AuditTold>, Problem> {
    let log = Arc::clone(&admin.serve.audit);
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=10_000).contains(&limit) {
        return Err(Problem::wrong("`limit` is from 1 to 10000"));
    }
    let read = tokio::task::spawn_blocking(move || {
        let lines = log.newest(limit, |line| wanted.takes(line))?;
        let chain = wanted.verify.then(|| match log.verify() {
            Ok(line) => Chain { whole: true, line, why: None },
            Err(broken) => Chain { whole: false, line: broken.line, why: Some(broken.why) },
        });
        Ok(AuditTold { lines, chain })
    });
    let told = read.await.map_err(|error| Problem::failed(error.to_string()))?;
    told.map(Json).map_err(|why: String| Problem::failed(why))
}

impl Wanted {
    fn takes(&self, line: &Line) -> bool {
        let has = |wanted: &Option<String>, texts: &[&str]| match wanted {
            None => true,
            Some(wanted) => texts.iter().any(|text| text.contains(wanted.as_str())),
        };
        let actor = &line.event.actor;
        let customer = actor.customer.as_deref().unwrap_or_default();
        self.before.is_none_or(|before| line.seq < before)
            && has(&self.who, &[&actor.name, customer, &actor.from])
            && has(&self.what, &[&line.event.action, &line.event.detail])
    }
}
