//! The routes of the admin listener, and the document that describes them (OpenAPI 3.1).

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router, middleware};
use http::{StatusCode, header};
use tokio::sync::oneshot;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder,
    SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::access::Operator;
use crate::admin::ledger::{self, BODY_MOST};
use crate::admin::problem::{Problem, Shown};
use crate::admin::{
    Admin, NodeOrder, PlanAnswer, ReloadAnswer, aliases, health, issue, orders, parts, sites,
    surveys, usage, warm, watching,
};
use crate::telemetry::metrics::CONTENT_TYPE;

/// All routes.
pub(super) fn router(admin: Arc<Admin>) -> Router {
    let (router, document) = described().split_for_parts();
    let document = finished(document);
    router
        .route("/v1/openapi.json", get(async move || Json(document)))
        .merge(aliases::router())
        .fallback(|| async { Problem::missing("there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this is asked for by another method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), ledger::keep))
        .layer(DefaultBodyLimit::max(BODY_MOST))
        .with_state(admin)
}

/// The routes that describe themselves.
fn described() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::with_openapi(
        OpenApiBuilder::new()
            .info(InfoBuilder::new().title("brink").version(env!("CARGO_PKG_VERSION")).build())
            .build(),
    )
    .routes(routes!(live))
    .routes(routes!(ready))
    .routes(routes!(metrics))
    .routes(routes!(reload))
    .routes(routes!(orders::explain))
    .routes(routes!(orders::purge))
    .routes(routes!(surveys::progress, surveys::cancel))
    .routes(routes!(warm::begin, warm::list))
    .routes(routes!(warm::progress, warm::cancel))
    .routes(routes!(warm::results))
    .routes(routes!(orders::objects))
    .routes(routes!(plan))
    .routes(routes!(health::health))
    .routes(routes!(sites::list))
    .routes(routes!(sites::read, sites::put, sites::delete))
    .routes(routes!(sites::validate))
    .routes(routes!(sites::effective))
    .routes(routes!(parts::history))
    .routes(routes!(parts::diff))
    .routes(routes!(parts::roll_back))
    .routes(routes!(parts::rules, parts::put_rules))
    .routes(routes!(parts::take_back))
    .routes(routes!(parts::presets))
    .routes(routes!(parts::put_preset, parts::delete_preset))
    .routes(routes!(usage::usage))
    .routes(routes!(usage::export))
    .routes(routes!(usage::acknowledge))
    .routes(routes!(issue::list, issue::create))
    .routes(routes!(issue::revoke))
    .routes(routes!(issue::audit))
    .routes(routes!(watching::top))
    .routes(routes!(watching::tail))
}

/// The document with what holds for every operation: who may ask, and how errors look.
fn finished(mut document: OpenApi) -> OpenApi {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Shown::name()))).build();
    let problem = ResponseBuilder::new()
        .description("What is wrong, and what to do instead (RFC 9457)")
        .content("application/problem+json", problem)
        .build();
    for (path, item) in &mut document.paths.paths {
        let words: String = path.chars().filter(|it| !matches!(it, '{' | '}')).collect();
        let words = words.trim_start_matches("/v1").replace(['/', '.'], "_");
        for (method, operation) in [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ] {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(format!("{method}{words}"));
            operation.responses.responses.insert("default".into(), problem.clone().into());
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.insert(Shown::name().into(), Shown::schema());
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert("token".into(), bearer.into());
    document.security = Some(vec![SecurityRequirement::new("token", [""; 0])]);
    document
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/livez", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn live() -> &'static str {
    "ok\n"
}

/// Whether the node takes traffic: not while it starts or drains.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 503, body = String, content_type = "text/plain")))]
async fn ready(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    if admin.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// Everything that the node counts, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], (admin.metrics)())
}

/// Reads the node file and all site documents again.
#[utoipa::path(post, path = "/v1/reload", tag = "configuration",
    responses((status = 200, body = ReloadAnswer)))]
async fn reload(
    State(admin): State<Arc<Admin>>,
    _: Operator,
) -> Result<impl IntoResponse, Problem> {
    let answer = order(&admin, NodeOrder::Reload).await?;
    Ok((ledger::Noted(answer.summary.clone()), Json(answer)))
}

/// What a reload would do: which sites and settings would change, and how.
#[utoipa::path(get, path = "/v1/plan", tag = "configuration",
    responses((status = 200, body = PlanAnswer)))]
async fn plan(State(admin): State<Arc<Admin>>, _: Operator) -> Result<Json<PlanAnswer>, Problem> {
    order(&admin, NodeOrder::Plan).await?.map(Json).map_err(Problem::failed)
}

/// Orders something of the node and waits for what comes of it.
pub(super) async fn order<T>(
    admin: &Admin,
    order: impl FnOnce(oneshot::Sender<T>) -> NodeOrder,
) -> Result<T, Problem> {
    let (answer, answered) = oneshot::channel();
    let gone = || Problem::failed("the node is stopping");
    admin.orders.send(order(answer)).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())
}
