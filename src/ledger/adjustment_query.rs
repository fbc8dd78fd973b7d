//! What counters count and rows no longer say, and the time that requests span: read beside the writer, for reports.

use super::measure::{self, Measures};
use super::moment::Moment;
use super::open::Error;
use crate::record::{Currency, Micros};

/// What has to be added to the rows to come to the counters.
#[derive(Clone, Debug)]
pub struct Adjusted {
    /// When.
    pub made: Micros,
    /// Why: `retention`, `reprice` and the like.
    pub kind: String,
    /// Name of the gateway.
    pub gateway: String,
    /// Provider.
    pub provider: String,
    /// Model.
    pub model: String,
    /// Currency of the money in it.
    pub currency: Option<Currency>,
    /// The sums; money may be negative.
    pub measures: Measures,
}

impl Moment {
    /// Every adjustment, in order.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn adjustments(&self) -> Result<Vec<Adjusted>, Error> {
        let currencies = super::intern::read_currencies(&self.connection)?;
        let sql = format!(
            "SELECT made, kind, gateway, provider, model, currency, {} FROM adjustments ORDER BY id",
            measure::columns(str::to_owned)
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut adjustments = Vec::new();
        while let Some(row) = rows.next()? {
            let currency: u32 = row.get(5)?;
            adjustments.push(Adjusted {
                made: row.get(0)?,
                kind: row.get(1)?,
                gateway: row.get(2)?,
                provider: row.get(3)?,
                model: row.get(4)?,
                currency: currencies.iter().find(|(id, _)| *id == currency).map(|(_, currency)| *currency),
                measures: Measures::try_from_fn(|index| row.get::<_, i64>(index + 6))?,
            });
        }
        Ok(adjustments)
    }

    /// The first moment of the first bucket and the last of the last one, of all requests that ever were; `None` for a
    /// ledger without any.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn span(&self) -> Result<Option<(Micros, Micros)>, Error> {
        let sql =
            "SELECT min(bucket), max(bucket), (SELECT value FROM facts WHERE key = 'rollup_seconds') FROM rollups";
        let (first, last, width): (Option<i64>, Option<i64>, Option<i64>) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let width = width.unwrap_or(super::fold::ROLLUP_HOUR);
        let mut span = first.zip(last);
        self.each_unfolded_row(Micros::MIN..Micros::MAX, |row| {
            let bucket = super::fold::bucket(row.start, width);
            span = Some(span.map_or((bucket, bucket), |(first, last)| (first.min(bucket), last.max(bucket))));
            Ok(())
        })?;
        let micros = |seconds: i64| seconds.saturating_mul(1_000_000);
        Ok(span.map(|(first, last)| (micros(first), micros(last.saturating_add(width)))))
    }

    /// Id of the last request.
    #[must_use]
    pub fn last_row(&self) -> i64 {
        self.last
    }

    /// The start of the first request that is kept; `None` where all that ever were are.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn first_kept(&self) -> Result<Option<Micros>, Error> {
        if self.removed()?.iter().all(|range| range.is_empty() || range.end <= 1) {
            return Ok(None);
        }
        Ok(self.connection.query_row("SELECT min(first_start) FROM blocks", [], |row| row.get(0))?)
    }
}
