//! Events of the file system become wake-ups, some milliseconds apart at the most. Deliberately nothing more: what an
//! event says may be late, empty or lost, so that the caller looks for itself, and looks on a tick as well.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linemux::MuxedEvents;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// A writer causes an event per write; so many milliseconds of them are one wake-up.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// How often it is asked for paths that are not watched yet.
const REFRESH: Duration = Duration::from_secs(2);

/// Calls `wake` soon after something happened to one of the files that `paths` names, until it is cancelled. A file
/// that does not exist yet is waited for in its folder; a folder, or a path without a folder, cannot be watched and is
/// left to the caller's tick, as is everything after the watching itself failed (said once).
pub async fn run(paths: impl Fn() -> Vec<PathBuf> + Send, wake: impl Fn() + Send, cancelled: CancellationToken) {
    let work = async {
        if let Err(error) = watch(&paths, &wake, REFRESH).await {
            tracing::warn!(%error, "files cannot be watched: changes are found by the tick alone");
        }
    };
    tokio::select! {
        () = cancelled.cancelled() => {}
        () = work => {}
    }
}

async fn watch(paths: &impl Fn() -> Vec<PathBuf>, wake: &impl Fn(), refresh: Duration) -> std::io::Result<()> {
    let mut events = MuxedEvents::new()?;
    let mut watched: HashSet<PathBuf> = HashSet::new();
    let mut refresh = interval(refresh);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = refresh.tick() => {
                // A watch goes with its folder, and nobody says so: it is made anew once the folder is back.
                watched.retain(|path| path.parent().is_some_and(Path::is_dir));
                for path in paths() {
                    if !watched.contains(&path) && add(&mut events, &path).await {
                        watched.insert(path);
                    }
                }
            }
            // Without a single file it would end at once instead of waiting.
            event = events.next_event(), if !watched.is_empty() => {
                // Whatever it says, an overflow or a path that is gone included: the tail looks for itself.
                let event = event?;
                wake();
                if event.is_none() {
                    // Nothing is watched any more: every further question would be answered at once.
                    watched.clear();
                    continue;
                }
                let pause = sleep(DEBOUNCE);
                tokio::pin!(pause);
                let mut more = false;
                loop {
                    tokio::select! {
                        biased;
                        () = &mut pause => break,
                        event = events.next_event() => {
                            if event?.is_none() {
                                break;
                            }
                            more = true;
                        }
                    }
                }
                if more {
                    wake();
                }
            }
        }
    }
}

async fn add(events: &mut MuxedEvents, path: &Path) -> bool {
    if path.as_os_str().is_empty() || path.is_dir() {
        return false;
    }
    // A missing parent folder is an error: it is tried again with the next refresh.
    events.add_file(path).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use tokio::sync::Notify;

    fn append(file: &Path) {
        std::fs::OpenOptions::new().append(true).open(file).unwrap().write_all(b"line\n").unwrap();
    }

    #[tokio::test]
    async fn writing_wakes_and_what_cannot_be_watched_does_not_end_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.log");
        std::fs::write(&file, "").unwrap();
        let paths = vec![PathBuf::new(), dir.path().to_path_buf(), dir.path().join("missing/a.log"), file.clone()];
        let woken = std::sync::Arc::new(Notify::new());
        let asked = std::sync::Arc::new(Notify::new());
        let cancelled = CancellationToken::new();
        let (wake, ask) = (woken.clone(), asked.clone());
        let task = tokio::spawn(run(
            move || {
                ask.notify_one();
                paths.clone()
            },
            move || wake.notify_one(),
            cancelled.clone(),
        ));
        asked.notified().await;
        // The watch begins some time after it was asked for: write until it is seen.
        let write = async {
            loop {
                append(&file);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = woken.notified() => {}
            () = write => {}
        }
        cancelled.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_goes_keeps_nobody_awake_and_is_watched_again_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("logs");
        let file = folder.join("a.log");
        let make = || {
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(&file, "").unwrap();
        };
        make();
        let asked = Notify::new();
        let count = AtomicUsize::new(0);
        let paths = || {
            asked.notify_one();
            vec![file.clone()]
        };
        let wake = || {
            count.fetch_add(1, SeqCst);
        };
        let story = async {
            asked.notified().await;
            while count.load(SeqCst) == 0 {
                append(&file);
                tokio::task::yield_now().await;
            }
            std::fs::remove_dir_all(&folder).unwrap();
            for _ in 0..5 {
                asked.notified().await;
            }
            let before = count.load(SeqCst);
            for _ in 0..20 {
                asked.notified().await;
            }
            let after = count.load(SeqCst);
            assert!(after - before < 20, "{} wake-ups for a folder that is gone", after - before);
            make();
            asked.notified().await;
            let before = count.load(SeqCst);
            while count.load(SeqCst) == before {
                append(&file);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = story => {}
            ended = watch(&paths, &wake, Duration::from_millis(10)) => panic!("{ended:?}"),
        }
    }
}
