//! Sums by time, attributes and currency, read beside the writer: rollups where whole buckets are asked for, rows at the
//! edges and where the folds on disk have not come yet. Reports add these up.

use super::measure::{self, Measures};
use super::moment::Moment;
use super::open::Error;
use super::row;
use crate::record::{Currency, Micros, Row};

/// What requests of one bucket, one set of attributes and one currency add up to; or what a single request does.
#[derive(Clone, Copy, Debug)]
pub struct Rollup {
    /// Start of the bucket, or of the request.
    pub start: Micros,
    /// Id of the attributes.
    pub attributes: u32,
    /// Currency of the money in it; `None` for what has no cost.
    pub currency: Option<Currency>,
    /// The sums.
    pub measures: Measures,
}

impl Rollup {
    /// What a single request adds.
    #[must_use]
    pub fn of(row: &Row) -> Rollup {
        Rollup {
            start: row.start,
            attributes: row.attributes,
            currency: row.cost.map(|cost| cost.currency),
            measures: Measures::of(row),
        }
    }
}

/// What counters count and rows no longer say.
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
    /// What has to be added to the rows to come to the counters; money may be negative.
    pub measures: Measures,
}

impl Moment {
    /// Seconds of a rollup's bucket.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn rollup_seconds(&self) -> Result<i64, Error> {
        let sql = "SELECT coalesce((SELECT value FROM facts WHERE key = 'rollup_seconds'), 3600)";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// The first moment of the first bucket and the last of the last one, of all requests that ever were; `None` for a
    /// ledger without any.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn span(&self) -> Result<Option<(Micros, Micros)>, Error> {
        let sql = "SELECT min(bucket), max(bucket) FROM rollups";
        let (first, last): (Option<i64>, Option<i64>) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut span = first.zip(last);
        let width = self.rollup_seconds()?;
        self.each_unfolded_row(i64::MIN, i64::MAX, |row| -> Result<(), Error> {
            let bucket = super::fold::bucket(row.start, width);
            span = Some(span.map_or((bucket, bucket), |(first, last)| (first.min(bucket), last.max(bucket))));
            Ok(())
        })?;
        let micros = |seconds: i64| seconds.saturating_mul(1_000_000);
        Ok(span.map(|(first, last)| (micros(first), micros(last.saturating_add(width)))))
    }

    /// Calls `found` with everything that starts within `[since, until)`: whole buckets from the rollups, which also hold
    /// what retention has removed; buckets that are asked for in part, from the rows that are left of them. Where times are
    /// not to be told apart, the buckets of one set of attributes and one currency come as one sum, with some start.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `found` fails with.
    pub fn each_rollup<E: From<Error>>(
        &self,
        since: Micros,
        until: Micros,
        by_time: bool,
        mut found: impl FnMut(&Rollup) -> Result<(), E>,
    ) -> Result<(), E> {
        if since >= until {
            return Ok(());
        }
        let width = self.rollup_seconds()?.saturating_mul(1_000_000);
        // The first and last border of whole buckets.
        let from = if since == i64::MIN { since } else { -(-since).div_euclid(width) * width };
        let to = if until == i64::MAX { until } else { until.div_euclid(width) * width };
        if from >= to {
            return self.each_row(since, until, |_| true, |row| found(&Rollup::of(row)));
        }
        if since < from {
            self.each_row(since, from, |_| true, |row| found(&Rollup::of(row)))?;
        }
        self.each_whole_rollup(from, to, by_time, &mut found)?;
        self.each_unfolded_row(from, to, |row| found(&Rollup::of(row)))?;
        if to < until {
            self.each_row(to, until, |_| true, |row| found(&Rollup::of(row)))?;
        }
        Ok(())
    }

    fn each_whole_rollup<E: From<Error>>(
        &self,
        from: Micros,
        to: Micros,
        by_time: bool,
        found: &mut impl FnMut(&Rollup) -> Result<(), E>,
    ) -> Result<(), E> {
        let currencies = super::intern::read_currencies(&self.connection)?;
        let within = "FROM rollups WHERE bucket >= ?1 AND bucket < ?2";
        let sql = if by_time {
            format!("SELECT bucket, attributes, currency, {} {within}", measure::columns(str::to_owned))
        } else {
            let sums = measure::columns(|column| format!("sum({column})"));
            format!("SELECT min(bucket), attributes, currency, {sums} {within} GROUP BY attributes, currency")
        };
        let mut statement = self.connection.prepare_cached(&sql).map_err(Error::from)?;
        let bounds = [from, to].map(|bound| bound.div_euclid(1_000_000));
        let mut rows = statement.query(bounds).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            let read = || -> Result<Rollup, Error> {
                let currency: u32 = row.get(2)?;
                Ok(Rollup {
                    start: row.get::<_, i64>(0)?.saturating_mul(1_000_000),
                    attributes: row.get(1)?,
                    currency: currencies.iter().find(|(id, _)| *id == currency).map(|(_, currency)| *currency),
                    measures: Measures::try_from_fn(|index| row.get::<_, i64>(index + 3))?,
                })
            };
            found(&read()?)?;
        }
        Ok(())
    }

    /// Calls `found` with the rows within `[since, until)` that the folds on disk do not hold yet.
    fn each_unfolded_row<E: From<Error>>(
        &self,
        since: Micros,
        until: Micros,
        mut found: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failure = None;
        row::each_wanted(
            &self.connection,
            self.mark,
            self.last,
            |_, _| true,
            |row| {
                if failure.is_none() && (since..until).contains(&row.start) {
                    failure = found(row).err();
                }
                Ok(())
            },
        )?;
        failure.map_or(Ok(()), Err)
    }

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
}
