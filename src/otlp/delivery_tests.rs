//! The loop against a made-up feed and receiver, with tokio's clock, which stands until everything waits.

use std::collections::VecDeque;
use std::future::Future;

use opentelemetry::trace::SpanId;
use tokio::time::Instant;

use super::*;
use crate::otlp::span::Maker;
use crate::otlp::{RequestSpan, SessionName};
use crate::record::{Attributes, Row};

fn span(number: u64) -> SpanData {
    let request = RequestSpan {
        trace_id: [1; 16],
        span_id: number.to_be_bytes(),
        parent_id: None,
        row: &Row::default(),
        attributes: &Attributes::default(),
        user: "",
        session: SessionName::default(),
        tools: &[],
        content: None,
    };
    Maker::default().request(&request)
}

fn numbers(spans: &[SpanData]) -> Vec<u64> {
    spans.iter().map(|span| u64::from_be_bytes(span.span_context.span_id().to_bytes())).collect()
}

/// Spans 1 to `last`, and what was committed about them.
#[derive(Debug, Default)]
struct Rows {
    last: u64,
    position: u64,
    sums: Counts,
    commits: Vec<u64>,
    /// Calls that fail before one works.
    faults: u32,
    expired: u64,
}

#[derive(Clone, Debug, Default)]
struct Made(Arc<Mutex<Rows>>);

impl Feed for Made {
    type Position = u64;
    type Error = &'static str;

    fn next(&mut self, limit: usize) -> Result<Batch<u64>, &'static str> {
        let mut rows = self.0.lock();
        if rows.faults > 0 {
            rows.faults -= 1;
            return Err("disk I/O error");
        }
        let spans: Vec<_> = (rows.position + 1..=rows.last).take(limit).map(span).collect();
        let position = (!spans.is_empty()).then_some(rows.position + spans.len() as u64);
        let expired = if position.is_some() { std::mem::take(&mut rows.expired) } else { 0 };
        Ok(Batch { spans, expired, position })
    }

    fn commit(&mut self, position: Option<u64>, counts: &Counts) -> Result<(), &'static str> {
        let mut rows = self.0.lock();
        if rows.faults > 0 {
            rows.faults -= 1;
            return Err("disk is full");
        }
        if let Some(position) = position {
            rows.position = position;
            rows.commits.push(position);
        }
        rows.sums.exported += counts.exported;
        rows.sums.rejected += counts.rejected;
        rows.sums.expired += counts.expired;
        for reason in Reason::ALL {
            rows.sums.failed[reason.index()] += counts.failed(reason);
        }
        Ok(())
    }
}

/// When it came, and the spans in it.
type Request = (Duration, Vec<u64>);

/// Answers as told, and remembers what came when.
#[derive(Clone)]
struct Receiver {
    answers: Arc<Mutex<VecDeque<Attempt>>>,
    /// A span that is refused wherever it appears.
    bad: Option<u64>,
    seen: Arc<Mutex<Vec<Request>>>,
    began: Instant,
}

impl Receiver {
    fn new(answers: impl IntoIterator<Item = Attempt>) -> Receiver {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Receiver { answers, bad: None, seen: Arc::default(), began: Instant::now() }
    }

    fn requests(&self) -> Vec<Vec<u64>> {
        self.seen.lock().iter().map(|(_, numbers)| numbers.clone()).collect()
    }
}

impl Export for Receiver {
    fn export(&mut self, spans: Vec<SpanData>) -> impl Future<Output = Attempt> + Send {
        let numbers = numbers(&spans);
        let bad = self.bad.is_some_and(|bad| numbers.contains(&bad));
        self.seen.lock().push((self.began.elapsed(), numbers));
        let answer = self.answers.lock().pop_front();
        let refused = Attempt::Refused { status: 400, message: "bad".to_owned() };
        std::future::ready(answer.unwrap_or(if bad { refused } else { taken() }))
    }
}

fn taken() -> Attempt {
    Attempt::Delivered { rejected: 0, message: String::new() }
}

fn later(reason: Reason, after: Option<u64>) -> Attempt {
    Attempt::Retry { reason, after: after.map(Duration::from_secs), message: String::new() }
}

fn delivery(feed: &Made, receiver: &Receiver, batch_size: usize) -> Delivery<Made, Receiver> {
    Delivery {
        name: "test".to_owned(),
        feed: feed.clone(),
        export: receiver.clone(),
        batch_size,
        wake: Arc::default(),
        stop: CancellationToken::new(),
        grace: Duration::from_secs(5),
    }
}

/// Runs until the feed's end is committed, then stops.
async fn finish(feed: &Made, receiver: &Receiver, batch_size: usize) {
    let delivery = delivery(feed, receiver, batch_size);
    let stop = delivery.stop.clone();
    let running = tokio::spawn(delivery.run());
    let waits = || {
        let rows = feed.0.lock();
        rows.position < rows.last
    };
    while waits() {
        sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    running.await.expect("the loop ends");
}

fn rows(last: u64) -> Made {
    Made(Arc::new(Mutex::new(Rows { last, ..Rows::default() })))
}

#[tokio::test(start_paused = true)]
async fn spans_leave_in_order_and_the_position_follows_each_batch() {
    let (feed, receiver) = (rows(7), Receiver::new([]));
    feed.0.lock().expired = 2;
    finish(&feed, &receiver, 3).await;
    assert_eq!(receiver.requests(), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    let rows = feed.0.lock();
    assert_eq!(rows.commits, [3, 6, 7]);
    assert_eq!(rows.sums, Counts { exported: 7, expired: 2, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn the_same_spans_are_tried_for_ever_ever_more_slowly_and_each_failure_is_counted() {
    let reasons =
        [Reason::Network, Reason::Tls, Reason::Timeout, Reason::Throttled, Reason::Unavailable, Reason::Refused];
    let many = reasons.into_iter().cycle().take(60).map(|reason| later(reason, None));
    let (feed, receiver) = (rows(2), Receiver::new(many));
    finish(&feed, &receiver, 10).await;
    assert!(receiver.requests().iter().all(|numbers| *numbers == [1, 2]));
    let times: Vec<_> = receiver.seen.lock().iter().map(|(time, _)| *time).collect();
    assert_eq!(times.len(), 61);
    for (index, pair) in times.windows(2).enumerate() {
        let longest = Duration::from_secs(2_u64.saturating_pow(u32::try_from(index).unwrap()).min(60));
        let wait = pair[1] - pair[0];
        assert!(wait >= longest / 2 && wait <= longest + Duration::from_millis(5), "{index}: {wait:?}");
    }
    let rows = feed.0.lock();
    assert_eq!((rows.sums.exported, rows.sums.rejected), (2, 0));
    for reason in reasons {
        assert_eq!(rows.sums.failed(reason), 10, "{}", reason.label());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_receiver_asks_for_is_kept() {
    let (feed, receiver) = (rows(1), Receiver::new([later(Reason::Throttled, Some(120))]));
    finish(&feed, &receiver, 10).await;
    let (second, _) = receiver.seen.lock()[1];
    assert!(second >= Duration::from_secs(120) && second < Duration::from_secs(151), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_span_is_found_by_halving_and_only_it_is_skipped() {
    for bad in [1, 37, 64] {
        let (feed, mut receiver) = (rows(64), Receiver::new([]));
        receiver.bad = Some(bad);
        finish(&feed, &receiver, 64).await;
        let requests = receiver.requests();
        let mut accepted: Vec<u64> =
            requests.iter().filter(|numbers| !numbers.contains(&bad)).flatten().copied().collect();
        assert!(accepted.is_sorted(), "the order is kept: {accepted:?}");
        accepted.dedup();
        assert_eq!(accepted, (1..=64).filter(|number| *number != bad).collect::<Vec<_>>());
        assert_eq!(requests.len(), 13, "64 halves six times");
        let rows = feed.0.lock();
        assert_eq!((rows.sums.exported, rows.sums.rejected, rows.sums.failed(Reason::Refused)), (63, 1, 7));
        assert_eq!(rows.commits, [64]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_of_halving_sends_nothing_twice() {
    let refused = || Attempt::Refused { status: 400, message: String::new() };
    let answers =
        [refused(), taken(), later(Reason::Network, None), later(Reason::Unavailable, None), refused(), refused()];
    let (feed, receiver) = (rows(4), Receiver::new(answers));
    finish(&feed, &receiver, 4).await;
    let want: [&[u64]; 7] = [&[1, 2, 3, 4], &[1, 2], &[3, 4], &[3, 4], &[3, 4], &[3], &[4]];
    assert_eq!(receiver.requests(), want);
    let rows = feed.0.lock();
    assert_eq!((rows.sums.exported, rows.sums.rejected), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_throws_away_is_counted_and_not_sent_again() {
    let partial = |rejected| Attempt::Delivered { rejected, message: "too old".to_owned() };
    let (feed, receiver) = (rows(5), Receiver::new([partial(2), partial(0), partial(9)]));
    finish(&feed, &receiver, 2).await;
    assert_eq!(receiver.requests(), [vec![1, 2], vec![3, 4], vec![5]]);
    let rows = feed.0.lock();
    assert_eq!((rows.sums.exported, rows.sums.rejected, rows.sums.failed(Reason::Partial)), (2, 3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_fails_for_a_while_delays_and_loses_nothing() {
    let (feed, receiver) = (rows(3), Receiver::new([]));
    feed.0.lock().faults = 3;
    finish(&feed, &receiver, 10).await;
    assert_eq!(receiver.requests(), [vec![1, 2, 3]]);
    let (feed, receiver) = (rows(3), Receiver::new([later(Reason::Network, None)]));
    let mut failing = receiver.clone();
    let faults = feed.clone();
    // The failure cannot be counted when it happens; it is counted with the batch.
    struct Breaks(Receiver, Made);
    impl Export for Breaks {
        async fn export(&mut self, spans: Vec<SpanData>) -> Attempt {
            let answer = self.0.export(spans).await;
            self.1.0.lock().faults = 1;
            answer
        }
    }
    let mut line = Line { name: String::new(), stop: CancellationToken::new(), waiting: 0, said: None };
    let shared = Arc::new(Mutex::new(feed.clone()));
    let mut counts = Counts::default();
    failing.bad = None;
    let sent = send(&mut line, &shared, &mut Breaks(failing, faults), (1..=3).map(span).collect(), &mut counts).await;
    assert!(matches!(sent, Ok(None)));
    assert_eq!((counts.exported, counts.failed(Reason::Network)), (3, 1));
    assert!(commit(&mut line, &shared, Some(3), &mut counts).await.is_ok());
    let rows = feed.0.lock();
    assert_eq!((rows.position, rows.sums.exported, rows.sums.failed(Reason::Network)), (3, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn news_is_sent_at_once_when_the_loop_is_woken() {
    let (feed, receiver) = (rows(0), Receiver::new([]));
    let delivery = delivery(&feed, &receiver, 10);
    let (wake, stop) = (Arc::clone(&delivery.wake), delivery.stop.clone());
    let running = tokio::spawn(delivery.run());
    sleep(Duration::from_millis(100)).await;
    assert!(receiver.requests().is_empty());
    feed.0.lock().last = 1;
    wake.notify_one();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(receiver.requests(), [vec![1]]);
    assert!(receiver.seen.lock()[0].0 < Duration::from_millis(110));
    stop.cancel();
    running.await.expect("the loop ends");
}

#[tokio::test(start_paused = true)]
async fn a_stop_sends_what_waits_once_more_and_gives_up_at_a_failure() {
    // Nothing works: one attempt after the stop, without its wait.
    let answers = std::iter::repeat_with(|| later(Reason::Network, Some(100))).take(100);
    let (feed, receiver) = (rows(2), Receiver::new(answers));
    let started = delivery(&feed, &receiver, 1);
    let stop = started.stop.clone();
    let running = tokio::spawn(started.run());
    sleep(Duration::from_millis(100)).await;
    stop.cancel();
    running.await.expect("the loop ends");
    assert_eq!(receiver.requests(), [vec![1], vec![1]]);
    assert!(receiver.began.elapsed() < Duration::from_secs(1));
    assert_eq!(feed.0.lock().position, 0);

    // All works: what is there is sent to its end.
    let (feed, receiver) = (rows(5), Receiver::new([]));
    let started = delivery(&feed, &receiver, 2);
    started.stop.cancel();
    started.run().await;
    assert_eq!(feed.0.lock().position, 5);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_does_not_hold_the_stop_beyond_its_grace() {
    #[derive(Debug)]
    struct Hangs;
    impl Export for Hangs {
        async fn export(&mut self, _: Vec<SpanData>) -> Attempt {
            std::future::pending().await
        }
    }
    let feed = rows(1);
    let began = Instant::now();
    let stop = CancellationToken::new();
    stop.cancel();
    let (wake, grace) = (Arc::default(), Duration::from_secs(5));
    Delivery { name: String::new(), feed: feed.clone(), export: Hangs, batch_size: 1, wake, stop, grace }.run().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(feed.0.lock().position, 0);
}

#[test]
fn waits_grow_to_a_minute_and_spread_over_their_second_half() {
    for (before, longest) in [(0, 1.0), (1, 2.0), (5, 32.0), (6, 60.0), (1000, 60.0)] {
        for (random, share) in [(0, 0.5), (255, 1.0)] {
            let got = backoff(before, None, random).as_secs_f64();
            assert!((got - longest * share).abs() < 1e-6, "{before} {random}: {got}");
        }
    }
    let asked = Duration::from_secs(300);
    assert!((0..=255).all(|random| (asked..=asked + asked / 4).contains(&backoff(9, Some(asked), random))));
    assert_eq!(backoff(9, Some(Duration::ZERO), 0), Duration::from_secs(30), "no wait asked for is no reason to hurry");
    assert!(span(3).span_context.span_id() != SpanId::INVALID);
}
