//! What a gateway's file hands over, and what every gateway's records have in common: a draft becomes a finished record.
//!
//! A gateway only says what its line has. Outcome, usage, plausibility of times and the bounds of labels are decided
//! here, once for all of them, after the user's own fields were laid over the draft.

use std::borrow::Cow;

use super::label::bound_label;
use super::outcome::{Ending, classify};
use super::scalar::Time;
use super::usage::Counts;
use crate::record::{Anomalies, Anomaly, Currency, MAX_TOKENS, Micros, Mode, Record, Reject, Skip, Usage};

/// How far ahead of the wall clock a request may start before it is flagged: 5 minutes.
const FUTURE: Micros = 5 * 60 * 1_000_000;
/// Most tool calls of one request that are kept.
pub(crate) const MAX_TOOL_CALLS: usize = 128;

/// Largest count of bytes that is believed: 4 PiB.
pub(crate) const MAX_BYTES: u64 = 1 << 52;
/// Largest total of tokens that is believed: each kind at its bound.
pub(crate) const MAX_TOTAL: u64 = MAX_TOKENS * 8;

/// What a gateway makes of one record of a line.
#[expect(clippy::large_enum_variant, reason = "lives on the stack of one call; a box would cost an allocation a line")]
#[derive(Debug, PartialEq)]
pub(crate) enum Reading<'a> {
    /// A request.
    Draft(Draft<'a>),
    /// A line that is fine but tells of no request.
    Skipped(Skip),
    /// A line that cannot be used.
    Rejected(Reject),
}

/// Where the paths of the user's own fields and dimensions are looked up.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Source<'a> {
    /// Nowhere.
    #[default]
    None,
    /// In the record's JSON object.
    Object(Cow<'a, str>),
    /// In keys and raw JSON values that were salvaged from a broken object.
    Salvaged(Vec<(Cow<'a, str>, Cow<'a, str>)>),
}

/// A request as a gateway's line tells it, before anything is concluded.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Draft<'a> {
    /// Whatever is copied as it is. `start`, `outcome` and `usage` are left for [`Draft::finish`], labels unbounded.
    pub(crate) record: Box<Record<'a>>,
    /// Start.
    pub(crate) time: Time,
    /// End, which gives the duration where none is logged.
    pub(crate) end: Time,
    /// HTTP status; 0 where the gateway says that no response began.
    pub(crate) status: Option<u16>,
    /// Envoy's response flags.
    pub(crate) flags: Cow<'a, str>,
    /// Envoy's response code details.
    pub(crate) details: Cow<'a, str>,
    /// A limit of the gateway's own refused the request.
    pub(crate) limited: bool,
    /// Token counts.
    pub(crate) counts: Counts,
    /// Whether a log of this shape has no token counts at all, so that none are missing.
    pub(crate) without_usage: bool,
    /// Currency of the logged cost.
    pub(crate) currency: Option<Currency>,
    /// For the user's own fields and dimensions.
    pub(crate) source: Source<'a>,
}

impl<'a> Draft<'a> {
    /// Concludes the record. `now` is the wall clock, used for one flag only.
    ///
    /// # Errors
    /// A record without a believable time cannot be used.
    pub(crate) fn finish(&mut self, now: Micros) -> Result<(), Reject> {
        let record = &mut *self.record;
        record.start = match self.time {
            Time::Missing => return Err(Reject::NoTime),
            Time::Bad => return Err(Reject::BadTime),
            Time::At(start) => start,
        };
        if record.start > now.saturating_add(FUTURE) {
            record.anomalies.insert(Anomaly::TimeInFuture);
        }
        if let (None, Time::At(end)) = (record.duration, self.end) {
            match end - record.start {
                ..0 => record.anomalies.insert(Anomaly::NegativeDuration),
                span if span > super::time::MAX_SPAN => record.anomalies.insert(Anomaly::BadNumber),
                span => record.duration = Some(span),
            }
        }
        if record.mode == Mode::Normal {
            record.first_token = None;
        }
        record.status = self.status.filter(|status| *status != 0);
        record.outcome = classify(&Ending {
            status: self.status,
            flags: &self.flags,
            details: &self.details,
            limited: self.limited,
        });
        // A client that goes away before the first byte leaves no usage behind, one that goes in the middle does.
        let answered = !record.chat_id.is_empty() || record.first_token.is_some() || self.status == Some(200);
        record.usage = self.counts.usage(record.outcome, answered, &mut record.anomalies);
        if self.without_usage && record.usage.is_missing() {
            record.usage = Usage::None;
        }
        if let (Some(cost), Some(currency)) = (&mut record.logged_cost, self.currency) {
            cost.currency = currency;
        }
        for label in [
            &mut record.route,
            &mut record.provider,
            &mut record.model,
            &mut record.consumer,
            &mut record.user,
            &mut record.upstream,
        ] {
            *label = bound_label(std::mem::take(label));
        }
        record.tool_calls.truncate(MAX_TOOL_CALLS);
        for name in &mut record.tool_calls {
            *name = bound_label(std::mem::take(name));
        }
        Ok(())
    }
}

/// Reads an HTTP status: 0 (no response) or 100 to 999.
pub(crate) fn status_of(count: Option<u64>, anomalies: &mut Anomalies) -> Option<u16> {
    let status = u16::try_from(count?).ok().filter(|status| matches!(status, 0 | 100..=999));
    if status.is_none() {
        anomalies.insert(Anomaly::BadNumber);
    }
    status
}
