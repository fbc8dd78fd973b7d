//! What may be asked with: each parameter's name, meaning and allowed values, once. Checking, the OpenAPI document and
//! the README are made from it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::record::{Currency, Micros, money};
use crate::report::outlook::first_moment;
use crate::sla::Month;
use crate::wording::{listed, nearest};

/// One parameter of a query, of a path or of a body.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// A sentence without a full stop.
    pub(super) about: &'static str,
    /// Whether it must be there.
    pub(super) required: bool,
}

/// What values are allowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// One line of at most so many bytes, not empty.
    Line(usize),
    /// Any of several texts.
    Texts,
    /// A whole number within bounds.
    Count(u64, u64),
    /// One of these.
    Choice(fn() -> Vec<&'static str>),
    /// Any of several of these.
    Choices(fn() -> Vec<&'static str>),
    /// Any of several HTTP statuses, or a class such as `4xx`.
    Statuses,
    /// True or false.
    Flag,
    /// A moment: RFC 3339, a date, or an age.
    Time,
    /// A month of the calendar.
    Month,
    /// A time zone of the IANA database.
    Zone,
    /// An amount of money.
    Amount,
    /// A currency's code.
    Currency,
    /// Where a list goes on.
    Cursor,
    /// Columns of a group: at most so many, separated by commas.
    Columns(usize),
    /// `dimension.NAME`, for each dimension of the user's own.
    Dimensions,
}

/// The longest list of values that one parameter may have.
const MOST_VALUES: usize = 100;

impl Parameter {
    /// One that may be left out.
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
        Parameter { name, kind, about, required: false }
    }

    /// One that must be there.
    pub(super) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
        Parameter { name, kind, about, required: true }
    }

    /// Its name as people write it.
    pub(super) fn shown(&self) -> &'static str {
        if matches!(self.kind, Kind::Dimensions) { "dimension.NAME" } else { self.name }
    }

    /// As an OpenAPI parameter.
    pub(super) fn openapi(&self, place: &'static str) -> Value {
        let required = self.required || place == "path";
        let mut parameter = json!({
            "name": self.name, "in": place, "required": required, "description": self.about,
            "schema": self.kind.schema(),
        });
        if let Some(map) = parameter.as_object_mut().filter(|_| place == "query") {
            // A list is a repeated parameter; the names of an object's keys are parameters of their own.
            map.insert("style".to_owned(), json!("form"));
            map.insert("explode".to_owned(), json!(!matches!(self.kind, Kind::Columns(_))));
        }
        parameter
    }
}

impl Kind {
    /// Whether several values are any of them.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Kind::Texts | Kind::Choices(_) | Kind::Statuses | Kind::Columns(_) | Kind::Dimensions)
    }

    /// JSON Schema of the values, as far as it can tell them.
    pub(super) fn schema(self) -> Value {
        let list = |items: Value| json!({"type": "array", "items": items, "minItems": 1, "maxItems": MOST_VALUES});
        match self {
            Kind::Text | Kind::Cursor => json!({"type": "string"}),
            Kind::Line(most) => json!({"type": "string", "minLength": 1, "maxLength": most}),
            Kind::Texts => list(json!({"type": "string"})),
            Kind::Count(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Choice(of) => json!({"type": "string", "enum": of()}),
            Kind::Choices(of) => list(json!({"type": "string", "enum": of()})),
            Kind::Statuses => list(json!({"type": "string", "pattern": "^([0-9]{1,3}|[1-5]xx)$"})),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Time => json!({"type": "string", "examples": ["24h", "2026-11-01", "2026-11-01T09:30:00Z"]}),
            Kind::Month => json!({"type": "string", "pattern": "^[12][0-9]{3}-(0[1-9]|1[0-2])$"}),
            Kind::Zone => json!({"type": "string", "examples": ["UTC", "Asia/Shanghai"]}),
            Kind::Amount => json!({"type": "string", "pattern": "^[0-9]{1,12}(\\.[0-9]{1,9})?$"}),
            Kind::Currency => json!({"type": "string", "pattern": "^[A-Z]{3}$"}),
            Kind::Columns(most) => {
                json!({"type": "array", "items": {"type": "string"}, "maxItems": most})
            }
            Kind::Dimensions => json!({
                "type": "object", "propertyNames": {"pattern": "^dimension\\..+$"},
                "additionalProperties": {"type": "string"},
            }),
        }
    }

    /// Checks one value.
    ///
    /// # Errors
    /// What is allowed, to be read after `expected`.
    pub(super) fn check(self, text: &str, zone: &TimeZone, now: Micros) -> Result<(), String> {
        let says = |ok: bool, expected: &str| if ok { Ok(()) } else { Err(expected.to_owned()) };
        match self {
            Kind::Text | Kind::Texts | Kind::Dimensions => Ok(()),
            Kind::Line(most) => {
                let ok = !text.trim().is_empty() && text.len() <= most && !text.chars().any(char::is_control);
                says(ok, &format!("one line of 1 to {most} bytes"))
            }
            Kind::Count(least, most) => {
                let ok = count(text).is_some_and(|number| (least..=most).contains(&number));
                says(ok, &format!("a whole number from {least} to {most}"))
            }
            Kind::Choice(of) | Kind::Choices(of) => {
                let known = of();
                if known.contains(&text) {
                    return Ok(());
                }
                let near = nearest(text, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
                Err(format!("one of {}{}", listed(known), near.unwrap_or_default()))
            }
            Kind::Statuses => says(statuses(text).is_some(), "a status such as `200`, or a class such as `4xx`"),
            Kind::Flag => says(flag(text).is_some(), "`true` or `false`"),
            Kind::Time => says(
                moment(text, zone, now).is_some(),
                "a time such as `2026-11-01T09:30:00Z`, a date such as `2026-11-01`, or an age such as `24h` or `7d`",
            ),
            Kind::Month => says(Month::parse(text, zone).is_some(), "a month such as `2026-11`"),
            Kind::Zone => says(TimeZone::get(text).is_ok(), "a time zone such as `Asia/Shanghai` or `UTC`"),
            Kind::Amount => says(amount(text).is_some(), "an amount such as `0.05`, with at most nine decimals"),
            Kind::Currency => says(Currency::parse(text).is_some(), "the code of a currency such as `USD`"),
            Kind::Cursor => says(!text.is_empty(), "the `next` of the page before"),
            Kind::Columns(_) => says(!text.trim().is_empty(), "names of columns separated by commas"),
        }
    }

    /// The most values of a list.
    pub(super) fn most(self) -> usize {
        match self {
            Kind::Columns(most) => most,
            _ if self.is_list() => MOST_VALUES,
            _ => 1,
        }
    }
}

/// A whole number in digits alone.
pub(super) fn count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// First and last status.
pub(super) fn statuses(text: &str) -> Option<(u16, u16)> {
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    let status = u16::try_from(count(text)?).ok().filter(|status| *status < 1000)?;
    Some((status, status))
}

/// A moment: RFC 3339, the first one of a date, or so long before `now`.
pub(super) fn moment(text: &str, zone: &TimeZone, now: Micros) -> Option<Micros> {
    if let Some((number, unit)) = text.char_indices().last().map(|(at, unit)| (text.get(..at).unwrap_or(""), unit))
        && let Some(number) = count(number)
    {
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => 0,
        };
        if seconds > 0 {
            let age = i64::try_from(number).ok()?.checked_mul(seconds)?.checked_mul(1_000_000)?;
            return now.checked_sub(age).filter(|at| *at >= 0);
        }
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_microsecond());
    }
    let date = text.parse::<Date>().ok().filter(|_| text.len() <= 10)?;
    first_moment(date, zone)
}

/// Nano-units of an amount without a sign.
pub(super) fn amount(text: &str) -> Option<i128> {
    money::parse_nanos(text, 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T08:00:00Z
    const NOW: Micros = 1_795_248_000_000_000;

    #[test]
    fn a_moment_is_a_time_a_date_of_the_zone_or_an_age() {
        let shanghai = TimeZone::get("Asia/Shanghai").expect("bundled");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time").as_microsecond();
        for (text, want) in [
            ("2026-11-01T09:30:00Z", Some(at("2026-11-01T09:30:00Z"))),
            ("2026-11-01T09:30:00+08:00", Some(at("2026-11-01T01:30:00Z"))),
            ("2026-11-01", Some(at("2026-10-31T16:00:00Z"))),
            ("24h", Some(NOW - 86_400_000_000)),
            ("7d", Some(NOW - 7 * 86_400_000_000)),
            ("0s", Some(NOW)),
            ("1w", Some(NOW - 7 * 86_400_000_000)),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("+1h", None),
            ("1.5h", None),
            ("24", None),
            ("24y", None),
            ("99999999999999999999d", None),
            ("9999999999999d", None),
            ("2026-11-31", None),
            ("2026-11-01T09:30:00", None),
            ("yesterday", None),
        ] {
            assert_eq!(moment(text, &shanghai, NOW), want, "{text}");
        }
    }

    #[test]
    fn statuses_are_single_or_of_a_class() {
        for (text, want) in [
            ("200", Some((200, 200))),
            ("4xx", Some((400, 499))),
            ("0", Some((0, 0))),
            ("6xx", None),
            ("xx", None),
            ("1000", None),
            ("-1", None),
            ("200.0", None),
        ] {
            assert_eq!(statuses(text), want, "{text}");
        }
    }

    #[test]
    fn amounts_are_read_to_the_last_digit() {
        for (text, want) in [
            ("12", Some(12 * money::NANOS)),
            ("0.05", Some(50_000_000)),
            ("0.000000001", Some(1)),
            ("1.", None),
            ("", None),
            ("-1", None),
            ("1e3", None),
            ("0.0000000001", None),
            ("9999999999999", None),
        ] {
            assert_eq!(amount(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_not_allowed_says_what_is() {
        let says = |kind: Kind, text: &str| kind.check(text, &TimeZone::UTC, NOW).expect_err(text);
        let of = || vec!["start", "cost"];
        assert_eq!(says(Kind::Choice(of), "strat"), "one of `start`, `cost`; did you mean `start`?");
        assert_eq!(says(Kind::Count(1, 10), "11"), "a whole number from 1 to 10");
        assert!(says(Kind::Zone, "Mars/Olympus").contains("Asia/Shanghai"));
        assert!(says(Kind::Line(5), "a\nb").contains("one line"));
        for (kind, text) in [
            (Kind::Month, "2026-13"),
            (Kind::Flag, "yes"),
            (Kind::Currency, "dollars"),
            (Kind::Cursor, ""),
            (Kind::Columns(3), " "),
        ] {
            says(kind, text);
        }
    }
}
