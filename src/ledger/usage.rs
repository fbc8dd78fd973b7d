//! Sums over rollups for gauges: what a span of time has used.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::intern::CurrencyId;
use super::measure::{Measure, Measures};
use super::open::{Error, open_for_reading};
use super::rollup_columns::{RollupSums, add_rollups};
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
        let mut sums = BySource::default();
        add_rollups(connection, from..until, &mut sums)?;
        let mut usage = Vec::with_capacity(sums.sums.len());
        for ((attributes, currency), number) in sums.numbers {
            usage.push(Usage {
                attributes: super::intern::read_attributes(connection, attributes)?,
                currency: currencies.iter().find(|(id, _)| *id == currency).map(|(_, currency)| *currency),
                measures: sums.sums.get(number).copied().unwrap_or_default(),
            });
        }
        Ok(usage)
    }
}

/// Sums by attributes and currency.
#[derive(Default)]
struct BySource {
    numbers: BTreeMap<(u32, CurrencyId), usize>,
    sums: Vec<Measures>,
}

impl RollupSums for BySource {
    fn number(&mut self, _: i64, attributes: u32, currency: CurrencyId) -> Result<Option<usize>, Error> {
        let next = self.sums.len();
        let number = *self.numbers.entry((attributes, currency)).or_insert(next);
        if number == next {
            self.sums.push(Measures::default());
        }
        Ok(Some(number))
    }

    fn sum(&mut self, number: usize) -> Option<&mut Measures> {
        self.sums.get_mut(number)
    }

    fn count(&self) -> usize {
        self.sums.len()
    }

    fn only(&self) -> Option<Measure> {
        None
    }
}
