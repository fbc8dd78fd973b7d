//! What the reading side hands out and is asked for, in ids of the ledger's names: plain values.

use super::exchange::Exchange;
use crate::record::Micros;

/// Which conversations are meant; what is empty or `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Start of the request, from here on.
    pub since: Option<Micros>,
    /// Start of the request, before this.
    pub until: Option<Micros>,
    /// Ids of the ledger's attributes: `Some` of none finds nothing.
    pub attributes: Option<Vec<u32>>,
    /// Ids of session names.
    pub sessions: Option<Vec<u32>>,
    /// Ids of user pseudonyms.
    pub users: Option<Vec<u32>>,
    /// No row after this one: those of the moment of the ledger that is read beside.
    pub through: Option<i64>,
    /// Words, `"phrases"` and beginnings of words with a `*`, all of which must occur; empty: any conversation.
    pub text: String,
}

/// One conversation without its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Number of the request's row in the ledger.
    pub row: i64,
    /// Start of the request.
    pub start: Micros,
    /// Id of the request's attributes in the ledger.
    pub attributes: u32,
    /// Id of the session's name.
    pub session: u32,
    /// Id of the user's pseudonym, 0 where none is known.
    pub user: u32,
    /// Messages of the request in all.
    pub messages: u32,
    /// How many of them earlier conversations hold.
    pub earlier: u32,
    /// Row of the conversation that holds the last of these, `None` where there is none or it is gone.
    pub previous: Option<i64>,
    /// Whether it goes on from the messages of that one and not from its answer, which was made anew or changed.
    pub is_anew: bool,
    /// Bytes of what the log had to say.
    pub logged_bytes: u64,
    /// Bytes that its text takes in the database.
    pub stored_bytes: u64,
    /// Whether something was cut off.
    pub is_cut: bool,
    /// Places that were blotted out.
    pub redactions: u32,
    /// Whether its text was erased.
    pub is_erased: bool,
}

/// A piece of a snippet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Hostile text.
    pub text: String,
    /// Whether it is what was searched for.
    pub is_match: bool,
}

/// One line of a list or of what a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// Whose.
    pub conversation: Conversation,
    /// Where text was searched for: around the best place. Otherwise how the question begins. At most 240 characters.
    pub snippet: Vec<Fragment>,
}

/// A page of a list, newest first, or of what a search found, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most as many as asked for.
    pub hits: Vec<Hit>,
    /// What to ask with for the next page; `None` on the last.
    pub next: Option<String>,
    /// Conversations that the index does not know yet, so that they are not found by text.
    pub unindexed: u64,
}

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The conversation of one row.
    Conversation(i64),
    /// All of a session, as the log or the ledger names it.
    Session(String),
    /// All of a consumer.
    Consumer(String),
    /// All of a user, by the plain id of the log or by the pseudonym.
    User(String),
    /// All that started before.
    Before(Micros),
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Conversations whose text is gone.
    pub conversations: u64,
    /// Bytes that they took.
    pub bytes: u64,
    /// Names of sessions and users that rows no longer tell.
    pub names: u64,
    /// Somebody reads the database at an older moment: bytes stand in the write-ahead log until that ends, and are removed then
    /// without being asked for again.
    pub waits_for_reader: bool,
}

/// A conversation with its text.
pub type Shown = (Conversation, Exchange);
