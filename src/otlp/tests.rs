//! The exporters against made-up receivers that are slow, broken, strict or secured.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;
use prost::Message as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::span::Maker;
use super::*;
use crate::clock::Clock;
use crate::record::{Attributes, Row};

fn spans(count: u64) -> Vec<SpanData> {
    let row = Row { start: 1_700_000_000_000_000, ..Row::default() };
    let attributes = Attributes::default();
    let one = |number: u64| RequestSpan {
        trace_id: [1; 16],
        span_id: number.to_be_bytes(),
        parent_id: Some([7; 8]),
        row: &row,
        attributes: &attributes,
        user: "",
        session: SessionName::default(),
        tools: &[],
        content: None,
    };
    (1..=count).map(|number| Maker::default().request(&one(number))).collect()
}

type Seen = Arc<Mutex<Vec<(String, HeaderMap, ExportTraceServiceRequest)>>>;

/// Answers with a status, headers and a body, for each body that came.
type Answer = fn(&ExportTraceServiceRequest) -> Response<Full<Bytes>>;

fn plain(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status.try_into().expect("a status");
    response
}

/// A receiver of OTLP/HTTP on a free port.
async fn receiver(answer: Answer, tls: Option<TlsAcceptor>) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let seen = Seen::default();
    let remembered = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (seen, tls) = (Arc::clone(&remembered), tls.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| take(request, answer, Arc::clone(&seen)));
                let http = hyper::server::conn::http1::Builder::new();
                // A connection that fails is what some tests are about.
                let _ = match tls {
                    None => http.serve_connection(TokioIo::new(tcp), service).await,
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(tls) => http.serve_connection(TokioIo::new(tls), service).await,
                        Err(_) => Ok(()),
                    },
                };
            });
        }
    });
    (address, seen)
}

async fn take(request: Request<Incoming>, answer: Answer, seen: Seen) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let gzip = parts.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
    let mut text = body.to_vec();
    if gzip {
        text.clear();
        std::io::Read::read_to_end(&mut GzDecoder::new(body.as_ref()), &mut text).expect("gzip");
    }
    let message = ExportTraceServiceRequest::decode(text.as_slice()).expect("spans");
    let response = answer(&message);
    seen.lock().push((parts.uri.to_string(), parts.headers, message));
    Ok(response)
}

fn config(address: impl std::fmt::Display, protocol: Protocol) -> Config {
    Config { protocol, ..Config::new("x", endpoint(&address.to_string(), protocol).expect("an address")) }
}

async fn send(config: &Config, count: u64) -> Attempt {
    let clock = Clock::manual(0);
    Exporter::build(config, clock).expect("an exporter").export(spans(count)).await
}

fn ids(message: &ExportTraceServiceRequest) -> Vec<u64> {
    let spans = message.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
    spans.map(|span| u64::from_be_bytes(span.span_id.clone().try_into().expect("8 bytes"))).collect()
}

fn taken() -> Attempt {
    Attempt::Delivered { rejected: 0, message: String::new() }
}

#[tokio::test]
async fn spans_arrive_with_resource_scope_parent_and_headers() {
    for compression in [Compression::None, Compression::Gzip] {
        let (address, seen) = receiver(|_| plain(200, ""), None).await;
        let mut config = config(format!("http://{address}/in"), Protocol::HttpProtobuf);
        config.compression = compression;
        config.headers = vec![header("authorization", "Bearer t").expect("a header")];
        let mut exporter = Exporter::build(&config, Clock::manual(0)).expect("an exporter");
        for _ in 0..2 {
            assert_eq!(exporter.export(spans(3)).await, taken());
        }
        let seen = seen.lock();
        assert_eq!(seen.len(), 2);
        let (uri, headers, message) = &seen[0];
        assert_eq!(uri, "/in/v1/traces");
        assert_eq!(headers["authorization"], "Bearer t");
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert!(headers["user-agent"].to_str().expect("text").starts_with("tokentail/"));
        assert_eq!(headers.contains_key("content-encoding"), compression == Compression::Gzip);
        assert_eq!(ids(message), [1, 2, 3]);
        let resource = &message.resource_spans[0];
        let names: Vec<_> =
            resource.resource.iter().flat_map(|resource| &resource.attributes).map(|pair| pair.key.as_str()).collect();
        assert!(names.contains(&"service.name") && names.contains(&"service.version"), "{names:?}");
        let scope = &resource.scope_spans[0];
        assert_eq!(scope.scope.as_ref().map(|scope| scope.name.as_str()), Some("tokentail"));
        assert_eq!(scope.spans[0].parent_span_id, [7; 8]);
        assert_eq!(scope.spans[0].start_time_unix_nano, 1_700_000_000_000_000_000);
    }
}

#[tokio::test]
async fn what_the_receiver_answers_is_what_comes_back() {
    let cases: [(Answer, Attempt); 4] = [
        (
            |_| plain(503, "down"),
            Attempt::Retry { reason: Reason::Unavailable, after: None, message: "status 503: down".into() },
        ),
        (
            |_| {
                let mut response = plain(429, "");
                response.headers_mut().insert("retry-after", "17".parse().expect("a value"));
                response
            },
            Attempt::Retry {
                reason: Reason::Throttled,
                after: Some(Duration::from_secs(17)),
                message: "status 429:".into(),
            },
        ),
        (|_| plain(400, "bad span"), Attempt::Refused { status: 400, message: "status 400: bad span".into() }),
        (
            |_| {
                let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: "old".into() };
                plain(200, ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec())
            },
            Attempt::Delivered { rejected: 2, message: "old".into() },
        ),
    ];
    for (answer, want) in cases {
        let (address, _) = receiver(answer, None).await;
        assert_eq!(send(&config(format!("http://{address}"), Protocol::HttpProtobuf), 3).await, want);
    }
}

#[tokio::test]
async fn a_bad_span_is_found_over_the_wire() {
    use super::delivery::{Delivery, Feed};
    struct Once(Option<Vec<SpanData>>, Arc<Mutex<Counts>>, tokio_util::sync::CancellationToken);
    impl Feed for Once {
        type Position = ();
        type Error = Infallible;
        fn next(&mut self, _: usize) -> Result<Batch<()>, Infallible> {
            let spans = self.0.clone().unwrap_or_default();
            Ok(Batch { expired: 0, position: (!spans.is_empty()).then_some(()), spans })
        }
        fn commit(&mut self, _: Option<()>, counts: &Counts) -> Result<(), Infallible> {
            self.0 = None;
            *self.1.lock() = counts.clone();
            self.2.cancel();
            Ok(())
        }
    }
    let answer: Answer = |message| if ids(message).contains(&5) { plain(400, "span 5") } else { plain(200, "") };
    let (address, seen) = receiver(answer, None).await;
    let config = config(format!("http://{address}"), Protocol::HttpProtobuf);
    let (counts, stop) = (Arc::default(), tokio_util::sync::CancellationToken::new());
    let delivery = Delivery {
        name: "x".to_owned(),
        feed: Once(Some(spans(8)), Arc::clone(&counts), stop.clone()),
        export: Exporter::build(&config, Clock::manual(0)).expect("an exporter"),
        batch_size: 8,
        wake: Arc::default(),
        stop,
        grace: Duration::from_secs(60),
    };
    delivery.run().await;
    let accepted: Vec<u64> =
        seen.lock().iter().map(|(_, _, message)| ids(message)).filter(|ids| !ids.contains(&5)).flatten().collect();
    assert_eq!(accepted, [1, 2, 3, 4, 6, 7, 8]);
    let counts = counts.lock().clone();
    assert_eq!((counts.exported, counts.rejected), (7, 1));
}

/// A listener that treats each connection its own way.
async fn raw<F: Future<Output = ()> + Send + 'static>(each: fn(tokio::net::TcpStream) -> F) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(each(tcp));
        }
    });
    address
}

#[tokio::test]
async fn silence_a_closed_port_and_an_early_end_are_told_apart() {
    let hangs = raw(|mut tcp| async move {
        let mut all = Vec::new();
        let _ = tcp.read_to_end(&mut all).await;
    })
    .await;
    let closes = raw(|mut tcp| async move {
        let _ = tcp.read(&mut [0; 16]).await;
    })
    .await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("its address")
    };
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        for (address, scheme, want) in [
            (hangs, "http", Reason::Timeout),
            (closes, "http", Reason::Network),
            (closed, "http", Reason::Network),
            (closes, "https", Reason::Tls),
        ] {
            let mut config = config(format!("{scheme}://{address}"), protocol);
            config.timeout = Duration::from_millis(if want == Reason::Timeout { 50 } else { 60_000 });
            let got = send(&config, 1).await;
            assert!(
                matches!(&got, Attempt::Retry { reason, .. } if *reason == want),
                "{protocol:?} {scheme} {want:?}: {got:?}"
            );
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata").join(name)
}

/// A server that wants a client's certificate.
fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let certificate = |name: &str| CertificateDer::from_pem_file(fixture(name)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate("server.pem")],
            PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key"),
        );
    TlsAcceptor::from(Arc::new(config.expect("a server")))
}

#[tokio::test]
async fn tls_takes_the_own_authority_and_shows_the_client_certificate() {
    let (address, seen) = receiver(|_| plain(200, ""), Some(acceptor())).await;
    let mut config = config(format!("https://localhost:{}", address.port()), Protocol::HttpProtobuf);
    let client = Some((fixture("client.pem"), fixture("client.key")));
    for (ca_file, client, works) in
        [(Some(fixture("ca.pem")), client.clone(), true), (Some(fixture("ca.pem")), None, false), (None, client, false)]
    {
        config.tls = Tls { ca_file, client };
        let got = send(&config, 1).await;
        if works {
            assert_eq!(got, taken());
        } else {
            assert!(matches!(got, Attempt::Retry { reason: Reason::Tls, .. }), "{got:?}");
        }
    }
    assert_eq!(seen.lock().len(), 1);
    config.tls.ca_file = Some(fixture("gone.pem"));
    let error = Exporter::build(&config, Clock::manual(0)).expect_err("no file").to_string();
    assert!(error.contains("gone.pem: No such file"), "{error}");
}

/// A receiver of OTLP over gRPC that answers each call with a status, or takes it and rejects one span.
async fn grpc_receiver(status: Option<tonic::Status>) -> (SocketAddr, Seen) {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};

    struct Service(Option<tonic::Status>, Seen);
    #[async_trait::async_trait]
    impl TraceService for Service {
        async fn export(
            &self,
            request: tonic::Request<ExportTraceServiceRequest>,
        ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
            let headers = request.metadata().clone().into_headers();
            self.1.lock().push((String::new(), headers, request.into_inner()));
            let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "old".into() };
            let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
            self.0.clone().map_or(Ok(tonic::Response::new(answer)), Err)
        }
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let seen = Seen::default();
    let service = TraceServiceServer::new(Service(status, Arc::clone(&seen)))
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let service = hyper_util::service::TowerToHyperService::new(service.clone());
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { http.serve_connection(TokioIo::new(tcp), service).await });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn grpc_delivers_the_same_spans_and_tells_its_status() {
    for compression in [Compression::None, Compression::Gzip] {
        let (address, seen) = grpc_receiver(None).await;
        let mut config = config(format!("http://{address}"), Protocol::Grpc);
        config.compression = compression;
        config.headers = vec![header("x-tenant", "a").expect("a header")];
        assert_eq!(send(&config, 3).await, Attempt::Delivered { rejected: 1, message: "old".into() });
        let seen = seen.lock();
        let (_, headers, message) = &seen[0];
        assert_eq!(headers["x-tenant"], "a");
        assert_eq!(headers.contains_key("grpc-encoding"), compression == Compression::Gzip);
        assert_eq!(ids(message), [1, 2, 3]);
    }
    for (status, want) in [
        (
            tonic::Status::unavailable("x"),
            Attempt::Retry { reason: Reason::Unavailable, after: None, message: "Unavailable: x".into() },
        ),
        (
            tonic::Status::unauthenticated("x"),
            Attempt::Retry { reason: Reason::Refused, after: None, message: "Unauthenticated: x".into() },
        ),
        (tonic::Status::invalid_argument("x"), Attempt::Refused { status: 3, message: "InvalidArgument: x".into() }),
    ] {
        let (address, _) = grpc_receiver(Some(status)).await;
        assert_eq!(send(&config(format!("http://{address}"), Protocol::Grpc), 1).await, want);
    }
}
