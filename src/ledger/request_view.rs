//! What is asked of requests and what is said of them: plain values for commands, API and pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::open::Error;
use super::row::{Bytes, from_zigzag, number_to, zigzag};
use crate::record::{Cost, Currency, ErrorReason, Micros, Mode, Outcome, Row};

/// Which requests are meant: those that fit one of the values of every list that is not empty, and every bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Start at or after then.
    pub since: Option<Micros>,
    /// Start before then.
    pub until: Option<Micros>,
    /// Names of gateways.
    pub gateways: Vec<String>,
    /// Routes.
    pub routes: Vec<String>,
    /// Providers, after aliases.
    pub providers: Vec<String>,
    /// Models.
    pub models: Vec<String>,
    /// Upstreams.
    pub upstreams: Vec<String>,
    /// Modes.
    pub modes: Vec<Mode>,
    /// Consumers as they are stored.
    pub consumers: Vec<String>,
    /// Pseudonyms of users; the empty one is that of requests which name none.
    pub users: Vec<String>,
    /// Stored names of sessions; `derived:` and 32 hexadecimal digits name a derived one.
    pub sessions: Vec<String>,
    /// Statuses.
    pub statuses: Vec<StatusFilter>,
    /// How they ended.
    pub errors: Vec<ErrorFilter>,
    /// Names and values of dimensions: any of the values of one name, and that for every name.
    pub dimensions: Vec<(String, String)>,
    /// At least so many tokens, input and output together.
    pub min_tokens: Option<u64>,
    /// At least this cost, in its currency.
    pub min_cost: Option<Cost>,
}

impl RequestFilter {
    /// Whether only time and attributes are asked for, which rollups know.
    #[must_use]
    pub fn is_of_attributes(&self) -> bool {
        self.users.is_empty()
            && self.sessions.is_empty()
            && self.statuses.is_empty()
            && self.errors.is_empty()
            && self.min_tokens.is_none()
            && self.min_cost.is_none()
    }

    /// Whether only time and users are asked for, which sums by user know.
    pub(super) fn is_of_users(&self) -> bool {
        let lists = [&self.gateways, &self.routes, &self.providers, &self.models, &self.upstreams, &self.consumers];
        lists.iter().all(|list| list.is_empty())
            && self.modes.is_empty()
            && self.dimensions.is_empty()
            && RequestFilter { users: Vec::new(), ..self.clone() }.is_of_attributes()
    }
}

/// A status that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// Exactly this one; 0 is that of requests without one.
    Exactly(u16),
    /// All of a class, by its first digit.
    Class(u16),
}

impl StatusFilter {
    pub(super) fn fits(self, status: u16) -> bool {
        match self {
            StatusFilter::Exactly(wanted) => status == wanted,
            StatusFilter::Class(digit) => status / 100 == digit,
        }
    }
}

/// An ending that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFilter {
    /// It failed for this reason.
    Reason(ErrorReason),
    /// It failed.
    Any,
    /// It did not fail.
    None,
}

impl ErrorFilter {
    pub(super) fn fits(self, outcome: Outcome) -> bool {
        match self {
            ErrorFilter::Reason(reason) => outcome == Outcome::Error(reason),
            ErrorFilter::Any => outcome != Outcome::Success,
            ErrorFilter::None => outcome == Outcome::Success,
        }
    }
}

/// What a list of requests is ordered by. Requests without the value come last in descending order, first in ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestSort {
    /// Start.
    #[default]
    Start,
    /// Start to end.
    Duration,
    /// Start to first token.
    FirstToken,
    /// Input and output tokens.
    Tokens,
    /// Cost in one currency.
    Cost(Currency),
}

/// The value of a request that has none.
pub(super) const NO_VALUE: i64 = i64::MIN;

impl RequestSort {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            RequestSort::Start => "start",
            RequestSort::Duration => "duration",
            RequestSort::FirstToken => "first_token",
            RequestSort::Tokens => "tokens",
            RequestSort::Cost(_) => "cost",
        }
    }

    fn code(self) -> u64 {
        match self {
            RequestSort::Start => 0,
            RequestSort::Duration => 1,
            RequestSort::FirstToken => 2,
            RequestSort::Tokens => 3,
            RequestSort::Cost(currency) => 4 + currency.code().unsigned_abs(),
        }
    }

    /// What a request is ordered by.
    pub(super) fn value(self, row: &Row) -> i64 {
        match self {
            RequestSort::Start => row.start,
            RequestSort::Duration => row.duration.unwrap_or(NO_VALUE),
            RequestSort::FirstToken => row.first_token.unwrap_or(NO_VALUE),
            RequestSort::Tokens => i64::try_from(row.tokens.total()).unwrap_or(i64::MAX),
            RequestSort::Cost(currency) => {
                row.cost.filter(|cost| cost.currency == currency).map_or(NO_VALUE, |cost| cost.nanos)
            }
        }
    }
}

/// Largest or smallest first. Of equal values the later request in the log is the larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Largest first.
    #[default]
    Descending,
    /// Smallest first.
    Ascending,
}

/// What a page of requests is asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestList {
    /// Which requests.
    pub filter: RequestFilter,
    /// In which order.
    pub sort: RequestSort,
    /// Largest or smallest first.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
    /// The end of the page before.
    pub after: Option<PageEnd>,
}

/// A request as it is stored, with the gateway's id of it. Names of its ids are asked of the [`super::Moment`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The row.
    pub row: Row,
    /// The gateway's id of the request, empty for none.
    pub request_id: String,
}

/// A page of requests.
#[derive(Clone, Debug, Default)]
pub struct RequestPage {
    /// In the order that was asked for.
    pub requests: Vec<Stored>,
    /// Where the next page goes on; `None` on the last one.
    pub next: Option<PageEnd>,
}

/// The last entry of a page: its value and its id in the order of the list. A page that begins after it is right whatever was
/// added meanwhile: no request comes twice, and none that was there is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageEnd {
    pub(super) sort: u64,
    pub(super) value: i64,
    pub(super) id: i64,
}

impl PageEnd {
    pub(super) fn new(sort: RequestSort, order: Order, (value, id): (i64, i64)) -> PageEnd {
        PageEnd { sort: PageEnd::order(sort, order), value, id }
    }

    pub(super) fn order(sort: RequestSort, order: Order) -> u64 {
        sort.code() * 2 + u64::from(order == Order::Ascending)
    }

    /// The opaque text of it.
    #[must_use]
    pub fn encode(self) -> String {
        let mut bytes = vec![1];
        for number in [self.sort, zigzag(self.value), zigzag(self.id)] {
            number_to(number, &mut bytes);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`PageEnd::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Cursor`] for any other text.
    pub fn decode(text: &str) -> Result<PageEnd, Error> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let mut bytes = Bytes(&bytes);
            let [1] = bytes.take::<1>()? else { return None };
            let (sort, value, id) = (bytes.number()?, from_zigzag(bytes.number()?), from_zigzag(bytes.number()?));
            bytes.0.is_empty().then_some(PageEnd { sort, value, id })
        };
        read().ok_or(Error::Cursor)
    }

    /// Checks that it ends a page of this order.
    pub(super) fn check(self, order: u64) -> Result<PageEnd, Error> {
        if self.sort == order { Ok(self) } else { Err(Error::Cursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_page_survives_its_text_and_any_other_text_is_refused() {
        for (sort, order, place) in [
            (RequestSort::Start, Order::Descending, (1_790_000_000_000_000, 77)),
            (RequestSort::Cost(Currency::USD), Order::Ascending, (NO_VALUE, 1)),
            (RequestSort::Tokens, Order::Descending, (i64::MAX, i64::MAX)),
        ] {
            let end = PageEnd::new(sort, order, place);
            assert_eq!(PageEnd::decode(&end.encode()).unwrap(), end);
            assert!(end.check(PageEnd::order(sort, order)).is_ok());
            assert!(end.check(PageEnd::order(RequestSort::Duration, order)).is_err());
        }
        for text in ["", "x", "AQ", "AQAA", "AQAAAAAA", "!!!!", "AgAAAA", "AQAAAA=="] {
            assert!(matches!(PageEnd::decode(text), Err(Error::Cursor)), "{text}");
        }
        assert!(PageEnd::decode("AQAAAA").is_ok());
    }
}
