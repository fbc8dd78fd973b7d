//! Availability of a month: what the ledger knows of its targets becomes one report for each.

use jiff::tz::TimeZone;

use crate::ledger::{Facts, TargetFacts};
use crate::record::Micros;
use crate::sla::{Input, Month, Report, RequestCounts, Segment, Share, Span};

/// What the reports of a month are built from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is known of the targets within the month.
    pub facts: &'a Facts,
    /// Requests of the month by gateway.
    pub requests: &'a [(String, RequestCounts, Share)],
    /// The level: how soon an answer has to start.
    pub answer_within: Span,
    /// The month.
    pub month: &'a Month,
    /// Its zone.
    pub zone: &'a TimeZone,
    /// The moment of the report.
    pub now: Micros,
}

/// The reports of every target that is looked at, or was within the month; or of the one that is asked for.
#[must_use]
pub fn reports(question: &Question<'_>, only: Option<&str>) -> Vec<Report> {
    targets(question, only).map(|target| report(question, target)).collect()
}

/// The targets that such a month has, by name.
pub fn targets<'a>(question: &Question<'a>, only: Option<&'a str>) -> impl Iterator<Item = &'a TargetFacts> {
    let Question { facts, month, .. } = *question;
    let touches = |segment: &Segment| segment.from < month.to() && segment.to > month.from();
    facts.targets.iter().filter(move |target| match only {
        Some(name) => target.name == name,
        None => target.is_active || target.segments.iter().any(touches),
    })
}

fn report(question: &Question<'_>, target: &TargetFacts) -> Report {
    Report::build(&Input {
        target: &target.name,
        month: question.month,
        timezone: question.zone.iana_name().unwrap_or("UTC"),
        now: question.now,
        segments: &target.segments,
        outages: &target.outages,
        isolated: &target.isolated,
        windows: &question.facts.windows,
        objectives: &target.objectives,
        notes: &target.notes,
        answer_within: question.answer_within,
        probes: target.probes,
        costs: &target.costs,
        requests: question.requests,
    })
}

/// What a target's time was within a month up to now: stretches of one state, maintenance laid over them, in order.
/// Labels are those of [`crate::sla::State`], and [`MAINTENANCE`].
#[must_use]
pub fn timeline(question: &Question<'_>, target: &TargetFacts) -> Vec<(Micros, Micros, &'static str)> {
    let (from, to) = (question.month.from(), question.month.to().min(question.now));
    let within = |start: Micros, end: Micros| (start.max(from), end.min(to));
    let mut windows: Vec<(Micros, Micros)> = question.facts.windows.deducted(&target.name);
    windows.retain(|(start, end)| start < end && *start < to && *end > from);
    windows.sort_unstable();
    let mut stretches: Vec<(Micros, Micros, &'static str)> = Vec::new();
    let mut add = |start: Micros, end: Micros, state: &'static str| {
        let (start, end) = within(start, end);
        match stretches.last_mut() {
            _ if start >= end => {}
            Some((_, last, known)) if *known == state && *last >= start => *last = end.max(*last),
            _ => stretches.push((start, end, state)),
        }
    };
    let mut segments: Vec<Segment> = target.segments.clone();
    segments.sort_by_key(|segment| segment.from);
    // Each segment is cut where a window covers it; windows go on where nothing is known.
    let mut rest = windows.into_iter().peekable();
    for segment in segments {
        let mut at = segment.from;
        while let Some((start, end)) = rest.peek().copied() {
            if start >= segment.to {
                break;
            }
            add(at, start.min(segment.to), segment.state.label());
            add(start, end, MAINTENANCE);
            at = at.max(end);
            if end > segment.to {
                break;
            }
            rest.next();
        }
        add(at, segment.to, segment.state.label());
    }
    for (start, end) in rest {
        add(start, end, MAINTENANCE);
    }
    stretches
}

/// The state of announced maintenance.
pub const MAINTENANCE: &str = crate::meter::MAINTENANCE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sla::{Planned, State, Windows};

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn a_timeline_has_maintenance_over_what_was_seen() {
        let month = Month::parse("2026-11", &TimeZone::UTC).unwrap();
        let start = month.from();
        let window = |from: i64, to: i64| Planned {
            target: None,
            from: start + from * HOUR,
            to: start + to * HOUR,
            reason: String::new(),
        };
        let mut windows = Windows::default();
        windows.load(&[window(2, 3), window(5, 7), window(20, 21)], start - HOUR);
        let segment = |state, from: i64, to: i64| Segment { state, from: start + from * HOUR, to: start + to * HOUR };
        let facts = Facts {
            targets: vec![TargetFacts {
                name: "chat".to_owned(),
                segments: vec![
                    segment(State::Up, -5, 4),
                    segment(State::Down, 4, 6),
                    segment(State::Up, 6, 8),
                    segment(State::Up, 8, 9),
                ],
                ..TargetFacts::default()
            }],
            windows,
        };
        let question = Question {
            facts: &facts,
            requests: &[],
            answer_within: Span::from_micros(1),
            month: &month,
            zone: &TimeZone::UTC,
            now: start + 24 * HOUR,
        };
        let hours: Vec<(i64, i64, &str)> = timeline(&question, &facts.targets[0])
            .into_iter()
            .map(|(from, to, state)| ((from - start) / HOUR, (to - start) / HOUR, state))
            .collect();
        let want = [
            (0, 2, "up"),
            (2, 3, "maintenance"),
            (3, 4, "up"),
            (4, 5, "down"),
            (5, 7, "maintenance"),
            (7, 9, "up"),
            (20, 21, "maintenance"),
        ];
        assert_eq!(hours, want);
    }
}
