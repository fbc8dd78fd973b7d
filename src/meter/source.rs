//! What was read of a source, and what of it could not be used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Micros, Reject, Skip};

/// Counts of one source. As a part of a batch they are what the batch adds; in the ledger they are totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceCounts {
    /// Logical lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Records: requests, skipped, rejected and duplicates.
    pub records: u64,
    /// Requests counted.
    pub requests: u64,
    /// Skipped records, by [`Skip::index`].
    pub skipped: [u64; Skip::ALL.len()],
    /// Rejected records, by [`Reject::index`].
    pub rejected: [u64; Reject::ALL.len()],
    /// Duplicates.
    pub duplicates: u64,
    /// Rotations by kind.
    pub rotations: BTreeMap<String, u64>,
    /// Bytes lost.
    pub lost_bytes: u64,
    /// Start of the latest request, 0 before the first.
    pub last_record: Micros,
}

impl SourceCounts {
    /// Adds a batch's counts.
    pub fn add(&mut self, other: &SourceCounts) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.records += other.records;
        self.requests += other.requests;
        self.skipped.iter_mut().zip(&other.skipped).for_each(|(total, count)| *total += count);
        self.rejected.iter_mut().zip(&other.rejected).for_each(|(total, count)| *total += count);
        self.duplicates += other.duplicates;
        for (kind, count) in &other.rotations {
            *self.rotations.entry(kind.clone()).or_default() += count;
        }
        self.lost_bytes += other.lost_bytes;
        self.last_record = self.last_record.max(other.last_record);
    }

    /// Counts one skipped record.
    pub fn skip(&mut self, reason: Skip) {
        self.records += 1;
        if let Some(count) = self.skipped.get_mut(reason.index()) {
            *count += 1;
        }
    }

    /// Counts one rejected record.
    pub fn reject(&mut self, reason: Reject) {
        self.records += 1;
        if let Some(count) = self.rejected.get_mut(reason.index()) {
            *count += 1;
        }
    }

    /// Whether there is nothing to add.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == SourceCounts::default()
    }

    /// Skipped records by reason, zeros left out.
    pub fn skipped_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Skip::ALL.iter().map(|reason| reason.label()).zip(self.skipped).filter(|(_, count)| *count > 0)
    }

    /// Rejected records by reason, zeros left out.
    pub fn rejected_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Reject::ALL.iter().map(|reason| reason.label()).zip(self.rejected).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_keeps_every_count() {
        let mut one = SourceCounts { lines: 3, bytes: 30, last_record: 5, ..SourceCounts::default() };
        one.skip(Skip::NoAi);
        one.reject(Reject::TooLong);
        one.rotations.insert("rename".into(), 1);
        let mut total = one.clone();
        total.add(&one);
        assert_eq!((total.lines, total.records, total.last_record), (6, 4, 5));
        assert_eq!(total.skipped_by_reason().collect::<Vec<_>>(), [("no_ai", 2)]);
        assert_eq!(total.rejected_by_reason().collect::<Vec<_>>(), [("too_long", 2)]);
        assert_eq!(total.rotations.get("rename"), Some(&2));
    }
}
