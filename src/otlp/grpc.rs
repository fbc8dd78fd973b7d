//! Spans become one call of OTLP over gRPC, and its status an [`Attempt`].
//!
//! Encoded by the conversions of `opentelemetry-proto` and sent by its generated client: the same that the exporter of
//! `opentelemetry-otlp` has inside, which reduces every failure to a text without code, details and partial success.

use std::error::Error as _;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::connect::{Connector, cause};
use super::export::{Attempt, Error, MAX_RETRY_AFTER, Reason, clipped};
use super::http::AGENT;
use super::{Compression, Config, span};

/// Pings on a connection, so that a receiver that vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Sends spans over HTTP/2, on one connection that is kept.
#[derive(Debug)]
pub(super) struct Exporter {
    client: TraceServiceClient<Client<Connector, tonic::body::Body>>,
    headers: MetadataMap,
    timeout: Duration,
    resource: ResourceAttributesWithSchema,
}

impl Exporter {
    /// Must be called within a tokio runtime.
    pub(super) fn build(config: &Config, mut headers: HeaderMap) -> Result<Exporter, Error> {
        let connector = Connector::load(&config.tls, "h2").map_err(Error::File)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .build(connector);
        let mut client = TraceServiceClient::with_origin(client, config.endpoint.clone());
        if config.compression == Compression::Gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        Ok(Exporter {
            client: client.accept_compressed(CompressionEncoding::Gzip),
            headers: MetadataMap::from_headers(headers),
            timeout: config.timeout,
            resource: (&span::resource(config)).into(),
        })
    }

    pub(super) async fn export(&mut self, spans: Vec<SpanData>) -> Attempt {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let mut request = tonic::Request::new(ExportTraceServiceRequest { resource_spans });
        *request.metadata_mut() = self.headers.clone();
        match tokio::time::timeout(self.timeout, self.client.export(request)).await {
            Ok(Ok(answer)) => {
                let partial = answer.into_inner().partial_success.unwrap_or_default();
                Attempt::Delivered {
                    rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
                    message: clipped(&partial.error_message),
                }
            }
            Ok(Err(status)) => judge(&status),
            Err(_) => Attempt::retry(Reason::Timeout, format!("no answer within {:?}", self.timeout)),
        }
    }
}

/// What a status means, by the table of the [OTLP specification].
///
/// [OTLP specification]: https://opentelemetry.io/docs/specs/otlp/#failures
fn judge(status: &Status) -> Attempt {
    // A status that was not received stands for what broke the connection.
    if let Some(source) = status.source() {
        let (reason, message) = cause(source);
        return Attempt::retry(reason, message);
    }
    let after = retry_info(status.details());
    let message = clipped(&format!("{:?}: {}", status.code(), status.message()));
    let retry = |reason| Attempt::Retry { reason, after, message: message.clone() };
    match status.code() {
        Code::ResourceExhausted if after.is_some() => retry(Reason::Throttled),
        Code::DeadlineExceeded => retry(Reason::Timeout),
        Code::Unavailable if after.is_some() => retry(Reason::Throttled),
        Code::Cancelled
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::Internal
        | Code::Unknown => retry(Reason::Unavailable),
        // The address or the credentials are wrong, whatever the spans are.
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => retry(Reason::Refused),
        // Without a time to wait, exhausted means that the message is too large: halving it helps.
        Code::ResourceExhausted
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Ok => Attempt::Refused { status: u16::try_from(i32::from(status.code())).unwrap_or(0), message },
    }
}

/// `google.rpc.Status`, which an HTTP error's body and a gRPC status's details are.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RpcStatus {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let any = status.details.iter().find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(any.value.as_slice()).ok()?.delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds).unwrap_or(0), u32::try_from(delay.nanos).unwrap_or(0));
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: Code, wait: Option<Delay>) -> Status {
        let details = wait.map(|delay| {
            let value = RetryInfo { delay: Some(delay) }.encode_to_vec();
            let any = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value };
            RpcStatus { message: String::new(), details: vec![any] }.encode_to_vec()
        });
        Status::with_details(code, "says so", details.unwrap_or_default().into())
    }

    #[test]
    fn each_code_is_retried_or_refused() {
        for (code, want) in [
            (Code::Cancelled, Some(Reason::Unavailable)),
            (Code::DeadlineExceeded, Some(Reason::Timeout)),
            (Code::Aborted, Some(Reason::Unavailable)),
            (Code::OutOfRange, Some(Reason::Unavailable)),
            (Code::Unavailable, Some(Reason::Unavailable)),
            (Code::DataLoss, Some(Reason::Unavailable)),
            (Code::Unauthenticated, Some(Reason::Refused)),
            (Code::PermissionDenied, Some(Reason::Refused)),
            (Code::Unimplemented, Some(Reason::Refused)),
            (Code::InvalidArgument, None),
            (Code::ResourceExhausted, None),
        ] {
            match (judge(&status(code, None)), want) {
                (Attempt::Retry { reason, after: None, .. }, Some(want)) => assert_eq!(reason, want, "{code:?}"),
                (Attempt::Refused { status, .. }, None) => assert_eq!(i32::from(status), i32::from(code)),
                (attempt, _) => panic!("{code:?}: {attempt:?}"),
            }
        }
    }

    #[test]
    fn the_wait_of_retry_info_is_kept_and_bounded() {
        for (seconds, nanos, want) in [(3, 500_000_000, 3500), (0, 0, 0), (i64::MAX, 0, 300_000), (-5, -1, 0)] {
            for code in [Code::ResourceExhausted, Code::Unavailable] {
                let got = judge(&status(code, Some(Delay { seconds, nanos })));
                let Attempt::Retry { reason: Reason::Throttled, after, .. } = got else { panic!("{got:?}") };
                assert_eq!(after, Some(Duration::from_millis(want)));
            }
        }
    }
}
