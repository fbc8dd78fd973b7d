//! Where spans go and how: one sink.
//!
//! Plain values and the rules for two of them, an endpoint and a header. Files are named here and read when the
//! exporter is built.

use std::path::PathBuf;
use std::time::Duration;

pub use crate::session::id::Grouping as Trace;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Uri, header as names};

/// Path of the traces service under a receiver's base address ([OTLP/HTTP request]).
///
/// [OTLP/HTTP request]: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
const TRACES_PATH: &str = "/v1/traces";

/// One entry of the section `sinks` of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Value of the label `sink`.
    pub name: String,
    /// Where requests go, as [`endpoint`] returns it: for HTTP the whole address with its path, for gRPC the origin.
    pub endpoint: Uri,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Sent with each request, as [`header`] returns them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A file of further headers, one `name: value` a line, for secrets.
    pub headers_file: Option<PathBuf>,
    /// Certificates, for an endpoint with `https`.
    pub tls: Tls,
    /// Of the request's body.
    pub compression: Compression,
    /// Spans in a request at most, from 1.
    pub batch_size: usize,
    /// Time for one request, connecting and the answer included.
    pub timeout: Duration,
    /// Which requests share a trace.
    pub trace: Trace,
    /// Where a sink begins that is new.
    pub from: From,
    /// Whether spans carry what was said, where it is captured.
    pub content: bool,
    /// `service.name` of the resource.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
}

impl Config {
    /// A sink with the defaults: http/protobuf without compression, 512 spans a request, 10 s, a trace a session, from now.
    #[must_use]
    pub fn new(name: impl Into<String>, endpoint: Uri) -> Config {
        Config {
            name: name.into(),
            endpoint,
            protocol: Protocol::HttpProtobuf,
            headers: Vec::new(),
            headers_file: None,
            tls: Tls::default(),
            compression: Compression::None,
            batch_size: 512,
            timeout: Duration::from_secs(10),
            trace: Trace::Session,
            from: From::Now,
            content: false,
            service_name: "tokentail".to_owned(),
            resource: Vec::new(),
        }
    }
}

/// What is spoken at the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over HTTP/1.1 with binary Protobuf bodies.
    HttpProtobuf,
    /// OTLP over gRPC.
    Grpc,
}

impl Protocol {
    /// All protocols with the names of the configuration and of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub const ALL: [(Protocol, &'static str); 2] =
        [(Protocol::HttpProtobuf, "http/protobuf"), (Protocol::Grpc, "grpc")];
}

/// Certificates of a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities in PEM form that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate chain and its key, both in PEM form.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// gzip.
    Gzip,
}

impl Compression {
    /// All with the names of the configuration and of `OTEL_EXPORTER_OTLP_COMPRESSION`.
    pub const ALL: [(Compression, &'static str); 2] = [(Compression::None, "none"), (Compression::Gzip, "gzip")];
}

/// Where a new sink begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With what is committed after it was added.
    Now,
    /// With the oldest row in the ledger.
    Start,
}

impl From {
    /// Both with the names of the configuration.
    pub const ALL: [(From, &'static str); 2] = [(From::Now, "now"), (From::Start, "start")];
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an absolute address of a scheme that is spoken.
    #[error("expected an address such as `http://127.0.0.1:4318`, with `http` or `https`")]
    Form,
    /// A name or password in the address.
    #[error("expected no name or password in the address; send them with `headers` or `headers_file`")]
    Credentials,
}

/// Reads a receiver's base address: for HTTP, `/v1/traces` is added unless the path already ends so; for gRPC only the
/// origin counts.
///
/// # Errors
///
/// See [`EndpointError`]; the caller names the key and the value.
pub fn endpoint(text: &str, protocol: Protocol) -> Result<Uri, EndpointError> {
    let verbatim = verbatim_endpoint(text, protocol)?;
    if protocol == Protocol::Grpc || verbatim.path().trim_end_matches('/').ends_with(TRACES_PATH) {
        return Ok(verbatim);
    }
    let query = verbatim.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{TRACES_PATH}{query}", verbatim.path().trim_end_matches('/'));
    with_path(verbatim, &path)
}

/// Reads an address that is used as it is; for gRPC only the origin counts.
pub(super) fn verbatim_endpoint(text: &str, protocol: Protocol) -> Result<Uri, EndpointError> {
    let uri: Uri = text.trim().parse().map_err(|_| EndpointError::Form)?;
    let spoken = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let authority = uri.authority().filter(|authority| spoken && !authority.host().is_empty());
    let authority = authority.ok_or(EndpointError::Form)?;
    if authority.as_str().contains('@') {
        return Err(EndpointError::Credentials);
    }
    if protocol == Protocol::Grpc { with_path(uri, "/") } else { Ok(uri) }
}

fn with_path(uri: Uri, path: &str) -> Result<Uri, EndpointError> {
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| EndpointError::Form)?);
    Uri::from_parts(parts).map_err(|_| EndpointError::Form)
}

/// Why a header cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Its name is none.
    #[error("expected a header's name")]
    Name,
    /// Its value holds characters that no header may.
    #[error("expected a header's value without control characters")]
    Value,
    /// It describes the request itself.
    #[error("expected another header: this one is set by the exporter")]
    Reserved,
}

/// Reads a header; its value is never shown in messages.
///
/// # Errors
///
/// See [`HeaderError`]; the caller names the key.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let name: HeaderName = name.trim().parse().map_err(|_| HeaderError::Name)?;
    let reserved = [
        names::CONNECTION,
        names::CONTENT_ENCODING,
        names::CONTENT_LENGTH,
        names::CONTENT_TYPE,
        names::HOST,
        names::TE,
        names::TRANSFER_ENCODING,
        names::UPGRADE,
    ];
    if reserved.contains(&name) {
        return Err(HeaderError::Reserved);
    }
    // gRPC takes values of such names for base64.
    if name.as_str().ends_with("-bin") {
        return Err(HeaderError::Reserved);
    }
    let mut value: HeaderValue = value.trim().parse().map_err(|_| HeaderError::Value)?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_gets_the_path_of_traces_once() {
        for (text, want) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://x.example/otlp/", "https://x.example/otlp/v1/traces"),
            ("https://x.example/otlp/v1/traces", "https://x.example/otlp/v1/traces"),
            ("https://x.example/otlp/v1/traces/", "https://x.example/otlp/v1/traces/"),
            ("https://x.example/a?key=1", "https://x.example/a/v1/traces?key=1"),
        ] {
            assert_eq!(endpoint(text, Protocol::HttpProtobuf).unwrap().to_string(), want);
        }
        assert_eq!(endpoint("http://h:4317/x", Protocol::Grpc).unwrap().to_string(), "http://h:4317/");
        for (text, want) in [
            ("", EndpointError::Form),
            ("127.0.0.1:4318", EndpointError::Form),
            ("/v1/traces", EndpointError::Form),
            ("ftp://h", EndpointError::Form),
            ("http://", EndpointError::Form),
            ("http://a b", EndpointError::Form),
            ("http://user:secret@h", EndpointError::Credentials),
        ] {
            assert_eq!(endpoint(text, Protocol::HttpProtobuf), Err(want), "{text}");
        }
    }

    #[test]
    fn a_header_is_kept_secret_and_leaves_the_request_alone() {
        let (name, value) = header("Authorization", " Bearer s3cret ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer s3cret"));
        assert!(!format!("{value:?}").contains("s3cret"));
        for (name, value, want) in [
            ("", "x", HeaderError::Name),
            ("a b", "x", HeaderError::Name),
            ("x", "a\nb", HeaderError::Value),
            ("Content-Type", "x", HeaderError::Reserved),
            ("host", "x", HeaderError::Reserved),
            ("x-bin", "x", HeaderError::Reserved),
        ] {
            assert_eq!(header(name, value), Err(want), "{name}");
        }
    }
}
