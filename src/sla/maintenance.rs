//! Maintenance windows of a configuration become what was announced, when, and what of it is deducted.
//!
//! A window is announced when a configuration with it is first loaded, and withdrawn when one without it is. Target, start
//! and end make a window: a changed one is withdrawn and another announced. What counts is what was in force when it
//! mattered:
//!
//! - announced after it began: shown, not deducted;
//! - withdrawn before it began: never in force;
//! - withdrawn while it ran: deducted up to then, and beyond where another window, loaded at the time, still covers it.
//!   So a window that is made longer while it runs deducts what was announced in time, and not what was added;
//! - taken out of the configuration once it is over: stays as it was.

use serde::{Deserialize, Serialize};

use crate::record::Micros;

/// A window as a configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The target; `None` for all.
    pub target: Option<String>,
    /// Its first moment.
    pub from: Micros,
    /// The moment after its last. A window that does not end after it begins is no window.
    pub to: Micros,
    /// Why, for people.
    pub reason: String,
}

/// A window and its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// What was planned, with the latest reason.
    pub planned: Planned,
    /// When a configuration with it was first loaded.
    pub announced: Micros,
    /// When a configuration without it was first loaded, where that was before its end.
    pub withdrawn: Option<Micros>,
}

/// How a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Announced before or as it began: deducted.
    Timely,
    /// Announced after it began: shown, not deducted.
    Late,
    /// Withdrawn before or as it began: not in force.
    Withdrawn,
}

impl Standing {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Standing::Timely => "timely",
            Standing::Late => "late",
            Standing::Withdrawn => "withdrawn",
        }
    }
}

impl Window {
    /// How it counts.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.announced > self.planned.from {
            Standing::Late
        } else if self.withdrawn.is_some_and(|withdrawn| withdrawn <= self.planned.from) {
            Standing::Withdrawn
        } else {
            Standing::Timely
        }
    }

    /// Whether it is for this target.
    #[must_use]
    pub fn covers(&self, target: &str) -> bool {
        self.planned.target.as_deref().is_none_or(|own| own == target)
    }

    /// The part of it during which a configuration with it was loaded.
    fn loaded(&self) -> (Micros, Micros) {
        let end = self.withdrawn.map_or(self.planned.to, |withdrawn| withdrawn.min(self.planned.to));
        (self.planned.from.max(self.announced), end)
    }
}

/// All windows ever loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// From what was kept.
    #[must_use]
    pub fn new(windows: Vec<Window>) -> Windows {
        Windows(windows)
    }

    /// All of them, in the order of their announcement.
    #[must_use]
    pub fn all(&self) -> &[Window] {
        &self.0
    }

    /// Takes the windows of a configuration loaded at `now`. Answers whether there is anything new to keep.
    pub fn load(&mut self, planned: &[Planned], now: Micros) -> bool {
        let before = self.0.clone();
        let same = |a: &Planned, b: &Planned| a.target == b.target && a.from == b.from && a.to == b.to;
        for window in self.0.iter_mut().filter(|window| window.withdrawn.is_none()) {
            match planned.iter().find(|planned| same(planned, &window.planned)) {
                Some(planned) => window.planned.reason.clone_from(&planned.reason),
                None if now < window.planned.to => window.withdrawn = Some(now),
                None => {}
            }
        }
        for planned in planned.iter().filter(|planned| planned.from < planned.to) {
            if !self.0.iter().any(|window| window.withdrawn.is_none() && same(planned, &window.planned)) {
                self.0.push(Window { planned: planned.clone(), announced: now, withdrawn: None });
            }
        }
        self.0 != before
    }

    /// The time of a target that is deducted: sorted, disjoint, half-open.
    #[must_use]
    pub fn deducted(&self, target: &str) -> Vec<(Micros, Micros)> {
        let own = || self.0.iter().filter(|window| window.covers(target));
        let timely = own().filter(|window| window.standing() == Standing::Timely);
        let timely = union(timely.map(|window| (window.planned.from, window.planned.to)).collect());
        let loaded = union(own().map(Window::loaded).collect());
        let shared = timely.iter().flat_map(|(from, to)| {
            loaded.iter().map(move |(start, end)| ((*from).max(*start), (*to).min(*end))).filter(|(from, to)| from < to)
        });
        union(shared.collect())
    }
}

/// Spans as sorted, disjoint ones; those that do not end after they begin are left out.
fn union(mut spans: Vec<(Micros, Micros)>) -> Vec<(Micros, Micros)> {
    spans.retain(|(from, to)| from < to);
    spans.sort_unstable();
    let mut merged: Vec<(Micros, Micros)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// How much of a stretch lies within sorted, disjoint spans.
pub(super) fn overlap(spans: &[(Micros, Micros)], from: Micros, to: Micros) -> i64 {
    spans.iter().map(|(start, end)| (*end).min(to).saturating_sub((*start).max(from)).max(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(from: i64, to: i64) -> Planned {
        Planned { target: Some("chat".to_owned()), from, to, reason: "upgrade".to_owned() }
    }

    /// What a series of loads, each at its time, deducts.
    fn after(loads: &[(i64, &[(i64, i64)])]) -> (Vec<(i64, i64)>, Vec<Standing>) {
        let mut windows = Windows::default();
        for (now, spans) in loads {
            let list: Vec<Planned> = spans.iter().map(|(from, to)| planned(*from, *to)).collect();
            windows.load(&list, *now);
        }
        (windows.deducted("chat"), windows.all().iter().map(Window::standing).collect())
    }

    #[test]
    fn what_was_in_force_when_it_mattered_is_deducted() {
        use Standing::{Late, Timely, Withdrawn};
        type Spans = &'static [(i64, i64)];
        type Case = (&'static str, &'static [(i64, Spans)], Spans, &'static [Standing]);
        let cases: [Case; 10] = [
            ("in time", &[(50, &[(100, 200)])], &[(100, 200)], &[Timely]),
            ("as it begins", &[(100, &[(100, 200)])], &[(100, 200)], &[Timely]),
            ("after it began", &[(101, &[(100, 200)])], &[], &[Late]),
            ("withdrawn before", &[(50, &[(100, 200)]), (90, &[])], &[], &[Withdrawn]),
            ("withdrawn while it runs", &[(50, &[(100, 200)]), (150, &[])], &[(100, 150)], &[Timely]),
            ("cleaned up", &[(50, &[(100, 200)]), (200, &[])], &[(100, 200)], &[Timely]),
            ("longer while it runs", &[(50, &[(100, 200)]), (150, &[(100, 300)])], &[(100, 200)], &[Timely, Late]),
            ("longer before", &[(50, &[(100, 200)]), (90, &[(100, 300)])], &[(100, 300)], &[Withdrawn, Timely]),
            ("shorter while it runs", &[(50, &[(100, 300)]), (150, &[(100, 200)])], &[(100, 200)], &[Timely, Late]),
            (
                "overlapping",
                &[(50, &[(100, 200), (150, 250)]), (60, &[(100, 200), (150, 250)])],
                &[(100, 250)],
                &[Timely, Timely],
            ),
        ];
        for (name, loads, deducted, standings) in cases {
            assert_eq!(after(loads), (deducted.to_vec(), standings.to_vec()), "{name}");
        }
    }

    #[test]
    fn a_window_counts_for_its_target_or_for_all() {
        let all = Planned { target: None, ..planned(300, 400) };
        let mut windows = Windows::default();
        assert!(windows.load(&[planned(100, 200), all.clone(), planned(500, 500)], 0));
        assert!(!windows.load(&[planned(100, 200), all], 10), "loading the same again changes nothing");
        assert_eq!(windows.deducted("chat"), [(100, 200), (300, 400)]);
        assert_eq!(windows.deducted("other"), [(300, 400)]);
    }
}
