//! Exact shares and lengths of time, and how they are written: always cut, never rounded up to an objective.

use std::fmt;

use serde::{Serialize, Serializer};

/// Parts of an [`Objective`] in 1.
const BILLION: i128 = 1_000_000_000;

/// A share of a whole, kept as two counts. 0 ≤ part ≤ whole, whole > 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    part: i128,
    whole: i128,
}

impl Ratio {
    /// `part` of `whole`, in one unit. `None` where the whole is not above 0, or the part is not within it.
    #[must_use]
    pub fn of(part: i128, whole: i128) -> Option<Ratio> {
        (whole > 0 && (0..=whole).contains(&part)).then_some(Ratio { part, whole })
    }

    /// Whether the exact share is at least the objective.
    #[must_use]
    pub fn meets(self, objective: Objective) -> bool {
        self.part.saturating_mul(BILLION) >= self.whole.saturating_mul(objective.billionths())
    }

    /// For a gauge, 0 to 1, to the precision of a double.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double; verdicts use the exact counts")]
    pub fn value(self) -> f64 {
        self.part as f64 / self.whole as f64
    }

    /// In percent with this many digits after the point (at most 9), cut and not rounded: 99.8999 % with two digits is
    /// `99.89`.
    #[must_use]
    pub fn percent(self, digits: u32) -> String {
        let scale = 10_i128.pow(digits.min(9));
        let scaled = self.part.saturating_mul(100).saturating_mul(scale) / self.whole;
        match usize::try_from(digits.min(9)) {
            Ok(width) if width > 0 => format!("{}.{:0width$}", scaled / scale, scaled % scale),
            _ => scaled.to_string(),
        }
    }
}

impl Serialize for Ratio {
    /// A number of 0 to 1, cut after nine digits: the finest step of an objective.
    #[expect(clippy::cast_precision_loss, reason = "at most 10^9, which a double holds exactly")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let billionths = self.part.saturating_mul(BILLION) / self.whole;
        serializer.serialize_f64(billionths as f64 / BILLION as f64)
    }
}

/// The promised availability, above 0 and at most 1, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Objective(u32);

impl Objective {
    /// 99.9 %.
    pub const USUAL: Objective = Objective(999_000_000);

    /// Reads a decimal such as `0.999`, exactly, with at most nine digits after the point; `None` for anything else and
    /// for values outside (0, 1].
    #[must_use]
    pub fn parse(text: &str) -> Option<Objective> {
        let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() != 1 || !plain(whole) || digits.len() > 9 || !plain(digits) {
            return None;
        }
        Objective::from_billionths(format!("{whole}{digits:0<9}").parse().ok()?)
    }

    /// From billionths, 1 to 10^9; `None` outside.
    #[must_use]
    pub fn from_billionths(billionths: u64) -> Option<Objective> {
        let value = u32::try_from(billionths).ok()?;
        (1..=1_000_000_000).contains(&value).then_some(Objective(value))
    }

    /// In billionths: 999,000,000 for 99.9 %.
    #[must_use]
    pub fn billionths(self) -> i128 {
        i128::from(self.0)
    }

    /// What may fail, in billionths.
    #[must_use]
    pub(super) fn allowed(self) -> i128 {
        BILLION - self.billionths()
    }

    /// For a gauge.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.0) / 1e9
    }

    /// The part of a length of time that may fail, cut to whole microseconds.
    #[must_use]
    pub fn budget(self, of: Span) -> Span {
        Span::of(i128::from(of.micros()) * self.allowed() / BILLION)
    }
}

impl fmt::Display for Objective {
    /// In percent, without zeros at the end: `99.9 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:07}", self.0 / 10_000_000, self.0 % 10_000_000);
        write!(f, "{} %", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.value())
    }
}

/// A length of time in microseconds; negative where more was used than there was. Written to JSON in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    /// From microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Span {
        Span(micros)
    }

    /// From seconds, saturating.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Span {
        Span(seconds.saturating_mul(1_000_000))
    }

    /// From a wide count of microseconds, saturating.
    pub(super) fn of(micros: i128) -> Span {
        Span(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
    }

    /// From one moment to another.
    #[must_use]
    pub fn between(from: i64, to: i64) -> Span {
        Span(to.saturating_sub(from))
    }

    /// In microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// For a gauge.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact to the microsecond within 285 years")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Both together, saturating.
    #[must_use]
    pub fn plus(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }

    /// What is left without the other, saturating; may be negative.
    #[must_use]
    pub fn minus(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Span {
    /// For people, to the second and cut: `43 min 12 s`, `1 d 2 h`, `-12 s`, `0 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.unsigned_abs() / 1_000_000;
        let parts =
            [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
        let sign = if self.0 < 0 && seconds > 0 { "-" } else { "" };
        f.pad(&if parts.is_empty() { "0 s".to_owned() } else { format!("{sign}{}", parts.join(" ")) })
    }
}

impl Serialize for Span {
    /// Seconds: a whole number where it is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1_000_000 == 0 {
            serializer.serialize_i64(self.0 / 1_000_000)
        } else {
            serializer.serialize_f64(self.seconds())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_just_under_the_objective_is_never_shown_as_met() {
        let objective = Objective::parse("0.999").unwrap();
        for (part, whole, digits, text, met) in [
            (998_999, 1_000_000, 2, "99.89", false),
            (998_999, 1_000_000, 4, "99.8999", false),
            (999_000, 1_000_000, 2, "99.90", true),
            (9_989_999_999, 10_000_000_000, 3, "99.899", false),
            (1_000_000, 1_000_000, 3, "100.000", true),
            (999_999, 1_000_000, 0, "99", true),
            (0, 7, 2, "0.00", false),
        ] {
            let ratio = Ratio::of(part, whole).unwrap();
            assert_eq!((ratio.percent(digits).as_str(), ratio.meets(objective)), (text, met), "{part}/{whole}");
        }
        let under = Ratio::of(9_989_999_999, 10_000_000_000).unwrap();
        assert_eq!(serde_json::to_string(&under).unwrap(), "0.998999999");
        assert_eq!(serde_json::to_string(&Ratio::of(1, 1)).unwrap(), "1.0");
        assert_eq!((Ratio::of(0, 0), Ratio::of(2, 1), Ratio::of(-1, 1)), (None, None, None));
    }

    #[test]
    fn objectives_are_read_exactly() {
        for (text, want) in [
            ("0.999", Some(999_000_000)),
            ("0.9999", Some(999_900_000)),
            ("1", Some(1_000_000_000)),
            ("0.000000001", Some(1)),
            ("0", None),
            ("1.1", None),
            ("99.9", None),
            ("0.9999999999", None),
            (".9", None),
            ("0.-9", None),
            ("", None),
        ] {
            assert_eq!(Objective::parse(text).map(Objective::billionths), want, "{text}");
        }
        let shown = |text| Objective::parse(text).unwrap().to_string();
        assert_eq!([shown("0.999"), shown("1"), shown("0.99995")], ["99.9 %", "100 %", "99.995 %"]);
    }

    #[test]
    fn lengths_are_written_for_people_and_in_seconds() {
        for (micros, want) in [
            (2_592_000_000, "43 min 12 s"),
            (0, "0 s"),
            (999_999, "0 s"),
            (-12_500_000, "-12 s"),
            (93_600_000_000, "1 d 2 h"),
        ] {
            assert_eq!(Span::from_micros(micros).to_string(), want);
        }
        assert_eq!(serde_json::to_string(&Span::from_seconds(2592)).unwrap(), "2592");
        assert_eq!(serde_json::to_string(&Span::from_micros(1_500_000)).unwrap(), "1.5");
    }
}
