//! Rhythms under a timer that stands still until nothing else is to do, and a clock that is moved by hand.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::*;
use crate::probe::{Check, Http, Target, Tcp, Trust};

const SECOND: Duration = Duration::from_secs(1);

/// Runs rounds of 15 s whose looks last as long as `lengths` says and then end, and tells when each began.
async fn begins(lengths: &[u64]) -> Vec<u64> {
    let clock = Clock::manual(0);
    let start = Instant::now();
    let mut begun = Vec::new();
    let looks = rounds(3 * SECOND, 15 * SECOND, clock, |_, _| {
        let index = begun.len();
        begun.push((Instant::now() - start).as_secs());
        let length = lengths[index];
        async move {
            tokio::time::sleep(Duration::from_secs(length)).await;
            index + 1 < lengths.len()
        }
    });
    looks.await;
    begun
}

#[tokio::test(start_paused = true)]
async fn looks_begin_an_interval_apart_however_long_they_last() {
    assert_eq!(begins(&[0, 5, 14, 0]).await, [3, 18, 33, 48]);
}

#[tokio::test(start_paused = true)]
async fn ticks_within_a_long_look_are_left_out_and_not_made_up_for() {
    // The first look takes until second 53: the ticks at 18, 33 and 48 are missed, and the grid stays.
    assert_eq!(begins(&[50, 0, 15, 0]).await, [3, 63, 78, 108]);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_part_are_told_once_and_drift_adds_up() {
    let clock = Clock::manual(1_000_000_000);
    // Before each look: monotonic seconds, and microseconds that only the wall moves.
    let steps = [(15, 0), (15, 600_000), (15, 600_000), (15, 0), (15, -3_600_000_000), (900, 0)];
    let want = [None, None, Some(1_200_000), None, Some(-3_600_000_000), None];
    let mut told = Vec::new();
    let moved = clock.clone();
    let mut step = 0;
    let mut forward = || {
        if let Some((seconds, wall)) = steps.get(step) {
            moved.advance(Duration::from_secs(*seconds));
            moved.step(*wall);
        }
        step += 1;
    };
    // The baseline is taken when the rounds begin; the first look sees no step.
    rounds(SECOND, 15 * SECOND, clock.clone(), |_, parted| {
        told.push(parted);
        forward();
        let more = told.len() <= want.len();
        async move { more }
    })
    .await;
    assert_eq!(told[0], None);
    assert_eq!(&told[1..], want);
}

#[test]
fn an_offset_follows_from_the_name_and_spreads_targets() {
    let interval = 15 * SECOND;
    // The same place whenever it starts, also before 1970.
    for now in [-7_000_000, 0, 1_795_000_000_123_456_i64] {
        let at = now + i64::try_from(first_wait(now, interval, "chat").as_micros()).unwrap();
        let origin = i64::try_from(first_wait(0, interval, "chat").as_micros()).unwrap();
        assert_eq!(at.rem_euclid(15_000_000), origin, "{now}");
    }
    let mut seconds = [0; 15];
    for index in 0..300 {
        let wait = first_wait(0, interval, &format!("target-{index}"));
        assert!(wait < interval);
        seconds[usize::try_from(wait.as_secs()).unwrap()] += 1;
    }
    assert!(seconds.iter().all(|count| (5..=40).contains(count)), "{seconds:?}");
}

#[test]
fn missed_ticks_are_whole_intervals() {
    for (late, want) in [(0, 0), (14, 0), (15, 1), (44, 2)] {
        assert_eq!(missed(late * SECOND, 15 * SECOND), want, "{late}");
    }
}

fn probe(target: &Target) -> Probe {
    let mut trust = Trust::load(None, &Clock::manual(0)).expect("built-in authorities");
    target.build(&mut trust).expect("a valid target")
}

fn tcp(name: &str, address: String) -> Target {
    let mut target = Target::new(name, Check::Tcp(Tcp { address, tls: None }));
    target.interval = SECOND;
    target.timeout = SECOND;
    target
}

#[tokio::test]
async fn targets_are_exchanged_and_unchanged_ones_keep_their_task() {
    let (results, _observations) = mpsc::channel(8);
    let mut schedule = Schedule::new(Clock::manual(0), results);
    let a = Target::new("a", Check::Http(Http::get("http://127.0.0.1:9/")));
    let b = Target::new("b", Check::Http(Http::get("http://127.0.0.1:9/")));
    let changed = Target { timeout: SECOND, ..b.clone() };
    schedule.exchange(vec![probe(&a), probe(&b)]);
    let cell = |schedule: &Schedule, name: &str| Arc::as_ptr(&schedule.running[name].probe);
    let (first_a, first_b) = (cell(&schedule, "a"), cell(&schedule, "b"));
    schedule.exchange(vec![probe(&a), probe(&changed)]);
    assert_eq!(cell(&schedule, "a"), first_a);
    assert_ne!(cell(&schedule, "b"), first_b);
    schedule.exchange(vec![probe(&changed)]);
    assert_eq!(schedule.names().map(|name| name.to_string()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn observations_arrive_and_a_dropped_schedule_ends_its_looks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (results, mut observations) = mpsc::channel(1);
    let mut schedule = Schedule::new(Clock::system(), results);
    schedule.exchange(vec![probe(&tcp("door", address))]);
    let seen = observations.recv().await.expect("an observation");
    assert_eq!((&*seen.target, seen.kind, seen.interval), ("door", Kind::Tcp, SECOND));
    let Run::Done(outcome) = seen.run else { panic!("{seen:?}") };
    assert_eq!(outcome.failure, None, "{outcome:?}");
    assert!(accepted.load(Ordering::SeqCst) >= 1);
    drop(schedule);
    // No sender is left once the tasks have ended.
    while observations.recv().await.is_some() {}
}
