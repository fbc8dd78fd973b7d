//! Exports: one record after the other, in CSV, JSON lines or one JSON array, with flat memory.
//!
//! [`Table`] turns records into bytes; [`requests()`], [`sessions()`] and [`focus()`] say which records there are. Sums of an export
//! are those of the reports over the same time, to the nano-unit.

mod focus;
mod requests;
mod sessions;
pub mod sql;

use std::io::{self, Write};

use serde_json::{Map, Value};

pub use self::focus::{COLUMNS as FOCUS_COLUMNS, focus};
pub use self::requests::{REQUEST_COLUMNS, requests};
pub use self::sessions::{SESSION_COLUMNS, sessions};
use super::document::csv_record;
use crate::ledger;
use crate::record::Micros;
use crate::record::money::format_nanos;

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a heading.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// One JSON array.
    Json,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Json];

    /// The name that users give, and the end of a file's name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Json => "json",
        }
    }

    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Jsonl => "application/jsonl",
            Format::Json => "application/json",
        }
    }
}

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// Who takes the bytes.
    #[error("write the export: {0}")]
    Write(#[from] io::Error),
}

/// One value of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// None.
    Null,
    /// Text, perhaps a stranger's.
    Text(String),
    /// A count.
    Count(u64),
    /// A decimal number in nano-units: a string in JSON, so that no reader rounds it.
    Decimal(i128),
    /// Microseconds, written as seconds.
    Seconds(i64),
    /// Yes or no.
    Bool(bool),
    /// JSON of its own; in CSV as text.
    Json(Value),
}

impl Datum {
    /// Text, or nothing where it is empty.
    #[must_use]
    pub fn text(text: &str) -> Datum {
        if text.is_empty() { Datum::Null } else { Datum::Text(text.to_owned()) }
    }

    /// A moment as RFC 3339 in UTC.
    #[must_use]
    pub fn time(micros: Micros) -> Datum {
        jiff::Timestamp::from_microsecond(micros).map_or(Datum::Null, |time| Datum::Text(time.to_string()))
    }

    fn csv(&self) -> (String, bool) {
        match self {
            Datum::Null => (String::new(), false),
            Datum::Text(text) => (text.clone(), true),
            Datum::Count(count) => (count.to_string(), false),
            Datum::Decimal(nanos) => (format_nanos(*nanos), false),
            Datum::Seconds(micros) => (format_nanos(i128::from(*micros) * 1_000), false),
            Datum::Bool(value) => (value.to_string(), false),
            Datum::Json(value) => (value.to_string(), true),
        }
    }

    fn json(self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "seconds for JSON readers")]
        let seconds = |micros: i64| Value::from(micros as f64 / 1e6);
        match self {
            Datum::Null => Value::Null,
            Datum::Text(text) => text.into(),
            Datum::Count(count) => count.into(),
            Datum::Decimal(nanos) => format_nanos(nanos).into(),
            Datum::Seconds(micros) => seconds(micros),
            Datum::Bool(value) => value.into(),
            Datum::Json(value) => value,
        }
    }
}

/// Writes records that have the same columns.
#[derive(Debug)]
pub struct Table<W> {
    out: W,
    format: Format,
    columns: Vec<String>,
    rows: u64,
}

impl<W: Write> Table<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// The bytes cannot be written.
    pub fn begin(mut out: W, format: Format, columns: Vec<String>) -> io::Result<Table<W>> {
        match format {
            Format::Csv => {
                let header = csv_record(columns.iter().map(|column| (column.as_str(), true)));
                write!(out, "{header}\r\n")?;
            }
            Format::Json => write!(out, "[")?,
            Format::Jsonl => {}
        }
        Ok(Table { out, format, columns, rows: 0 })
    }

    /// Writes a record, as long as the columns.
    ///
    /// # Errors
    /// The bytes cannot be written.
    pub fn row(&mut self, record: Vec<Datum>) -> io::Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        if self.format == Format::Csv {
            let cells: Vec<(String, bool)> = record.iter().map(Datum::csv).collect();
            let line = csv_record(cells.iter().map(|(cell, is_text)| (cell.as_str(), *is_text)));
            return write!(self.out, "{line}\r\n");
        }
        let object: Map<String, Value> =
            self.columns.iter().cloned().zip(record.into_iter().map(Datum::json)).collect();
        let object = Value::Object(object);
        match self.format {
            Format::Jsonl => writeln!(self.out, "{object}"),
            _ => write!(self.out, "{}{object}", if first { "\n" } else { ",\n" }),
        }
    }

    /// Ends it. Returns how many records there were.
    ///
    /// # Errors
    /// The bytes cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        if self.format == Format::Json {
            writeln!(self.out, "{}]", if self.rows > 0 { "\n" } else { "" })?;
        }
        self.out.flush()?;
        Ok(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_holds_the_same_records() {
        let write = |format| {
            let mut bytes = Vec::new();
            let mut table = Table::begin(&mut bytes, format, vec!["a".to_owned(), "b".to_owned()]).unwrap();
            table.row(vec![Datum::Text("=1".to_owned()), Datum::Decimal(1_500_000_000)]).unwrap();
            table.row(vec![Datum::Null, Datum::Seconds(250_000)]).unwrap();
            assert_eq!(table.finish().unwrap(), 2);
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(write(Format::Csv), "a,b\r\n'=1,1.5\r\n,0.25\r\n");
        assert_eq!(write(Format::Jsonl), "{\"a\":\"=1\",\"b\":\"1.5\"}\n{\"a\":null,\"b\":0.25}\n");
        let array: Value = serde_json::from_str(&write(Format::Json)).unwrap();
        assert_eq!(array, serde_json::json!([{"a": "=1", "b": "1.5"}, {"a": null, "b": 0.25}]));
    }
}
