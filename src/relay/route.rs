//! The relay's paths: who may post, and what a delivery is answered with.
//!
//! Only who shows the token may post or learns which receivers there are. `/metrics` and the health paths answer
//! everybody: they name receivers and counts and nothing else. The Host is not looked at, since no page of a stranger
//! knows the token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::alert::Notification;
use super::counter::Outcome;
use super::lane::Delivery;
use super::service::Shared;
use crate::exposition::{Form, downgrade, negotiate};
use crate::web::reply;

/// Largest body; Alertmanager's `max_alerts` keeps notifications below it.
const MAX_BODY: usize = 1 << 20;

/// Longest time for a body to come.
const BODY: Duration = Duration::from_secs(5);

/// Bodies that are read and waited for at one time, so that memory is bounded whatever Alertmanager sends.
const AT_ONCE: usize = 64;

/// What every answer is made from.
pub(super) struct Site {
    shared: Arc<Shared>,
    turns: Semaphore,
    /// Whether a wrong token was logged: strangers could fill the log.
    told: AtomicBool,
}

/// The router of all paths.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let site = Site { shared: Arc::clone(shared), turns: Semaphore::new(AT_ONCE), told: AtomicBool::new(false) };
    Router::new()
        .route("/alerts/{receiver}", post(alerts))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(async || reply::text("healthy\n")))
        .route("/-/ready", get(async || reply::text("ready\n")))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(site))
}

async fn alerts(State(site): State<Arc<Site>>, Path(name): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = site.admit(&parts.headers) {
        return refusal;
    }
    let Some(lane) = site.shared.lane(&name) else {
        return reply::error(StatusCode::NOT_FOUND, "unknown_receiver", "relay.receivers has no receiver of this name");
    };
    let Ok(_turn) = site.turns.try_acquire() else {
        let message = "too many notifications at one time";
        return answer(
            &site,
            &name,
            &Delivery { outcome: Outcome::Busy, message: message.to_owned(), retry_after: None },
        );
    };
    let notification = match read(body).await {
        Ok(notification) => notification,
        Err((status, message)) => {
            site.shared.counter.observe(&name, Outcome::Invalid);
            tracing::warn!(receiver = name, "a notification cannot be used: {message}");
            return reply::error(status, Outcome::Invalid.label(), &message);
        }
    };
    let delivery = lane.deliver(notification).await;
    answer(&site, &name, &delivery)
}

async fn read(body: Body) -> Result<Notification, (StatusCode, String)> {
    let body = match timeout(BODY, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let message = "the body was cut, or is larger than 1 MiB; set max_alerts of Alertmanager's webhook_configs";
            return Err((StatusCode::PAYLOAD_TOO_LARGE, message.to_owned()));
        }
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the body did not come within 5 s".to_owned())),
    };
    Notification::parse(&body).map_err(|error| (StatusCode::BAD_REQUEST, error))
}

/// 2xx only for what was delivered; Alertmanager tries again after every 5xx.
fn answer(site: &Site, name: &str, delivery: &Delivery) -> Response {
    let Delivery { outcome, message, retry_after } = delivery;
    site.shared.counter.observe(name, *outcome);
    let status = match outcome {
        Outcome::Delivered => return reply::json(StatusCode::OK, &serde_json::json!({"message": message})),
        Outcome::Refused | Outcome::Failed => StatusCode::BAD_GATEWAY,
        Outcome::Throttled | Outcome::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Invalid => StatusCode::BAD_REQUEST,
    };
    let mut response = reply::error(status, outcome.label(), message);
    if let Some(wait) = retry_after {
        // Whole seconds, never 0.
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let Ok(page) = site.shared.counter.encode() else {
        return reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the page cannot be written");
    };
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let form = negotiate((!accept.is_empty()).then(|| accept.join(",")).as_deref());
    let page = match form {
        Form::OpenMetrics => page,
        Form::Text => {
            let mut text = String::new();
            downgrade(&page, &mut text);
            text
        }
    };
    reply::typed(StatusCode::OK, form.content_type(), Body::from(page))
}

async fn nowhere(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let answer = || reply::error(StatusCode::NOT_FOUND, "not_found", "there is no such path");
    site.admit(&headers).map_or_else(|refusal| refusal, |()| answer())
}

async fn wrong_method(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let message = "this path takes the methods that the Allow header names";
    let answer = || reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    site.admit(&headers).map_or_else(|refusal| refusal, |()| answer())
}

impl Site {
    #[expect(clippy::result_large_err, reason = "the answer itself, made where it is known")]
    fn admit(&self, headers: &HeaderMap) -> Result<(), Response> {
        let expected = self.shared.token();
        if shown(headers).is_some_and(|token| is_same(&token, expected.as_bytes())) {
            return Ok(());
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("refused a request without the token of relay.token_file");
        }
        let message = "the token of relay.token_file is needed, as a bearer token or as a password";
        let mut response = reply::error(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let challenge = HeaderValue::from_static("Bearer realm=\"tokentail relay\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        Err(response)
    }
}

/// The bearer token, or the password of basic authentication; `None` where there is none, or where there are several.
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

/// Compares in a time that tells nothing: of two hashes, by `verify_slice`.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let mac = |text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"tokentail relay token").ok()?;
        mac.update(text);
        Some(mac)
    };
    let (Some(given), Some(expected)) = (mac(given), mac(expected)) else { return false };
    given.verify_slice(&expected.finalize().into_bytes()).is_ok()
}
