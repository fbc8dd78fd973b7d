//! One value of a line, as the log has it, becomes text, a count, a span or a time.
//!
//! Knows the ways in which gateways write one and the same value: a number as text, `-` for missing, JSON inside a
//! string. Knows no field and no gateway. A value that cannot be used becomes missing and leaves an anomaly.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::config::Unit;
use super::json;
use super::number::{Decimal, parse_count};
use super::time::{Span, parse_span, parse_time};
use crate::record::{Anomalies, Anomaly, Micros};

/// A value of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// The line does not have the key.
    #[default]
    Absent,
    /// The key is there without a value: null, `"-"` or `""`.
    Missing,
    /// A string, decoded.
    Text(Cow<'a, str>),
    /// A number, as it is written.
    Number(Cow<'a, str>),
    /// `true` or `false`.
    Bool(bool),
    /// An object or an array, as JSON text. Of what was said any value, until somebody asks for it.
    Nested(Cow<'a, str>),
    /// The same as JSON text that is escaped once more (each `"` and `\` has a `\` before it).
    Escaped(&'a str),
}

/// Whether a start time is there, and can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Time {
    /// The line has none.
    #[default]
    Missing,
    /// It cannot be read or lies outside the believable years.
    Bad,
    /// Microseconds since the epoch.
    At(Micros),
}

impl<'a> Scalar<'a> {
    /// From decoded text.
    #[inline]
    pub(crate) fn from_text(text: impl Into<Cow<'a, str>>) -> Scalar<'a> {
        let text = text.into();
        if matches!(&*text, "" | "-") { Scalar::Missing } else { Scalar::Text(text) }
    }

    /// From valid JSON text without blanks around it.
    pub(crate) fn from_json(raw: &'a str) -> Scalar<'a> {
        match raw.as_bytes() {
            [b'"', ..] => Scalar::from_text(json::decode_string(raw)),
            [b'{' | b'[', ..] => Scalar::Nested(Cow::Borrowed(raw)),
            [b't', ..] => Scalar::Bool(true),
            [b'f', ..] => Scalar::Bool(false),
            [b'-' | b'0'..=b'9', ..] => Scalar::Number(Cow::Borrowed(raw)),
            _ => Scalar::Missing,
        }
    }

    /// The same, owning its text.
    pub(crate) fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Absent => Scalar::Absent,
            Scalar::Missing => Scalar::Missing,
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Number(text) => Scalar::Number(Cow::Owned(text.into_owned())),
            Scalar::Bool(value) => Scalar::Bool(value),
            Scalar::Nested(text) => Scalar::Nested(Cow::Owned(text.into_owned())),
            Scalar::Escaped(text) => Scalar::Nested(Cow::Owned(json::unescape(text).into_owned())),
        }
    }

    /// Whether there is a value.
    #[inline]
    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Scalar::Absent | Scalar::Missing)
    }

    /// Takes the other's value where there is none here.
    #[inline]
    pub(crate) fn fill(&mut self, other: &mut Scalar<'a>) {
        if !self.is_present() {
            *self = std::mem::take(other);
        }
    }

    /// [`Scalar::into_text`], leaving nothing behind.
    #[inline]
    pub(crate) fn take_text(&mut self) -> Cow<'a, str> {
        std::mem::take(self).into_text()
    }

    /// Text of a string, number or boolean; JSON text of the rest; empty where missing.
    #[inline]
    pub(crate) fn into_text(self) -> Cow<'a, str> {
        match self {
            Scalar::Absent | Scalar::Missing => Cow::Borrowed(""),
            Scalar::Text(text) | Scalar::Number(text) | Scalar::Nested(text) => text,
            Scalar::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Scalar::Escaped(text) => json::unescape(text),
        }
    }

    /// Text of a string or the digits of a number, where a number is wanted.
    fn digits(&self) -> &str {
        match self {
            Scalar::Text(text) | Scalar::Number(text) => text,
            // No number, so that the caller flags it.
            _ => "",
        }
    }

    /// A whole number from 0 to `max`; anything else that is present is a bad number.
    pub(crate) fn count(&self, max: u64, anomalies: &mut Anomalies) -> Option<u64> {
        if !self.is_present() {
            return None;
        }
        let count = parse_count(self.digits(), max);
        if count.is_none() {
            anomalies.insert(Anomaly::BadNumber);
        }
        count
    }

    /// A span in microseconds; negative and unusable ones leave their anomaly.
    pub(crate) fn span(&self, unit: Option<Unit>, anomalies: &mut Anomalies) -> Option<i64> {
        if !self.is_present() {
            return None;
        }
        match parse_span(self.digits(), unit) {
            Span::Micros(micros) => return Some(micros),
            Span::Negative => anomalies.insert(Anomaly::NegativeDuration),
            Span::Bad => anomalies.insert(Anomaly::BadNumber),
        }
        None
    }

    /// A time.
    pub(crate) fn time(&self, unit: Option<Unit>, zone: &TimeZone) -> Time {
        if !self.is_present() {
            return Time::Missing;
        }
        parse_time(self.digits(), unit, zone).map_or(Time::Bad, Time::At)
    }

    /// An amount of money in nano-units, cut to a whole one; negative and unusable ones are bad numbers.
    pub(crate) fn nanos(&self, anomalies: &mut Anomalies) -> Option<i64> {
        if !self.is_present() {
            return None;
        }
        let nanos = Decimal::parse(self.digits()).filter(|d| !d.is_negative()).and_then(|d| d.scaled(9));
        if nanos.is_none() {
            anomalies.insert(Anomaly::BadNumber);
        }
        nanos
    }
}

/// Reads a trace id as W3C (32 hexadecimal digits) or B3 (also 16, the lower half) write it; all zero is none.
pub(crate) fn parse_trace_id(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if !matches!(digits.len(), 16 | 32) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let value = u128::from_str_radix(text, 16).ok()?;
    (value != 0).then_some(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_of_both_lengths_are_read_and_zero_is_none() {
        let mut want = [0_u8; 16];
        want[8..].copy_from_slice(&0x463a_c35c_9f64_13ad_u64.to_be_bytes());
        assert_eq!(parse_trace_id("463ac35c9f6413ad"), Some(want));
        assert_eq!(parse_trace_id("0000000000000000463AC35C9F6413AD"), Some(want));
        for bad in ["", "-", &"0".repeat(32), &"0".repeat(16), "+63ac35c9f6413ad", &"g".repeat(32), &"a".repeat(31)] {
            assert_eq!(parse_trace_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn missing_values_leave_no_anomaly_and_unusable_ones_do() {
        for (raw, want, flagged) in [
            ("null", None, false),
            ("\"\"", None, false),
            ("\"-\"", None, false),
            ("0", Some(0), false),
            ("\"0\"", Some(0), false),
            ("\"17\"", Some(17), false),
            ("-5", None, true),
            ("1e400", None, true),
            ("\"NaN\"", None, true),
            ("1.5", None, true),
            ("true", None, true),
            ("{}", None, true),
            ("[1]", None, true),
            ("1000000001", None, true),
        ] {
            let mut anomalies = Anomalies::default();
            assert_eq!(Scalar::from_json(raw).count(1_000_000_000, &mut anomalies), want, "{raw}");
            assert_eq!(anomalies.contains(Anomaly::BadNumber), flagged, "{raw}");
        }
    }

    #[test]
    fn money_is_read_exactly() {
        for (raw, want) in [("0.011925", Some(11_925_000)), ("\"1e-3\"", Some(1_000_000)), ("-1", None), ("1e30", None)]
        {
            assert_eq!(Scalar::from_json(raw).nanos(&mut Anomalies::default()), want, "{raw}");
        }
    }
}
