//! A row becomes the bytes that it is kept as, and back.
//!
//! One blob instead of a column for each value: binding and unpacking some thirty columns was most of what a row cost. The
//! form is a version, the start and the key, then variable-length numbers (LEB128, signed ones in zigzag), so that
//! the many zeros take one byte each. Row ids of the same part are written as distances, which are short. Where all times are
//! whole milliseconds, which is what gateways log, they are counted in those, and what nearly every row says has one byte.

use std::ops::ControlFlow;

use rusqlite::{Connection, Statement};

use super::batch::{Batch, Entry, RequestId};
use super::open::Error;
use crate::record::{Anomalies, Assumed, Cost, Currency, ErrorReason, Outcome, Row, Tokens};
use crate::session::Part;
use crate::wording::hex;

/// Times in microseconds, the start in 8 bytes, currencies as their letters.
const PLAIN: u8 = 1;
/// Times in milliseconds, statuses and currencies by [`short_status`] and [`currency_to`].
const SHORT: u8 = 2;

/// Currencies that take one byte: their place, counted from 1.
const KNOWN: [Currency; 2] = [Currency::USD, Currency::CNY];

/// Whether a row's times can be counted in milliseconds.
fn is_short(row: &Row) -> bool {
    let whole = |micros: Option<i64>| micros.is_none_or(|micros| micros % 1_000 == 0);
    row.start >= 0 && whole(Some(row.start)) && whole(row.duration) && whole(row.first_token)
}

/// 200, which nearly all rows have, and 0 change places, so that it takes one byte. Its own inverse.
fn short_status(status: u16) -> u16 {
    match status {
        200 => 0,
        0 => 200,
        other => other,
    }
}

fn currency_to(currency: Currency, form: u8, out: &mut Vec<u8>) {
    if form == SHORT {
        let place = KNOWN.iter().position(|known| *known == currency).map_or(0, |place| place + 1);
        out.push(u8::try_from(place).unwrap_or(0));
        if place > 0 {
            return;
        }
    }
    out.extend_from_slice(currency.as_str().as_bytes());
}

/// Rows of one INSERT statement: 25 rows cost about half of 25 statements, more gain little.
pub(super) const ROWS_PER_STATEMENT: usize = 25;

/// The statement that inserts so many rows.
pub(super) fn insert_sql(rows: usize) -> String {
    format!("INSERT INTO requests (id, data) VALUES {}", vec!["(?,?)"; rows].join(","))
}

/// A request id as it is kept: UUIDs as 16 bytes, anything else as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredId<'a> {
    None,
    Uuid([u8; 16]),
    Text(&'a [u8]),
}

impl StoredId<'_> {
    /// The id as the log had it, empty for none.
    pub(super) fn text(self) -> String {
        match self {
            StoredId::None => String::new(),
            StoredId::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            StoredId::Uuid(bytes) => {
                let mut text = hex(&bytes);
                for dash in [8, 13, 18, 23] {
                    text.insert(dash, '-');
                }
                text
            }
        }
    }
}

fn flags(row: &Row) -> u64 {
    let outcome = row.outcome.error().map_or(0, |reason| reason.index() + 1);
    outcome as u64
        | u64::from(row.usage_missing) << 4
        | u64::from(row.counted) << 5
        | u64::from(row.unpriced) << 6
        | u64::from(row.cache_ttl_known) << 7
        | u64::from(row.assumed.bits()) << 8
        | u64::from(row.anomalies.bits()) << 11
}

pub(super) fn unpack_flags(flags: u64, row: &mut Row) {
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

/// Appends a row's bytes.
pub(super) fn encode(row: &Row, request_id: StoredId<'_>, out: &mut Vec<u8>) {
    let (form, unit) = if is_short(row) { (SHORT, 1_000) } else { (PLAIN, 1) };
    out.push(form);
    if form == SHORT {
        number_to((row.start / unit).unsigned_abs(), out);
    } else {
        out.extend_from_slice(&row.start.to_le_bytes());
    }
    out.extend_from_slice(&row.key);
    let distance = |to: i64| if to == 0 { 0 } else { row.id.saturating_sub(to).unsigned_abs() };
    let part = if row.part == 0 { 0 } else { distance(row.part) + 1 };
    for number in [
        flags(row),
        u64::from(if form == SHORT { short_status(row.status) } else { row.status }),
        optional(row.duration.map(|micros| micros / unit)),
        optional(row.first_token.map(|micros| micros / unit)),
        u64::from(row.attributes),
        u64::from(row.user),
        u64::from(row.session),
        u64::from(row.tools),
        u64::from(row.chat_round),
        part,
        distance(row.previous),
        row.tokens.uncached_input,
        row.tokens.cache_read,
        row.tokens.cache_write_5m,
        row.tokens.cache_write_1h,
        row.tokens.visible_output,
        row.tokens.reasoning,
        zigzag(row.savings_nanos),
        u64::from(row.price_row),
    ] {
        number_to(number, out);
    }
    for cost in [row.cost, row.logged_cost] {
        number_to(optional(cost.map(|cost| cost.nanos)), out);
        if let Some(cost) = cost {
            currency_to(cost.currency, form, out);
        }
    }
    // 0 and 1 are no length of a text, so that they say the other two.
    match request_id {
        StoredId::None => out.push(0),
        StoredId::Uuid(bytes) => {
            out.push(1);
            out.extend_from_slice(&bytes);
        }
        StoredId::Text(bytes) => {
            number_to(bytes.len() as u64 + 2, out);
            out.extend_from_slice(bytes);
        }
    }
    if let Some(trace_id) = &row.trace_id {
        out.extend_from_slice(trace_id);
    }
}

/// Reads a row's bytes. `None` where they are no row that this program knows.
pub(super) fn decode(id: i64, bytes: &[u8]) -> Option<(Row, StoredId<'_>)> {
    let mut bytes = Bytes(bytes);
    let (form, start) = bytes.form_and_start()?;
    let unit = if form == SHORT { 1_000 } else { 1 };
    let mut row = Row { id, start, key: bytes.take()?, ..Row::default() };
    unpack_flags(bytes.number()?, &mut row);
    row.status = bytes.small()?;
    if form == SHORT {
        row.status = short_status(row.status);
    }
    let span =
        |number| Some(from_optional(number)).filter(|span| span.is_none_or(|span| span.checked_mul(unit).is_some()));
    row.duration = span(bytes.number()?)?.map(|span| span * unit);
    row.first_token = span(bytes.number()?)?.map(|span| span * unit);
    row.attributes = bytes.small()?;
    row.user = bytes.small()?;
    row.session = bytes.small()?;
    row.tools = bytes.small()?;
    row.chat_round = bytes.small()?;
    let back = |distance: u64| id.checked_sub(i64::try_from(distance).ok()?);
    row.part = match bytes.number()? {
        0 => 0,
        distance => back(distance - 1)?,
    };
    row.previous = match bytes.number()? {
        0 => 0,
        distance => back(distance)?,
    };
    row.tokens = Tokens {
        uncached_input: bytes.number()?,
        cache_read: bytes.number()?,
        cache_write_5m: bytes.number()?,
        cache_write_1h: bytes.number()?,
        visible_output: bytes.number()?,
        reasoning: bytes.number()?,
    };
    row.savings_nanos = from_zigzag(bytes.number()?);
    row.price_row = bytes.small()?;
    for cost in [&mut row.cost, &mut row.logged_cost] {
        if let Some(nanos) = from_optional(bytes.number()?) {
            let currency = bytes.currency(form)?;
            *cost = Some(Cost { nanos, currency });
        }
    }
    let request_id = match bytes.number()? {
        0 => StoredId::None,
        1 => StoredId::Uuid(bytes.take()?),
        length => StoredId::Text(bytes.slice(usize::try_from(length - 2).ok()?)?),
    };
    if !bytes.0.is_empty() {
        row.trace_id = Some(bytes.take()?);
    }
    bytes.0.is_empty().then_some((row, request_id))
}

/// Only the session and the part of a row: what tells in a fraction of the time whether the rest has to be read.
pub(super) fn membership(id: i64, bytes: &[u8]) -> Option<(u32, i64)> {
    let mut bytes = Bytes(bytes);
    bytes.form_and_start()?;
    bytes.take::<16>()?;
    for _ in 0..6 {
        bytes.number()?;
    }
    let session = bytes.small()?;
    bytes.number()?;
    bytes.number()?;
    let part = match bytes.number()? {
        0 => 0,
        distance => id.checked_sub(i64::try_from(distance - 1).ok()?)?,
    };
    Some((session, part))
}

/// What is left to read of numbers and texts.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        loop {
            let [byte] = self.take::<1>()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }

    /// The form of a row and its start in microseconds; `None` for a form that this program does not know.
    fn form_and_start(&mut self) -> Option<(u8, i64)> {
        let [form] = self.take()?;
        let start = match form {
            PLAIN => i64::from_le_bytes(self.take()?),
            SHORT => i64::try_from(self.number()?).ok()?.checked_mul(1_000)?,
            _ => return None,
        };
        Some((form, start))
    }

    fn currency(&mut self, form: u8) -> Option<Currency> {
        if form == SHORT {
            let [place] = self.take()?;
            if let Some(place) = usize::from(place).checked_sub(1) {
                return KNOWN.get(place).copied();
            }
        }
        Currency::parse(std::str::from_utf8(&self.take::<3>()?).ok()?)
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }
}

/// Appends a variable-length number.
#[inline]
pub(super) fn number_to(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// 0, -1, 1, -2 … become 0, 1, 2, 3 …
#[inline]
pub(super) fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
pub(super) fn from_zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// 0 stands for none.
#[inline]
fn optional(number: Option<i64>) -> u64 {
    number.map_or(0, |number| zigzag(number).saturating_add(1))
}

#[inline]
fn from_optional(number: u64) -> Option<i64> {
    number.checked_sub(1).map(from_zigzag)
}

/// Binds rows to the parameters of an INSERT one after the other.
pub(super) struct Binder<'a, 'c> {
    statement: &'a mut Statement<'c>,
    next: usize,
    bytes: &'a mut Vec<u8>,
}

impl<'a, 'c> Binder<'a, 'c> {
    /// `bytes` is room that is used again.
    pub(super) fn new(statement: &'a mut Statement<'c>, bytes: &'a mut Vec<u8>) -> Self {
        Binder { statement, next: 1, bytes }
    }

    pub(super) fn row(&mut self, batch: &Batch, entry: &Entry) -> rusqlite::Result<()> {
        self.bytes.clear();
        let request_id = match &entry.request_id {
            RequestId::None => StoredId::None,
            RequestId::Uuid(uuid) => StoredId::Uuid(*uuid),
            RequestId::Text(range) => StoredId::Text(batch.bytes(range)),
        };
        encode(&entry.row, request_id, self.bytes);
        self.statement.raw_bind_parameter(self.next, entry.row.id)?;
        self.statement.raw_bind_parameter(self.next + 1, self.bytes.as_slice())?;
        self.next += 2;
        Ok(())
    }

    pub(super) fn execute(self) -> rusqlite::Result<usize> {
        self.statement.raw_execute()
    }
}

/// Calls `found` with each row above `after` up to and including `until`, in their order, and its request id.
pub(super) fn each(
    connection: &Connection,
    after: i64,
    until: i64,
    mut found: impl FnMut(Row, StoredId<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement =
        connection.prepare_cached("SELECT id, data FROM requests WHERE id > ?1 AND id <= ?2 ORDER BY id")?;
    let mut rows = statement.query([after, until])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let (row, request_id) = decode_stored(id, row.get_ref(1)?.as_blob().unwrap_or_default())?;
        found(row, request_id)?;
    }
    Ok(())
}

/// Calls `found` with the bytes of each row above `after` up to and including `until`, in their order, until it breaks.
pub(super) fn each_while(
    connection: &Connection,
    after: i64,
    until: i64,
    mut found: impl FnMut(i64, &[u8]) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let mut statement =
        connection.prepare_cached("SELECT id, data FROM requests WHERE id > ?1 AND id <= ?2 ORDER BY id")?;
    let mut rows = statement.query([after, until])?;
    while let Some(row) = rows.next()? {
        if found(row.get(0)?, row.get_ref(1)?.as_blob().unwrap_or_default())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// As [`each`], but only rows whose session and part are `wanted`.
pub(super) fn each_wanted(
    connection: &Connection,
    after: i64,
    until: i64,
    wanted: impl Fn(u32, i64) -> bool,
    mut found: impl FnMut(&Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement =
        connection.prepare_cached("SELECT id, data FROM requests WHERE id > ?1 AND id <= ?2 ORDER BY id")?;
    let mut rows = statement.query([after, until])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
        if membership(id, bytes).is_none_or(|(session, part)| wanted(session, part)) {
            found(&decode_stored(id, bytes)?.0)?;
        }
    }
    Ok(())
}

/// Reads stored bytes, or says which row cannot be read.
pub(super) fn decode_stored(id: i64, bytes: &[u8]) -> Result<(Row, StoredId<'_>), Error> {
    decode(id, bytes).ok_or_else(|| Error::Stored(format!("request {id}: its bytes are no row of a known form")))
}

/// Rows with ids above `after` up to and including `until`.
pub(super) fn read_range(connection: &Connection, after: i64, until: i64) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    each(connection, after, until, |row, _| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// What `found` makes of a row and its request id; `None` where there is no row of that id.
pub(super) fn read<T>(
    connection: &Connection,
    id: i64,
    found: impl FnOnce(Row, StoredId<'_>) -> T,
) -> Result<Option<T>, Error> {
    let mut statement = connection.prepare_cached("SELECT data FROM requests WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    let Some(stored) = rows.next()? else { return Ok(None) };
    let (row, request_id) = decode_stored(id, stored.get_ref(0)?.as_blob().unwrap_or_default())?;
    Ok(Some(found(row, request_id)))
}

/// Calls `found` with the rows of a part along their chain, from the last to the first, until it breaks.
pub(super) fn each_of_part(
    connection: &Connection,
    part: &Part,
    mut found: impl FnMut(Row, StoredId<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut id = part.last_row;
    while let Some((previous, flow)) = read(connection, id, |row, request_id| (row.previous, found(row, request_id)))? {
        if flow.is_break() || previous == 0 || previous >= id {
            break;
        }
        id = previous;
    }
    Ok(())
}

/// Writes a row anew. The request id stays.
pub(super) fn update(connection: &Connection, row: &Row) -> Result<(), Error> {
    let stored: Vec<u8> =
        connection.prepare_cached("SELECT data FROM requests WHERE id = ?1")?.query_row([row.id], |row| row.get(0))?;
    let (_, request_id) = decode_stored(row.id, &stored)?;
    let mut bytes = Vec::with_capacity(stored.len() + 16);
    encode(row, request_id, &mut bytes);
    connection.prepare_cached("UPDATE requests SET data = ?2 WHERE id = ?1")?.execute((row.id, bytes))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Anomaly;
    use proptest::prelude::*;

    #[test]
    fn zigzag_is_its_own_inverse_at_the_ends() {
        for number in [0, 1, -1, 63, -64, i64::MAX, i64::MIN] {
            assert_eq!(from_zigzag(zigzag(number)), number);
        }
        for number in [None, Some(0), Some(-1), Some(i64::MAX)] {
            assert_eq!(from_optional(optional(number)), number);
        }
    }

    #[test]
    fn an_ordinary_row_is_short() {
        let row = Row {
            id: 1_000_000,
            start: 1_795_000_000_000_000,
            duration: Some(2_345_000),
            attributes: 300,
            status: 200,
            tokens: Tokens { uncached_input: 900, visible_output: 300, ..Tokens::default() },
            cost: Some(Cost { nanos: 5_625_000, currency: Currency::USD }),
            ..Row::default()
        };
        let mut bytes = Vec::new();
        encode(&row, StoredId::Uuid([7; 16]), &mut bytes);
        assert!(bytes.len() < 72, "{} bytes", bytes.len());
        let microseconds = Row { duration: Some(2_345_678), ..row };
        bytes.clear();
        encode(&microseconds, StoredId::Uuid([7; 16]), &mut bytes);
        assert!((72..80).contains(&bytes.len()), "{} bytes", bytes.len());
    }

    fn rows() -> impl Strategy<Value = Row> {
        let numbers =
            (0_i64..i64::MAX, any::<i64>(), proptest::option::of(0..i64::MAX), any::<[u32; 7]>(), any::<u16>());
        let currency = prop_oneof![Just(Currency::CNY), Just(Currency::USD), Just(Currency::parse("JPY").unwrap())];
        let cost = || {
            let amount = (0..i64::MAX, currency.clone());
            proptest::option::of(amount.prop_map(|(nanos, currency)| Cost { nanos, currency }))
        };
        let rest = (any::<[u64; 6]>(), cost(), cost(), any::<[u8; 16]>(), any::<bool>(), 0_u16..1 << 8, any::<u8>());
        (numbers, rest).prop_map(|((id, start, span, ids, status), (tokens, cost, logged_cost, key, on, odd, kind))| {
            let [attributes, user, session, tools, chat_round, price_row, back] = ids;
            let [uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning] = tokens;
            let mut anomalies = Anomalies::default();
            Anomaly::ALL
                .iter()
                .enumerate()
                .filter(|(at, _)| odd >> at & 1 == 1)
                .for_each(|(_, one)| anomalies.insert(*one));
            // As gateways log them, and as they may be.
            let unit = if kind & 8 == 0 { 1_000 } else { 1 };
            let (start, span) = (start / unit * unit, span.map(|span| span / 2 / unit * unit));
            let status = [200, 0, status][usize::from(kind >> 4) % 3];
            let part = if on { id - i64::from(back).min(id - 1).max(0) } else { 0 };
            Row {
                id,
                start,
                duration: span,
                first_token: span.map(|span| span / unit / 2 * unit),
                attributes,
                user,
                session,
                tools,
                chat_round,
                part,
                previous: if part == id { 0 } else { part },
                status,
                outcome: match usize::from(kind) % (ErrorReason::ALL.len() + 1) {
                    0 => Outcome::Success,
                    at => Outcome::Error(ErrorReason::ALL[at - 1]),
                },
                usage_missing: on,
                counted: !on,
                tokens: Tokens {
                    uncached_input,
                    cache_read,
                    cache_write_5m,
                    cache_write_1h,
                    visible_output,
                    reasoning,
                },
                anomalies,
                assumed: Assumed::from_bits(kind & 7),
                unpriced: on,
                cache_ttl_known: !on,
                cost,
                savings_nanos: start,
                logged_cost,
                price_row,
                key,
                trace_id: on.then_some(key),
            }
        })
    }

    proptest! {
        #[test]
        fn a_row_survives_storage(row in rows(), text in "[a-z]{0,40}", kind in 0..3) {
            let uuid = [3; 16];
            let id = match kind {
                0 => StoredId::None,
                1 => StoredId::Uuid(uuid),
                _ => StoredId::Text(text.as_bytes()),
            };
            let mut bytes = Vec::new();
            encode(&row, id, &mut bytes);
            prop_assert_eq!(decode(row.id, &bytes), Some((row, id)));
            prop_assert_eq!(membership(row.id, &bytes), Some((row.session, row.part)));
            bytes.push(0);
            prop_assert_eq!(decode(row.id, &bytes), None);
        }

        #[test]
        fn any_bytes_are_a_row_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(5, &bytes);
            let _ = membership(5, &bytes);
        }
    }

    #[test]
    fn a_uuid_is_shown_as_it_was_logged() {
        let bytes = [0x65, 0x13, 0x27, 0x0e, 0x26, 0x9e, 0x4d, 0x37, 0xb2, 0xa7, 0x4d, 0xe4, 0x52, 0xe6, 0xb4, 0x38];
        assert_eq!(StoredId::Uuid(bytes).text(), "6513270e-269e-4d37-b2a7-4de452e6b438");
        assert_eq!((StoredId::Text(b"r-1").text(), StoredId::None.text()), ("r-1".to_owned(), String::new()));
    }
}
