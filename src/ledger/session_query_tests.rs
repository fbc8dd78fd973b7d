//! The list of sessions and one session turn by turn, against what was written.

use std::collections::BTreeMap;
use std::path::Path;

use super::tests::{batch, commit, open};
use super::*;
use crate::record::{Cost, Currency, Row};
use crate::session::Part;

const NOW: i64 = 1_790_000_000_000_000;
const HOUR: i64 = 3_600_000_000;
const SECOND: i64 = 1_000_000;

fn rows(folder: &Path) -> Vec<Row> {
    let database = rusqlite::Connection::open(folder.join(LEDGER_FILE)).unwrap();
    super::row::read_range(&database, 0, i64::MAX).unwrap()
}

/// Sessions by what is summed up from all rows, their names with the number.
fn expected(folder: &Path) -> BTreeMap<u32, Part> {
    let mut sessions: BTreeMap<u32, Part> = BTreeMap::new();
    for row in rows(folder) {
        let calls = if row.tools == 0 { 0 } else { 2 };
        sessions
            .entry(row.session)
            .or_insert_with(|| Part::begin(crate::session::Key::default(), &row))
            .fold(&row, calls);
    }
    sessions
}

fn list(folder: &Path, filter: &SessionFilter, sort: Sort, limit: usize) -> SessionPage {
    let filter = SessionFilter { counted: true, ..filter.clone() };
    SessionQuery::open(folder).unwrap().page(&SessionList { filter, sort, limit, ..SessionList::default() }).unwrap()
}

fn of(requests: RequestFilter) -> SessionFilter {
    SessionFilter { requests, ..SessionFilter::default() }
}

fn names(listed: &SessionPage) -> Vec<&str> {
    listed.sessions.iter().map(|session| session.name.as_str()).collect()
}

#[test]
fn every_session_is_listed_with_the_sums_of_its_rows_folded_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(0..300));
    for fold in [false, true] {
        if fold {
            ledger.write_folds().unwrap();
            commit(&mut ledger, batch(300..350));
        }
        let expected = expected(folder.path());
        let listed = list(folder.path(), &SessionFilter::default(), Sort::Updated, 100);
        assert_eq!((listed.found, listed.sessions.len(), expected.len()), (Some(7), 7, 7));
        assert!(listed.sessions.iter().map(|session| session.end).is_sorted_by(|a, b| a >= b));
        for session in &listed.sessions {
            let want = &expected[&session.key.session];
            assert_eq!((session.requests, session.turns, session.errors), (want.requests, want.turns, want.errors));
            assert_eq!((session.start, session.end, session.tokens), (want.start, want.end, want.tokens));
            assert_eq!((session.tool_calls, session.unpriced), (want.tool_calls, want.unpriced));
            assert_eq!(session.costs, want.costs.0.iter().copied().collect());
            assert_eq!((session.gateway.as_str(), session.derived, session.open), ("gateway", false, true));
            assert_eq!((session.models.len(), session.consumers.len(), session.mixed_users), (3, 4, true));
        }
    }
}

#[test]
fn filters_and_orders_pick_the_right_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    // Session n % 7 has the numbers that leave that rest: session-6 ends at 13, session-0 began at 0.
    commit(&mut ledger, batch(0..16));
    ledger.write_folds().unwrap();
    let at = |n: i64| NOW - 100 * HOUR + n * SECOND;
    let privacy = Privacy { key: b"key".to_vec(), hash_sessions: false };
    let fitting = |change: fn(&mut RequestFilter)| {
        let mut filter = RequestFilter::default();
        change(&mut filter);
        let listed = list(folder.path(), &of(filter), Sort::Updated, 100);
        let mut names: Vec<String> = names(&listed).into_iter().map(str::to_owned).collect();
        names.sort();
        names.join(" ").replace("session-", "")
    };
    assert_eq!(fitting(|_| {}), "0 1 2 3 4 5 6");
    assert_eq!(fitting(|filter| filter.gateways = vec!["gateway".to_owned()]), "0 1 2 3 4 5 6");
    assert_eq!(fitting(|filter| filter.gateways = vec!["other".to_owned()]), "");
    // Numbers 0, 12: the consumer is n % 4 and the model n % 3.
    assert_eq!(
        fitting(|filter| {
            filter.consumers = vec!["consumer-0".to_owned()];
            filter.models = vec!["model-0".to_owned()];
        }),
        "0 5"
    );
    assert_eq!(fitting(|filter| filter.dimensions = vec![("team".to_owned(), "x".to_owned())]), "");
    let mut filter = of(RequestFilter { since: Some(at(15)), until: None, ..RequestFilter::default() });
    // 14 and 15 are those of 0 and 1; a request takes 1.5 s.
    assert_eq!(names(&list(folder.path(), &filter, Sort::Updated, 9)), ["session-1", "session-0"]);
    filter = of(RequestFilter { until: Some(at(2)), ..RequestFilter::default() });
    assert_eq!(list(folder.path(), &filter, Sort::Updated, 9).found, Some(2));
    // User 5: numbers 5 and 11, of sessions 5 and 4, which is not the first user of that.
    filter = of(RequestFilter { users: vec![privacy.pseudonym("user-5")], ..RequestFilter::default() });
    assert_eq!(names(&list(folder.path(), &filter, Sort::Updated, 9)), ["session-5", "session-4"]);
    filter = of(RequestFilter { users: vec![privacy.pseudonym("nobody")], ..RequestFilter::default() });
    assert_eq!(list(folder.path(), &filter, Sort::Updated, 9).found.unwrap_or(0), 0);
    // USD: 2, 4, 6, 8, 12, 14 (0 and 10 are unpriced), by session 2, 4, 6, 1, 5, 0.
    let least = Cost { nanos: 1_008, currency: Currency::USD };
    filter = SessionFilter { min_cost: Some(least), ..SessionFilter::default() };
    let listed = list(folder.path(), &filter, Sort::Cost, 2);
    assert_eq!((names(&listed), listed.found), (vec!["session-0", "session-5"], Some(3)));
    for sort in Sort::ALL {
        let listed = list(folder.path(), &SessionFilter::default(), sort, 100);
        assert_eq!(listed.sessions.len(), 7, "{}", sort.label());
        let first = listed.sessions.first().unwrap();
        match sort {
            Sort::Updated => assert_eq!(first.name, "session-1"),
            Sort::Tokens | Sort::Turns => assert_eq!((first.name.as_str(), first.turns), ("session-1", 3)),
            Sort::Duration => assert_eq!(first.duration, 15_500_000),
            Sort::Cost => assert_eq!(listed.currency, Some(Currency::CNY)),
            Sort::Start => assert_eq!(first.name, "session-6"),
        }
    }
}

#[test]
fn a_session_is_shown_turn_by_turn_with_a_running_total() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(0..100));
    ledger.write_folds().unwrap();
    commit(&mut ledger, batch(100..140));
    let query = SessionQuery::open(folder.path()).unwrap();
    let found = query.find(&["session-3".to_owned()], None).unwrap();
    let [session] = found.as_slice() else { unreachable!("{found:?}") };
    let all = query.show(session.clone(), 1_000).unwrap();
    assert_eq!((all.turns.len(), all.left_out, all.removed), (20, 0, 0));
    assert!(all.turns.iter().map(|turn| turn.start).is_sorted());
    assert_eq!(all.turns.first().unwrap().request_id, "id-3");
    let mut running: BTreeMap<Currency, i128> = BTreeMap::new();
    for turn in &all.turns {
        if let Some((currency, nanos)) = turn.cost {
            *running.entry(currency).or_default() += i128::from(nanos);
        }
        let shown: BTreeMap<_, _> = turn.running.iter().filter(|(_, nanos)| **nanos != 0).collect();
        assert_eq!(shown, running.iter().collect());
    }
    assert_eq!(all.turns.last().unwrap().running, session.costs);
    let last = query.show(session.clone(), 4).unwrap();
    assert_eq!((last.turns.len(), last.left_out), (4, 16));
    assert_eq!(last.turns.last().unwrap().running, session.costs);
    assert_eq!(last.turns.first().unwrap().running, all.turns[16].running);
    assert!(query.find(&["session-3".to_owned()], Some("other")).unwrap().is_empty());
    assert!(query.find(&["no".to_owned()], None).unwrap().is_empty());
    assert_eq!(query.nearest("sesion-3").unwrap().as_deref(), Some("session-3"));
}

#[test]
fn what_retention_took_of_a_session_is_told_and_its_sums_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(0..9_000));
    let small =
        Retention { requests: std::time::Duration::from_secs(1 << 30), max_size: Some(1), ..Retention::default() };
    while ledger.retain(&small).unwrap() {}
    let query = SessionQuery::open(folder.path()).unwrap();
    let session = query.find(&["session-3".to_owned()], None).unwrap().remove(0);
    let shown = query.show(session, 10_000).unwrap();
    assert_eq!((shown.session.requests, shown.left_out), (1_286, 0));
    assert_eq!(shown.turns.len() as u64 + shown.removed, 1_286);
    assert!(shown.removed > 1_000);
}
