//! The one table of paths, and the router built from it.
//!
//! A path is a row: what it asks of its user, and the function that answers. Nothing answers that is not in the table,
//! and nothing in it answers before [`Gate::admit`] has let the request in.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::access::{Access, Gate, Identity, MAX_BODY, Peer, Refusal};
use super::config::Role;
use super::paced::Page;
use super::{App, Unavailable, api, page, reply};
use crate::exposition::{self, Form};

/// Pages of metrics that are rendered or on their way at one time; each may take some ten MiB.
const PAGES: usize = 2;

/// How long a scrape waits for its turn; Prometheus gives up after 10 s.
const TURN: Duration = Duration::from_secs(5);

/// A path that answers.
#[derive(Debug)]
pub struct Route {
    /// Below the prefix of `web.external_url`, and at the root.
    pub path: &'static str,
    /// GET, which includes HEAD, or POST, which changes something.
    pub method: Method,
    /// What it asks of its user.
    pub access: Access,
    /// What it is, in a few words.
    pub about: &'static str,
    answer: fn(Arc<Site>, Request) -> Answer,
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Every path that answers.
pub static ROUTES: [Route; 17] = [
    page("/", "the page: how things stand"),
    page("/sessions", "the page: sessions"),
    page("/sessions/{*id}", "the page: one session turn by turn"),
    page("/requests", "the page: requests"),
    page("/requests/{*id}", "the page: one request and its price"),
    page("/conversations", "the page: captured conversations and the search in them"),
    page("/usage", "the page: use by whom and when"),
    page("/consumers", "the page: consumers"),
    page("/consumers/{*name}", "the page: one consumer"),
    page("/cost", "the page: cost, forecast, budgets"),
    page("/sla", "the page: availability and outages"),
    page("/status", "the page: tokentail itself"),
    Route {
        path: "/assets/{*path}",
        method: Method::GET,
        access: Access::Role(Role::Viewer),
        about: "scripts, styles and words of the page",
        answer: |_, request| Box::pin(async move { page::asset(request.uri().path(), request.headers()) }),
    },
    Route {
        path: "/metrics",
        method: Method::GET,
        access: Access::Scrape,
        about: "the metrics, for Prometheus",
        answer: |site, request| Box::pin(metrics(site, request)),
    },
    Route {
        path: "/-/healthy",
        method: Method::GET,
        access: Access::Health,
        about: "whether the process lives",
        answer: |_, _| Box::pin(async { reply::text("healthy\n") }),
    },
    Route {
        path: "/-/ready",
        method: Method::GET,
        access: Access::Health,
        about: "whether the ledger can commit",
        answer: |site, _| Box::pin(ready(site)),
    },
    Route {
        path: "/-/reload",
        method: Method::POST,
        access: Access::Role(Role::Admin),
        about: "reads the configuration again",
        answer: |site, request| Box::pin(reload(site, request)),
    },
];

/// A page, for whoever may look.
const fn page(path: &'static str, about: &'static str) -> Route {
    let answer: fn(Arc<Site>, Request) -> Answer =
        |site, _| Box::pin(async move { page::shell(site.gate.rules.prefix()) });
    Route { path, method: Method::GET, access: Access::Role(Role::Viewer), about, answer }
}

/// What every answer is made from.
pub(super) struct Site {
    pub(super) gate: Arc<Gate>,
    app: Arc<dyn App>,
    pages: Arc<Semaphore>,
    api: api::Api,
}

impl Site {
    pub(super) fn new(gate: Arc<Gate>, app: Arc<dyn App>) -> Site {
        Site { gate, api: api::Api::new(Arc::clone(&app)), app, pages: Arc::new(Semaphore::new(PAGES)) }
    }

    async fn admit(&self, parts: &Parts, access: Access, writes: bool) -> Result<Identity, Refusal> {
        match parts.extensions.get::<Peer>() {
            Some(peer) => self.gate.admit(peer, parts, access, writes).await,
            None => Err(Refusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: "internal",
                message: "the connection is unknown".to_owned(),
            }),
        }
    }

    /// Runs what may block or take long beside the server's threads.
    async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&dyn App) -> T + Send + 'static) -> Result<T, Response> {
        let app = Arc::clone(&self.app);
        spawn_blocking(move || ask(&*app)).await.map_err(|error| {
            tracing::error!("an answer failed: {error}");
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer failed; the log says more")
        })
    }
}

/// The router of [`ROUTES`]. Requests carry their [`Peer`] as an extension.
pub(super) fn router(site: &Arc<Site>) -> Router {
    let mut router = Router::new();
    for route in &ROUTES {
        let filter = if route.method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
        let site = Arc::clone(site);
        let answer = move |request| answer(Arc::clone(&site), route, request);
        router = router.route(route.path, on(filter, answer));
    }
    for endpoint in api::endpoints() {
        let filter = if endpoint.method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
        let site = Arc::clone(site);
        let answer = move |request| ask(Arc::clone(&site), endpoint, request);
        router = router.route(endpoint.path, on(filter, answer));
    }
    let none = |status, code, message| {
        let site = Arc::clone(site);
        move |request: Request| async move {
            // Strangers do not learn which paths there are.
            match site.admit(&request.into_parts().0, Access::Role(Role::Metrics), false).await {
                Ok(_) => reply::error(status, code, message),
                Err(refusal) => reply::refusal(&refusal),
            }
        }
    };
    router
        .fallback(none(StatusCode::NOT_FOUND, "not_found", "there is no such path"))
        .method_not_allowed_fallback(none(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path takes the methods that the Allow header names",
        ))
        .layer(DefaultBodyLimit::max(usize::try_from(MAX_BODY).unwrap_or(usize::MAX)))
}

async fn answer(site: Arc<Site>, route: &'static Route, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    match site.admit(&parts, route.access, route.method != Method::GET).await {
        Err(refusal) => reply::refusal(&refusal),
        Ok(identity) => {
            parts.extensions.insert(identity);
            (route.answer)(site, Request::from_parts(parts, body)).await
        }
    }
}

/// As [`answer`], for a path of the API.
async fn ask(site: Arc<Site>, endpoint: &'static api::Endpoint, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match site.admit(&parts, Access::Role(endpoint.role), endpoint.method != Method::GET).await {
        Err(refusal) => reply::refusal(&refusal),
        Ok(identity) => {
            let tls = parts.extensions.get::<Peer>().is_some_and(|peer| peer.tls);
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let base = site.gate.rules.base(host, tls);
            let caller = api::Caller { base, user: identity.user, role: identity.role };
            site.api.answer(endpoint, Request::from_parts(parts, body), caller).await
        }
    }
}

async fn metrics(site: Arc<Site>, request: Request) -> Response {
    let turn = tokio::time::timeout(TURN, Arc::clone(&site.pages).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return reply::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many scrapes at one time; scrape less often",
        );
    };
    let form = exposition::negotiate(joined(request.headers(), &header::ACCEPT).as_deref());
    let gzip = exposition::accepts_gzip(joined(request.headers(), &header::ACCEPT_ENCODING).as_deref());
    let page = site.ask(move |app| app.metrics().map(|page| encode(page, form, gzip))).await;
    let (page, gzip) = match page {
        Ok(Ok(page)) => page,
        Ok(Err(Unavailable(why))) => return reply::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &why),
        Err(response) => return response,
    };
    let mut response = reply::typed(StatusCode::OK, form.content_type(), Body::new(Page::new(page, turn)));
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The bytes to send, and whether they are compressed.
fn encode(openmetrics: String, form: Form, gzip: bool) -> (Vec<u8>, bool) {
    let page = match form {
        Form::OpenMetrics => openmetrics,
        Form::Text => {
            let mut text = String::new();
            exposition::downgrade(&openmetrics, &mut text);
            text
        }
    };
    match if gzip { exposition::gzip(page.as_bytes()).ok() } else { None } {
        Some(packed) => (packed, true),
        None => (page.into_bytes(), false),
    }
}

/// All values of a header that is a list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

async fn ready(site: Arc<Site>) -> Response {
    match site.ask(|app| app.ready()).await {
        Ok(Ok(())) => reply::text("ready\n"),
        Ok(Err(why)) => reply::error(StatusCode::SERVICE_UNAVAILABLE, "not_ready", &why),
        Err(response) => response,
    }
}

async fn reload(site: Arc<Site>, request: Request) -> Response {
    let user = request.extensions().get::<Identity>().and_then(|identity| identity.user.clone());
    tracing::info!(user, "a reload is asked for over HTTP");
    match site.ask(|app| app.reload()).await {
        Ok(Ok(message)) => reply::json(StatusCode::OK, &serde_json::json!({"message": message})),
        Ok(Err(why)) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "reload_failed", &why),
        Err(response) => response,
    }
}
