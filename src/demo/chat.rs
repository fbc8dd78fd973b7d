//! A made-up chat service that answers like LobeChat and sometimes fails, for probes to watch.
//!
//! Turns a seed and the time into health: most of the time it answers at once, now and then it is slow, answers 503 for
//! a few seconds, or for a minute or two. Speaks plain HTTP/1 on loopback and calls no model.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Frame;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::random::{Random, whole};
use crate::clock::Clock;
use crate::record::Micros;

/// How the service feels at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Answers at once.
    Up,
    /// Answers after this long.
    Slow(Duration),
    /// Answers 503.
    Down,
}

/// At most one trouble lies in each span of this length.
const SPAN: Micros = 240_000_000;
/// The purpose of the seed that tells the troubles.
const TROUBLE: u64 = 0x0063_6861_7400_0000;
/// Open connections at a time; further ones wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two parts of a streamed answer.
const PACE: Duration = Duration::from_millis(30);

/// How the service of this seed feels at `at`: the same whenever it is asked. Of the spans of four minutes, 30 % hold
/// 503 for 5 to 15 seconds, 8 % for 50 to 100 seconds, and 17 % slow answers for 20 to 60 seconds.
#[must_use]
pub fn health(seed: u64, at: Micros) -> Health {
    let span = u64::try_from(at.div_euclid(SPAN)).unwrap_or(0);
    let mut random = Random::new(seed, TROUBLE ^ span);
    let (trouble, low, high) = match random.unit() {
        draw if draw < 0.30 => (Health::Down, 5.0, 15.0),
        draw if draw < 0.38 => (Health::Down, 50.0, 100.0),
        draw if draw < 0.55 => (Health::Slow(Duration::from_millis(random.between(1_600, 4_200))), 20.0, 60.0),
        _ => return Health::Up,
    };
    let length = micros(low + (high - low) * random.unit());
    let from = random.between(0, u64::try_from(SPAN).unwrap_or(0).saturating_sub(length));
    let within = u64::try_from(at.rem_euclid(SPAN)).unwrap_or(0);
    if (from..from + length).contains(&within) { trouble } else { Health::Up }
}

fn micros(seconds: f64) -> u64 {
    whole(seconds * 1e6)
}

/// What the handlers know.
struct Service {
    seed: u64,
    clock: Clock,
    started: Micros,
    pace: Duration,
}

/// The service, bound to its port and not yet answering.
pub struct Chat {
    listener: TcpListener,
    address: SocketAddr,
    service: Service,
}

impl Chat {
    /// Binds to a free port of loopback.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn bind(seed: u64, clock: Clock) -> io::Result<Chat> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let started = clock.now();
        Ok(Chat { listener, address, service: Service { seed, clock, started, pace: PACE } })
    }

    /// Where it listens; requests wait there from the moment of binding.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, then drops its connections at once, as a crashed service would.
    pub async fn serve(self, shutdown: CancellationToken) {
        let router = router(Arc::new(self.service));
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accept(&self.listener, &connections) => accepted,
            };
            while tasks.try_join_next().is_some() {}
            let Ok((stream, permit)) = accepted else {
                // Out of descriptors, or a client that was gone at once: the next one may fare better.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let service = TowerToHyperService::new(router.clone());
            tasks.spawn(async move {
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                // A broken connection is the client's affair.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                drop(permit);
            });
        }
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/api/v1/health", get(health_page))
        .route("/api/auth/ok", get(async || Json(json!({"ok": true}))))
        .route("/webapi/chat/openai", post(complete))
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(async || Json(json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]}))))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), feel))
        .with_state(service)
}

/// The model that the service says it has.
const MODEL: &str = "qwen-plus";

/// Lets a request through, late or not at all.
async fn feel(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    match health(service.seed, service.clock.now()) {
        Health::Up => {}
        Health::Slow(delay) => tokio::time::sleep(delay).await,
        Health::Down => {
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], "upstream connect error\n")
                .into_response();
        }
    }
    next.run(request).await
}

async fn page() -> Html<&'static str> {
    Html("<!doctype html><html lang=en><title>Chat</title><h1>Chat</h1><p>A made-up chat service.</html>\n")
}

async fn health_page(State(service): State<Arc<Service>>) -> Json<Value> {
    let uptime = (service.clock.now() - service.started) / 1_000_000;
    Json(json!({"service": "lobe-chat-api", "status": "ok", "uptime": uptime, "version": "1.143.0"}))
}

/// What it says to everything, part by part.
const ANSWER: [&str; 8] = ["The", " answer", " is", " forty", "-two", ",", " as", " ever."];

/// An OpenAI-compatible completion: whole, or as server-sent events that end with the usage.
async fn complete(State(service): State<Arc<Service>>, request: Result<Json<Value>, JsonRejection>) -> Response {
    let Ok(Json(request)) = request else {
        let error = json!({"error": {"message": "the body is not JSON", "type": "invalid_request_error"}});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let model = request.get("model").and_then(Value::as_str).unwrap_or(MODEL);
    // Four bytes a token, as a rule of thumb.
    let prompt = request.get("messages").map_or(0, |messages| messages.to_string().len().div_ceil(4));
    let usage = json!({
        "prompt_tokens": prompt,
        "completion_tokens": ANSWER.len(),
        "total_tokens": prompt + ANSWER.len(),
    });
    let now = service.clock.now();
    let (id, created) = (format!("chatcmpl-{now:x}"), now / 1_000_000);
    if request.get("stream").and_then(Value::as_bool) != Some(true) {
        let message = json!({"role": "assistant", "content": ANSWER.concat()});
        return Json(json!({
            "id": id, "object": "chat.completion", "created": created, "model": model, "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }))
        .into_response();
    }
    let event = |choices: Value, usage: &Value| {
        let chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": choices, "usage": usage,
        });
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let delta = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let mut parts: VecDeque<Bytes> =
        ANSWER.iter().map(|text| event(delta(json!({"content": text}), Value::Null), &Value::Null)).collect();
    parts.push_back(event(delta(json!({}), json!("stop")), &Value::Null));
    parts.push_back(event(json!([]), &usage));
    parts.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
    let events = Events { parts, pace: service.pace, pause: Box::pin(tokio::time::sleep(service.pace)) };
    let head = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (head, Body::new(events)).into_response()
}

/// A body that sends its parts one by one, with a pause before each.
struct Events {
    parts: VecDeque<Bytes>,
    pace: Duration,
    pause: Pin<Box<Sleep>>,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.parts.is_empty() {
            return Poll::Ready(None);
        }
        if self.pause.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let pace = self.pace;
        self.pause.set(tokio::time::sleep(pace));
        Poll::Ready(self.parts.pop_front().map(|part| Ok(Frame::data(part))))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// A time from which on the service of seed 1 is as asked.
    fn moment(wanted: fn(Health) -> bool) -> Micros {
        (0..4_000).map(|second| 1_795_132_800_000_000 + second * 1_000_000).find(|&at| wanted(health(1, at))).unwrap()
    }

    /// Head and body of one exchange.
    async fn exchange(at: Micros, request: &str) -> String {
        let mut chat = Chat::bind(1, Clock::manual(at)).await.unwrap();
        chat.service.pace = Duration::ZERO;
        let address = chat.address();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(chat.serve(shutdown.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        shutdown.cancel();
        serving.await.unwrap();
        answer
    }

    async fn get(at: Micros, path: &str) -> String {
        exchange(at, &format!("GET {path} HTTP/1.1\r\nhost: chat\r\nconnection: close\r\n\r\n")).await
    }

    async fn post(path: &str, body: &str) -> String {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: chat\r\nconnection: close\r\ncontent-length: {length}\r\n");
        exchange(moment(|h| h == Health::Up), &format!("{head}content-type: application/json\r\n\r\n{body}")).await
    }

    #[tokio::test]
    async fn it_answers_like_lobechat_while_it_is_up() {
        let up = moment(|health| health == Health::Up);
        let health = get(up, "/api/v1/health").await;
        assert!(health.starts_with("HTTP/1.1 200") && health.contains(r#""service":"lobe-chat-api","status":"ok""#));
        assert!(get(up, "/api/auth/ok").await.ends_with(r#"{"ok":true}"#));
        assert!(get(up, "/").await.contains("text/html"));
        assert!(get(up, "/nowhere").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn it_answers_503_while_it_is_down() {
        assert!(get(moment(|health| health == Health::Down), "/api/v1/health").await.starts_with("HTTP/1.1 503"));
    }

    #[tokio::test]
    async fn it_streams_a_completion_that_ends_with_the_usage() {
        let body = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"6 x 7?"}]}"#;
        for path in ["/webapi/chat/openai", "/v1/chat/completions"] {
            let answer = post(path, body).await;
            assert!(answer.contains("text/event-stream"), "{answer}");
            assert_eq!(answer.matches("data: {").count(), ANSWER.len() + 2);
            assert!(answer.contains(r#""completion_tokens":8"#) && answer.contains("data: [DONE]"), "{answer}");
        }
        let whole = post("/v1/chat/completions", r#"{"messages":[]}"#).await;
        assert!(whole.contains("forty-two") && whole.contains(r#""object":"chat.completion""#), "{whole}");
        assert!(post("/v1/chat/completions", "{").await.starts_with("HTTP/1.1 400"));
    }

    #[test]
    fn a_day_holds_short_failures_outages_and_slow_answers_and_is_mostly_fine() {
        let day = 1_795_132_800_000_000;
        let states: Vec<Health> = (0..86_400).map(|second| health(7, day + second * 1_000_000)).collect();
        assert_eq!(states, (0..86_400).map(|second| health(7, day + second * 1_000_000)).collect::<Vec<_>>());
        let down = states.iter().filter(|state| **state == Health::Down).count();
        let up = states.iter().filter(|state| **state == Health::Up).count();
        assert!((1_500..6_500).contains(&down), "{down}");
        assert!(up > 75_000 && up + down < 86_400, "{up}");
        let longest = states.chunk_by(|a, b| a == b).filter(|run| run[0] == Health::Down).map(<[_]>::len).max();
        assert!((46..=200).contains(&longest.unwrap()), "{longest:?}");
    }
}
