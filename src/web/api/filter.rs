//! Parameters that many questions share: the time, which requests count, and the page of a list; and what they mean to the
//! ledger.

use super::asked::{Asked, Period};
use super::parameter::{Kind, Parameter, statuses};
use super::problem::Problem;
use crate::ledger::{ErrorFilter, MAX_SESSION_NAME, Moment, RequestFilter, StatusFilter};
use crate::record::{Cost, Currency, ErrorReason, Mode};
use crate::report::{By, usage};
use crate::wording::{hex, listed, nearest, quoted};
use sha2::{Digest as _, Sha256};

/// Which requests count: for each parameter any of its values.
pub(super) const REQUESTS: &[Parameter] = &[
    Parameter::new("gateway", Kind::Texts, "of these gateways"),
    Parameter::new("route", Kind::Texts, "on these routes"),
    Parameter::new("provider", Kind::Texts, "to these providers"),
    Parameter::new("model", Kind::Texts, "to these models"),
    Parameter::new("upstream", Kind::Texts, "to these upstream accounts or clusters"),
    Parameter::new("mode", Kind::Choices(modes), "of these modes"),
    Parameter::new("consumer", Kind::Texts, "of these consumers"),
    Parameter::new("user", Kind::Texts, "of these users: ids as the log has them, or pseudonyms"),
    Parameter::new("session", Kind::Texts, "of these sessions"),
    Parameter::new("status", Kind::Statuses, "with these HTTP statuses, such as 200 or 4xx"),
    Parameter::new("error", Kind::Choices(errors), "that ended so: a reason, any failure, or none"),
    Parameter::new("dimension", Kind::Dimensions, "with these values of a dimension"),
    Parameter::new("min_tokens", Kind::Count(0, MOST_COUNT), "with so many tokens or more, input and output together"),
    Parameter::new("min_cost", Kind::Amount, "that cost so much or more, in `currency`"),
    CURRENCY,
];

/// The largest count that can be asked for.
pub(super) const MOST_COUNT: u64 = i64::MAX.cast_unsigned();

/// Of amounts.
pub(super) const CURRENCY: Parameter = Parameter::new(
    "currency",
    Kind::Currency,
    "of min_cost and of what is ordered by cost; default: the one in which most requests are priced",
);

pub(super) fn modes() -> Vec<&'static str> {
    Mode::ALL.into_iter().map(Mode::label).collect()
}

fn errors() -> Vec<&'static str> {
    ErrorReason::ALL.iter().map(|reason| reason.label()).chain(["any", "none"]).collect()
}

impl Asked<'_> {
    /// The requests that count.
    ///
    /// # Errors
    /// A dimension is not known, or the ledger cannot be read.
    pub(super) fn requests(&self, moment: &Moment, period: Period) -> Result<RequestFilter, Problem> {
        let list = |name: &str| self.texts(name).to_vec();
        let min_cost = match self.amount("min_cost") {
            None => None,
            Some(nanos) => match self.currency_of_amounts(moment)? {
                Some(currency) => Some(Cost { currency, nanos: i64::try_from(nanos).unwrap_or(i64::MAX) }),
                None => return Err(Problem::bad("no request has a cost yet; say the `currency` of `min_cost`")),
            },
        };
        Ok(RequestFilter {
            since: period.since,
            until: period.until,
            gateways: list("gateway"),
            routes: list("route"),
            providers: list("provider"),
            models: list("model"),
            upstreams: list("upstream"),
            modes: Mode::ALL.into_iter().filter(|mode| self.has("mode", mode.label())).collect(),
            consumers: self.consumers(),
            users: self.users(),
            sessions: self.texts("session").iter().flat_map(|id| self.session_names(id)).collect(),
            statuses: self.texts("status").iter().filter_map(|text| status(text)).collect(),
            errors: self.errors(),
            dimensions: self.known_dimensions(moment)?,
            min_tokens: self.count("min_tokens"),
            min_cost,
        })
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.texts(name).iter().any(|given| given == value)
    }

    fn errors(&self) -> Vec<ErrorFilter> {
        let reasons = ErrorReason::ALL.iter().filter(|reason| self.has("error", reason.label()));
        let whole = [("any", ErrorFilter::Any), ("none", ErrorFilter::None)];
        let whole = whole.into_iter().filter(|(word, _)| self.has("error", word)).map(|(_, filter)| filter);
        reasons.map(|reason| ErrorFilter::Reason(*reason)).chain(whole).collect()
    }

    /// Names and values of the dimensions that were asked for.
    ///
    /// # Errors
    /// One is neither configured nor in any request.
    pub(super) fn known_dimensions(&self, moment: &Moment) -> Result<Vec<(String, String)>, Problem> {
        if self.dimensions().is_empty() {
            return Ok(Vec::new());
        }
        let known = self.dimension_names(moment)?;
        let mut wanted = Vec::new();
        for (name, values) in self.dimensions() {
            if !known.contains(name) {
                let near = nearest(name, known.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `dimension.{near}`?"));
                let names = listed(known.iter().map(String::as_str));
                let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are {names}") };
                return Err(Problem::bad(format!("there is no dimension {}{near}; {known}", quoted(name))));
            }
            wanted.extend(values.iter().map(|value| (name.clone(), value.clone())));
        }
        Ok(wanted)
    }

    /// A dimension may be configured and not be in any request yet, or the other way round.
    pub(super) fn dimension_names(&self, moment: &Moment) -> Result<Vec<String>, Problem> {
        let mut known = usage::dimensions(moment)?;
        known.extend(self.instance.dimensions.iter().filter(|name| !known.contains(name)).cloned().collect::<Vec<_>>());
        Ok(known)
    }

    /// The columns of `by`, each once.
    ///
    /// # Errors
    /// There is no such column, or the ledger cannot be read.
    pub(super) fn columns(&self, moment: &Moment, usual: &[&str]) -> Result<Vec<By>, Problem> {
        let known = self.dimension_names(moment)?;
        let given = self.texts("by").iter().map(|word| word.trim());
        let words: Vec<&str> = if self.texts("by").is_empty() { usual.to_vec() } else { given.collect() };
        let mut columns: Vec<By> = Vec::new();
        for word in words {
            let column =
                By::parse(word, &known).map_err(|error| Problem::bad(format!("the parameter `by`: {error}")))?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// The columns of `by` for money, each once: `currency` is one too.
    ///
    /// # Errors
    /// There is no such column, or the ledger cannot be read.
    pub(super) fn columns_of_money(&self, moment: &Moment) -> Result<Vec<By>, Problem> {
        let known = self.dimension_names(moment)?;
        let mut columns: Vec<By> = Vec::new();
        for word in self.texts("by") {
            let column = By::parse_money(word.trim(), &known)
                .map_err(|error| Problem::bad(format!("the parameter `by`: {error}")))?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// A column by its name.
    ///
    /// # Errors
    /// There is none, or the ledger cannot be read.
    pub(super) fn column(&self, moment: &Moment, name: &str) -> Result<By, Problem> {
        By::parse(name, &self.dimension_names(moment)?).map_err(|error| Problem::bad(error.to_string()))
    }

    /// The currency that was asked for, else the one in which most requests are priced.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn currency_of_amounts(&self, moment: &Moment) -> Result<Option<Currency>, Problem> {
        match self.currency("currency") {
            None => Ok(moment.usual_currency()?),
            given => Ok(given),
        }
    }

    /// The forms in which a session's id may be stored: as given; its hash, where it is too long; both hashed with the
    /// privacy key, where the ledger keeps only hashes.
    pub(super) fn session_names(&self, id: &str) -> Vec<String> {
        let mut names = vec![id.to_owned()];
        if id.len() > MAX_SESSION_NAME {
            names.push(format!("sha256:{}", hex(&Sha256::digest(id.as_bytes()))));
        }
        let privacy = &self.instance.privacy;
        if privacy.hash_sessions {
            let hashed: Vec<String> = names.iter().map(|name| format!("hashed-{}", privacy.pseudonym(name))).collect();
            names.extend(hashed);
        }
        names
    }
}

impl Asked<'_> {
    /// What the stored ids of sessions begin with, whose own ids begin with `text`. Of an id that is kept as a hash no
    /// beginning is known, so the whole id has to be given.
    pub(super) fn session_prefix(&self, text: &str) -> String {
        let is_stored = text.starts_with("hashed-") || text.starts_with("derived:");
        if text.len() > MAX_SESSION_NAME || (self.instance.privacy.hash_sessions && !is_stored) {
            return self.session_names(text).pop().unwrap_or_default();
        }
        text.to_owned()
    }
}

fn status(text: &str) -> Option<StatusFilter> {
    let (first, last) = statuses(text)?;
    Some(if first == last { StatusFilter::Exactly(first) } else { StatusFilter::Class(first / 100) })
}

/// The time that is asked about.
pub(super) const PERIOD: &[Parameter] = &[
    Parameter::new("since", Kind::Time, "from then: a time, a date, or an age such as 24h"),
    Parameter::new("until", Kind::Time, "before then"),
    Parameter::new("month", Kind::Month, "a whole month, such as 2026-11, instead of since and until"),
    ZONE,
];

/// Whose days and hours.
pub(super) const ZONE: Parameter =
    Parameter::new("timezone", Kind::Zone, "whose days, hours and dates; default: the configured one");

/// The page of a list.
pub(super) const LIST: &[Parameter] = &[
    Parameter::new("limit", Kind::Count(1, MOST), "how many are listed at most; default: 50"),
    Parameter::new("cursor", Kind::Cursor, "the `next` of the page before"),
];

/// The page of a list of groups.
pub(super) const GROUPS: &[Parameter] = &[
    Parameter::new("limit", Kind::Count(1, MOST_GROUPS), "how many groups are listed at most; default: 1,000"),
    Parameter::new("cursor", Kind::Cursor, "the `next` of the page before"),
];

/// Things that a list shows if nothing is said.
pub(super) const USUAL: usize = 50;

/// Groups that a list shows if nothing is said.
pub(super) const USUAL_GROUPS: usize = 1_000;

const MOST: u64 = 1_000;
const MOST_GROUPS: u64 = 10_000;
