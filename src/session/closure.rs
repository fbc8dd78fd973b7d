//! The end of a part as a value: appended to what was committed, and folded into metrics and spans.

use super::part::{Key, Part};
use crate::record::Micros;

/// Why a part was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Nothing was asked for the idle timeout.
    Idle,
    /// It had reached 24 h or 5,000 turns and a further request began a new part.
    Limit,
    /// Too many were open and it was the one idle longest.
    Evicted,
}

impl Reason {
    /// All reasons, in the order of their stored codes: append only.
    pub const ALL: [Reason; 3] = [Reason::Idle, Reason::Limit, Reason::Evicted];

    /// The label value that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Reason::Idle => "idle",
            Reason::Limit => "limit",
            Reason::Evicted => "evicted",
        }
    }
}

/// One closing of a part. A part that a late line reopens is closed again, with a higher revision; no figure of it is
/// counted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// Id of the part.
    pub part: i64,
    /// Whose part it is.
    pub key: Key,
    /// 1 for the first closing, one more for each that follows.
    pub revision: u32,
    /// Why.
    pub reason: Reason,
    /// Last row of the part.
    pub last_row: i64,
    /// Attributes of the part's first row; their consumer is the one that the time counts for.
    pub attributes: u32,
    /// First start.
    pub start: Micros,
    /// Last end.
    pub end: Micros,
    /// Turns.
    pub turns: u64,
    /// Microseconds to add to the time counted by earlier closures of the part; never negative.
    pub added: Micros,
}

impl Closure {
    /// What closing the part now would say.
    pub(super) fn of(part: &Part, reason: Reason) -> Closure {
        Closure {
            part: part.id,
            key: part.key,
            revision: part.revision.saturating_add(1),
            reason,
            last_row: part.last_row,
            attributes: part.first_attributes,
            start: part.start,
            end: part.end,
            turns: part.turns,
            added: part.duration().saturating_sub(part.counted).max(0),
        }
    }

    /// Whether the part is closed for the first time: only then do histograms of sessions observe it.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.revision == 1
    }

    /// First start to last end, in microseconds.
    #[must_use]
    pub fn duration(&self) -> Micros {
        self.end.saturating_sub(self.start)
    }

    /// The part as it is stored once it is closed by this.
    #[must_use]
    pub fn apply(&self, part: &Part) -> Part {
        Part {
            revision: self.revision,
            closed: Some(self.reason),
            counted: part.counted.saturating_add(self.added),
            ..part.clone()
        }
    }
}
