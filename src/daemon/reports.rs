//! Writes the reports that are due to their folder: each once, whole or not at all, and after a stop what was left out.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::app::Sidecar;
use crate::ledger::Moment;
use crate::record::Micros;
use crate::report::exchange::Target;
use crate::report::export;
use crate::report::schedule::{self, Config};

/// How often it is looked whether something is due.
const INTERVAL: Duration = Duration::from_secs(60);
/// Reports that are written at a time; the others follow.
const MOST_AT_ONCE: usize = 16;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It could not be computed.
    #[error(transparent)]
    Report(#[from] export::Error),
    /// A file could not be written.
    #[error("write {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes what is due at `now` and not there yet, at most [`MOST_AT_ONCE`]. Returns how many were written.
pub(super) fn write_due(
    ledger: &Path,
    config: &Config,
    zone: &TimeZone,
    target: Option<&Target>,
    now: Micros,
) -> Result<usize, Error> {
    let Some(folder) = &config.folder else { return Ok(0) };
    let moment = Moment::open(ledger).map_err(export::Error::from)?;
    let Some((first, _)) = moment.span().map_err(export::Error::from)? else { return Ok(0) };
    let mut written = 0;
    for due in schedule::due(config, zone, first, now) {
        let path = folder.join(due.file_name());
        if path.exists() {
            continue;
        }
        let bytes = schedule::write(&moment, config, zone, target, &due)?;
        let failed = |source| Error::File { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        // Never over one that somebody else has written meanwhile.
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(failed(error.error)),
        }
        tracing::info!(path = %path.display(), "a report was written");
        written += 1;
        if written >= MOST_AT_ONCE {
            break;
        }
    }
    Ok(written)
}

/// Looks again and again until `end`, once the history that was found at the start has been read.
pub(super) async fn keep(app: Arc<Sidecar>, end: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = ticks.tick() => {
                if app.has_read_history() {
                    let app = Arc::clone(&app);
                    // A failure is logged there, and tried again.
                    let _ = tokio::task::spawn_blocking(move || app.write_reports()).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::clock::Clock;
    use crate::ledger::{Batch, Context, DataDir, Ledger, Options, Privacy, ROLLUP_HOUR};
    use crate::meter::{self, Meter};
    use crate::record::{Priced, Record};
    use crate::report::document::Form;
    use crate::report::schedule::Kind;

    /// 2026-11-21T10:00:00Z
    const NOW: Micros = 1_795_255_200_000_000;
    const DAY: Micros = 86_400_000_000;

    #[test]
    fn each_report_is_written_once_and_what_a_stop_left_out_is_caught_up() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            data_dir: DataDir::Path(folder.path().join("data")),
            privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
            rollup_seconds: ROLLUP_HOUR,
            timezone: TimeZone::UTC,
            sessions: crate::session::Config::default(),
            content: crate::content::Keeping::default(),
            clock: Clock::manual(NOW),
        };
        let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
        let mut ledger = Ledger::open(options, meter).unwrap();
        let mut batch = Batch::new(&["gateway".to_owned()]);
        let record = Record { start: NOW - 2 * DAY, request_id: "r".into(), model: "m".into(), ..Record::default() };
        let context = Context {
            source: 0,
            provider: "",
            priced: Priced::default(),
            cost: None,
            price_row: 0,
            dimensions: &[],
            line: b"",
        };
        batch.push(&record, &context);
        let prepared = ledger.prepare(vec![batch]).unwrap();
        ledger.commit(&prepared, Clock::manual(NOW).instant()).unwrap();

        let reports = folder.path().join("reports");
        let config = Config {
            folder: Some(reports.clone()),
            daily: vec![Kind::Cost, Kind::Usage, Kind::Focus],
            formats: vec![Form::Csv, Form::Markdown],
            ..Config::default()
        };
        let write = |now| write_due(&folder.path().join("data"), &config, &TimeZone::UTC, None, now).unwrap();
        // The 19th and the 20th, each of cost and use in two forms, and charges in one.
        assert_eq!(write(NOW), 10);
        let first = reports.join("cost-day-2026-11-19.csv");
        let text = fs::read_to_string(&first).unwrap();
        assert!(text.starts_with("consumer,model,requests,"), "{text}");
        fs::write(&first, "mine").unwrap();
        assert_eq!(write(NOW), 0);
        assert_eq!(fs::read_to_string(&first).unwrap(), "mine", "never twice");
        // Stopped for three days: at most so many at once, the rest at the next look.
        assert_eq!((write(NOW + 4 * DAY), write(NOW + 4 * DAY), write(NOW + 4 * DAY)), (16, 4, 0));
        let names: Vec<_> = fs::read_dir(&reports).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 30, "nothing half written is left: {names:?}");
    }
}
