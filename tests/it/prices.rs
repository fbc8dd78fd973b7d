//! A model that nobody prices, and how its price comes in force: for new requests at a reload, for stored ones by a reprice.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::json;

use crate::arguments;
use crate::gateway::{Line, append};
use crate::program::{Sidecar, run};

const MODEL: &str = "in-house-9b";

/// A folder with a log, a configuration and a price file that has no row for the model yet.
struct Site {
    folder: tempfile::TempDir,
    written: u64,
}

impl Site {
    fn create() -> Site {
        let site = Site { folder: tempfile::tempdir().expect("make a folder"), written: 0 };
        let config = format!(
            "data_dir: data\nsources: [{{name: higress, format: higress, path: {}}}]\ncost: {{prices: [prices.yaml]}}\n",
            site.path("access.log").display()
        );
        fs::write(site.path("config.yaml"), config).expect("write the configuration");
        site.price("someone-else");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// 1 input token costs a millionth, 1 output token two: 1 and 2 EUR a million.
    fn price(&self, model: &str) {
        let text = format!("currency: EUR\nprices:\n  - {{model: {model}, input: 1, output: 2}}\n");
        fs::write(self.path("prices.yaml"), text).expect("write the prices");
    }

    /// 100 input and 50 output tokens each: 0.0002 EUR once there is a price.
    fn request(&mut self, count: u64) {
        for _ in 0..count {
            let line =
                Line { model: MODEL.to_owned(), input: 100, cached: 0, output: 50, ..Line::numbered(self.written) };
            append(&self.path("access.log"), line.text().as_bytes());
            self.written += 1;
        }
    }

    fn start(&self) -> Sidecar {
        Sidecar::start(arguments!["--config", self.path("config.yaml")])
    }
}

fn config(site: &Site, arguments: &[&str]) -> Vec<std::ffi::OsString> {
    let mut list: Vec<std::ffi::OsString> = arguments.iter().map(Into::into).collect();
    list.extend(arguments!["--config", site.path("config.yaml")]);
    list
}

#[test]
fn a_model_that_nobody_prices_is_counted_apart_until_it_is_priced_and_old_requests_until_they_are_repriced() {
    let mut site = Site::create();
    site.request(3);
    let sidecar = site.start();
    let page = sidecar.wait_lines(3);
    let unpriced = |page: &crate::page::Page| {
        let count = |name| page.count(name, &[]);
        (count("tokentail_unpriced_requests_total"), count("tokentail_unpriced_tokens_total"))
    };
    assert_eq!(unpriced(&page), (3, 450));
    assert_eq!(page.select("tokentail_cost_total", &[]).filter(|sample| sample.value != "0").count(), 0);

    // In force at a reload; what is stored keeps its state.
    site.price(MODEL);
    let reloaded = sidecar.ask("POST", "/-/reload", &[("Content-Type", "application/json"), ("Content-Length", "0")]);
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    site.request(2);
    let page = sidecar.wait_lines(5);
    assert_eq!(unpriced(&page), (3, 450));
    let cost = |page: &crate::page::Page| page.value("tokentail_cost_total", &[("currency", "EUR")]);
    assert_eq!(cost(&page).as_deref(), Some("0.0004"));

    // Writing commands stay away from a ledger in use.
    let data = site.path("data");
    for wrong in [
        config(&site, &["prices", "reprice", "--since", "2026-01-01"]),
        config(&site, &["ledger", "compact"]),
        [config(&site, &["ingest"]), arguments![site.path("access.log")].to_vec()].concat(),
    ] {
        let refused = run(&wrong).expect_code(2);
        let said = &refused.stderr;
        assert!(said.contains("in use") || said.contains("lock") || said.contains("running"), "{wrong:?}: {said}");
        assert!(said.contains(&data.display().to_string()), "{wrong:?}: {said}");
        assert_eq!(refused.stdout, "");
    }
    // Reading ones work beside it.
    run(config(&site, &["ledger", "info"])).expect_code(0);
    run(config(&site, &["ledger", "check"])).expect_code(0);
    let counters = sidecar.page().unwrap().counters();
    assert_eq!(sidecar.stop(), Some(0));

    // Repriced: nothing at first, then the three old ones.
    let reprice = |more: &[&str]| {
        run(config(&site, &[&["prices", "reprice", "--since", "2026-11-01", "--json"], more].concat()))
            .expect_code(0)
            .json()
    };
    let dry = reprice(&["--dry-run"]);
    let (before, after, difference) = ("0", "0.0006", "0.0006");
    let cost_changed = json!([{"currency": "EUR", "before": before, "after": after, "difference": difference}]);
    for (report, is_dry) in [(dry, true), (reprice(&[]), false)] {
        assert_eq!(report["dry_run"], is_dry);
        assert_eq!((&report["rows"], &report["changed"]), (&json!(5), &json!(3)), "{report}");
        assert_eq!((&report["unpriced_before"], &report["unpriced_after"]), (&json!(3), &json!(0)), "{report}");
        assert_eq!(report["cost"], cost_changed, "{report}");
    }
    assert_eq!(reprice(&[])["changed"], 0);
    let info = run(config(&site, &["ledger", "info", "--json"])).expect_code(0).json();
    assert!(info["tables"]["adjustments"].as_u64().unwrap() > 0, "{info}");
    assert_eq!(run(config(&site, &["ledger", "check", "--json"])).expect_code(0).json()["ok"], true);

    // No counter moves by it.
    let sidecar = site.start();
    let page = sidecar.wait_page("the page is there", |_| true);
    let after = page.counters();
    for (name, value) in &counters {
        // Sessions may close in between.
        if !name.contains("ledger_") && !name.contains("session") {
            assert_eq!(after.get(name), Some(value), "{name}");
        }
    }
    assert_eq!(unpriced(&page), (3, 450));
    site.request(1);
    let page = sidecar.wait_lines(6);
    assert_eq!((unpriced(&page), cost(&page).as_deref()), ((3, 450), Some("0.0006")));
}

#[test]
fn a_hangup_puts_a_new_price_in_force_and_a_broken_price_file_leaves_the_old_one() {
    let mut site = Site::create();
    let sidecar = site.start();
    let reload = |good: &str| {
        sidecar.signal(Signal::HUP);
        sidecar.wait_page(&format!("the last reload is {good}"), |page| {
            page.value("tokentail_config_last_reload_successful", &[]).as_deref() == Some(good)
        });
    };
    fs::write(site.path("prices.yaml"), "prices: [{model: x, input: cheap}]\n").unwrap();
    reload("0.0");
    site.price(MODEL);
    reload("1.0");
    site.request(1);
    let page = sidecar.wait_lines(1);
    assert_eq!(page.value("tokentail_cost_total", &[("currency", "EUR")]).as_deref(), Some("0.0002"));
    fs::write(site.path("prices.yaml"), "prices: [{model: x, input: cheap}]\n").unwrap();
    reload("0.0");
    site.request(1);
    let page = sidecar.wait_lines(2);
    assert_eq!(page.value("tokentail_cost_total", &[("currency", "EUR")]).as_deref(), Some("0.0004"));
}

#[test]
fn imported_prices_come_in_force_at_a_reload_and_for_every_command_on_the_data_directory() {
    let mut site = Site::create();
    let sidecar = site.start();
    fs::write(site.path("book.yaml"), format!("currency: EUR\nprices:\n  - {{model: {MODEL}, input: 1, output: 2}}\n"))
        .unwrap();
    let import = |more: &[&str]| run(config(&site, &[&["prices", "import"], more].concat()));
    let book = site.path("book.yaml").display().to_string();
    let show = || run(config(&site, &["prices", "show", MODEL]));

    let dry = import(&[&book, "--dry-run"]).expect_code(0);
    assert!(dry.stdout.contains("1 rows are fine") && !dry.stdout.contains("kept as"), "{}", dry.stdout);
    show().expect_code(1);
    let said = import(&[&book]).expect_code(0).stdout;
    let data = site.path("data");
    assert!(said.contains("reload") && said.contains("kill -HUP"), "{said}");
    assert!(said.contains(&format!("kept as {}/prices/", data.display())), "{said}");
    let shown = show().expect_code(0).stdout;
    assert!(shown.contains("-book.yaml:3"), "{shown}");
    let listed = run(config(&site, &["prices", "list", "--json"])).expect_code(0).json();
    assert_eq!(listed["rows"][1]["model"], MODEL, "after the configured row, before the built-in ones");
    let source = listed["rows"][1]["source"].as_str().unwrap();
    assert!(source.starts_with(&*data.to_string_lossy()) && source.ends_with("-book.yaml:3"), "{source}");

    let reload = || {
        let answer = sidecar.ask("POST", "/-/reload", &[("Content-Type", "application/json"), ("Content-Length", "0")]);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let again = import(&[&book, "--json"]).expect_code(0).json();
    assert_eq!((&again["replaced"][0]["name"], again["running"].is_string()), (&json!("book.yaml"), true), "{again}");
    assert_eq!(import(&["--list", "--json"]).expect_code(0).json()["imported"].as_array().unwrap().len(), 1);
    reload();
    let removed = import(&["--remove", "book.yaml"]).expect_code(0).stdout;
    assert!(removed.contains("removed book.yaml"), "{removed}");
    let unknown = import(&["--remove", "book.yaml"]).expect_code(2).stderr;
    assert!(unknown.contains("no imported price file") && unknown.contains("book.yaml"), "{unknown}");
    show().expect_code(1);
    let bad = import(&[&site.path("config.yaml").display().to_string()]).expect_code(2).stderr;
    assert!(bad.contains("config.yaml:1: data_dir: unknown key"), "{bad}");

    // What the reload took over counts until the next one.
    site.request(1);
    let page = sidecar.wait_lines(1);
    assert_eq!(page.value("tokentail_cost_total", &[("currency", "EUR")]).as_deref(), Some("0.0002"));
    assert_eq!(sidecar.stop(), Some(0));
    let sidecar = site.start();
    site.request(1);
    let page = sidecar.wait_lines(2);
    assert_eq!(page.count("tokentail_unpriced_requests_total", &[]), 1);
}

#[test]
fn a_file_in_place_of_the_data_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let (log, below) = (folder.path().join("access.log"), file.join("data"));
    append(&log, Line::numbered(1).text().as_bytes());
    for command in [
        arguments!["run", "--log", &log, "--listen", "127.0.0.1:0"].to_vec(),
        arguments!["ingest", &log].to_vec(),
        arguments!["check", "--log", &log].to_vec(),
        arguments!["ledger", "info"].to_vec(),
        arguments!["ledger", "compact"].to_vec(),
        arguments!["prices", "list"].to_vec(),
        arguments!["prices", "import", "--list"].to_vec(),
        arguments!["prices", "reprice", "--since", "2026-01-01"].to_vec(),
    ] {
        let ran = run([command.clone(), arguments!["--data-dir", file].to_vec()].concat()).expect_code(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let wanted = format!("use {} as data directory: it is a file; name a folder", file.display());
        assert!(said.contains(&wanted), "{command:?}: {said}");
        assert!(!said.contains("privacy"), "{command:?}: {said}");
    }
    let ran = run(arguments!["ingest", log, "--data-dir", below]).expect_code(2);
    assert!(ran.stderr.contains("data") && !ran.stderr.contains("privacy"), "{}", ran.stderr);
}

#[test]
fn commands_that_need_a_ledger_do_not_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none-yet");
    let copy: &Path = &folder.path().join("copy");
    for command in [
        arguments!["ledger", "info"].to_vec(),
        arguments!["ledger", "check"].to_vec(),
        arguments!["ledger", "compact"].to_vec(),
        arguments!["ledger", "backup", copy].to_vec(),
        arguments!["prices", "reprice", "--since", "2026-01-01"].to_vec(),
    ] {
        let ran = run([command.clone(), arguments!["--data-dir", data].to_vec()].concat()).expect_code(2);
        assert!(ran.stderr.contains(&data.display().to_string()), "{command:?}: {}", ran.stderr);
        assert!(!data.exists() && !copy.exists(), "{command:?} made something");
    }
}
