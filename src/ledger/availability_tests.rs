use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::clock::Clock;
use crate::ledger::{AvailabilityQuery, DataDir, Facts, Options, Privacy, ROLLUP_HOUR};
use crate::meter::{self, Gauges, Meter};
use crate::record::{Cost, Currency, ProbeCost};
use crate::sla::{Objective, Planned, Standing, Window};

const NOW: Micros = 1_793_000_000_000_000;
const SECOND: Micros = 1_000_000;
const INTERVAL: Micros = 15 * SECOND;

fn open(data_dir: DataDir, clock: &Clock) -> (Ledger, Arc<Mutex<Meter>>) {
    let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
    let options = Options {
        data_dir,
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: jiff::tz::TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: clock.clone(),
    };
    (Ledger::open(options, Arc::clone(&meter)).unwrap(), meter)
}

fn open_in(folder: &Path) -> (Ledger, Arc<Mutex<Meter>>) {
    let (mut ledger, meter) = open(DataDir::Path(folder.to_owned()), &Clock::manual(NOW));
    ledger.keep_targets(&targets(&["chat"]), &Config::default()).unwrap();
    (ledger, meter)
}

fn targets(names: &[&str]) -> Vec<TargetDefinition> {
    let definition = |name: &&str| TargetDefinition {
        name: (*name).to_owned(),
        content: format!("{{\"name\":\"{name}\"}}"),
        spends: *name == "chat",
    };
    names.iter().map(definition).collect()
}

/// A look of each letter, from the `first` interval on: `u` is up, `s` slow, `d` refused, `t` timed out.
fn looks(first: Micros, letters: &str) -> Vec<ProbeResult> {
    let look = |(n, letter): (Micros, char)| {
        let failure = match letter {
            'd' => Some(Failure::Refused),
            't' => Some(Failure::Timeout),
            _ => None,
        };
        let answer = match letter {
            'u' => Some(40_000),
            's' => Some(2_000_000),
            _ => None,
        };
        ProbeResult {
            target: "chat".to_owned(),
            seen: Observation {
                at: NOW + n * INTERVAL,
                interval: INTERVAL,
                since_previous: (n > first).then_some(INTERVAL),
                failure,
                answer,
            },
            duration_micros: 50_000,
            look: Look { success: failure.is_none(), phases: [None, Some(1_000), None, None, None], ..Look::default() },
            used: Some(ProbeUse {
                provider: "openai".to_owned(),
                model: "gpt-4o".to_owned(),
                tokens: Some(Tokens { uncached_input: 10, visible_output: 5, ..Tokens::default() }),
                cost: Some(Cost { nanos: 75_000, currency: Currency::USD }),
                price_row: 7,
            }),
            message: failure.map(|_| "why".to_owned()).unwrap_or_default(),
        }
    };
    (first..).zip(letters.chars()).map(look).collect()
}

fn facts(folder: &Path, now: Micros) -> Facts {
    AvailabilityQuery::open(folder).unwrap().facts(NOW - 3_600 * SECOND, NOW + 10_000 * INTERVAL, now).unwrap()
}

fn page(meter: &Arc<Mutex<Meter>>) -> String {
    meter::encode(meter, Gauges { now: NOW, ..Gauges::default() }, Clock::manual(NOW).instant()).unwrap()
}

fn shows(meter: &Arc<Mutex<Meter>>, line: &str) -> bool {
    page(meter).lines().any(|known| known == line)
}

#[test]
fn a_restart_inside_an_outage_goes_on_with_it_and_no_counter_falls() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open_in(folder.path());
    assert!(shows(&meter, "tokentail_probes_total{target=\"chat\"} 0"));
    assert!(!page(&meter).contains("tokentail_target_up{"), "nothing is known yet");
    ledger.observe_probes(&looks(0, "uuuudddd")).unwrap();
    let down = |meter: &Arc<Mutex<Meter>>| {
        for line in [
            "tokentail_probes_total{target=\"chat\"} 8",
            "tokentail_probe_failures_total{target=\"chat\",reason=\"refused\"} 4",
            "tokentail_probe_failures_total{target=\"chat\",reason=\"dns\"} 0",
            "tokentail_outages_total{target=\"chat\"} 1",
            "tokentail_outage_seconds_total{target=\"chat\"} 45.0",
            "tokentail_target_up{target=\"chat\"} 0.0",
            "tokentail_probe_duration_seconds_count{target=\"chat\"} 8",
        ] {
            assert!(shows(meter, line), "{line}\n{}", page(meter));
        }
    };
    down(&meter);
    assert!(shows(&meter, "tokentail_probe_success{target=\"chat\"} 0.0"));
    assert!(shows(&meter, "tokentail_probe_phase_duration_seconds{target=\"chat\",phase=\"connect\"} 0.001"));
    drop(ledger);

    let (mut ledger, meter) = open_in(folder.path());
    down(&meter);
    assert!(!page(&meter).contains("tokentail_probe_success{"), "this process has not looked yet");
    ledger.observe_probes(&looks(8, "duuu")).unwrap();
    let facts = facts(folder.path(), NOW + 12 * INTERVAL);
    let [chat] = facts.targets.as_slice() else { panic!("{facts:?}") };
    let [outage] = chat.outages.as_slice() else { panic!("{:?}", chat.outages) };
    assert_eq!((outage.start, outage.end), (NOW + 4 * INTERVAL, Some(NOW + 9 * INTERVAL)));
    assert_eq!(outage.failures.get(&Failure::Refused), Some(&5));
    assert!(shows(&meter, "tokentail_outages_total{target=\"chat\"} 1"));
    assert!(shows(&meter, "tokentail_target_up{target=\"chat\"} 1.0"));
    let states: Vec<_> =
        chat.segments.iter().map(|segment| (segment.state, (segment.to - segment.from) / INTERVAL)).collect();
    assert_eq!(states.iter().map(|(_, length)| length).sum::<i64>(), 12, "every moment once: {states:?}");
    assert_eq!(states.iter().filter(|(state, _)| *state == State::Down).map(|(_, length)| length).sum::<i64>(), 5);
}

#[test]
fn many_looks_at_once_are_kept_as_one_by_one() {
    let letters = "uusuddduutuuddddddduudduuuutt";
    let [one, many] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (mut ledger, one_meter) = open_in(one.path());
    for look in looks(0, letters) {
        ledger.observe_probes(std::slice::from_ref(&look)).unwrap();
    }
    let (mut ledger, many_meter) = open_in(many.path());
    ledger.observe_probes(&looks(0, letters)).unwrap();
    let now = NOW + 40 * INTERVAL;
    let (one, many) = (facts(one.path(), now), facts(many.path(), now));
    assert_eq!(format!("{one:?}"), format!("{many:?}"));
    assert_eq!(one.targets[0].probes, Share { within: 13, total: 17 }, "a timeout is no answer, a refusal not judged");
    assert_eq!(page(&one_meter), page(&many_meter));
}

#[test]
fn a_look_that_was_taken_before_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open_in(folder.path());
    ledger.observe_probes(&looks(0, "d")).unwrap();
    let before = page(&meter);
    ledger.observe_probes(&looks(0, "d")).unwrap();
    assert_eq!(page(&meter), before);
}

#[test]
fn what_cannot_be_written_is_neither_kept_nor_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open_in(folder.path());
    let before = page(&meter);
    ledger.connection.pragma_update(None, "query_only", true).unwrap();
    assert!(ledger.observe_probes(&looks(0, "uddd")).unwrap_err().is_passing());
    assert_eq!(page(&meter), before);
    ledger.connection.pragma_update(None, "query_only", false).unwrap();
    ledger.observe_probes(&looks(0, "uddd")).unwrap();
    assert!(shows(&meter, "tokentail_probes_total{target=\"chat\"} 4"));
    assert!(shows(&meter, "tokentail_outages_total{target=\"chat\"} 1"));
}

#[test]
fn what_is_promised_and_announced_is_kept_with_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let (mut ledger, meter) = open(DataDir::Path(folder.path().to_owned()), &clock);
    let window = |from, to| Planned { target: None, from: NOW + from, to: NOW + to, reason: "upgrade".to_owned() };
    let mut sla = Config { maintenance: vec![window(100, 200)], ..Config::default() };
    ledger.keep_targets(&targets(&["chat", "page"]), &sla).unwrap();
    clock.advance(Duration::from_micros(50));
    sla.objectives.insert("chat".to_owned(), Objective::parse("0.99").unwrap());
    sla.maintenance.push(window(10, 300));
    ledger.keep_targets(&targets(&["chat"]), &sla).unwrap();
    ledger.keep_targets(&targets(&["chat"]), &sla).unwrap();
    drop(ledger);
    assert!(!page(&meter).contains("target=\"page\""));
    let facts = facts(folder.path(), NOW + 60);
    let [chat, gone] = facts.targets.as_slice() else { panic!("{facts:?}") };
    let promised: Vec<_> = chat.objectives.iter().map(|o| (o.since - NOW, o.objective.to_string())).collect();
    assert_eq!(promised, [(0, "99.9 %".to_owned()), (50, "99 %".to_owned())]);
    assert_eq!((chat.is_active, gone.is_active), (true, false));
    let standings: Vec<Standing> = facts.windows.all().iter().map(Window::standing).collect();
    assert_eq!(standings, [Standing::Timely, Standing::Late]);
    let connection = rusqlite::Connection::open(folder.path().join(crate::ledger::LEDGER_FILE)).unwrap();
    let definitions: i64 =
        connection.query_row("SELECT count(*) FROM target_definitions", [], |row| row.get(0)).unwrap();
    assert_eq!(definitions, 3, "two that came and one that went");
}

#[test]
fn single_looks_go_in_steps_and_nothing_else_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let (mut ledger, meter) = open(DataDir::Path(folder.path().to_owned()), &clock);
    ledger.keep_targets(&targets(&["chat"]), &Config::default()).unwrap();
    let count = usize::try_from(STEP).unwrap() + 10;
    ledger.observe_probes(&looks(0, &"u".repeat(count))).unwrap();
    let (before, day) = (page(&meter), Duration::from_secs(86_400));
    assert_eq!(ledger.probe_tokens(NOW + 2 * INTERVAL).unwrap().get("chat"), Some(&(15 * (count as u64 - 2))));
    let left = |ledger: &Ledger| -> i64 {
        ledger.connection.query_row("SELECT count(*) FROM probe_results", [], |row| row.get(0)).unwrap()
    };
    assert!(!ledger.retain_probe_results(day).unwrap());
    assert_eq!(left(&ledger), i64::try_from(count).unwrap());
    clock.advance(day * 5);
    assert!(ledger.retain_probe_results(day).unwrap());
    assert_eq!(left(&ledger), 10);
    assert!(!ledger.retain_probe_results(day).unwrap());
    assert_eq!((left(&ledger), page(&meter)), (0, before));
    drop(ledger);
    let facts = facts(folder.path(), NOW + INTERVAL * (STEP + 10));
    assert_eq!(facts.targets[0].probes.total, count as u64, "the share is a fold and stays");
}

#[test]
fn without_a_folder_it_works_in_memory() {
    let (mut ledger, meter) = open(DataDir::None, &Clock::manual(NOW));
    ledger.keep_targets(&targets(&["chat"]), &Config::default()).unwrap();
    ledger.observe_probes(&looks(0, "uuddd")).unwrap();
    assert!(shows(&meter, "tokentail_target_up{target=\"chat\"} 0.0"));
    let facts = ledger.facts(NOW, NOW + 100 * INTERVAL, NOW + 5 * INTERVAL).unwrap();
    assert_eq!(facts.targets[0].outages.len(), 1);
    let rows: i64 = ledger.connection.query_row("SELECT count(*) FROM probe_results", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "single looks would fill the memory");
}

#[test]
fn what_looking_costs_is_kept_apart_by_currency_and_told_where_it_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open_in(folder.path());
    assert!(shows(&meter, "tokentail_probe_input_tokens_total{target=\"chat\"} 0"), "it begins at 0");
    assert!(!page(&meter).contains("tokentail_probe_cost_total{"), "no currency is known yet");
    let mut looks = looks(0, "uuuuuuuu");
    let mut change = |index: usize, tokens: bool, cost: Option<Cost>| {
        let used = looks[index].used.as_mut().unwrap();
        (used.tokens, used.cost) = (used.tokens.filter(|_| tokens), cost);
    };
    change(2, true, Some(Cost { nanos: 500_000, currency: Currency::CNY }));
    change(3, true, None);
    change(4, false, None);
    looks[5].used = None;
    ledger.observe_probes(&looks[..6]).unwrap();
    ledger.observe_probes(&looks[6..]).unwrap();
    let shown = |meter: &Arc<Mutex<Meter>>| {
        for line in [
            "tokentail_probe_cost_total{target=\"chat\",currency=\"USD\"} 0.0003",
            "tokentail_probe_cost_total{target=\"chat\",currency=\"CNY\"} 0.0005",
            "tokentail_probe_input_tokens_total{target=\"chat\"} 60",
            "tokentail_probe_output_tokens_total{target=\"chat\"} 30",
            "tokentail_probe_unpriced_tokens_total{target=\"chat\"} 15",
            "tokentail_probe_usage_missing_total{target=\"chat\"} 1",
        ] {
            assert!(shows(meter, line), "{line}\n{}", page(meter));
        }
        assert!(!page(meter).contains("tokentail_cost_total{"), "no part of what customers cost");
    };
    shown(&meter);
    drop(ledger);
    shown(&open_in(folder.path()).1);
    let cost = |currency, looks, usage_missing, nanos| ProbeCost {
        provider: "openai".to_owned(),
        model: "gpt-4o".to_owned(),
        currency,
        looks,
        usage_missing,
        input_tokens: (looks - usage_missing) * 10,
        output_tokens: (looks - usage_missing) * 5,
        nanos,
    };
    let query = AvailabilityQuery::open(folder.path()).unwrap();
    let hour = 3_600 * SECOND;
    let costs = query.probe_costs(NOW - hour, NOW + hour).unwrap();
    assert_eq!(
        costs.get("chat").unwrap(),
        &[cost(None, 2, 1, 0), cost(Some(Currency::CNY), 1, 0, 500_000), cost(Some(Currency::USD), 4, 0, 300_000)]
    );
    assert_eq!(facts(folder.path(), NOW).targets[0].costs, costs["chat"]);
    assert!(query.probe_costs(NOW + hour, NOW + 9 * hour).unwrap().is_empty());
    let json = serde_json::to_value(&costs["chat"]).unwrap();
    assert_eq!((&json[2]["purpose"], &json[2]["cost"]), (&"probe".into(), &"0.0003".into()));
    assert_eq!((&json[0]["currency"], &json[0]["cost"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let kept: (i64, i64, i64) = rusqlite::Connection::open(folder.path().join(crate::ledger::LEDGER_FILE))
        .unwrap()
        .query_row("SELECT count(cost), sum(cost), max(price_row) FROM probe_results", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(kept, (5, 800_000, 7), "with each result");
}

#[test]
fn looks_of_version_2_are_kept_and_cost_is_kept_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(crate::ledger::LEDGER_FILE);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../tests/ledger/version-2-looks.sql")).unwrap();
    drop(old);
    let (mut ledger, meter) = open_in(folder.path());
    let counts = || -> (i64, i64, i64) {
        let sql = "SELECT count(*), coalesce(sum(input_tokens), 0), count(cost) FROM probe_results";
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    };
    let before = counts();
    assert_eq!((before.0, before.2), (20, 0));
    assert!(before.1 > 0 && before.1 % 400 == 0, "{before:?}");
    ledger.observe_probes(&looks(0, "uu")).unwrap();
    assert_eq!(counts(), (22, before.1 + 20, 2));
    assert!(shows(&meter, "tokentail_probe_cost_total{target=\"chat\",currency=\"USD\"} 0.00015"));
    assert!(crate::ledger::Check::run(folder.path()).unwrap().is_ok());
}

#[test]
fn a_note_needs_its_outage() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open_in(folder.path());
    ledger.observe_probes(&looks(0, "uuddd")).unwrap();
    assert!(ledger.add_note("chat", 1, "the disk was full").unwrap());
    assert!(!ledger.add_note("chat", 2, "none").unwrap());
    assert!(!ledger.add_note("page", 1, "none").unwrap());
    let facts = facts(folder.path(), NOW + 5 * INTERVAL);
    let notes: Vec<_> = facts.targets[0].notes.iter().map(|note| (note.outage, note.text.as_str())).collect();
    assert_eq!(notes, [(1, "the disk was full")]);
}

#[test]
fn answers_of_requests_are_judged_by_the_level_that_is_kept() {
    let row = |first_token, duration, outcome| Row { first_token, duration, outcome, ..Row::default() };
    let upstream = Outcome::Error(crate::record::ErrorReason::Upstream);
    for (row, streams, whole) in [
        (row(Some(1_500_000), Some(9_000_000), Outcome::Success), Some(true), Some(true)),
        (row(Some(1_500_001), Some(9_000_000), Outcome::Success), Some(false), Some(false)),
        (row(None, Some(9_000_000), Outcome::Success), None, Some(false)),
        (row(None, None, Outcome::Success), None, None),
        (row(Some(1), Some(2), upstream), None, None),
    ] {
        assert_eq!(Level::default().judge(&row), streams, "{row:?}");
        assert_eq!(Level { whole: true, ..Level::default() }.judge(&row), whole, "{row:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open_in(folder.path());
    ledger
        .keep_targets(
            &[],
            &Config { answer_within: Span::from_seconds(2), judge_whole_answers: true, ..Config::default() },
        )
        .unwrap();
    assert_eq!(Level::load(&ledger.connection).unwrap(), Level { within_micros: 2_000_000, whole: true });
}

/// What a check of a folder finds wrong.
fn wrong(folder: &Path) -> Vec<(&'static str, String)> {
    let report = crate::ledger::Check::run(folder).unwrap();
    let bad = report.findings.into_iter().filter(|finding| !finding.ok);
    bad.map(|finding| (finding.check, finding.detail)).collect()
}

#[test]
fn a_check_sees_each_table_of_targets_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(crate::ledger::LEDGER_FILE);
    let (mut ledger, _) = open_in(folder.path());
    // Three hours: looks alone, an outage that ended, an unknown time, an outage that lasts, and failures of a row.
    ledger.observe_probes(&looks(0, &("ud".to_owned() + &"u".repeat(250) + "dddtuu"))).unwrap();
    ledger.observe_probes(&looks(300, &("uttu".to_owned() + &"u".repeat(250) + "dddduddu"))).unwrap();
    assert!(ledger.add_note("chat", 1, "the disk was full").unwrap());
    let sla = Config {
        maintenance: vec![Planned { target: None, from: NOW, to: NOW + SECOND, reason: String::new() }],
        ..Config::default()
    };
    ledger.keep_targets(&targets(&["chat"]), &sla).unwrap();
    drop(ledger);
    assert_eq!(wrong(folder.path()), []);
    let info = crate::ledger::Info::read(folder.path()).unwrap();
    let [chat] = info.targets.as_slice() else { panic!("{info:?}") };
    assert_eq!((chat.results, chat.outages, chat.notes), (520, 2, 1));
    assert_eq!((chat.first_result, chat.known_from), (Some(NOW), Some(NOW)));
    assert_eq!(info.tables["segments"], 6, "up, down, up, unknown, up, down: {:?}", info.tables);

    const REFERENCES: &str = "targets and what names them";
    const TILES: &str = "segments of time";
    const OUTAGES: &str = "outages = segments that are down";
    const COUNTERS: &str = "counters of targets = what is kept";
    const SUMS: &str = "answers and cost of looks = looks";
    let last = "(SELECT max(start) FROM segments WHERE state = 0)";
    for (sql, want, part) in [
        ("UPDATE segments SET target = 9 WHERE state = 2".to_owned(), REFERENCES, "rows of segments name no target"),
        ("UPDATE outage_notes SET outage = 7".to_owned(), REFERENCES, "notes name no outage"),
        ("UPDATE maintenance SET end = start".to_owned(), REFERENCES, "end before they begin"),
        ("UPDATE answers SET within = total + 1".to_owned(), REFERENCES, "more than all"),
        (format!("UPDATE segments SET end = start - 1 WHERE start = {last}"), TILES, "ends at"),
        (format!("UPDATE segments SET end = end + 1 WHERE start = {last}"), TILES, "overlap"),
        ("UPDATE segments SET state = 0 WHERE state = 1".to_owned(), OUTAGES, "within an outage"),
        ("UPDATE segments SET state = 1 WHERE state = 2".to_owned(), OUTAGES, "in no outage"),
        ("UPDATE outages SET start = start + 1 WHERE number = 1".to_owned(), OUTAGES, "not what its row says"),
        ("DELETE FROM outages WHERE number = 1".to_owned(), COUNTERS, "outages: the counter says 2, what is kept 1"),
        ("UPDATE outages SET end = 0 WHERE number = 2".to_owned(), OUTAGES, "lasts"),
        (format!("DELETE FROM segments WHERE state = 1 AND start < {last}"), COUNTERS, "down time"),
        ("DELETE FROM isolated_failures WHERE reason = 2".to_owned(), COUNTERS, "timeout: the counter says 3"),
        (
            "INSERT INTO probe_results SELECT at + 7, target, interval, failure, message, duration, NULL, NULL, NULL,
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM probe_results"
                .to_owned(),
            COUNTERS,
            "looks beyond the counter",
        ),
        ("UPDATE probe_use SET output_tokens = output_tokens + 1".to_owned(), COUNTERS, "output tokens"),
        ("UPDATE probe_use SET cost = cost + 1".to_owned(), COUNTERS, "cost in 10^-9 USD"),
        ("UPDATE probe_results SET cost = cost + 1".to_owned(), SUMS, "14850000], looks [195, 1980, 990, 14850198]"),
        ("UPDATE answers SET total = total + 1".to_owned(), SUMS, "sums [196, "),
        ("DELETE FROM answers".to_owned(), SUMS, "sums [0, "),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let target = copy.path().join(crate::ledger::LEDGER_FILE);
        std::fs::copy(&path, &target).unwrap();
        let connection = rusqlite::Connection::open(&target).unwrap();
        assert!(connection.execute(&sql, []).unwrap() > 0, "{sql}");
        drop(connection);
        let found = wrong(copy.path());
        let seen = found.iter().any(|(check, detail)| *check == want && detail.contains(part));
        assert!(seen, "{sql}: {want}: {part}: {found:#?}");
    }
}

#[test]
fn a_check_does_not_miss_looks_that_retention_removed() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let (mut ledger, _) = open(DataDir::Path(folder.path().to_owned()), &clock);
    ledger.keep_targets(&targets(&["chat"]), &Config::default()).unwrap();
    ledger.observe_probes(&looks(0, &"uudddu".repeat(200))).unwrap();
    clock.advance(Duration::from_secs(9_000));
    ledger.retain_probe_results(Duration::from_secs(3_600)).unwrap();
    assert!(crate::ledger::Info::read(folder.path()).unwrap().targets[0].results < 1_200);
    assert_eq!(wrong(folder.path()), []);
}
