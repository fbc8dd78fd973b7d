//! The kind `http`: one request over a connection of its own, and its answer compared with what was expected.
//!
//! The head of an answer is bounded by hyper (64 KiB, 100 headers), its body by [`MAX_BODY`]: a server that sends without
//! end costs no more than the timeout. Speaks HTTP/1.1 and takes no compressed answer.

use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue, LOCATION, TRANSFER_ENCODING,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio_rustls::rustls;
use tokio_util::task::AbortOnDropHandle;

use super::build::Site;
use super::dial::dial;
use super::expect::{Expect, MAX_BODY};
use super::outcome::{Fault, Phase, Trace};
use super::url::Url;
use crate::record::Failure;
use crate::wording::quoted;

/// Largest head of an answer in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Most headers of an answer.
const MAX_HEADERS: usize = 100;

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// A request that is checked and can be sent any number of times.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) site: Site,
    pub(super) url: Url,
    pub(super) method: Method,
    /// Without `host`, unless the user gave one.
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// What the kind needs.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) ask: Ask,
    pub(super) expect: Expect,
    pub(super) follow_redirects: bool,
}

/// An answer whose body is still to come; the connection ends with it.
pub(super) struct Answer {
    pub(super) head: hyper::http::response::Parts,
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

/// Looks once.
pub(super) async fn run(http: &Http, trace: &mut Trace<'_>) -> Result<(), Fault> {
    let mut answer = exchange(&http.ask, trace).await?;
    if http.follow_redirects {
        answer = follow(&http.ask, answer, trace).await?;
    }
    let redirect = answer.head.status.is_redirection().then(|| location(&answer)).flatten();
    http.expect.status(answer.head.status.as_u16(), redirect)?;
    if http.ask.method == Method::HEAD && http.expect.wants_body() {
        return Err(Fault::new(Failure::Body, "an answer to HEAD has no body to compare"));
    }
    trace.enter(Phase::Transfer);
    let (body, whole) = read(&mut answer, trace).await?;
    trace.leave();
    http.expect.body(&body, whole)
}

/// Goes where the answer points, with a connection for each step.
async fn follow(first: &Ask, mut answer: Answer, trace: &mut Trace<'_>) -> Result<Answer, Fault> {
    let mut url = first.url.clone();
    let (mut method, mut headers, mut body) = (first.method.clone(), first.headers.clone(), first.body.clone());
    for _ in 0..MAX_REDIRECTS {
        let status = answer.head.status;
        let Some(location) = location(&answer).filter(|_| moved(status)) else { return Ok(answer) };
        let next = url
            .join(location)
            .map_err(|error| Fault::new(Failure::Status, format!("status {status} leads nowhere: {error}")))?;
        // As browsers do: only 307 and 308 repeat what was asked.
        if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) && method != Method::HEAD
        {
            method = Method::GET;
            body.clear();
            headers.remove(CONTENT_TYPE);
        }
        if !url.same_origin(&next) {
            // A secret is for the site that it was configured for. User headers other than the usual ones may hold one.
            headers = super::build::own_headers();
        }
        let mut site = first.site.clone();
        site.move_to(&next).map_err(|error| Fault::new(Failure::Status, format!("status {status}: {error}")))?;
        let ask = Ask { site, url: next.clone(), method: method.clone(), headers: headers.clone(), body: body.clone() };
        answer = exchange(&ask, trace).await?;
        url = next;
    }
    if moved(answer.head.status) && location(&answer).is_some() {
        return Err(Fault::new(Failure::Status, format!("more than {MAX_REDIRECTS} redirects")));
    }
    Ok(answer)
}

fn moved(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn location(answer: &Answer) -> Option<&str> {
    answer.head.headers.get(LOCATION).and_then(|value| value.to_str().ok())
}

/// Connects, asks and reads the answer's head.
pub(super) async fn exchange(ask: &Ask, trace: &mut Trace<'_>) -> Result<Answer, Fault> {
    let stream = dial(&ask.site.endpoint, trace).await?;
    trace.enter(Phase::Processing);
    let connecting = hyper::client::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = connecting.await.map_err(|error| broken(&error))?;
    let driver = tokio::spawn(async move {
        // Its error is also the error of the request or the body.
        let _ = connection.await;
    });
    let connection = AbortOnDropHandle::new(driver);
    let response = sender.send_request(request(ask)?).await.map_err(|error| broken(&error))?;
    trace.leave();
    let (head, body) = Response::into_parts(response);
    trace.outcome.status_code = Some(head.status.as_u16());
    trace.outcome.http_version = match head.version {
        Version::HTTP_10 => Some("HTTP/1.0"),
        Version::HTTP_11 => Some("HTTP/1.1"),
        _ => None,
    };
    Ok(Answer { head, body, _connection: connection })
}

fn request(ask: &Ask) -> Result<Request<String>, Fault> {
    let fault = |error: &dyn std::fmt::Display| Fault::new(Failure::Other, format!("write the request: {error}"));
    let mut request = Request::builder()
        .method(&ask.method)
        .uri(&ask.url.target)
        .body(ask.body.clone())
        .map_err(|error| fault(&error))?;
    let host = HeaderValue::try_from(ask.url.authority()).map_err(|error| fault(&error))?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().extend(ask.headers.clone());
    Ok(request)
}

/// Reads a body to its end or to [`MAX_BODY`], and says whether that was all.
async fn read(answer: &mut Answer, trace: &mut Trace<'_>) -> Result<(Vec<u8>, bool), Fault> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.next(trace).await? {
        let room = MAX_BODY - body.len();
        body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
        if bytes.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

impl Answer {
    /// The next bytes of the body; `None` at its proper end.
    pub(super) async fn next(&mut self, trace: &mut Trace<'_>) -> Result<Option<Bytes>, Fault> {
        loop {
            let Some(frame) = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await else {
                return Ok(None);
            };
            // Trailers say nothing that is compared.
            if let Ok(bytes) = frame.map_err(|error| broken(&error))?.into_data() {
                trace.outcome.body_bytes += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
    }

    /// The media type without its parameters, in lower case.
    pub(super) fn media_type(&self) -> String {
        let value = self.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// What ended an exchange.
fn broken(error: &hyper::Error) -> Fault {
    let mut source = error.source();
    let mut system = None;
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<io::Error>() {
            let tls = inner.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            system = Some((inner.kind(), tls, inner.to_string()));
        }
        source = inner.source();
    }
    match system {
        Some((_, true, text)) => Fault::new(Failure::Tls, format!("TLS broke off: {text}")),
        Some((
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe,
            ..,
        )) => cut(),
        _ if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => cut(),
        _ if error.is_parse_too_large() => {
            Fault::new(Failure::Other, "the head of the answer is larger than 64 KiB or has over 100 headers")
        }
        _ if error.is_parse() => Fault::new(Failure::Other, format!("the answer is no HTTP/1: {error}")),
        Some((_, _, text)) => Fault::new(Failure::Other, format!("{error}: {text}")),
        None => Fault::new(Failure::Other, error.to_string()),
    }
}

fn cut() -> Fault {
    Fault::new(Failure::Cut, "the connection ended before the answer was complete")
}

/// Headers that the protocol sets itself.
pub(super) fn reserved(name: &hyper::header::HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING || *name == hyper::header::CONNECTION
}

/// Marks a value as secret where the header is known to hold one.
pub(super) fn header_value(name: &hyper::header::HeaderName, text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        format!("expected a value of one line without control characters for {}", quoted(name.as_str()))
    })?;
    value.set_sensitive(*name == AUTHORIZATION || *name == COOKIE);
    Ok(value)
}
