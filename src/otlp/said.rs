//! What was said in a request becomes the attributes in which the conventions put it: JSON, bounded in size.
//!
//! System messages at the beginning are the instructions; the others are the input, of which only what the request added
//! is there, as in every captured conversation. A log does not tell why a model stopped: [`UNKNOWN`].

use serde_json::{Value, json};

use crate::content::Message;

/// Most bytes of one attribute, but for a few of its frame.
pub(super) const MOST: usize = 32 << 10;

/// Bytes that the frame of a part or a message takes at most.
const FRAME: usize = 96;

/// Why the model stopped, where it did not stop for a tool.
const UNKNOWN: &str = "unknown";

/// The attributes' values; empty ones are `None`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Of `gen_ai.system_instructions`.
    pub(super) instructions: Option<String>,
    /// Of `gen_ai.input.messages`.
    pub(super) input: Option<String>,
    /// Of `gen_ai.output.messages`.
    pub(super) output: Option<String>,
    /// Whether something is missing, here or in the log.
    pub(super) is_cut: bool,
}

impl Said {
    pub(super) fn new(messages: &[Message], answer: Option<&Message>) -> Said {
        let is_system = |message: &Message| matches!(message.role.as_str(), "system" | "developer");
        let (system, rest) =
            messages.split_at(messages.iter().position(|message| !is_system(message)).unwrap_or(messages.len()));
        let mut said = Said { is_cut: messages.iter().chain(answer).any(|message| message.is_cut), ..Said::default() };
        let mut room = Room::default();
        let parts: Vec<Value> = system.iter().flat_map(|message| parts(message, &mut room)).collect();
        said.instructions = said.keep(parts, &room);

        // The newest messages count most: what does not fit is left out from the oldest on.
        let mut room = Room::default();
        let mut input: Vec<Value> = rest.iter().rev().map_while(|message| told(message, &mut room)).collect();
        input.reverse();
        said.input = said.keep(input, &room);

        let mut room = Room::default();
        let output = answer.and_then(|answer| {
            let mut told = told(answer, &mut room)?;
            let reason = if answer.tool_calls.is_empty() { UNKNOWN } else { "tool_call" };
            told.as_object_mut()?.insert("finish_reason".to_owned(), json!(reason));
            Some(told)
        });
        said.output = said.keep(output.into_iter().collect(), &room);
        said
    }

    fn keep(&mut self, list: Vec<Value>, room: &Room) -> Option<String> {
        self.is_cut |= room.is_short;
        (!list.is_empty()).then(|| Value::Array(list).to_string())
    }
}

/// Bytes that are left for one attribute.
#[derive(Debug)]
struct Room {
    left: usize,
    /// Whether something did not fit.
    is_short: bool,
}

impl Default for Room {
    fn default() -> Room {
        Room { left: MOST, is_short: false }
    }
}

impl Room {
    /// Whether there is room for a frame, which is then taken.
    fn frame(&mut self) -> bool {
        let fits = self.left >= FRAME;
        self.is_short |= !fits;
        self.left -= if fits { FRAME } else { 0 };
        fits
    }

    /// As much of a text as fits when it is written as JSON.
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        for (at, letter) in text.char_indices() {
            let size = match letter {
                '"' | '\\' => 2,
                letter if letter.is_ascii_control() => 6,
                letter => letter.len_utf8(),
            };
            if size > self.left {
                self.is_short = true;
                return text.get(..at).unwrap_or_default();
            }
            self.left -= size;
        }
        text
    }
}

/// A message; `None` where there is no room for one.
fn told(message: &Message, room: &mut Room) -> Option<Value> {
    if !room.frame() {
        return None;
    }
    let role = room.text(&message.role);
    Some(json!({"role": role, "parts": parts(message, room)}))
}

fn parts(message: &Message, room: &mut Room) -> Vec<Value> {
    let mut parts = Vec::new();
    if !message.reasoning.is_empty() && room.frame() {
        parts.push(json!({"type": "reasoning", "content": room.text(&message.reasoning)}));
    }
    if !message.text.is_empty() && room.frame() {
        parts.push(if message.role == "tool" {
            let id = room.text(&message.tool_call_id);
            json!({"type": "tool_call_response", "id": id, "response": room.text(&message.text)})
        } else {
            json!({"type": "text", "content": room.text(&message.text)})
        });
    }
    for call in &message.tool_calls {
        if !room.frame() {
            break;
        }
        let (id, name) = (room.text(&call.id), room.text(&call.name));
        // As the model wrote them: a parser would change large numbers.
        parts.push(json!({"type": "tool_call", "id": id, "name": name, "arguments": room.text(&call.arguments)}));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ToolCall;

    fn message(role: &str, text: &str) -> Message {
        Message { role: role.to_owned(), text: text.to_owned(), ..Message::default() }
    }

    fn value(text: Option<String>) -> Value {
        serde_json::from_str(&text.expect("an attribute")).expect("JSON")
    }

    #[test]
    fn messages_have_the_form_of_the_conventions() {
        let call =
            ToolCall { id: "c1".to_owned(), name: "weather".to_owned(), arguments: "{\"city\":\"Köln\"}".to_owned() };
        let messages = [
            message("system", "be brief"),
            message("user", "rain?"),
            Message { tool_call_id: "c0".to_owned(), ..message("tool", "[]") },
        ];
        let answer =
            Message { reasoning: "hm".to_owned(), tool_calls: vec![call], ..message("assistant", "I look it up") };
        let said = Said::new(&messages, Some(&answer));
        assert_eq!(value(said.instructions), json!([{"type": "text", "content": "be brief"}]));
        assert_eq!(
            value(said.input),
            json!([
                {"role": "user", "parts": [{"type": "text", "content": "rain?"}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0", "response": "[]"}]},
            ])
        );
        assert_eq!(
            value(said.output),
            json!([{"role": "assistant", "finish_reason": "tool_call", "parts": [
                {"type": "reasoning", "content": "hm"}, {"type": "text", "content": "I look it up"},
                {"type": "tool_call", "id": "c1", "name": "weather", "arguments": "{\"city\":\"Köln\"}"},
            ]}])
        );
        assert!(!said.is_cut);
        assert_eq!(Said::new(&[], None), Said::default());
        let plain = value(Said::new(&[], Some(&message("assistant", "x"))).output);
        assert_eq!(plain[0]["finish_reason"], "unknown");
    }

    #[test]
    fn each_attribute_is_bounded_whatever_was_said() {
        let hostile = "\u{1}\"\\长😀".repeat(100_000);
        let many: Vec<Message> = (0..100_000).map(|_| message("user", "a")).collect();
        let mut answer = message("assistant", &hostile);
        answer.reasoning.clone_from(&hostile);
        answer.tool_calls =
            vec![ToolCall { id: hostile.clone(), name: hostile.clone(), arguments: hostile.clone() }; 999];
        for (messages, answer) in [
            (vec![message("system", &hostile), message(&hostile, &hostile)], Some(&answer)),
            (many, None),
            (vec![message("user", &hostile), message("user", "the newest")], None),
        ] {
            let said = Said::new(&messages, answer);
            assert!(said.is_cut);
            for text in [&said.instructions, &said.input, &said.output].into_iter().flatten() {
                assert!(text.len() <= MOST + FRAME, "{}", text.len());
                assert!(serde_json::from_str::<Value>(text).is_ok());
            }
            let input = said.input.expect("input");
            assert!(
                messages.last().is_some_and(|last| last.text.len() > 10 || input.contains(&last.text)),
                "the newest is there"
            );
        }
        let marked = Message { is_cut: true, ..message("user", "a") };
        assert!(Said::new(&[marked], None).is_cut, "what the log cut is told");
    }
}
