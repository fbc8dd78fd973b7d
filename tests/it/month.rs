//! Months whose figures are worked out by hand, to the second: from single looks through the ledger to `report sla`.
//!
//! The months are past ones, so that the day of the test decides nothing.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokentail::clock::Clock;
use tokentail::config;
use tokentail::daemon::{self, Opened};
use tokentail::ledger::{Ledger, ProbeResult};
use tokentail::meter::Look;
use tokentail::record::{Failure, Observation};

use crate::arguments;
use crate::program::{Ran, run};

const SECOND: i64 = 1_000_000;

/// Seconds of the epoch at which a text of RFC 3339 stands.
fn seconds(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_second()
}

/// A folder with a configuration and a ledger; moments are seconds from `begin` on.
struct Site {
    folder: tempfile::TempDir,
    begin: i64,
    targets: &'static str,
}

impl Site {
    fn create(begin: &str, targets: &'static str) -> Site {
        Site { folder: tempfile::tempdir().expect("make a folder"), begin: seconds(begin), targets }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    fn time(&self, second: i64) -> String {
        Timestamp::from_second(self.begin + second).expect("a time").to_string()
    }

    /// The configuration with these windows of the target `chat`.
    fn load(&self, windows: &[(i64, i64)]) -> config::Config {
        let windows: String = windows
            .iter()
            .map(|(from, to)| {
                let (from, to) = (self.time(*from), self.time(*to));
                format!("    - {{target: chat, from: '{from}', to: '{to}', reason: upgrade}}\n")
            })
            .collect();
        let maintenance = if windows.is_empty() { String::new() } else { format!("  maintenance:\n{windows}") };
        let text = format!("data_dir: data\nprobes:\n{}sla:\n  objective: 0.999\n{maintenance}", self.targets);
        fs::write(self.config(), text).expect("write the configuration");
        config::load(&self.config()).expect("a valid configuration")
    }

    /// A process that begins at that second with these windows; what it loads is announced then.
    fn start(&self, second: i64, windows: &[(i64, i64)]) -> Process<'_> {
        let clock = Clock::manual((self.begin + second) * SECOND);
        let Opened { ledger, .. } = daemon::open(&self.load(windows), &clock).expect("open the ledger");
        let mut process = Process { site: self, clock, ledger };
        process.reload(second, windows);
        process
    }

    fn report(&self, more: &[&str]) -> Ran {
        let mut list = arguments!["report", "sla", "--config", self.config()].to_vec();
        list.extend(more.iter().map(Into::into));
        run(list).expect_code(0)
    }

    /// The month of one target, as JSON.
    fn month(&self, month: &str, target: &str, zone: &str) -> Value {
        let json = self.report(&["--month", month, "--target", target, "--timezone", zone, "--json"]).json();
        json.pointer("/targets/0").cloned().expect("the target")
    }
}

struct Process<'a> {
    site: &'a Site,
    clock: Clock,
    ledger: Ledger,
}

impl Process<'_> {
    /// Loads the configuration at that second with these windows.
    fn reload(&mut self, second: i64, windows: &[(i64, i64)]) {
        let ahead = (self.site.begin + second) * SECOND - self.clock.now();
        self.clock.advance(Duration::from_micros(u64::try_from(ahead).expect("forward")));
        let config = self.site.load(windows);
        self.ledger.keep_targets(&config.target_definitions(), &config.sla).expect("keep the targets");
    }

    /// Takes what came of looks.
    fn take(&mut self, looks: Looks<'_>) {
        for results in looks.results.chunks(4_096) {
            self.ledger.observe_probes(results).expect("keep the looks");
        }
    }
}

/// Looks at one target in their order.
struct Looks<'a> {
    site: &'a Site,
    target: &'static str,
    interval: i64,
    results: Vec<ProbeResult>,
}

impl<'a> Looks<'a> {
    fn new(site: &'a Site, target: &'static str, interval: i64) -> Looks<'a> {
        Looks { site, target, interval, results: Vec::new() }
    }

    /// Looks every interval in `[from, to)` of the wall clock; the first comes `since` monotonic seconds after the one
    /// before. Those within one of `failing`, begin and end, fail.
    fn every(mut self, (from, to): (i64, i64), since: Option<i64>, failing: &[(i64, i64, Failure)]) -> Looks<'a> {
        let mut since = since;
        let mut second = from;
        while second < to {
            let failed = failing.iter().find(|(from, to, _)| (*from..*to).contains(&second)).map(|(.., why)| *why);
            self.results.push(ProbeResult {
                target: self.target.to_owned(),
                seen: Observation {
                    at: (self.site.begin + second) * SECOND,
                    interval: self.interval * SECOND,
                    since_previous: since.map(|since| since * SECOND),
                    failure: failed,
                    answer: failed.is_none().then_some(40_000),
                },
                duration_micros: 50_000,
                look: Look { success: failed.is_none(), ..Look::default() },
                used: None,
                message: failed.map(|why| why.meaning().to_owned()).unwrap_or_default(),
            });
            since = Some(self.interval);
            second += self.interval;
        }
        self
    }
}

fn picked(of: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), of[*key].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_written_month_gives_the_figures_that_were_worked_out_by_hand() {
    const TARGETS: &str = "  - {name: chat, url: 'http://127.0.0.1:1/'}
  - {name: page, url: 'http://127.0.0.1:1/', interval: 1m}
  - {name: cache, kind: tcp, address: '127.0.0.1:1', interval: 1m}
";
    // April 2024 has 30 days: 2,592,000 s.
    let site = Site::create("2024-04-01T00:00:00Z", TARGETS);
    let in_time = (400_000, 403_600);
    let late = (500_000, 501_000);
    let failing = [
        (3_600, 3_630, Failure::Timeout),         // two failures: isolated, up
        (100_005, 100_020, Failure::Cut),         // outage 1: 100,005 to 100,620, 615 s; one cut and 40 refused
        (100_020, 100_620, Failure::Refused),     //
        (200_010, 200_115, Failure::Status),      // outage 2: 105 s, with a restart inside
        (400_005, 403_005, Failure::Refused), // outage 3: 3,000 s, all of it within announced maintenance: 0 s count
        (500_010, 500_310, Failure::Dns),     // outage 4: 300 s count, for the window over it came too late
        (800_010, 800_040, Failure::Timeout), // two failures, then nothing: isolated, for unknown time breaks a row
        (800_400, 800_415, Failure::Timeout), // and the third after it is isolated too
        (2_591_700, 2_592_600, Failure::Refused), // outage 6: 900 s, of which 300 s are in April
    ];
    // The clock is set back at 700,005: what comes a second time adds nothing, so outage 5 is 0 s long.
    let again = [(699_435, 699_480, Failure::Tls)];
    let chat = || Looks::new(&site, "chat", 15);

    let mut first = site.start(-60, &[in_time]);
    first.take(chat().every((-30, 200_070), None, &failing));
    drop(first);
    // The result of 200,055 holds for two intervals, to the first look of the next process at 200,085.
    let mut second = site.start(200_080, &[in_time]);
    second.take(chat().every((200_085, 300_015), None, &failing));
    drop(second);
    // The result of 300,000 holds to 300,030: 7,170 s unknown up to 307,200.
    let mut third = site.start(307_190, &[in_time]);
    // At 600,000 the clock is set 3,600 s forward: the result holds for 15 s of its own, 600,015 to 603,615 is unknown.
    third.take(chat().every((307_200, 600_015), None, &failing));
    third.reload(500_100, &[in_time, late]);
    third.take(
        chat()
            .every((603_615, 700_020), Some(15), &failing)
            .every((699_427, 700_005), Some(15), &again)
            // The machine sleeps from 800,025 to 800,400. Held to 800,055: 345 s unknown.
            .every((700_020, 800_040), Some(23), &failing)
            .every((800_400, 2_592_900), Some(375), &failing),
    );
    // Down from 12,000 to 14,640: 2,640 s, which is 48 s more than 43 min 12 s.
    let page = Looks::new(&site, "page", 60);
    third.take(page.every((-60, 2_592_060), None, &[(12_000, 14_640, Failure::Status)]));
    // Looked at for 28 days, the last at 2,419,140: known to 2,419,260.
    third.take(Looks::new(&site, "cache", 60).every((0, 2_419_200), None, &[]));
    drop(third);

    let chat = site.month("2024-04", "chat", "UTC");
    let figures = [
        "month_seconds",
        "elapsed_seconds",
        "up_seconds",
        "down_seconds",
        "unknown_seconds",
        "maintenance_seconds",
        "availability",
        "strict",
        "coverage",
        "budget",
        "verdict",
        "objective",
    ];
    // down     615 + 105 + 300 + 300 = 1,320
    // unknown  7,170 + 3,600 + 345 = 11,115
    // up       2,592,000 − 3,600 − 1,320 − 11,115 = 2,575,965
    // known    2,577,285 of 2,592,000 − 3,600 = 2,588,400
    // Shares are cut after nine digits: 2,575,965 / 2,577,285; 2,575,965 / 2,588,400; 2,577,285 / 2,588,400.
    // budget   0.001 × 2,588,400
    let want = json!({
        "month_seconds": 2_592_000, "elapsed_seconds": 2_592_000, "up_seconds": 2_575_965, "down_seconds": 1_320,
        "unknown_seconds": 11_115, "maintenance_seconds": 3_600, "availability": 0.999_487_833, "strict": 0.995_195_873,
        "coverage": 0.995_705_841, "budget": {"total_seconds": 2_588.4, "used_seconds": 1_320, "left_seconds": 1_268.4},
        "verdict": "met", "objective": 0.999,
    });
    assert_eq!(picked(&chat, &figures), want);
    let outage = |number: u64, start, end, counted: i64, cause: &str| {
        let length = end - start;
        json!({
            "number": number, "start": site.time(start), "end": site.time(end), "duration_seconds": length,
            "counted_seconds": counted, "recovery_seconds": length, "cause": cause,
        })
    };
    let keys = ["number", "start", "end", "duration_seconds", "counted_seconds", "recovery_seconds", "cause"];
    let outages: Vec<Value> =
        chat["outages"].as_array().expect("a list").iter().map(|outage| picked(outage, &keys)).collect();
    let want = [
        outage(1, 100_005, 100_620, 615, "refused"),
        outage(2, 200_010, 200_115, 105, "status"),
        outage(3, 400_005, 403_005, 0, "refused"),
        outage(4, 500_010, 500_310, 300, "dns"),
        outage(5, 700_005, 700_005, 0, "tls"),
        outage(6, 2_591_700, 2_592_600, 300, "refused"),
    ];
    assert_eq!(outages, want);
    assert_eq!(chat["outages"][0]["failures"], json!({"cut": 1, "refused": 40}));
    // 200,070 is missing: the process was not there.
    assert_eq!(chat["outages"][1]["failures"], json!({"status": 6}));
    let isolated: Vec<&Value> =
        chat["isolated_failures"].as_array().expect("a list").iter().map(|one| &one["at"]).collect();
    assert_eq!(
        isolated,
        [3_600, 3_615, 800_010, 800_025, 800_400].map(|second| site.time(second)).iter().collect::<Vec<_>>()
    );
    let windows: Vec<Value> = chat["maintenance"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|window| json!([window["from"], window["announced"], window["standing"]]))
        .collect();
    assert_eq!(
        windows,
        [
            json!([site.time(400_000), site.time(-60), "timely"]),
            json!([site.time(500_000), site.time(500_100), "late"])
        ]
    );
    // Looks of the month: 172,800 in 30 days, less 1 (restart), 479 (gap), 240 (clock forward) and 24 (asleep), and 39
    // of repeated time: 172,095. Failed 2 + 41 + 6 + 200 + 20 + 3 + 3 + 20 = 295, of which 5 timeouts count as late.
    assert_eq!(picked(&chat["probes"], &["within", "total"]), json!({"within": 171_800, "total": 171_805}));

    let page = site.month("2024-04", "page", "UTC");
    let keys = ["availability", "coverage", "down_seconds", "budget", "verdict"];
    let budget = json!({"total_seconds": 2_592, "used_seconds": 2_640, "left_seconds": -48});
    // 2,589,360 / 2,592,000
    let want = json!({
        "availability": 0.998_981_481, "coverage": 1.0, "down_seconds": 2_640, "budget": budget, "verdict": "missed",
    });
    assert_eq!(picked(&page, &keys), want);
    let cache = site.month("2024-04", "cache", "UTC");
    // 2,419,260 / 2,592,000 is under 95 %.
    let keys = ["availability", "strict", "coverage", "unknown_seconds", "verdict"];
    let want = json!({
        "availability": 1.0, "strict": 0.933_356_481, "coverage": 0.933_356_481, "unknown_seconds": 172_740,
        "verdict": "not_proven",
    });
    assert_eq!(picked(&cache, &keys), want);

    let table = site.report(&["--month", "2024-04"]).stdout;
    for part in [
        "error budget  43 min 8 s; used 22 min; left 21 min 8 s",
        "error budget  43 min 12 s; used 44 min; left -48 s",
        "verdict       met\n",
        "verdict       missed\n",
        "verdict       not proven\n",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let may = site.month("2024-05", "chat", "UTC");
    assert_eq!((&may["down_seconds"], &may["outages"][0]["counted_seconds"]), (&json!(600), &json!(600)), "the rest");
    run(arguments!["ledger", "check", "--config", site.config()]).expect_code(0);
}

#[test]
fn months_are_as_long_as_the_calendar_and_the_clocks_of_their_zone_make_them() {
    let site = Site::create("2023-01-31T00:00:00Z", "  - {name: chat, url: 'http://127.0.0.1:1/', interval: 30m}\n");
    let mut process = site.start(-60, &[]);
    // Three failures around the hour that Berlin leaves out: 00:30, 01:00 and 01:30 UTC, down to 02:00.
    let night = seconds("2024-03-31T00:30:00Z") - site.begin;
    let end = seconds("2024-06-01T02:00:00Z") - site.begin;
    process.take(Looks::new(&site, "chat", 1_800).every((0, end), None, &[(night, night + 5_400, Failure::Timeout)]));
    drop(process);
    for (month, zone, length, budget, down, verdict) in [
        ("2023-02", "UTC", 2_419_200, json!(2_419.2), 0, "met"), // 28 days
        ("2024-02", "UTC", 2_505_600, json!(2_505.6), 0, "met"), // 29 days
        ("2024-04", "UTC", 2_592_000, json!(2_592), 0, "met"),   // 30 days: 43 min 12 s
        ("2024-05", "UTC", 2_678_400, json!(2_678.4), 0, "met"), // 31 days
        ("2024-03", "UTC", 2_678_400, json!(2_678.4), 5_400, "missed"), // 31 days
        ("2024-03", "Europe/Berlin", 2_674_800, json!(2_674.8), 5_400, "missed"), // 31 days less an hour
        ("2023-10", "Europe/Berlin", 2_682_000, json!(2_682), 0, "met"), // 31 days and an hour
        ("2024-04", "Australia/Lord_Howe", 2_593_800, json!(2_593.8), 0, "met"), // 30 days and half an hour
    ] {
        let found = site.month(month, "chat", zone);
        let keys = ["month_seconds", "up_seconds", "down_seconds", "unknown_seconds", "verdict"];
        let want = json!({
            "month_seconds": length, "up_seconds": length - down, "down_seconds": down, "unknown_seconds": 0,
            "verdict": verdict,
        });
        assert_eq!(picked(&found, &keys), want, "{month} {zone}");
        assert_eq!(found["budget"]["total_seconds"], budget, "{month} {zone}");
    }
    // One look in the last 24 hours of January is not nothing, and proves nothing either: 1 of 31 days.
    let january = site.month("2023-01", "chat", "UTC");
    assert_eq!(
        picked(&january, &["up_seconds", "coverage", "verdict"]),
        json!({
            "up_seconds": 86_400, "coverage": 0.032_258_064, "verdict": "not_proven",
        })
    );
    let none = site.month("2022-12", "chat", "UTC");
    let keys = ["availability", "strict", "coverage", "budget", "projection", "unknown_seconds", "verdict", "outages"];
    let want = json!({
        "availability": null, "strict": null, "coverage": null, "budget": null, "projection": null,
        "unknown_seconds": 2_678_400, "verdict": "not_proven", "outages": [],
    });
    assert_eq!(picked(&none, &keys), want, "a month without any data");
    let table = site.report(&["--month", "2022-12"]).stdout;
    assert!(table.contains("verdict       not proven") && table.contains("availability  no data"), "{table}");
}
