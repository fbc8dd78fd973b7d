//! Targets are looked at from a running sidecar: an outage begins and ends, survives a restart, and is reported.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::arguments;
use crate::gateway::{Line, append};
use crate::page::Page;
use crate::program::{Sidecar, run};

/// A streamed completion that used 400 and 100 tokens.
const COMPLETION: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":400,\"completion_tokens\":100}}\n\n\
    data: [DONE]\n\n";

/// A service that answers 200, or 503 while it is down; and streams completions.
struct Service {
    address: SocketAddr,
    down: Arc<AtomicBool>,
}

impl Service {
    fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let service = Service { address: listener.local_addr().expect("an address"), down: Arc::default() };
        let down = Arc::clone(&service.down);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                if head.starts_with(b"POST") {
                    let _ = stream.write_all(COMPLETION.as_bytes());
                    continue;
                }
                let status = if down.load(Ordering::SeqCst) { "503 Service Unavailable" } else { "200 OK" };
                let body = r#"{"status":"ok"}"#;
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        service
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

struct Site {
    folder: tempfile::TempDir,
    service: Service,
}

impl Site {
    fn create() -> Site {
        let site = Site { folder: tempfile::tempdir().expect("make a folder"), service: Service::start() };
        site.configure("data", "");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, data: &str, more: &str) {
        let address = self.service.address;
        let text = format!(
            "data_dir: {data}\nsources: [{{name: gw, format: higress, path: gw.log}}]\nprobes:\n  - {{name: chat, url: \
             'http://{address}/api/v1/health', interval: 1s, expect_json: [{{path: status, equals: ok}}]}}\n{more}"
        );
        fs::write(self.path("config.yaml"), text).expect("write the configuration");
    }

    fn start(&self) -> Sidecar {
        Sidecar::start(arguments!["--config", self.path("config.yaml")])
    }
}

const GATEWAY: [(&str, &str); 1] = [("gateway", "gw")];

const CHAT: [(&str, &str); 1] = [("target", "chat")];

fn is(page: &Page, name: &str, value: &str) -> bool {
    page.value(name, &CHAT).as_deref() == Some(value)
}

fn is_up(page: &Page) -> bool {
    is(page, "tokentail_target_up", "1.0")
}

fn is_down(page: &Page) -> bool {
    is(page, "tokentail_target_up", "0.0")
}

#[test]
fn an_outage_begins_goes_on_over_a_restart_and_ends_once() {
    let site = Site::create();
    let sidecar = site.start();
    let page = sidecar.wait_page("the target is up", is_up);
    assert!(is(&page, "tokentail_probe_success", "1.0") && is(&page, "tokentail_probe_http_status_code", "200.0"));
    assert!(is(&page, "tokentail_outages_total", "0"));
    let page =
        sidecar.wait_page("the month has data", |page| page.value("tokentail_sla_availability_ratio", &CHAT).is_some());
    assert!(
        is(&page, "tokentail_sla_availability_ratio", "1.0") && is(&page, "tokentail_sla_objective_ratio", "0.999")
    );
    assert_eq!(page.value("tokentail_sla_state", &[CHAT[0], ("state", "up")]).as_deref(), Some("1.0"));

    site.service.set_down(true);
    let page = sidecar.wait_page("three failures in a row", is_down);
    assert!(is(&page, "tokentail_outages_total", "1"));
    let failures = page.count("tokentail_probe_failures_total", &[CHAT[0], ("reason", "status")]);
    assert!(failures >= 3, "{failures}");
    let probes = page.count("tokentail_probes_total", &CHAT);
    assert_eq!(sidecar.stop(), Some(0));

    let sidecar = site.start();
    let page = sidecar.wait_page("the first page", |_| true);
    assert!(is_down(&page) && is(&page, "tokentail_outages_total", "1"), "what is known of it goes on");
    assert!(page.count("tokentail_probes_total", &CHAT) >= probes);
    sidecar.wait_page("it looks again", |page| page.count("tokentail_probes_total", &CHAT) > probes);
    site.service.set_down(false);
    let page = sidecar.wait_page("two successes in a row", is_up);
    assert!(is(&page, "tokentail_outages_total", "1"), "a restart makes no second outage");
    let note =
        arguments!["report", "sla", "note", "chat/1", "the test took it down", "--config", site.path("config.yaml")];
    let refused = run(&note).expect_code(2);
    let why = format!("process {} is writing it; stop it first", sidecar.id());
    assert!(refused.stderr.contains(&why) && refused.stdout.is_empty(), "{}", refused.stderr);
    drop(sidecar);

    let month = page_month();
    let report = |more: &[&str]| {
        let mut list = arguments!["report", "sla", "--config", site.path("config.yaml"), "--month", month].to_vec();
        list.extend(more.iter().map(Into::into));
        run(list).expect_code(0)
    };
    assert_eq!(report(&["--json"]).json().pointer("/targets/0/outages/0/notes"), Some(&Value::Array(Vec::new())));
    run(note).expect_code(0);
    let json = report(&["--output", "json"]).json();
    let at = |pointer: &str| json.pointer(pointer).cloned().unwrap_or(Value::Null);
    assert_eq!((at("/targets/0/target"), at("/targets/0/verdict")), ("chat".into(), "in_progress".into()), "{json}");
    assert_eq!((at("/targets/0/outages/0/cause"), at("/targets/0/outages/1")), ("status".into(), Value::Null));
    assert_eq!(at("/targets/0/outages/0/notes/0/text"), "the test took it down");
    assert!(at("/targets/0/outages/0/end").is_string() && at("/targets/0/down_seconds").as_f64() > Some(0.0), "{json}");
    for (output, part) in [("table", "chat"), ("csv", "chat,"), ("md", "| chat |")] {
        let text = report(&["--output", output]).stdout;
        assert!(text.contains(part), "{output}: {text}");
    }
    assert!(report(&[]).stdout.contains("the test took it down"));
}

/// The present month in UTC.
fn page_month() -> String {
    jiff::Timestamp::from_microsecond(tokentail::clock::Clock::system().now())
        .expect("a time")
        .strftime("%Y-%m")
        .to_string()
}

#[test]
fn targets_change_with_a_reload_and_a_bad_one_changes_nothing() {
    let site = Site::create();
    let sidecar = site.start();
    sidecar.wait_page("the target is up", is_up);
    let reload = || sidecar.ask("POST", "/-/reload", &[("Content-Type", "application/json"), ("Content-Length", "0")]);
    site.configure("data", "  - {name: page, url: 'http://127.0.0.1:1/', tls: {ca_file: nowhere.pem}}\n");
    let refused = reload();
    assert!(refused.status != 200 && refused.text().contains("probes[1].tls.ca_file"), "{}", refused.text());
    let address = site.service.address;
    site.configure("data", &format!("  - {{name: port, kind: tcp, address: '{address}', interval: 1s}}\n"));
    assert_eq!(reload().status, 200);
    let port = [("target", "port")];
    let page = sidecar
        .wait_page("the new target is up", |page| page.value("tokentail_target_up", &port).as_deref() == Some("1.0"));
    assert!(is_up(&page) && page.value("tokentail_probe_http_status_code", &port).is_none());
    site.configure("data", "");
    assert_eq!(reload().status, 200);
    let page = sidecar.wait_page("it is gone", |page| page.value("tokentail_probes_total", &port).is_none());
    assert!(is_up(&page));
}

#[test]
fn without_a_data_directory_availability_is_shown_all_the_same() {
    let site = Site::create();
    site.configure("none", "");
    let sidecar = site.start();
    let page = sidecar.wait_page("the month has data", |page| {
        is_up(page) && page.value("tokentail_sla_availability_ratio", &CHAT).is_some()
    });
    assert!(is(&page, "tokentail_sla_availability_ratio", "1.0"));
    assert!(page.value("tokentail_sla_request_availability_ratio", &GATEWAY).is_none(), "no request was read");
    let start = jiff::Timestamp::from_microsecond(tokentail::clock::Clock::system().now()).expect("a time").to_string();
    for (index, status) in [(1, "200"), (2, "200"), (3, "200"), (4, "502")] {
        let line = Line { start: start.clone(), ..Line::numbered(index) };
        let text = line.text().replace("\"response_code\":\"200\"", &format!("\"response_code\":\"{status}\""));
        append(&site.path("gw.log"), text.as_bytes());
    }
    let page = sidecar.wait_page("the requests are judged", |page| {
        page.value("tokentail_sla_request_availability_ratio", &GATEWAY).as_deref() == Some("0.75")
    });
    assert!(!page.text.contains("tokentail_month_cost{"), "nobody remembers the whole month");
}

#[test]
fn what_a_completion_costs_is_shown_and_kept_apart() {
    let site = Site::create();
    let chat = |name: &str, model: &str| {
        let url = format!("http://{}/v1/chat/completions", site.service.address);
        format!(
            "  - {{name: {name}, kind: chat, enabled: true, url: '{url}', model: {model}, interval: 1s, timeout: 1s}}\n"
        )
    };
    site.configure("data", &(chat("known", "gpt-4o") + &chat("made-up", "no-such-model")));
    let once = |name: &str| run(arguments!["probe", "once", name, "--config", site.path("config.yaml")]).expect_code(0);
    // 400 × 2.50 and 100 × 10 USD a million tokens.
    assert!(once("known").stdout.contains("cost          0.002 USD (openai)\n"), "{}", once("known").stdout);
    assert!(once("made-up").stdout.contains("unpriced"), "{}", once("made-up").stdout);
    let sidecar = site.start();
    let (known, made_up) = ([("target", "known")], [("target", "made-up")]);
    let page = sidecar.wait_page("both were looked at", |page| {
        page.count("tokentail_probes_total", &known) > 1 && page.count("tokentail_probes_total", &made_up) > 1
    });
    let looks = page.count("tokentail_probes_total", &known);
    assert_eq!(page.count("tokentail_probe_input_tokens_total", &known), looks * 400);
    assert_eq!(page.count("tokentail_probe_output_tokens_total", &known), looks * 100);
    assert_eq!(page.count("tokentail_probe_unpriced_tokens_total", &known), 0);
    let cost = page.value("tokentail_probe_cost_total", &[known[0], ("currency", "USD")]).expect("it is priced");
    let expected = f64::from(u32::try_from(looks).expect("few")) * 0.002;
    assert!((cost.parse::<f64>().expect("a number") - expected).abs() < 1e-9, "{cost} for {looks}");
    let unpriced = page.count("tokentail_probes_total", &made_up) * 500;
    assert_eq!(page.count("tokentail_probe_unpriced_tokens_total", &made_up), unpriced);
    for customers in ["tokentail_cost_total{", "tokentail_input_tokens_total{", "tokentail_requests_total{"] {
        assert!(!page.text.contains(customers), "{customers} is of customers");
    }
    assert!(!page.text.contains("tokentail_probe_input_tokens_total{target=\"chat\"}"), "it uses none");
    assert_eq!(sidecar.stop(), Some(0));
    let report = run(arguments!["report", "sla", "--config", site.path("config.yaml"), "--target", "known", "--json"]);
    let json = report.expect_code(0).json();
    let line = json.pointer("/targets/0/probe_costs/0").cloned().unwrap_or_default();
    assert_eq!(
        (&line["purpose"], &line["provider"], &line["currency"]),
        (&"probe".into(), &"openai".into(), &"USD".into())
    );
    assert_eq!(line["input_tokens"].as_u64(), line["looks"].as_u64().map(|looks| looks * 400), "{json}");
}

#[test]
fn targets_alone_are_enough_and_nothing_at_all_is_too_little() {
    let folder = tempfile::tempdir().expect("make a folder");
    let service = Service::start();
    let target = format!("chat=http://{}/api/v1/health", service.address);
    for data in [folder.path().join("data").display().to_string(), "none".to_owned()] {
        let sidecar = Sidecar::start(arguments!["--data-dir", data, "--probe", target]);
        let ready = sidecar.ask("GET", "/-/ready", &[]);
        assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
        let page = sidecar.wait_page("the first look", |page| is(page, "tokentail_probe_success", "1.0"));
        assert_eq!(page.value("tokentail_ledger_rows_total", &[]).as_deref(), Some("0"));
        assert!(!page.text.contains("tokentail_requests_total{"), "there is no log");
        assert_eq!(sidecar.stop(), Some(0));
    }
    let check = |more: &[&str]| {
        let mut list = arguments!["check", "--data-dir", folder.path()].to_vec();
        list.extend(more.iter().map(Into::into));
        run(list)
    };
    assert!(check(&["--probe", &target]).expect_code(0).stdout.contains("0 sources, 1 target\n"));
    let nothing = check(&[]).expect_code(2).stdout;
    assert!(nothing.contains("--log higress=") && nothing.contains("--probe chat="), "{nothing}");
    // A completion that is not switched on is nothing to do.
    let off = folder.path().join("off.yaml");
    fs::write(&off, "probes: [{name: c, kind: chat, url: 'http://h/v1/chat/completions', model: m}]").expect("write");
    let refused = run(arguments!["run", "--data-dir", folder.path(), "--config", off]).expect_code(2);
    assert!(refused.stderr.contains("no log and no target is configured"), "{}", refused.stderr);
}

#[test]
fn one_look_tells_every_phase_and_why_it_failed() {
    let site = Site::create();
    let once = |name: &str, more: &[&str]| {
        let mut list = arguments!["probe", "once", name, "--config", site.path("config.yaml")].to_vec();
        list.extend(more.iter().map(Into::into));
        run(list)
    };
    let up = once("chat", &[]).expect_code(0);
    assert!(up.stdout.contains("up in ") && up.stdout.contains("processing"), "{}", up.stdout);
    site.service.set_down(true);
    let down = once("chat", &["--json"]).expect_code(1).json();
    assert_eq!(down.pointer("/outcome/failure"), Some(&Value::from("status")), "{down}");
    assert_eq!(down.pointer("/outcome/status_code"), Some(&Value::from(503)), "{down}");
    let none = once("chatt", &[]).expect_code(2);
    assert!(none.stderr.contains("`chat`"), "{}", none.stderr);
    let flag = once("flag", &["--probe", "flag=http://127.0.0.1:1/"]).expect_code(1);
    assert!(flag.stdout.contains("refused"), "{}", flag.stdout);
    assert!(!site.path("data").exists(), "a look keeps nothing");
}
