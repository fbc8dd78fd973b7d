//! Partitions: some thousands of conversations in log order whose text lies in tables of their own.
//!
//! Rows of a B-tree are moved between its pages when others come and go, and copies stay behind in what is free of a page. So
//! nothing is ever deleted out of a partition: what is to stay is copied to new tables and the old ones are dropped, of which
//! `secure_delete` overwrites every page. That takes as long as a partition is large, and says when it is done.

use rusqlite::{Connection, OptionalExtension as _};

use super::error::Error;
use crate::record::Micros;

/// Most conversations of one.
pub(super) const MAX_CONVERSATIONS: i64 = 16_384;
/// Most bytes of bodies of one.
pub(super) const MAX_BYTES: i64 = 32 << 20;

/// One partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) id: i64,
    /// No row of it comes before.
    pub(super) first_row: i64,
    pub(super) first_start: Micros,
    pub(super) last_start: Micros,
    pub(super) conversations: i64,
    pub(super) bytes: i64,
    /// The last row whose words are in the index.
    pub(super) indexed_through: i64,
}

const COLUMNS: &str = "id, first_row, first_start, last_start, conversations, bytes, indexed_through";

impl Partition {
    /// All partitions, in log order.
    pub(super) fn all(connection: &Connection) -> Result<Vec<Partition>, Error> {
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM partitions ORDER BY first_row"))?;
        let partitions = statement.query_map([], Partition::read)?;
        Ok(partitions.collect::<Result<_, _>>()?)
    }

    /// The one that a row lies in.
    pub(super) fn of(connection: &Connection, row: i64) -> Result<Option<Partition>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM partitions WHERE first_row <= ?1 ORDER BY first_row DESC LIMIT 1");
        Ok(connection.prepare_cached(&sql)?.query_row([row], Partition::read).optional()?)
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Partition> {
        Ok(Partition {
            id: row.get(0)?,
            first_row: row.get(1)?,
            first_start: row.get(2)?,
            last_start: row.get(3)?,
            conversations: row.get(4)?,
            bytes: row.get(5)?,
            indexed_through: row.get(6)?,
        })
    }

    /// Whether another conversation belongs to the next one.
    pub(super) fn is_full(&self) -> bool {
        self.conversations >= MAX_CONVERSATIONS || self.bytes >= MAX_BYTES
    }

    /// Makes an empty one that begins with a row. Ids are never given twice.
    pub(super) fn make(connection: &Connection, first_row: i64) -> Result<Partition, Error> {
        let id = next_id(connection)?;
        let partition =
            Partition { id, first_row, first_start: Micros::MAX, last_start: Micros::MIN, ..Partition::default() };
        make_tables(connection, id)?;
        partition.write(connection)?;
        Ok(partition)
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<(), Error> {
        let sql = format!("INSERT OR REPLACE INTO partitions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
        connection.prepare_cached(&sql)?.execute((
            self.id,
            self.first_row,
            self.first_start,
            self.last_start,
            self.conversations,
            self.bytes,
            self.indexed_through,
        ))?;
        Ok(())
    }

    /// Drops it with all its text.
    pub(super) fn drop_tables(&self, connection: &Connection) -> Result<(), Error> {
        let id = self.id;
        connection.execute_batch(&format!(
            "DROP TABLE bodies_{id}; DROP TABLE words_{id}; DELETE FROM partitions WHERE id = {id}"
        ))?;
        Ok(())
    }

    /// Copies the bodies of those conversations of it that are there and not erased to new tables, and drops the old ones. Its words
    /// are to be indexed anew. One that is left empty is dropped.
    pub(super) fn rewrite(&self, connection: &Connection) -> Result<(), Error> {
        let id = next_id(connection)?;
        make_tables(connection, id)?;
        connection.execute_batch(&format!(
            "INSERT INTO bodies_{id} (row, data) SELECT b.row, b.data FROM bodies_{old} b
             JOIN conversations c ON c.row = b.row WHERE c.flags & 2 = 0 ORDER BY b.row",
            old = self.id
        ))?;
        let rewritten = connection.query_row(
            &format!(
                "SELECT count(*), coalesce(sum(length(b.data)), 0), coalesce(min(c.start), 0), coalesce(max(c.start), 0)
                 FROM bodies_{id} b JOIN conversations c ON c.row = b.row"
            ),
            [],
            |row| {
                Ok(Partition {
                    id,
                    first_row: self.first_row,
                    conversations: row.get(0)?,
                    bytes: row.get(1)?,
                    first_start: row.get(2)?,
                    last_start: row.get(3)?,
                    indexed_through: 0,
                })
            },
        )?;
        self.drop_tables(connection)?;
        rewritten.write(connection)?;
        if rewritten.conversations == 0 {
            rewritten.drop_tables(connection)?;
        }
        Ok(())
    }
}

fn next_id(connection: &Connection) -> Result<i64, Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO facts (key, value) VALUES ('partition', 1)
         ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
    )?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Words of scripts with and without spaces, letters without their marks: each character of the latter is a word, see
/// [`super::words`].
fn make_tables(connection: &Connection, id: i64) -> Result<(), Error> {
    connection.execute_batch(&format!(
        "CREATE TABLE bodies_{id} (row INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
         CREATE VIRTUAL TABLE words_{id} USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');"
    ))?;
    Ok(())
}
