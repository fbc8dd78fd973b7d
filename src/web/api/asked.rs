//! A request's path, query and body become checked values: an unknown parameter or a value that is not allowed is an
//! error that names it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::instance::Instance;
use super::parameter::{self, Kind, Parameter};
use super::problem::Problem;
use super::serve::Caller;
use super::shape;
use crate::ledger::{Deadline, Moment, Privacy};
use crate::record::{Currency, Micros};
use crate::sla::Month;
use crate::web::App;
use crate::web::config::TRACE_ID;

/// How long an answer may take before it is cut.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came with a request, as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    /// The path, percent-encoded.
    pub(super) path: &'a str,
    /// The query, encoded as forms are.
    pub(super) query: &'a str,
    /// The body; empty for none.
    pub(super) body: &'a [u8],
}

/// A question whose every value is allowed.
pub(super) struct Asked<'a> {
    pub(super) app: &'a dyn App,
    pub(super) instance: Instance,
    /// Who asks.
    pub(super) caller: Caller,
    /// When the answer is cut.
    pub(super) deadline: Deadline,
    /// Whose days, months and hours.
    pub(super) zone: TimeZone,
    /// The rest of the path, decoded.
    pub(super) rest: String,
    values: BTreeMap<&'static str, Vec<String>>,
    /// Names and values of dimensions; several of one name are any of them.
    dimensions: Vec<(String, Vec<String>)>,
}

/// A stretch of time, open where nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) since: Option<Micros>,
    pub(super) until: Option<Micros>,
}

impl<'a> Asked<'a> {
    /// Reads and checks.
    ///
    /// # Errors
    /// A part of it cannot be read, is unknown or is not allowed.
    pub(super) fn read(
        app: &'a dyn App,
        endpoint: &Endpoint,
        raw: Raw<'_>,
        caller: &Caller,
    ) -> Result<Asked<'a>, Problem> {
        let instance = app.instance();
        let at = instance.clock.instant() + PATIENCE;
        let mut asked = Asked {
            app,
            caller: caller.clone(),
            deadline: Deadline { clock: instance.clock.clone(), at },
            zone: instance.zone.clone(),
            instance,
            rest: String::new(),
            values: BTreeMap::new(),
            dimensions: Vec::new(),
        };
        if let Some((before, name)) = endpoint.variable() {
            let rest = raw.path.strip_prefix(before).unwrap_or_default();
            asked.rest = decode(rest, false).ok_or_else(|| Problem::value(name, rest, ENCODED))?;
        }
        let mut pairs = pairs(raw.query)?;
        if !endpoint.body.is_empty() {
            pairs.extend(fields(raw.body, endpoint.body)?);
        }
        // What dates mean depends on it, wherever it stands.
        pairs.sort_by_key(|(name, _)| name != "timezone");
        for (name, value) in pairs {
            asked.take(endpoint, name, &value)?;
        }
        let missing = endpoint.parameters().find(|known| known.required && !asked.values.contains_key(known.name));
        if let Some(missing) = missing {
            let message = format!("the parameter `{}` is missing: {}", missing.name, missing.about);
            return Err(Problem::bad(message));
        }
        Ok(asked)
    }

    fn take(&mut self, endpoint: &Endpoint, name: String, value: &str) -> Result<(), Problem> {
        if let Some(dimension) = name.strip_prefix("dimension.")
            && endpoint.parameters().any(|known| matches!(known.kind, Kind::Dimensions))
        {
            match self.dimensions.iter_mut().find(|(known, _)| known == dimension) {
                Some((_, values)) => values.extend(split(value)),
                None => self.dimensions.push((dimension.to_owned(), split(value))),
            }
            return Ok(());
        }
        let known = || endpoint.parameters().chain(endpoint.body);
        let Some(parameter) = known().find(|known| known.name == name && !matches!(known.kind, Kind::Dimensions))
        else {
            let names: Vec<&str> = known().map(Parameter::shown).collect();
            return Err(Problem::unknown(&name, &names));
        };
        let kind = parameter.kind;
        let taken = self.values.entry(parameter.name).or_default();
        if !taken.is_empty() && !kind.is_list() {
            return Err(Problem::bad(format!("the parameter `{name}` is given twice; give it once")));
        }
        let values = if kind.is_list() { split(value) } else { vec![value.to_owned()] };
        for value in values {
            kind.check(&value, &self.zone, self.instance.now)
                .map_err(|expected| Problem::value(&name, &value, &expected))?;
            if matches!(kind, Kind::Zone)
                && let Ok(zone) = TimeZone::get(&value)
            {
                self.zone = zone;
            }
            taken.push(value);
        }
        if taken.len() > kind.most() {
            return Err(Problem::bad(format!("the parameter `{name}` has more than {} values", kind.most())));
        }
        Ok(())
    }

    /// The one value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first().map(String::as_str)
    }

    /// All values of a parameter; none where it was not given.
    pub(super) fn texts(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names and values of the dimensions that were asked for.
    pub(super) fn dimensions(&self) -> &[(String, Vec<String>)] {
        &self.dimensions
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        parameter::count(self.text(name)?)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).and_then(parameter::flag).unwrap_or(false)
    }

    pub(super) fn currency(&self, name: &str) -> Option<Currency> {
        Currency::parse(self.text(name)?)
    }

    /// Nano-units.
    pub(super) fn amount(&self, name: &str) -> Option<i128> {
        parameter::amount(self.text(name)?)
    }

    pub(super) fn moment(&self, name: &str) -> Option<Micros> {
        parameter::moment(self.text(name)?, &self.zone, self.instance.now)
    }

    /// How many things a list shows.
    pub(super) fn limit(&self, usual: usize) -> usize {
        self.count("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usual)
    }

    /// The month that was asked for.
    pub(super) fn month(&self) -> Option<Month> {
        Month::parse(self.text("month")?, &self.zone)
    }

    /// The time that was asked for.
    ///
    /// # Errors
    /// It ends before it begins, or is told in two ways.
    pub(super) fn period(&self) -> Result<Period, Problem> {
        let (since, until) = (self.moment("since"), self.moment("until"));
        if let Some(month) = self.month() {
            if since.is_some() || until.is_some() {
                return Err(Problem::bad("`month` is given beside `since` or `until`; give one of them"));
            }
            return Ok(Period { since: Some(month.from()), until: Some(month.to()) });
        }
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Problem::bad("`since` is not before `until`"));
        }
        Ok(Period { since, until })
    }

    /// The folder of the ledger.
    ///
    /// # Errors
    /// Nothing is kept.
    pub(super) fn folder(&self) -> Result<&std::path::Path, Problem> {
        self.instance.folder.as_deref().ok_or_else(|| {
            Problem::unavailable("this instance keeps no ledger to ask (data_dir: none); set data_dir to a folder")
        })
    }

    /// One moment of the ledger, which answers until the deadline.
    ///
    /// # Errors
    /// Nothing is kept, or it cannot be read.
    pub(super) fn open(&self) -> Result<Moment, Problem> {
        Ok(Moment::open_until(self.folder()?, self.deadline.clone())?)
    }

    /// One moment of the ledger, for as long as it takes.
    ///
    /// # Errors
    /// Nothing is kept, or it cannot be read.
    pub(super) fn open_for_long(&self) -> Result<Moment, Problem> {
        Ok(Moment::open(self.folder()?)?)
    }

    /// An absolute address of a page.
    pub(super) fn page(&self, path: &str, id: &str) -> String {
        format!("{}{path}{}", self.caller.base, shape::encoded(id))
    }

    /// The address of a session's page.
    pub(super) fn session_page(&self, name: &str, gateway: &str) -> String {
        let page = self.page("/sessions/", name);
        if self.instance.several_gateways { format!("{page}?gateway={}", shape::encoded(gateway)) } else { page }
    }

    /// The forms in which users may be stored; the empty one is that of requests which name none.
    pub(super) fn users(&self) -> Vec<String> {
        let privacy = &self.instance.privacy;
        let forms = |given: &String| if given.is_empty() { vec![String::new()] } else { users(given, privacy) };
        self.texts("user").iter().flat_map(forms).collect()
    }

    /// The forms in which consumers may be stored.
    pub(super) fn consumers(&self) -> Vec<String> {
        self.texts("consumer").iter().flat_map(|given| self.consumer_names(given)).collect()
    }

    /// The forms in which a consumer may be stored: as given, and as a pseudonym where it looks like a secret, which the
    /// pseudonym itself may do too.
    pub(super) fn consumer_names(&self, given: &str) -> Vec<String> {
        let mut names = vec![given.to_owned(), self.instance.privacy.consumer(given)];
        names.dedup();
        names
    }

    /// The address at which a trace is shown, where one is configured.
    pub(super) fn trace_page(&self, trace: &str) -> Option<String> {
        Some(self.instance.trace_url.as_ref()?.replace(TRACE_ID, trace))
    }
}

/// The forms in which a user may be stored: as given, and its pseudonym.
fn users(given: &str, privacy: &Privacy) -> Vec<String> {
    vec![given.to_owned(), privacy.pseudonym(given)]
}

const ENCODED: &str = "percent-encoded UTF-8";

/// Names and values of a query, decoded.
fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let name = decode(name, true).ok_or_else(|| Problem::bad(format!("a parameter's name is no {ENCODED}")))?;
        let value = decode(value, true).ok_or_else(|| Problem::value(&name, value, ENCODED))?;
        Ok((name, value))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

/// Names and values of a body's fields, as text.
fn fields(body: &[u8], known: &[Parameter]) -> Result<Vec<(String, String)>, Problem> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Problem::body(format!("the body is not JSON: {error}")))?;
    let Value::Object(fields) = value else { return Err(Problem::body("the body is not an object of JSON")) };
    if let Some(missing) = known.iter().find(|field| field.required && !fields.contains_key(field.name)) {
        return Err(Problem::bad(format!("the field `{}` is missing: {}", missing.name, missing.about)));
    }
    let field = |(name, value): (String, Value)| {
        let numeric = known.iter().any(|known| known.name == name && matches!(known.kind, Kind::Count(..)));
        match value {
            Value::String(text) if !numeric => Ok((name, text)),
            Value::Number(number) if numeric => Ok((name, number.to_string())),
            other => {
                let expected = if numeric { "a whole number" } else { "text in quotes" };
                Err(Problem::value(&name, &other.to_string(), expected))
            }
        }
    };
    fields.into_iter().map(field).collect()
}

/// The values of a list: separated by commas, a comma within one written `\,`.
fn split(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some(next @ (',' | '\\'))) => {
                value.push(*next);
                letters.next();
            }
            (',', _) => values.push(std::mem::take(&mut value)),
            _ => value.push(letter),
        }
    }
    values.push(value);
    values
}

/// Takes percent-encoding off, once; `None` where it is broken or no UTF-8.
fn decode(text: &str, form: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next())? * 16 + digit(rest.next())?,
            b'+' if form => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_taken_off_once() {
        for (text, form, want) in [
            ("a%2Fb", false, Some("a/b")),
            ("a%252Fb", false, Some("a%2Fb")),
            ("a+b", false, Some("a+b")),
            ("a+b%2B", true, Some("a b+")),
            ("%e2%80%ae", false, Some("\u{202e}")),
            ("%3Cscript%3E", true, Some("<script>")),
            ("%", false, None),
            ("%4", false, None),
            ("%zz", false, None),
            ("%ff", false, None),
        ] {
            assert_eq!(decode(text, form).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_list_is_split_at_its_commas() {
        for (text, want) in [
            ("a,b", vec!["a", "b"]),
            ("a\\,b,c", vec!["a,b", "c"]),
            ("a\\\\,b", vec!["a\\", "b"]),
            ("a\\b", vec!["a\\b"]),
            ("", vec![""]),
            ("a,", vec!["a", ""]),
        ] {
            assert_eq!(split(text), want, "{text}");
        }
    }

    #[test]
    fn a_body_is_an_object_of_the_fields_that_are_known() {
        const KNOWN: &[Parameter] = &[
            Parameter::required("target", Kind::Text, "the target"),
            Parameter::required("outage", Kind::Count(1, 9), "the outage"),
        ];
        let read = |text: &str| fields(text.as_bytes(), KNOWN).map_err(|problem| problem.message);
        assert_eq!(read("{\"outage\":3,\"target\":\"a\"}").map(|fields| fields.len()), Ok(2));
        for (text, says) in [
            ("", "not JSON"),
            ("[]", "not an object"),
            ("{\"outage\":3}", "`target` is missing"),
            ("{\"target\":1,\"outage\":3}", "text in quotes"),
            ("{\"target\":\"a\",\"outage\":\"3\"}", "a whole number"),
        ] {
            let message = read(text).expect_err(text);
            assert!(message.contains(says), "{message}");
        }
    }
}
