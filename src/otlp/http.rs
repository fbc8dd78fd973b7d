//! Spans become one request of OTLP over HTTP, and its answer an [`Attempt`].
//!
//! The package's exporter encodes; the client under it is ours, since the exporter keeps status, headers and body of the
//! answer to itself. Headers and compression are ours too: the package would take them from the process's environment,
//! for every sink alike. Redirects are not followed, so that headers go where they were meant to.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use parking_lot::Mutex;
use prost::Message as _;

use super::connect::{Connector, cause};
use super::export::{Attempt, Error, MAX_RETRY_AFTER, Reason, clipped};
use super::{Compression, Config, span};
use crate::clock::Clock;

/// Longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// What requests say that they come from.
pub(super) const AGENT: &str = concat!("tokentail/", env!("CARGO_PKG_VERSION"));

/// Sends spans over HTTP/1.1, on one connection that is kept.
#[derive(Debug)]
pub(super) struct Exporter {
    package: SpanExporter,
    last: Arc<Mutex<Option<Attempt>>>,
}

impl Exporter {
    /// Must be called within a tokio runtime.
    pub(super) fn build(config: &Config, headers: HeaderMap, clock: Clock) -> Result<Exporter, Error> {
        let last = Arc::default();
        let connector = Connector::load(&config.tls, "http/1.1").map_err(Error::File)?;
        let client = Transport {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_max_idle_per_host(1)
                .build(connector),
            headers,
            timeout: config.timeout,
            compression: config.compression,
            clock,
            last: Arc::clone(&last),
        };
        let mut package = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_retry_policy(RetryPolicy::disabled())
            .with_endpoint(config.endpoint.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(config.timeout)
            .build()
            .map_err(|error| Error::Package { endpoint: config.endpoint.to_string(), message: error.to_string() })?;
        package.set_resource(&span::resource(config));
        Ok(Exporter { package, last })
    }

    pub(super) async fn export(&mut self, spans: Vec<SpanData>) -> Attempt {
        *self.last.lock() = None;
        let result = self.package.export(spans).await;
        // Only a request that was never sent leaves nothing: its body was larger than the package allows.
        self.last.lock().take().unwrap_or_else(|| Attempt::Refused {
            status: 0,
            message: result.err().map(|error| clipped(&error.to_string())).unwrap_or_default(),
        })
    }
}

/// The client that the package sends with. What the answer means is left in `last`.
#[derive(Debug)]
struct Transport {
    client: Client<Connector, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
    compression: Compression,
    clock: Clock,
    last: Arc<Mutex<Option<Attempt>>>,
}

#[async_trait::async_trait]
impl HttpClient for Transport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (attempt, response) = self.send(request).await;
        *self.last.lock() = Some(attempt);
        response.ok_or_else(|| HttpError::from("no answer"))
    }
}

impl Transport {
    async fn send(&self, request: Request<Bytes>) -> (Attempt, Option<Response<Bytes>>) {
        let (mut parts, body) = request.into_parts();
        let kind = parts.headers.remove(CONTENT_TYPE);
        parts.headers = self.headers.clone();
        parts.headers.extend(kind.map(|kind| (CONTENT_TYPE, kind)));
        parts.headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let body = match self.compression {
            Compression::None => body,
            Compression::Gzip => {
                parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                match gzip(&body) {
                    Ok(body) => body,
                    Err(error) => return (Attempt::Refused { status: 0, message: error.to_string() }, None),
                }
            }
        };
        let request = Request::from_parts(parts, Full::new(body));
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| cause(&error))?;
            let (parts, body) = answer.into_parts();
            let body = read(body).await;
            Ok((parts, body))
        };
        let (parts, body) = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err((reason, message))) => return (Attempt::retry(reason, message), None),
            Err(_) => {
                let message = format!("no answer within {:?}", self.timeout);
                return (Attempt::retry(Reason::Timeout, message), None);
            }
        };
        let attempt = match body {
            // The status counts, unless the answer was to tell which spans were taken.
            Err(message) if parts.status.is_success() => Attempt::retry(Reason::Network, message),
            body => judge(parts.status, &parts.headers, body.as_deref().unwrap_or_default(), &self.clock),
        };
        (attempt, Some(Response::from_parts(parts, Bytes::new())))
    }
}

async fn read(body: Incoming) -> Result<Bytes, String> {
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| format!("read the answer: {error}"))
}

fn gzip(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish().map(Into::into)
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], clock: &Clock) -> Attempt {
    let html = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let message = format!("status {}: {}", status.as_u16(), explanation(headers, body));
    let retry = |reason| Attempt::Retry { reason, after: retry_after(headers, clock), message: clipped(&message) };
    match status.as_u16() {
        // A page for people: the address is that of a web site, which took nothing.
        200..=299 if html => retry(Reason::Refused),
        200..=299 => {
            let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
            let partial = answer.partial_success.unwrap_or_default();
            Attempt::Delivered {
                rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
                message: clipped(&partial.error_message),
            }
        }
        429 => retry(Reason::Throttled),
        408 => retry(Reason::Timeout),
        500..=599 => retry(Reason::Unavailable),
        // The address or the credentials are wrong, whatever the spans are.
        300..=399 | 401 | 403..=405 | 407 => retry(Reason::Refused),
        status => Attempt::Refused { status, message: clipped(&message) },
    }
}

/// What the receiver says: the message of a `google.rpc.Status`, else text.
fn explanation(headers: &HeaderMap, body: &[u8]) -> String {
    let protobuf = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-protobuf"));
    if protobuf {
        return super::grpc::RpcStatus::decode(body).map(|status| status.message).unwrap_or_default();
    }
    let head = body.get(..body.len().min(1024)).unwrap_or_default();
    String::from_utf8_lossy(head).into_owned()
}

/// Seconds or a date ([RFC 9110 §10.2.3]), bounded; a date in the past is no wait.
///
/// [RFC 9110 §10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean the longest wait.
        (!text.is_empty()).then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))?
    } else {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        date.saturating_sub(Duration::from_micros(u64::try_from(clock.now()).unwrap_or(0)))
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Attempt {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        judge(StatusCode::from_u16(status).unwrap(), &map, body, &Clock::manual(1_445_412_480_000_000))
    }

    #[test]
    fn each_status_is_delivered_retried_or_refused() {
        for (status, want) in [
            (200, None),
            (202, None),
            (302, Some(Reason::Refused)),
            (401, Some(Reason::Refused)),
            (403, Some(Reason::Refused)),
            (404, Some(Reason::Refused)),
            (408, Some(Reason::Timeout)),
            (429, Some(Reason::Throttled)),
            (500, Some(Reason::Unavailable)),
            (502, Some(Reason::Unavailable)),
            (503, Some(Reason::Unavailable)),
            (504, Some(Reason::Unavailable)),
        ] {
            match (judged(status, &[], b""), want) {
                (Attempt::Delivered { rejected: 0, .. }, None) => {}
                (Attempt::Retry { reason, after: None, .. }, Some(want)) => assert_eq!(reason, want, "{status}"),
                (attempt, _) => panic!("{status}: {attempt:?}"),
            }
        }
        for status in [400, 413, 415, 422] {
            let want = Attempt::Refused { status, message: format!("status {status}: bad\\n") };
            let want = if let Attempt::Refused { message, .. } = &want { message.trim_end_matches("\\n") } else { "" };
            let got = judged(status, &[], b"bad\n");
            assert_eq!(got, Attempt::Refused { status, message: want.to_owned() });
        }
        let page = judged(200, &[("content-type", "text/html; charset=utf-8")], b"<html>");
        assert!(matches!(page, Attempt::Retry { reason: Reason::Refused, .. }), "{page:?}");
    }

    #[test]
    fn a_wait_is_read_as_seconds_or_date_and_bounded() {
        for (text, want) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("86400", Some(300)),
            ("99999999999999999999999", Some(300)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let Attempt::Retry { after, .. } = judged(429, &[("retry-after", text)], b"") else { panic!("{text}") };
            assert_eq!(after, want.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn partial_success_is_read() {
        use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too\nold".to_owned() };
        let body = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        let got = judged(200, &[("content-type", "application/x-protobuf")], &body);
        assert_eq!(got, Attempt::Delivered { rejected: 3, message: "too\\nold".to_owned() });
    }
}
