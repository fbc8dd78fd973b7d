//! Writes the reports that are due to their folder: each once, whole or not at all, and after a stop what was left out.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::app::Sidecar;
use crate::ledger::{AvailabilityQuery, Moment};
use crate::record::Micros;
use crate::report::export;
use crate::report::schedule::{self, Config, Sources};

/// How often it is looked whether something is due.
const INTERVAL: Duration = Duration::from_secs(60);
/// Microseconds after which the SQLite file is brought up to date again.
const SQLITE_EVERY: Micros = 3_600_000_000;
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

/// Brings the SQLite file in step with the ledger, if one is asked for and the last time was long enough ago. Returns
/// whether it did.
pub(super) fn update_sqlite(
    sources: &Sources<'_>,
    config: &Config,
    last: Option<Micros>,
    now: Micros,
) -> Result<bool, Error> {
    let Some(path) = config.folder.as_ref().zip(config.sqlite.as_ref()).map(|(folder, name)| folder.join(name)) else {
        return Ok(false);
    };
    if last.is_some_and(|last| now - last < SQLITE_EVERY) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::File { path: path.clone(), source })?;
    }
    let facts = AvailabilityQuery::open(sources.ledger).and_then(|query| query.facts(now, now, now));
    let moment = Moment::open(sources.ledger).map_err(export::Error::from)?;
    export::sql::update(&moment, &facts.map_err(export::Error::from)?, sources.zone, &path, |_| {})?;
    tracing::info!(path = %path.display(), "the SQLite file is up to date");
    Ok(true)
}

/// Writes what is due at `now` and not there yet, at most [`MOST_AT_ONCE`]. Returns how many were written.
pub(super) fn write_due(sources: &Sources<'_>, config: &Config, now: Micros) -> Result<usize, Error> {
    let Some(folder) = &config.folder else { return Ok(0) };
    let moment = Moment::open(sources.ledger).map_err(export::Error::from)?;
    let Some((first, _)) = moment.span().map_err(export::Error::from)? else { return Ok(0) };
    let mut written = 0;
    for due in schedule::due(config, sources.zone, first, now) {
        let path = folder.join(due.file_name());
        if path.exists() {
            continue;
        }
        let bytes = schedule::write(&moment, config, sources, &due)?;
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

    use jiff::tz::TimeZone;
    use parking_lot::Mutex;

    use super::*;
    use crate::clock::Clock;
    use crate::ledger::{Batch, Context, DataDir, Ledger, Options, Privacy, ROLLUP_HOUR};
    use crate::meter::{self, Meter};
    use crate::record::{Priced, Record};
    use crate::report::document::Form;
    use crate::report::schedule::Kind;
    use crate::sla::Span;

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
        let data = folder.path().join("data");
        let answer_within = Span::from_micros(1_500_000);
        let sources = Sources { ledger: &data, zone: &TimeZone::UTC, target: None, answer_within };
        let write = |now| write_due(&sources, &config, now).unwrap();
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

        // Availability is of whole months, in each form; the SQLite file comes again after an hour.
        let config =
            Config { daily: Vec::new(), monthly: vec![Kind::Sla], sqlite: Some("views.db".to_owned()), ..config };
        assert_eq!(write_due(&sources, &config, NOW + 10 * DAY).unwrap(), 2);
        let text = fs::read_to_string(reports.join("sla-month-2026-11.csv")).unwrap();
        assert!(text.starts_with("record,target,month,"), "{text}");
        let update = |last, now| update_sqlite(&sources, &config, last, now).unwrap();
        assert!(update(None, NOW) && reports.join("views.db").exists());
        assert!(!update(Some(NOW), NOW + SQLITE_EVERY - 1) && update(Some(NOW), NOW + SQLITE_EVERY));
        let (file, _) = crate::ledger::SqlFile::open(&reports.join("views.db"), 1, "").unwrap();
        assert_eq!(file.number("SELECT count(*) FROM v_requests", &[]).unwrap(), Some(1));
    }
}
