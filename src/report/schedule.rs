//! Reports that are written to a folder when their day, week or month is over: which are due, and one of them as bytes.
//!
//! Pure but for reading the ledger: who writes the files looks which are there already. A period is due [`GRACE`] after its
//! end, and for as long as [`Due::most`] says, so that what a stop has left out is caught up and not the whole past.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::by::By;
use super::document::{self, Form};
use super::exchange::Target;
use super::outlook::first_moment;
use super::{cost, export, sla, totals, usage};
use crate::ledger::{AvailabilityQuery, Moment, RequestFilter};
use crate::record::Micros;
use crate::session::usage::{Period, PeriodKey};
use crate::sla::{Month, Span};

/// Microseconds after a period's end from which it is due: what was asked before midnight has been logged by then.
pub const GRACE: Micros = 15 * 60 * 1_000_000;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What was spent.
    Cost,
    /// Time of use.
    Usage,
    /// Charges in the FOCUS columns, always as CSV.
    Focus,
    /// Availability and outages of a calendar month; of months only.
    Sla,
}

impl Kind {
    /// All kinds with the names that the configuration uses.
    pub const ALL: [(Kind, &'static str); 4] =
        [(Kind::Cost, "cost"), (Kind::Usage, "usage"), (Kind::Focus, "focus"), (Kind::Sla, "sla")];

    fn label(self) -> &'static str {
        match self {
            Kind::Cost => "cost",
            Kind::Usage => "usage",
            Kind::Focus => "focus",
            Kind::Sla => "sla",
        }
    }
}

/// Forms in which files can be written, with the names that the configuration uses.
pub const FORMS: [(Form, &str); 3] = [(Form::Csv, "csv"), (Form::Json, "json"), (Form::Markdown, "md")];

/// The section `reports` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where they are written; `None`: none are.
    pub folder: Option<PathBuf>,
    /// What is written of each day.
    pub daily: Vec<Kind>,
    /// What is written of each week, Monday to Sunday.
    pub weekly: Vec<Kind>,
    /// What is written of each month.
    pub monthly: Vec<Kind>,
    /// Columns of the groups; of weeks and months the day stands before them.
    pub by: Vec<String>,
    /// In which forms.
    pub formats: Vec<Form>,
    /// Name of a SQLite file in the folder, with views for other tools, that is brought up to date every hour.
    pub sqlite: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            folder: None,
            daily: Vec::new(),
            weekly: Vec::new(),
            monthly: Vec::new(),
            by: vec!["consumer".to_owned(), "model".to_owned()],
            formats: vec![Form::Csv],
            sqlite: None,
        }
    }
}

/// A report that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub kind: Kind,
    /// Of which period.
    pub period: PeriodKey,
    /// In which form.
    pub form: Form,
    /// First moment.
    pub since: Micros,
    /// The moment before which it ends.
    pub until: Micros,
}

impl Due {
    /// Name of the file: `cost-day-2026-11-20.csv`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}", self.kind.label(), self.period.period.label(), self.period, self.form.label())
    }

    /// How many past periods are caught up at most.
    #[must_use]
    pub fn most(period: Period) -> usize {
        match period {
            Period::Day => 14,
            Period::Week => 5,
            Period::Month => 3,
        }
    }
}

/// The first day of the period after one.
fn next(first: Date, period: Period) -> Option<Date> {
    let span = match period {
        Period::Day => 1.day(),
        Period::Week => 7.days(),
        Period::Month => 1.month(),
    };
    first.checked_add(span).ok()
}

/// The reports of periods that are over at `now`, the oldest first. Periods before the first request are left out.
#[must_use]
pub fn due(config: &Config, zone: &TimeZone, first_request: Micros, now: Micros) -> Vec<Due> {
    let mut found = Vec::new();
    let day_of = |at: Micros| Timestamp::from_microsecond(at).ok().map(|at| at.to_zoned(zone.clone()).date());
    let Some(today) = day_of(now.saturating_sub(GRACE)) else { return found };
    for (period, kinds) in
        [(Period::Day, &config.daily), (Period::Week, &config.weekly), (Period::Month, &config.monthly)]
    {
        let mut keys: Vec<PeriodKey> = Vec::new();
        let mut last = period.of_date(today);
        while keys.len() < Due::most(period) {
            let Ok(before) = last.first.yesterday() else { break };
            last = period.of_date(before);
            keys.push(last);
        }
        for key in keys.into_iter().rev() {
            let bounds = next(key.first, period)
                .and_then(|next| Some((first_moment(key.first, zone)?, first_moment(next, zone)?)));
            let Some((since, until)) = bounds.filter(|(_, until)| *until > first_request) else { continue };
            for kind in kinds.iter().copied().collect::<BTreeSet<Kind>>() {
                let forms: BTreeSet<Form> = match kind {
                    Kind::Focus => BTreeSet::from([Form::Csv]),
                    Kind::Cost | Kind::Usage | Kind::Sla => config.formats.iter().copied().collect(),
                };
                found.extend(forms.into_iter().map(|form| Due { kind, period: key, form, since, until }));
            }
        }
    }
    found.sort_by_key(|due| (due.until, due.since));
    found
}

/// What reports are made from beside the requests.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Folder of the ledger.
    pub ledger: &'a Path,
    /// Whose days.
    pub zone: &'a TimeZone,
    /// What totals are converted to.
    pub target: Option<&'a Target>,
    /// The level: how soon an answer has to start.
    pub answer_within: Span,
}

/// The bytes of a report.
///
/// # Errors
/// The ledger cannot be read, or there are too many groups.
pub fn write(moment: &Moment, config: &Config, sources: &Sources<'_>, due: &Due) -> Result<Vec<u8>, export::Error> {
    let Sources { zone, target, .. } = *sources;
    let known = usage::dimensions(moment)?;
    let day = (due.period.period != Period::Day).then_some(By::Period(Period::Day));
    let columns = config.by.iter().map(|name| {
        // A dimension that no request has had yet is one all the same.
        By::parse(name, &known).unwrap_or_else(|_| By::Dimension(name.clone()))
    });
    let by: Vec<By> = day.into_iter().chain(columns).collect();
    let (since, until) = (due.since, due.until);
    match due.kind {
        Kind::Cost => {
            let filter = RequestFilter::default();
            let totals = totals::Question { by, filter, since, until, zone: zone.clone(), kinds: true };
            let question = cost::Question { totals, target: target.cloned() };
            let answer = cost::answer(moment, &question)?;
            Ok(document::cost(&question, &answer).render(due.form).into_bytes())
        }
        Kind::Usage => {
            let question = usage::Question { by, since, until, zone: zone.clone() };
            let answer = usage::answer(moment, &question)?;
            Ok(document::usage(&question, &answer).render(due.form).into_bytes())
        }
        Kind::Focus => {
            let filter = RequestFilter { since: Some(since), until: Some(until), ..RequestFilter::default() };
            let mut bytes = Vec::new();
            let go_on = |_| ControlFlow::Continue(());
            export::focus(moment, &filter, zone, export::Format::Csv, &mut bytes, go_on)?;
            Ok(bytes)
        }
        Kind::Sla => availability(sources, due),
    }
}

/// The month is over, so the moment of its report is its end.
fn availability(sources: &Sources<'_>, due: &Due) -> Result<Vec<u8>, export::Error> {
    let Some(month) = Month::containing(due.since, sources.zone) else { return Ok(Vec::new()) };
    let query = AvailabilityQuery::open(sources.ledger)?;
    let (facts, requests) =
        (query.facts(month.from(), month.to(), month.to())?, query.requests(month.from(), month.to())?);
    let question = sla::Question {
        facts: &facts,
        requests: &requests,
        answer_within: sources.answer_within,
        month: &month,
        zone: sources.zone,
        now: month.to(),
    };
    Ok(document::sla(&question, None, due.form).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn names(config: &Config, first: &str, now: &str) -> Vec<String> {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        due(config, &zone, at(first), at(now)).iter().map(Due::file_name).collect()
    }

    #[test]
    fn a_day_is_due_a_quarter_of_an_hour_after_it_is_over() {
        let config = Config { daily: vec![Kind::Cost], ..Config::default() };
        // Midnight in Shanghai is 16:00 in UTC.
        for (now, want) in [
            ("2026-11-20T16:14:59Z", vec!["cost-day-2026-11-19.csv"]),
            ("2026-11-20T16:15:00Z", vec!["cost-day-2026-11-19.csv", "cost-day-2026-11-20.csv"]),
        ] {
            assert_eq!(names(&config, "2026-11-19T03:00:00Z", now), want, "{now}");
        }
    }

    #[test]
    fn weeks_and_months_are_whole_and_the_past_is_bounded() {
        let config = Config {
            daily: vec![Kind::Usage],
            weekly: vec![Kind::Cost],
            monthly: vec![Kind::Focus, Kind::Cost, Kind::Cost],
            formats: vec![Form::Csv, Form::Markdown],
            ..Config::default()
        };
        let found = names(&config, "2020-01-01T00:00:00Z", "2026-11-03T00:00:00Z");
        let count = |start: &str| found.iter().filter(|name| name.starts_with(start)).count();
        let counts = [count("usage-day-"), count("cost-week-"), count("cost-month-"), count("focus-month-")];
        assert_eq!(counts, [2 * 14, 2 * 5, 2 * 3, 3]);
        for name in ["usage-day-2026-11-02.md", "cost-week-2026-W44.csv", "focus-month-2026-10.csv"] {
            assert!(found.iter().any(|known| known == name), "{name} in {found:?}");
        }
        let unique: BTreeSet<&String> = found.iter().collect();
        assert_eq!(unique.len(), found.len());
    }
}
