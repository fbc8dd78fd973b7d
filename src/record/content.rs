//! What was said in a request: text as the log has it, read only where it is captured.

use std::borrow::Cow;

/// One value of the log that holds something said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Said<'a> {
    /// The log has none.
    #[default]
    Nothing,
    /// Plain text.
    Text(Cow<'a, str>),
    /// JSON text of an object or a list; perhaps cut short by the gateway, so that it is no whole JSON.
    Json(Cow<'a, str>),
}

impl Said<'_> {
    /// Whether the log has none.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Said::Nothing
    }
}

/// What was said in one request and answered, raw: hostile text of any length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// The request's messages: the whole history that the client sent.
    pub messages: Said<'a>,
    /// Instructions of the application.
    pub system: Said<'a>,
    /// The last question, where the gateway takes it out of the messages.
    pub question: Said<'a>,
    /// What the model answered.
    pub answer: Said<'a>,
    /// What the model thought before.
    pub reasoning: Said<'a>,
    /// Tools that the answer calls, with their arguments.
    pub tool_calls: Said<'a>,
}
