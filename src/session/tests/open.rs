use super::replay::Bench;
use crate::record::{Micros, Row};
use crate::session::{Config, MAX_TURNS, Reason};

const MINUTE: Micros = 60_000_000;

/// A row of a session at a minute, lasting one minute.
fn row(session: u32, minute: i64, chat_round: u32) -> Row {
    Row { session, start: minute * MINUTE, duration: Some(MINUTE), chat_round, attributes: 7, ..Row::default() }
}

/// Parts of one session's rows at these minutes, as letters in the order in which they began.
fn parts(minutes: &[i64]) -> String {
    let mut bench = Bench::new(Config::default());
    let mut known = Vec::new();
    let letter = |minute: &i64| {
        let part = bench.add(row(1, *minute, 0), 1).part;
        let at = known.iter().position(|id| *id == part).unwrap_or_else(|| {
            known.push(part);
            known.len() - 1
        });
        char::from(b'A' + u8::try_from(at).unwrap())
    };
    minutes.iter().map(letter).collect()
}

#[test]
fn a_row_belongs_to_the_part_that_it_starts_near_to() {
    let hour = 60;
    for (name, minutes, want) in [
        ("one after the other", &[0, 5, 36, 67][..], "AAAA"),
        ("idle for longer", &[0, 32, 33], "ABB"),
        ("late, within the part", &[0, 20, 40, 10], "AAAA"),
        ("late, just before the part", &[0, -30, -61], "AAB"),
        ("late, for the part before", &[0, 100, 20, 101], "ABAB"),
        ("late, between two parts", &[0, 55, 28, 56], "ABBB"),
        ("late, before all", &[1000, 0, 1001, 2], "ABAB"),
        ("back and forth between days", &[0, 48 * hour, 1, 48 * hour + 1, 2, 24 * hour], "ABABAC"),
    ] {
        assert_eq!(parts(minutes), want, "{name}");
    }
    // A row each 20 minutes for 60 hours: cut at 24 hours each.
    let steady: Vec<i64> = (0..180).map(|n| n * 20).collect();
    assert_eq!(parts(&steady), format!("{}{}{}", "A".repeat(72), "B".repeat(72), "C".repeat(36)));
}

#[test]
fn rows_are_chained_and_those_without_a_session_have_no_part() {
    let mut bench = Bench::new(Config::default());
    let placed = [row(1, 0, 0), row(2, 0, 0), row(0, 0, 0), row(1, 1, 0), row(1, 90, 0), row(1, 2, 0), row(2, 1, 0)]
        .map(|row| bench.add(row, 1));
    let placed = placed.map(|placement| (placement.part, placement.previous, placement.reopened));
    let want =
        [(1, 0, false), (2, 0, false), (0, 0, false), (1, 1, false), (5, 0, false), (1, 4, false), (2, 2, false)];
    assert_eq!(placed, want);
    // The same name at another gateway is another session.
    assert_eq!(bench.add(row(1, 2, 0), 2).previous, 0);
    assert_eq!(bench.sessions.open(), [(1, 3), (2, 1)]);
}

#[test]
fn a_part_ends_after_the_timeout_and_five_minutes_and_a_late_line_reopens_it() {
    let mut bench = Bench::new(Config::default());
    bench.add(row(1, 0, 0), 1);
    bench.add(row(1, 9, 0), 1);
    // Its end is at 10 min.
    assert!(bench.close_at(45 * MINUTE - 1).is_empty());
    let closed = bench.close_at(45 * MINUTE);
    let [first] = closed[..] else { panic!("{closed:?}") };
    assert_eq!((first.part, first.reason, first.revision, first.is_first()), (1, Reason::Idle, 1, true));
    assert_eq!((first.duration(), first.added, first.turns, first.attributes), (10 * MINUTE, 10 * MINUTE, 2, 7));
    assert!(bench.sessions.is_empty() && bench.close_at(46 * MINUTE).is_empty());
    let late = bench.add(row(1, 15, 0), 1);
    assert_eq!((late.part, late.previous, late.reopened), (1, 2, true));
    assert!(!bench.add(row(1, 16, 0), 1).reopened);
    let closed = bench.close_at(52 * MINUTE);
    let [again] = closed[..] else { panic!("{closed:?}") };
    assert_eq!((again.revision, again.is_first(), again.last_row), (2, false, 4));
    assert_eq!((again.duration(), again.added, again.turns), (17 * MINUTE, 7 * MINUTE, 4));
    let part = &bench.stored[&1];
    assert_eq!((part.requests, part.revision, part.closed, part.counted), (4, 2, Some(Reason::Idle), 17 * MINUTE));
}

#[test]
fn a_log_that_is_behind_closes_by_its_own_time() {
    let mut bench = Bench::new(Config::default());
    bench.add(row(1, 0, 0), 1);
    bench.add(row(2, 0, 0), 2);
    bench.add(row(3, 36, 0), 1);
    bench.sessions.set_wall(1_000_000 * MINUTE);
    let due = |bench: &Bench, caught_up: bool| -> Vec<i64> {
        bench.sessions.due(|_| caught_up).iter().map(|closure| closure.part).collect()
    };
    // The other gateway's time does not count for the second session.
    assert_eq!(due(&bench, false), [1]);
    assert_eq!(due(&bench, true), [1, 2, 3]);
}

#[test]
fn after_5000_turns_a_new_part_begins_and_the_full_one_ends_at_once() {
    let mut bench = Bench::new(Config::default());
    for turn in 0..MAX_TURNS {
        assert_eq!(bench.add(row(1, i64::try_from(turn / 100).unwrap(), 0), 1).part, 1);
    }
    assert!(bench.close_at(51 * MINUTE).is_empty());
    let next = bench.add(row(1, 50, 0), 1);
    assert_eq!((next.part, next.previous), (5_001, 0));
    let closed = bench.close_at(51 * MINUTE);
    assert_eq!(closed.iter().map(|closure| (closure.part, closure.reason)).collect::<Vec<_>>(), [(1, Reason::Limit)]);
    assert_eq!(closed[0].turns, MAX_TURNS);
    // Repetitions of a turn are no turns.
    let mut bench = Bench::new(Config::default());
    for _ in 0..MAX_TURNS + 10 {
        assert_eq!(bench.add(row(1, 0, 3), 1).part, 1);
    }
    // A late row within a full part that takes no more begins a part of its own beside it.
    let mut bench = Bench::new(Config::default());
    for turn in 0..MAX_TURNS + 1 {
        bench.add(row(1, i64::try_from(turn / 10).unwrap(), 0), 1);
    }
    assert_eq!(bench.add(row(1, 100, 0), 1).part, 5_002);
    assert_eq!(bench.add(row(1, 101, 0), 1).part, 5_002);
}

#[test]
fn a_part_of_24_hours_ends_at_once_after_a_crash_too() {
    for crashes in [false, true] {
        let mut bench = Bench::new(Config::default());
        for minute in (0..24 * 60).step_by(30) {
            assert_eq!(bench.add(row(1, minute, 0), 1).part, 1);
        }
        bench.write();
        assert_eq!(bench.add(row(1, 24 * 60, 0), 1).part, 49);
        if crashes {
            bench.crash();
        }
        let closed = bench.close_at(24 * 60 * MINUTE);
        let closed: Vec<_> = closed.iter().map(|closure| (closure.part, closure.reason)).collect();
        assert_eq!(closed, [(1, Reason::Limit)], "{crashes}");
    }
}

#[test]
fn a_closed_part_that_starts_later_takes_a_row_before_an_open_one_does() {
    let mut bench = Bench::new(Config { max_open: 1, ..Config::default() });
    bench.add(row(1, 0, 0), 1);
    assert_eq!(bench.add(row(1, 60, 0), 1).part, 2);
    bench.add(Row { duration: Some(100 * MINUTE), ..row(1, 20, 0) }, 1);
    let closed = bench.close_at(61 * MINUTE);
    assert_eq!(closed.iter().map(|closure| (closure.part, closure.reason)).collect::<Vec<_>>(), [(2, Reason::Evicted)]);
    assert_eq!(bench.add(row(1, 21, 0), 1).part, 1);
    let later = bench.add(row(1, 80, 0), 1);
    assert_eq!((later.part, later.reopened), (2, true));
}

#[test]
fn exactly_the_parts_idle_longest_make_room() {
    let mut bench = Bench::new(Config { max_open: 3, ..Config::default() });
    for (session, minute) in [(1, 5), (2, 1), (3, 9), (4, 2), (5, 7), (6, 3)] {
        bench.add(row(session, minute, 0), 1);
    }
    // The one that began first goes on.
    bench.add(row(2, 12, 0), 1);
    assert!(bench.sessions.is_over());
    let closed = bench.close_at(13 * MINUTE);
    let closed: Vec<_> = closed.iter().map(|closure| (closure.key.session, closure.reason)).collect();
    assert_eq!(closed, [(1, Reason::Evicted), (4, Reason::Evicted), (6, Reason::Evicted)]);
    assert!(!bench.sessions.is_over() && bench.sessions.len() == 3);
    // Idle ones go first and count for the room.
    bench.add(row(7, 40, 0), 1);
    let closed = bench.close_at(45 * MINUTE);
    let closed: Vec<_> = closed.iter().map(|closure| (closure.key.session, closure.reason)).collect();
    assert_eq!(closed, [(3, Reason::Idle), (5, Reason::Idle)]);
    // One that was closed early goes on as the same part.
    let again = bench.add(row(4, 20, 0), 1);
    assert_eq!((again.part, again.reopened), (4, true));
}

#[test]
fn a_new_session_each_line_and_one_session_for_all_lines_stay_within_bounds() {
    let mut bench = Bench::new(Config { max_open: 50, ..Config::default() });
    for session in 1..=1_000 {
        bench.add(row(session, i64::from(session / 100), 0), 1);
        if session % 100 == 0 {
            bench.close_at(0);
            assert_eq!(bench.sessions.len(), 50);
        }
    }
    assert_eq!(bench.stored.len(), 950);
    let mut bench = Bench::new(Config::default());
    let mut random: u32 = 7;
    for _ in 0..3_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bench.add(row(1, i64::from(random >> 8), 0), 1);
    }
    assert_eq!(bench.sessions.parts().map(|part| part.requests).sum::<u64>(), 3_000);
}

#[test]
fn in_the_steady_state_memory_alone_decides() {
    let mut bench = Bench::new(Config::default());
    for session in 1..=100 {
        bench.add(row(session, 0, 0), 1);
    }
    assert_eq!(bench.lookups, 100);
    for minute in 1..=10 {
        for session in 1..=100 {
            bench.add(row(session, minute, 0), 1);
        }
    }
    assert_eq!(bench.lookups, 100);
}

#[test]
fn a_row_that_cannot_be_looked_up_is_not_folded_in() {
    let mut bench = Bench::new(Config::default());
    bench.add(row(1, 0, 0), 1);
    let far = Row { id: 2, ..row(1, 100, 0) };
    assert_eq!(bench.sessions.assign(&far, 1, 0, |_, _| Err("disk")), Err("disk"));
    assert_eq!(bench.sessions.parts().map(|part| part.requests).collect::<Vec<_>>(), [1]);
    assert_eq!(bench.add(row(1, 100, 0), 1).part, 2);
}
