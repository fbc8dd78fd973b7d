//! What is packed of parts and of days answers as what it was packed from, and a ledger in which it does not is found out.

use std::path::Path;

use rusqlite::Connection;

use super::request_test_world::{HOUR, World};
use super::tests::{assert_sound, options};
use super::*;
use crate::record::{Cost, Currency, Micros, Priced};
use crate::report::By;
use crate::report::totals::{Question, Totals, totals};
use crate::session::Part;
use crate::session::usage::Period;

/// What is asked of sessions and of users.
#[derive(Debug, PartialEq)]
struct Answers {
    lists: Vec<(Vec<String>, Option<u64>)>,
    parts: Vec<Part>,
    users: Vec<Totals>,
    counts: Vec<(u32, u64)>,
    is_of_no_session: bool,
}

fn answers(world: &World) -> Answers {
    let query = SessionQuery::at(world.moment());
    let moment = query.moment();
    let user = options(Path::new("")).privacy.pseudonym("user-3");
    let requests = [
        RequestFilter::default(),
        RequestFilter {
            since: Some(world.clock - 90 * HOUR),
            until: Some(world.clock - 30 * HOUR),
            ..RequestFilter::default()
        },
        RequestFilter { users: vec![user], ..RequestFilter::default() },
        RequestFilter { consumers: vec!["app-1".to_owned()], ..RequestFilter::default() },
    ];
    let mut lists = Vec::new();
    for requests in &requests {
        for sort in Sort::ALL {
            let filter = SessionFilter { requests: requests.clone(), errors: true, ..SessionFilter::default() };
            let page = query.page(&SessionList { filter, sort, limit: 40, ..SessionList::default() }).unwrap();
            lists.push((page.sessions.iter().map(|session| format!("{session:?}")).collect(), page.found));
        }
    }
    let mut parts = Vec::new();
    moment
        .each_part(i64::MIN, i64::MAX, |part| -> Result<(), Error> {
            // What only the writer needs is told of parts that are not packed.
            let known =
                Part { first_key: [0; 16], last_round: 0, revision: 0, counted: 0, full: false, ..part.clone() };
            parts.push(known);
            Ok(())
        })
        .unwrap();
    let mut keys: Vec<_> = parts.iter().map(|part| part.key).collect();
    keys.dedup();
    let runs = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(runs, keys.len(), "the parts of a session come one after the other");
    parts.sort_by_key(|part| part.id);
    let question = |by: Vec<By>, filter: &RequestFilter, (since, until)| Question {
        by,
        filter: filter.clone(),
        since,
        until,
        zone: world.zone.clone(),
        kinds: true,
    };
    let mut users = Vec::new();
    for filter in requests.iter().step_by(2) {
        for by in [vec![By::User], vec![By::Period(Period::Day), By::Currency], vec![By::EachHour]] {
            for span in [(Micros::MIN, Micros::MAX), (world.clock - 100 * HOUR + 7, world.clock - 20 * HOUR)] {
                users.push(totals(moment, &question(by.clone(), filter, span)).unwrap());
            }
        }
    }
    let mut counts: Vec<(u32, u64)> = moment
        .session_counts(Micros::MIN, Micros::MAX, |attributes| u32::from(attributes.model.len() > 9))
        .unwrap()
        .into_iter()
        .collect();
    counts.sort_unstable();
    Answers { lists, parts, users, counts, is_of_no_session: moment.has_rows_of_no_session().unwrap() }
}

fn database(world: &World) -> Connection {
    Connection::open(world.folder.path().join(LEDGER_FILE)).unwrap()
}

fn count(world: &World, table: &str) -> i64 {
    database(world).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Asks as the ledger is, and again with nothing packed.
fn assert_same(world: &World) {
    assert_sound(world.folder.path());
    let packed = answers(world);
    let backup = world.folder.path().join("packed.db");
    let _ = std::fs::remove_file(&backup);
    super::backup(world.folder.path(), &backup, |_, _| {}).unwrap();
    let database = database(world);
    database
        .execute_batch("BEGIN; DELETE FROM part_columns; DELETE FROM late_parts; DELETE FROM user_days; DELETE FROM rollup_columns; COMMIT")
        .unwrap();
    let plain = answers(world);
    for (packed, plain) in packed.lists.iter().zip(&plain.lists) {
        assert_eq!(packed, plain);
    }
    assert_eq!(packed, plain);
    database
        .execute_batch(&format!(
            "ATTACH '{}' AS kept; BEGIN; INSERT INTO part_columns SELECT * FROM kept.part_columns;
             INSERT INTO late_parts SELECT * FROM kept.late_parts; INSERT INTO user_days SELECT * FROM kept.user_days;
             INSERT INTO rollup_columns SELECT * FROM kept.rollup_columns; COMMIT",
            backup.display()
        ))
        .unwrap();
}

#[test]
fn packed_or_not_the_answers_are_the_same() {
    let mut world = World::new(0x0dd5_eed5);
    for _ in 0..9 {
        world.add(500);
        world.ledger().write_folds().unwrap();
        world.pack();
    }
    let days = count(&world, "user_days");
    assert_eq!(count(&world, "part_columns"), 2);
    assert!(days >= 3, "{days}");
    assert_same(&world);
    // Open parts go on and close, late requests come, and some of it is not folded.
    world.add(750);
    world.clock -= 90 * HOUR;
    world.add(1);
    world.clock += 90 * HOUR;
    assert_same(&world);
    world.ledger().write_folds().unwrap();
    assert!(count(&world, "user_days") < days, "a day with a late request is forgotten");
    assert!(count(&world, "late_parts") > 0);
    assert_same(&world);
    world.pack();
    assert_same(&world);
    // After a restart it is known what is packed.
    world.ledger = None;
    world.ledger = Some(super::request_test_world::open_in(world.folder.path(), &world.zone.clone()));
    world.add(1_500);
    world.ledger().write_folds().unwrap();
    world.pack();
    assert_same(&world);
    let price = |row: &crate::record::Row, _: &crate::record::Attributes| {
        let cost = row.cost.map(|cost| Cost { nanos: cost.nanos / 3 + 1, ..cost });
        let cost = cost.map(|cost| if row.id % 7 == 0 { Cost { currency: Currency::USD, ..cost } } else { cost });
        Repricing { priced: Priced { cost, ..Priced::default() }, cost, price_row: row.price_row }
    };
    let since = world.clock - 90 * HOUR;
    world.ledger().reprice(since, false, price, |_, _| {}).unwrap();
    assert_same(&world);
    let before = world.known[&2_250].row.start;
    while world.ledger().delete_step(before).unwrap().is_some() {}
    assert_same(&world);
    world.pack();
    assert_same(&world);
    assert!(count(&world, "user_days") > 0);
    // A zone of its own has days of its own.
    world.ledger = None;
    world.zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    world.ledger = Some(super::request_test_world::open_in(world.folder.path(), &world.zone.clone()));
    assert_eq!(count(&world, "user_days"), 0);
    world.pack();
    assert!(count(&world, "user_days") > 0);
    assert_same(&world);
}

#[test]
fn what_is_packed_wrongly_is_found_out() {
    let mut world = World::new(7_777);
    for _ in 0..9 {
        world.add(500);
    }
    world.ledger().write_folds().unwrap();
    world.pack();
    let folder = world.folder.path().to_owned();
    assert_sound(&folder);
    let (parts, days, hours) = ("packed parts = parts", "days by user = rows", "packed hours = hours");
    for (sql, check) in [
        ("DELETE FROM late_parts", parts),
        ("UPDATE part_columns SET data = (SELECT data FROM part_columns WHERE block = 1) WHERE block = 0", parts),
        ("UPDATE part_columns SET data = x'0102' WHERE block = 1", parts),
        ("UPDATE part_columns SET last_end = last_end - 1", parts),
        ("UPDATE part_columns SET requests = requests + 1 WHERE block = 1", parts),
        (
            "UPDATE parts SET turns = turns + 1 WHERE id = (SELECT min(id) FROM parts WHERE id NOT IN (SELECT id FROM late_parts))",
            parts,
        ),
        ("DELETE FROM parts WHERE id = (SELECT min(id) FROM parts WHERE id NOT IN (SELECT id FROM late_parts))", parts),
        ("UPDATE user_days SET day = day + 900", days),
        ("UPDATE user_days SET data = (SELECT data FROM user_days ORDER BY day DESC LIMIT 1)", days),
        ("UPDATE user_days SET data = x'05'", days),
        ("UPDATE rollup_columns SET day = day + 900", hours),
        ("UPDATE rollup_columns SET data = x'05'", hours),
        ("UPDATE rollups SET data = x'0101' WHERE bucket = (SELECT min(bucket) FROM rollups)", hours),
    ] {
        let copy = tempfile::tempdir().unwrap();
        super::backup(&folder, &copy.path().join(LEDGER_FILE), |_, _| {}).unwrap();
        let database = Connection::open(copy.path().join(LEDGER_FILE)).unwrap();
        assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
        drop(database);
        let report = Check::run(copy.path()).unwrap();
        let found = report.findings.iter().find(|finding| finding.check == check).unwrap();
        assert!(!found.ok, "{sql}: {found:?}");
    }
}
