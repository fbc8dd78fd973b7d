//! A full block's rows, column by column: what lists are filtered and ordered by and what sums are made of.
//!
//! A copy of some values of the rows in a form in which a column is read on its own and any place of it at once: the
//! difference to the column's least value, in as many bits as the largest difference needs. Attributes, users and what is
//! said of the ending are numbers of the block's own lists, so that a block without a wanted value is told by its list.
//! Written once, when the block is full; the rows behind the last full block are read themselves.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _};

use super::fold::BLOCK_ROWS;
use super::open::Error;
use super::packed::Packed;
use super::request_view::NO_VALUE;
use super::row;
use crate::record::{Assumed, Cost, Currency, ErrorReason, Outcome, Row, Tokens};

/// What is kept of a block, by the number under which it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Least and largest of [`Stat`], in turn.
    Stats,
    /// The block's attributes, in the order in which they came up.
    AttributeIds,
    /// The block's users.
    UserIds,
    /// The block's [`Class`]es.
    Classes,
    Start,
    /// Place in `AttributeIds`.
    Attributes,
    /// Place in `UserIds`.
    User,
    /// Place in `Classes`.
    Class,
    Duration,
    FirstToken,
    UncachedInput,
    CacheRead,
    CacheWrite5m,
    CacheWrite1h,
    VisibleOutput,
    Reasoning,
    Cost,
    Savings,
    PriceRow,
}

/// Columns that hold a value of each row.
const COUNT: usize = 19;

/// Stored numbers between one block's first column and the next block's.
const STRIDE: i64 = 32;

impl Column {
    const TOKENS: [Column; 6] = [
        Column::UncachedInput,
        Column::CacheRead,
        Column::CacheWrite5m,
        Column::CacheWrite1h,
        Column::VisibleOutput,
        Column::Reasoning,
    ];

    fn id(self, block: i64) -> i64 {
        block * STRIDE + self as i64
    }
}

/// Of which values least and largest are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stat {
    Start,
    Duration,
    FirstToken,
    Tokens,
    Cost,
}

impl Stat {
    const COUNT: usize = 5;

    fn of(row: &Row) -> [i64; Stat::COUNT] {
        [
            row.start,
            row.duration.unwrap_or(NO_VALUE),
            row.first_token.unwrap_or(NO_VALUE),
            i64::try_from(row.tokens.total()).unwrap_or(i64::MAX),
            row.cost.map_or(NO_VALUE, |cost| cost.nanos),
        ]
    }
}

/// What many rows share of how they ended, packed: status, outcome, flags, and the currency of the cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(i64);

impl Class {
    fn of(row: &Row) -> Class {
        let outcome = row.outcome.error().map_or(0, |reason| reason.index() + 1);
        Class(
            i64::from(row.status)
                | i64::try_from(outcome).unwrap_or(0) << 16
                | i64::from(row.usage_missing) << 20
                | i64::from(row.unpriced) << 21
                | i64::from(row.assumed.bits()) << 22
                | i64::from(row.counted) << 25
                | row.cost.map_or(0, |cost| cost.currency.code()) << 26,
        )
    }

    /// Puts it into a row; the cost's amount is put in by who knows it.
    pub(super) fn fill(self, row: &mut Row) {
        let bits = |shift: u32, width: u32| u16::try_from((self.0 >> shift) & ((1 << width) - 1)).unwrap_or(0);
        row.status = bits(0, 16);
        row.outcome = match usize::from(bits(16, 4)) {
            0 => Outcome::Success,
            code => ErrorReason::ALL.get(code - 1).map_or(Outcome::Success, |reason| Outcome::Error(*reason)),
        };
        row.usage_missing = bits(20, 1) == 1;
        row.unpriced = bits(21, 1) == 1;
        row.assumed = Assumed::from_bits(u8::try_from(bits(22, 3)).unwrap_or(0));
        row.counted = bits(25, 1) == 1;
        row.cost = self.currency().map(|currency| Cost { nanos: 0, currency });
    }

    pub(super) fn currency(self) -> Option<Currency> {
        Currency::from_code(self.0 >> 26)
    }
}

/// The columns of a block that is being filled.
#[derive(Debug, Default)]
pub(super) struct Builder {
    columns: [Vec<i64>; COUNT],
    stats: Option<[(i64, i64); Stat::COUNT]>,
    places: [HashMap<i64, i64, RandomState>; 3],
}

impl Builder {
    fn put(&mut self, column: Column, value: i64) {
        if let Some(values) = self.columns.get_mut(column as usize) {
            values.push(value);
        }
    }

    /// Puts a value's place in a list, which it joins if it is new.
    fn put_listed(&mut self, (list, column): (Column, Column), index: usize, value: i64) {
        let Some(places) = self.places.get_mut(index) else { return };
        let next = i64::try_from(places.len()).unwrap_or(i64::MAX);
        let place = *places.entry(value).or_insert(next);
        if place == next {
            self.put(list, value);
        }
        self.put(column, place);
    }

    pub(super) fn observe(&mut self, row: &Row) {
        self.put(Column::Start, row.start);
        self.put_listed((Column::AttributeIds, Column::Attributes), 0, row.attributes.into());
        self.put_listed((Column::UserIds, Column::User), 1, row.user.into());
        self.put_listed((Column::Classes, Column::Class), 2, Class::of(row).0);
        self.put(Column::Duration, row.duration.unwrap_or(NO_VALUE));
        self.put(Column::FirstToken, row.first_token.unwrap_or(NO_VALUE));
        let Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning } =
            row.tokens;
        let counts = [uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning];
        for (column, count) in Column::TOKENS.into_iter().zip(counts) {
            self.put(column, i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.put(Column::Cost, row.cost.map_or(NO_VALUE, |cost| cost.nanos));
        self.put(Column::Savings, row.savings_nanos);
        self.put(Column::PriceRow, row.price_row.into());
        let values = Stat::of(row);
        let stats = self.stats.get_or_insert_with(|| values.map(|value| (value, value)));
        for ((least, largest), value) in stats.iter_mut().zip(values) {
            *least = (*least).min(value);
            *largest = (*largest).max(value);
        }
    }

    /// The stored form of all columns of a block; the builder is empty then.
    pub(super) fn finish(&mut self, block: i64) -> Vec<(i64, Vec<u8>)> {
        let stats: Vec<i64> =
            self.stats.take().into_iter().flatten().flat_map(|(least, largest)| [least, largest]).collect();
        if let Some(values) = self.columns.first_mut() {
            *values = stats;
        }
        let stored =
            (0_i64..).zip(&self.columns).map(|(column, values)| (block * STRIDE + column, Packed::encode(values)));
        let stored = stored.collect();
        self.columns.iter_mut().for_each(Vec::clear);
        self.places.iter_mut().for_each(HashMap::clear);
        stored
    }
}

/// Writes columns within the transaction that is open.
pub(super) fn write(connection: &Connection, columns: &[(i64, Vec<u8>)]) -> Result<(), Error> {
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO columns (id, data) VALUES (?1, ?2)")?;
    for column in columns {
        insert.execute((column.0, &column.1))?;
    }
    Ok(())
}

/// Writes the columns of a full block from its rows, within the transaction that is open.
pub(super) fn write_anew(connection: &Connection, block: i64) -> Result<(), Error> {
    let mut builder = Builder::default();
    row::each(connection, block * BLOCK_ROWS - 1, (block + 1) * BLOCK_ROWS - 1, |row, _| {
        builder.observe(&row);
        Ok(())
    })?;
    write(connection, &builder.finish(block))
}

/// Removes a block's columns within the transaction that is open.
pub(super) fn remove(connection: &Connection, block: i64) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM columns WHERE id >= ?1 AND id < ?2")?
        .execute((block * STRIDE, (block + 1) * STRIDE))?;
    Ok(())
}

/// A full block whose columns are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    connection: &'a Connection,
    pub(super) number: i64,
}

impl<'a> Block<'a> {
    pub(super) fn new(connection: &'a Connection, number: i64) -> Block<'a> {
        Block { connection, number }
    }

    /// Id of its first row: they are counted from 1.
    pub(super) fn first(&self) -> i64 {
        (self.number * BLOCK_ROWS).max(1)
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        usize::try_from((self.number + 1) * BLOCK_ROWS - self.first()).unwrap_or(0)
    }

    pub(super) fn column(&self, column: Column) -> Result<Packed, Error> {
        let mut statement = self.connection.prepare_cached("SELECT data FROM columns WHERE id = ?1")?;
        let read = |row: &rusqlite::Row<'_>| Ok(Packed::decode(row.get_ref(0)?.as_blob().unwrap_or_default()));
        let stored = statement.query_row([column.id(self.number)], read).optional()?;
        stored.flatten().ok_or_else(|| Error::Stored(format!("block {}: its {column:?} cannot be read", self.number)))
    }

    /// Least and largest of a value. That of requests without one counts as the least of all.
    pub(super) fn stat(&self, stat: Stat) -> Result<(i64, i64), Error> {
        let stats = self.column(Column::Stats)?;
        Ok((stats.get(stat as usize * 2), stats.get(stat as usize * 2 + 1)))
    }

    /// A list's entries, by their places.
    pub(super) fn list(&self, list: Column) -> Result<Vec<u32>, Error> {
        let packed = self.column(list)?;
        let mut entries = Vec::new();
        packed.unpack(packed.len(), &mut entries);
        Ok(entries.into_iter().map(|entry| u32::try_from(entry).unwrap_or(0)).collect())
    }

    pub(super) fn classes(&self) -> Result<Vec<Class>, Error> {
        let packed = self.column(Column::Classes)?;
        Ok((0..packed.len()).map(|place| Class(packed.get(place))).collect())
    }

    /// The six columns of tokens.
    pub(super) fn tokens(&self) -> Result<TokenColumns, Error> {
        let [input, read, write_5m, write_1h, output, reasoning] = Column::TOKENS.map(|column| self.column(column));
        Ok(TokenColumns([input?, read?, write_5m?, write_1h?, output?, reasoning?]))
    }
}

/// Tokens by kind.
#[derive(Debug)]
pub(super) struct TokenColumns([Packed; 6]);

impl TokenColumns {
    pub(super) fn get(&self, place: usize) -> Tokens {
        let [uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning] =
            self.0.each_ref().map(|column| u64::try_from(column.get(place)).unwrap_or(0));
        Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning }
    }

    pub(super) fn total(&self, place: usize) -> i64 {
        self.0.iter().fold(0, |sum, column| sum.saturating_add(column.get(place)))
    }
}
