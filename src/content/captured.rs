//! What the reader hands on of one request's content: a sealed body and what is known of it without opening it.

use std::ops::Range;
use std::sync::Arc;

/// The captured content of one request. Its body lies in the text of the batch that carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Where in the text of the batch the sealed exchange lies.
    pub body: Range<u32>,
    /// Keyed hash of the messages (8 bytes), of the answer (4) and of the instructions at the head (4): what a later request
    /// repeats.
    pub list: [u8; 16],
    /// The list that was known before and that the messages go on from: the `list` of an earlier request.
    pub prefix: Option<[u8; 16]>,
    /// Whether they repeat that without its answer: it was made anew, or changed.
    pub is_anew: bool,
    /// Messages of the request in all.
    pub messages: u32,
    /// How many of them earlier conversations hold.
    pub earlier: u32,
    /// Bytes of what the log had to say, repeated history included.
    pub logged_bytes: u64,
    /// Whether something was cut off.
    pub is_cut: bool,
    /// How often each pattern blotted something out, by its name.
    pub redactions: Vec<(Arc<str>, u32)>,
}
