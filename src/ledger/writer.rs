//! The thread that commits what it is handed, tries again while the disk is full, and keeps the folds and the jobs going.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::availability::{ProbeResult, TargetDefinition};
use super::availability_query::Facts;
use super::batch::Batch;
use super::config::Retention;
use super::open::{Error, Ledger};
use super::retention::Deleted;
use super::sink::{SinkCounts, SinkPosition, SinkStart, SinkState};
use super::tally::Tally;
use super::usage::Usage;
use crate::clock::Clock;
use crate::meter::SourceCounts;
use crate::record::Micros;
use crate::session::id::Grouping;

/// Batches that may wait: the reader is held back beyond. While one transaction is forced to disk those of the next gather, so
/// that a slow disk gets few large ones.
const QUEUE: usize = 3;
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

/// What others may know of the writer at any time.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Why nothing can be committed now.
    pub failure: Option<String>,
    /// Totals per source, as committed.
    pub sources: std::collections::BTreeMap<String, SourceCounts>,
    /// Rows ever written.
    pub rows: u64,
    /// Open sessions by gateway.
    pub sessions_open: std::collections::BTreeMap<String, u64>,
    /// Sinks in use.
    pub sinks: std::collections::BTreeMap<String, SinkState>,
    /// Time of the last commit.
    pub last_commit: Option<Micros>,
    /// When each job last succeeded.
    pub jobs: std::collections::BTreeMap<&'static str, Micros>,
    /// Batches handed over since the start.
    sent: u64,
    /// Batches committed since the start.
    pub committed: u64,
    /// Batches of looks at targets that were committed since the start.
    pub probes_committed: u64,
    /// Sources that are not read to their end; `None` while nobody has said.
    behind: Option<std::collections::BTreeSet<String>>,
    /// The writer is asked to give up what it cannot commit.
    give_up: bool,
}

/// Committed batches whose memory is used again: passed from thread to thread it would be scattered over the heap.
type Spares = Arc<Mutex<Vec<Batch>>>;

/// Who wants to know of each commit.
type Wakers = Arc<Mutex<Vec<Weak<Notify>>>>;

/// What the writer is asked to do.
enum Message {
    Batch(Box<Batch>),
    Prices(Vec<(String, String)>, SyncSender<Vec<u32>>),
    Configuration(String),
    Retention(Retention),
    Sessions(crate::session::Config),
    Exemplars(Option<Grouping>),
    UseSink(String, SinkStart, SyncSender<SinkPosition>),
    LeaveSink(String),
    MoveSink(String, Option<SinkPosition>, SinkCounts, SyncSender<()>),
    Targets(Vec<TargetDefinition>, crate::sla::Config),
    Probes(Vec<ProbeResult>),
    Facts([Micros; 3], SyncSender<Facts>),
    Usage([i64; 2], SyncSender<Vec<Usage>>),
    Note(String, u64, String, SyncSender<bool>),
    Delete(Micros, String, SyncSender<Deleted>),
    ClockStep,
    Stop,
}

/// A deletion that goes on between batches.
struct Deletion {
    before: Micros,
    by: String,
    requests: u64,
    reply: SyncSender<Deleted>,
}

/// The running writer: hand batches to it.
#[derive(Debug)]
pub struct Writer {
    sender: SyncSender<Message>,
    status: Arc<Mutex<Status>>,
    spares: Spares,
    wakers: Wakers,
    thread: Option<JoinHandle<Result<(Ledger, Tally), Error>>>,
}

/// A way to send to the writer from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    sender: SyncSender<Message>,
    status: Arc<Mutex<Status>>,
    spares: Spares,
    wakers: Wakers,
}

/// The writer ended; its own result says why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the ledger's writer has ended")]
pub struct Ended;

impl Handle {
    /// Hands a batch over; waits while the writer is behind.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn send(&self, batch: Batch) -> Result<(), Ended> {
        self.status.lock().sent += 1;
        self.sender.send(Message::Batch(Box::new(batch))).map_err(|_| Ended)
    }

    /// Keeps price rows (digest and JSON) and returns their ids.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn keep_prices(&self, rows: Vec<(String, String)>) -> Result<Vec<u32>, Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::Prices(rows, reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Keeps an accepted configuration.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn keep_configuration(&self, content: String) -> Result<(), Ended> {
        self.sender.send(Message::Configuration(content)).map_err(|_| Ended)
    }

    /// Changes retention.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn set_retention(&self, retention: Retention) -> Result<(), Ended> {
        self.sender.send(Message::Retention(retention)).map_err(|_| Ended)
    }

    /// Changes when sessions end, and how many are held open.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn set_sessions(&self, config: crate::session::Config) -> Result<(), Ended> {
        self.sender.send(Message::Sessions(config)).map_err(|_| Ended)
    }

    /// Changes what is looked at, by name and definition, and what was promised.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn keep_targets(&self, definitions: Vec<TargetDefinition>, sla: crate::sla::Config) -> Result<(), Ended> {
        self.sender.send(Message::Targets(definitions, sla)).map_err(|_| Ended)
    }

    /// Hands looks at targets over; waits while the writer is behind.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn send_probes(&self, results: Vec<ProbeResult>) -> Result<(), Ended> {
        self.sender.send(Message::Probes(results)).map_err(|_| Ended)
    }

    /// What availability within `[from, to)` is computed from, as of `now`: for a ledger that nobody else can read.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn facts(&self, from: Micros, to: Micros, now: Micros) -> Result<Facts, Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::Facts([from, to, now], reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Sums of the requests that start within `[from, until)`, seconds since the epoch: for a ledger that nobody else can
    /// read.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn usage(&self, from: i64, until: i64) -> Result<Vec<Usage>, Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::Usage([from, until], reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Adds a note to an outage of a target, told by its number. Returns whether there is such an outage, once the note is
    /// on disk.
    ///
    /// # Errors
    /// The writer has ended; nothing was written.
    pub fn add_note(&self, target: &str, outage: u64, text: &str) -> Result<bool, Ended> {
        let (reply, answer) = sync_channel(1);
        let note = Message::Note(target.to_owned(), outage, text.to_owned(), reply);
        self.sender.send(note).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Says which sources are not read to their end. The sessions of all others follow the wall clock.
    pub fn set_behind(&self, behind: std::collections::BTreeSet<String>) {
        self.status.lock().behind = Some(behind);
    }

    /// Says which traces exemplars name from now on; `None` for the gateway's own.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn set_exemplars(&self, grouping: Option<Grouping>) -> Result<(), Ended> {
        self.sender.send(Message::Exemplars(grouping)).map_err(|_| Ended)
    }

    /// Puts a sink in use and returns its position.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn use_sink(&self, name: &str, start: SinkStart) -> Result<SinkPosition, Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::UseSink(name.to_owned(), start, reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Takes a sink out of use.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn leave_sink(&self, name: &str) -> Result<(), Ended> {
        self.sender.send(Message::LeaveSink(name.to_owned())).map_err(|_| Ended)
    }

    /// Moves a sink and adds to its counts; returns when that is on disk.
    ///
    /// # Errors
    /// The writer has ended; nothing was moved.
    pub fn move_sink(&self, name: &str, position: Option<SinkPosition>, counts: SinkCounts) -> Result<(), Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::MoveSink(name.to_owned(), position, counts, reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Removes requests that start before a moment, by whole blocks of 8,192 rows, a few between two batches, and writes
    /// down who asked. Returns when that is done.
    ///
    /// # Errors
    /// The writer has ended; what was removed so far is gone.
    pub fn delete_before(&self, before: Micros, by: &str) -> Result<Deleted, Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::Delete(before, by.to_owned(), reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Counts a step of the wall clock.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn clock_step(&self) -> Result<(), Ended> {
        self.sender.send(Message::ClockStep).map_err(|_| Ended)
    }

    /// A committed batch to be used again, if there is one.
    #[must_use]
    pub fn spare(&self) -> Option<Batch> {
        self.spares.lock().pop()
    }

    /// A copy of the writer's status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Whether nothing can be committed now, and why.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.status.lock().failure.clone()
    }

    /// Number of batches of looks committed since the start.
    #[must_use]
    pub fn probes_committed(&self) -> u64 {
        self.status.lock().probes_committed
    }

    /// Number of batches committed since the start.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.status.lock().committed
    }

    /// Notifies whoever holds `waker` after each commit, for as long as somebody does.
    pub fn wake_on_commit(&self, waker: &Arc<Notify>) {
        self.wakers.lock().push(Arc::downgrade(waker));
    }

    /// Time of the last commit since the start.
    #[must_use]
    pub fn last_commit(&self) -> Option<Micros> {
        self.status.lock().last_commit
    }

    /// Whether all that was handed over is committed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let status = self.status.lock();
        status.committed >= status.sent
    }

    /// Ends the writer if it is waiting for the disk: what it cannot commit now is read again at the next start.
    pub fn give_up(&self) {
        self.status.lock().give_up = true;
    }
}

impl Writer {
    /// Starts the thread. It owns the ledger until [`Writer::stop`].
    ///
    /// # Errors
    /// The ledger cannot be read, or no thread can be started.
    pub fn start(ledger: Ledger, retention: Retention) -> Result<Writer, Error> {
        let (sender, receiver) = sync_channel(QUEUE);
        let status = Arc::new(Mutex::new(Status {
            sources: ledger.sources()?.into_iter().collect(),
            rows: ledger.rows(),
            ..Status::default()
        }));
        let shared = Arc::clone(&status);
        let spares = Spares::default();
        let given_back = Arc::clone(&spares);
        let wakers = Wakers::default();
        let woken = Arc::clone(&wakers);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let mut thread = Thread::new(ledger, retention, shared, given_back, woken);
                let ended = thread.run(&receiver);
                if let Err(error) = &ended {
                    thread.status.lock().failure = Some(error.to_string());
                }
                ended.map(|()| {
                    let tally = thread.ledger.tally().clone();
                    (thread.ledger, tally)
                })
            })
            .map_err(|source| Error::File { action: "start a thread for", path: "the ledger".into(), source })?;
        Ok(Writer { sender, status, spares, wakers, thread: Some(thread) })
    }

    /// A way to send to it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            sender: self.sender.clone(),
            status: Arc::clone(&self.status),
            spares: Arc::clone(&self.spares),
            wakers: Arc::clone(&self.wakers),
        }
    }

    /// Whether the thread has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Commits what was handed over, writes the folds and gives the ledger back.
    ///
    /// # Errors
    /// What the writer ended with. A batch that cannot be committed because the disk is full is given up: its
    /// positions were not committed either, so that the next start reads its lines again.
    pub fn stop(mut self) -> Result<(Ledger, Tally), Error> {
        let _ = self.sender.send(Message::Stop);
        let Some(thread) = self.thread.take() else {
            return Err(Error::Database("the writer was stopped before".to_owned()));
        };
        thread.join().unwrap_or_else(|_| Err(Error::Database("the writer's thread ended unexpectedly".to_owned())))
    }
}

struct Thread {
    ledger: Ledger,
    retention: Retention,
    status: Arc<Mutex<Status>>,
    spares: Spares,
    wakers: Wakers,
    clock: Clock,
    folds_written: Instant,
    retention_looked: Option<Instant>,
    deletions: VecDeque<Deletion>,
    /// There is something left to pack.
    packs: bool,
}

impl Thread {
    fn new(ledger: Ledger, retention: Retention, status: Arc<Mutex<Status>>, spares: Spares, wakers: Wakers) -> Thread {
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
            packs: true,
        }
    }

    /// Tells those who wait for it that something was committed.
    fn wake(&self) {
        self.wakers.lock().retain(|waker| waker.upgrade().inspect(|waker| waker.notify_one()).is_some());
    }

    fn run(&mut self, receiver: &Receiver<Message>) -> Result<(), Error> {
        let mut pending = None;
        loop {
            let wait = if !self.deletions.is_empty() {
                Duration::ZERO
            } else if self.packs {
                PACK_INTERVAL
            } else if self.is_dirty() {
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
                Ok(Message::ClockStep) => self.ledger.meter.lock().observe_clock_step(),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.ledger.session_fold.behind.clone_from(&self.status.lock().behind);
                    return match self.ledger.write_folds() {
                        // The rows are safe; the next start folds them.
                        Err(error) if error.is_passing() => Ok(()),
                        other => other,
                    };
                }
                Err(RecvTimeoutError::Timeout) => {}
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
