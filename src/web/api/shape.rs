//! Addresses and pages of lists, as the API writes them; figures are shaped by [`crate::report`].

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::asked::{Asked, Period};
use super::problem::Problem;
pub(super) use crate::report::document::{
    amounts_json as costs, figures_json as figures, group_json as named, money_json as money, time_json as time,
    tokens_json as tokens, usage_figures_json as usage,
};
pub(super) use crate::report::ratio;
pub(super) use crate::report::shape::{request, seconds, session};

/// Text as one segment of a path: everything but letters, digits and `-._~` is percent-encoded (RFC 3986, 2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// An answer: `as_of`, and what it says.
pub(super) fn answer(asked: &Asked<'_>, mut says: Value) -> Value {
    if let Some(map) = says.as_object_mut() {
        map.insert("as_of".to_owned(), json!(time(asked.instance.as_of)));
    }
    says
}

/// The same with the time that was asked for.
pub(super) fn answer_of(asked: &Asked<'_>, period: Period, mut says: Value) -> Value {
    if let Some(map) = says.as_object_mut() {
        map.insert("since".to_owned(), json!(period.since.map(time)));
        map.insert("until".to_owned(), json!(period.until.map(time)));
        map.insert("timezone".to_owned(), json!(zone_name(asked)));
    }
    answer(asked, says)
}

/// Name of the zone in which the answer counts days and months.
pub(super) fn zone_name(asked: &Asked<'_>) -> String {
    crate::report::document::zone_name(&asked.zone)
}

/// Where a list goes on: the place of its last entry, which nobody needs to understand.
pub(super) fn cursor(place: &Value) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// The place that a cursor stands for.
///
/// # Errors
/// It is none.
pub(super) fn place<T: serde::de::DeserializeOwned>(asked: &Asked<'_>) -> Result<Option<T>, Problem> {
    let Some(text) = asked.text("cursor") else { return Ok(None) };
    let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.map(Some).ok_or_else(|| Problem::value("cursor", text, "the `next` of the page before, of the same question"))
}

/// Cuts a list that is in order of `key` to the page that was asked for; says where it goes on.
///
/// # Errors
/// The cursor is none.
pub(super) fn page<T, K: Ord + serde::Serialize + serde::de::DeserializeOwned>(
    asked: &Asked<'_>,
    list: Vec<T>,
    limit: usize,
    key: impl Fn(&T) -> K,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let after: Option<K> = place(asked)?;
    let mut rest = list.into_iter().filter(|entry| after.as_ref().is_none_or(|after| key(entry) > *after));
    let shown: Vec<T> = rest.by_ref().take(limit).collect();
    let next = match (rest.next(), shown.last()) {
        (Some(_), Some(last)) => serde_json::to_value(key(last)).ok().map(|place| cursor(&place)),
        _ => None,
    };
    Ok((shown, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_of_a_path_holds_nothing_that_ends_it() {
        assert_eq!(encoded("a/b?c#d e%"), "a%2Fb%3Fc%23d%20e%25");
        assert_eq!(encoded("<script>"), "%3Cscript%3E");
        assert_eq!(encoded("sess_1.2-3~"), "sess_1.2-3~");
        assert_eq!(encoded("\u{202e}"), "%E2%80%AE");
    }
}
