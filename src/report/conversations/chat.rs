//! A conversation becomes a line of a training file: `{"messages": […]}` in the chat form that trainers accept.

use std::collections::VecDeque;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::Error;
use crate::content::{self, Conversation, Message, Reader, ToolCall};

/// What became of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A line.
    Written,
    /// None: its beginning, or a turn, is erased or no longer kept.
    Gone,
    /// None: something of it was cut off.
    Cut,
    /// None: it has more turns than are looked back over.
    TooLong,
    /// None: nothing that trainers accept was said.
    Empty,
}

/// Writes the conversation that ends with a row, turn by turn, so that no more than one is held.
pub(super) fn write(reader: &Reader, row: i64, out: &mut dyn Write) -> Result<Outcome, Error> {
    let Some(turns) = reader.chain(row)? else { return Ok(Outcome::TooLong) };
    if let Some(flaw) = flaw(&turns) {
        return Ok(flaw);
    }
    let mut chat = Chat::default();
    let mut is_open = false;
    for (index, turn) in turns.iter().enumerate() {
        let missing = || content::Error::Body("its text is missing");
        let (_, exchange) = reader.show(turn.row)?.ok_or_else(missing)?;
        // An answer that was made anew, or changed, is no part of what went on.
        let is_kept = turns.get(index + 1).is_none_or(|next| !next.is_anew);
        for message in exchange.messages.iter().chain(exchange.answer.iter().filter(|_| is_kept)) {
            if let Some(message) = chat.message(message) {
                out.write_all(if is_open { b"," } else { br#"{"messages":["# })?;
                is_open = true;
                serde_json::to_writer(&mut *out, &message).map_err(io::Error::from)?;
            }
        }
    }
    if is_open {
        out.write_all(b"]}\n")?;
    }
    Ok(if is_open { Outcome::Written } else { Outcome::Empty })
}

/// Why some turns, the oldest first, make no line.
pub(super) fn flaw(turns: &[Conversation]) -> Option<Outcome> {
    if turns.first().is_none_or(|first| first.earlier > 0) || turns.iter().any(|turn| turn.is_erased) {
        return Some(Outcome::Gone);
    }
    turns.iter().any(|turn| turn.is_cut).then_some(Outcome::Cut)
}

/// Calls of tools that wait for their results.
#[derive(Debug, Default)]
pub(super) struct Chat {
    made: u64,
    /// Ids, and whether they are made.
    waiting: VecDeque<(String, bool)>,
}

impl Chat {
    /// A message in the form of training files; `None` where it says nothing.
    pub(super) fn message(&mut self, message: &Message) -> Option<Value> {
        let role = if message.tool_calls.is_empty() { role(&message.role) } else { "assistant" };
        let is_result = role == "tool" && !self.waiting.is_empty();
        // The result of a call may be empty, and must not be missing.
        if message.text.trim().is_empty() && message.tool_calls.is_empty() && !is_result {
            return None;
        }
        let mut value = json!({ "role": role, "content": message.text });
        let fields = value.as_object_mut()?;
        if role == "assistant" && !message.reasoning.is_empty() {
            fields.insert("reasoning_content".to_owned(), message.reasoning.clone().into());
        }
        if !message.tool_calls.is_empty() {
            self.waiting.clear();
            let calls = message.tool_calls.iter().map(|call| self.call(call)).collect();
            fields.insert("tool_calls".to_owned(), calls);
        }
        if role == "tool"
            && let Some(id) = self.answered(&message.tool_call_id)
        {
            fields.insert("tool_call_id".to_owned(), id.into());
        }
        Some(value)
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let is_made = call.id.is_empty();
        self.made += u64::from(is_made);
        let id = if is_made { format!("call_{}", self.made) } else { call.id.clone() };
        self.waiting.push_back((id.clone(), is_made));
        json!({ "id": id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
    }

    /// The id of the call that a result belongs to: the log of an answer may leave out what the client sends with the result.
    fn answered(&mut self, id: &str) -> Option<String> {
        let named = self.waiting.iter().position(|(waiting, _)| waiting == id);
        let at = named.or_else(|| self.waiting.iter().position(|(_, is_made)| *is_made || id.is_empty()));
        match at.and_then(|at| self.waiting.remove(at)) {
            Some((id, _)) => Some(id),
            None => (!id.is_empty()).then(|| id.to_owned()),
        }
    }
}

/// The role of a message as trainers know it.
fn role(role: &str) -> &'static str {
    match role {
        "system" => "system",
        "developer" => "developer",
        "assistant" | "model" => "assistant",
        "tool" | "function" => "tool",
        _ => "user",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, text: &str) -> Message {
        Message { role: role.into(), text: text.into(), ..Message::default() }
    }

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() }
    }

    #[test]
    fn messages_have_the_form_that_trainers_accept() {
        let mut chat = Chat::default();
        let calling = Message { tool_calls: vec![call(""), call("c2"), call("")], ..message("model", "") };
        let result = |id: &str, text: &str| Message { tool_call_id: id.into(), ..message("tool", text) };
        let said = [
            message("developer", "rules"),
            message("", "q1"),
            message("critic", "q2"),
            message("assistant", "  "),
            Message { tool_call_id: "stray".into(), ..message("user", "q3") },
            calling,
            result("c2", "r2"),
            result("c1", ""),
            message("function", "r3"),
            message("model", "done"),
        ];
        let lines: Vec<Value> = said.iter().filter_map(|message| chat.message(message)).collect();
        let short = |line: &Value| {
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("role"), text("content"), text("tool_call_id"))
        };
        assert_eq!(
            lines.iter().map(short).collect::<Vec<_>>(),
            [
                "developer rules -",
                "user q1 -",
                "user q2 -",
                "user q3 -",
                "assistant  -",
                "tool r2 c2",
                "tool  call_1",
                "tool r3 call_2",
                "assistant done -",
            ]
        );
        let ids: Vec<&str> =
            lines[4]["tool_calls"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["call_1", "c2", "call_2"]);
    }

    #[test]
    fn what_is_incomplete_makes_no_line() {
        let whole = Conversation::default();
        assert_eq!(flaw(std::slice::from_ref(&whole)), None);
        let late = Conversation { earlier: 2, ..whole.clone() };
        assert_eq!(flaw(&[late]), Some(Outcome::Gone));
        let erased = Conversation { is_erased: true, ..whole.clone() };
        assert_eq!(flaw(&[whole.clone(), erased]), Some(Outcome::Gone));
        let cut = Conversation { is_cut: true, ..whole.clone() };
        assert_eq!(flaw(&[whole, cut]), Some(Outcome::Cut));
        assert_eq!(flaw(&[]), Some(Outcome::Gone));
    }
}
