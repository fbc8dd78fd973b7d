//! The reading side: logical lines of all sources become batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::prices::Prices;
use crate::clock::Clock;
use crate::content::{self, Capturer};
use crate::format::Decoder;
use crate::ledger::writer::{Ended, Handle};
use crate::ledger::{Batch, Context};
use crate::record::{Micros, Parsed, Reject};
use crate::tail::{Rotation, Sink, Step, Tail};

/// Requests after which a batch is committed at the latest.
const MAX_ROWS: usize = 4_096;
/// Bytes of a batch in memory after which it is committed at the latest.
const MAX_SIZE: usize = 512 << 10;
/// Time after which a batch is committed at the latest.
const MAX_AGE: Duration = Duration::from_millis(100);
/// How often files are looked at without a wake-up.
const TICK: Duration = Duration::from_millis(250);

/// Asks a running reader to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks; the reader ends after its present step.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Wakes a waiting reader: files have changed.
#[derive(Clone, Debug)]
pub struct Wake(SyncSender<()>);

impl Wake {
    /// A wake-up and what the reader waits on.
    #[must_use]
    pub fn channel() -> (Wake, Receiver<()>) {
        let (sender, receiver) = sync_channel(1);
        (Wake(sender), receiver)
    }

    /// Wakes it; several wake-ups before it looks are one.
    pub fn wake(&self) {
        match self.0.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// How far the reader of one source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Name of the source.
    pub name: String,
    /// Its path or glob.
    pub path: String,
    /// Bytes known and not read.
    pub bytes: u64,
    /// Files that are followed.
    pub files: usize,
    /// Why something of it cannot be read.
    pub error: Option<String>,
}

/// What others may know of the reader at any time.
#[derive(Clone, Debug, Default)]
pub struct ReaderStatus {
    /// Per source.
    pub sources: Vec<Lag>,
    /// Batches handed to the writer.
    pub sent: u64,
    /// Batches that had been handed over when the ends found at start were reached.
    pub history_read: Option<u64>,
}

/// One source's line decoder with what its rows need.
#[derive(Debug)]
pub struct Feed {
    /// Reads its lines.
    pub decoder: Decoder,
    /// Names of its dimensions.
    pub dimensions: Vec<String>,
}

/// Reads, decodes and prices until it is stopped or everything is read.
#[derive(Debug)]
pub struct Reader {
    tail: Tail,
    feeds: Vec<Feed>,
    names: Vec<String>,
    paths: Vec<String>,
    prices: Prices,
    capturer: Capturer,
    clock: Clock,
    batch: Batch,
    /// When the first of the batch was read.
    batch_began: Option<Instant>,
    status: Arc<Mutex<ReaderStatus>>,
}

impl Reader {
    /// A reader of these sources; names, paths and feeds are in the tail's order.
    #[must_use]
    pub fn new(
        tail: Tail,
        sources: Vec<(String, String, Feed)>,
        prices: Prices,
        capturer: Capturer,
        clock: Clock,
    ) -> Reader {
        let mut reader = Reader {
            tail,
            feeds: Vec::new(),
            names: Vec::new(),
            paths: Vec::new(),
            prices,
            capturer,
            clock,
            batch: Batch::default(),
            batch_began: None,
            status: Arc::default(),
        };
        reader.set_sources(sources);
        reader
    }

    fn set_sources(&mut self, sources: Vec<(String, String, Feed)>) {
        (self.names, self.paths, self.feeds) = (Vec::new(), Vec::new(), Vec::new());
        for (name, path, feed) in sources {
            self.names.push(name);
            self.paths.push(path);
            self.feeds.push(feed);
        }
        self.batch = Batch::new(&self.names);
    }

    /// Its status, for others to look at.
    #[must_use]
    pub fn status(&self) -> Arc<Mutex<ReaderStatus>> {
        Arc::clone(&self.status)
    }

    /// The files.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Exchanges sources, prices and what is captured for those of a new configuration, after handing over what was read so far.
    ///
    /// # Errors
    /// The writer has ended, or a source's path is no glob; then nothing was exchanged.
    pub fn reload(
        &mut self,
        tails: Vec<crate::tail::Source>,
        sources: Vec<(String, String, Feed)>,
        prices: Prices,
        content: &content::Config,
        writer: &Handle,
    ) -> Result<Result<(), crate::tail::Error>, Ended> {
        self.flush(writer)?;
        if let Err(error) = self.tail.reload(tails) {
            return Ok(Err(error));
        }
        self.set_sources(sources);
        self.prices = prices;
        self.capturer.configure(content);
        Ok(Ok(()))
    }

    /// Reads until `stop`, waiting for wake-ups and ticks in between. `between` is called before each step.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn follow(
        &mut self,
        writer: &Handle,
        stop: &Stop,
        wake: &Receiver<()>,
        mut between: impl FnMut(&mut Reader, &Handle) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        while !stop.is_stopped() {
            between(self, writer)?;
            match self.step(writer)? {
                Step::Read => {}
                Step::Idle => {
                    self.publish(writer);
                    let pending = self
                        .batch_began
                        .map(|began| MAX_AGE.saturating_sub(self.clock.instant().saturating_duration_since(began)));
                    match wake.recv_timeout(pending.unwrap_or(TICK)) {
                        Ok(()) => self.tail.request_look(),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                    }
                }
            }
        }
        self.flush(writer)
    }

    /// Reads finished files to their end. `progress` is called after each step.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn finish(&mut self, writer: &Handle, mut progress: impl FnMut(&Tail)) -> Result<(), Ended> {
        loop {
            let step = self.step(writer)?;
            progress(&self.tail);
            if step == Step::Idle {
                self.publish(writer);
                return self.flush(writer);
            }
        }
    }

    /// Decodes a line that does not come from the tail, such as one of standard input.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn feed_line(&mut self, source: usize, line: &[u8], writer: &Handle) -> Result<(), Ended> {
        let now = self.clock.now();
        self.sink(now).1.line(source, line);
        if let Some(counts) = self.batch.counts(source) {
            counts.bytes += line.len() as u64 + 1;
        }
        if self.is_full() { self.flush(writer) } else { Ok(()) }
    }

    /// Counts a line that was too long to be decoded and does not come from the tail.
    pub fn feed_too_long(&mut self, source: usize, bytes: u64) {
        if let Some(counts) = self.batch.counts(source) {
            counts.lines += 1;
            counts.bytes += bytes;
            counts.reject(Reject::TooLong);
        }
    }

    /// The tail, and what takes its lines.
    fn sink(&mut self, now: Micros) -> (&mut Tail, LineSink<'_>) {
        let Reader { tail, feeds, names, prices, capturer, batch, .. } = self;
        (tail, LineSink { feeds, names, prices, capturer, batch, now })
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= MAX_ROWS || self.batch.size() >= MAX_SIZE
    }

    fn step(&mut self, writer: &Handle) -> Result<Step, Ended> {
        let (now, wall) = (self.clock.instant(), self.clock.now());
        let (tail, mut sink) = self.sink(wall);
        let step = tail.step(now, &mut sink);
        if step == Step::Read {
            self.batch_began.get_or_insert(now);
        } else if self.batch_began.is_none() {
            // Positions move without a line too: files are found, rotate and go.
            self.take_changes();
            if !self.batch.is_empty() {
                self.batch_began = Some(now);
            }
        }
        let is_old = self.batch_began.is_some_and(|began| now.saturating_duration_since(began) >= MAX_AGE);
        if self.is_full() || is_old {
            self.flush(writer)?;
            if step == Step::Read {
                self.publish(writer);
            }
        }
        if self.tail.reached_first_ends() && self.status.lock().history_read.is_none() {
            self.flush(writer)?;
            let mut status = self.status.lock();
            status.history_read = Some(status.sent);
        }
        Ok(step)
    }

    fn take_changes(&mut self) {
        let changes = self.tail.take_changes();
        for (source, read) in changes.sources.into_iter().enumerate() {
            if let Some(counts) = self.batch.counts(source) {
                counts.bytes += read.bytes;
                counts.lost_bytes += read.lost_bytes;
                for (kind, count) in Rotation::ALL.iter().zip(read.rotations).filter(|(_, count)| *count > 0) {
                    *counts.rotations.entry(kind.label().to_owned()).or_default() += count;
                }
            }
        }
        let positions = changes.positions.iter();
        let json = positions.map(|position| (position.file, serde_json::to_string(position).unwrap_or_default()));
        self.batch.add_positions(json.collect(), changes.forgotten);
    }

    /// Hands the batch over with the positions that its lines lead to.
    fn flush(&mut self, writer: &Handle) -> Result<(), Ended> {
        self.take_changes();
        self.batch_began = None;
        if self.batch.is_empty() {
            return Ok(());
        }
        let next = writer.spare().unwrap_or_default().reuse(&self.names);
        let batch = std::mem::replace(&mut self.batch, next);
        writer.send(batch)?;
        self.status.lock().sent += 1;
        Ok(())
    }

    /// Says how far it is. Only what is flushed counts as read.
    fn publish(&self, writer: &Handle) {
        let states = self.tail.state();
        let behind = self.names.iter().zip(&states).filter(|(_, state)| state.lag_bytes > 0);
        writer.set_behind(behind.map(|(name, _)| name.clone()).collect());
        let sources = self.names.iter().zip(&self.paths).zip(states).map(|((name, path), state)| Lag {
            name: name.clone(),
            path: path.clone(),
            bytes: state.lag_bytes,
            files: state.files,
            error: state.error,
        });
        self.status.lock().sources = sources.collect();
    }
}

/// Decodes, prices and captures the lines that the tail hands over.
struct LineSink<'a> {
    feeds: &'a mut [Feed],
    names: &'a [String],
    prices: &'a mut Prices,
    capturer: &'a mut Capturer,
    batch: &'a mut Batch,
    now: Micros,
}

impl Sink for LineSink<'_> {
    fn line(&mut self, source: usize, line: &[u8]) {
        let (Some(feed), Some(counts)) = (self.feeds.get_mut(source), self.batch.counts(source)) else { return };
        counts.lines += 1;
        let (batch, prices, capturer) = (&mut *self.batch, &mut *self.prices, &mut *self.capturer);
        let gateway = self.names.get(source).map_or("", String::as_str);
        feed.decoder.parse(line, self.now, &mut |parsed| match parsed {
            Parsed::Request(record) => {
                let price = prices.price(&record);
                let context = Context {
                    source,
                    provider: price.provider,
                    priced: price.repricing.priced,
                    cost: price.repricing.cost,
                    price_row: price.repricing.price_row,
                    dimensions: &feed.dimensions,
                    line,
                };
                let captured = match capturer.capture(gateway, &record, batch.text_mut()) {
                    Ok(captured) => captured,
                    Err(error) => {
                        tracing::error!(%error, gateway, "what a request said is not captured; the request counts");
                        None
                    }
                };
                batch.push_captured(&record, &context, captured);
            }
            Parsed::Skipped(reason) => {
                if let Some(counts) = batch.counts(source) {
                    counts.skip(reason);
                }
            }
            Parsed::Rejected(reason) => {
                if let Some(counts) = batch.counts(source) {
                    counts.reject(reason);
                }
            }
        });
    }

    fn too_long(&mut self, source: usize, _bytes: u64) {
        if let Some(counts) = self.batch.counts(source) {
            counts.lines += 1;
            counts.reject(Reject::TooLong);
        }
    }
}
