//! Sums over rollups for gauges: what a span of time has used.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::measure::Measures;
use super::open::{Error, open_for_reading};
use super::rollup_columns::each_rollup;
use crate::record::{Attributes, Currency};

/// A reader of rollups beside the writer.
#[derive(Debug)]
pub struct UsageQuery {
    connection: Connection,
}

/// What one attribute set used of one currency.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Where it came from.
    pub attributes: Attributes,
    /// Currency of the cost; `None` for what has no cost.
    pub currency: Option<Currency>,
    /// The sums.
    pub measures: Measures,
}

impl UsageQuery {
    /// Opens a ledger's folder for reading.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open(folder: &Path) -> Result<UsageQuery, Error> {
        Ok(UsageQuery { connection: open_for_reading(folder)?.0 })
    }

    /// Sums of the folded rows that start within `[from, until)`, seconds since the epoch, by attributes and currency.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn sum(&self, from: i64, until: i64) -> Result<Vec<Usage>, Error> {
        UsageQuery::over(&self.connection, from, until)
    }

    /// The same over a connection that is open.
    pub(super) fn over(connection: &Connection, from: i64, until: i64) -> Result<Vec<Usage>, Error> {
        let currencies = super::intern::read_currencies(connection)?;
        let mut sums: BTreeMap<(u32, u32), Measures> = BTreeMap::new();
        each_rollup(connection, from..until, |_, attributes, currency, cell| {
            cell.add_to(None, sums.entry((attributes, currency)).or_default())
        })?;
        let mut usage = Vec::with_capacity(sums.len());
        for ((attributes, currency), measures) in sums {
            usage.push(Usage {
                attributes: super::intern::read_attributes(connection, attributes)?,
                currency: currencies.iter().find(|(id, _)| *id == currency).map(|(_, currency)| *currency),
                measures,
            });
        }
        Ok(usage)
    }
}
