//! Looks at targets become rows, segments, outages and counts, in one transaction with the tracker that made them of it.
//!
//! The trackers live in memory and on disk; a failed transaction leaves both as they were. What the meter shows of targets
//! is set after the commit, so a counter that was shown is on disk. Reading months is in [`super::availability_query`].

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::fold::bucket;
use super::open::{Error, Ledger};
use super::probe_use::{ProbeUse, Uses};
use crate::meter::{Look, PHASES, ProbeCounts, TargetSeries};
use crate::record::{Failure, Micros, Observation, Outcome, Row, Tokens};
use crate::sla::{Config, Isolated, Outage, Segment, Share, Span, State, Tracker, Windows, answered_within};

/// Answers of looks in the table `answers`.
pub(super) const PROBES: i64 = 1;
/// Answers of requests in the table `answers`.
pub(super) const REQUESTS: i64 = 2;
/// Results that one step of retention removes.
const STEP: i64 = 8_192;

/// One look at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The target's name.
    pub target: String,
    /// What availability sees of it.
    pub seen: Observation,
    /// From begin to end, in microseconds.
    pub duration_micros: u64,
    /// What the gauges show.
    pub look: Look,
    /// What it used, where it was a completion that was begun.
    pub used: Option<ProbeUse>,
    /// Why it failed, for people.
    pub message: String,
}

/// One target as it is looked at from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDefinition {
    /// Its name.
    pub name: String,
    /// All that is configured of it, as JSON without secrets.
    pub content: String,
    /// Whether looks at it use tokens.
    pub spends: bool,
}

/// What is known of one target.
#[derive(Clone, Debug, Default)]
struct Known {
    tracker: Tracker,
    counts: ProbeCounts,
    look: Option<Look>,
}

impl Known {
    fn series(&self) -> TargetSeries {
        TargetSeries {
            counts: self.counts.clone(),
            outages: self.tracker.outages(),
            down_micros: self.tracker.down_micros(),
            up: self.tracker.up(),
            consecutive_failures: self.tracker.consecutive_failures(),
            look: self.look.clone(),
        }
    }
}

/// How answers of requests are judged; kept, so that rows that are folded again at a start are judged alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Level {
    within_micros: i64,
    whole: bool,
}

impl Default for Level {
    fn default() -> Self {
        Level::of(&Config::default())
    }
}

impl Level {
    fn of(config: &Config) -> Level {
        Level { within_micros: config.answer_within.micros(), whole: config.judge_whole_answers }
    }

    pub(super) fn load(connection: &Connection) -> Result<Level, Error> {
        let stored: Option<String> = connection
            .query_row("SELECT value FROM facts WHERE key = 'answer_level'", [], |row| row.get(0))
            .optional()?;
        let read = |text: &str| {
            serde_json::from_str(text).map_err(|error| Error::Stored(format!("the level of answers: {error}")))
        };
        stored.as_deref().map_or(Ok(Level::default()), read)
    }

    /// Whether a successful request's answer started in time; `None` for one that is not judged.
    pub(super) fn judge(self, row: &Row) -> Option<bool> {
        if row.outcome != Outcome::Success {
            return None;
        }
        let start = row.first_token.or(if self.whole { row.duration } else { None })?;
        Some(start <= self.within_micros)
    }
}

/// All targets, as committed.
#[derive(Debug, Default)]
pub(super) struct Availability {
    known: BTreeMap<String, Known>,
    level: Level,
    answer_within: Option<Span>,
}

impl Availability {
    pub(super) fn load(connection: &Connection) -> Result<Availability, Error> {
        let mut statement = connection.prepare("SELECT name, tracker, counts FROM targets")?;
        let mut rows = statement.query([])?;
        let mut known = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let stored = |error: serde_json::Error| Error::Stored(format!("the state of target {name}: {error}"));
            let tracker = serde_json::from_str(row.get_ref(1)?.as_str().unwrap_or_default()).map_err(stored)?;
            let counts = serde_json::from_str(row.get_ref(2)?.as_str().unwrap_or_default()).map_err(stored)?;
            known.insert(name, Known { tracker, counts, look: None });
        }
        Ok(Availability { known, level: Level::load(connection)?, answer_within: None })
    }
}

/// What a batch of looks adds; of segments and outages the last form.
#[derive(Default)]
struct Writes {
    segments: BTreeMap<(String, Micros), Segment>,
    outages: BTreeMap<(String, u64), Outage>,
    isolated: Vec<(String, Isolated)>,
    answers: BTreeMap<(i64, String), Share>,
    uses: Uses,
}

impl Ledger {
    /// Takes what is to be looked at from now on, and what was promised. What differs from what is kept is kept with the
    /// time. The meter shows these targets and no others.
    ///
    /// # Errors
    /// The ledger cannot be written; nothing was changed.
    pub fn keep_targets(&mut self, definitions: &[TargetDefinition], sla: &Config) -> Result<(), Error> {
        let now = self.clock.now();
        let level = Level::of(sla);
        self.atomically(|ledger| {
            let connection = &ledger.connection;
            for TargetDefinition { name, content, .. } in definitions {
                let target = target_id(connection, name)?;
                connection
                    .prepare_cached(
                        "INSERT INTO target_definitions (target, since, definition) SELECT ?1, ?2, ?3 WHERE ?3 IS NOT
                         (SELECT definition FROM target_definitions WHERE target = ?1 ORDER BY id DESC LIMIT 1)",
                    )?
                    .execute((target, now, content))?;
                connection
                    .prepare_cached(
                        "INSERT INTO objectives (target, since, billionths) SELECT ?1, ?2, ?3 WHERE ?3 IS NOT
                         (SELECT billionths FROM objectives WHERE target = ?1 ORDER BY id DESC LIMIT 1)",
                    )?
                    .execute((target, now, i64::try_from(sla.objective_of(name).billionths()).unwrap_or(0)))?;
            }
            let kept: BTreeSet<&str> = definitions.iter().map(|definition| definition.name.as_str()).collect();
            for (id, name) in active_targets(connection)? {
                if !kept.contains(name.as_str()) {
                    connection
                        .prepare_cached("INSERT INTO target_definitions (target, since) VALUES (?1, ?2)")?
                        .execute((id, now))?;
                }
            }
            let mut windows = read_windows(connection)?;
            if windows.load(&sla.maintenance, now) {
                write_windows(connection, &windows)?;
            }
            let level = serde_json::to_string(&level).unwrap_or_default();
            connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES ('answer_level', ?1)", [level])?;
            Ok(())
        })?;
        self.availability.level = level;
        self.availability.answer_within = Some(sla.answer_within);
        self.folds.level = level;
        let mut meter = self.meter.lock();
        let bounds = meter.probe_bounds().clone();
        let shown = definitions.iter().map(|TargetDefinition { name, spends, .. }| {
            let known = self.availability.known.entry(name.clone()).or_default();
            known.counts.rebucket(&bounds);
            if *spends {
                known.counts.spends();
            }
            (name.clone(), known.series())
        });
        meter.set_targets(shown.collect());
        Ok(())
    }

    /// Takes looks in the order in which they were made: rows, segments, outages, counts and trackers, in one transaction.
    /// A look that was taken before changes nothing.
    ///
    /// # Errors
    /// The ledger cannot be written; nothing was changed.
    pub fn observe_probes(&mut self, results: &[ProbeResult]) -> Result<(), Error> {
        let bounds = self.meter.lock().probe_bounds().clone();
        let within = self.availability.answer_within.unwrap_or(Config::default().answer_within);
        let mut changed: BTreeMap<&str, Known> = BTreeMap::new();
        let mut writes = Writes::default();
        let mut taken = Vec::with_capacity(results.len());
        for result in results {
            let name = result.target.as_str();
            let known =
                changed.entry(name).or_insert_with(|| self.availability.known.get(name).cloned().unwrap_or_default());
            let seen = &result.seen;
            if seen.since_previous.is_none() && known.tracker.last_at() == Some(seen.at) {
                continue;
            }
            let update = known.tracker.observe(seen);
            known.counts.observe(&bounds, seen.failure, result.duration_micros);
            known.look = Some(result.look.clone());
            for segment in update.segments {
                writes.segments.insert((name.to_owned(), segment.from), segment);
            }
            if let Some(outage) = update.outage {
                writes.outages.insert((name.to_owned(), outage.number), outage);
            }
            writes.isolated.extend(update.isolated.into_iter().map(|failure| (name.to_owned(), failure)));
            let at = bucket(seen.at, self.folds.rollup_seconds());
            if let Some(used) = &result.used {
                known.counts.spend(used.tokens.as_ref(), used.cost);
                writes.uses.observe(at, name, used);
            }
            if let Some(answered) = answered_within(seen, within) {
                writes.answers.entry((at, name.to_owned())).or_default().observe(answered);
            }
            taken.push(result);
        }
        let keeps_rows = self.path.is_some();
        self.atomically(|ledger| {
            let connection = &ledger.connection;
            let mut ids = BTreeMap::new();
            for (name, known) in &changed {
                let id = target_id(connection, name)?;
                let json = |value: serde_json::Result<String>| value.unwrap_or_default();
                connection.prepare_cached("UPDATE targets SET tracker = ?2, counts = ?3 WHERE id = ?1")?.execute((
                    id,
                    json(serde_json::to_string(&known.tracker)),
                    json(serde_json::to_string(&known.counts)),
                ))?;
                ids.insert((*name).to_owned(), id);
            }
            write(connection, &ids, &writes)?;
            if keeps_rows {
                write_results(connection, &ids, &taken)?;
            }
            Ok(())
        })?;
        let mut meter = self.meter.lock();
        for (name, known) in changed {
            meter.observe_target(name, known.series());
            self.availability.known.insert(name.to_owned(), known);
        }
        Ok(())
    }

    /// Removes at most so many of the single results that are older than they are kept; returns whether there are more.
    ///
    /// # Errors
    /// The ledger cannot be written; nothing was removed.
    pub(super) fn retain_probe_results(&mut self, kept: std::time::Duration) -> Result<bool, Error> {
        let kept = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        let oldest = self.clock.now().saturating_sub(kept);
        let sql = "DELETE FROM probe_results WHERE (at, target) IN
                   (SELECT at, target FROM probe_results WHERE at < ?1 ORDER BY at, target LIMIT ?2)";
        let removed = self.connection.prepare_cached(sql)?.execute((oldest, STEP))?;
        Ok(i64::try_from(removed).unwrap_or(0) >= STEP)
    }

    /// Tokens that looks have spent since a moment, by target, as far as they are known.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn probe_tokens(&self, since: Micros) -> Result<BTreeMap<String, u64>, Error> {
        let sql = "SELECT t.name, sum(coalesce(r.input_tokens, 0) + coalesce(r.output_tokens, 0))
                   FROM probe_results r JOIN targets t ON t.id = r.target WHERE r.at >= ?1 GROUP BY t.name";
        let mut statement = self.connection.prepare(sql)?;
        let spent =
            statement.query_map([since], |row| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?;
        Ok(spent.collect::<Result<_, _>>()?)
    }

    /// Adds what a person writes about an outage of a target, told by its number. Returns whether there is such an outage.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn add_note(&mut self, target: &str, outage: u64, text: &str) -> Result<bool, Error> {
        let sql = "INSERT INTO outage_notes (target, outage, at, text)
                   SELECT o.target, o.number, ?3, ?4 FROM outages o JOIN targets t ON t.id = o.target
                   WHERE t.name = ?1 AND o.number = ?2";
        let number = i64::try_from(outage).unwrap_or(i64::MAX);
        Ok(self.connection.execute(sql, (target, number, self.clock.now(), text))? > 0)
    }
}

/// The id of a target, which is given to one that is new.
pub(super) fn target_id(connection: &Connection, name: &str) -> Result<i64, Error> {
    let (tracker, counts) = (Tracker::default(), ProbeCounts::default());
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    connection
        .prepare_cached(
            "INSERT INTO targets (name, tracker, counts) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
        )?
        .execute((name, json(serde_json::to_string(&tracker)), json(serde_json::to_string(&counts))))?;
    let mut statement = connection.prepare_cached("SELECT id FROM targets WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0))?)
}

/// Targets whose latest definition is one: id and name.
pub(super) fn active_targets(connection: &Connection) -> Result<Vec<(i64, String)>, Error> {
    let sql = "SELECT t.id, t.name FROM targets t WHERE
               (SELECT definition FROM target_definitions d WHERE d.target = t.id ORDER BY d.id DESC LIMIT 1) IS NOT NULL
               ORDER BY t.name";
    let mut statement = connection.prepare_cached(sql)?;
    let targets = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(targets.collect::<Result<_, _>>()?)
}

fn write(connection: &Connection, ids: &BTreeMap<String, i64>, writes: &Writes) -> Result<(), Error> {
    let id = |name: &str| ids.get(name).copied().unwrap_or(0);
    let code = |state: State| State::ALL.iter().position(|known| *known == state).unwrap_or(0);
    let mut statement = connection
        .prepare_cached("INSERT OR REPLACE INTO segments (target, start, end, state) VALUES (?1, ?2, ?3, ?4)")?;
    for ((name, from), segment) in &writes.segments {
        statement.execute((id(name), from, segment.to, code(segment.state)))?;
    }
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO outages (target, number, start, end, content) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for ((name, number), outage) in &writes.outages {
        let content = serde_json::to_string(outage).unwrap_or_default();
        let number = i64::try_from(*number).unwrap_or(i64::MAX);
        statement.execute((id(name), number, outage.start, outage.end, content))?;
    }
    let mut statement = connection
        .prepare_cached("INSERT OR REPLACE INTO isolated_failures (target, at, reason) VALUES (?1, ?2, ?3)")?;
    for (name, failure) in &writes.isolated {
        statement.execute((id(name), failure.at, failure.reason.index()))?;
    }
    drop(statement);
    writes.uses.write(connection, ids)?;
    write_answers(connection, PROBES, writes.answers.iter().map(|((at, name), share)| (*at, name.as_str(), *share)))
}

/// Adds answers to what is kept.
pub(super) fn write_answers<'a>(
    connection: &Connection,
    kind: i64,
    answers: impl Iterator<Item = (i64, &'a str, Share)>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO answers (bucket, kind, name, within, total) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (bucket, kind, name) DO UPDATE SET within = within + excluded.within, total = total + excluded.total",
    )?;
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for (at, name, share) in answers {
        statement.execute((at, kind, name, count(share.within), count(share.total)))?;
    }
    Ok(())
}

fn write_results(connection: &Connection, ids: &BTreeMap<String, i64>, results: &[&ProbeResult]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(&format!(
        "INSERT OR REPLACE INTO probe_results (at, target, interval, failure, message, duration, answer, {}, status,
         input_tokens, output_tokens, cache_read, reasoning, price_row, currency, cost) VALUES (?{})",
        PHASES.join(", "),
        ", ?".repeat(19),
    ))?;
    let length = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
    for result in results {
        let (seen, look) = (&result.seen, &result.look);
        let mut next = 1;
        let mut bind = |value: &dyn rusqlite::ToSql| {
            let bound = statement.raw_bind_parameter(next, value);
            next += 1;
            bound
        };
        bind(&seen.at)?;
        bind(&ids.get(&result.target))?;
        bind(&seen.interval)?;
        bind(&seen.failure.map(Failure::index))?;
        bind(&result.message)?;
        bind(&length(result.duration_micros))?;
        bind(&seen.answer)?;
        for phase in look.phases {
            bind(&phase.map(length))?;
        }
        bind(&look.status_code)?;
        let used = result.used.as_ref();
        let tokens = used.and_then(|used| used.tokens);
        let kinds: [fn(&Tokens) -> u64; 4] =
            [Tokens::input, Tokens::output, |tokens| tokens.cache_read, |tokens| tokens.reasoning];
        for kind in kinds {
            bind(&tokens.map(|tokens| length(kind(&tokens))))?;
        }
        let cost = used.and_then(|used| used.cost);
        bind(&used.map(|used| used.price_row).filter(|row| *row > 0))?;
        bind(&cost.map(|cost| cost.currency.code()))?;
        bind(&cost.map(|cost| cost.nanos))?;
        statement.raw_execute()?;
    }
    Ok(())
}

pub(super) fn read_windows(connection: &Connection) -> Result<Windows, Error> {
    let sql = "SELECT target, start, end, reason, announced, withdrawn FROM maintenance ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let windows = statement.query_map([], |row| {
        Ok(crate::sla::Window {
            planned: crate::sla::Planned {
                target: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                reason: row.get(3)?,
            },
            announced: row.get(4)?,
            withdrawn: row.get(5)?,
        })
    })?;
    Ok(Windows::new(windows.collect::<Result<_, _>>()?))
}

fn write_windows(connection: &Connection, windows: &Windows) -> Result<(), Error> {
    connection.execute("DELETE FROM maintenance", [])?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO maintenance (target, start, end, reason, announced, withdrawn) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for window in windows.all() {
        let planned = &window.planned;
        let times = (window.announced, window.withdrawn);
        statement.execute((&planned.target, planned.from, planned.to, &planned.reason, times.0, times.1))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "availability_tests.rs"]
mod tests;
