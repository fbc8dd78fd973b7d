//! What questions to a large ledger take: 10,000,000 requests and 500,000 sessions over 90 days. Prints medians, of them what
//! this process itself computed (on a busy machine the rest is waiting), and maxima; asserts nothing.
//!
//! `cargo bench --bench query`. The ledger is made once, by the writer that `run` has, and kept under `target/tmp`;
//! `TOKENTAIL_BENCH_REQUESTS` sets another number of requests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokentail::clock::Clock;
use tokentail::ledger::writer::Writer;
use tokentail::ledger::{
    Batch, Context, DataDir, Error, ErrorFilter, Ledger, Moment, Options, Order, Privacy, ROLLUP_HOUR, RequestFilter,
    RequestList, RequestSort, Retention, SessionFilter, SessionList, SessionQuery, Sort, StatusFilter, size_on_disk,
};
use tokentail::meter::{self, Meter};
use tokentail::pricing::{Matched, Request, Table};
use tokentail::record::{
    Cost, CountingFamily, Currency, ErrorReason, Logged, Micros, Mode, Outcome, Record, Tokens, Usage,
};
use tokentail::report::totals::{self, Of, Question};
use tokentail::report::{Attribute, By};
use tokentail::session::usage::Period;

const RUNS: usize = 5;
/// When the last request starts.
const END: Micros = 1_794_000_000_000_000;
const DAY: Micros = 86_400_000_000;
const DAYS: Micros = 90;
const MODELS: [(&str, &str); 8] = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("deepseek", "deepseek-chat"),
    ("dashscope", "qwen-plus"),
    ("dashscope", "qwen-turbo"),
    ("google", "gemini-2.5-pro"),
    ("ollama", "home-grown"),
];
/// Sessions that are open at one time, and requests of each.
const OPEN: usize = 120;
const TURNS: u64 = 20;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn main() {
    #[expect(clippy::disallowed_methods, reason = "a benchmark takes its size from the environment")]
    let requests =
        std::env::var("TOKENTAIL_BENCH_REQUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("query-{requests}"));
    let make = std::env::args().any(|argument| argument == "--make");
    if make {
        generate(&folder, requests);
        return;
    }
    if Moment::open(&folder).is_err() {
        let program = std::env::current_exe().expect("this program");
        let made = Command::new(program).arg("--make").status().expect("make the ledger");
        assert!(made.success(), "the ledger could not be made");
    }
    ask(&folder);
}

/// Numbers that look random: `xorshift64*` of Marsaglia and Vigna.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }

    /// Small numbers come more often than large ones.
    fn skewed(&mut self, bound: u64) -> u64 {
        let (a, b) = (self.below(bound), self.below(bound));
        a * b / bound
    }
}

#[derive(Clone)]
struct Conversation {
    name: String,
    user: u64,
    consumer: u64,
    model: usize,
    left: u64,
    round: u32,
    agent: bool,
}

fn conversation(random: &mut Random, number: u64) -> Conversation {
    let user = random.skewed(20_000);
    let consumer = user % 200;
    let model = usize::try_from((consumer + random.skewed(3)) % 8).unwrap_or(0);
    let left = 1 + random.below(TURNS * 2 - 1);
    Conversation {
        name: format!("chat-{number:x}"),
        user,
        consumer,
        model,
        left,
        round: 0,
        agent: random.below(4) == 0,
    }
}

fn options(folder: &Path) -> Options {
    Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"benchmark".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: TimeZone::get("Asia/Shanghai").expect("a time zone"),
        clock: Clock::manual(END),
        sessions: tokentail::session::Config::default(),
        content: tokentail::content::Keeping::default(),
    }
}

fn generate(folder: &Path, requests: u64) {
    let _ = fs::remove_dir_all(folder);
    let began = now();
    let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
    let ledger = Ledger::open(options(folder), meter).expect("make the ledger");
    let retention = Retention { requests: Duration::from_secs(400 * 86_400), ..Retention::default() };
    let writer = Writer::start(ledger, retention).expect("start the writer");
    let handle = writer.handle();
    let table = Table::builtin();
    let rows = table.rows().iter().map(|row| (row.id(), row.to_json())).collect();
    let ids = handle.keep_prices(rows).expect("keep the prices");
    let matched: Vec<Matched> = MODELS.iter().map(|(provider, model)| table.find(provider, model)).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut number = 0;
    let mut open: Vec<Conversation> = (0..OPEN)
        .map(|_| {
            number += 1;
            conversation(&mut random, number)
        })
        .collect();
    let dimensions = ["department".to_owned(), "agent".to_owned()];
    let sources = ["higress".to_owned()];
    let gap = u64::try_from(DAYS * DAY).unwrap_or(0) / requests;
    let mut start = END - DAYS * DAY;
    let mut batch = Batch::new(&sources);
    for index in 0..requests {
        start += i64::try_from(random.below(gap * 2)).unwrap_or(0);
        let place = usize::try_from(random.below(OPEN as u64)).unwrap_or(0);
        let Some(chat) = open.get_mut(place) else { continue };
        chat.round += 1;
        chat.left -= 1;
        let chat = if chat.left == 0 {
            number += 1;
            let next = conversation(&mut random, number);
            std::mem::replace(chat, next)
        } else {
            chat.clone()
        };
        let (provider, model) = MODELS.get(chat.model).copied().unwrap_or_default();
        let failed = random.below(50) == 0;
        let reasons = ErrorReason::ALL;
        let reason =
            reasons.get(usize::try_from(random.skewed(6)).unwrap_or(0)).copied().unwrap_or(ErrorReason::Client);
        let input = 200 + random.skewed(20_000);
        let tokens = Tokens {
            cache_read: if chat.round > 1 { input / 2 } else { 0 },
            uncached_input: if chat.round > 1 { input - input / 2 } else { input },
            visible_output: 20 + random.skewed(3_000),
            reasoning: if chat.model == 6 { random.below(2_000) } else { 0 },
            ..Tokens::default()
        };
        let tokens = if failed { Tokens::default() } else { tokens };
        let usage = if failed {
            Usage::None
        } else {
            Usage::Counted { tokens, family: CountingFamily::OpenAi, logged: Logged::default(), cache_ttl_known: false }
        };
        let first = i64::try_from(150_000 + random.skewed(2_000_000)).unwrap_or(0);
        let stream = random.below(3) > 0;
        let record = Record {
            start,
            duration: Some(first + i64::try_from(tokens.visible_output * 11_003 + random.below(9_000)).unwrap_or(0)),
            first_token: (stream && !failed).then_some(first),
            request_id: format!("6513270e-269e-4d37-b2a7-{index:012x}").into(),
            session_id: chat.name.as_str().into(),
            route: format!("ai-route-{}", chat.model / 3).into(),
            provider: provider.into(),
            model: model.into(),
            consumer: format!("app-{:03}", chat.consumer).into(),
            upstream: format!("llm-{provider}.internal.dns").into(),
            user: format!("user-{}", chat.user).into(),
            chat_round: Some(chat.round),
            status: Some(if failed {
                [429, 400, 502, 504, 499, 503].get(reason.index()).copied().unwrap_or(500)
            } else {
                200
            }),
            outcome: if failed { Outcome::Error(reason) } else { Outcome::Success },
            mode: if stream { Mode::Stream } else { Mode::Normal },
            dimensions: vec![
                format!("department-{}", chat.consumer % 12).into(),
                if chat.agent { "main" } else { "" }.into(),
            ],
            usage,
            ..Record::default()
        };
        let priced = match (Request::of(&record), matched.get(chat.model)) {
            (Some(request), Some(matched)) => table.price(matched, &request),
            _ => Default::default(),
        };
        let price_row = priced.row.and_then(|row| ids.get(usize::try_from(row).ok()?).copied()).unwrap_or(0);
        let line = b"";
        let cost = priced.cost;
        let context = Context { source: 0, provider, priced, cost, price_row, dimensions: &dimensions, line };
        batch.push(&record, &context);
        if batch.len() == 4_096 {
            let next = handle.spare().unwrap_or_default().reuse(&sources);
            handle.send(std::mem::replace(&mut batch, next)).expect("commit a batch");
        }
    }
    handle.send(batch).expect("commit a batch");
    drop(handle);
    let (mut ledger, _) = writer.stop().expect("stop the writer");
    // As a sidecar does within seconds of a start.
    while ledger.pack().expect("pack what is quiet") {}
    drop(ledger);
    let seconds = began.elapsed().as_secs_f64();
    say(&format!("made {requests} requests and {number} sessions in {seconds:.0} s"));
}

/// Seconds that this process has computed: what a question takes on a machine that does nothing else.
fn computed() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

/// Whether a question is to be asked: all are, or those whose names hold the text that the program was given.
fn is_asked(name: &str) -> bool {
    std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).all(|wanted| name.contains(&wanted))
}

/// Runs a question on a moment of its own and prints what it took.
fn time(folder: &Path, name: &str, question: impl Fn(&Moment) -> Result<usize, Error>) {
    if !is_asked(name) {
        return;
    }
    let (mut took, mut used) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    let mut found = 0;
    for _ in 0..RUNS {
        let (began, before) = (now(), computed());
        let moment = Moment::open(folder).expect("open the ledger");
        match question(&moment) {
            Ok(count) => found = count,
            Err(error) => {
                say(&format!("{name:<58} {error}"));
                return;
            }
        }
        took.push(began.elapsed().as_secs_f64() * 1e3);
        used.push((computed() - before) * 1e3);
    }
    took.sort_by(f64::total_cmp);
    used.sort_by(f64::total_cmp);
    let computed = used.get(RUNS / 2).copied().unwrap_or(f64::NAN);
    let median = took.get(RUNS / 2).copied().unwrap_or(f64::NAN);
    let most = took.last().copied().unwrap_or(f64::NAN);
    let mark = if median > 300.0 { "  over 300 ms" } else { "" };
    say(&format!("{name:<58} {median:8.1} ms, {computed:6.1} of computing, at most {most:8.1}  ({found} found){mark}"));
}

fn some(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn ask(folder: &Path) {
    let privacy = Privacy { key: b"benchmark".to_vec(), hash_sessions: false };
    let user = |number: u64| vec![privacy.pseudonym(&format!("user-{number}"))];
    lists(folder, &user);
    sums(folder, &user);
    sessions(folder, &user);
    stream(folder);
    api(folder);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim();
    say(&format!("peak memory {peak}; {:.0} MB on disk", size_on_disk(folder) as f64 / 1e6));
}

fn lists(folder: &Path, user: &dyn Fn(u64) -> Vec<String>) {
    let none = RequestFilter::default();
    let list = |name: &str, filter: RequestFilter, sort: RequestSort, order: Order, pages: usize| {
        time(folder, name, |moment| {
            let mut list = RequestList { filter: filter.clone(), sort, order, limit: 50, after: None };
            let mut found = 0;
            for _ in 0..pages {
                let page = moment.requests(&list)?;
                found = page.requests.len();
                list.after = page.next;
            }
            Ok(found)
        });
    };
    let usd = RequestSort::Cost(Currency::USD);
    for (name, sort) in [
        ("start", RequestSort::Start),
        ("duration", RequestSort::Duration),
        ("first token", RequestSort::FirstToken),
        ("tokens", RequestSort::Tokens),
        ("cost", usd),
    ] {
        for (direction, order) in [("descending", Order::Descending), ("ascending", Order::Ascending)] {
            list(&format!("requests by {name}, {direction}"), none.clone(), sort, order, 1);
        }
    }
    deep_page(folder, usd);
    let month = RequestFilter { since: Some(END - 45 * DAY), until: Some(END - 15 * DAY), ..none.clone() };
    let filters = [
        ("of a month", month.clone()),
        ("of a model", RequestFilter { models: some(&["gpt-4o"]), ..none.clone() }),
        ("of a consumer", RequestFilter { consumers: some(&["app-042"]), ..none.clone() }),
        (
            "of two of a dimension",
            RequestFilter {
                dimensions: vec![
                    ("department".into(), "department-3".into()),
                    ("department".into(), "department-4".into()),
                ],
                ..none.clone()
            },
        ),
        ("of a frequent user", RequestFilter { users: user(5), ..none.clone() }),
        ("of a rare user", RequestFilter { users: user(19_000), ..none.clone() }),
        ("that failed", RequestFilter { errors: vec![ErrorFilter::Any], ..none.clone() }),
        (
            "that the gateway failed",
            RequestFilter { errors: vec![ErrorFilter::Reason(ErrorReason::Gateway)], ..none.clone() },
        ),
        ("with 4xx", RequestFilter { statuses: vec![StatusFilter::Class(4)], ..none.clone() }),
        ("with a status that never was", RequestFilter { statuses: vec![StatusFilter::Exactly(418)], ..none.clone() }),
        (
            "of a frequent user and another's consumer",
            RequestFilter { users: user(5), consumers: some(&["app-006"]), ..none.clone() },
        ),
        ("of a consumer that never was", RequestFilter { consumers: some(&["nobody"]), ..none.clone() }),
        ("of 20,000 tokens", RequestFilter { min_tokens: Some(20_000), ..none.clone() }),
        (
            "of USD 0.10",
            RequestFilter { min_cost: Some(Cost { nanos: 100_000_000, currency: Currency::USD }), ..none.clone() },
        ),
        (
            "of a model, failed, of a month",
            RequestFilter { models: some(&["gpt-4o"]), errors: vec![ErrorFilter::Any], ..month },
        ),
        ("of a session", RequestFilter { sessions: some(&["chat-1234"]), ..none.clone() }),
    ];
    for (name, filter) in filters {
        for (direction, sort) in [("start", RequestSort::Start), ("cost", usd), ("tokens", RequestSort::Tokens)] {
            list(&format!("requests {name}, by {direction}"), filter.clone(), sort, Order::Descending, 1);
        }
    }
    time(folder, "one request", |moment| Ok(moment.request(5_000_000)?.is_some().into()));
}

/// The 41st page alone.
fn deep_page(folder: &Path, sort: RequestSort) {
    let moment = Moment::open(folder).expect("open the ledger");
    let first = RequestList { sort, limit: 2_000, ..RequestList::default() };
    let Ok(page) = moment.requests(&first) else { return };
    time(folder, "requests by cost, the 41st page", |moment| {
        let list = RequestList { sort, limit: 50, after: page.next, ..RequestList::default() };
        Ok(moment.requests(&list)?.requests.len())
    });
}

fn sessions(folder: &Path, user: &dyn Fn(u64) -> Vec<String>) {
    let of = |requests: RequestFilter| SessionFilter { requests, ..SessionFilter::default() };
    let none = RequestFilter::default();
    let filters = [
        ("", of(none.clone())),
        (" of a month", of(RequestFilter { since: Some(END - 45 * DAY), until: Some(END - 15 * DAY), ..none.clone() })),
        (" of a consumer", of(RequestFilter { consumers: some(&["app-042"]), ..none.clone() })),
        (" of a user", of(RequestFilter { users: user(5), ..none.clone() })),
        (" of a model", of(RequestFilter { models: some(&["gpt-4o"]), ..none.clone() })),
        (" with errors", SessionFilter { errors: true, ..SessionFilter::default() }),
        (" of many of a prefix", SessionFilter { prefix: Some("chat-1".to_owned()), ..SessionFilter::default() }),
        (" of few of a prefix", SessionFilter { prefix: Some("chat-123".to_owned()), ..SessionFilter::default() }),
    ];
    for (name, filter) in filters {
        for sort in [Sort::Updated, Sort::Cost, Sort::Tokens] {
            time(folder, &format!("sessions{name}, by {}", sort.label()), |_| {
                let list = SessionList { filter: filter.clone(), sort, limit: 50, ..SessionList::default() };
                Ok(SessionQuery::open(folder)?.page(&list)?.sessions.len())
            });
        }
    }
    time(folder, "one session with its turns", |_| {
        let query = SessionQuery::open(folder)?;
        let found = query.find(&some(&["chat-1234"]), None)?;
        let shown = found.into_iter().next().map(|session| query.show(session, 100)).transpose()?;
        Ok(shown.map_or(0, |shown| shown.turns.len()))
    });
}

fn sums(folder: &Path, user: &dyn Fn(u64) -> Vec<String>) {
    let zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
    let (month, quarter) = ((END - 45 * DAY, END - 15 * DAY), (END - DAYS * DAY, END));
    let question = |by: Vec<By>, (since, until): (Micros, Micros)| Question {
        by,
        filter: RequestFilter::default(),
        since,
        until,
        zone: zone.clone(),
        kinds: false,
    };
    let model = || By::Attribute(Attribute::Model);
    let consumer = || By::Attribute(Attribute::Consumer);
    let total = |name: &str, question: Question| {
        time(folder, name, |moment| Ok(totals::totals(moment, &question)?.groups.len()));
    };
    for (name, period) in [("a month", month), ("90 days", quarter)] {
        total(&format!("totals of {name}"), question(Vec::new(), period));
        total(&format!("totals of {name} by model"), question(vec![model()], period));
        total(&format!("totals of {name} by consumer and model"), question(vec![consumer(), model()], period));
        total(&format!("totals of {name} by day"), question(vec![By::Period(Period::Day)], period));
        total(&format!("totals of {name} by day and model"), question(vec![By::Period(Period::Day), model()], period));
        total(&format!("totals of {name} by hour of the day"), question(vec![By::Hour], period));
        total(&format!("totals of {name} by day and hour"), question(vec![By::Period(Period::Day), By::Hour], period));
        total(&format!("totals of {name} by user"), question(vec![By::User], period));
        let failed = RequestFilter { errors: vec![ErrorFilter::Any], ..RequestFilter::default() };
        total(
            &format!("totals of {name}, failed, by model"),
            Question { filter: failed, ..question(vec![model()], period) },
        );
        let of_user = RequestFilter { users: user(5), ..RequestFilter::default() };
        total(
            &format!("totals of {name} of a user by day, with kinds"),
            Question { filter: of_user, kinds: true, ..question(vec![By::Period(Period::Day)], period) },
        );
        let of_consumer = RequestFilter { consumers: some(&["app-042"]), ..RequestFilter::default() };
        total(
            &format!("totals of {name} of a consumer by day"),
            Question { filter: of_consumer, ..question(vec![By::Period(Period::Day)], period) },
        );
        total(
            &format!("totals of {name} by day of another time zone"),
            Question { zone: TimeZone::UTC, ..question(vec![By::Period(Period::Day)], period) },
        );
    }
    time(folder, "trend of 24 hours by hour and model", |moment| {
        let day = question(vec![model()], (END - DAY, END));
        Ok(totals::trend(moment, &day, By::EachHour, Of::Requests, 10)?.0.len())
    });
    time(folder, "trend of 90 days by day and consumer", |moment| {
        let question = question(vec![consumer()], quarter);
        Ok(totals::trend(moment, &question, By::Period(Period::Day), Of::Cost(Currency::USD), 10)?.0.len())
    });
    time(folder, "top 10 consumers of a month, and of the month before", |moment| {
        let now = totals::totals(moment, &question(vec![consumer()], month))?;
        let before = totals::before(month.0, month.1, &zone);
        let before = totals::totals(moment, &question(vec![consumer()], before))?;
        let top = totals::top(now.groups, Of::Cost(Currency::USD), 10);
        Ok(top.top.len() + before.groups.len().min(1))
    });
}

/// A process that is ended with the benchmark.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the program itself, as a page does: each endpoint that reads the ledger, over the whole of it or a month.
fn api(folder: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a port").to_string();
    drop(listener);
    let config = folder.join("tokentail.yaml");
    let text = "sources: [{name: higress, format: higress, path: /nonexistent/benchmark.log}]\nretention: {requests: 3650d}\n\
        timezone: Asia/Shanghai\n\
        cost: {budgets: [{name: all, unit: USD, limit: 100000, period: month}, {name: app, filter: \
        {consumer: app-042}, unit: tokens, limit: 1000000000, period: month}]}\n";
    fs::write(&config, text).expect("write the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokentail"));
    command.arg("run").arg("--config").arg(&config).arg("--data-dir").arg(folder).args(["--listen", &address]);
    // As the systemd unit and the image have it.
    command.env("MALLOC_ARENA_MAX", "2");
    let served = command.args(["--log-level", "error"]).stdout(Stdio::null()).spawn().expect("start the program");
    let served = Served(served);
    let get = |path: &str| -> std::io::Result<(u16, usize)> {
        let mut stream = TcpStream::connect(&address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let status = answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        Ok((status.unwrap_or(0), answer.len()))
    };
    while get("/api/v1/status").is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
    // What is packed after a start is not what is asked about.
    std::thread::sleep(Duration::from_secs(5));
    let month = "since=2026-09-23T00:00:00%2B08:00&until=2026-10-23T00:00:00%2B08:00";
    let week = "since=2026-10-28T00:00:00%2B08:00";
    let mut paths: Vec<String> = Vec::new();
    let mut add = |path: &str| paths.push(format!("/api/v1/{path}"));
    for path in [
        "status",
        "openapi.json",
        "requests",
        "requests?sort=cost&model=gpt-4o&error=any",
        "requests/5000000",
        "sessions",
        "sessions?sort=cost",
        "sessions?sort=tokens&consumer=app-042",
        "sessions?sort=start&q=chat-12",
        "sessions/chat-1234",
        "stats/overview",
        "stats/realtime",
        "stats/top?by=consumer&of=cost",
        "stats/top?by=user",
        "cost",
        "cost?by=consumer,model",
        "cost?by=month,model",
        "cost/forecast",
        "cost/anomalies",
        "budgets",
        "consumers",
        "consumers?sort=cost&limit=200",
        "consumers/app-042",
        "sla",
        "sla?month=2026-10",
        "sla/outages",
        "prices",
        "prices/match?model=gpt-4o",
        "prices/unpriced",
        "usage",
    ] {
        add(path);
    }
    for span in [week, month, "since=2026-08-01"] {
        for by in ["user", "consumer", "model", "day", "day,consumer", "hour", "user,day", "department", ""] {
            let by = if by.is_empty() { String::new() } else { format!("by={by}&") };
            add(&format!("usage?{by}{span}"));
        }
        for by in ["user", "consumer,model", "day", "day,hour", "hour", "department"] {
            add(&format!("stats/totals?by={by}&compare=true&{span}"));
        }
        add(&format!("stats/totals?by=user&consumer=app-042&{span}"));
        add(&format!("stats/totals?by=user,model&consumer=app-042&{span}"));
        add(&format!("stats/trend?step=day&by=model&of=cost&{span}"));
        add(&format!("stats/trend?step=day&by=user&{span}"));
        add(&format!("cost?by=day,user&consumer=app-042&{span}"));
        add(&format!("cost?by=user&{span}"));
        add(&format!("cost/anomalies?{span}"));
    }
    for path in paths {
        if !is_asked(&path) {
            continue;
        }
        let mut took = Vec::with_capacity(RUNS);
        let mut found = (0, 0);
        for _ in 0..RUNS {
            let began = now();
            found = get(&path).expect("an answer");
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        let median = took.get(RUNS / 2).copied().unwrap_or(f64::NAN);
        let most = took.last().copied().unwrap_or(f64::NAN);
        let mark = if median > 300.0 { "  over 300 ms" } else { "" };
        let (status, bytes) = found;
        say(&format!("GET {path:<90} {median:8.1} ms, at most {most:8.1}  ({status}, {bytes} bytes){mark}"));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", served.0.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim();
    say(&format!("peak memory of the program that answered: {peak}"));
}

/// All requests, one after the other.
fn stream(folder: &Path) {
    if !is_asked("stream") {
        return;
    }
    let none = RequestFilter::default();
    let began = now();
    let moment = Moment::open(folder).expect("open the ledger");
    let mut count = 0_usize;
    let ended = moment.each_request(&none, 0, |_| -> Result<ControlFlow<()>, Error> {
        count += 1;
        Ok(ControlFlow::Continue(()))
    });
    let seconds = began.elapsed().as_secs_f64();
    say(&format!("all requests as a stream: {count} in {seconds:.1} s{}", if ended.is_err() { ", cut" } else { "" }));
}
