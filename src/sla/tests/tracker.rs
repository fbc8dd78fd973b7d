//! Rows, clocks and restarts.

use proptest::prelude::*;

use super::*;

/// One result: wall second, monotonic seconds since the previous (below 0: first of a process), success.
type Step = (i64, i64, bool);

fn run(steps: &[Step]) -> (Tracker, Kept) {
    let (mut tracker, mut kept) = (Tracker::default(), Kept::default());
    for (at, since, ok) in steps {
        let failure = (!ok).then_some(Failure::Refused);
        let since_previous = (*since >= 0).then_some(since * S);
        kept.take(tracker.observe(&Observation { since_previous, ..seen(at * S, failure) }));
    }
    (tracker, kept)
}

/// Settled and provisional segments in seconds.
fn segments(steps: &[Step], now: i64) -> Vec<(State, i64, i64)> {
    let (tracker, kept) = run(steps);
    let all = kept.segments.into_iter().chain(tracker.provisional(now * S));
    let mut merged: Vec<(State, i64, i64)> = Vec::new();
    for Segment { state, from, to } in all {
        match merged.last_mut() {
            Some((last, _, end)) if *last == state && *end == from / S => *end = to / S,
            _ => merged.push((state, from / S, to / S)),
        }
    }
    merged
}

#[test]
fn time_becomes_states_by_the_rules() {
    use State::{Down, Unknown, Up};
    let (t, f) = (true, false);
    type Case = (&'static str, Vec<Step>, i64, Vec<(State, i64, i64)>);
    let cases: [Case; 12] = [
        ("a result holds two intervals", vec![(0, -1, t)], 60, vec![(Up, 0, 30), (Unknown, 30, 60)]),
        ("two failures are up", vec![(0, -1, t), (15, 15, f), (30, 15, f), (45, 15, t)], 60, vec![(Up, 0, 60)]),
        ("before the third nobody knows", vec![(0, -1, t), (15, 15, f), (30, 15, f)], 40, vec![(Up, 0, 40)]),
        (
            "the third turns the past down",
            vec![(0, -1, t), (15, 15, f), (30, 15, f), (45, 15, f)],
            50,
            vec![(Up, 0, 15), (Down, 15, 50)],
        ),
        (
            "one success ends no outage, two do at the first",
            vec![(0, -1, f), (15, 15, f), (30, 15, f), (45, 15, t), (60, 15, f), (75, 15, t), (90, 15, t)],
            95,
            vec![(Down, 0, 75), (Up, 75, 95)],
        ),
        (
            "unknown time breaks a row of failures",
            vec![(0, -1, f), (15, 15, f), (60, 45, f), (75, 15, t)],
            80,
            vec![(Up, 0, 45), (Unknown, 45, 60), (Up, 60, 80)],
        ),
        (
            "unknown time ends no outage and breaks a row of successes",
            vec![(0, -1, f), (15, 15, f), (30, 15, f), (45, 15, t), (100, 55, t), (115, 15, t)],
            120,
            vec![(Down, 0, 75), (Unknown, 75, 100), (Up, 100, 120)],
        ),
        (
            "a restart within two intervals changes nothing",
            vec![(0, -1, f), (15, 15, f), (45, -1, f), (60, 15, t), (75, 15, t)],
            80,
            vec![(Down, 0, 60), (Up, 60, 80)],
        ),
        (
            "a clock set forward skips unknown time",
            vec![(0, -1, t), (3_615, 15, t)],
            3_620,
            vec![(Up, 0, 15), (Unknown, 15, 3_615), (Up, 3_615, 3_620)],
        ),
        (
            "even within two intervals",
            vec![(0, -1, t), (25, 15, t)],
            30,
            vec![(Up, 0, 15), (Unknown, 15, 25), (Up, 25, 30)],
        ),
        (
            "repeated time keeps its first state",
            vec![(0, -1, t), (15, 15, t), (30, 15, t), (5, 15, f), (20, 15, f), (35, 15, f), (50, 15, f)],
            50,
            vec![(Up, 0, 30), (Down, 30, 50)],
        ),
        (
            "a suspended machine saw nothing",
            vec![(0, -1, f), (15, 15, f), (7_200, 15, f), (7_215, 15, f), (7_230, 15, t)],
            7_230,
            vec![(Up, 0, 30), (Unknown, 30, 7_200), (Up, 7_200, 7_230)],
        ),
    ];
    for (name, steps, now, want) in cases {
        assert_eq!(segments(&steps, now), want, "{name}");
    }
}

#[test]
fn a_restart_inside_an_outage_goes_on_with_it() {
    let (tracker, kept) = run(&[(0, -1, false), (15, 15, false), (30, 15, false), (600, -1, false)]);
    assert_eq!((tracker.outages(), tracker.up(), tracker.consecutive_failures()), (1, Some(false), 1));
    assert_eq!((kept.outages.len(), tracker.outage().map(|outage| outage.number)), (1, Some(1)));
    let (tracker, kept) =
        run(&[(0, -1, false), (15, 15, false), (30, 15, false), (600, -1, true), (615, 15, true), (630, 15, true)]);
    assert_eq!((tracker.outages(), tracker.up(), tracker.outage()), (1, Some(true), None));
    let outage = &kept.outages[0];
    assert_eq!((outage.start, outage.confirmed, outage.end), (0, 30 * S, Some(600 * S)));
    assert!(outage.end_unobserved, "it may have ended while nobody looked");
    assert_eq!(tracker.down_micros(), 60 * S, "what nobody saw is not down");
}

#[test]
fn two_lost_probes_are_isolated_failures_and_no_outage() {
    let (tracker, kept) = run(&[(0, -1, true), (15, 15, true), (30, 15, false), (45, 15, false), (60, 15, true)]);
    assert_eq!((tracker.up(), tracker.outages(), kept.outages.len()), (Some(true), 0, 0));
    assert_eq!(kept.isolated.iter().map(|one| one.at / S).collect::<Vec<_>>(), [30, 45]);
    assert_eq!(run(&[(0, -1, true), (15, 15, false)]).0.up(), None, "neither three failures nor two successes");
}

#[test]
fn the_same_result_again_changes_nothing_and_an_older_one_adds_no_time() {
    let (mut tracker, _) = run(&[(0, -1, true), (15, 15, true)]);
    let before = tracker.clone();
    assert_eq!(tracker.observe(&seen(15 * S, Some(Failure::Dns))), Update::default());
    assert_eq!(tracker, before);
    let update = tracker.observe(&seen(5 * S, Some(Failure::Dns)));
    assert_eq!((update.segments, tracker.consecutive_failures()), (vec![], 1));
    let mut stepped = before;
    let back = Observation { since_previous: Some(15 * S), ..seen(0, None) };
    assert_eq!(stepped.observe(&back).clock_step, Some(-30 * S));
}

/// Seconds to the next result, how far the clock is moved, success, and whether the process restarts before it.
fn walk() -> impl Strategy<Value = Vec<(i64, i64, bool, bool)>> {
    let gap = prop_oneof![8 => Just(15_i64), 1 => 1..30_i64, 1 => 30..200_i64];
    let step = prop_oneof![12 => Just(0_i64), 1 => -100..100_i64];
    let ok = prop_oneof![Just(true), Just(false)];
    prop::collection::vec((gap, step, ok, prop::bool::weighted(0.1)), 1..120)
}

proptest! {
    #[test]
    fn states_tile_the_elapsed_time_whatever_the_clock_does(walk in walk(), from in 0..500_i64, length in 0..900_i64) {
        let month = november();
        let (mut tracker, mut kept, mut at, mut latest) = (Tracker::default(), Kept::default(), month.from() + S, 0);
        for (gap, step, ok, restart) in walk {
            at += (gap + step) * S;
            latest = at.max(latest);
            let since_previous = (!restart).then_some(gap * S);
            let failure = (!ok).then_some(Failure::Timeout);
            kept.take(tracker.observe(&Observation { since_previous, ..seen(at, failure) }));
            for outage in &kept.outages {
                prop_assert!(outage.end.is_none_or(|end| end >= outage.start) && outage.confirmed >= outage.start);
            }
        }
        prop_assert_eq!(tracker.outage().is_some(), tracker.up() == Some(false));
        let settled: i64 = kept.segments.iter().filter(|s| s.state == State::Down).map(|s| s.to - s.from).sum();
        prop_assert_eq!(settled, tracker.down_micros());
        let now = latest + 100 * S;
        let segments: Vec<_> = kept.segments.iter().copied().chain(tracker.provisional(now)).collect();
        prop_assert!(segments.windows(2).all(|two| two[0].to == two[1].from));
        prop_assert!(segments.iter().all(|segment| segment.from < segment.to));
        prop_assert_eq!(segments.last().map(|last| last.to), Some(now));
        let window = (month.from() + from * S, month.from() + (from + length) * S);
        let found = Figures::build(&month, now, &segments, &[window], &objective("0.999"));
        let sum = found.up.plus(found.down).plus(found.unknown).plus(found.maintenance);
        prop_assert_eq!(sum, found.elapsed);
        prop_assert!(found.unknown >= Span::default());
    }

    #[test]
    fn a_restart_at_any_point_gives_the_same_segments(walk in walk()) {
        let (mut through, mut restarted) = (Tracker::default(), Tracker::default());
        let (mut kept, mut kept_too, mut at) = (Kept::default(), Kept::default(), 1_000 * S);
        for (gap, _, ok, restart) in walk {
            at += gap * S;
            let now = Observation { since_previous: Some(gap * S), ..seen(at, (!ok).then_some(Failure::Cut)) };
            kept.take(through.observe(&now));
            let mut now = now;
            if restart {
                restarted = serde_json::from_str(&serde_json::to_string(&restarted).unwrap()).unwrap();
                now.since_previous = None;
            }
            kept_too.take(restarted.observe(&now));
        }
        prop_assert_eq!(kept, kept_too);
        prop_assert_eq!(through, restarted);
    }
}
