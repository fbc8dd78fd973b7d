//! Time of use is the same by packed hours as by the rows themselves, whatever the clock of a zone does.

use jiff::tz::TimeZone;
use rusqlite::Connection;

use super::part_columns::PartBlock;
use super::part_hours::{HourBlock, PartHours};
use super::request_test_world::open_in;
use super::tests::{assert_sound, commit};
use super::*;
use crate::record::{
    Cost, CountingFamily, Currency, ErrorReason, Logged, Micros, Outcome, Priced, Record, Tokens, Usage as TokenUsage,
};
use crate::report::usage::{Page, Question, Usage, answer, page};
use crate::report::{Attribute, By};
use crate::session::Part;
use crate::session::usage::Period;

/// 2026-03-28T12:00:00Z: clocks change in Berlin a half day later, and on Lord Howe a week later.
const BEGIN: Micros = 1_774_699_200_000_000;
const HOUR: Micros = 3_600_000_000;
const ZONES: [&str; 4] = ["Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"];

struct World {
    folder: tempfile::TempDir,
    ledger: Option<Ledger>,
    random: u64,
    clock: Micros,
    row: u64,
}

impl World {
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// Sessions of mostly one user and model, some of hours; now and then a request comes late.
    fn add(&mut self, count: u64) {
        let mut batch = Batch::new(&["gateway".to_owned()]);
        for _ in 0..count {
            self.row += 1;
            self.clock += i64::try_from(self.below(480_000_000)).unwrap();
            let chat = self.row / 175 * 5 + self.below(5);
            let late = if self.below(90) == 0 { i64::try_from(self.below(900_000_000)).unwrap() } else { 0 };
            let other = self.below(200) == 0;
            let user =
                if chat.is_multiple_of(11) { 0 } else { 1 + chat % 5 + u64::from(other && chat.is_multiple_of(3)) };
            let model = ["a", "b"][usize::from(other && chat.is_multiple_of(2))];
            let failed = self.below(9) == 0;
            let tokens =
                Tokens { uncached_input: self.below(900), visible_output: self.below(90), ..Tokens::default() };
            let usage = if failed {
                TokenUsage::None
            } else {
                let logged = Logged::default();
                TokenUsage::Counted { tokens, family: CountingFamily::OpenAi, logged, cache_ttl_known: false }
            };
            let record = Record {
                start: self.clock - late,
                duration: Some(i64::try_from(self.below(90_000_000)).unwrap()),
                request_id: format!("request-{}", self.row).into(),
                session_id: format!("chat-{chat}").into(),
                user: if user == 0 { String::new() } else { format!("user-{user}") }.into(),
                model: model.into(),
                consumer: format!("app-{}", chat % 3).into(),
                chat_round: (!chat.is_multiple_of(4)).then(|| u32::try_from(self.row / 40).unwrap()),
                status: Some(if failed { 500 } else { 200 }),
                outcome: if failed { Outcome::Error(ErrorReason::Upstream) } else { Outcome::Success },
                usage,
                ..Record::default()
            };
            let currency = if chat.is_multiple_of(13) && other { Currency::CNY } else { Currency::USD };
            let free = chat.is_multiple_of(7) || failed;
            let cost = (!free).then(|| Cost { nanos: i64::try_from(self.below(9_000)).unwrap() - 10, currency });
            let priced = Priced { cost, unpriced: self.below(30) == 0, ..Priced::default() };
            let context = Context { source: 0, provider: "p", priced, cost, price_row: 0, dimensions: &[], line: b"" };
            batch.push(&record, &context);
        }
        commit(self.ledger(), batch);
    }

    fn pack(&mut self) {
        self.ledger().write_folds().unwrap();
        while self.ledger().pack().unwrap() {}
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    fn reopen(&mut self) {
        self.ledger = None;
        self.ledger = Some(open_in(self.folder.path(), &TimeZone::get(ZONES[0]).unwrap()));
    }

    fn database(&self) -> Connection {
        Connection::open(self.folder.path().join(LEDGER_FILE)).unwrap()
    }

    /// Packed parts whose hours are kept.
    fn kept(&self) -> usize {
        let database = self.database();
        let mut statement = database.prepare("SELECT data, hours FROM part_columns").unwrap();
        let mut rows = statement.query([]).unwrap();
        let (mut kept, mut hours) = (0, Vec::new());
        while let Some(row) = rows.next().unwrap() {
            let parts = PartBlock::decode(&row.get::<_, Vec<u8>>(0).unwrap()).unwrap();
            let block = HourBlock::decode(&row.get::<_, Vec<u8>>(1).unwrap()).unwrap();
            assert_eq!(parts.len(), block.len());
            for place in 0..block.len() {
                PartHours::packed(&block, place).read(&mut hours);
                let mut part = Part::default();
                parts.fill(place, &mut part);
                assert_eq!(hours.is_empty(), hours.iter().map(|hour| hour.requests).sum::<u64>() != part.requests);
                kept += usize::from(!hours.is_empty());
            }
        }
        kept
    }

    fn answers(&self) -> Vec<Usage> {
        let moment = Moment::open(self.folder.path()).unwrap();
        let day = || By::Period(Period::Day);
        let mut answers = Vec::new();
        let each = [
            (ZONES[0], vec![day()]),
            (ZONES[0], vec![By::User, day()]),
            (ZONES[1], vec![By::EachHour]),
            (ZONES[1], vec![day(), By::Attribute(Attribute::Consumer)]),
            (ZONES[2], vec![day()]),
            (ZONES[2], vec![By::Hour, By::Attribute(Attribute::Model)]),
            (ZONES[3], vec![By::EachHour, By::User]),
        ];
        for (zone, by) in each {
            let zone = TimeZone::get(zone).unwrap();
            let mut question = Question { by, since: Micros::MIN, until: Micros::MAX, zone };
            answers.push(answer(&moment, &question).unwrap());
            answers.push(page(&moment, &question, &Page { after: None, most: 5 }).unwrap());
            for until in [BEGIN + 90 * HOUR, self.clock - 20 * HOUR - 1_000_000_007] {
                question = Question { since: BEGIN + 30 * HOUR, until, ..question };
                answers.push(answer(&moment, &question).unwrap());
            }
        }
        answers
    }

    /// Asks with the hours, and again by the rows.
    fn assert_same(&self) {
        assert_sound(self.folder.path());
        let packed = self.answers();
        let database = self.database();
        database
            .execute_batch(
                "BEGIN; CREATE TABLE kept AS SELECT * FROM part_columns; CREATE TABLE kept_late AS SELECT * FROM late_parts;
                 DELETE FROM part_columns; DELETE FROM late_parts; COMMIT",
            )
            .unwrap();
        let plain = self.answers();
        database
            .execute_batch(
                "BEGIN; INSERT INTO part_columns SELECT * FROM kept; INSERT INTO late_parts SELECT * FROM kept_late;
                 DROP TABLE kept; DROP TABLE kept_late; COMMIT",
            )
            .unwrap();
        for (packed, plain) in packed.iter().zip(&plain) {
            assert_eq!(packed.groups, plain.groups);
            assert_eq!(packed.total, plain.total);
        }
    }
}

fn world(random: u64) -> World {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Some(open_in(folder.path(), &TimeZone::get(ZONES[0]).unwrap()));
    World { folder, ledger, random, clock: BEGIN, row: 0 }
}

#[test]
fn time_of_use_is_the_same_by_hours_as_by_rows() {
    let mut world = world(0x5eed_cafe);
    for _ in 0..6 {
        world.add(500);
        world.pack();
    }
    let kept = world.kept();
    assert!(kept > 25, "{kept}");
    world.assert_same();
    // Parts that began before a start, and what is not folded yet.
    world.reopen();
    world.add(2_250);
    world.pack();
    assert!(world.kept() > kept);
    world.add(125);
    world.assert_same();
    // Hours that were summed as rows came in are those that the rows say.
    let hours = |world: &World| -> Vec<Vec<u8>> {
        let database = world.database();
        let mut statement = database.prepare("SELECT hours FROM part_columns ORDER BY block").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let summed = hours(&world);
    world.database().execute_batch("DELETE FROM part_columns; DELETE FROM late_parts").unwrap();
    world.reopen();
    world.pack();
    assert_eq!(hours(&world), summed);
    let price = |row: &crate::record::Row, _: &crate::record::Attributes| {
        let cost = row.cost.filter(|_| row.id % 5 > 0).map(|cost| Cost { nanos: cost.nanos / 3 + 1, ..cost });
        Repricing { priced: Priced { cost, ..Priced::default() }, cost, price_row: row.price_row }
    };
    world.ledger().reprice(BEGIN + 50 * HOUR, false, price, |_, _| {}).unwrap();
    world.assert_same();
    while world.ledger().delete_step(BEGIN + 80 * HOUR).unwrap().is_some() {}
    world.assert_same();
    world.pack();
    world.assert_same();
}

#[test]
fn hours_that_are_not_those_of_the_rows_are_found_out() {
    let mut world = world(99);
    world.add(4_250);
    world.pack();
    assert_sound(world.folder.path());
    for sql in [
        "UPDATE part_columns SET hours = (SELECT hours FROM part_columns WHERE block = 1) WHERE block = 0",
        "UPDATE part_columns SET hours = x'0102' WHERE block = 1",
        "UPDATE part_columns SET hours = x''",
        "UPDATE requests SET data = (SELECT data FROM requests WHERE id = 500) WHERE id = 501",
    ] {
        let copy = tempfile::tempdir().unwrap();
        super::backup(world.folder.path(), &copy.path().join(LEDGER_FILE), |_, _| {}).unwrap();
        let database = Connection::open(copy.path().join(LEDGER_FILE)).unwrap();
        assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
        drop(database);
        let report = Check::run(copy.path()).unwrap();
        let found = report.findings.iter().find(|finding| finding.check == "packed parts = parts").unwrap();
        assert!(!found.ok, "{sql}: {found:?}");
    }
}
