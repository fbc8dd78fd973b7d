//! A sink's loop: the next spans of a [`Feed`] are sent until the receiver has them, then the position is committed.
//!
//! What may be taken later is tried again for ever, ever more slowly. What is refused is halved until the bad span stands
//! alone; that one is counted and skipped. A batch that was delivered and not yet committed when the process ends is
//! sent again at the next start: each span arrives at least once. One request is under way at a time, so spans leave in
//! the order of the feed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::CancellationToken;

use super::{Attempt, Export, Reason};

/// Wait after the first failure in a row; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Longest wait between attempts, unless the receiver asks for more.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A feed without news is asked again after this time, should a wake-up be missed.
const IDLE: Duration = Duration::from_secs(1);

/// Where spans come from, in a fixed order, and where it is kept how far they have gone. Called on a thread that may
/// block, one call at a time.
pub trait Feed: Send + 'static {
    /// A place in the order.
    type Position: Clone + Send + 'static;
    /// Why the feed cannot be read or written.
    type Error: fmt::Display + Send + 'static;

    /// The spans after the committed position, at most `limit`: the same again until [`Feed::commit`] moves it.
    ///
    /// # Errors
    ///
    /// It is asked again later.
    fn next(&mut self, limit: usize) -> Result<Batch<Self::Position>, Self::Error>;

    /// Adds to the sink's counters and, where there is a position, moves to it, both in one transaction.
    ///
    /// # Errors
    ///
    /// It is tried again later.
    fn commit(&mut self, position: Option<Self::Position>, counts: &Counts) -> Result<(), Self::Error>;
}

/// What a feed has to send.
#[derive(Clone, Debug)]
pub struct Batch<P> {
    /// In order.
    pub spans: Vec<SpanData>,
    /// Committed rows that were deleted before they could be sent, between the last position and this one.
    pub expired: u64,
    /// The place after the last of them; `None` where nothing is new. Rows that make no span move it too.
    pub position: Option<P>,
}

/// What became of spans: increments of the sink's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans that the receiver has.
    pub exported: u64,
    /// Spans that it did not want.
    pub rejected: u64,
    /// Spans that were deleted before they could be sent.
    pub expired: u64,
    /// Requests that failed, in the order of [`Reason::ALL`].
    pub failed: [u64; Reason::ALL.len()],
}

impl Counts {
    fn fail(&mut self, reason: Reason) {
        if let Some(count) = self.failed.get_mut(reason.index()) {
            *count += 1;
        }
    }

    /// Requests that failed for this reason.
    #[must_use]
    pub fn failed(&self, reason: Reason) -> u64 {
        self.failed.get(reason.index()).copied().unwrap_or(0)
    }
}

/// One sink, ready to run.
#[derive(Debug)]
pub struct Delivery<F, E> {
    /// Of the sink, for the log.
    pub name: String,
    /// Where its spans come from.
    pub feed: F,
    /// How they are sent.
    pub export: E,
    /// Spans in a request at most.
    pub batch_size: usize,
    /// Notified when the feed may have more.
    pub wake: Arc<Notify>,
    /// Ends the loop: what is waiting is sent once more, then it returns.
    pub stop: CancellationToken,
    /// The longest that it goes on after `stop`.
    pub grace: Duration,
}

/// The loop has been stopped, and this attempt was the last.
struct Stopped;

impl<F: Feed, E: Export> Delivery<F, E> {
    /// Delivers until it is stopped. What has not been committed by then is sent at the next start.
    pub async fn run(self) {
        let (stop, grace) = (self.stop.clone(), self.grace);
        let line = Line { name: self.name, stop: self.stop, waiting: 0, said: None };
        let late = async {
            stop.cancelled().await;
            sleep(grace).await;
        };
        let feed = Arc::new(Mutex::new(self.feed));
        tokio::select! {
            () = deliver(line, feed, self.export, self.batch_size.max(1), self.wake) => {}
            () = late => {}
        }
    }
}

async fn deliver<F: Feed, E: Export>(
    mut line: Line,
    feed: Arc<Mutex<F>>,
    mut export: E,
    limit: usize,
    wake: Arc<Notify>,
) {
    loop {
        let batch = match blocking(&feed, move |feed| feed.next(limit)).await {
            Ok(batch) => batch,
            Err(error) => match line.wait(None, &format!("read the spans to send: {error}")).await {
                Ok(()) => continue,
                Err(Stopped) => return,
            },
        };
        if batch.position.is_none() {
            if line.stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = wake.notified() => {}
                () = sleep(IDLE) => {}
                () = line.stop.cancelled() => {}
            }
            continue;
        }
        let mut counts = Counts { expired: batch.expired, ..Counts::default() };
        // The part to be sent next is the last.
        let mut parts = vec![batch.spans];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            match send(&mut line, &feed, &mut export, part, &mut counts).await {
                Ok(None) => {}
                Ok(Some((first, second))) => parts.extend([second, first]),
                Err(Stopped) => return,
            }
        }
        if commit(&mut line, &feed, batch.position, &mut counts).await.is_err() {
            return;
        }
    }
}

/// Sends until the spans are taken or refused. Refused spans come back in halves; one alone is counted and gone.
async fn send<F: Feed, E: Export>(
    line: &mut Line,
    feed: &Arc<Mutex<F>>,
    export: &mut E,
    mut spans: Vec<SpanData>,
    counts: &mut Counts,
) -> Result<Option<(Vec<SpanData>, Vec<SpanData>)>, Stopped> {
    loop {
        match export.export(spans.clone()).await {
            Attempt::Delivered { rejected, message } => {
                let sent = u64::try_from(spans.len()).unwrap_or(u64::MAX);
                let rejected = rejected.min(sent);
                counts.exported += sent - rejected;
                counts.rejected += rejected;
                if rejected > 0 {
                    counts.fail(Reason::Partial);
                    tracing::warn!(sink = line.name, rejected, message, "the receiver threw spans away");
                } else if !message.is_empty() {
                    tracing::warn!(sink = line.name, message, "the receiver warns");
                }
                line.works();
                return Ok(None);
            }
            Attempt::Refused { message, .. } => {
                counts.fail(Reason::Refused);
                line.works();
                if spans.len() <= 1 {
                    counts.rejected += 1;
                    let id = spans.first().map(|span| span.span_context.span_id().to_string());
                    tracing::warn!(
                        sink = line.name,
                        message,
                        span = id,
                        "the receiver refuses a span, which is skipped"
                    );
                    return Ok(None);
                }
                let second = spans.split_off(spans.len() / 2);
                return Ok(Some((spans, second)));
            }
            Attempt::Retry { reason, after, message } => {
                // Counted at once, since it may be long until the position moves.
                let mut failure = Counts::default();
                failure.fail(reason);
                if let Err(error) = blocking(feed, move |feed| feed.commit(None, &failure)).await {
                    counts.fail(reason);
                    tracing::warn!(sink = line.name, %error, "a failure could not be counted yet");
                }
                line.wait(after, &format!("{}: {message}", reason.label())).await?;
            }
        }
    }
}

async fn commit<F: Feed>(
    line: &mut Line,
    feed: &Arc<Mutex<F>>,
    position: Option<F::Position>,
    counts: &mut Counts,
) -> Result<(), Stopped> {
    let counts = std::mem::take(counts);
    loop {
        let (position, counts) = (position.clone(), counts.clone());
        match blocking(feed, move |feed| feed.commit(position, &counts)).await {
            Ok(()) => return Ok(()),
            Err(error) => line.wait(None, &format!("commit the position: {error}")).await?,
        }
    }
}

/// Runs a call of the feed on a thread that may block.
async fn blocking<F: Feed, T: Send + 'static>(
    feed: &Arc<Mutex<F>>,
    call: impl FnOnce(&mut F) -> Result<T, F::Error> + Send + 'static,
) -> Result<T, String> {
    let feed = Arc::clone(feed);
    match tokio::task::spawn_blocking(move || call(&mut feed.lock())).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// How the sink is doing: waits grow while it fails, and the log hears of changes only.
struct Line {
    name: String,
    stop: CancellationToken,
    /// Failures in a row.
    waiting: u32,
    /// What was last said about them.
    said: Option<String>,
}

impl Line {
    fn works(&mut self) {
        self.waiting = 0;
        if self.said.take().is_some() {
            tracing::info!(sink = self.name, "spans are delivered again");
        }
    }

    /// Waits before the next attempt. Once the loop is stopped there is one more attempt, without a wait, and no other.
    async fn wait(&mut self, after: Option<Duration>, message: &str) -> Result<(), Stopped> {
        if self.said.as_deref() != Some(message) {
            tracing::warn!(sink = self.name, message, "spans are not delivered; they wait in the ledger");
            self.said = Some(message.to_owned());
        }
        if self.stop.is_cancelled() {
            return Err(Stopped);
        }
        let wait = backoff(self.waiting, after, random());
        self.waiting = self.waiting.saturating_add(1);
        tokio::select! {
            () = sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
        Ok(())
    }
}

/// The wait after `before` earlier failures in a row: between half and all of 1 s, 2 s, 4 s … 60 s, so that many
/// sidecars do not come back at once; and never less than the receiver asked for. `random` is any number.
fn backoff(before: u32, asked: Option<Duration>, random: u8) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(before)).min(LONGEST_WAIT);
    let spread = longest / 2 * u32::from(random) / u32::from(u8::MAX);
    match asked {
        None => longest / 2 + spread,
        Some(asked) => asked.saturating_add(spread.min(asked / 4)).max(longest / 2),
    }
}

fn random() -> u8 {
    let mut byte = [0];
    // Without randomness the longest wait is taken.
    if ring::default_provider().secure_random.fill(&mut byte).is_err() {
        return u8::MAX;
    }
    let [byte] = byte;
    byte
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
