//! Looking at a ledger beside its writer: what is inside, whether it agrees with itself; and making it smaller.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::fold::stored_mark;
use super::inspect_targets::TargetInfo;
use super::kinds::Kinds;
use super::measure::{self, Measure, Measures};
use super::open::{Error, Ledger, SCHEMA_VERSION, open_for_reading, read_sources};
use super::retention::used_bytes;
use super::row;
use crate::meter::SourceCounts;
use crate::record::{Micros, Row, ServiceTier};

/// What is inside a ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    /// Path of the database.
    pub path: String,
    /// Version of its schema.
    pub version: i64,
    /// Bytes of the database.
    pub bytes: u64,
    /// Bytes of its write-ahead log, which is written over and over.
    pub log_bytes: u64,
    /// Bytes of the database that hold nothing and are used again.
    pub free_bytes: u64,
    /// Rows of requests.
    pub requests: u64,
    /// First start of a kept request, microseconds since the epoch.
    pub first_start: Option<Micros>,
    /// Last start of a kept request.
    pub last_start: Option<Micros>,
    /// Rows not folded yet.
    pub unfolded: i64,
    /// Entries of each other table.
    pub tables: BTreeMap<String, u64>,
    /// Totals per source.
    pub sources: BTreeMap<String, SourceCounts>,
    /// Targets that were ever looked at.
    pub targets: Vec<TargetInfo>,
}

impl Info {
    /// Reads a ledger's facts.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn read(folder: &Path) -> Result<Info, Error> {
        let (connection, path) = open_for_reading(folder)?;
        connection.execute_batch("BEGIN")?;
        let count = |table: &str| -> Result<u64, Error> {
            Ok(connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
        };
        let mut tables = BTreeMap::new();
        for table in [
            "attributes",
            "names",
            "price_rows",
            "configurations",
            "rollups",
            "rollup_days",
            "columns",
            "part_columns",
            "late_parts",
            "user_days",
            "rollup_columns",
            "audit",
            "series",
            "files",
            "adjustments",
            "parts",
            "closures",
            "targets",
            "target_definitions",
            "objectives",
            "probe_results",
            "segments",
            "outages",
            "isolated_failures",
            "outage_notes",
            "maintenance",
            "answers",
            "probe_use",
        ] {
            tables.insert(table.to_owned(), count(table)?);
        }
        let last: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM requests", [], |row| row.get(0))?;
        let mark = stored_mark(&connection)?;
        let (mut first_start, mut last_start): (Option<Micros>, Option<Micros>) =
            connection.query_row("SELECT min(first_start), max(last_start) FROM blocks", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        // Blocks know the span of folded rows; the few rows after them are looked at themselves.
        row::each(&connection, mark, last, |row, _| {
            first_start = Some(first_start.map_or(row.start, |first| first.min(row.start)));
            last_start = last_start.max(Some(row.start));
            Ok(())
        })?;
        let page_size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let free: u64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        Ok(Info {
            version: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
            bytes: file_size(&path, ""),
            log_bytes: file_size(&path, "-wal"),
            free_bytes: free * page_size,
            requests: count("requests")?,
            first_start,
            last_start,
            unfolded: (last - mark).max(0),
            tables,
            sources: read_sources(&connection)?.into_iter().collect(),
            targets: TargetInfo::read(&connection)?,
            path: path.display().to_string(),
        })
    }
}

/// Bytes that the ledger of a folder takes on disk.
#[must_use]
pub fn size_on_disk(folder: &Path) -> u64 {
    database_size(&folder.join(super::open::LEDGER_FILE))
}

/// Bytes of a database and its write-ahead log.
fn database_size(path: &Path) -> u64 {
    file_size(path, "") + file_size(path, "-wal")
}

fn file_size(path: &Path, suffix: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    std::fs::metadata(name).map_or(0, |metadata| metadata.len())
}

/// One thing that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// All findings of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Path of the database.
    pub path: String,
    /// What was checked, in order.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.ok)
    }
}

/// Checks a ledger against itself.
#[derive(Debug)]
pub struct Check;

impl Check {
    /// Runs every check on one moment of the ledger, beside its writer.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read at all.
    pub fn run(folder: &Path) -> Result<Report, Error> {
        let (connection, path) = open_for_reading(folder)?;
        connection.execute_batch("BEGIN")?;
        let findings = vec![
            database(&connection)?,
            references(&connection)?,
            blocks(&connection)?,
            super::inspect_folds::columns(&connection)?,
            rollups(&connection)?,
            super::inspect_folds::days(&connection)?,
            super::inspect_folds::user_days(&connection)?,
            super::inspect_folds::rollup_columns(&connection)?,
            counters(&connection)?,
            super::inspect_sessions::sessions(&connection)?,
            super::inspect_folds::part_columns(&connection)?,
            sources(&connection)?,
        ];
        let findings = findings.into_iter().chain(super::inspect_targets::targets(&connection)?).collect();
        Ok(Report { path: path.display().to_string(), findings })
    }
}

pub(super) fn finding(check: &'static str, problems: &[String], fine: String) -> Finding {
    let ok = problems.is_empty();
    Finding { check, ok, detail: if ok { fine } else { problems.join("; ") } }
}

fn database(connection: &Connection) -> Result<Finding, Error> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let problems: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
    Ok(finding("database pages and indexes", &problems, format!("sound, schema version {SCHEMA_VERSION}")))
}

/// Which dictionary ids a column of the rows names, one bit each.
#[derive(Debug, Default)]
struct Named(Vec<u64>);

impl Named {
    fn insert(&mut self, id: u32) {
        let (word, bit) = (id as usize / 64, id % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Whether it was there.
    fn remove(&mut self, id: u32) -> bool {
        let Some(word) = self.0.get_mut(id as usize / 64) else { return false };
        let bit = 1 << (id % 64);
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    /// How many there are, 0 (none) left out.
    fn count(&self) -> u32 {
        let none = self.0.first().map_or(0, |word| u32::try_from(word & 1).unwrap_or(0));
        self.0.iter().map(|word| word.count_ones()).sum::<u32>() - none
    }
}

fn references(connection: &Connection) -> Result<Finding, Error> {
    type Column = (&'static str, &'static str, fn(&Row) -> u32);
    const COLUMNS: [Column; 5] = [
        ("attributes", "attributes", |row| row.attributes),
        ("user", "names", |row| row.user),
        ("session", "names", |row| row.session),
        ("tools", "names", |row| row.tools),
        ("price_row", "price_rows", |row| row.price_row),
    ];
    let mut named: [Named; COLUMNS.len()] = Default::default();
    row::each(connection, i64::MIN, i64::MAX, |row, _| {
        for (named, (_, _, id)) in named.iter_mut().zip(COLUMNS) {
            named.insert(id(&row));
        }
        Ok(())
    })?;
    let mut problems = Vec::new();
    for (mut named, (column, table, _)) in named.into_iter().zip(COLUMNS) {
        let mut statement = connection.prepare(&format!("SELECT id FROM {table}"))?;
        let mut ids = statement.query([])?;
        while let Some(id) = ids.next()? {
            named.remove(id.get(0)?);
        }
        let missing = named.count();
        if missing > 0 {
            problems.push(format!("{missing} ids of {column} have no entry"));
        }
    }
    Ok(finding("dictionary ids of requests", &problems, "all have their entries".to_owned()))
}

fn blocks(connection: &Connection) -> Result<Finding, Error> {
    let mark = stored_mark(connection)?;
    let rows: i64 = connection.query_row("SELECT count(*) FROM requests WHERE id <= ?1", [mark], |row| row.get(0))?;
    let counted: i64 = connection.query_row("SELECT coalesce(sum(rows), 0) FROM blocks", [], |row| row.get(0))?;
    let problems =
        if rows == counted { Vec::new() } else { vec![format!("blocks hold {counted} rows, the ledger {rows}")] };
    Ok(finding("blocks", &problems, format!("{rows} rows folded through row {mark}")))
}

type Group = (String, String, String, i64);

fn sums(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<BTreeMap<Group, Measures>, Error> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut sums: BTreeMap<Group, Measures> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let group = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let measures = Measures::try_from_fn(|index| row.get::<_, i64>(index + 4))?;
        sums.entry(group).or_default().add(&measures);
    }
    sums.retain(|_, measures| !measures.is_zero());
    Ok(sums)
}

/// Sums of the folded rows by gateway, provider, model and currency.
fn row_sums(connection: &Connection) -> Result<BTreeMap<Group, Measures>, Error> {
    let mark = stored_mark(connection)?;
    let mut by_attributes: BTreeMap<(u32, i64), Measures> = BTreeMap::new();
    let mut sums: BTreeMap<Group, Measures> = BTreeMap::new();
    let currencies = super::intern::read_currencies(connection)?;
    let mut kinds = Kinds::default();
    let mut tiers: BTreeMap<u32, ServiceTier> = BTreeMap::new();
    let mut from = connection.query_row("SELECT coalesce(min(id), 1) - 1 FROM requests", [], |row| row.get(0))?;
    while from < mark {
        let until = mark.min(from + 8_192);
        for row in row::read_range(connection, from, until)? {
            let currency = row.cost.and_then(|cost| currencies.iter().find(|(_, known)| *known == cost.currency));
            let currency = currency.map_or(0, |(id, _)| i64::from(*id));
            let tier = match tiers.entry(row.attributes) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    *new.insert(super::intern::read_attributes(connection, row.attributes)?.service_tier)
                }
            };
            let kinds = kinds.of(connection, &row, tier)?;
            by_attributes.entry((row.attributes, currency)).or_default().observe(&row, &kinds);
        }
        from = until;
    }
    for ((attributes, currency), measures) in by_attributes {
        let attributes = super::intern::read_attributes(connection, attributes)?;
        let group = (attributes.gateway, attributes.provider, attributes.model, currency);
        sums.entry(group).or_default().add(&measures);
    }
    Ok(sums)
}

/// Sums of the rows that are gone.
fn removed_sums(connection: &Connection) -> Result<BTreeMap<Group, Measures>, Error> {
    adjustment_sums(connection, &["retention", "deletion"])
}

fn adjustment_sums(connection: &Connection, kinds: &[&str]) -> Result<BTreeMap<Group, Measures>, Error> {
    let sql = format!(
        "SELECT gateway, provider, model, currency, {} FROM adjustments WHERE kind IN (?1, ?2) GROUP BY 1, 2, 3, 4",
        measure::columns(|column| format!("sum({column})"))
    );
    let kind = |index: usize| kinds.get(index).copied().unwrap_or_default();
    sums(connection, &sql, [kind(0), kind(1)])
}

fn rollups(connection: &Connection) -> Result<Finding, Error> {
    let mut by_attributes: BTreeMap<(u32, i64), Measures> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT attributes, currency, data FROM rollups")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let added = Measures::unpack(row.get_ref(2)?.as_blob().unwrap_or_default())?;
        by_attributes.entry((row.get(0)?, row.get(1)?)).or_default().add(&added);
    }
    let mut rollups: BTreeMap<Group, Measures> = BTreeMap::new();
    for ((attributes, currency), measures) in by_attributes {
        let attributes = super::intern::read_attributes(connection, attributes)?;
        let group = (attributes.gateway, attributes.provider, attributes.model, currency);
        rollups.entry(group).or_default().add(&measures);
    }
    rollups.retain(|_, measures| !measures.is_zero());
    let mut expected = row_sums(connection)?;
    for (group, measures) in removed_sums(connection)? {
        expected.entry(group).or_default().add(&measures);
    }
    expected.retain(|_, measures| !measures.is_zero());
    let mut problems = Vec::new();
    for group in rollups.keys().chain(expected.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (have, want) =
            (rollups.get(group).copied().unwrap_or_default(), expected.get(group).copied().unwrap_or_default());
        if have != want {
            let (gateway, provider, model, _) = group;
            problems.push(format!(
                "{gateway}/{provider}/{model}: rollups say {} requests and cost {}, rows and what was removed {} and {}",
                have.get(Measure::Requests),
                have.get(Measure::Cost),
                want.get(Measure::Requests),
                want.get(Measure::Cost)
            ));
        }
    }
    Ok(finding("rollups = rows + removed", &problems, format!("{} groups agree in every measure", expected.len())))
}

/// Counters by gateway: requests, input and output tokens, and cost over all currencies.
fn counters(connection: &Connection) -> Result<Finding, Error> {
    let mut counters: BTreeMap<String, [i128; 4]> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT labels, value FROM series WHERE family = 'request'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let stored = |error: serde_json::Error| Error::Stored(format!("a metric series: {error}"));
        let labels: (Vec<String>, Vec<String>) = serde_json::from_str(&row.get::<_, String>(0)?).map_err(stored)?;
        let value: serde_json::Value = serde_json::from_str(&row.get::<_, String>(1)?).map_err(stored)?;
        let number = |key: &str| i128::from(value.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0));
        let object =
            |key: &str| value.get(key).and_then(serde_json::Value::as_object).into_iter().flat_map(|map| map.values());
        let requests = object("codes").filter_map(serde_json::Value::as_u64).map(i128::from).sum::<i128>();
        let cost = object("cost").filter_map(|nanos| nanos.as_str()?.parse::<i128>().ok()).sum::<i128>();
        let sums = counters.entry(labels.0.first().cloned().unwrap_or_default()).or_default();
        let added = [requests, number("input"), number("output"), cost];
        sums.iter_mut().zip(added).for_each(|(sum, value)| *sum += value);
    }
    let mut expected: BTreeMap<String, [i128; 4]> = BTreeMap::new();
    let reported = [row_sums(connection)?, removed_sums(connection)?, adjustment_sums(connection, &["reprice"])?];
    for ((gateway, ..), measures) in reported.into_iter().flatten() {
        let get = |measure: Measure| i128::from(measures.get(measure));
        let input = [Measure::UncachedInput, Measure::CacheRead, Measure::CacheWrite5m, Measure::CacheWrite1h];
        let output = [Measure::VisibleOutput, Measure::Reasoning];
        let added = [
            get(Measure::Requests),
            input.into_iter().map(get).sum(),
            output.into_iter().map(get).sum(),
            get(Measure::Cost),
        ];
        let sums = expected.entry(gateway).or_default();
        sums.iter_mut().zip(added).for_each(|(sum, value)| *sum += value);
    }
    let mut problems = Vec::new();
    for gateway in counters.keys().chain(expected.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (have, want) = (counters.get(gateway), expected.get(gateway));
        if have.copied().unwrap_or_default() != want.copied().unwrap_or_default() {
            problems.push(format!(
                "{gateway}: [requests, input, output, cost] counters {have:?}, rows and adjustments {want:?}"
            ));
        }
    }
    Ok(finding("counters = rows + adjustments", &problems, format!("{} gateways agree", expected.len())))
}

fn sources(connection: &Connection) -> Result<Finding, Error> {
    let mut problems = Vec::new();
    let mut requests = 0;
    for (name, counts) in read_sources(connection)? {
        let parts = counts.requests
            + counts.skipped.iter().sum::<u64>()
            + counts.rejected.iter().sum::<u64>()
            + counts.duplicates;
        if parts != counts.records {
            problems.push(format!(
                "{name}: {} records, but {parts} requests, skipped, rejected and duplicates",
                counts.records
            ));
        }
        requests += counts.requests;
    }
    let rows: u64 = connection.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))?;
    let removed: u64 = connection.query_row(
        "SELECT coalesce(sum(requests), 0) FROM adjustments WHERE kind IN ('retention', 'deletion')",
        [],
        |row| row.get(0),
    )?;
    if rows + removed != requests {
        problems.push(format!("sources count {requests} requests, rows and what was removed {}", rows + removed));
    }
    Ok(finding("sources = rows + removed", &problems, format!("{requests} requests agree")))
}

impl Ledger {
    /// Gives free space back to the disk and drops dictionary entries that no row names any more. Returns the bytes on
    /// disk before and after.
    ///
    /// # Errors
    /// The ledger cannot be written; there must be free space for a copy.
    pub fn compact(&mut self) -> Result<(u64, u64), Error> {
        self.write_folds()?;
        let path = self.path.clone().unwrap_or_default();
        let before = database_size(&path);
        self.atomically(|ledger| ledger.remove_unnamed())?;
        self.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        self.interner = super::intern::Interner::load(&self.connection, self.interner.privacy())?;
        Ok((before, database_size(&path)))
    }

    /// Drops users, sessions and tools that no row names.
    fn remove_unnamed(&mut self) -> Result<(), Error> {
        let mut named = Named::default();
        row::each(&self.connection, i64::MIN, i64::MAX, |row, _| {
            for id in [row.user, row.session, row.tools] {
                named.insert(id);
            }
            Ok(())
        })?;
        // A part outlives its first rows, and an open one all of them.
        for sql in ["SELECT session FROM parts", "SELECT user FROM parts", "SELECT session FROM closures"] {
            let mut statement = self.connection.prepare(sql)?;
            let mut ids = statement.query([])?;
            while let Some(id) = ids.next()? {
                named.insert(id.get(0)?);
            }
        }
        let mut statement = self.connection.prepare("SELECT id FROM names WHERE kind IN (1, 2, 3)")?;
        let ids: Vec<u32> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut delete = self.connection.prepare("DELETE FROM names WHERE id = ?1")?;
        for id in ids {
            if !named.remove(id) {
                delete.execute([id])?;
            }
        }
        Ok(())
    }

    /// Bytes of the ledger on disk; in memory, what it uses there.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.path {
            Some(path) => database_size(path),
            None => used_bytes(&self.connection).unwrap_or(0),
        }
    }
}
