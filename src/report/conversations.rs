//! Captured conversations with the names of the ledger: lists, searches, single ones, the turns of a session, exports.

mod chat;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use foldhash::quality::RandomState;

use self::chat::Outcome;
use super::shape;
use crate::content::{self, Conversation, Exchange, Fragment, Hit, Reader, Shown};
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
    /// Of those of which something is no longer kept, is erased or was cut off there is none.
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
    let Some(filter) = filter(moment, question)? else { return Ok(Listed::default()) };
    let page = reader.page(&filter, limit, cursor)?;
    let line = |hit: Hit| line(moment, hit.conversation, hit.snippet);
    let lines = page.hits.into_iter().map(line).collect::<Result<_, Error>>()?;
    Ok(Listed { lines, next: page.next, unindexed: page.unindexed })
}

/// The conversation of a row; `None` where none is kept. An erased one has no text.
///
/// # Errors
/// Ledger or content cannot be read.
pub fn show(moment: &Moment, reader: &Reader, row: i64) -> Result<Option<Told>, Error> {
    reader.show(row)?.map(|shown| told(moment, shown)).transpose()
}

/// The conversation of a row after all that it goes on from, oldest first.
///
/// # Errors
/// Ledger or content cannot be read.
pub fn thread(moment: &Moment, reader: &Reader, row: i64) -> Result<Vec<Told>, Error> {
    reader.thread(row)?.into_iter().map(|shown| told(moment, shown)).collect()
}

/// What was said in those of these rows that were captured: the turns of a session, as [`super::turns::turns`] lists them.
///
/// # Errors
/// The content cannot be read.
pub fn of_rows(reader: &Reader, rows: &[i64]) -> Result<BTreeMap<i64, Shown>, Error> {
    Ok(reader.bodies(rows)?)
}

fn filter(moment: &Moment, question: &Question) -> Result<Option<content::Filter>, Error> {
    let filter = moment.content_filter(&question.requests)?;
    Ok(filter.map(|filter| content::Filter { text: question.text.clone(), ..filter }))
}

fn line(moment: &Moment, conversation: Conversation, snippet: Vec<Fragment>) -> Result<Line, Error> {
    let (session, is_derived) = moment.session_name(conversation.session)?;
    let attributes = moment.attributes(conversation.attributes)?;
    let user = moment.name(conversation.user)?;
    Ok(Line { conversation, attributes, session, is_derived, user, snippet })
}

fn told(moment: &Moment, (conversation, exchange): Shown) -> Result<Told, Error> {
    Ok(Told { line: line(moment, conversation, Vec::new())?, exchange })
}

/// What an export came to. Conversations are left out of training files only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Conversations that were written.
    pub written: u64,
    /// Left out: their beginning, or a turn, is erased or no longer kept.
    pub gone: u64,
    /// Left out: something of them was cut off, by the log or at `content.max_size`.
    pub cut: u64,
    /// Left out: more turns than [`content::MAX_CHAIN`].
    pub too_long: u64,
    /// Left out: nothing that has a place in a training file was said.
    pub empty: u64,
}

// What is told below.
const _: () = assert!(content::MAX_CHAIN == 10_000);

impl Exported {
    /// What was left out, by why: numbers above zero.
    pub fn left_out(&self) -> impl Iterator<Item = (u64, &'static str)> {
        let Exported { written: _, gone, cut, too_long, empty } = *self;
        let all = [
            (gone, "whose beginning is gone"),
            (cut, "of which something was cut off"),
            (too_long, "of more than 10,000 turns"),
            (empty, "in which nothing was said"),
        ];
        all.into_iter().filter(|(count, _)| *count > 0)
    }

    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Written => &mut self.written,
            Outcome::Gone => &mut self.gone,
            Outcome::Cut => &mut self.cut,
            Outcome::TooLong => &mut self.too_long,
            Outcome::Empty => &mut self.empty,
        } += 1;
    }
}

/// The last turns of the conversations that a turn belongs to, which tell all of them: of what is searched for any turn may have
/// it, otherwise each turn is asked about itself. Turns that were seen before are passed over.
fn ends(
    reader: &Reader,
    row: i64,
    filter: &content::Filter,
    seen: &mut HashSet<i64, RandomState>,
) -> Result<Vec<i64>, Error> {
    if filter.text.trim().is_empty() {
        return Ok(if reader.following(row, filter)?.is_empty() { vec![row] } else { Vec::new() });
    }
    let (mut ends, mut next) = (Vec::new(), vec![row]);
    while let Some(row) = next.pop() {
        if seen.insert(row) {
            let following = reader.following(row, filter)?;
            if following.is_empty() {
                ends.push(row);
            }
            next.extend(following);
        }
    }
    Ok(ends)
}

/// Writes all conversations that fit, oldest first, those that hold what is searched for where something is.
///
/// # Errors
/// Ledger or content cannot be read, or `out` takes no more.
pub fn export(
    moment: &Moment,
    reader: &Reader,
    question: &Question,
    form: Form,
    out: &mut dyn Write,
) -> Result<Exported, Error> {
    let mut exported = Exported::default();
    if form == Form::Json {
        out.write_all(b"[")?;
    }
    if let Some(filter) = filter(moment, question)? {
        let mut seen = HashSet::default();
        reader.each(&filter, |shown: Shown| -> Result<(), Error> {
            let row = shown.0.row;
            if form == Form::Chat {
                for end in ends(reader, row, &filter, &mut seen)? {
                    exported.count(chat::write(reader, end, out)?);
                }
                return Ok(());
            }
            if form == Form::Json && exported.written > 0 {
                out.write_all(b",")?;
            }
            serde_json::to_writer(&mut *out, &shape::told(&told(moment, shown)?)).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
            exported.count(Outcome::Written);
            Ok(())
        })?;
    }
    if form == Form::Json {
        out.write_all(b"]\n")?;
    }
    Ok(exported)
}
