//! A changed configuration takes effect without a restart, and a bad one changes nothing.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::arguments;
use crate::gateway::{Line, append};
use crate::program::{Answer, Sidecar, run};

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn create() -> Site {
        Site { folder: tempfile::tempdir().expect("make a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration with these sources, each on the log of its name.
    fn configure(&self, sources: &[&str], more: &str) {
        let source = |name: &&str| format!("  - {{name: {name}, format: higress, path: {name}.log}}\n");
        let sources: String = sources.iter().map(source).collect();
        fs::write(self.path("config.yaml"), format!("data_dir: data\nsources:\n{sources}{more}"))
            .expect("write the configuration");
    }

    fn request(&self, source: &str, index: u64) {
        append(&self.path(&format!("{source}.log")), Line::numbered(index).text().as_bytes());
    }

    fn start(&self) -> Sidecar {
        Sidecar::start(arguments!["--config", self.path("config.yaml")])
    }
}

fn reload(sidecar: &Sidecar) -> Answer {
    sidecar.ask("POST", "/-/reload", &[("Content-Type", "application/json"), ("Content-Length", "0")])
}

fn successful(sidecar: &Sidecar) -> Option<String> {
    sidecar.page().expect("the page is there").value("tokentail_config_last_reload_successful", &[])
}

#[test]
fn a_bad_file_keeps_the_old_configuration_in_force_until_a_good_one_comes() {
    let site = Site::create();
    site.configure(&["one"], "");
    site.request("one", 1);
    let sidecar = site.start();
    sidecar.wait_lines(1);
    assert_eq!(successful(&sidecar).as_deref(), Some("1.0"));
    for bad in ["timezone: Mars/Olympus\n", "cost: {prices: [not-there.yaml]}\n", "no_such_key: 1\n"] {
        site.configure(&["one"], bad);
        let refused = reload(&sidecar);
        assert_eq!(refused.status, 500, "{bad}: {}", refused.text());
        let key = bad.split(':').next().unwrap();
        assert!(refused.text().contains(key) || refused.text().contains("not-there.yaml"), "{}", refused.text());
        assert_eq!(successful(&sidecar).as_deref(), Some("0.0"), "{bad}");
    }
    fs::remove_file(site.path("config.yaml")).unwrap();
    assert_eq!(reload(&sidecar).status, 500);
    site.request("one", 2);
    sidecar.wait_lines(2);
    site.configure(&["one"], "");
    assert_eq!(reload(&sidecar).status, 200);
    assert_eq!(successful(&sidecar).as_deref(), Some("1.0"));
    site.request("one", 3);
    sidecar.wait_lines(3);
}

#[test]
fn sources_come_and_go_by_reload_and_keep_their_counts() {
    let site = Site::create();
    site.configure(&["one"], "");
    site.request("one", 1);
    let sidecar = site.start();
    sidecar.wait_lines(1);
    // Followed from its first byte, and told apart by its name.
    site.request("two", 2);
    site.request("two", 3);
    site.configure(&["one", "two"], "");
    assert_eq!(reload(&sidecar).status, 200);
    let page = sidecar.wait_lines(3);
    assert_eq!(page.count("tokentail_requests_total", &[("gateway", "two")]), 2);
    // Gone: what it has counted stays, what comes is not read.
    site.configure(&["two"], "");
    assert_eq!(reload(&sidecar).status, 200);
    site.request("one", 4);
    site.request("two", 5);
    let page = sidecar.wait_lines(4);
    assert_eq!(page.count("tokentail_requests_total", &[("gateway", "one")]), 1);
    assert_eq!(page.count("tokentail_requests_total", &[("gateway", "two")]), 3);
    // Back: it goes on where it stood.
    site.configure(&["two", "one"], "");
    assert_eq!(reload(&sidecar).status, 200);
    let page = sidecar.wait_lines(5);
    assert_eq!(page.count("tokentail_requests_total", &[("gateway", "one")]), 2);
    assert_eq!(page.count("tokentail_duplicate_requests_total", &[]), 0);
    assert_eq!(sidecar.stop(), Some(0));
    run(arguments!["ledger", "check", "--config", site.path("config.yaml")]).expect_code(0);
}

#[test]
fn what_needs_a_restart_is_named_by_the_reload() {
    let site = Site::create();
    site.configure(&["one"], "");
    let sidecar = site.start();
    sidecar.wait_page("the page is there", |_| true);
    site.configure(&["one"], "timezone: Asia/Shanghai\n");
    let answer = reload(&sidecar);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("timezone") && answer.text().contains("next start"), "{}", answer.text());
}

#[test]
fn who_may_ask_and_where_links_lead_changes_by_reload() {
    let site = Site::create();
    site.request("one", 1);
    site.configure(&["one"], "");
    let sidecar = site.start();
    sidecar.wait_lines(1);
    let url = || -> String {
        let answer: serde_json::Value = serde_json::from_slice(&sidecar.get("/api/v1/requests").body).unwrap();
        answer["requests"][0]["url"].as_str().unwrap().to_owned()
    };
    assert!(url().starts_with("http://127.0.0.1:"), "{}", url());
    site.configure(&["one"], "web: {external_url: \"https://example.org/t\", roles: {eve: viewer}}\n");
    let answer = reload(&sidecar);
    assert!(answer.status == 200 && !answer.text().contains("next start"), "{}", answer.text());
    assert_eq!(url(), "https://example.org/t/requests/1");
    assert_eq!(sidecar.get("/t/-/healthy").status, 200);
    site.configure(&["one"], "web: {trusted_user_header: X-User}\n");
    assert_eq!(reload(&sidecar).status, 200);
    assert_eq!(sidecar.get("/api/v1/requests").status, 403, "the proxy names nobody");
    assert_eq!(sidecar.ask("GET", "/api/v1/requests", &[("X-User", "eve")]).status, 200);
}

#[test]
fn signals_that_come_with_the_address_reload_and_end_the_instance_as_later_ones_do() {
    for _ in 0..5 {
        let site = Site::create();
        site.configure(&["one"], "");
        site.request("one", 1);
        let sidecar = site.start();
        sidecar.signal(Signal::HUP);
        assert_eq!(sidecar.stop(), Some(0));
    }
}
