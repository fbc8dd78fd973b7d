//! A ledger in memory, and the promise that nothing but the rows decides what the parts are.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::record::{Cost, Currency, Micros, Row};
use crate::session::{Closure, Config, Key, MAX_SPAN, Part, Placement, Sessions, Stored};

const MINUTE: Micros = 60_000_000;

/// What the ledger does around [`Sessions`].
pub(super) struct Bench {
    config: Config,
    pub(super) sessions: Sessions,
    rows: Vec<(Row, u32, i64)>,
    pub(super) stored: BTreeMap<i64, Part>,
    watermarks: Vec<(u32, Micros)>,
    mark: i64,
    closures: Vec<Closure>,
    pub(super) lookups: usize,
}

const WALL: Micros = 1_000_000_000 * MINUTE;

impl Bench {
    pub(super) fn new(config: Config) -> Bench {
        let sessions = Sessions::new(&config, WALL);
        let (rows, stored, watermarks, closures) = Default::default();
        Bench { config, sessions, rows, stored, watermarks, mark: 0, closures, lookups: 0 }
    }

    pub(super) fn add(&mut self, row: Row, gateway: u32) -> Placement {
        let row = Row { id: i64::try_from(self.rows.len()).unwrap() + 1, ..row };
        let (stored, lookups) = (&self.stored, &mut self.lookups);
        let idle = self.config.idle();
        let look_up = |key: Key, start: Micros| {
            *lookups += 1;
            let of_key = || stored.values().filter(|part| part.key == key);
            let near = |part: &&Part| part.start > start - MAX_SPAN && part.start <= start + idle;
            let next = of_key().map(|part| part.start).filter(|later| *later > start + idle).min();
            Ok::<_, ()>(Stored { parts: of_key().filter(near).cloned().collect(), next })
        };
        let placement = self.sessions.assign(&row, gateway, u32::from(row.tools != 0), look_up).unwrap();
        self.rows.push((row, gateway, placement.part));
        placement
    }

    /// Closes what is due by the wall clock.
    pub(super) fn close_at(&mut self, wall: Micros) -> Vec<Closure> {
        self.sessions.set_wall(wall);
        self.close(true)
    }

    fn close(&mut self, caught_up: bool) -> Vec<Closure> {
        let closures = self.sessions.due(|_| caught_up);
        for closure in &closures {
            self.stored.insert(closure.part, closure.apply(self.sessions.get(closure.part).unwrap()));
        }
        self.sessions.close(&closures);
        self.closures.extend(&closures);
        closures
    }

    fn save(&mut self) {
        self.stored.extend(self.sessions.dirty().map(|part| (part.id, part.clone())));
        self.sessions.written();
        assert_eq!(self.sessions.dirty().count(), 0);
    }

    pub(super) fn write(&mut self) {
        self.save();
        self.watermarks = self.sessions.watermarks().to_vec();
        self.mark = i64::try_from(self.rows.len()).unwrap();
    }

    pub(super) fn crash(&mut self) {
        self.sessions = Sessions::new(&self.config, WALL);
        for (gateway, latest) in &self.watermarks {
            self.sessions.restore_watermark(*gateway, *latest);
        }
        for part in self.stored.values().filter(|part| part.closed.is_none()) {
            self.sessions.restore(part.clone());
        }
        for (row, gateway, part) in self.rows.iter().filter(|(row, ..)| row.id > self.mark) {
            let stored = |id: i64| Ok::<_, ()>(self.stored.get(&id).cloned());
            self.sessions.replay(row, *gateway, u32::from(row.tools != 0), *part, stored).unwrap();
        }
    }

    /// All parts as they are now.
    fn parts(&self) -> BTreeMap<i64, Part> {
        let mut parts = self.stored.clone();
        parts.extend(self.sessions.parts().map(|part| (part.id, part.clone())));
        parts
    }
}

#[derive(Clone, Debug)]
enum Step {
    Row {
        session: u32,
        gateway: u32,
        ahead: i64,
        duration: i64,
        chat_round: u32,
    },
    Close,
    Write,
    /// Some parts are written before the fold as a whole is.
    Save,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let duration = prop_oneof![20 => 0..20_i64, 1 => 0..200_i64];
    let ahead = prop_oneof![20 => 0..25_i64, 6 => -40..40_i64, 2 => -3_000..3_000_i64, 1 => 30..100_i64];
    prop_oneof![
        12 => (0..4_u32, 1..3_u32, ahead, duration, 0..4_u32).prop_map(|(session, gateway, ahead, duration, chat_round)| {
            Step::Row { session: session.min(2), gateway: gateway.min(session.max(1)), ahead, duration, chat_round }
        }),
        2 => Just(Step::Close),
        2 => Just(Step::Write),
        1 => Just(Step::Save),
        1 => Just(Step::Crash),
    ]
}

fn run(steps: &[Step], config: &Config, does: impl Fn(&Step) -> bool) -> (Bench, Vec<Placement>) {
    let mut bench = Bench::new(config.clone());
    let mut placements = Vec::new();
    let mut minute = 0;
    for step in steps.iter().filter(|step| does(step)) {
        match step {
            Step::Row { session, gateway, ahead, duration, chat_round } => {
                minute += ahead;
                let id = u32::try_from(placements.len()).unwrap();
                let row = Row {
                    session: *session,
                    start: minute * MINUTE,
                    duration: (*duration > 0).then_some(duration * MINUTE),
                    chat_round: *chat_round,
                    attributes: 1 + id % 3,
                    user: id % 2,
                    tools: id % 5 / 4,
                    cost: Some(Cost { nanos: i64::from(id), currency: Currency::USD }),
                    key: [u8::try_from(id % 251).unwrap(); 16],
                    ..Row::default()
                };
                placements.push(bench.add(row, *gateway));
            }
            Step::Close => {
                bench.close(false);
            }
            Step::Write => bench.write(),
            Step::Save => bench.save(),
            Step::Crash => bench.crash(),
        }
    }
    (bench, placements)
}

/// The figures alone.
fn figures(parts: BTreeMap<i64, Part>) -> Vec<Part> {
    parts.into_values().map(|part| Part { closed: None, revision: 0, counted: 0, full: false, ..part }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_run_with_crashes_gives_the_same_parts_and_closures_as_one_without(
        steps in proptest::collection::vec(step(), 1..250),
        max_open in 1..8_usize,
    ) {
        let config = Config { max_open, ..Config::default() };
        let (crashed, placements) = run(&steps, &config, |_| true);
        let (whole, want) = run(&steps, &config, |step| !matches!(step, Step::Crash));
        prop_assert_eq!(placements, want);
        prop_assert_eq!(crashed.parts(), whole.parts());
        prop_assert_eq!(crashed.closures, whole.closures);
    }

    #[test]
    fn when_parts_are_closed_and_written_changes_no_figure(
        steps in proptest::collection::vec(step(), 1..250),
        max_open in 1..8_usize,
    ) {
        let config = Config { max_open, ..Config::default() };
        let chains = |placements: Vec<Placement>| -> Vec<(i64, i64)> {
            placements.iter().map(|placement| (placement.part, placement.previous)).collect()
        };
        let (closed, placements) = run(&steps, &config, |_| true);
        let (open, want) = run(&steps, &config, |step| matches!(step, Step::Row { .. }));
        prop_assert_eq!(chains(placements), chains(want));
        prop_assert_eq!(figures(closed.parts()), figures(open.parts()));
        // Each microsecond of a closed part is counted once, however often it was closed.
        for part in closed.parts().values().filter(|part| part.closed.is_some()) {
            let of_part = || closed.closures.iter().filter(|closure| closure.part == part.id);
            prop_assert_eq!(of_part().map(|closure| closure.added).sum::<Micros>(), part.duration());
            prop_assert_eq!(part.counted, part.duration());
            prop_assert!(of_part().map(|closure| closure.revision).eq(1..=part.revision));
        }
    }
}
