//! What the reader hands to the writer: records with their text in one buffer, counts and positions.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::content::Captured;
use crate::meter::SourceCounts;
use crate::record::{Attributes, Cost, Priced, Record, Row, Usage};
use crate::session::Messages;
use crate::wording::hex;

/// Longest session name that is kept as it is, in bytes; a longer one is kept as its hash.
pub const MAX_SESSION_NAME: usize = 256;
/// Longest request id that is kept, in bytes; a longer one is kept as its hash.
const MAX_REQUEST_ID: usize = 64;

/// How a request id is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestId {
    None,
    Uuid([u8; 16]),
    Text(Range<u32>),
}

/// One request of a batch: its row, whose dictionary ids are still to be found, and where its text lies.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) row: Row,
    /// Place of the attributes in the writer's dictionary, once it is found.
    pub(super) place: u32,
    /// What the row's key is the hash of.
    pub(super) key: Range<u32>,
    pub(super) attributes: Range<u32>,
    pub(super) user: Range<u32>,
    pub(super) session: Range<u32>,
    pub(super) tools: Range<u32>,
    pub(super) request_id: RequestId,
    /// Who asked, where there is no session id: consumer, user, address and user agent.
    pub(super) client: Range<u32>,
    /// Whether any of these is known.
    pub(super) identified: bool,
    /// Hashes of the messages, where there is no session id.
    pub(super) messages: Range<u32>,
    /// The trace that an exemplar of the row names.
    pub(super) exemplar: Option<[u8; 16]>,
    /// The row opened a closed part of its session again.
    pub(super) reopened: bool,
    /// Which of the batch's captured contents is this request's, counted from 1; 0 for none.
    pub(super) content: u32,
    pub(super) source: usize,
}

/// Records, counts and positions that are committed together.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) text: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Captured contents; their bodies lie in `text`.
    pub(super) contents: Vec<Captured>,
    /// Names of the sources and what the batch adds to their counts.
    pub(super) sources: Vec<(String, SourceCounts)>,
    /// Changed positions: file and JSON.
    pub(super) positions: Vec<(u64, String)>,
    /// Files that are no longer remembered.
    pub(super) forgotten: Vec<u64>,
}

/// What a request's row needs besides its record.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Index of the source in the batch.
    pub source: usize,
    /// Provider after aliases.
    pub provider: &'a str,
    /// What pricing says.
    pub priced: Priced,
    /// The cost that counts, by the configured mode.
    pub cost: Option<Cost>,
    /// The ledger's id of the price row, 0 where none fits.
    pub price_row: u32,
    /// Names of the configured dimensions, in the order of `Record::dimensions`.
    pub dimensions: &'a [String],
    /// The line that the record was read from.
    pub line: &'a [u8],
}

impl Batch {
    /// An empty batch for these sources.
    #[must_use]
    pub fn new(sources: &[String]) -> Batch {
        let sources = sources.iter().map(|name| (name.clone(), SourceCounts::default())).collect();
        Batch { sources, ..Batch::default() }
    }

    /// An empty batch for these sources in the memory of a committed one, whose room is kept.
    #[must_use]
    pub fn reuse(self, sources: &[String]) -> Batch {
        let Batch { mut text, mut entries, mut contents, .. } = self;
        text.clear();
        entries.clear();
        contents.clear();
        Batch { text, entries, contents, ..Batch::new(sources) }
    }

    /// The counts of a source, to be added to.
    pub fn counts(&mut self, source: usize) -> Option<&mut SourceCounts> {
        self.sources.get_mut(source).map(|(_, counts)| counts)
    }

    /// Adds positions that go with the records so far; a file's later position counts.
    pub fn add_positions(&mut self, positions: Vec<(u64, String)>, forgotten: Vec<u64>) {
        self.positions.extend(positions);
        self.forgotten.extend(forgotten);
    }

    /// Number of requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of text and rows that it takes in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.positions.is_empty()
            && self.forgotten.is_empty()
            && self.sources.iter().all(|(_, counts)| counts.is_empty())
    }

    /// The text of the batch: where the body of a captured content is sealed to before its request is added.
    pub fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a request.
    pub fn push(&mut self, record: &Record<'_>, context: &Context<'_>) {
        self.push_captured(record, context, None);
    }

    /// Adds a request with what was captured of it, whose body is in the batch's text already.
    pub fn push_captured(&mut self, record: &Record<'_>, context: &Context<'_>, content: Option<Captured>) {
        let content = content.map_or(0, |captured| {
            self.contents.push(captured);
            u32::try_from(self.contents.len()).unwrap_or(0)
        });
        let gateway = self.sources.get(context.source).map_or("", |(name, _)| name.as_str());
        let start = self.text.len();
        append_key(&mut self.text, gateway, record, context.line);
        let key = range(start, self.text.len());
        let attributes = {
            let start = self.text.len();
            Attributes::pack(
                &mut self.text,
                [gateway, &record.route, context.provider, &record.model, &record.consumer, &record.upstream],
                record.mode,
                record.service_tier,
                context.dimensions.iter().map(String::as_str).zip(record.dimensions.iter().map(AsRef::as_ref)),
            );
            range(start, self.text.len())
        };
        let user = self.append(record.user.as_bytes());
        let session = if record.session_id.len() > MAX_SESSION_NAME {
            let digest = hex(&Sha256::digest(record.session_id.as_bytes()));
            self.append(format!("sha256:{digest}").as_bytes())
        } else {
            self.append(record.session_id.as_bytes())
        };
        let (client, messages) = if record.session_id.is_empty() { self.append_client(record) } else { (0..0, 0..0) };
        let tools = if record.tool_calls.is_empty() {
            0..0
        } else {
            let names = serde_json::to_vec(&record.tool_calls).unwrap_or_default();
            self.append(&names)
        };
        let request_id = self.request_id(&record.request_id);
        let (counted, cache_ttl_known) = match record.usage {
            Usage::Counted { cache_ttl_known, .. } => (true, cache_ttl_known),
            Usage::None | Usage::Missing => (false, false),
        };
        self.entries.push(Entry {
            row: Row {
                start: record.start,
                duration: record.duration,
                first_token: record.first_token,
                chat_round: record.chat_round.unwrap_or(0),
                status: record.status.unwrap_or(0),
                outcome: record.outcome,
                usage_missing: record.usage.is_missing(),
                counted,
                tokens: record.usage.tokens(),
                anomalies: record.anomalies,
                assumed: context.priced.assumed,
                unpriced: context.priced.unpriced,
                cache_ttl_known,
                cost: context.cost,
                savings_nanos: context.priced.cache_savings_nanos,
                logged_cost: record.logged_cost,
                price_row: context.price_row,
                trace_id: record.trace_id,
                ..Row::default()
            },
            place: 0,
            key,
            attributes,
            user,
            session,
            tools,
            request_id,
            identified: [&record.consumer, &record.user, &record.client_address, &record.user_agent]
                .iter()
                .any(|known| !known.is_empty()),
            client,
            messages,
            exemplar: None,
            reopened: false,
            content,
            source: context.source,
        });
        if let Some(counts) = self.counts(context.source) {
            counts.last_record = counts.last_record.max(record.start);
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        range(start, self.text.len())
    }

    /// Appends what tells who asks, and the hashes of the messages.
    fn append_client(&mut self, record: &Record<'_>) -> (Range<u32>, Range<u32>) {
        let start = self.text.len();
        for field in [&record.consumer, &record.user, &record.client_address, &record.user_agent] {
            self.text.extend_from_slice(field.as_bytes());
            // No byte of UTF-8.
            self.text.push(0xff);
        }
        let client = range(start, self.text.len());
        if record.messages.is_empty() {
            return (client, 0..0);
        }
        let start = self.text.len();
        Messages::read(&record.messages).pack(&mut self.text);
        (client, range(start, self.text.len()))
    }

    fn request_id(&mut self, id: &str) -> RequestId {
        if id.is_empty() {
            RequestId::None
        } else if let Some(uuid) = parse_uuid(id) {
            RequestId::Uuid(uuid)
        } else if id.len() > MAX_REQUEST_ID {
            let digest = hex(&Sha256::digest(id.as_bytes()));
            RequestId::Text(self.append(format!("sha256:{digest}").as_bytes()))
        } else {
            RequestId::Text(self.append(id.as_bytes()))
        }
    }

    /// The text of a range.
    pub(super) fn bytes(&self, range: &Range<u32>) -> &[u8] {
        self.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

fn range(start: usize, end: usize) -> Range<u32> {
    let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    clamp(start)..clamp(end)
}

/// Appends what tells a request from all others: gateway, request id, start, duration, bytes sent and chat id; without a
/// request id gateway and line. The writer hashes it, as the reader has more to do.
fn append_key(text: &mut Vec<u8>, gateway: &str, record: &Record<'_>, line: &[u8]) {
    text.extend_from_slice(gateway.as_bytes());
    text.push(0);
    if record.request_id.is_empty() {
        // A line may be long, and text stays in memory until the batch is written.
        text.extend_from_slice(&Sha256::digest(line));
        // A line of several records has one hash: what tells them apart goes in too.
        text.extend_from_slice(&record.start.to_le_bytes());
    } else {
        text.extend_from_slice(record.request_id.as_bytes());
        text.push(0);
        text.extend_from_slice(&record.start.to_le_bytes());
        text.extend_from_slice(&record.duration.unwrap_or(-1).to_le_bytes());
        text.extend_from_slice(&record.bytes_sent.unwrap_or(u64::MAX).to_le_bytes());
    }
    text.extend_from_slice(record.chat_id.as_bytes());
}

/// The first 128 bits of SHA-256 over what tells a request from all others.
pub(super) fn duplicate_key(text: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.iter_mut().zip(Sha256::digest(text)).for_each(|(to, from)| *to = from);
    key
}

/// Values of lower-case hexadecimal digits; 16 for any other byte.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within the bounds of both arrays")]
const DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// Reads the 36-character form in lower case; any other form is kept as text so that it can be shown as it was.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let &[a, b, c, d, e, f, g, h, b'-', i, j, k, l, b'-', m, n, o, p, b'-', q, r, s, t, b'-', ref rest @ ..] =
        text.as_bytes()
    else {
        return None;
    };
    let &[u, v, w, x, y, z, aa, bb, cc, dd, ee, ff] = rest else { return None };
    let digits = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, bb, cc, dd, ee, ff];
    let (mut uuid, mut all) = ([0; 16], 0);
    for (byte, [high, low]) in uuid.iter_mut().zip(digits.as_chunks::<2>().0) {
        let value = |digit: &u8| DIGITS.get(usize::from(*digit)).copied().unwrap_or(16);
        let (high, low) = (value(high), value(low));
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < 16).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_form_of_a_uuid_is_packed() {
        let uuid = parse_uuid("6513270e-269e-4d37-b2a7-4de452e6b438").unwrap();
        assert_eq!(hex(&uuid), "6513270e269e4d37b2a74de452e6b438");
        for other in ["6513270E-269e-4d37-b2a7-4de452e6b438", "6513270e269e4d37b2a74de452e6b438", "", "x"] {
            assert_eq!(parse_uuid(other), None, "{other}");
        }
    }

    #[test]
    fn the_key_tells_requests_apart_by_what_the_log_says() {
        let record = Record { request_id: "a".into(), start: 5, duration: Some(7), ..Record::default() };
        let key = |record: &Record<'_>, line: &[u8]| {
            let mut text = Vec::new();
            append_key(&mut text, "g", record, line);
            duplicate_key(&text)
        };
        let usual = key(&record, b"line");
        assert_eq!(usual, key(&record, b"another line"));
        for other in [
            Record { start: 6, ..record.clone() },
            Record { duration: None, ..record.clone() },
            Record { bytes_sent: Some(1), ..record.clone() },
            Record { chat_id: "c".into(), ..record.clone() },
        ] {
            assert_ne!(usual, key(&other, b"line"));
        }
        let nameless = Record { request_id: "".into(), ..record };
        assert_ne!(key(&nameless, b"one"), key(&nameless, b"two"));
    }
}
