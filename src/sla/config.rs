//! What was promised, and when it may be interrupted. Plain values; nothing is checked here.

use std::collections::BTreeMap;

use super::figure::{Objective, Span};
use super::maintenance::Planned;

/// The section `sla` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The availability promised for every target that has no objective of its own.
    pub objective: Objective,
    /// Objectives of single targets, by name.
    pub objectives: BTreeMap<String, Objective>,
    /// The level: how soon an answer has to start.
    pub answer_within: Span,
    /// Whether requests that are not streamed are held against the level too, by their whole duration.
    pub judge_whole_answers: bool,
    /// Planned maintenance.
    pub maintenance: Vec<Planned>,
}

impl Default for Config {
    /// 99.9 %, answers within 1.5 s, no maintenance.
    fn default() -> Self {
        Config {
            objective: Objective::USUAL,
            objectives: BTreeMap::new(),
            answer_within: Span::from_micros(1_500_000),
            judge_whole_answers: false,
            maintenance: Vec::new(),
        }
    }
}

impl Config {
    /// What is promised for a target.
    #[must_use]
    pub fn objective_of(&self, target: &str) -> Objective {
        self.objectives.get(target).copied().unwrap_or(self.objective)
    }
}
