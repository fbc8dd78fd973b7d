//! The server over real sockets: every test binds port 0 and speaks raw HTTP.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use axum::http::Method;
use parking_lot::Mutex;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::*;
use crate::content::{Erasure, Scope};
use crate::web::{Access, ROUTES, Role, Unavailable, api};

const PAGE: &str = "# HELP x Things.\n# TYPE x counter\nx_total{a=\"b\"} 1 # {trace_id=\"c\"} 1\n# EOF\n";

/// Nothing ends by itself within a test.
const LONG: Limits = {
    let hour = Duration::from_secs(3_600);
    Limits { connections: 256, head: hour, handshake: hour, stall: hour, drain: hour }
};

/// A daemon that answers what it is told to.
struct Fake {
    metrics: Mutex<Result<String, Unavailable>>,
    ready: Mutex<Result<(), String>>,
    reloads: AtomicUsize,
    /// What was asked to be erased, and by whom.
    erased: Mutex<Vec<(Scope, String)>>,
    /// A scrape waits until the other end is gone.
    slow: Mutex<Option<Receiver<()>>>,
    /// Scrapes that have begun.
    begun: Semaphore,
}

impl App for Fake {
    fn metrics(&self) -> Result<String, Unavailable> {
        self.begun.add_permits(1);
        if let Some(wait) = self.slow.lock().take() {
            let _ = wait.recv();
        }
        self.metrics.lock().clone()
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.lock().clone()
    }

    fn reload(&self) -> Result<String, String> {
        match self.reloads.fetch_add(1, Ordering::SeqCst) {
            0 => Ok("reloaded".to_owned()),
            _ => Err("a.yaml:3: no".to_owned()),
        }
    }

    fn instance(&self) -> api::Instance {
        api::Instance::empty()
    }

    fn status(&self) -> api::Status {
        api::Status::default()
    }

    fn delete_before(&self, _: crate::record::Micros, _: &str) -> Result<(u64, u64), String> {
        Ok((0, 0))
    }

    fn erase(&self, scope: Scope, by: &str) -> Result<Erasure, String> {
        self.erased.lock().push((scope, by.to_owned()));
        Ok(Erasure { conversations: 2, bytes: 70, names: 1, waits_for_reader: false })
    }

    fn note(&self, _: &str, _: u64, _: &str) -> Result<bool, String> {
        Ok(false)
    }
}

struct Running {
    address: SocketAddr,
    app: Arc<Fake>,
    shutdown: CancellationToken,
    server: JoinHandle<Result<(), Error>>,
}

async fn start(config: Config, limits: Limits) -> Running {
    let listen = vec!["127.0.0.1:0".to_owned()];
    let mut bound = bind(&Config { listen, ..config }).await.expect("a free port");
    bound.limits = limits;
    let address = bound.addresses()[0];
    let app = Arc::new(Fake {
        metrics: Mutex::new(Ok(PAGE.to_owned())),
        ready: Mutex::new(Ok(())),
        reloads: AtomicUsize::new(0),
        erased: Mutex::default(),
        slow: Mutex::new(None),
        begun: Semaphore::new(0),
    });
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(bound, Arc::clone(&app) as Arc<dyn App>, shutdown.clone()));
    Running { address, app, shutdown, server }
}

/// An answer: status, head in lower case, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The code of a JSON error.
    fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert!(value["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{value}");
        value["error"]["code"].as_str().expect("a code").to_owned()
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut bytes = Vec::new();
    // A TLS server may end without its goodbye.
    let _ = stream.read_to_end(&mut bytes).await;
    Answer::parse(&bytes)
}

/// What arrives until the server ends the connection, which it must do long before its own default of 30 s.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut bytes)).await;
    // An end by reset is an end too.
    let _ = end.expect("the server ends the connection");
    bytes
}

fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("accepted")
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        talk(self.connect().await, &head(method, path, headers)).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.expect("no panic").expect("an orderly end");
    }
}

/// A path as a client writes it, where the table has a part that is open.
fn example(path: &str) -> String {
    path.replace("{*path}", "main.js").replace("{*id}", "a/b%2Fc").replace("{*name}", "%3Cscript%3E")
}

#[tokio::test]
async fn every_path_of_the_table_answers_its_method_and_no_other() {
    let running = start(Config::default(), Limits::default()).await;
    for route in &ROUTES {
        let path = example(route.path);
        let answer = running.ask(route.method.as_str(), &path, "").await;
        assert_eq!(answer.status, 200, "{} {}: {}", route.method, route.path, answer.text());
        let (other, allow) = if route.method == Method::GET { ("POST", "get,head") } else { ("GET", "post") };
        let answer = running.ask(other, &path, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{other} {}", route.path);
        assert_eq!(answer.code(), "method_not_allowed");
        if route.method == Method::GET {
            let full = running.ask("GET", &path, "").await;
            let answer = running.ask("HEAD", &path, "").await;
            assert_eq!((answer.status, answer.body.len()), (200, 0), "HEAD {}", route.path);
            assert_eq!(answer.header("content-length"), full.header("content-length"), "HEAD {}", route.path);
            assert_eq!(answer.header("content-type"), full.header("content-type"), "HEAD {}", route.path);
        }
    }
    let answer = running.ask("GET", "/nothing", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    running.stop().await;
}

#[tokio::test]
async fn the_table_guards_what_it_lists() {
    let config = Config { trusted_user_header: Some("X-User".to_owned()), ..Config::default() };
    let running = start(config, Limits::default()).await;
    for route in &ROUTES {
        let path = example(route.path);
        let answer = running.ask(route.method.as_str(), &path, "X-User: viewer\r\n").await;
        let want = if route.access == Access::Role(Role::Admin) { 403 } else { 200 };
        assert_eq!(answer.status, want, "{}", route.path);
        let evil = format!("{} {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", route.method);
        let answer = talk(running.connect().await, &evil).await;
        let want = if route.access == Access::Health { 200 } else { 403 };
        assert_eq!(answer.status, want, "{}", route.path);
    }
    assert_eq!(running.ask("GET", "/nothing", "X-User: viewer\r\n").await.status, 404);
    assert_eq!(
        running.ask("GET", "/nothing", "").await.code(),
        "user_missing",
        "strangers do not learn which paths there are"
    );
    let evil = "GET /nothing HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(talk(running.connect().await, evil).await.code(), "host_not_allowed");
    running.stop().await;
}

#[tokio::test]
async fn the_api_guards_what_its_table_lists() {
    let config = Config { trusted_user_header: Some("X-User".to_owned()), ..Config::default() };
    let running = start(config, Limits::default()).await;
    for endpoint in api::endpoints() {
        let path = endpoint.shown().replace("{id}", "1").replace("{name}", "x");
        let ask = |headers| running.ask(endpoint.method.as_str(), &path, headers);
        assert_eq!(ask("").await.code(), "user_missing", "{path}");
        let writes = endpoint.method != Method::GET;
        assert_eq!(writes, endpoint.role == Role::Admin, "{path}: writing is for administrators");
        let answer = ask("X-User: viewer\r\n").await;
        assert_eq!(answer.status == 403, writes, "{path}: {}", answer.text());
        if writes {
            assert_eq!(answer.code(), "role_missing", "{path}");
            assert_eq!(ask("X-User: viewer\r\nOrigin: http://evil.example\r\n").await.code(), "cross_origin", "{path}");
            let form = "X-User: viewer\r\nContent-Type: text/plain\r\n";
            assert_eq!(ask(form).await.code(), "content_type", "{path}");
        }
        let evil = format!("{} {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", endpoint.method);
        assert_eq!(talk(running.connect().await, &evil).await.code(), "host_not_allowed", "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn metrics_come_in_the_form_and_coding_asked_for() {
    let running = start(Config::default(), Limits::default()).await;
    let answer = running.ask("GET", "/metrics", "").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.text(), "# HELP x_total Things.\n# TYPE x_total counter\nx_total{a=\"b\"} 1\n");
    assert_eq!(answer.header("vary"), Some("accept, accept-encoding"));
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\nAccept: */*;q=0.1\r\n";
    let answer = running.ask("GET", "/metrics", accept).await;
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(answer.text(), PAGE);
    let answer = running.ask("GET", "/metrics", &format!("{accept}Accept-Encoding: gzip\r\n")).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    io::Read::read_to_string(&mut flate2::read::GzDecoder::new(answer.body.as_slice()), &mut text).expect("gzip");
    assert_eq!(text, PAGE);
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_available_yet_is_503_and_says_why() {
    let running = start(Config::default(), Limits::default()).await;
    *running.app.metrics.lock() = Err(Unavailable("history is being read".to_owned()));
    *running.app.ready.lock() = Err("disk full".to_owned());
    let answer = running.ask("GET", "/metrics", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert!(answer.text().contains("history is being read"));
    let answer = running.ask("GET", "/-/ready", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    assert!(answer.text().contains("disk full"));
    assert_eq!(running.ask("GET", "/-/healthy", "").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_reload_says_what_came_of_it_and_a_form_of_another_site_cannot_ask() {
    let running = start(Config::default(), Limits::default()).await;
    for headers in [
        "Origin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n",
    ] {
        assert!([403, 415].contains(&running.ask("POST", "/-/reload", headers).await.status), "{headers}");
    }
    assert_eq!(running.app.reloads.load(Ordering::SeqCst), 0);
    let answer = running.ask("POST", "/-/reload", "").await;
    assert_eq!((answer.status, answer.text()), (200, "{\"message\":\"reloaded\"}\n"));
    let answer = running.ask("POST", "/-/reload", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "reload_failed"));
    running.stop().await;
}

/// Sends a body of JSON as the proxy's user.
async fn post(running: &Running, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    talk(running.connect().await, &request).await
}

#[tokio::test]
async fn what_was_said_is_for_administrators_only() {
    let roles = [("root".to_owned(), Role::Admin)].into();
    let config = Config { trusted_user_header: Some("X-User".to_owned()), roles, ..Config::default() };
    let running = start(config, Limits::default()).await;
    let paths = ["/api/v1/conversations", "/api/v1/conversations?q=x", "/api/v1/conversations/7"];
    for path in paths.into_iter().chain(["/api/v1/conversations/export", "/api/v1/conversations/export?format=chat"]) {
        let answer = running.ask("GET", path, "X-User: bob\r\n").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "role_missing"), "{path}");
        assert_eq!(running.ask("GET", path, "").await.code(), "user_missing", "{path}");
        // There is no ledger to ask here, which only an administrator learns.
        let answer = running.ask("GET", path, "X-User: root\r\n").await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"), "{path}");
    }
    let body = "{\"session\":\"s\"}";
    let json = "Content-Type: application/json\r\n";
    let answer = post(&running, "/api/v1/conversations/erase", &format!("X-User: bob\r\n{json}"), body).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "role_missing"));
    let me = running.ask("GET", "/api/v1/me", "X-User: bob\r\n").await;
    let me: serde_json::Value = serde_json::from_slice(&me.body).expect("JSON");
    assert_eq!((&me["user"], &me["role"]), (&"bob".into(), &"viewer".into()));
    assert!(running.app.erased.lock().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_erased_by_a_form_of_another_site_or_by_halves() {
    let running = start(Config::default(), Limits::default()).await;
    let path = "/api/v1/conversations/erase";
    let json = "Content-Type: application/json\r\n";
    let body = "{\"user\":\"jane\"}";
    for headers in [
        "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
        format!("{json}Origin: http://evil.example\r\n"),
        format!("{json}Sec-Fetch-Site: cross-site\r\n"),
    ] {
        assert!([403, 415].contains(&post(&running, path, &headers, body).await.status), "{headers}");
    }
    assert_eq!(running.ask("GET", path, "").await.status, 405);
    assert!(running.app.erased.lock().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_the_page_its_own_policy() {
    let running = start(Config::default(), Limits::default()).await;
    for path in ["/", "/metrics", "/-/healthy", "/nothing"] {
        let answer = running.ask("GET", path, "").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "deny"),
            ("cache-control", if path == "/" { "no-cache" } else { "no-store" }),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert_eq!(policy.contains("script-src 'self';"), path == "/", "{path}: {policy}");
    }
    running.stop().await;
}

#[tokio::test]
async fn paths_answer_below_the_prefix_and_at_the_root_and_pages_say_so() {
    let config = Config { external_url: Some("https://example.org/a/b".to_owned()), ..Config::default() };
    let running = start(config, Limits::default()).await;
    for path in ["/", "/a/b", "/a/b/", "/a/b/metrics?x=y", "/metrics", "/a/b/-/ready"] {
        assert_eq!(running.ask("GET", path, "").await.status, 200, "{path}");
    }
    for path in ["/a/bmetrics", "/a", "/a/b/a/b/metrics"] {
        assert_eq!(running.ask("GET", path, "").await.status, 404, "{path}");
    }
    for path in ["/", "/a/b/sessions/x/y", "/sessions/x"] {
        let page = running.ask("GET", path, "").await;
        assert!(page.text().contains("<base href=\"/a/b/\">"), "{path}: {}", page.text());
    }
    assert_eq!(running.ask("GET", "/a/b/assets/main.js", "").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_cut() {
    let limits = Limits { head: Duration::from_millis(20), ..Limits::default() };
    let running = start(Config::default(), limits).await;
    for sent in ["", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let mut stream = running.connect().await;
        stream.write_all(sent.as_bytes()).await.expect("written");
        let bytes = rest(&mut stream).await;
        assert!(!String::from_utf8_lossy(&bytes).contains(" 200 "), "the end came without an answer");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = start(Config::default(), Limits::default()).await;
    let many: String = (0..=MAX_HEADERS).map(|n| format!("X-{n}: y\r\n")).collect();
    for headers in [format!("X: {}\r\n", "y".repeat(MAX_HEAD)), many] {
        assert_eq!(running.ask("GET", "/-/healthy", &headers).await.status, 431);
    }
    let announced = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", (1 << 20) + 1);
    assert_eq!(running.ask("POST", "/-/reload", &announced).await.status, 413);
    running.stop().await;
}

#[tokio::test]
async fn a_connection_beyond_the_bound_waits_for_one_to_end() {
    let running = start(Config::default(), Limits { connections: 1, ..Limits::default() }).await;
    let mut first = running.connect().await;
    let round = async |first: &mut TcpStream| {
        first.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
        let mut answer = Vec::new();
        while !answer.ends_with(b"healthy\n") {
            assert_ne!(first.read_buf(&mut answer).await.expect("kept alive"), 0);
        }
    };
    round(&mut first).await;
    let mut second = Box::pin(running.ask("GET", "/-/healthy", ""));
    // A server without the bound answers the second connection within the many rounds of the first.
    tokio::select! {
        biased;
        answer = &mut second => panic!("served beyond the bound: {answer:?}"),
        () = async {
            for _ in 0..100 {
                round(&mut first).await;
            }
        } => {}
    }
    drop(first);
    assert_eq!(second.await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn shutdown_lets_a_request_end_and_closes_what_is_idle() {
    let running = start(Config::default(), LONG).await;
    let (release, wait) = sync_channel(0);
    *running.app.slow.lock() = Some(wait);
    let mut idle = running.connect().await;
    let stream = running.connect().await;
    let answer = tokio::spawn(async move { talk(stream, &head("GET", "/metrics", "")).await });
    drop(running.app.begun.acquire().await.expect("open"));
    running.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, b"", "an idle connection ends at once");
    assert!(!running.server.is_finished(), "a request is under way");
    drop(release);
    assert_eq!(answer.await.expect("no panic").status, 200);
    running.server.await.expect("no panic").expect("an orderly end");
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn shutdown_cuts_what_does_not_end_in_time() {
    let running = start(Config::default(), Limits { drain: Duration::from_millis(1), ..Limits::default() }).await;
    let (release, wait) = sync_channel(0);
    *running.app.slow.lock() = Some(wait);
    let mut stream = running.connect().await;
    stream.write_all(head("GET", "/metrics", "").as_bytes()).await.expect("written");
    drop(running.app.begun.acquire().await.expect("open"));
    running.shutdown.cancel();
    running.server.await.expect("no panic").expect("an orderly end");
    assert_eq!(rest(&mut stream).await, b"", "no answer any more");
    drop(release);
}

#[tokio::test]
async fn an_address_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let error = bind(&Config { listen: vec![address.clone()], ..Config::default() }).await.expect_err("taken");
    let error = error.to_string();
    assert!(error.starts_with(&format!("listen on {address}: ")) && error.contains("--listen"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_all_at_once_and_bind_nothing() {
    let config = Config {
        listen: ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999"].map(str::to_owned).into(),
        external_url: Some("example.org".to_owned()),
        config_file: Some("/nonexistent/web.yml".into()),
        ..Config::default()
    };
    let Err(Error::Settings(problems)) = bind(&config).await else { panic!("bound") };
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert_eq!(check(&Config { listen: Vec::new(), ..Config::default() }).len(), 1);
    assert_eq!(check(&Config::default()), Vec::new());
}

#[tokio::test]
async fn bound_addresses_are_told_as_urls() {
    let listen = ["127.0.0.1:0", "0.0.0.0:0"].map(str::to_owned).into();
    let bound = bind(&Config { listen, ..Config::default() }).await.expect("free ports");
    let ports = bound.addresses().iter().map(SocketAddr::port).collect::<Vec<_>>();
    assert!(!ports.contains(&0), "{ports:?}");
    assert_eq!(bound.urls(), [format!("http://127.0.0.1:{}/", ports[0]), format!("http://0.0.0.0:{}/", ports[1])]);
}

#[tokio::test]
async fn a_port_alone_is_told_as_every_address() {
    let bound = bind(&Config { listen: vec![":0".to_owned()], ..Config::default() }).await.expect("a free port");
    let address = bound.addresses()[0];
    assert!(address.ip().is_unspecified(), "{address}");
    assert_eq!(bound.urls(), [format!("http://{address}/")]);
}

/// A web configuration file over the certificates of the tests, with `more` in its TLS section.
fn with_tls(more: &str) -> (Config, tempfile::TempDir) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to) in [("server.pem", "cert.pem"), ("server.key", "key.pem"), ("ca.pem", "ca.pem")] {
        std::fs::copy(data.join(from), folder.path().join(to)).expect("writable");
    }
    let file = folder.path().join("web.yml");
    let text = format!("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n{more}");
    std::fs::write(&file, text).expect("writable");
    (Config { config_file: Some(file), ..Config::default() }, folder)
}

/// Connects as a client of TLS, with a certificate where `certificate`; gives the answer and the server's certificate.
async fn ask_tls(running: &Running, certificate: bool, path: &str) -> io::Result<(Answer, CertificateDer<'static>)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data.join("ca.pem")).expect("PEM")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match certificate {
        true => {
            let chain = vec![CertificateDer::from_pem_file(data.join("client.pem")).expect("PEM")];
            let key = PrivateKeyDer::from_pem_file(data.join("client.key")).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("a key that fits")
        }
        false => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, running.connect().await).await?;
    stream.write_all(head("GET", path, "").as_bytes()).await?;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    if bytes.is_empty() {
        return Err(read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    }
    let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned();
    Ok((Answer::parse(&bytes), shown))
}

#[tokio::test]
async fn tls_is_spoken_and_a_renewed_certificate_is_shown_without_a_restart() {
    let (config, folder) = with_tls("http_server_config: {headers: {Strict-Transport-Security: max-age=1}}\n");
    let running = start(config, Limits::default()).await;
    let (answer, first) = ask_tls(&running, false, "/").await.expect("an answer");
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, Some("max-age=1")));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
    std::fs::copy(data.join("second.pem"), folder.path().join("cert.pem")).expect("writable");
    std::fs::copy(data.join("second.key"), folder.path().join("key.pem")).expect("writable");
    let (answer, second) = ask_tls(&running, false, "/").await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_ne!(first, second);
    let mut plain = running.connect().await;
    plain.write_all(head("GET", "/metrics", "").as_bytes()).await.expect("written");
    assert!(!rest(&mut plain).await.starts_with(b"HTTP/"), "nothing is answered in plain text");
    running.stop().await;
}

#[tokio::test]
async fn a_client_certificate_is_required_and_names_the_user() {
    let (config, _folder) = with_tls("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    let roles = [("certificate".to_owned(), Role::Metrics)].into();
    let running = start(Config { roles, ..config }, Limits::default()).await;
    ask_tls(&running, false, "/-/healthy").await.expect_err("no certificate, no answer");
    assert_eq!(ask_tls(&running, true, "/metrics").await.expect("an answer").0.status, 200);
    assert_eq!(ask_tls(&running, true, "/").await.expect("an answer").0.code(), "role_missing");
    running.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let (config, _folder) = with_tls("");
    let running = start(config, Limits { handshake: Duration::from_millis(20), ..Limits::default() }).await;
    let mut stream = running.connect().await;
    assert_eq!(rest(&mut stream).await, b"");
    running.stop().await;
}

#[tokio::test]
async fn a_password_is_asked_for_with_a_challenge_and_users_change_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    let users = |password: &str| {
        let hash = bcrypt::hash(password, 4).expect("a hash");
        std::fs::write(&file, format!("basic_auth_users: {{alice: '{hash}'}}\n")).expect("writable");
    };
    users("secret");
    let running = start(Config { config_file: Some(file.clone()), ..Config::default() }, Limits::default()).await;
    let answer = running.ask("GET", "/metrics", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    assert_eq!(answer.header("www-authenticate"), Some("basic realm=\"tokentail\", charset=\"utf-8\""));
    assert!(answer.text().contains("web.config_file"));
    let secret = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    assert_eq!(running.ask("GET", "/metrics", secret).await.status, 200);
    assert_eq!(running.ask("GET", "/-/healthy", "").await.status, 200);
    users("changed");
    assert_eq!(running.ask("GET", "/metrics", secret).await.status, 401);
    running.stop().await;
}

#[test]
fn only_a_whole_prefix_is_taken_off() {
    let cases = [
        ("/a/b/c?x=y", "/a/b", Some("/c?x=y")),
        ("/a/b", "/a/b", Some("/")),
        ("/a/b?x", "/a/b", Some("/?x")),
        ("/a/bc", "/a/b", None),
        ("/a/b*", "/a/b", None),
        ("/c", "/a/b", None),
        ("/c", "", None),
        ("*", "/a", None),
    ];
    for (uri, prefix, want) in cases {
        let below = below(&uri.parse().expect("a URI"), prefix).map(|uri| uri.to_string());
        assert_eq!(below.as_deref(), want, "{uri} below {prefix}");
    }
    let absolute = below(&"http://evil.example/a/c".parse().expect("a URI"), "/a").expect("below");
    assert_eq!(absolute.to_string(), "http://evil.example/c", "the host is still there to be checked");
}
