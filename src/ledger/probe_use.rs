//! What looks that are completions used, and what it cost: kept beside what customers used, and never among it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::open::Error;
use crate::record::{Cost, Currency, ProbeCost, Tokens};

/// What one look that was a completion used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeUse {
    /// By whose prices it was priced; empty where none is known.
    pub provider: String,
    /// As the target's definition names it.
    pub model: String,
    /// `None` where the endpoint did not tell.
    pub tokens: Option<Tokens>,
    /// `None` where it is unpriced or the tokens are not known.
    pub cost: Option<Cost>,
    /// The ledger's id of the price row; 0 for none.
    pub price_row: u32,
}

/// Sums by bucket, target, provider, model and code of the currency.
#[derive(Debug, Default)]
pub(super) struct Uses(BTreeMap<(i64, String, String, String, i64), ProbeCost>);

impl Uses {
    pub(super) fn observe(&mut self, bucket: i64, target: &str, used: &ProbeUse) {
        let currency = used.cost.map_or(0, |cost| cost.currency.code());
        let key = (bucket, target.to_owned(), used.provider.clone(), used.model.clone(), currency);
        let sum = self.0.entry(key).or_default();
        sum.looks += 1;
        sum.usage_missing += u64::from(used.tokens.is_none());
        sum.input_tokens += used.tokens.map_or(0, |tokens| tokens.input());
        sum.output_tokens += used.tokens.map_or(0, |tokens| tokens.output());
        sum.nanos += used.cost.map_or(0, |cost| i128::from(cost.nanos));
    }

    /// Adds them to what is kept.
    pub(super) fn write(&self, connection: &Connection, ids: &BTreeMap<String, i64>) -> Result<(), Error> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO probe_use VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (bucket, target, provider, model, currency) DO UPDATE SET
                 looks = looks + excluded.looks, usage_missing = usage_missing + excluded.usage_missing,
                 input_tokens = input_tokens + excluded.input_tokens,
                 output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost",
        )?;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for ((bucket, target, provider, model, currency), sum) in &self.0 {
            let tokens = (count(sum.input_tokens), count(sum.output_tokens));
            let nanos = i64::try_from(sum.nanos).unwrap_or(i64::MAX);
            let (looks, missing) = (count(sum.looks), count(sum.usage_missing));
            let target = ids.get(target);
            statement
                .execute((bucket, target, provider, model, currency, looks, missing, tokens.0, tokens.1, nanos))?;
        }
        Ok(())
    }
}

/// Sums of the buckets that begin within `[from, to)`, in seconds, by the target's name.
pub(super) fn read(connection: &Connection, from: i64, to: i64) -> Result<BTreeMap<String, Vec<ProbeCost>>, Error> {
    let sql = "SELECT t.name, u.provider, u.model, u.currency, sum(u.looks), sum(u.usage_missing), sum(u.input_tokens),
                      sum(u.output_tokens), sum(u.cost)
               FROM probe_use u JOIN targets t ON t.id = u.target WHERE u.bucket >= ?1 AND u.bucket < ?2
               GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((from, to))?;
    let mut uses: BTreeMap<String, Vec<ProbeCost>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        uses.entry(row.get(0)?).or_default().push(ProbeCost {
            provider: row.get(1)?,
            model: row.get(2)?,
            currency: Currency::from_code(row.get(3)?),
            looks: row.get(4)?,
            usage_missing: row.get(5)?,
            input_tokens: row.get(6)?,
            output_tokens: row.get(7)?,
            nanos: row.get::<_, i64>(8)?.into(),
        });
    }
    Ok(uses)
}

/// Brings version 2 to what version 3 keeps of completions: nothing of what they used before was priced.
pub(super) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "ALTER TABLE probe_results ADD COLUMN cache_read INTEGER;
         ALTER TABLE probe_results ADD COLUMN reasoning INTEGER;
         ALTER TABLE probe_results ADD COLUMN price_row INTEGER;
         ALTER TABLE probe_results ADD COLUMN currency INTEGER;
         ALTER TABLE probe_results ADD COLUMN cost INTEGER;",
    )?;
    connection.execute_batch(include_str!("probe_use.sql"))
}
