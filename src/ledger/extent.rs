//! How much a ledger holds, told without counting its rows.

use super::moment::Moment;
use super::open::Error;
use crate::record::Micros;

/// Rows that are kept, and the span of their starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows of requests.
    pub requests: u64,
    /// First start of a kept request; its block's.
    pub first_start: Option<Micros>,
    /// Last start of a kept request.
    pub last_start: Option<Micros>,
}

impl Extent {
    /// Reads it: from the blocks of folded rows, and from the few rows behind them.
    ///
    /// # Errors
    /// The ledger cannot be read, or takes too long.
    pub fn read(moment: &Moment) -> Result<Extent, Error> {
        let sql = "SELECT coalesce(sum(rows), 0), min(first_start), max(last_start) FROM blocks";
        let mut extent = moment.connection.query_row(sql, [], |row| {
            Ok(Extent { requests: row.get(0)?, first_start: row.get(1)?, last_start: row.get(2)? })
        })?;
        moment.each_unfolded_row(Micros::MIN..Micros::MAX, |row| {
            extent.requests += 1;
            extent.first_start = Some(extent.first_start.map_or(row.start, |first| first.min(row.start)));
            extent.last_start = extent.last_start.max(Some(row.start));
            Ok(())
        })?;
        Ok(extent)
    }
}
