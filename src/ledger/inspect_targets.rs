//! Whether what is kept of targets agrees with itself: segments with outages, counters with both, sums with single looks.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use super::availability::PROBES;
use super::inspect::{Finding, finding};
use super::inspect_sessions::Problems;
use super::open::Error;
use crate::record::{Currency, Failure, Micros};
use crate::sla::{Outage, Segment, State, Tracker};

/// What is kept of one target.
#[derive(Clone, Debug, Serialize)]
pub struct TargetInfo {
    /// Its name.
    pub name: String,
    /// Single looks that are kept.
    pub results: u64,
    /// When the first of them began, microseconds since the epoch.
    pub first_result: Option<Micros>,
    /// When the last of them began.
    pub last_result: Option<Micros>,
    /// From when its time is known: the begin of its first segment.
    pub known_from: Option<Micros>,
    /// The end of its last segment.
    pub known_to: Option<Micros>,
    /// Its outages.
    pub outages: u64,
    /// Notes on them.
    pub notes: u64,
}

impl TargetInfo {
    pub(super) fn read(connection: &Connection) -> Result<Vec<TargetInfo>, Error> {
        // By target in one go: single looks are in the order of their time.
        let mut results: BTreeMap<i64, (u64, Micros, Micros)> = BTreeMap::new();
        let mut statement =
            connection.prepare("SELECT target, count(*), min(at), max(at) FROM probe_results GROUP BY target")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            results.insert(row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?));
        }
        let sql = "SELECT t.id, t.name,
                          (SELECT min(start) FROM segments WHERE target = t.id),
                          (SELECT max(end) FROM segments WHERE target = t.id),
                          (SELECT count(*) FROM outages WHERE target = t.id),
                          (SELECT count(*) FROM outage_notes WHERE target = t.id)
                   FROM targets t ORDER BY t.name";
        let mut statement = connection.prepare(sql)?;
        let targets = statement.query_map([], |row| {
            let kept = results.get(&row.get(0)?);
            Ok(TargetInfo {
                name: row.get(1)?,
                results: kept.map_or(0, |(count, ..)| *count),
                first_result: kept.map(|(_, first, _)| *first),
                last_result: kept.map(|(.., last)| *last),
                known_from: row.get(2)?,
                known_to: row.get(3)?,
                outages: row.get(4)?,
                notes: row.get(5)?,
            })
        })?;
        Ok(targets.collect::<Result<_, _>>()?)
    }
}

/// A target with what its tracker and its counters say.
struct Target {
    id: i64,
    name: String,
    tracker: Tracker,
    counts: Value,
    segments: Vec<Segment>,
    /// As their rows have them, with the content.
    outages: Vec<(i64, Micros, Option<Micros>, Outage)>,
}

impl Target {
    fn all(connection: &Connection) -> Result<Vec<Target>, Error> {
        let mut statement = connection.prepare("SELECT id, name, tracker, counts FROM targets ORDER BY name")?;
        let mut rows = statement.query([])?;
        let mut targets = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let stored = |error: serde_json::Error| Error::Stored(format!("the state of target {name}: {error}"));
            targets.push(Target {
                tracker: serde_json::from_str(row.get_ref(2)?.as_str().unwrap_or_default()).map_err(stored)?,
                counts: serde_json::from_str(row.get_ref(3)?.as_str().unwrap_or_default()).map_err(stored)?,
                segments: segments(connection, id)?,
                outages: outages(connection, id, &name)?,
                id,
                name,
            });
        }
        Ok(targets)
    }

    fn count(&self, pointer: &str) -> u64 {
        self.counts.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }
}

fn segments(connection: &Connection, target: i64) -> Result<Vec<Segment>, Error> {
    let sql = "SELECT start, end, state FROM segments WHERE target = ?1 ORDER BY start";
    let mut statement = connection.prepare_cached(sql)?;
    let segments = statement.query_map([target], |row| {
        let state = State::ALL.get(row.get::<_, usize>(2)?).copied().unwrap_or(State::Unknown);
        Ok(Segment { state, from: row.get(0)?, to: row.get(1)? })
    })?;
    Ok(segments.collect::<Result<_, _>>()?)
}

type OutageRow = (i64, Micros, Option<Micros>, Outage);

fn outages(connection: &Connection, target: i64, name: &str) -> Result<Vec<OutageRow>, Error> {
    let sql = "SELECT number, start, end, content FROM outages WHERE target = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([target])?;
    let mut outages = Vec::new();
    while let Some(row) = rows.next()? {
        let content = serde_json::from_str(row.get_ref(3)?.as_str().unwrap_or_default());
        let content = content.map_err(|error| Error::Stored(format!("an outage of target {name}: {error}")))?;
        outages.push((row.get(0)?, row.get(1)?, row.get(2)?, content));
    }
    Ok(outages)
}

/// Every check of targets, in order.
pub(super) fn targets(connection: &Connection) -> Result<Vec<Finding>, Error> {
    let targets = Target::all(connection)?;
    Ok(vec![
        references(connection)?,
        tiles(&targets),
        in_outages(&targets),
        counters(connection, &targets)?,
        sums(connection, &targets)?,
    ])
}

/// Rows that name a target or an outage that is not there, and windows that cannot be.
fn references(connection: &Connection) -> Result<Finding, Error> {
    const TABLES: [&str; 8] = [
        "target_definitions",
        "objectives",
        "probe_results",
        "segments",
        "outages",
        "isolated_failures",
        "outage_notes",
        "probe_use",
    ];
    let mut problems = Vec::new();
    let mut count = |sql: &str, what: &str| -> Result<(), Error> {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            problems.push(format!("{count} {what}"));
        }
        Ok(())
    };
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM {table} WHERE target NOT IN (SELECT id FROM targets)");
        count(&sql, &format!("rows of {table} name no target"))?;
    }
    count(
        "SELECT count(*) FROM outage_notes n
         WHERE NOT EXISTS (SELECT 1 FROM outages o WHERE o.target = n.target AND o.number = n.outage)",
        "notes name no outage",
    )?;
    count("SELECT count(*) FROM maintenance WHERE start >= end", "maintenance windows end before they begin")?;
    count(
        "SELECT count(*) FROM maintenance WHERE withdrawn < announced",
        "maintenance windows are withdrawn too early",
    )?;
    count("SELECT count(*) FROM answers WHERE within < 0 OR within > total", "sums of answers hold more than all")?;
    let targets: i64 = connection.query_row("SELECT count(*) FROM targets", [], |row| row.get(0))?;
    Ok(finding("targets and what names them", &problems, format!("{targets} targets, nothing names another")))
}

/// Each moment of a target is in one segment at most.
fn tiles(targets: &[Target]) -> Finding {
    let mut problems = Problems::default();
    let mut count = 0;
    for Target { name, segments, .. } in targets {
        count += segments.len();
        for segment in segments.iter().filter(|segment| segment.from >= segment.to) {
            problems.add(|| format!("{name}: the segment at {} ends at {}", segment.from, segment.to));
        }
        for (before, after) in segments.iter().zip(segments.iter().skip(1)) {
            if before.to > after.from {
                problems.add(|| format!("{name}: the segments at {} and {} overlap", before.from, after.from));
            }
        }
    }
    finding("segments of time", &problems.texts(), format!("{count} segments, none overlaps another"))
}

/// What is down is in an outage, what is up is in none, and outages are numbered, apart, and as their rows say.
fn in_outages(targets: &[Target]) -> Finding {
    let mut problems = Problems::default();
    let mut count = 0;
    for Target { name, tracker, segments, outages, .. } in targets {
        count += outages.len();
        let mut expected = 0;
        let mut ended = Some(Micros::MIN);
        for (number, start, end, content) in outages {
            expected += 1;
            if *number != expected || (content.start, content.end) != (*start, *end) {
                problems.add(|| format!("{name}: outage {number} is not what its row says, or {expected} is missing"));
            }
            if ended.is_none_or(|ended| ended > *start) || end.is_some_and(|end| end < *start) {
                problems
                    .add(|| format!("{name}: outage {number} begins before the one before it ended, or ends early"));
            }
            ended = *end;
        }
        let lasting = tracker.outage().map(|outage| outage.number);
        let open =
            outages.iter().find(|(.., end, _)| end.is_none()).and_then(|(number, ..)| u64::try_from(*number).ok());
        if open != lasting {
            problems.add(|| {
                format!("{name}: outage {open:?} lasts by its row, {lasting:?} by what is known of the target")
            });
        }
        let span = |(_, start, end, _): &OutageRow| (*start, end.unwrap_or(Micros::MAX));
        for segment in segments {
            let within = outages.iter().map(span).any(|(start, end)| start <= segment.from && segment.to <= end);
            // One that lies in time that the clock repeated has no length and touches nothing.
            let touched =
                outages.iter().map(span).any(|(start, end)| start < end && start < segment.to && segment.from < end);
            let (state, from) = (segment.state.label(), segment.from);
            match segment.state {
                State::Down if !within => {
                    problems.add(|| format!("{name}: {state} from {from}, which is in no outage"))
                }
                State::Up if touched => problems.add(|| format!("{name}: {state} from {from}, within an outage")),
                State::Up | State::Down | State::Unknown => {}
            }
        }
    }
    finding("outages = segments that are down", &problems.texts(), format!("{count} outages agree"))
}

/// Counters say what is kept for good: outages, down time, failures by reason, and what completions used.
fn counters(connection: &Connection, targets: &[Target]) -> Result<Finding, Error> {
    let mut problems = Problems::default();
    for target in targets {
        let Target { id, name, tracker, segments, outages, .. } = target;
        let mut differ = |what: &str, counter: i128, kept: i128| {
            if counter != kept {
                problems.add(|| format!("{name}: {what}: the counter says {counter}, what is kept {kept}"));
            }
        };
        let rows = i128::try_from(outages.len()).unwrap_or(i128::MAX);
        differ("outages", tracker.outages().into(), rows);
        let down = segments.iter().filter(|segment| segment.state == State::Down);
        let down = down.map(|segment| i128::from(segment.to) - i128::from(segment.from)).sum::<i128>();
        differ("down time", tracker.down_micros().into(), down);
        let mut failures = isolated(connection, *id)?;
        // The row of an outage that lasts has its beginning only.
        let ended = outages.iter().map(|(.., content)| content).filter(|outage| outage.end.is_some());
        for (reason, count) in ended.chain(tracker.outage()).flat_map(|outage| &outage.failures) {
            *failures.entry(*reason).or_default() += count;
        }
        for failure in tracker.pending() {
            *failures.entry(failure.reason).or_default() += 1;
        }
        for reason in Failure::ALL {
            let counted = target.count(&format!("/failures/{}", reason.label()));
            differ(reason.label(), counted.into(), failures.get(reason).copied().unwrap_or(0).into());
        }
        let probes = target.count("/probes");
        let results: u64 =
            connection.query_row("SELECT count(*) FROM probe_results WHERE target = ?1", [id], |row| row.get(0))?;
        differ("looks beyond the counter", 0, i128::from(results.saturating_sub(probes)));
        for (what, pointer, sql) in [
            ("input tokens", "/spent/input", "sum(input_tokens)"),
            ("output tokens", "/spent/output", "sum(output_tokens)"),
            ("usage missing", "/spent/usage_missing", "sum(usage_missing)"),
            ("unpriced tokens", "/spent/unpriced", "sum(iif(currency = 0, input_tokens + output_tokens, 0))"),
        ] {
            let sql = format!("SELECT coalesce({sql}, 0) FROM probe_use WHERE target = ?1");
            let kept: i64 = connection.query_row(&sql, [id], |row| row.get(0))?;
            differ(what, target.count(pointer).into(), kept.into());
        }
        let kept = costs(connection, *id)?;
        let counted = target.counts.pointer("/spent/cost").and_then(Value::as_object);
        let counted: BTreeMap<String, i128> = counted
            .into_iter()
            .flatten()
            .filter_map(|(currency, nanos)| Some((currency.clone(), nanos.as_str()?.parse().ok()?)))
            .collect();
        for currency in kept.keys().chain(counted.keys()).collect::<BTreeSet<_>>() {
            let amount = |of: &BTreeMap<String, i128>| of.get(currency).copied().unwrap_or(0);
            differ(&format!("cost in 10^-9 {currency}"), amount(&counted), amount(&kept));
        }
    }
    let fine = format!("{} targets agree", targets.len());
    Ok(finding("counters of targets = what is kept", &problems.texts(), fine))
}

fn isolated(connection: &Connection, target: i64) -> Result<BTreeMap<Failure, u64>, Error> {
    let sql = "SELECT reason, count(*) FROM isolated_failures WHERE target = ?1 GROUP BY reason";
    let mut statement = connection.prepare_cached(sql)?;
    let counts = statement.query_map([target], |row| {
        Ok((Failure::ALL.get(row.get::<_, usize>(0)?).copied().unwrap_or(Failure::Other), row.get(1)?))
    })?;
    Ok(counts.collect::<Result<_, _>>()?)
}

fn costs(connection: &Connection, target: i64) -> Result<BTreeMap<String, i128>, Error> {
    let sql = "SELECT currency, sum(cost) FROM probe_use WHERE target = ?1 AND currency <> 0 GROUP BY currency";
    let mut statement = connection.prepare_cached(sql)?;
    let costs = statement.query_map([target], |row| {
        let currency = Currency::from_code(row.get(0)?).map_or_else(|| "?".to_owned(), |code| code.to_string());
        Ok((currency, i128::from(row.get::<_, i64>(1)?)))
    })?;
    Ok(costs.collect::<Result<_, _>>()?)
}

/// Sums by bucket: answers that are judged, tokens, and cost.
type Sums = BTreeMap<(String, i64), [i64; 4]>;

/// Sums say what the single looks say, in every bucket whose looks are all kept.
fn sums(connection: &Connection, targets: &[Target]) -> Result<Finding, Error> {
    let width: i64 =
        connection.query_row("SELECT value FROM facts WHERE key = 'rollup_seconds'", [], |row| row.get(0))?;
    let oldest: Option<Micros> = connection.query_row("SELECT min(at) FROM probe_results", [], |row| row.get(0))?;
    // Retention removes the oldest first, so that only the bucket of the oldest that is left may have lost some.
    let from = oldest.map_or(i64::MAX, |at| (at.div_euclid(1_000_000).div_euclid(width) + 1) * width);
    let timeout = Failure::Timeout.index();
    // Completions of version 2 told no cache reads and are in no sum.
    let rows = read_sums(
        connection,
        &format!(
            "SELECT t.name, (r.at / 1000000 - ((r.at / 1000000) % {width})) AS bucket,
                    sum(iif(r.failure = {timeout} OR (r.failure IS NULL AND r.answer IS NOT NULL), 1, 0)),
                    sum(iif(r.cache_read IS NULL, 0, r.input_tokens)),
                    sum(iif(r.cache_read IS NULL, 0, r.output_tokens)), sum(coalesce(r.cost, 0))
             FROM probe_results r JOIN targets t ON t.id = r.target WHERE r.at >= ?1 * 1000000 GROUP BY 1, 2"
        ),
        from,
    )?;
    let mut kept = read_sums(
        connection,
        &format!("SELECT name, bucket, total, 0, 0, 0 FROM answers WHERE kind = {PROBES} AND bucket >= ?1"),
        from,
    )?;
    let used = read_sums(
        connection,
        "SELECT t.name, u.bucket, 0, sum(u.input_tokens), sum(u.output_tokens), sum(u.cost)
         FROM probe_use u JOIN targets t ON t.id = u.target WHERE u.bucket >= ?1 GROUP BY 1, 2",
        from,
    )?;
    for (key, used) in used {
        let sums = kept.entry(key).or_default();
        sums.iter_mut().zip(used).for_each(|(sum, used)| *sum += used);
    }
    let mut problems = Problems::default();
    for key in rows.keys().chain(kept.keys()).collect::<BTreeSet<_>>() {
        let (have, want) = (kept.get(key).copied().unwrap_or_default(), rows.get(key).copied().unwrap_or_default());
        if have != want {
            let (name, bucket) = key;
            problems.add(|| {
                format!("{name} from {bucket} s: [answers, input, output, cost] sums {have:?}, looks {want:?}")
            });
        }
    }
    let fine = format!("{} sums of {} targets agree, as far as all looks are kept", kept.len(), targets.len());
    Ok(finding("answers and cost of looks = looks", &problems.texts(), fine))
}

fn read_sums(connection: &Connection, sql: &str, from: i64) -> Result<Sums, Error> {
    let mut statement = connection.prepare(sql)?;
    let sums = statement.query_map([from], |row| {
        Ok(((row.get(0)?, row.get(1)?), [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?]))
    })?;
    let mut sums: Sums = sums.collect::<Result<_, _>>()?;
    sums.retain(|_, values| values.iter().any(|value| *value != 0));
    Ok(sums)
}
