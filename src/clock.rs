//! The only reader of time. Everything else is handed a [`Clock`], so that no test sleeps or depends on the day.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::record::Micros;

/// Reads wall time and monotonic time; cheap to clone.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    /// Told before monotonic time is read, so that a test can hold whoever reads it.
    #[cfg(test)]
    watch: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.source).finish()
    }
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual { wall: Arc<AtomicI64>, origin: Instant, elapsed: Arc<AtomicI64> },
}

/// When a question is cut.
#[derive(Clone, Debug)]
pub struct Deadline {
    /// Reads time.
    pub clock: Clock,
    /// The end.
    pub at: Instant,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Clock {
        Clock::of(Source::System)
    }

    /// A clock that stands at `wall` (microseconds since the Unix epoch) until it is moved.
    #[must_use]
    pub fn manual(wall: Micros) -> Clock {
        Clock::of(Source::Manual {
            wall: Arc::new(AtomicI64::new(wall)),
            origin: system_instant(),
            elapsed: Arc::default(),
        })
    }

    fn of(source: Source) -> Clock {
        Clock {
            source,
            #[cfg(test)]
            watch: None,
        }
    }

    /// The same clock, which tells `watch` whenever its monotonic time is about to be read.
    #[cfg(test)]
    pub(crate) fn watched(&self, watch: impl Fn() + Send + Sync + 'static) -> Clock {
        Clock { watch: Some(Arc::new(watch)), ..self.clone() }
    }

    /// Wall time in microseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Micros {
        match &self.source {
            Source::System => system_micros(),
            Source::Manual { wall, .. } => wall.load(Ordering::SeqCst),
        }
    }

    /// Monotonic time, for intervals.
    #[must_use]
    pub fn instant(&self) -> Instant {
        #[cfg(test)]
        if let Some(watch) = &self.watch {
            watch();
        }
        match &self.source {
            Source::System => system_instant(),
            Source::Manual { origin, elapsed, .. } => {
                *origin + Duration::from_micros(u64::try_from(elapsed.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock forward on both scales. The system clock does not move.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { wall, elapsed, .. } = &self.source {
            let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            wall.fetch_add(micros, Ordering::SeqCst);
            elapsed.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Sets the wall of a manual clock forward or back by `micros` while monotonic time stands, as an administrator or
    /// a time server does. The system clock does not move.
    pub fn step(&self, micros: Micros) {
        if let Source::Manual { wall, .. } = &self.source {
            wall.fetch_add(micros, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn system_micros() -> Micros {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
fn system_instant() -> Instant {
    Instant::now()
}
