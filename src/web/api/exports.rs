//! Exports: requests, sessions and charges as files of any length, streamed.

use std::io::Write as _;
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::asked::{Asked, Period};
use super::endpoint::Endpoint;
use super::filter::{PERIOD, REQUESTS};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::stream::{Pipe, Start};
use crate::ledger::{Moment, RequestFilter};
use crate::report::export::{self, Error, Format};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::file(
        "/api/v1/export/requests",
        "every request that fits",
        &[FORMAT, REQUESTS, PERIOD],
        |asked, start| {
            export(asked, start, "requests", |moment, filter, format, out| {
                export::requests(moment, filter, format, out, |_| ControlFlow::Continue(()))
            })
        },
    ),
    Endpoint::file(
        "/api/v1/export/sessions",
        "every session that fits",
        &[FORMAT, REQUESTS, PERIOD],
        |asked, start| {
            export(asked, start, "sessions", |moment, filter, format, out| {
                export::sessions(moment, filter, format, out, |_| ControlFlow::Continue(()))
            })
        },
    ),
    Endpoint::file(
        "/api/v1/export/focus",
        "charges in the columns of FinOps FOCUS 1.2",
        &[FORMAT, REQUESTS, PERIOD],
        |asked, start| {
            let zone = asked.zone.clone();
            export(asked, start, "focus", move |moment, filter, format, out| {
                export::focus(moment, filter, &zone, format, out, |_| ControlFlow::Continue(()))
            })
        },
    ),
];

const FORMAT: &[Parameter] =
    &[Parameter::new("format", Kind::Choice(formats), "how records are written; default: csv")];

fn formats() -> Vec<&'static str> {
    Format::ALL.into_iter().map(Format::label).collect()
}

/// Writes what fits. What is asked wrongly is told before the file begins.
fn export(
    asked: &Asked<'_>,
    start: &mut Start,
    what: &str,
    write: impl FnOnce(&mut Moment, &RequestFilter, Format, &mut Pipe) -> Result<u64, Error>,
) -> Result<(), Problem> {
    let period = asked.period()?;
    let mut moment = asked.open_for_long()?;
    let filter = asked.requests(&moment, period)?;
    let format = Format::ALL.into_iter().find(|format| asked.text("format") == Some(format.label()));
    let format = format.unwrap_or_default();
    let mut pipe = start.file(format.media_type(), &file_name(asked, what, period, format.label()));
    match write(&mut moment, &filter, format, &mut pipe).map(|_| pipe.flush()) {
        Ok(Ok(())) => Ok(()),
        // Whoever asked has gone.
        Ok(Err(_)) | Err(Error::Write(_)) => Ok(()),
        Err(Error::Ledger(error)) => Err(error.into()),
    }
}

/// A file's name with the days that it covers.
pub(super) fn file_name(asked: &Asked<'_>, what: &str, period: Period, end: &str) -> String {
    let day = |at: Option<i64>| {
        let at = Timestamp::from_microsecond(at?).ok()?;
        Some(format!("-{}", at.to_zoned(asked.zone.clone()).date()))
    };
    let (first, last) = (day(period.since), day(period.until.map(|until| until - 1)));
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    format!("tokentail-{what}{first}{last}.{end}")
}
