//! What figures are grouped by: who asked, what was asked, and when.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::record::{Attributes, Micros};
use crate::session::usage::{Period, Slice, slices};
use crate::wording::{listed, nearest, quoted};

/// One column of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Pseudonym of the user.
    User,
    /// A value that a request's attributes say.
    Attribute(Attribute),
    /// A dimension of the user's own, by its name.
    Dimension(String),
    /// A day, week or month of the time zone.
    Period(Period),
    /// Hour of the day, 00 to 23.
    Hour,
    /// Each hour of the zone's clock, as the time at which it begins in UTC.
    EachHour,
    /// Currency of the cost, empty for what has no cost. Of totals only.
    Currency,
}

/// A value that a request's attributes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Name of the gateway.
    Gateway,
    /// Route.
    Route,
    /// Provider.
    Provider,
    /// Model.
    Model,
    /// Consumer.
    Consumer,
    /// Upstream account or cluster.
    Upstream,
    /// Stream or normal.
    Mode,
}

impl Attribute {
    const ALL: [Attribute; 7] = [
        Attribute::Gateway,
        Attribute::Route,
        Attribute::Provider,
        Attribute::Model,
        Attribute::Consumer,
        Attribute::Upstream,
        Attribute::Mode,
    ];

    fn label(self) -> &'static str {
        match self {
            Attribute::Gateway => "gateway",
            Attribute::Route => "route",
            Attribute::Provider => "provider",
            Attribute::Model => "model",
            Attribute::Consumer => "consumer",
            Attribute::Upstream => "upstream",
            Attribute::Mode => "mode",
        }
    }

    fn of(self, attributes: &Attributes) -> &str {
        match self {
            Attribute::Gateway => &attributes.gateway,
            Attribute::Route => &attributes.route,
            Attribute::Provider => &attributes.provider,
            Attribute::Model => &attributes.model,
            Attribute::Consumer => &attributes.consumer,
            Attribute::Upstream => &attributes.upstream,
            Attribute::Mode => attributes.mode.label(),
        }
    }
}

/// A word that nothing is grouped by.
#[derive(Clone, Debug, thiserror::Error)]
#[error("group by {}: expected {}{hint}", quoted(.word), listed(.known.iter().map(String::as_str)))]
pub struct Unknown {
    word: String,
    known: Vec<String>,
    hint: String,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            By::User => "user",
            By::Attribute(attribute) => attribute.label(),
            By::Dimension(name) => name,
            By::Period(period) => period.label(),
            By::Hour => "hour_of_day",
            By::EachHour => "hour",
            By::Currency => "currency",
        })
    }
}

impl By {
    /// The columns that every request has a value in, if perhaps an empty one.
    pub const ATTRIBUTES: [By; 7] = [
        By::Attribute(Attribute::Gateway),
        By::Attribute(Attribute::Route),
        By::Attribute(Attribute::Provider),
        By::Attribute(Attribute::Model),
        By::Attribute(Attribute::Consumer),
        By::Attribute(Attribute::Upstream),
        By::Attribute(Attribute::Mode),
    ];

    /// Reads a word; `dimensions` are the names of the known ones.
    ///
    /// # Errors
    /// It is neither a word of the list nor a dimension.
    pub fn parse(word: &str, dimensions: &[String]) -> Result<By, Unknown> {
        let attributes = Attribute::ALL.into_iter().map(By::Attribute);
        let periods = Period::ALL.into_iter().map(By::Period);
        let fixed = std::iter::once(By::User).chain(attributes).chain(periods).chain([By::EachHour, By::Hour]);
        let all: Vec<By> = fixed.chain(dimensions.iter().cloned().map(By::Dimension)).collect();
        if let Some(found) = all.iter().find(|by| by.to_string() == word) {
            return Ok(found.clone());
        }
        let known: Vec<String> = all.iter().map(ToString::to_string).collect();
        let near = nearest(word, known.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean {}?", quoted(near)));
        Err(Unknown { word: word.to_owned(), known, hint })
    }

    /// As [`By::parse`], for money: `currency` is a column too.
    ///
    /// # Errors
    /// It is neither a word of the list nor a dimension.
    pub fn parse_money(word: &str, dimensions: &[String]) -> Result<By, Unknown> {
        if word == "currency" { Ok(By::Currency) } else { By::parse(word, dimensions) }
    }

    /// The attribute of a name, else the dimension of that name: what filters of the configuration name.
    #[must_use]
    pub fn attribute_or_dimension(name: &str) -> By {
        let attribute = Attribute::ALL.into_iter().find(|attribute| attribute.label() == name);
        attribute.map_or_else(|| By::Dimension(name.to_owned()), By::Attribute)
    }

    /// Whether it tells times apart.
    #[must_use]
    pub fn is_time(&self) -> bool {
        matches!(self, By::Period(_) | By::Hour | By::EachHour)
    }

    /// The value of a set of attributes; empty where it has none, or where another thing is asked.
    pub(super) fn of_attributes<'a>(&self, attributes: &'a Attributes) -> &'a str {
        match self {
            By::Attribute(attribute) => attribute.of(attributes),
            By::Dimension(name) => {
                attributes.dimensions.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
            }
            By::User | By::Period(_) | By::Hour | By::EachHour | By::Currency => "",
        }
    }

    /// The value of a stretch of time of a zone.
    pub(super) fn of_slice(&self, slice: &Slice, zone: &TimeZone) -> String {
        match self {
            By::Period(period) => period.of_date(slice.date).to_string(),
            By::Hour => format!("{:02}", slice.hour),
            By::EachHour => {
                let second = slice.from.div_euclid(1_000_000);
                let offset = Timestamp::from_second(second).map_or(0, |at| i64::from(zone.to_offset(at).seconds()));
                let begins = second - (second + offset).rem_euclid(3_600);
                Timestamp::from_second(begins).map_or_else(|_| String::new(), |hour| hour.to_string())
            }
            By::User | By::Attribute(_) | By::Dimension(_) | By::Currency => String::new(),
        }
    }
}

/// The stretch of no length at a moment: day and hour of a request's start.
pub(super) fn slice_at(moment: Micros, zone: &TimeZone) -> Option<Slice> {
    slices(moment, moment, zone).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_a_misspelt_one_is_told() {
        let dimensions = ["team".to_owned()];
        for word in
            ["user", "consumer", "gateway", "model", "mode", "day", "week", "month", "hour", "hour_of_day", "team"]
        {
            assert_eq!(By::parse(word, &dimensions).unwrap().to_string(), word);
        }
        let error = By::parse("modle", &dimensions).unwrap_err().to_string();
        assert!(error.contains("did you mean `model`?") && error.contains("`team`"), "{error}");
    }
}
