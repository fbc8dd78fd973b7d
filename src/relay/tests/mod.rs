//! The relay over real sockets, with made-up robots that answer, refuse, hang and break off.

mod fake;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::fake::{Act, Fake, Logged, read};
use super::lane::Limits;
use super::*;
use crate::clock::Clock;

/// 2026-11-01T00:00:00.004Z
const NOW: i64 = 1_793_491_200_004_000;
const TOKEN: &str = "the-token-of-the-relay";
const KEY: &str = "0123456789-robot-key";
const SECRET: &str = "SEC3a5f0c7e9b1d";
const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

/// Nothing waits long, nothing is short of time.
fn limits() -> Limits {
    let hour = Duration::from_secs(3_600);
    Limits { burst: 1_000, refill: Duration::from_secs(1), wait: hour, send: hour, pause: Duration::ZERO }
}

/// A running relay with one receiver `ops`.
struct Running {
    address: SocketAddr,
    handle: Handle,
    config: Config,
    folder: TempDir,
    server: JoinHandle<Result<(), Error>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("writable");
    path
}

fn configure(folder: &Path, kind: Kind, url: &str) -> Config {
    let receiver = Receiver {
        name: "ops".to_owned(),
        kind,
        url_file: write(folder, "url", url),
        secret_file: (kind != Kind::WeCom).then(|| write(folder, "secret", SECRET)),
        language: Language::English,
        keyword: None,
        at_mobiles: std::collections::BTreeMap::new(),
    };
    Config {
        listen: "127.0.0.1:0".to_owned(),
        token_file: Some(write(folder, "token", &format!("{TOKEN}\n"))),
        receivers: vec![receiver],
        ..Config::default()
    }
}

async fn start(kind: Kind, url: &str, limits: Limits) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), kind, url);
    start_with(config, folder, limits, Clock::manual(NOW)).await
}

async fn start_with(config: Config, folder: TempDir, limits: Limits, clock: Clock) -> Running {
    let relay = Relay::build_with(&config, limits, clock).await.expect("valid");
    let url = relay.urls().remove(0);
    let address = url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
    let handle = relay.handle();
    let server = tokio::spawn(relay.run(CancellationToken::new()));
    Running { address, handle, config, folder, server }
}

/// Sends a request and returns the whole answer.
async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: relay\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    // A server that has seen enough may close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let (head, body) = read(&mut stream).await.expect("an answer");
    format!("{head}\n\n{}", String::from_utf8_lossy(&body))
}

async fn post(address: SocketAddr, body: &str) -> String {
    ask(address, "POST", "/alerts/ops", &format!("Authorization: Bearer {TOKEN}\r\n"), body).await
}

fn alert(name: &str) -> String {
    format!(
        r#"{{"version":"4","status":"firing","alerts":[{{"status":"firing","labels":{{"alertname":"{name}"}},"fingerprint":"{name}"}}]}}"#
    )
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

async fn counted(running: &Running, outcome: Outcome) -> String {
    let page = ask(running.address, "GET", "/metrics", "", "").await;
    let start = format!("tokentail_alert_notifications_total{{receiver=\"ops\",outcome=\"{}\"}} ", outcome.label());
    page.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{page}")).to_owned()
}

#[tokio::test]
async fn a_notification_becomes_a_signed_message_and_is_counted() {
    let robot = Fake::start(&[], None).await;
    let url = format!("http://{}/robot/send?access_token={KEY}", robot.address);
    let running = start(Kind::DingTalk, &url, limits()).await;
    let answer = post(running.address, &alert("Down")).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = robot.seen.lock().clone();
    let [(line, body)] = seen.as_slice() else { panic!("{seen:?}") };
    let sign = "6wp226Jn2nh435D0%2B79yV7tUv9CiAH%2B70x%2FNptgpi3k%3D";
    assert_eq!(*line, format!("POST /robot/send?access_token={KEY}&timestamp=1793491200004&sign={sign} HTTP/1.1"));
    assert_eq!(body["markdown"]["title"], "FIRING 1 · Down");
    assert_eq!(counted(&running, Outcome::Delivered).await, "1");
    assert_eq!(counted(&running, Outcome::Refused).await, "0");
}

#[tokio::test]
async fn every_failure_is_a_5xx_that_says_why_and_never_how_to_get_in() {
    let logged = Logged::default();
    let _guard = logged.capture();
    let soon = Limits { send: Duration::from_millis(100), ..limits() };
    let repeats = r#"{"errcode":40035,"errmsg":"bad key 0123456789-robot-key for SEC3a5f0c7e9b1d"}"#;
    let feishu = r#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}"#;
    for (kind, act, limits, want, code, tries) in [
        (Kind::DingTalk, Act::Say(200, r#"{"errcode":310000,"errmsg":"sign not match"}"#), limits(), 502, "refused", 1),
        (Kind::DingTalk, Act::Say(200, r#"{"errcode":130101,"errmsg":"too fast"}"#), limits(), 503, "throttled", 1),
        (Kind::WeCom, Act::Say(200, r#"{"errcode":45009,"errmsg":"limit"}"#), limits(), 503, "throttled", 1),
        (Kind::Feishu, Act::Say(200, r#"{"code":11232,"msg":"limit"}"#), limits(), 503, "throttled", 1),
        (Kind::Feishu, Act::Say(200, feishu), limits(), 502, "refused", 1),
        (Kind::DingTalk, Act::Say(200, repeats), limits(), 502, "refused", 1),
        (Kind::WeCom, Act::Say(500, "oh"), limits(), 502, "refused", 1),
        (Kind::WeCom, Act::Say(200, "<html>"), limits(), 502, "refused", 1),
        (Kind::WeCom, Act::Close, limits(), 502, "failed", 3),
        (Kind::WeCom, Act::Hang, soon, 502, "failed", 1),
    ] {
        let robot = Fake::start(&[act, act, act], None).await;
        let folder = tempfile::tempdir().expect("a folder");
        let config = configure(folder.path(), kind, &format!("http://{}/send?key={KEY}", robot.address));
        // Whoever hangs uses the time up.
        let clock = if matches!(act, Act::Hang) { Clock::system() } else { Clock::manual(NOW) };
        let running = start_with(config, folder, limits, clock).await;
        let answer = post(running.address, &alert("Down")).await;
        assert_eq!(status(&answer), want, "{act:?}: {answer}");
        assert!(answer.contains(&format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"")), "{act:?}: {answer}");
        assert_eq!(answer.contains("retry-after: 30"), code == "throttled", "{act:?}: {answer}");
        // On a busy machine the time may be over before the robot has read anything.
        assert!(robot.seen.lock().len() == tries || matches!(act, Act::Hang), "{act:?}");
        assert!(!answer.contains(KEY) && !answer.contains(SECRET), "{act:?}: {answer}");
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.label() == code).expect("an outcome");
        assert_eq!(counted(&running, outcome).await, "1", "{act:?}");
    }
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let running = start(Kind::WeCom, &format!("http://{gone}/send?key={KEY}"), limits()).await;
    let answer = post(running.address, &alert("Down")).await;
    assert!(status(&answer) == 502 && answer.contains(&format!("failed to reach {gone}")), "{answer}");
    ask(running.address, "POST", "/alerts/ops", "Authorization: Bearer wrong\r\n", "").await;
    let log = logged.text();
    for line in ["310000: sign not match", "takes no more messages", "19021", "failed to reach", "without the token"] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
    for secret in [KEY, SECRET, TOKEN, "access_token", "key="] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let robot = Fake::start(&[Act::Close, Act::Close], None).await;
    let running = start(Kind::WeCom, &format!("http://{}/", robot.address), limits()).await;
    assert_eq!(status(&post(running.address, &alert("Down")).await), 200);
    assert_eq!(robot.seen.lock().len(), 3);
}

#[tokio::test]
async fn what_waits_together_goes_as_one_message() {
    let robot = Fake::start(&[], None).await;
    robot.gate.forget_permits(1_000);
    let running = start(Kind::WeCom, &format!("http://{}/", robot.address), limits()).await;
    let address = running.address;
    let send = |name: &'static str| tokio::spawn(async move { post(address, &alert(name)).await });
    let first = send("First");
    until(|| robot.seen.lock().len() == 1).await;
    let waiting = ["Second", "Third", "Fourth"].map(send);
    until(|| running.handle.waiting("ops") == 3).await;
    robot.gate.add_permits(2);
    for answer in std::iter::once(first).chain(waiting) {
        assert_eq!(status(&answer.await.expect("answered")), 200);
    }
    let seen = robot.seen.lock().clone();
    assert_eq!(seen.len(), 2, "{seen:?}");
    let text = seen[1].1["markdown"]["content"].as_str().expect("text");
    assert!(["Second", "Third", "Fourth", "3 groups"].iter().all(|name| text.contains(name)), "{text}");
    assert_eq!(counted(&running, Outcome::Delivered).await, "4");
}

#[tokio::test]
async fn beyond_the_budget_and_beyond_the_queue_is_503_with_a_time() {
    let robot = Fake::start(&[], None).await;
    let hour = Duration::from_secs(3_600);
    let scarce = Limits { burst: 1, refill: hour, wait: Duration::from_secs(1), ..limits() };
    let running = start(Kind::WeCom, &format!("http://{}/", robot.address), scarce).await;
    assert_eq!(status(&post(running.address, &alert("First")).await), 200);
    let answer = post(running.address, &alert("Second")).await;
    assert!(status(&answer) == 503 && answer.contains("retry-after: 3600"), "{answer}");
    assert!(answer.contains(r#"{"error":{"code":"busy""#), "{answer}");
    assert_eq!(counted(&running, Outcome::Busy).await, "1");
    assert_eq!(robot.seen.lock().len(), 1);

    let robot = Fake::start(&[], None).await;
    robot.gate.forget_permits(1_000);
    let running = start(Kind::WeCom, &format!("http://{}/", robot.address), limits()).await;
    let address = running.address;
    let send = || tokio::spawn(async move { post(address, &alert("Down")).await });
    let first = send();
    until(|| robot.seen.lock().len() == 1).await;
    let waiting: Vec<_> = (0..16).map(|_| send()).collect();
    until(|| running.handle.waiting("ops") == 16).await;
    assert_eq!(status(&post(address, &alert("Down")).await), 503);
    robot.gate.add_permits(2);
    for answer in std::iter::once(first).chain(waiting) {
        assert_eq!(status(&answer.await.expect("answered")), 200);
    }
}

#[tokio::test]
async fn only_the_token_opens_and_the_rest_tells_nothing() {
    let robot = Fake::start(&[], None).await;
    let running = start(Kind::WeCom, &format!("http://{}/", robot.address), limits()).await;
    let (address, bearer) = (running.address, format!("Authorization: Bearer {TOKEN}\r\n"));
    // `alertmanager:the-token-of-the-relay`
    let basic = "Authorization: Basic YWxlcnRtYW5hZ2VyOnRoZS10b2tlbi1vZi10aGUtcmVsYXk=\r\n";
    let twice = format!("{bearer}{bearer}");
    let prefix = format!("Authorization: Bearer {}\r\n", &TOKEN[..TOKEN.len() - 1]);
    let large = format!("{}{}", alert("Down"), " ".repeat(1 << 20));
    let (good, bad) = (alert("Down"), "{}".to_owned());
    for (method, path, headers, body, want) in [
        ("POST", "/alerts/ops", bearer.as_str(), &good, 200),
        ("POST", "/alerts/ops", basic, &good, 200),
        ("POST", "/alerts/ops", "", &good, 401),
        ("POST", "/alerts/ops", "Authorization: Bearer wrong\r\n", &good, 401),
        ("POST", "/alerts/ops", prefix.as_str(), &good, 401),
        ("POST", "/alerts/ops", "Authorization: Bearer \r\n", &good, 401),
        ("POST", "/alerts/ops", "Authorization: Basic b3Bz\r\n", &good, 401),
        ("POST", "/alerts/ops", twice.as_str(), &good, 401),
        ("POST", "/alerts/none", "", &good, 401),
        ("POST", "/alerts/none", bearer.as_str(), &good, 404),
        ("POST", "/alerts/ops", bearer.as_str(), &bad, 400),
        ("POST", "/alerts/ops", bearer.as_str(), &large, 413),
        ("GET", "/alerts/ops", bearer.as_str(), &String::new(), 405),
        ("GET", "/alerts/ops", "", &String::new(), 401),
        ("GET", "/", "", &String::new(), 401),
        ("GET", "/", bearer.as_str(), &String::new(), 404),
        ("GET", "/metrics", "", &String::new(), 200),
        ("GET", "/-/healthy", "", &String::new(), 200),
        ("GET", "/-/ready", "", &String::new(), 200),
    ] {
        let answer = ask(address, method, path, headers, body).await;
        assert_eq!(status(&answer), want, "{method} {path} {headers}: {answer}");
        assert_eq!(want == 401, answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    assert_eq!(counted(&running, Outcome::Invalid).await, "2");
    assert_eq!(robot.seen.lock().len(), 2);
    let page = ask(address, "GET", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n", "").await;
    assert!(page.contains("content-type: application/openmetrics-text") && page.ends_with("# EOF\n"), "{page}");
}

#[tokio::test]
async fn without_a_token_or_with_files_that_cannot_be_used_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = configure(folder.path(), Kind::DingTalk, "https://oapi.dingtalk.com/robot/send");
    assert!(check(&good).is_empty());
    let tokenless = Config { token_file: None, ..good.clone() };
    assert!(check(&tokenless)[0].starts_with("relay.token_file: name a file with a token"));
    let error = Relay::build(&tokenless, Clock::manual(NOW)).await.err().expect("refused");
    assert!(error.is_misuse() && error.to_string().contains("relay.token_file"), "{error}");
    write(folder.path(), "url", &format!("http://oapi.dingtalk.com/robot/send?access_token={KEY}"));
    write(folder.path(), "secret", "");
    write(folder.path(), "token", "two words");
    let empty = Config { ca_file: Some(write(folder.path(), "ca", "")), ..good.clone() };
    let problems = check(&good).join("\n");
    for want in ["relay.token_file: ", "relay.receivers: ops: url_file: ", "expected https://"] {
        assert!(problems.contains(want), "{problems}");
    }
    assert!(!problems.contains(KEY) && !problems.contains("two words"), "{problems}");
    assert!(check(&empty).iter().any(|problem| problem.starts_with("relay.ca_file: ")), "{:?}", check(&empty));
    assert!(check(&Config { receivers: Vec::new(), ..good })[0].contains("relay."));
}

#[tokio::test]
async fn a_reload_takes_new_receivers_and_secrets_and_refuses_what_cannot_be_used() {
    let (first, second) = (Fake::start(&[], None).await, Fake::start(&[], None).await);
    let running = start(Kind::WeCom, &format!("http://{}/", first.address), limits()).await;
    assert_eq!(status(&post(running.address, &alert("Down")).await), 200);
    // A changed address counts without a reload.
    write(running.folder.path(), "url", &format!("http://{}/moved", second.address));
    assert_eq!(status(&post(running.address, &alert("Down")).await), 200);
    assert_eq!((first.seen.lock().len(), second.seen.lock().len()), (1, 1));

    let mut config = running.config.clone();
    config.receivers[0].name = "dev".to_owned();
    config.listen = "127.0.0.1:1".to_owned();
    config.token_file = Some(write(running.folder.path(), "token2", "another-token"));
    assert_eq!(running.handle.reload(&config).expect("valid"), ["relay.listen"]);
    assert_eq!(status(&post(running.address, &alert("Down")).await), 401);
    let headers = "Authorization: Bearer another-token\r\n";
    assert_eq!(status(&ask(running.address, "POST", "/alerts/ops", headers, &alert("Down")).await), 404);
    assert_eq!(status(&ask(running.address, "POST", "/alerts/dev", headers, &alert("Down")).await), 200);

    config.receivers.clear();
    assert!(running.handle.reload(&config).is_err());
    assert_eq!(status(&ask(running.address, "POST", "/alerts/dev", headers, &alert("Down")).await), 200);
}

#[tokio::test]
async fn a_robot_behind_tls_must_be_vouched_for() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
    let chain = rustls_pki_types::pem::PemObject::pem_file_iter(data.join("server.pem"))
        .expect("there")
        .collect::<Result<Vec<_>, _>>()
        .expect("certificates");
    let key = rustls_pki_types::pem::PemObject::from_pem_file(data.join("server.key")).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let tls = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    let robot = Fake::start(&[], Some(TlsAcceptor::from(Arc::new(tls)))).await;
    let url = format!("https://localhost:{}/send?key={KEY}", robot.address.port());
    for (authority, want) in [(Some(data.join("ca.pem")), 200), (None, 502)] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { ca_file: authority, ..configure(folder.path(), Kind::WeCom, &url) };
        let running = start_with(config, folder, limits(), Clock::manual(NOW)).await;
        let answer = post(running.address, &alert("Down")).await;
        assert_eq!(status(&answer), want, "{answer}");
        assert_eq!(want == 502, answer.contains("TLS: "), "{answer}");
    }
    assert_eq!(robot.seen.lock().len(), 1);
}

#[tokio::test]
async fn a_sample_is_sent_without_a_server() {
    let refusal = r#"{"errcode":310000,"errmsg":"keywords not in content"}"#;
    let robot = Fake::start(&[Act::Say(200, OK), Act::Say(200, refusal)], None).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = configure(folder.path(), Kind::WeCom, &format!("http://{}/", robot.address));
    config.token_file = None;
    let clock = Clock::manual(NOW);
    let sent = send_sample(&config, "ops", &clock).await.expect("configured");
    assert_eq!(sent, (true, "the robot accepted the message".to_owned()));
    let text = robot.seen.lock()[0].1["markdown"]["content"].as_str().expect("text").to_owned();
    assert!(text.contains("FIRING 1 · RESOLVED 1 · TokentailRelayTest") && text.contains("Lasted: 10 min"), "{text}");
    let sent = send_sample(&config, "ops", &clock).await.expect("configured");
    assert_eq!(sent, (false, "the robot refused the message: 310000: keywords not in content".to_owned()));
    let error = send_sample(&config, "dev", &clock).await.expect_err("unknown");
    assert!(error.is_misuse());
    assert_eq!(error.to_string(), "find the receiver `dev`: relay.receivers has `ops`");
}
