//! Names of sessions, and the ids of traces and spans, which follow from the lines alone.
//!
//! A replay, or a second sidecar that sees other lines of the same session, comes to the same ids. Each is a prefix of a
//! SHA-256 over fields that are preceded by their lengths (64 bits, little-endian), so that no two lists of fields read
//! the same; the first field says what the id is of. None is ever all zero, which the W3C trace context forbids.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::record::{Micros, Row};
use crate::wording::hex;

/// Length in microseconds of the window that one trace of a session covers, unless configured: 24 h.
pub const WINDOW: Micros = 24 * 3600 * 1_000_000;

/// The id of a derived session: 128 bits that follow from its first request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DerivedId(pub [u8; 16]);

impl DerivedId {
    /// The id of the session that begins with a request. `key` is the request's duplicate key. The client's group stays
    /// out of it: it hangs on a secret that two sidecars need not share, and the key already names one request.
    #[must_use]
    pub fn of(gateway: &str, key: &[u8; 16]) -> DerivedId {
        DerivedId(digest(&[b"derived session", gateway.as_bytes(), key]))
    }
}

/// What a session is called. A log may hold a session id that looks like a derived one, so the mark is a kind of its
/// own and not the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// The log's own session id as it is stored: opaque text, hashed where it is long or where privacy asks for it.
    Logged(&'a str),
    /// Found by comparing requests.
    Derived(DerivedId),
}

impl<'a> Name<'a> {
    /// The text that users see.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self {
            Name::Logged(text) => Cow::Borrowed(text),
            Name::Derived(DerivedId(bytes)) => Cow::Owned(format!("derived:{}", hex(bytes))),
        }
    }

    fn fields(&self) -> [&[u8]; 2] {
        match self {
            Name::Logged(text) => [b"logged", text.as_bytes()],
            Name::Derived(DerivedId(bytes)) => [b"derived", bytes],
        }
    }
}

/// Which requests share a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Those of one session and window, below the session's span.
    Session,
    /// None: each request is a trace.
    Request,
    /// Each joins the trace that the gateway itself reported, where the log names it.
    Gateway,
}

impl Grouping {
    /// All with the names of the configuration.
    pub const ALL: [(Grouping, &'static str); 3] =
        [(Grouping::Session, "session"), (Grouping::Request, "request"), (Grouping::Gateway, "gateway")];

    /// Trace id of a request and whether it lies below a session's span. `name` is that of its session.
    #[must_use]
    pub fn trace(self, gateway: &str, name: Option<Name<'_>>, row: &Row) -> ([u8; 16], bool) {
        match (self, name, row.trace_id) {
            (Grouping::Session, Some(name), _) => (session_trace(gateway, name, window_start(row.start, WINDOW)), true),
            (Grouping::Gateway, _, Some(trace)) => (trace, false),
            _ => (request_trace(&row.key), false),
        }
    }
}

/// Start of the UTC window of `length` microseconds in which a request starts. A length under 1 is taken as 1.
#[must_use]
pub fn window_start(start: Micros, length: Micros) -> Micros {
    let length = length.max(1);
    start.div_euclid(length).saturating_mul(length)
}

/// Starts of the windows that a part's requests lie in, in order: those from its first start to its last, which lie less than
/// [`super::MAX_SPAN`] apart.
pub fn windows(start: Micros, last_start: Micros, length: Micros) -> impl Iterator<Item = Micros> {
    let last = window_start(last_start, length);
    let step = length.max(1);
    std::iter::successors(Some(window_start(start, length)), move |window| window.checked_add(step))
        .take_while(move |window| *window <= last)
}

/// Trace id of a session's requests within the window that starts at `window_start`.
#[must_use]
pub fn session_trace(gateway: &str, name: Name<'_>, window_start: Micros) -> [u8; 16] {
    let [kind, text] = name.fields();
    digest(&[b"session trace", gateway.as_bytes(), kind, text, &window_start.to_le_bytes()])
}

/// Trace id of a request that has a trace of its own. `key` is its duplicate key.
#[must_use]
pub fn request_trace(key: &[u8; 16]) -> [u8; 16] {
    digest(&[b"request trace", key])
}

/// Span id of a request. `key` is its duplicate key.
#[must_use]
pub fn request_span(trace: &[u8; 16], key: &[u8; 16]) -> [u8; 8] {
    digest(&[b"request span", trace, key])
}

/// Span id of a part within a trace. `first_key` is the duplicate key of the part's first row in log order.
#[must_use]
pub fn session_span(trace: &[u8; 16], first_key: &[u8; 16]) -> [u8; 8] {
    digest(&[b"session span", trace, first_key])
}

fn digest<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut sum = Sha256::new();
    for field in fields {
        sum.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_le_bytes());
        sum.update(field);
    }
    let mut id = [0; N];
    id.iter_mut().zip(sum.finalize()).for_each(|(to, from)| *to = from);
    not_zero(id)
}

fn not_zero<const N: usize>(mut id: [u8; N]) -> [u8; N] {
    if id.iter().all(|byte| *byte == 0)
        && let Some(last) = id.last_mut()
    {
        *last = 1;
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const HOUR: Micros = 3600 * 1_000_000;

    #[test]
    fn ids_are_those_of_the_written_down_form() {
        // Computed with Python's hashlib from the description at the head of this file.
        let trace = session_trace("higress", Name::Logged("s-1"), 20_413 * WINDOW);
        assert_eq!(hex(&trace), "d940dcc1283778268b6b34b189288c6d");
        let key: [u8; 16] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(hex(&request_span(&trace, &key)), "7043c168b46e4116");
        assert_eq!(hex(&session_span(&trace, &key)), "b300f9996e95bc3f");
        assert_eq!(hex(&request_trace(&key)), "77502e14f7d1ceb7842822c59735479e");
        assert_eq!(Name::Derived(DerivedId::of("higress", &key)).text(), "derived:5278b39932752f17333966977d8cd6c2");
    }

    #[test]
    fn fields_cannot_be_shifted_into_each_other_and_hostile_names_stay_apart() {
        let long = "x".repeat(10_000);
        let imitated = Name::Derived(DerivedId([7; 16])).text().into_owned();
        let cases = [
            ("a", Name::Logged("bc")),
            ("ab", Name::Logged("c")),
            ("abc", Name::Logged("")),
            ("", Name::Logged("abc")),
            ("a", Name::Logged("b\0c")),
            ("a\0b", Name::Logged("c")),
            ("a", Name::Logged("../../etc/passwd")),
            ("a", Name::Logged("会话")),
            ("a", Name::Logged(&long)),
            ("a", Name::Logged("derived")),
            ("a", Name::Derived(DerivedId([7; 16]))),
            ("a", Name::Logged(&imitated)),
        ];
        let traces: HashSet<[u8; 16]> = cases.iter().map(|(gateway, name)| session_trace(gateway, *name, 0)).collect();
        assert_eq!(traces.len(), cases.len());
        assert_eq!(Name::Logged("\u{1b}[2J").text(), "\u{1b}[2J");
    }

    #[test]
    fn a_window_begins_at_a_multiple_of_its_length_in_utc() {
        for (start, length, want) in [
            (25 * HOUR, 24 * HOUR, 24 * HOUR),
            (24 * HOUR, 24 * HOUR, 24 * HOUR),
            (24 * HOUR - 1, 24 * HOUR, 0),
            (-1, 24 * HOUR, -24 * HOUR),
            (90 * HOUR / 60, HOUR, HOUR),
            (5, 0, 5),
        ] {
            assert_eq!(window_start(start, length), want, "{start} {length}");
        }
        let of = |start, last| windows(start, last, 24 * HOUR).collect::<Vec<_>>();
        assert_eq!(of(23 * HOUR, 25 * HOUR), [0, 24 * HOUR]);
        assert_eq!(of(24 * HOUR, 24 * HOUR), [24 * HOUR]);
        assert_eq!(of(i64::MAX - HOUR, i64::MAX).len(), 1);
        let name = Name::Logged("s");
        assert_ne!(session_trace("g", name, 0), session_trace("g", name, WINDOW));
    }

    #[test]
    fn no_id_is_all_zero() {
        assert_eq!(not_zero([0; 8]), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(not_zero([1, 0]), [1, 0]);
    }
}
