//! The thread that commits what it is handed, tries again while the disk is full, and keeps the folds and the jobs going.

mod thread;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

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
use crate::content::{Counts, Erasure, Scope};
use crate::meter::SourceCounts;
use crate::record::Micros;
use crate::session::id::Grouping;

/// Batches that may wait: the reader is held back beyond. While one transaction is forced to disk those of the next gather, so
/// that a slow disk gets few large ones.
const QUEUE: usize = 3;

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
    /// What was ever captured of conversations, and the bytes that they take on disk; `None` where nothing was.
    pub content: Option<(Counts, u64)>,
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
    Erase(Scope, String, SyncSender<Erasure>),
    ClockStep,
    Stop,
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

    /// Erases captured conversations and the names that lead to them, a few between two batches, and writes down who asked.
    /// Returns when nothing of them is left, or as soon as only a reader that is still open holds some of it.
    ///
    /// # Errors
    /// The writer has ended; what was erased so far is gone.
    pub fn erase(&self, scope: Scope, by: &str) -> Result<Erasure, Ended> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::Erase(scope, by.to_owned(), reply)).map_err(|_| Ended)?;
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
            content: ledger.content_counts(),
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
                let mut thread = thread::Thread::new(ledger, retention, shared, given_back, woken);
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
