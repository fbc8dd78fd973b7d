//! What the ledger has committed becomes a sink's spans, and what became of them goes back to the ledger.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use opentelemetry_sdk::trace::SpanData;

use super::delivery::{Batch, Counts, Feed};
use super::span::{Maker, RequestSpan, SessionName, SessionSpan};
use super::{Reason, Trace};
use crate::content::{self, Key, Reader, Shown};
use crate::ledger::writer::{Ended, Handle};
use crate::ledger::{ClosedPart, Cursor, Error as LedgerError, Request, SinkCounts, SinkPosition};
use crate::session::Name;
use crate::session::id::{self, WINDOW};

/// Spans in one request where they carry what was said: together under the 4 MiB that gRPC receivers take.
const MOST_WITH_CONTENT: usize = 32;

/// Why a feed stands still.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What was said cannot be read.
    #[error(transparent)]
    Content(#[from] content::Error),
    /// The ledger's writer has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// The rows and closings of a ledger behind a sink's position.
#[derive(Debug)]
pub struct LedgerFeed {
    name: String,
    trace: Trace,
    cursor: Cursor,
    writer: Handle,
    position: SinkPosition,
    maker: Maker,
    /// Where what was said is read; `None` for a sink that does not ask for it.
    content: Option<Captured>,
}

/// Where captured conversations lie, and the key of encrypted ones.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The data directory.
    pub folder: PathBuf,
    /// `None` where they are not encrypted.
    pub key: Option<Key>,
}

impl Captured {
    /// What was said in those of these requests of which it is kept. Content is on disk before its row.
    fn read(&self, requests: &[Request]) -> Result<BTreeMap<i64, Shown>, content::Error> {
        let rows: Vec<i64> = requests.iter().map(|request| request.row.id).collect();
        if rows.is_empty() {
            return Ok(BTreeMap::new());
        }
        let reader = Reader::open(&self.folder, self.key.as_ref(), None)?;
        reader.map_or_else(|| Ok(BTreeMap::new()), |reader| reader.bodies(&rows))
    }
}

impl LedgerFeed {
    /// Reads the ledger in `folder` from `position` on for a sink that the writer knows by its name; with what was said
    /// where `content` tells where it is.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn open(
        name: &str,
        trace: Trace,
        folder: &Path,
        writer: Handle,
        position: SinkPosition,
        content: Option<Captured>,
    ) -> Result<LedgerFeed, LedgerError> {
        let cursor = Cursor::open(folder)?;
        Ok(LedgerFeed { name: name.to_owned(), trace, cursor, writer, position, maker: Maker::default(), content })
    }

    fn request(&self, request: &Request, content: Option<&Shown>) -> SpanData {
        let (row, attributes) = (&request.row, &request.attributes);
        let name = request.session.as_ref().map(crate::ledger::SessionName::name);
        let (trace_id, in_session) = self.trace.trace(&attributes.gateway, name, row);
        let text = name.as_ref().map(Name::text).unwrap_or_default();
        self.maker.request(&RequestSpan {
            trace_id,
            span_id: id::request_span(&trace_id, &row.key),
            parent_id: in_session.then(|| id::session_span(&trace_id, &request.first_key)),
            row,
            attributes,
            user: &request.user,
            session: SessionName { text: &text, derived: matches!(name, Some(Name::Derived(_))) },
            tools: &request.tools,
            content,
        })
    }

    fn sessions(&self, part: &ClosedPart, spans: &mut Vec<SpanData>) {
        let (name, attributes, closure) = (part.session.name(), &part.attributes, &part.closure);
        let text = name.text();
        for window in &part.windows {
            let trace_id = id::session_trace(&attributes.gateway, name, window.from);
            spans.push(self.maker.session(&SessionSpan {
                trace_id,
                span_id: id::session_span(&trace_id, &part.first_key),
                session: SessionName { text: &text, derived: matches!(name, Name::Derived(_)) },
                gateway: &attributes.gateway,
                consumer: &attributes.consumer,
                user: &part.user,
                start: window.start,
                end: window.end,
                part: part.number,
                revision: closure.revision,
                reason: closure.reason.label(),
                turns: window.turns,
                requests: window.requests,
                errors: window.errors,
                tool_calls: window.tool_calls,
                tokens: window.tokens,
                costs: &window.costs.0,
                models: &window.models,
                dimensions: &attributes.dimensions,
            }));
        }
    }
}

impl Feed for LedgerFeed {
    type Position = SinkPosition;
    type Error = Error;

    fn next(&mut self, limit: usize) -> Result<Batch<SinkPosition>, Error> {
        let window = (self.trace == Trace::Session).then_some(WINDOW);
        let limit = if self.content.is_some() { limit.min(MOST_WITH_CONTENT) } else { limit };
        let entries = self.cursor.next(self.position, limit, window)?;
        let said =
            self.content.as_ref().map(|content| content.read(&entries.requests)).transpose()?.unwrap_or_default();
        let requests = entries.requests.iter();
        let mut spans: Vec<SpanData> =
            requests.map(|request| self.request(request, said.get(&request.row.id))).collect();
        for part in &entries.closed {
            self.sessions(part, &mut spans);
        }
        Ok(Batch { spans, expired: entries.expired, position: entries.position })
    }

    fn commit(&mut self, position: Option<SinkPosition>, counts: &Counts) -> Result<(), Error> {
        let counts = SinkCounts {
            exported: counts.exported,
            rejected: counts.rejected,
            expired: counts.expired,
            failed: Reason::ALL.iter().map(|reason| counts.failed(*reason)).collect(),
        };
        self.writer.move_sink(&self.name, position, counts)?;
        self.position = position.unwrap_or(self.position);
        Ok(())
    }
}
