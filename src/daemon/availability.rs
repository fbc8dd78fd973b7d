//! Facts about targets become the gauges of this calendar month.

use crate::ledger::{Facts, TargetFacts};
use crate::meter::{MAINTENANCE, SlaGauges};
use crate::record::Micros;
use crate::sla::{Figures, Month, State, Windows};

/// The gauges of every target that is looked at, as of `now`.
pub(super) fn gauges(facts: &Facts, month: &Month, now: Micros) -> Vec<SlaGauges> {
    let active = facts.targets.iter().filter(|target| target.is_active);
    active.map(|target| target_gauges(target, &facts.windows, month, now)).collect()
}

fn target_gauges(target: &TargetFacts, windows: &Windows, month: &Month, now: Micros) -> SlaGauges {
    let deducted = windows.deducted(&target.name);
    let figures = Figures::build(month, now, &target.segments, &deducted, &target.objectives);
    SlaGauges {
        target: target.name.clone(),
        objective: figures.objective.map(|objective| objective.value()),
        availability: figures.availability.map(|ratio| ratio.value()),
        strict: figures.strict.map(|ratio| ratio.value()),
        coverage: figures.coverage.map(|ratio| ratio.value()),
        budget: figures.budget.map(|budget| (budget.total.seconds(), budget.left.seconds())),
        state: if deducted.iter().any(|(from, to)| (*from..*to).contains(&now)) {
            MAINTENANCE
        } else {
            // Just after a look there may be no time yet whose state is not settled.
            let latest = target.segments.iter().filter(|segment| segment.to >= now).max_by_key(|segment| segment.from);
            latest.map_or(State::Unknown, |segment| segment.state).label()
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::sla::{InForce, Objective, Planned, Segment};

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn a_month_becomes_gauges_that_are_absent_without_data() {
        let month = Month::parse("2026-11", &TimeZone::UTC).unwrap();
        let start = month.from();
        let mut windows = Windows::default();
        let planned = Planned { target: None, from: start + 10 * HOUR, to: start + 11 * HOUR, reason: String::new() };
        windows.load(&[planned], start);
        let target = |name: &str, segments| TargetFacts {
            name: name.to_owned(),
            is_active: true,
            segments,
            objectives: vec![InForce { since: start, objective: Objective::USUAL }],
            ..TargetFacts::default()
        };
        let segment = |state, from, to| Segment { state, from: start + from * HOUR, to: start + to * HOUR };
        let seen = vec![segment(State::Up, 0, 9), segment(State::Down, 9, 10)];
        let gone = TargetFacts { is_active: false, ..target("gone", seen.clone()) };
        let facts = Facts { targets: vec![target("chat", seen), target("new", Vec::new()), gone], windows };
        let [chat, new] = gauges(&facts, &month, start + 10 * HOUR).try_into().unwrap();
        assert_eq!((chat.availability, chat.coverage, chat.state), (Some(0.9), Some(1.0), "maintenance"));
        let (total, left) = chat.budget.unwrap();
        assert!((total - 719.0 * 3.6).abs() < 1e-6 && (left - (total - 3_600.0)).abs() < 1e-6, "{total} {left}");
        assert_eq!((new.objective, new.availability, new.strict, new.budget), (Some(0.999), None, None, None));
        let [chat, new] = gauges(&facts, &month, start + 10 * HOUR - 1).try_into().unwrap();
        assert_eq!((chat.state, new.state), ("down", "unknown"));
    }
}
