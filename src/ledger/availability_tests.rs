use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::clock::Clock;
use crate::ledger::{AvailabilityQuery, DataDir, Facts, Options, Privacy, ROLLUP_HOUR};
use crate::meter::{self, Gauges, Meter};
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
        clock: clock.clone(),
    };
    (Ledger::open(options, Arc::clone(&meter)).unwrap(), meter)
}

fn open_in(folder: &Path) -> (Ledger, Arc<Mutex<Meter>>) {
    let (mut ledger, meter) = open(DataDir::Path(folder.to_owned()), &Clock::manual(NOW));
    ledger.keep_targets(&targets(&["chat"]), &Config::default()).unwrap();
    (ledger, meter)
}

fn targets(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), format!("{{\"name\":\"{name}\"}}"))).collect()
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
            tokens: Some((10, 5)),
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
