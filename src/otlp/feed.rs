//! What the ledger has committed becomes a sink's spans, and what became of them goes back to the ledger.

use std::path::Path;

use opentelemetry_sdk::trace::SpanData;

use super::delivery::{Batch, Counts, Feed};
use super::span::{Maker, RequestSpan, SessionName, SessionSpan};
use super::{Reason, Trace};
use crate::ledger::writer::{Ended, Handle};
use crate::ledger::{ClosedPart, Cursor, Error as LedgerError, Request, SinkCounts, SinkPosition};
use crate::session::Name;
use crate::session::id::{self, WINDOW};

/// Why a feed stands still.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
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
}

impl LedgerFeed {
    /// Reads the ledger in `folder` from `position` on for a sink that the writer knows by its name.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn open(
        name: &str,
        trace: Trace,
        folder: &Path,
        writer: Handle,
        position: SinkPosition,
    ) -> Result<LedgerFeed, LedgerError> {
        let cursor = Cursor::open(folder)?;
        Ok(LedgerFeed { name: name.to_owned(), trace, cursor, writer, position, maker: Maker::default() })
    }

    fn request(&self, request: &Request) -> SpanData {
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
        let entries = self.cursor.next(self.position, limit, window)?;
        let mut spans: Vec<SpanData> = entries.requests.iter().map(|request| self.request(request)).collect();
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
