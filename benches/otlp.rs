//! Spans/s of a sink: built from rows, encoded, sent over loopback to a receiver that reads them and answers. Prints one
//! line for each way; asserts nothing. The receiver does not decode, so that the figure is the sender's.
//!
//! `TOKENTAIL_BENCH_SPANS` sets another number than 200,000; `TOKENTAIL_BENCH_OTLP` the address of a receiver of your
//! own for OTLP over HTTP, and `TOKENTAIL_BENCH_OTLP_GRPC` for gRPC.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokentail::clock::Clock;
use tokentail::otlp::delivery::Delivery;
use tokentail::otlp::span::Maker;
use tokentail::otlp::{
    Batch, Compression, Config, Counts, Exporter, Feed, Protocol, RequestSpan, SessionName, endpoint,
};
use tokentail::record::{Attributes, Cost, Currency, Mode, Row, Tokens};
use tokio_util::sync::CancellationToken;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark takes its size from the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Rows as a ledger would give them.
struct Rows {
    maker: Maker,
    attributes: Attributes,
    position: u64,
    last: u64,
    counts: Counts,
    stop: CancellationToken,
}

impl Rows {
    fn new(last: u64, stop: CancellationToken) -> Rows {
        let attributes = Attributes {
            gateway: "higress".into(),
            route: "route-chat-completions".into(),
            provider: "dashscope".into(),
            model: "qwen3-max-2026-01-23".into(),
            consumer: "sales-assistant".into(),
            upstream: "llm-aliyun.internal.dns".into(),
            mode: Mode::Stream,
            dimensions: vec![("agent".into(), "main".into()), ("department".into(), "sales".into())],
            ..Attributes::default()
        };
        Rows { maker: Maker::default(), attributes, position: 0, last, counts: Counts::default(), stop }
    }
}

impl Feed for Rows {
    type Position = u64;
    type Error = Infallible;

    fn next(&mut self, limit: usize) -> Result<Batch<u64>, Infallible> {
        let end = (self.position + limit as u64).min(self.last);
        let tools = ["search_web".to_owned()];
        let spans = (self.position..end).map(|number| {
            let tokens = Tokens { uncached_input: 800 + number % 100, visible_output: 200, ..Tokens::default() };
            let row = Row {
                start: 1_760_000_000_000_000 + i64::try_from(number).unwrap_or(0),
                duration: Some(2_000_000),
                first_token: Some(300_000),
                status: 200,
                counted: true,
                tokens,
                cost: Some(Cost { nanos: 1_234_567, currency: Currency::CNY }),
                chat_round: 3,
                trace_id: (number % 7 == 0).then_some([5; 16]),
                ..Row::default()
            };
            self.maker.request(&RequestSpan {
                trace_id: [7; 16],
                span_id: (number + 1).to_be_bytes(),
                parent_id: Some([9; 8]),
                row: &row,
                attributes: &self.attributes,
                user: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
                session: SessionName { text: "sess_0123456789abcdef", derived: false },
                tools: if number % 5 == 0 { &tools } else { &[] },
                content: None,
            })
        });
        Ok(Batch { spans: spans.collect(), expired: 0, position: (end > self.position).then_some(end) })
    }

    fn commit(&mut self, position: Option<u64>, counts: &Counts) -> Result<(), Infallible> {
        self.position = position.unwrap_or(self.position);
        self.counts.exported += counts.exported;
        if self.position == self.last {
            self.stop.cancel();
        }
        Ok(())
    }
}

/// Reads each request to its end and says that all is well.
fn receiver() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    listener.set_nonblocking(true).expect("a listener");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((tcp, _)) = listener.accept().await {
                let service = service_fn(|request: Request<Incoming>| async {
                    let mut body = request.into_body();
                    while body.frame().await.is_some() {}
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(async move { http.serve_connection(TokioIo::new(tcp), service).await });
            }
        });
    });
    format!("http://{address}")
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() {
    let spans = variable("TOKENTAIL_BENCH_SPANS").and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let http = variable("TOKENTAIL_BENCH_OTLP").unwrap_or_else(receiver);
    let mut ways = Vec::new();
    for (compression, name) in Compression::ALL {
        for batch_size in [512, 2048] {
            ways.push((Protocol::HttpProtobuf, http.clone(), compression, batch_size, name));
        }
    }
    if let Some(grpc) = variable("TOKENTAIL_BENCH_OTLP_GRPC") {
        ways.push((Protocol::Grpc, grpc, Compression::None, 512, "none, grpc"));
    }
    for (protocol, address, compression, batch_size, name) in ways {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut config = Config::new("bench", endpoint(&address, protocol).expect("an address"));
        (config.protocol, config.compression) = (protocol, compression);
        let (began, cpu) = (now(), cpu_seconds());
        runtime.block_on(async {
            let stop = CancellationToken::new();
            let delivery = Delivery {
                name: "bench".to_owned(),
                feed: Rows::new(spans, stop.clone()),
                export: Exporter::build(&config, Clock::system()).expect("an exporter"),
                batch_size,
                wake: Arc::default(),
                stop,
                grace: Duration::from_secs(600),
            };
            delivery.run().await;
        });
        let seconds = began.elapsed().as_secs_f64();
        let _ = writeln!(
            std::io::stdout(),
            "otlp: {:.0} spans/s, {batch_size} a request, compression {name} ({:.0} % of a core in the sender's thread)",
            spans as f64 / seconds,
            (cpu_seconds() - cpu) / seconds * 100.0
        );
    }
}
