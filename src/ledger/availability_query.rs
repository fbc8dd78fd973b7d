//! What a month's availability is computed from, read beside the writer or by it.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::availability::{PROBES, REQUESTS, active_targets, read_windows};
use super::measure::Measure;
use super::moment::watch;
use super::open::{Error, Ledger, open_for_reading};
use super::probe_use;
use super::usage::{Usage, UsageQuery};
use crate::clock::Deadline;
use crate::record::{ErrorReason, Failure, Micros, Outcome, ProbeCost};
use crate::sla::{InForce, Isolated, Note, Objective, Outage, RequestCounts, Segment, Share, State, Tracker, Windows};

/// What is known of a target in a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct TargetFacts {
    /// Its name.
    pub name: String,
    /// Whether it is looked at now.
    pub is_active: bool,
    /// What is known of it so far.
    pub tracker: Tracker,
    /// Settled segments that touch the stretch, and the provisional ones up to now.
    pub segments: Vec<Segment>,
    /// All outages, with the one that lasts as it stands.
    pub outages: Vec<Outage>,
    /// Failures within the stretch that were no outage.
    pub isolated: Vec<Isolated>,
    /// Every objective that was in force.
    pub objectives: Vec<InForce>,
    /// Notes on its outages.
    pub notes: Vec<Note>,
    /// Looks within the level.
    pub probes: Share,
    /// What looks that were completions used and cost.
    pub costs: Vec<ProbeCost>,
}

/// What availability is computed from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By name.
    pub targets: Vec<TargetFacts>,
    /// Every window ever loaded.
    pub windows: Windows,
}

/// A reader of availability beside the writer.
#[derive(Debug)]
pub struct AvailabilityQuery {
    connection: Connection,
}

impl AvailabilityQuery {
    /// Opens a ledger's folder for reading.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open(folder: &Path) -> Result<AvailabilityQuery, Error> {
        Ok(AvailabilityQuery { connection: open_for_reading(folder)?.0 })
    }

    /// The same, but what has not been answered at the deadline is cut: [`Error::TooSlow`].
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open_until(folder: &Path, deadline: Deadline) -> Result<AvailabilityQuery, Error> {
        let mut query = AvailabilityQuery::open(folder)?;
        watch(&mut query.connection, deadline)?;
        Ok(query)
    }

    /// Everything about the targets within `[from, to)`, as of `now`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn facts(&self, from: Micros, to: Micros, now: Micros) -> Result<Facts, Error> {
        // One moment for all: the writer may commit between two statements.
        let transaction = self.connection.unchecked_transaction()?;
        facts(&transaction, from, to, now)
    }

    /// What looks that were completions used and cost within `[from, to)`, by target: to be told apart by its purpose,
    /// [`crate::record::PROBE_PURPOSE`], wherever cost is listed.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn probe_costs(&self, from: Micros, to: Micros) -> Result<BTreeMap<String, Vec<ProbeCost>>, Error> {
        probe_use::read(&self.connection, from.div_euclid(1_000_000), to.div_euclid(1_000_000))
    }

    /// The requests that start within `[from, to)`, as far as they are folded: counts, and answers within the level, by
    /// gateway.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn requests(&self, from: Micros, to: Micros) -> Result<Vec<(String, RequestCounts, Share)>, Error> {
        let (from, to) = (from.div_euclid(1_000_000), to.div_euclid(1_000_000));
        let usage = UsageQuery::over(&self.connection, from, to)?;
        let answers = answers(&self.connection, REQUESTS, from, to)?;
        let counts = request_counts(&usage).into_iter();
        Ok(counts
            .map(|(name, counts)| {
                let share = answers.get(&name).copied().unwrap_or_default();
                (name, counts, share)
            })
            .collect())
    }
}

impl Ledger {
    /// As [`AvailabilityQuery::facts`], for a ledger in memory.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn facts(&self, from: Micros, to: Micros, now: Micros) -> Result<Facts, Error> {
        facts(&self.connection, from, to, now)
    }

    /// As [`UsageQuery::sum`], for a ledger in memory.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn usage(&self, from: i64, until: i64) -> Result<Vec<Usage>, Error> {
        UsageQuery::over(&self.connection, from, until)
    }
}

/// Requests and errors by gateway.
#[must_use]
pub fn request_counts(usage: &[Usage]) -> BTreeMap<String, RequestCounts> {
    let mut gateways: BTreeMap<String, RequestCounts> = BTreeMap::new();
    let errors: [(ErrorReason, Measure); 6] = [
        (ErrorReason::RateLimited, Measure::RateLimited),
        (ErrorReason::Client, Measure::Client),
        (ErrorReason::Upstream, Measure::Upstream),
        (ErrorReason::Timeout, Measure::Timeout),
        (ErrorReason::Disconnect, Measure::Disconnect),
        (ErrorReason::Gateway, Measure::Gateway),
    ];
    for usage in usage {
        let counts = gateways.entry(usage.attributes.gateway.clone()).or_default();
        let count = |measure| u64::try_from(usage.measures.get(measure)).unwrap_or(0);
        let mut fine = count(Measure::Requests);
        for (reason, measure) in errors {
            fine = fine.saturating_sub(count(measure));
            counts.observe(Outcome::Error(reason), count(measure));
        }
        counts.observe(Outcome::Success, fine);
    }
    gateways
}

fn facts(connection: &Connection, from: Micros, to: Micros, now: Micros) -> Result<Facts, Error> {
    let active = active_targets(connection)?;
    let answers = answers(connection, PROBES, from.div_euclid(1_000_000), to.div_euclid(1_000_000))?;
    let mut costs = probe_use::read(connection, from.div_euclid(1_000_000), to.div_euclid(1_000_000))?;
    let mut statement = connection.prepare_cached("SELECT id, name, tracker FROM targets ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut targets = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let tracker: Tracker = serde_json::from_str(row.get_ref(2)?.as_str().unwrap_or_default())
            .map_err(|error| Error::Stored(format!("the state of target {name}: {error}")))?;
        let mut segments = segments(connection, id, from, to)?;
        segments.extend(tracker.provisional(now));
        let mut outages = outages(connection, id, &name)?;
        if let Some(lasting) = tracker.outage() {
            outages.retain(|outage| outage.number != lasting.number);
            outages.push(lasting.clone());
        }
        targets.push(TargetFacts {
            is_active: active.iter().any(|(known, _)| *known == id),
            segments,
            outages,
            isolated: isolated(connection, id, from, to)?,
            objectives: objectives(connection, id)?,
            notes: notes(connection, id)?,
            probes: answers.get(&name).copied().unwrap_or_default(),
            costs: costs.remove(&name).unwrap_or_default(),
            tracker,
            name,
        });
    }
    Ok(Facts { targets, windows: read_windows(connection)? })
}

fn segments(connection: &Connection, target: i64, from: Micros, to: Micros) -> Result<Vec<Segment>, Error> {
    let sql = "SELECT start, end, state FROM segments WHERE target = ?1 AND start < ?3 AND end > ?2 ORDER BY start";
    let mut statement = connection.prepare_cached(sql)?;
    let segments = statement.query_map((target, from, to), |row| {
        let state = State::ALL.get(row.get::<_, usize>(2)?).copied().unwrap_or(State::Unknown);
        Ok(Segment { state, from: row.get(0)?, to: row.get(1)? })
    })?;
    Ok(segments.collect::<Result<_, _>>()?)
}

fn outages(connection: &Connection, target: i64, name: &str) -> Result<Vec<Outage>, Error> {
    let mut statement = connection.prepare_cached("SELECT content FROM outages WHERE target = ?1 ORDER BY number")?;
    let mut rows = statement.query([target])?;
    let mut outages = Vec::new();
    while let Some(row) = rows.next()? {
        let outage = serde_json::from_str(row.get_ref(0)?.as_str().unwrap_or_default());
        outages.push(outage.map_err(|error| Error::Stored(format!("an outage of target {name}: {error}")))?);
    }
    Ok(outages)
}

fn isolated(connection: &Connection, target: i64, from: Micros, to: Micros) -> Result<Vec<Isolated>, Error> {
    let sql = "SELECT at, reason FROM isolated_failures WHERE target = ?1 AND at >= ?2 AND at < ?3 ORDER BY at";
    let mut statement = connection.prepare_cached(sql)?;
    let isolated = statement.query_map((target, from, to), |row| {
        let reason = Failure::ALL.get(row.get::<_, usize>(1)?).copied().unwrap_or(Failure::Other);
        Ok(Isolated { at: row.get(0)?, reason })
    })?;
    Ok(isolated.collect::<Result<_, _>>()?)
}

fn objectives(connection: &Connection, target: i64) -> Result<Vec<InForce>, Error> {
    let sql = "SELECT since, billionths FROM objectives WHERE target = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([target])?;
    let mut objectives = Vec::new();
    while let Some(row) = rows.next()? {
        let billionths = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        if let Some(objective) = Objective::from_billionths(billionths) {
            objectives.push(InForce { since: row.get(0)?, objective });
        }
    }
    Ok(objectives)
}

fn notes(connection: &Connection, target: i64) -> Result<Vec<Note>, Error> {
    let sql = "SELECT outage, at, text FROM outage_notes WHERE target = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let notes = statement.query_map([target], |row| {
        let outage = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        Ok(Note { outage, at: row.get(1)?, text: row.get(2)? })
    })?;
    Ok(notes.collect::<Result<_, _>>()?)
}

/// Sums by name of the buckets that begin within `[from, to)`, in seconds.
fn answers(connection: &Connection, kind: i64, from: i64, to: i64) -> Result<BTreeMap<String, Share>, Error> {
    let sql = "SELECT name, sum(within), sum(total) FROM answers WHERE bucket >= ?2 AND bucket < ?3 AND kind = ?1
               GROUP BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    let answers = statement.query_map((kind, from, to), |row| {
        Ok((row.get(0)?, Share { within: count(row.get(1)?), total: count(row.get(2)?) }))
    })?;
    Ok(answers.collect::<Result<_, _>>()?)
}
