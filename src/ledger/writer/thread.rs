//! What the writer's thread does: it commits, tries again while the disk is full, and keeps the folds and the jobs going.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Message, QUEUE, Spares, Status, Wakers};
use crate::clock::Clock;
use crate::content::Erasure;
use crate::ledger::batch::Batch;
use crate::ledger::config::Retention;
use crate::ledger::erase::Erasing;
use crate::ledger::open::{Error, Ledger};
use crate::ledger::retention::Deleted;
use crate::record::Micros;

/// How often folds are written at the latest.
const FOLD_INTERVAL: Duration = Duration::from_secs(1);
/// Between two steps of packing, where nothing else is to be done.
const PACK_INTERVAL: Duration = Duration::from_millis(50);
/// A failed commit is tried again after so many slices; between them a stop is noticed.
const RETRY_SLICES: usize = 10;
const RETRY_SLICE: Duration = Duration::from_millis(100);
/// How often retention looks for rows to remove.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
/// How often open sessions are looked at while nothing is written.
const SESSION_INTERVAL: Duration = Duration::from_secs(5);
/// Steps of retention in a row, each one block, before waiting batches go first.
const RETENTION_STEPS: usize = 4;

/// A deletion that goes on between batches.
struct Deletion {
    before: Micros,
    by: String,
    requests: u64,
    reply: SyncSender<Deleted>,
}

pub(super) struct Thread {
    pub(super) ledger: Ledger,
    retention: Retention,
    pub(super) status: Arc<Mutex<Status>>,
    spares: Spares,
    wakers: Wakers,
    clock: Clock,
    folds_written: Instant,
    retention_looked: Option<Instant>,
    deletions: VecDeque<Deletion>,
    erasures: VecDeque<(Erasing, SyncSender<Erasure>)>,
    /// When the write-ahead logs were last tried to be emptied of what was erased.
    cleaned: Option<Instant>,
    /// There is something left to pack.
    packs: bool,
}

impl Thread {
    pub(super) fn new(
        ledger: Ledger,
        retention: Retention,
        status: Arc<Mutex<Status>>,
        spares: Spares,
        wakers: Wakers,
    ) -> Thread {
        let clock = ledger.clock.clone();
        let folds_written = clock.instant();
        let deletions = VecDeque::new();
        Thread {
            folds_written,
            retention_looked: None,
            ledger,
            retention,
            status,
            spares,
            wakers,
            clock,
            deletions,
            erasures: VecDeque::new(),
            cleaned: None,
            packs: true,
        }
    }

    /// Tells those who wait for it that something was committed.
    fn wake(&self) {
        self.wakers.lock().retain(|waker| waker.upgrade().inspect(|waker| waker.notify_one()).is_some());
    }

    pub(super) fn run(&mut self, receiver: &Receiver<Message>) -> Result<(), Error> {
        let mut pending = None;
        loop {
            let wait = if !self.deletions.is_empty() || !self.erasures.is_empty() || self.has_words() {
                Duration::ZERO
            } else if self.packs {
                PACK_INTERVAL
            } else if self.is_dirty() || self.ledger.is_unclean() {
                FOLD_INTERVAL
            } else if self.ledger.session_fold.sessions.is_empty() {
                RETENTION_INTERVAL
            } else {
                SESSION_INTERVAL
            };
            let message = match pending.take() {
                Some(message) => Ok(message),
                None => receiver.recv_timeout(wait),
            };
            match message {
                Ok(Message::Batch(batch)) => {
                    let mut batches = vec![*batch];
                    while pending.is_none() && batches.len() <= QUEUE {
                        match receiver.try_recv() {
                            Ok(Message::Batch(batch)) => batches.push(*batch),
                            Ok(other) => pending = Some(other),
                            Err(_) => break,
                        }
                    }
                    if !self.commit(batches)? {
                        return Ok(());
                    }
                }
                Ok(Message::Prices(rows, reply)) => {
                    let kept = self.until_written(|ledger| {
                        ledger.keep_price_rows(rows.iter().map(|(digest, json)| (digest.as_str(), json.clone())))
                    })?;
                    let Some(kept) = kept else { return Ok(()) };
                    // Whoever asked may have gone; the rows are kept all the same.
                    let _ = reply.send(kept);
                }
                Ok(Message::Configuration(content)) => {
                    if self.until_written(|ledger| ledger.keep_configuration(&content))?.is_none() {
                        return Ok(());
                    }
                }
                Ok(Message::Retention(retention)) => {
                    self.retention = retention;
                    self.retention_looked = None;
                }
                Ok(Message::Sessions(config)) => self.ledger.set_sessions(&config),
                Ok(Message::Exemplars(grouping)) => self.ledger.exemplars = grouping,
                Ok(Message::UseSink(name, start, reply)) => {
                    let used = self.until_written(|ledger| ledger.use_sink(&name, start))?;
                    let Some(position) = used else { return Ok(()) };
                    let _ = reply.send(position);
                    self.publish_sinks();
                }
                Ok(Message::LeaveSink(name)) => {
                    self.ledger.leave_sink(&name);
                    self.publish_sinks();
                }
                Ok(Message::MoveSink(name, position, counts, reply)) => {
                    if self.until_written(|ledger| ledger.move_sink(&name, position, &counts))?.is_none() {
                        return Ok(());
                    }
                    let _ = reply.send(());
                    self.publish_sinks();
                }
                Ok(Message::Targets(definitions, sla)) => {
                    if self.until_written(|ledger| ledger.keep_targets(&definitions, &sla))?.is_none() {
                        return Ok(());
                    }
                }
                Ok(Message::Probes(results)) => {
                    if self.until_written(|ledger| ledger.observe_probes(&results))?.is_none() {
                        return Ok(());
                    }
                    let mut status = self.status.lock();
                    status.failure = None;
                    status.last_commit = Some(self.clock.now());
                    status.probes_committed += 1;
                }
                Ok(Message::Facts([from, to, now], reply)) => {
                    let facts = self.ledger.facts(from, to, now)?;
                    // Whoever asked may have gone.
                    let _ = reply.send(facts);
                }
                Ok(Message::Usage([from, until], reply)) => {
                    let usage = self.ledger.usage(from, until)?;
                    let _ = reply.send(usage);
                }
                Ok(Message::Note(target, outage, text, reply)) => {
                    let added = self.until_written(|ledger| ledger.add_note(&target, outage, &text))?;
                    let Some(added) = added else { return Ok(()) };
                    let _ = reply.send(added);
                }
                Ok(Message::Delete(before, by, reply)) => {
                    self.deletions.push_back(Deletion { before, by, requests: 0, reply });
                }
                Ok(Message::Erase(scope, by, reply)) => {
                    let begun = self.ledger.begin_erasure(scope, by)?;
                    self.erasures.push_back((begun, reply));
                }
                Ok(Message::ClockStep) => self.ledger.meter.lock().observe_clock_step(),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.ledger.session_fold.behind.clone_from(&self.status.lock().behind);
                    return match self.ledger.write_folds() {
                        // The rows are safe; the next start folds them.
                        Err(error) if error.is_passing() => Ok(()),
                        other => other,
                    };
                }
                Err(RecvTimeoutError::Timeout) => {
                    // Only when nothing else waits.
                    if self.ledger.has_words() {
                        self.attempt("content_index", Ledger::index_content)?;
                    }
                }
            }
            self.upkeep()?;
        }
    }

    /// Commits batches, trying again while the disk is full. Returns whether to go on.
    fn commit(&mut self, batches: Vec<Batch>) -> Result<bool, Error> {
        let prepared = self.ledger.prepare(batches)?;
        loop {
            let began = self.clock.instant();
            match self.ledger.commit(&prepared, began) {
                Ok(()) => {
                    let took = self.clock.instant().saturating_duration_since(began);
                    self.ledger.meter.lock().observe_commit(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX));
                    let mut status = self.status.lock();
                    status.failure = None;
                    status.rows = self.ledger.rows();
                    status.content = self.ledger.content_counts();
                    status.last_commit = Some(self.clock.now());
                    status.committed += prepared.batches.len() as u64;
                    for (name, added) in &prepared.counts {
                        status.sources.entry(name.clone()).or_default().add(added);
                    }
                    drop(status);
                    self.wake();
                    let mut spares = self.spares.lock();
                    let room = (QUEUE + 1).saturating_sub(spares.len());
                    spares.extend(prepared.batches.into_iter().take(room));
                    return Ok(true);
                }
                Err(error) if error.is_passing() => {
                    self.failed(&error);
                    if !self.wait_for_disk() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs a step until the disk takes it; `None` when asked to give up.
    fn until_written<T>(&mut self, mut step: impl FnMut(&mut Ledger) -> Result<T, Error>) -> Result<Option<T>, Error> {
        loop {
            match step(&mut self.ledger) {
                Ok(done) => return Ok(Some(done)),
                Err(error) if error.is_passing() => {
                    self.failed(&error);
                    if !self.wait_for_disk() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits before the next try; returns whether to go on.
    fn wait_for_disk(&self) -> bool {
        for _ in 0..RETRY_SLICES {
            if self.status.lock().give_up {
                return false;
            }
            std::thread::sleep(RETRY_SLICE);
        }
        true
    }

    fn failed(&mut self, error: &Error) {
        let mut status = self.status.lock();
        if status.failure.is_none() {
            tracing::error!(%error, "the ledger cannot be written; reading waits, nothing is lost");
        }
        status.failure = Some(error.to_string());
        drop(status);
        self.ledger.meter.lock().observe_commit_failure();
    }

    fn publish_sinks(&self) {
        let sinks = self.ledger.sinks();
        self.status.lock().sinks = sinks;
    }

    /// Whether there is something in memory that belongs on disk.
    fn is_dirty(&self) -> bool {
        self.ledger.folds.is_dirty() || self.ledger.session_fold.is_dirty()
    }

    fn upkeep(&mut self) -> Result<(), Error> {
        let now = self.clock.instant();
        let since = now.saturating_duration_since(self.folds_written);
        let sessions = &self.ledger.session_fold.sessions;
        let (any_open, too_many_open) = (!sessions.is_empty(), sessions.is_over());
        self.ledger.session_fold.behind.clone_from(&self.status.lock().behind);
        let is_due = (since >= FOLD_INTERVAL && self.is_dirty())
            || (since >= SESSION_INTERVAL && any_open && !self.ledger.due_closures().is_empty());
        if self.ledger.folds.is_large() || too_many_open || is_due {
            self.folds_written = now;
            self.attempt("folds", Ledger::write_folds)?;
            self.packs = true;
            self.wake();
        }
        if self.packs && !self.ledger.folds.is_dirty() {
            self.packs = self.pack()?;
        }
        let open = self.ledger.open_sessions();
        self.status.lock().sessions_open = open;
        self.publish_sinks();
        self.delete()?;
        self.erase()?;
        let looked = self.retention_looked.is_some_and(|at| now.saturating_duration_since(at) < RETENTION_INTERVAL);
        if !looked {
            let retention = self.retention.clone();
            let mut more = true;
            for _ in 0..RETENTION_STEPS {
                if more {
                    self.attempt("retention", |ledger| {
                        more = ledger.retain(&retention)?;
                        Ok(())
                    })?;
                }
            }
            if !more {
                self.retention_looked = Some(now);
            }
        }
        Ok(())
    }

    /// Packs a little; where the disk is full, that is left for later.
    fn pack(&mut self) -> Result<bool, Error> {
        match self.ledger.pack() {
            Err(error) if error.is_passing() => Ok(false),
            packed => packed,
        }
    }

    /// Some steps of the deletion that was asked for first.
    fn delete(&mut self) -> Result<(), Error> {
        for _ in 0..RETENTION_STEPS {
            let Some(deletion) = self.deletions.front() else { return Ok(()) };
            let (before, by, requests) = (deletion.before, deletion.by.clone(), deletion.requests);
            let (mut removed, mut done) = (None, None);
            self.attempt("deletion", |ledger| {
                removed = ledger.delete_step(before)?;
                if removed.is_none() {
                    done = Some(ledger.delete_done(before, &by, requests)?);
                }
                Ok(())
            })?;
            if let Some(done) = done {
                if let Some(deletion) = self.deletions.pop_front() {
                    // Whoever asked may have gone; what was asked for is done all the same.
                    let _ = deletion.reply.send(done);
                }
            } else if let Some(removed) = removed {
                if let Some(deletion) = self.deletions.front_mut() {
                    deletion.requests += removed;
                }
            } else {
                // The disk is full: later.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether there are words to be indexed, and a disk that takes them.
    fn has_words(&self) -> bool {
        self.ledger.has_words() && self.status.lock().failure.is_none()
    }

    /// Says what was ever captured.
    fn publish_content(&self) {
        let content = self.ledger.content_counts();
        self.status.lock().content = content;
    }

    /// A step of the erasure that was asked for first, and what an erasure before had to leave in the logs.
    fn erase(&mut self) -> Result<(), Error> {
        if let Some((mut erasing, reply)) = self.erasures.pop_front() {
            let mut done = None;
            self.attempt("erasure", |ledger| {
                done = ledger.erase_step(&mut erasing)?;
                Ok(())
            })?;
            match done {
                Some(done) => {
                    self.publish_content();
                    // Whoever asked may have gone; what was asked for is done all the same.
                    let _ = reply.send(done);
                }
                None => self.erasures.push_front((erasing, reply)),
            }
        }
        let now = self.clock.instant();
        let tried = self.cleaned.is_some_and(|at| now.saturating_duration_since(at) < FOLD_INTERVAL);
        if self.ledger.is_unclean() && !tried {
            self.cleaned = Some(now);
            let mut is_clean = false;
            let before = self.status.lock().jobs.get("content_cleaning").copied();
            self.attempt("content_cleaning", |ledger| {
                is_clean = ledger.clean()?;
                Ok(())
            })?;
            if !is_clean {
                // It is no success that a reader still holds what was erased.
                let mut status = self.status.lock();
                match before {
                    Some(before) => status.jobs.insert("content_cleaning", before),
                    None => status.jobs.remove("content_cleaning"),
                };
            }
        }
        Ok(())
    }

    /// Runs a job; one that fails because the disk is full is tried again at the next turn.
    fn attempt(&mut self, job: &'static str, step: impl FnOnce(&mut Ledger) -> Result<(), Error>) -> Result<(), Error> {
        match step(&mut self.ledger) {
            Ok(()) => {
                let now = self.clock.now();
                self.status.lock().jobs.insert(job, now);
                Ok(())
            }
            Err(error) if error.is_passing() => {
                self.failed(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
