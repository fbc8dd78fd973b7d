//! Threads that answer questions: beside the server's own, and after them where the processor is busy.
//!
//! There ingest, probes and scrapes go first, and an answer takes longer. What other programs get is for the host to say: by
//! the weights of its services or containers.

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much nicer than the program its questions are, as `nice` counts: beside one thread that is not, a quarter of a processor.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Threads that are started when they are needed, and end when they are idle for some seconds.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    /// So many at most.
    pub(super) fn new(most: usize) -> Threads {
        let threads = Builder::new_current_thread()
            .thread_name("question")
            .max_blocking_threads(most)
            .on_thread_start(yield_to_all)
            .build();
        Threads(threads.inspect_err(|error| tracing::warn!("questions have no threads of their own: {error}")).ok())
    }

    /// Runs what takes long. Within a server's task.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(threads) => threads.spawn_blocking(work),
            None => spawn_blocking(work),
        }
    }
}

impl Drop for Threads {
    /// A server's task may not wait, as the drop of a runtime does.
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn yield_to_all() {
    static TOLD: std::sync::Once = std::sync::Once::new();
    if let Err(error) = rustix::process::nice(NICER) {
        TOLD.call_once(|| tracing::warn!("questions do not yield to ingest: nice: {error}"));
    }
}

/// It would be the whole program that yields.
#[cfg(not(target_os = "linux"))]
fn yield_to_all() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn questions_are_nicer_than_the_server() {
        let niceness = || rustix::process::getpriority_process(None).expect("known");
        let own = niceness();
        let threads = Threads::new(2);
        let asking = threads.run(niceness).await.expect("no panic");
        assert_eq!(asking, (own + NICER).min(19));
        let others = spawn_blocking(niceness).await.expect("no panic");
        assert_eq!((niceness(), others), (own, own));
    }

    #[tokio::test]
    async fn work_goes_on_without_threads_of_its_own() {
        assert_eq!(Threads(None).run(|| 7).await.expect("no panic"), 7);
    }
}
