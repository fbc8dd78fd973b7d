//! A ledger of an older version becomes one of this version, forward only, after a copy was made beside it.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row as Stored};

use super::intern::{CurrencyId, read_currencies};
use super::open::{Error, SCHEMA_VERSION, at, copy, file};
use super::row::{self, StoredId};
use crate::record::{Cost, Currency, Row, Tokens};

/// Where the copy of an older version is kept.
fn copy_path(path: &Path, version: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".version-{version}"));
    PathBuf::from(name)
}

/// Brings a ledger that `connection` has open at `path` from `version` to this program's version.
///
/// # Errors
/// The copy or the new tables cannot be written: the ledger is as it was.
pub(super) fn migrate(connection: &Connection, path: &Path, version: i64) -> Result<(), Error> {
    let target = copy_path(path, version);
    let mut partial = target.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    tracing::info!(from = version, to = SCHEMA_VERSION, copy = %target.display(), "bringing the ledger to a newer version");
    // What an earlier try left behind.
    let _ = fs::remove_file(&partial);
    copy(connection, &partial, |_, _| {})?;
    fs::rename(&partial, &target).map_err(file("name the copy of the ledger", &target))?;
    let transaction = connection.unchecked_transaction()?;
    if version < 2 {
        pack_requests(&transaction).map_err(|error| super::open::name_path(error, path))?;
        // Rows of version 1 belong to no part: what is needed to find it was not kept.
        transaction.execute_batch(include_str!("sessions.sql")).map_err(at(path))?;
        transaction.execute_batch(include_str!("availability.sql")).map_err(at(path))?;
        transaction.execute_batch(include_str!("probe_use.sql")).map_err(at(path))?;
    } else if version < 3 {
        super::probe_use::migrate(&transaction).map_err(at(path))?;
    }
    if version < 3 {
        super::migrate_folds::migrate(&transaction).map_err(|error| super::open::name_path(error, path))?;
    }
    // What is packed of parts and of days comes little by little.
    transaction.execute_batch(include_str!("packed.sql")).map_err(at(path))?;
    // Whether every request named the user was not kept; their rows say, until they go.
    transaction.execute_batch("UPDATE parts SET mixed_users = mixed_users | 2 WHERE user <> 0").map_err(at(path))?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit().map_err(at(path))?;
    Ok(())
}

/// Columns of version 1, in the order in which [`unpacked`] reads them.
const COLUMNS: &str = "id, start, duration, first_token, attributes, user, session, tools, chat_round, status, flags, \
     uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning, currency, cost, savings, \
     logged_currency, logged_cost, price_row, key, request_id, trace_id";

/// Version 1 had a column for each value of a request; version 2 has one blob.
fn pack_requests(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(
        "ALTER TABLE requests RENAME TO requests_1;
         CREATE TABLE requests (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;",
    )?;
    let currencies = read_currencies(connection)?;
    let mut insert = connection.prepare("INSERT INTO requests (id, data) VALUES (?1, ?2)")?;
    let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM requests_1 ORDER BY id"))?;
    let mut rows = select.query([])?;
    let mut bytes = Vec::new();
    while let Some(stored) = rows.next()? {
        let row = unpacked(stored, &currencies)?;
        let request_id = match stored.get_ref(24)? {
            ValueRef::Blob(blob) => blob.try_into().map_or(StoredId::None, StoredId::Uuid),
            ValueRef::Text(text) => StoredId::Text(text),
            _ => StoredId::None,
        };
        bytes.clear();
        row::encode(&row, request_id, &mut bytes);
        insert.execute((row.id, &bytes))?;
    }
    drop(rows);
    drop(select);
    drop(insert);
    Ok(connection.execute_batch("DROP TABLE requests_1")?)
}

fn unpacked(stored: &Stored<'_>, currencies: &[(CurrencyId, Currency)]) -> Result<Row, Error> {
    let cost = |currency: CurrencyId, nanos: Option<i64>| -> Option<Cost> {
        let (_, currency) = currencies.iter().find(|(id, _)| *id == currency)?;
        Some(Cost { nanos: nanos?, currency: *currency })
    };
    let count =
        |index: usize| -> rusqlite::Result<u64> { Ok(u64::try_from(stored.get::<_, i64>(index)?).unwrap_or(0)) };
    let blob = |index: usize| -> rusqlite::Result<Option<[u8; 16]>> {
        Ok(match stored.get_ref(index)? {
            ValueRef::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        })
    };
    let mut row = Row {
        id: stored.get(0)?,
        start: stored.get(1)?,
        duration: stored.get(2)?,
        first_token: stored.get(3)?,
        attributes: stored.get(4)?,
        user: stored.get(5)?,
        session: stored.get(6)?,
        tools: stored.get(7)?,
        chat_round: stored.get(8)?,
        status: stored.get(9)?,
        tokens: Tokens {
            uncached_input: count(11)?,
            cache_read: count(12)?,
            cache_write_5m: count(13)?,
            cache_write_1h: count(14)?,
            visible_output: count(15)?,
            reasoning: count(16)?,
        },
        cost: cost(stored.get(17)?, stored.get(18)?),
        savings_nanos: stored.get(19)?,
        logged_cost: cost(stored.get(20)?, stored.get(21)?),
        price_row: stored.get(22)?,
        key: blob(23)?.unwrap_or_default(),
        trace_id: blob(25)?,
        ..Row::default()
    };
    row::unpack_flags(count(10)?, &mut row);
    Ok(row)
}
