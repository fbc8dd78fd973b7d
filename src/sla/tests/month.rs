//! Figures of a month, equal to those worked out by hand.

use super::*;

const DAY: i64 = 86_400;

fn figures(month: &Month, now: Micros, segments: &[(State, i64, i64)], deducted: &[(i64, i64)], goal: &str) -> Figures {
    let at = |second: i64| month.from() + second * S;
    let segments: Vec<Segment> =
        segments.iter().map(|(state, from, to)| Segment { state: *state, from: at(*from), to: at(*to) }).collect();
    let deducted: Vec<_> = deducted.iter().map(|(from, to)| (at(*from), at(*to))).collect();
    Figures::build(month, now, &segments, &deducted, &objective(goal))
}

#[test]
fn every_figure_of_a_written_month_equals_the_one_worked_out_by_hand() {
    let month = november();
    let at = |second: i64| month.from() + second * S;
    // Seconds of the month at which probes fail, ends not included, and where none ran.
    let failing = [
        (3_600, 3_630, Failure::Timeout), // two: isolated
        (100_005, 100_020, Failure::Cut), // outage 1: 615 s, first a cut, then refused
        (100_020, 100_620, Failure::Refused),
        (200_010, 200_070, Failure::Status), // outage 2: one success at 200,070 does not end it: 90 s
        (200_085, 200_100, Failure::Status),
        (400_005, 403_005, Failure::Refused), // outage 3: within maintenance, nothing counts
        (500_010, 500_310, Failure::Dns),     // outage 4: 300 s, its window was announced too late
    ];
    let gap = 300_015..307_200; // the result of 300,000 holds until 300,030: 7,170 s unknown
    let mut windows = Windows::default();
    let planned = |from, to| Planned { target: None, from: at(from), to: at(to), reason: "upgrade".to_owned() };
    windows.load(&[planned(400_000, 403_600)], at(10));
    windows.load(&[planned(400_000, 403_600), planned(500_000, 501_000)], at(500_100));

    let (mut tracker, mut kept) = (Tracker::default(), Kept::default());
    for second in (0..30 * DAY).step_by(15).filter(|second| !gap.contains(second)) {
        let failed = failing.iter().find(|(from, to, _)| (*from..*to).contains(&second)).map(|(_, _, why)| *why);
        kept.take(tracker.observe(&seen(at(second), failed)));
    }
    let mut segments = kept.segments.clone();
    segments.extend(tracker.provisional(month.to()));
    let report = Report::build(&Input {
        target: "chat",
        month: &month,
        timezone: "UTC",
        now: month.to(),
        segments: &segments,
        outages: &kept.outages,
        isolated: &kept.isolated,
        windows: &windows,
        objectives: &objective("0.999"),
        notes: &[Note { outage: 2, at: at(210_000), text: "the proxy".to_owned() }],
        answer_within: Span::from_micros(1_500_000),
        probes: Share { within: 99, total: 100 },
        costs: &[],
        requests: &[("higress".to_owned(), RequestCounts::default(), Share::default())],
    });

    let found = report.figures;
    let seconds = [found.month, found.elapsed, found.up, found.down, found.unknown, found.maintenance];
    // down 615 + 90 + 300; up is the rest.
    assert_eq!(seconds, [2_592_000, 2_592_000, 2_580_225, 1_005, 7_170, 3_600].map(Span::from_seconds));
    // 2,580,225 / 2,581,230, 2,580,225 / 2,588,400 and 2,581,230 / 2,588,400
    let shares = [found.availability, found.strict, found.coverage].map(|share| share.unwrap().percent(4));
    assert_eq!(shares, ["99.9610", "99.6841", "99.7229"]);
    let micros = Span::from_micros;
    // 0.001 × 2,588,400 s
    let budget = Budget { total: micros(2_588_400_000), used: micros(1_005_000_000), left: micros(1_583_400_000) };
    assert_eq!((found.budget, found.verdict, found.projection), (Some(budget), Verdict::Met, None));

    let lines: Vec<_> = report
        .outages
        .iter()
        .map(|line| (line.number, (line.start - month.from()) / S, line.counted, line.recovery, line.cause))
        .collect();
    let span = Span::from_seconds;
    assert_eq!(
        lines,
        [
            (1, 100_005, span(615), Some(span(615)), Failure::Refused),
            (2, 200_010, span(90), Some(span(90)), Failure::Status),
            (3, 400_005, span(0), Some(span(3_000)), Failure::Refused),
            (4, 500_010, span(300), Some(span(300)), Failure::Dns),
        ]
    );
    assert_eq!(report.outages[1].notes.len(), 1);
    assert_eq!(
        report.isolated_failures.iter().map(|one| (one.at - month.from()) / S).collect::<Vec<_>>(),
        [3_600, 3_615]
    );
    assert_eq!(
        report.maintenance.iter().map(|window| window.standing).collect::<Vec<_>>(),
        [Standing::Timely, Standing::Late]
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["availability"], 0.999_610_650);
    assert_eq!((&json["down_seconds"], &json["verdict"]), (&1_005.into(), &"met".into()));
    assert_eq!(json["outages"][0]["start"], "2026-11-02T03:46:45Z");
    assert_eq!(json["outages"][0]["failures"]["refused"], 40);
    assert_eq!(json["gateways"][0]["availability"], serde_json::Value::Null);
}

#[test]
fn a_month_of_30_days_at_three_nines_may_be_down_for_43_minutes_and_12_seconds() {
    for (text, zone, want) in [
        ("2026-11", "UTC", "43 min 12 s"),
        ("2026-12", "UTC", "44 min 38 s"),
        ("2027-02", "UTC", "40 min 19 s"),
        ("2028-02", "UTC", "41 min 45 s"),
        ("2026-10", "Europe/Berlin", "44 min 42 s"),
        ("2026-03", "Europe/Berlin", "44 min 34 s"),
        ("2026-04", "Australia/Lord_Howe", "43 min 13 s"),
    ] {
        let month = Month::parse(text, &jiff::tz::TimeZone::get(zone).unwrap()).unwrap();
        let length = month.length().micros() / S;
        let found = figures(&month, month.to(), &[(State::Up, 0, length)], &[], "0.999");
        assert_eq!(found.budget.unwrap().total.to_string(), want, "{text} {zone}");
        assert_eq!((found.verdict, found.up), (Verdict::Met, month.length()));
    }
}

#[test]
fn verdicts_are_exact_at_their_borders() {
    use State::{Down, Unknown, Up};
    let month = november();
    for (name, segments, want) in [
        ("the whole budget", vec![(Down, 0, 2_592), (Up, 2_592, 30 * DAY)], Verdict::Met),
        ("a second more", vec![(Down, 0, 2_593), (Up, 2_593, 30 * DAY)], Verdict::Missed),
        ("95 % covered", vec![(Unknown, 0, 129_600), (Up, 129_600, 30 * DAY)], Verdict::Met),
        ("a second less", vec![(Unknown, 0, 129_601), (Up, 129_601, 30 * DAY)], Verdict::NotProven),
        // 2,500 s are within 2,592 s, but more than a thousandth of the 2,467,000 s that were seen.
        ("held against what was seen", vec![(Down, 0, 2_500), (Up, 2_500, 2_467_000)], Verdict::Missed),
    ] {
        let found = figures(&month, month.to(), &segments, &[], "0.999");
        assert_eq!((found.verdict, found.so_far), (want, want), "{name}");
    }
}

#[test]
fn a_month_without_data_has_no_figures_and_proves_nothing() {
    let month = november();
    let found = figures(&month, month.to(), &[], &[], "0.999");
    assert_eq!((found.availability, found.strict, found.coverage, found.budget), (None, None, None, None));
    assert_eq!((found.verdict, found.unknown), (Verdict::NotProven, month.length()));
    let future = figures(&month, month.from() - 5, &[], &[], "0.999");
    assert_eq!((future.verdict, future.elapsed), (Verdict::NotProven, Span::default()));
}

#[test]
fn a_month_in_progress_is_projected_to_its_end() {
    use State::{Down, Up};
    let month = november();
    let now = month.from() + 10 * DAY * S;
    // A thousand seconds of ten days; a day of maintenance lies ahead, so 19 days are left.
    let found = figures(&month, now, &[(Down, 0, 1_000), (Up, 1_000, 10 * DAY)], &[(20 * DAY, 21 * DAY)], "0.999");
    assert_eq!((found.verdict, found.so_far), (Verdict::InProgress, Verdict::Met));
    assert_eq!(found.budget.unwrap().left, Span::from_micros(2_505_600_000 - 1_000_000_000));
    let projection = found.projection.unwrap();
    assert_eq!(projection.down, Span::from_seconds(2_900));
    assert_eq!(projection.budget_left, Span::from_micros(2_505_600_000 - 2_900_000_000));
    assert_eq!(projection.verdict, Verdict::Missed);
    // 1 − 1,000 / 2,505,600
    assert_eq!(projection.availability_at_best.percent(4), "99.9600");
    let used_up = figures(&month, now, &[(Down, 0, 2_600), (Up, 2_600, 10 * DAY)], &[], "0.999");
    assert_eq!((used_up.verdict, used_up.so_far), (Verdict::InProgress, Verdict::Missed));
}

#[test]
fn an_objective_that_changes_counts_for_its_time() {
    let month = november();
    let half = month.from() + 15 * DAY * S;
    let goal = |since, text| InForce { since, objective: Objective::parse(text).unwrap() };
    let up = [Segment { state: State::Up, from: month.from(), to: month.to() }];
    let found = Figures::build(&month, month.to(), &up, &[], &[goal(half, "0.999"), goal(0, "0.99")]);
    // 1 % of 15 days and 0.1 % of 15 days
    assert_eq!(found.budget.unwrap().total, Span::from_seconds(12_960 + 1_296));
    assert_eq!(found.objective, Objective::parse("0.9945"));
    let first_known_late = Figures::build(&month, month.to(), &up, &[], &[goal(half, "0.999")]);
    assert_eq!(first_known_late.budget.unwrap().total, Span::from_seconds(2_592));
    let without = Figures::build(&month, month.to(), &up, &[], &[]);
    assert_eq!((without.objective, without.budget, without.verdict), (None, None, Verdict::NotProven));
}

#[test]
fn an_outage_over_a_months_end_is_split_between_the_months() {
    let november = november();
    let december = Month::parse("2026-12", &jiff::tz::TimeZone::UTC).unwrap();
    let (mut tracker, mut kept) = (Tracker::default(), Kept::default());
    for second in (-3_000..3_000).step_by(15) {
        let failed = (-600..900).contains(&second).then_some(Failure::Refused);
        kept.take(tracker.observe(&seen(november.to() + second * S, failed)));
    }
    for (month, want) in [(november, 600), (december, 900)] {
        let report = Report::build(&Input {
            target: "chat",
            month: &month,
            timezone: "UTC",
            now: december.to(),
            segments: &kept.segments,
            outages: &kept.outages,
            isolated: &[],
            windows: &Windows::default(),
            objectives: &objective("0.999"),
            notes: &[],
            answer_within: Span::from_seconds(1),
            probes: Share::default(),
            costs: &[],
            requests: &[],
        });
        assert_eq!(report.figures.down, Span::from_seconds(want));
        assert_eq!(report.outages.iter().map(|line| line.counted).collect::<Vec<_>>(), [Span::from_seconds(want)]);
        assert_eq!(report.outages[0].recovery, Some(Span::from_seconds(1_500)));
    }
}
