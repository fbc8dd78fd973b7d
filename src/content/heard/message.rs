//! Messages, alone, in a list or in a whole request.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::call::{Calls, arguments};
use super::part::Body;
use super::text::{Text, push_line};
use super::{ASSISTANT, Call, Heard, MAX_MESSAGES, TOOL, USER};

/// A list of messages, and whether there were more.
pub(super) struct List<'a>(pub(super) Vec<Heard<'a>>, pub(super) bool);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<'de>, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<List<'de>, E> {
                Ok(List(vec![Heard { role: USER, text: Cow::Borrowed(text), ..Heard::default() }], false))
            }

            fn visit_str<E>(self, text: &str) -> Result<List<'de>, E> {
                Ok(List(vec![Heard { role: USER, text: Cow::Owned(text.to_owned()), ..Heard::default() }], false))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<List<'de>, S::Error> {
                let mut messages = Vec::new();
                while messages.len() < MAX_MESSAGES {
                    let Some(message) = seq.next_element::<Heard<'de>>()? else { return Ok(List(messages, false)) };
                    message.split(&mut messages);
                }
                let mut more = messages.len() > MAX_MESSAGES;
                messages.truncate(MAX_MESSAGES);
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    more = true;
                }
                Ok(List(messages, more))
            }

            /// A whole request, as Gemini's `contents` are in one, or a message alone.
            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<List<'de>, M::Error> {
                let (message, request) = Heard::read(map)?;
                let Some(List(mut messages, more)) = request else {
                    if message.is_empty() && message.results.is_empty() && message.role.is_empty() {
                        return Err(serde::de::Error::custom("no message"));
                    }
                    let mut messages = Vec::new();
                    message.split(&mut messages);
                    return Ok(List(messages, false));
                };
                if !message.is_empty() {
                    messages.insert(0, Heard { role: Cow::Borrowed("system"), ..message });
                }
                Ok(List(messages, more))
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

impl<'de> Deserialize<'de> for Heard<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Heard<'de>, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Heard<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Heard<'de>, M::Error> {
        Ok(Heard::read(map)?.0)
    }
}

impl<'a> Heard<'a> {
    /// A message; or a request, whose instructions the message then is, with its list of messages.
    fn read<M: MapAccess<'a>>(mut map: M) -> Result<(Heard<'a>, Option<List<'a>>), M::Error> {
        let (mut message, mut request) = (Heard::default(), None);
        let (mut kind, mut call) = (Cow::Borrowed(""), Call::default());
        let mut input: Option<&RawValue> = None;
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "role" => message.role = map.next_value::<Text<'a>>()?.0,
                "content" | "parts" | "output" | "refusal" | "system" | "systemInstruction" | "system_instruction"
                | "instructions" => message.add(map.next_value::<Body<'a>>()?.0),
                "contents" | "messages" => request = Some(map.next_value::<List<'a>>()?),
                "reasoning_content" | "reasoning" | "thinking" | "summary" => {
                    message.think(map.next_value::<Body<'a>>()?.0);
                }
                "tool_calls" => message.tool_calls.append(&mut map.next_value::<Calls<'a>>()?.0),
                "function_call" => message.tool_calls.append(&mut map.next_value::<Calls<'a>>()?.0),
                "tool_call_id" | "call_id" => message.tool_call_id = map.next_value::<Text<'a>>()?.0,
                "type" => kind = map.next_value::<Text<'a>>()?.0,
                "name" => call.name = map.next_value::<Text<'a>>()?.0,
                "arguments" => call.arguments = arguments(map.next_value()?),
                "input" => input = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match input {
            // Of a custom tool.
            Some(input) if !kind.is_empty() => call.arguments = arguments(input),
            // Of a request.
            Some(input) if message.role.is_empty() && request.is_none() => {
                request = Some(serde_json::from_str(input.get()).map_err(serde::de::Error::custom)?);
            }
            _ => {}
        }
        // Items of OpenAI's responses that are no messages, but have their place among them.
        match &*kind {
            "function_call" | "custom_tool_call" => {
                call.id = std::mem::take(&mut message.tool_call_id);
                message.tool_calls.push(call);
                message.role = ASSISTANT;
            }
            "function_call_output" | "custom_tool_call_output" => message.role = TOOL,
            "reasoning" => {
                let text = std::mem::take(&mut message.text);
                push_line(&mut message.reasoning, text);
                message.role = ASSISTANT;
            }
            _ => match &*message.role {
                // Gemini's name of it.
                "model" => message.role = ASSISTANT,
                // An older form of OpenAI's tools has no ids: a result names its tool.
                "function" | "tool" if message.tool_call_id.is_empty() => message.tool_call_id = call.name,
                _ => {}
            },
        }
        Ok((message, request))
    }

    pub(super) fn add(&mut self, mut other: Heard<'a>) {
        push_line(&mut self.text, other.text);
        push_line(&mut self.reasoning, other.reasoning);
        self.tool_calls.append(&mut other.tool_calls);
        self.results.append(&mut other.results);
        self.is_cut |= other.is_cut;
    }

    /// Adds what is said as reasoning.
    pub(super) fn think(&mut self, said: Heard<'a>) {
        push_line(&mut self.reasoning, said.reasoning);
        push_line(&mut self.reasoning, said.text);
    }

    /// Appends the message and its results of tools: behind the calls that they answer, but before what else is said.
    pub(super) fn split(mut self, messages: &mut Vec<Heard<'a>>) {
        let results = std::mem::take(&mut self.results);
        let role = self.role.clone();
        let mut rest = (results.is_empty() || !self.is_empty()).then_some(self);
        if let Some(calls) = rest.take_if(|message| !message.tool_calls.is_empty()) {
            messages.push(calls);
        }
        messages.extend(results.into_iter().map(|result| Heard { role: role.clone(), ..result.joined() }));
        messages.extend(rest);
    }

    /// The message with its results of tools as text.
    pub(super) fn joined(mut self) -> Heard<'a> {
        for result in std::mem::take(&mut self.results) {
            let id = result.tool_call_id.clone();
            self.add(result.joined());
            if self.tool_call_id.is_empty() {
                self.tool_call_id = id;
            }
        }
        self
    }
}
