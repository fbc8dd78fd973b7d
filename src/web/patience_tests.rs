//! A question that takes too long is cut, and until then neither a scrape nor a commit waits for it.
//!
//! Questions are held open in the middle of their work, where the ledger looks at the clock, so nothing here depends on
//! how fast the machine is.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jiff::tz::TimeZone;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::access::{Gate, Peer};
use super::route::{Site, router};
use super::{App, Config, Unavailable, api};
use crate::clock::Clock;
use crate::content::{Erasure, Scope};
use crate::ledger::{Batch, Context, DataDir, Ledger, Options, Privacy, ROLLUP_HOUR};
use crate::meter::{self, Gauges, Meter};
use crate::record::{Micros, Priced, Record};

/// 2026-11-21T08:00:00Z
const NOW: Micros = 1_795_248_000_000_000;

/// As many as are answered at one time.
const QUESTIONS: usize = 4;

/// A daemon over a real ledger, whose questions are held at their first look at the clock within the ledger.
struct Held {
    instance: api::Instance,
    clock: Clock,
    meter: Arc<Mutex<Meter>>,
    door: Arc<Door>,
}

/// Where questions wait.
struct Door {
    is_open: Mutex<bool>,
    opened: Condvar,
    /// A permit for each question that has come to the door.
    came: Semaphore,
}

impl Door {
    fn pass(&self) {
        self.came.add_permits(1);
        let mut is_open = self.is_open.lock();
        while !*is_open {
            self.opened.wait(&mut is_open);
        }
    }

    fn open(&self) {
        *self.is_open.lock() = true;
        self.opened.notify_all();
    }
}

impl App for Held {
    fn metrics(&self) -> Result<String, Unavailable> {
        let gauges = Gauges { now: NOW, ..Gauges::default() };
        meter::encode(&self.meter, gauges, self.clock.instant()).map_err(|error| Unavailable(format!("{error:?}")))
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn reload(&self) -> Result<String, String> {
        Ok(String::new())
    }

    fn instance(&self) -> api::Instance {
        let (door, looks) = (Arc::clone(&self.door), AtomicUsize::new(0));
        // The first look is the one that sets the deadline.
        let clock = self.clock.watched(move || {
            if looks.fetch_add(1, Ordering::SeqCst) == 1 {
                door.pass();
            }
        });
        api::Instance { clock, ..self.instance.clone() }
    }

    fn status(&self) -> api::Status {
        api::Status::default()
    }

    fn delete_before(&self, _: Micros, _: &str) -> Result<(u64, u64), String> {
        Ok((0, 0))
    }

    fn erase(&self, _: Scope, _: &str) -> Result<Erasure, String> {
        Ok(Erasure::default())
    }

    fn note(&self, _: &str, _: u64, _: &str) -> Result<bool, String> {
        Ok(false)
    }
}

struct World {
    ledger: Ledger,
    app: Arc<Held>,
    site: Arc<Site>,
    next: i64,
    _folder: tempfile::TempDir,
}

fn open(folder: &Path, meter: &Arc<Mutex<Meter>>) -> Ledger {
    let options = Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: Clock::manual(NOW),
    };
    Ledger::open(options, Arc::clone(meter)).expect("a new ledger")
}

impl World {
    /// With enough requests that a question looks at the clock.
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
        let ledger = open(folder.path(), &meter);
        let clock = Clock::manual(NOW);
        let instance = api::Instance { folder: Some(folder.path().to_owned()), ..api::Instance::empty() };
        let door = Door { is_open: Mutex::new(false), opened: Condvar::new(), came: Semaphore::new(0) };
        let app = Arc::new(Held { instance, clock, meter, door: Arc::new(door) });
        let gate = Arc::new(Gate::open(&Config::default()).expect("valid"));
        let site = Arc::new(Site::new(gate, Arc::clone(&app) as Arc<dyn App>));
        let mut world = World { ledger, app, site, next: 0, _folder: folder };
        world.commit(3_000);
        world
    }

    /// Requests as they come from a log, committed.
    fn commit(&mut self, count: i64) {
        let mut batch = Batch::new(&["gateway".to_owned()]);
        for n in self.next..self.next + count {
            let record = Record {
                start: NOW - 3_600_000_000 + n,
                request_id: format!("id-{n}").into(),
                session_id: format!("session-{}", n / 3).into(),
                model: "gpt-4o".into(),
                ..Record::default()
            };
            let priced = Priced::default();
            let context =
                Context { source: 0, provider: "", priced, cost: None, price_row: 0, dimensions: &[], line: b"line" };
            batch.push(&record, &context);
        }
        self.next += count;
        let prepared = self.ledger.prepare(vec![batch]).expect("prepared");
        self.ledger.commit(&prepared, Clock::manual(NOW).instant()).expect("committed");
    }

    /// The answer to a question: its status and its text.
    fn ask(&self, path: &'static str) -> JoinHandle<(u16, String)> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut request = Request::builder().uri(path).header("host", "localhost").body(Body::empty()).expect("valid");
        request.extensions_mut().insert(Peer { local: here, remote: here, tls: false, certificate: false });
        let service = TowerToHyperService::new(router(&self.site));
        tokio::spawn(async move {
            let answer = service.call(request).await.expect("an answer");
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
            (status, String::from_utf8(body.to_vec()).expect("text"))
        })
    }

    /// As many questions as are answered at one time, each held in the middle of its work.
    async fn held(&self, paths: [&'static str; QUESTIONS]) -> Vec<JoinHandle<(u16, String)>> {
        let questions = paths.map(|path| self.ask(path)).into();
        let many = u32::try_from(QUESTIONS).expect("a small number");
        self.app.door.came.acquire_many(many).await.expect("open").forget();
        questions
    }
}

const PATHS: [&str; QUESTIONS] = [
    "/api/v1/requests?sort=tokens",
    "/api/v1/stats/totals?by=model&min_tokens=0&session=session-1",
    "/api/v1/sessions?sort=turns",
    "/api/v1/usage?by=model",
];

#[tokio::test]
async fn a_question_is_cut_after_ten_seconds_and_says_what_to_do() {
    let world = World::new();
    let questions = world.held(PATHS).await;
    world.app.clock.advance(Duration::from_secs(10));
    world.app.door.open();
    for (path, question) in PATHS.into_iter().zip(questions) {
        let (status, text) = question.await.expect("no panic");
        assert_eq!(status, 504, "{path}: {text}");
        let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(told["error"]["code"], "too_slow", "{path}: {told}");
        assert!(told["error"]["message"].as_str().is_some_and(|text| text.contains("ask for less")), "{path}: {told}");
    }
    let (status, text) = world.ask(PATHS[0]).await.expect("no panic");
    assert_eq!(status, 200, "what was cut has left its place: {text}");
}

#[tokio::test]
async fn a_question_that_ends_before_ten_seconds_is_answered() {
    let world = World::new();
    let questions = world.held(PATHS).await;
    world.app.clock.advance(Duration::from_micros(9_999_999));
    world.app.door.open();
    for (path, question) in PATHS.into_iter().zip(questions) {
        let (status, text) = question.await.expect("no panic");
        assert_eq!(status, 200, "{path}: {text}");
    }
}

#[tokio::test]
async fn commits_and_scrapes_go_on_while_every_place_for_questions_is_taken() {
    let mut world = World::new();
    let questions = world.held(PATHS).await;
    world.commit(200);
    world.ledger.write_folds().expect("folds are written beside readers");
    let (status, page) = world.ask("/metrics").await.expect("no panic");
    assert_eq!(status, 200, "{page}");
    let counted: Vec<&str> = page.lines().filter(|line| line.starts_with("tokentail_requests_total{")).collect();
    assert!(counted.len() == 1 && counted[0].ends_with(" 3200"), "{counted:?}");
    assert_eq!(world.ask("/-/ready").await.expect("no panic").0, 200);
    assert!(questions.iter().all(|question| !question.is_finished()), "they are still held");
    world.app.door.open();
    for question in questions {
        let (status, text) = question.await.expect("no panic");
        assert_eq!(status, 200, "{text}");
    }
    let (_, text) = world.ask("/api/v1/stats/totals").await.expect("no panic");
    assert!(text.contains("3200"), "what was committed meanwhile counts for the next: {text}");
}
