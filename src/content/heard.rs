//! The JSON of messages becomes messages, whichever provider's form they have.
//!
//! OpenAI's chat and responses, Anthropic's and Gemini's parts. What is text is kept as text; a part that is none stands in it
//! as `[image_url 12 kB #1a2b3c4d]` and the like: never itself, but its size, where the log has it whole, and the beginning of its
//! hash, so that two images are two. Reads in one pass and borrows from the log wherever no escape is in the way. A list that
//! breaks off, or that has odd messages in it, is read as far as it can be.

mod call;
mod message;
mod part;
mod text;

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::call::Calls;
use self::message::List;
use self::part::Body;
use super::cut;
use crate::record::Said;

/// Most messages of a request that are read; the rest counts as cut off.
pub(super) const MAX_MESSAGES: usize = 4_096;
/// Most parts of a message's content, and most calls of tools.
const MAX_PARTS: usize = 1_024;
/// Longest role, id and name of a tool, in bytes.
pub(super) const MAX_NAME: usize = 256;

const USER: Cow<'static, str> = Cow::Borrowed("user");
const ASSISTANT: Cow<'static, str> = Cow::Borrowed("assistant");
const TOOL: Cow<'static, str> = Cow::Borrowed("tool");

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Call<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) arguments: Cow<'a, str>,
}

/// A message as the log has it: hostile text of any length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard<'a> {
    pub(super) role: Cow<'a, str>,
    pub(super) text: Cow<'a, str>,
    pub(super) reasoning: Cow<'a, str>,
    pub(super) tool_calls: Vec<Call<'a>>,
    pub(super) tool_call_id: Cow<'a, str>,
    pub(super) is_cut: bool,
    /// Results of tools among its parts, each a message of its own; taken out when a list is read.
    pub(super) results: Vec<Heard<'a>>,
}

/// The messages of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct History<'a> {
    pub(super) messages: Vec<Heard<'a>>,
    /// Whether the list breaks off or is too long.
    pub(super) is_cut: bool,
}

impl<'a> History<'a> {
    /// Reads what the log has.
    pub(super) fn read(said: &'a Said<'_>) -> History<'a> {
        let raw = match said {
            Said::Nothing => return History::default(),
            // A request may be one text.
            Said::Text(text) if !text.trim_start().starts_with(['{', '[']) => {
                let question = Heard { role: USER, text: Cow::Borrowed(text), ..Heard::default() };
                return History { messages: vec![question], is_cut: false };
            }
            Said::Text(text) | Said::Json(text) => &**text,
        };
        if let Ok(list) = serde_json::from_str::<List<'a>>(raw) {
            return History { messages: list.0, is_cut: list.1 };
        }
        History::salvage(raw)
    }

    fn salvage(raw: &'a str) -> History<'a> {
        let closed = cut::close(raw);
        let mut messages = Vec::new();
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(&closed) {
            for item in items.into_iter().take(MAX_MESSAGES) {
                match serde_json::from_str::<Heard<'_>>(item.get()) {
                    Ok(message) => message.into_owned().split(&mut messages),
                    // Too deep, or no message at all: its text is all there is to know.
                    Err(_) => messages.push(Heard { text: Cow::Owned(item.get().to_owned()), ..Heard::default() }),
                }
            }
        } else if let Ok(List(list, _)) = serde_json::from_str::<List<'_>>(&closed) {
            for message in list {
                messages.push(message.into_owned());
            }
        } else {
            messages.push(Heard { text: Cow::Borrowed(raw), ..Heard::default() });
        }
        if let Some(last) = messages.last_mut() {
            last.is_cut = true;
        }
        History { messages, is_cut: true }
    }
}

impl Heard<'_> {
    fn into_owned(self) -> Heard<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let call = |call: Call<'_>| Call { id: own(call.id), name: own(call.name), arguments: own(call.arguments) };
        Heard {
            role: own(self.role),
            text: own(self.text),
            reasoning: own(self.reasoning),
            tool_calls: self.tool_calls.into_iter().map(call).collect(),
            tool_call_id: own(self.tool_call_id),
            is_cut: self.is_cut,
            results: self.results.into_iter().map(Heard::into_owned).collect(),
        }
    }

    /// Bytes of its text.
    pub(super) fn len(&self) -> usize {
        let calls = self.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>();
        self.text.len() + self.reasoning.len() + calls
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.tool_calls.is_empty()
    }
}

/// A question, an answer and the like as text; a list of parts or a whole message counts as what it says.
pub(super) fn text<'a>(said: &'a Said<'_>) -> Heard<'a> {
    match said {
        Said::Nothing => Heard::default(),
        Said::Text(text) => Heard { text: Cow::Borrowed(text), ..Heard::default() },
        Said::Json(raw) => match serde_json::from_str::<Body<'a>>(raw) {
            Ok(body) => body.0.joined(),
            Err(_) => Heard { text: Cow::Borrowed(raw), is_cut: true, ..Heard::default() },
        },
    }
}

/// The calls of tools of an answer, and whether their list breaks off.
pub(super) fn calls<'a>(said: &'a Said<'_>) -> (Vec<Call<'a>>, bool) {
    let raw = match said {
        Said::Nothing => return (Vec::new(), false),
        Said::Text(text) | Said::Json(text) => &**text,
    };
    if let Ok(calls) = serde_json::from_str::<Calls<'a>>(raw) {
        return (calls.0, false);
    }
    let closed = cut::close(raw);
    let calls = serde_json::from_str::<Calls<'_>>(&closed).map(|calls| {
        let whole = Heard { tool_calls: calls.0, ..Heard::default() }.into_owned();
        whole.tool_calls
    });
    (calls.unwrap_or_default(), true)
}

/// The beginning of a name.
pub(super) fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or("")
}

#[cfg(test)]
mod tests;
