//! A SQLite file of its own that other programs read: opened, filled and kept in step by whoever knows what belongs in it.
//!
//! Only this folder names the database crate, so what is written comes as plain values. The file is no ledger: nothing reads
//! it back but the facts about how far it has come.

use std::path::Path;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension as _, ToSql};

use super::open::{Error, at};

/// `application_id` of such a file: "tokv".
const APPLICATION_ID: i64 = 0x746f_6b76;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(String),
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            SqlValue::Null => Ok(ToSqlOutput::from(rusqlite::types::Null)),
            SqlValue::Integer(value) => Ok(ToSqlOutput::from(*value)),
            SqlValue::Real(value) => Ok(ToSqlOutput::from(*value)),
            SqlValue::Text(value) => value.to_sql(),
        }
    }
}

/// The file, in one transaction from its opening to [`SqlFile::commit`]: a reader sees all of an update or nothing.
#[derive(Debug)]
pub struct SqlFile {
    connection: Connection,
}

impl SqlFile {
    /// Opens or makes the file. `schema` is run where it is new, or where it has another `version`, after all that was in it
    /// is dropped. Returns whether it is empty.
    ///
    /// # Errors
    /// It is another program's database, or cannot be written.
    pub fn open(path: &Path, version: i64, schema: &str) -> Result<(SqlFile, bool), Error> {
        let connection = Connection::open(path).map_err(at(path))?;
        connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(at(path))?;
        let pragma =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(at(path));
        let (application, found) = (pragma("application_id")?, pragma("user_version")?);
        let objects: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(at(path))?;
        if objects > 0 && application != APPLICATION_ID {
            return Err(Error::Foreign(path.to_owned()));
        }
        connection.execute_batch("BEGIN IMMEDIATE").map_err(at(path))?;
        let is_new = objects == 0 || found != version;
        let file = SqlFile { connection };
        if is_new {
            file.drop_all()?;
            file.connection.execute_batch(schema)?;
            file.connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            file.connection.pragma_update(None, "user_version", version)?;
        }
        Ok((file, is_new))
    }

    fn drop_all(&self) -> Result<(), Error> {
        let sql = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND type IN ('view', 'table')
                   ORDER BY type DESC";
        let mut statement = self.connection.prepare(sql)?;
        let objects: Vec<(String, String)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(statement);
        for (kind, name) in objects {
            self.connection.execute_batch(&format!("DROP {kind} \"{}\"", name.replace('"', "\"\"")))?;
        }
        Ok(())
    }

    /// Runs a statement with its values. Returns how many rows it changed.
    ///
    /// # Errors
    /// The statement or the file is at fault.
    pub fn execute(&self, sql: &str, values: &[SqlValue]) -> Result<usize, Error> {
        Ok(self.connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?)
    }

    /// The one whole number that a query gives; `None` where it gives no row or NULL.
    ///
    /// # Errors
    /// The statement or the file is at fault.
    pub fn number(&self, sql: &str, values: &[SqlValue]) -> Result<Option<i64>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found: Option<Option<i64>> =
            statement.query_row(rusqlite::params_from_iter(values), |row| row.get(0)).optional()?;
        Ok(found.flatten())
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// The file cannot be written; it is as it was.
    pub fn commit(self) -> Result<(), Error> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }
}
