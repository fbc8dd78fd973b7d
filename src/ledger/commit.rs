//! Batches become transactions, as many at once as are waiting: forcing a transaction to disk costs the same for one and for all.

use std::time::Instant;

use rusqlite::Connection;

use super::batch::{Batch, Entry, duplicate_key};
use super::columns;
use super::intern::{self, NameKind};
use super::open::{Error, Ledger};
use super::row::{Binder, ROWS_PER_STATEMENT, insert_sql};
use super::session::count_placement;
use crate::meter::{EXEMPLAR_AGE_MICROS, SourceCounts};

/// Batches whose repetitions are dropped and whose ids are found; they may be committed again after a failure.
#[derive(Debug, Default)]
pub struct Prepared {
    pub(super) batches: Vec<Batch>,
    pub(super) counts: Vec<(String, SourceCounts)>,
    duplicates: u64,
}

impl Prepared {
    fn rows(&self) -> i64 {
        self.batches.iter().map(|batch| i64::try_from(batch.entries.len()).unwrap_or(0)).sum()
    }

    fn add_counts(&mut self, sources: &[(String, SourceCounts)]) {
        for (name, added) in sources.iter().filter(|(_, counts)| !counts.is_empty()) {
            match self.counts.iter_mut().find(|(known, _)| known == name) {
                Some((_, counts)) => counts.add(added),
                None => self.counts.push((name.clone(), added.clone())),
            }
        }
    }
}

impl Ledger {
    /// Drops repetitions and finds dictionary ids, in the order of the batches. To be followed by [`Ledger::commit`], again
    /// and again until it succeeds, before more is prepared.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn prepare(&mut self, batches: Vec<Batch>) -> Result<Prepared, Error> {
        let new_names = self.interner.next_name();
        let wall = self.clock.now();
        self.session_fold.sessions.set_wall(wall);
        let oldest_exemplar = wall.saturating_sub(EXEMPLAR_AGE_MICROS);
        let mut prepared = Prepared { batches, ..Prepared::default() };
        let mut next_row = self.next_row;
        for index in 0..prepared.batches.len() {
            let Some(batch) = prepared.batches.get_mut(index) else { break };
            let mut entries = std::mem::take(&mut batch.entries);
            let repeated = self.drop_repeated(batch, &mut entries);
            for entry in &mut entries {
                entry.row.id = next_row;
                next_row += 1;
                self.find_ids(batch, entry)?;
                self.place_in_session(batch, entry, new_names, oldest_exemplar)?;
            }
            batch.entries = entries;
            let sources = std::mem::take(&mut batch.sources);
            prepared.add_counts(&sources);
            prepared.duplicates += repeated;
        }
        Ok(prepared)
    }

    /// Takes out the entries that are known, counts what is left, and returns how many went.
    fn drop_repeated(&mut self, batch: &mut Batch, entries: &mut Vec<Entry>) -> u64 {
        // In a loop of its own, as the next one waits for memory.
        for entry in entries.iter_mut() {
            entry.row.key = duplicate_key(batch.bytes(&entry.key));
        }
        let mut duplicates = 0;
        let known = &mut self.duplicates;
        let sources = &mut batch.sources;
        entries.retain(|entry| {
            let repeated = known.insert(entry.row.key);
            if let Some((_, counts)) = sources.get_mut(entry.source) {
                counts.records += 1;
                if repeated {
                    counts.duplicates += 1;
                } else {
                    counts.requests += 1;
                }
            }
            duplicates += u64::from(repeated);
            !repeated
        });
        duplicates
    }

    fn find_ids(&mut self, batch: &Batch, entry: &mut Entry) -> Result<(), Error> {
        let (connection, interner) = (&self.connection, &mut self.interner);
        let row = &mut entry.row;
        entry.place = interner.place(connection, batch.bytes(&entry.attributes))?;
        row.attributes = interner.set(entry.place).map_or(0, |set| set.id);
        row.user = interner.name_id(connection, NameKind::User, batch.bytes(&entry.user))?;
        row.session = interner.name_id(connection, NameKind::Session, batch.bytes(&entry.session))?;
        row.tools = interner.name_id(connection, NameKind::Tools, batch.bytes(&entry.tools))?;
        // Nothing may fail behind the commit, so what the folds need is looked up here.
        self.folds.kinds.know(connection, row.price_row)?;
        if row.tools != 0 {
            interner.tools(connection, row.tools)?;
        }
        for cost in [row.cost, row.logged_cost].into_iter().flatten() {
            interner.currency_id(connection, Some(cost.currency))?;
        }
        Ok(())
    }

    /// Writes rows, positions and counts in one transaction, then moves the folds and the meter. `now` is the time of
    /// birth of new series.
    ///
    /// # Errors
    /// Nothing was written; where [`Error::is_passing`] the same batches can be committed later.
    pub fn commit(&mut self, prepared: &Prepared, now: Instant) -> Result<(), Error> {
        self.write_content(prepared)?;
        self.write(prepared)?;
        self.folds.full.clear();
        self.next_row += prepared.rows();
        self.tally.duplicates += prepared.duplicates;
        let mut meter = self.meter.lock();
        for entry in prepared.batches.iter().flat_map(|batch| &batch.entries) {
            let Some(set) = self.interner.set(entry.place) else { continue };
            let row = &entry.row;
            meter.observe(row, &set.attributes, self.interner.known_tools(row.tools), entry.exemplar, Some(now));
            count_placement(&mut meter, row, &set.attributes.gateway, entry.reopened, Some(now));
            self.folds.observe(row, set.attributes.service_tier);
            self.tally.observe(row, set.gateway);
            if self.path.is_some() {
                self.packing.hours.observe(row);
            }
        }
        drop(meter);
        self.session_fold.derived.written();
        self.interner.written();
        Ok(())
    }

    fn write(&self, prepared: &Prepared) -> Result<(), Error> {
        let transaction = self.connection.unchecked_transaction()?;
        intern::write(&transaction, &self.interner.pending)?;
        // In memory nothing but dictionaries and folds is kept.
        if self.path.is_some() {
            write_rows(&transaction, &prepared.batches)?;
        }
        // Those of earlier transactions, which need not wait in memory for the other folds.
        columns::write(&transaction, &self.folds.full)?;
        self.write_conversations()?;
        self.write_counts(&prepared.counts)?;
        let mut upsert = transaction.prepare_cached("INSERT OR REPLACE INTO files (file, position) VALUES (?1, ?2)")?;
        let mut delete = transaction.prepare_cached("DELETE FROM files WHERE file = ?1")?;
        for batch in &prepared.batches {
            for (file, position) in &batch.positions {
                upsert.execute((i64::from_ne_bytes(file.to_ne_bytes()), position))?;
            }
            for file in &batch.forgotten {
                delete.execute([i64::from_ne_bytes(file.to_ne_bytes())])?;
            }
        }
        drop((upsert, delete));
        Ok(transaction.commit()?)
    }

    fn write_counts(&self, counts: &[(String, SourceCounts)]) -> Result<(), Error> {
        let mut select = self.connection.prepare_cached("SELECT counts FROM sources WHERE source = ?1")?;
        let mut upsert =
            self.connection.prepare_cached("INSERT OR REPLACE INTO sources (source, counts) VALUES (?1, ?2)")?;
        for (name, added) in counts {
            let mut rows = select.query([name])?;
            let mut total = match rows.next()? {
                Some(row) => serde_json::from_str(&row.get::<_, String>(0)?)
                    .map_err(|error| Error::Stored(format!("counts of {name}: {error}")))?,
                None => SourceCounts::default(),
            };
            drop(rows);
            total.add(added);
            upsert.execute((name, serde_json::to_string(&total).unwrap_or_default()))?;
        }
        Ok(())
    }
}

fn write_rows(connection: &Connection, batches: &[Batch]) -> Result<(), Error> {
    let (many, one) = (insert_sql(ROWS_PER_STATEMENT), insert_sql(1));
    let mut bytes = Vec::new();
    for batch in batches {
        let mut rows = batch.entries.as_slice();
        while !rows.is_empty() {
            let (size, sql) = if rows.len() >= ROWS_PER_STATEMENT { (ROWS_PER_STATEMENT, &many) } else { (1, &one) };
            let (now, rest) = rows.split_at_checked(size).unwrap_or((rows, &[]));
            let mut statement = connection.prepare_cached(sql)?;
            let mut binder = Binder::new(&mut statement, &mut bytes);
            for entry in now {
                binder.row(batch, entry)?;
            }
            binder.execute()?;
            rows = rest;
        }
    }
    Ok(())
}
