//! Rows to SQL and back.

use rusqlite::types::{Null, ToSql, Value, ValueRef};
use rusqlite::{Connection, Statement};

use super::batch::{Batch, Entry, RequestId};
use super::intern::CurrencyId;
use super::open::Error;
use crate::record::{Anomalies, Assumed, Cost, Currency, ErrorReason, Outcome, Row, Tokens};

/// Columns in the order in which they are bound and read.
const COLUMNS: &str = "id, start, duration, first_token, attributes, user, session, tools, chat_round, status, flags, \
     uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning, currency, cost, savings, \
     logged_currency, logged_cost, price_row, key, request_id, trace_id";
const WIDTH: usize = 26;

/// Rows of one INSERT statement: 25 rows cost about half of 25 statements, more gain little.
pub(super) const ROWS_PER_STATEMENT: usize = 25;

/// The statement that inserts so many rows.
pub(super) fn insert_sql(rows: usize) -> String {
    let one = format!("({})", vec!["?"; WIDTH].join(","));
    format!("INSERT INTO requests ({COLUMNS}) VALUES {}", vec![one; rows].join(","))
}

fn flags(row: &Row) -> i64 {
    let outcome = row.outcome.error().map_or(0, |reason| reason.index() + 1);
    i64::try_from(outcome).unwrap_or(0)
        | i64::from(row.usage_missing) << 4
        | i64::from(row.counted) << 5
        | i64::from(row.unpriced) << 6
        | i64::from(row.cache_ttl_known) << 7
        | i64::from(row.assumed.bits()) << 8
        | i64::from(row.anomalies.bits()) << 11
}

fn unpack_flags(flags: i64, row: &mut Row) {
    let bits = |shift: u32, width: u32| u16::try_from((flags >> shift) & ((1 << width) - 1)).unwrap_or(0);
    row.outcome = match bits(0, 4) {
        0 => Outcome::Success,
        code => ErrorReason::ALL.get(usize::from(code) - 1).map_or(Outcome::Success, |reason| Outcome::Error(*reason)),
    };
    row.usage_missing = bits(4, 1) == 1;
    row.counted = bits(5, 1) == 1;
    row.unpriced = bits(6, 1) == 1;
    row.cache_ttl_known = bits(7, 1) == 1;
    row.assumed = Assumed::from_bits(u8::try_from(bits(8, 3)).unwrap_or(0));
    row.anomalies = Anomalies::from_bits(bits(11, 16));
}

/// Binds values to the parameters of an INSERT one after the other.
pub(super) struct Binder<'a, 'c> {
    statement: &'a mut Statement<'c>,
    next: usize,
}

impl<'a, 'c> Binder<'a, 'c> {
    pub(super) fn new(statement: &'a mut Statement<'c>) -> Self {
        Binder { statement, next: 1 }
    }

    fn bind(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.statement.raw_bind_parameter(self.next, value)?;
        self.next += 1;
        Ok(())
    }

    pub(super) fn row(&mut self, batch: &Batch, entry: &Entry, currencies: [CurrencyId; 2]) -> rusqlite::Result<()> {
        let row = &entry.row;
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        self.bind(row.id)?;
        self.bind(row.start)?;
        self.bind(row.duration)?;
        self.bind(row.first_token)?;
        self.bind(row.attributes)?;
        self.bind(row.user)?;
        self.bind(row.session)?;
        self.bind(row.tools)?;
        self.bind(row.chat_round)?;
        self.bind(row.status)?;
        self.bind(flags(row))?;
        self.bind(count(row.tokens.uncached_input))?;
        self.bind(count(row.tokens.cache_read))?;
        self.bind(count(row.tokens.cache_write_5m))?;
        self.bind(count(row.tokens.cache_write_1h))?;
        self.bind(count(row.tokens.visible_output))?;
        self.bind(count(row.tokens.reasoning))?;
        let [currency, logged_currency] = currencies;
        self.bind(currency)?;
        self.bind(row.cost.map(|cost| cost.nanos))?;
        self.bind(row.savings_nanos)?;
        self.bind(logged_currency)?;
        self.bind(row.logged_cost.map(|cost| cost.nanos))?;
        self.bind(row.price_row)?;
        self.bind(row.key.as_slice())?;
        match &entry.request_id {
            RequestId::None => self.bind(Null)?,
            RequestId::Uuid(uuid) => self.bind(uuid.as_slice())?,
            RequestId::Text(range) => self.bind(String::from_utf8_lossy(batch.bytes(range)).as_ref())?,
        }
        self.bind(row.trace_id.as_ref().map(<[u8; 16]>::as_slice))
    }

    pub(super) fn execute(self) -> rusqlite::Result<usize> {
        self.statement.raw_execute()
    }
}

/// The codes of currencies by their dictionary id.
pub(super) fn currencies(connection: &Connection) -> Result<Vec<(CurrencyId, Currency)>, Error> {
    let mut statement = connection.prepare_cached("SELECT id, value FROM names WHERE kind = 4")?;
    let mut rows = statement.query([])?;
    let mut currencies = Vec::new();
    while let Some(row) = rows.next()? {
        let code: String = row.get(1)?;
        let currency = Currency::parse(&code).ok_or_else(|| Error::Stored(format!("currency {code:?}")))?;
        currencies.push((row.get(0)?, currency));
    }
    Ok(currencies)
}

/// Rows with ids above `after` up to and including `until`.
pub(super) fn read_range(connection: &Connection, after: i64, until: i64) -> Result<Vec<Row>, Error> {
    let known = currencies(connection)?;
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM requests WHERE id > ?1 AND id <= ?2 ORDER BY id"))?;
    let mut found = statement.query([after, until])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row, &known)?);
    }
    Ok(rows)
}

fn read(row: &rusqlite::Row<'_>, currencies: &[(CurrencyId, Currency)]) -> Result<Row, Error> {
    let cost = |currency: CurrencyId, nanos: Option<i64>| -> Option<Cost> {
        let (_, currency) = currencies.iter().find(|(id, _)| *id == currency)?;
        Some(Cost { nanos: nanos?, currency: *currency })
    };
    let count = |index: usize| -> rusqlite::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0)) };
    let blob = |index: usize| -> rusqlite::Result<Option<[u8; 16]>> {
        Ok(match row.get_ref(index)? {
            ValueRef::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        })
    };
    let mut read = Row {
        id: row.get(0)?,
        start: row.get(1)?,
        duration: row.get(2)?,
        first_token: row.get(3)?,
        attributes: row.get(4)?,
        user: row.get(5)?,
        session: row.get(6)?,
        tools: row.get(7)?,
        chat_round: row.get(8)?,
        status: row.get(9)?,
        tokens: Tokens {
            uncached_input: count(11)?,
            cache_read: count(12)?,
            cache_write_5m: count(13)?,
            cache_write_1h: count(14)?,
            visible_output: count(15)?,
            reasoning: count(16)?,
        },
        cost: cost(row.get(17)?, row.get(18)?),
        savings_nanos: row.get(19)?,
        logged_cost: cost(row.get(20)?, row.get(21)?),
        price_row: row.get(22)?,
        key: blob(23)?.unwrap_or_default(),
        trace_id: blob(25)?,
        ..Row::default()
    };
    unpack_flags(row.get(10)?, &mut read);
    Ok(read)
}

/// Writes what pricing says of a row anew.
pub(super) fn update_price(connection: &Connection, row: &Row, currency: CurrencyId) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE requests SET currency = ?2, cost = ?3, savings = ?4, price_row = ?5, flags = ?6 WHERE id = ?1",
    )?;
    let cost = row.cost.map_or(Value::Null, |cost| Value::Integer(cost.nanos));
    statement.execute((row.id, currency, cost, row.savings_nanos, row.price_row, flags(row)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Anomaly;

    #[test]
    fn flags_survive_storage() {
        let mut anomalies = Anomalies::default();
        for anomaly in Anomaly::ALL {
            anomalies.insert(*anomaly);
        }
        let full = Row {
            outcome: Outcome::Error(ErrorReason::Gateway),
            usage_missing: true,
            counted: true,
            unpriced: true,
            cache_ttl_known: true,
            assumed: Assumed::from_bits(7),
            anomalies,
            ..Row::default()
        };
        for row in [full, Row { counted: true, ..Row::default() }, Row::default()] {
            let mut read = Row::default();
            unpack_flags(flags(&row), &mut read);
            assert_eq!(read, row);
        }
    }

    #[test]
    fn the_width_is_the_number_of_columns() {
        assert_eq!(COLUMNS.split(',').count(), WIDTH);
    }
}
