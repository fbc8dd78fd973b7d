//! The JSON of messages becomes messages, whichever provider's form they have.
//!
//! OpenAI's chat and responses, Anthropic's and Gemini's parts. What is text is kept as text; a part that is none stands in it
//! as `[image_url 12 kB #1a2b3c4d]` and the like: never itself, but its size, where the log has it whole, and the beginning of its
//! hash, so that two images are two. Reads in one pass and borrows from the log wherever no escape is in the way. A list that
//! breaks off, or that has odd messages in it, is read as far as it can be.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

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

/// Text of a string, number or boolean; empty for anything else.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    fn visit_unit<E>(self) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Cow<'de, str>, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Cow<'de, str>, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }
}

/// Arguments of a call: the text of a string, else the JSON itself.
fn arguments(raw: &RawValue) -> Cow<'_, str> {
    let raw = raw.get();
    if raw.starts_with('"')
        && let Ok(text) = serde_json::from_str::<Text<'_>>(raw)
    {
        return text.0;
    }
    Cow::Borrowed(if raw == "null" { "" } else { raw })
}

/// A list of messages, and whether there were more.
struct List<'a>(Vec<Heard<'a>>, bool);

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
                "arguments" | "input" => call.arguments = arguments(map.next_value::<&'a RawValue>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
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

    fn add(&mut self, mut other: Heard<'a>) {
        push_line(&mut self.text, other.text);
        push_line(&mut self.reasoning, other.reasoning);
        self.tool_calls.append(&mut other.tool_calls);
        self.results.append(&mut other.results);
        self.is_cut |= other.is_cut;
    }

    /// Adds what is said as reasoning.
    fn think(&mut self, said: Heard<'a>) {
        push_line(&mut self.reasoning, said.reasoning);
        push_line(&mut self.reasoning, said.text);
    }

    /// Appends the message and its results of tools: behind the calls that they answer, but before what else is said.
    fn split(mut self, messages: &mut Vec<Heard<'a>>) {
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
    fn joined(mut self) -> Heard<'a> {
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

fn push_line<'a>(to: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if to.is_empty() {
        *to = text;
    } else if !text.is_empty() {
        let to = to.to_mut();
        to.push('\n');
        to.push_str(&text);
    }
}

/// What a content says: a text, a part, or a list of parts.
struct Body<'a>(Heard<'a>);

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body<'de>, D::Error> {
        deserializer.deserialize_any(BodyVisitor).map(Body)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Heard<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Heard<'de>, E> {
        Ok(Heard { text: Cow::Borrowed(text), ..Heard::default() })
    }

    fn visit_str<E>(self, text: &str) -> Result<Heard<'de>, E> {
        Ok(Heard { text: Cow::Owned(text.to_owned()), ..Heard::default() })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Heard<'de>, E> {
        Ok(Heard { text: Cow::Owned(number.to_string()), ..Heard::default() })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Heard<'de>, E> {
        Ok(Heard { text: Cow::Owned(number.to_string()), ..Heard::default() })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Heard<'de>, E> {
        Ok(Heard { text: Cow::Owned(number.to_string()), ..Heard::default() })
    }

    fn visit_bool<E>(self, value: bool) -> Result<Heard<'de>, E> {
        Ok(Heard { text: Cow::Borrowed(if value { "true" } else { "false" }), ..Heard::default() })
    }

    fn visit_unit<E>(self) -> Result<Heard<'de>, E> {
        Ok(Heard::default())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Heard<'de>, S::Error> {
        let mut body = Heard::default();
        for _ in 0..MAX_PARTS {
            let Some(part) = seq.next_element::<Body<'de>>()? else { return Ok(body) };
            body.add(part.0);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            body.is_cut = true;
        }
        Ok(body)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Heard<'de>, M::Error> {
        let (mut part, mut media, mut is_thought) = (Heard::default(), Media::default(), false);
        let (mut kind, mut call) = (Cow::Borrowed(""), Call::default());
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "type" => kind = map.next_value::<Text<'de>>()?.0,
                "text" | "refusal" | "content" | "parts" | "output" => part.add(map.next_value::<Body<'de>>()?.0),
                "thinking" | "reasoning" | "reasoning_content" | "summary" => {
                    part.think(map.next_value::<Body<'de>>()?.0);
                }
                // Gemini's mark of reasoning.
                "thought" => is_thought = &*map.next_value::<Text<'de>>()?.0 == "true",
                "id" => call.id = map.next_value::<Text<'de>>()?.0,
                "name" => call.name = map.next_value::<Text<'de>>()?.0,
                "input" | "arguments" => call.arguments = arguments(map.next_value::<&'de RawValue>()?),
                "tool_use_id" => part.tool_call_id = map.next_value::<Text<'de>>()?.0,
                "functionCall" | "function_call" => part.tool_calls.append(&mut map.next_value::<Calls<'de>>()?.0),
                "functionResponse" | "function_response" => part.results.push(map.next_value::<Response<'de>>()?.0),
                "image_url" | "input_audio" | "video_url" | "audio_url" | "file" | "file_id" | "file_url"
                | "file_data" | "image" | "audio" | "video" | "source" | "inlineData" | "inline_data" | "fileData"
                | "data" => {
                    if kind.is_empty() {
                        kind = key;
                    }
                    media.add(map.next_value::<Media<'de>>()?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        part.add(std::mem::take(&mut media.said));
        if is_thought || matches!(&*kind, "thinking" | "reasoning" | "reasoning_text" | "summary_text") {
            let text = std::mem::take(&mut part.text);
            push_line(&mut part.reasoning, text);
        }
        match &*kind {
            "tool_use" | "server_tool_use" | "mcp_tool_use" => part.tool_calls.push(call),
            _ if !part.tool_call_id.is_empty() => {
                if part.is_empty() && kind != "tool_result" {
                    part.text = media.placeholder(&kind);
                }
                return Ok(Heard { results: vec![part], ..Heard::default() });
            }
            _ if part.is_empty() && part.results.is_empty() && !kind.is_empty() && kind != "text" => {
                part.text = media.placeholder(&kind);
            }
            _ => {}
        }
        Ok(part)
    }
}

/// Gemini's result of a tool.
struct Response<'a>(Heard<'a>);

impl<'de> Deserialize<'de> for Response<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Response<'de>, D::Error> {
        struct ResponseVisitor;
        impl<'de> Visitor<'de> for ResponseVisitor {
            type Value = Response<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a result of a tool")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Response<'de>, M::Error> {
                let (mut id, mut name, mut text) = (Cow::Borrowed(""), Cow::Borrowed(""), Cow::Borrowed(""));
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "id" => id = map.next_value::<Text<'de>>()?.0,
                        "name" => name = map.next_value::<Text<'de>>()?.0,
                        "response" => text = arguments(map.next_value::<&'de RawValue>()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let tool_call_id = if id.is_empty() { name } else { id };
                Ok(Response(Heard { text, tool_call_id, ..Heard::default() }))
            }
        }
        deserializer.deserialize_map(ResponseVisitor)
    }
}

/// An image, a sound or a file: its data or its address, and what of it is text.
#[derive(Default)]
struct Media<'a> {
    data: Cow<'a, str>,
    /// Whether the data is not an address but base64.
    is_whole: bool,
    said: Heard<'a>,
}

impl<'a> Media<'a> {
    fn add(&mut self, other: Media<'a>) {
        self.said.add(other.said);
        if !other.data.is_empty() {
            (self.data, self.is_whole) = (other.data, other.is_whole);
        }
    }

    fn of(data: Cow<'a, str>, is_whole: bool) -> Media<'a> {
        let is_whole = is_whole || data.starts_with("data:");
        Media { data, is_whole, said: Heard::default() }
    }

    /// What stands in a text for it.
    fn placeholder(&self, kind: &str) -> Cow<'a, str> {
        let kind = short(kind);
        if self.data.is_empty() {
            return Cow::Owned(format!("[{kind}]"));
        }
        let content = if self.is_whole { self.data.rsplit(',').next().unwrap_or("") } else { &self.data };
        let hash = Sha256::digest(content.as_bytes()).first_chunk::<4>().map_or(0, |head| u32::from_be_bytes(*head));
        if !self.is_whole {
            return Cow::Owned(format!("[{kind} #{hash:08x}]"));
        }
        // Four characters of base64 are three bytes.
        let size = content.trim_end_matches('=').len() * 3 / 4;
        let size = if size < 1_000 { format!("{size} B") } else { format!("{} kB", size.div_ceil(1_000)) };
        Cow::Owned(format!("[{kind} {size} #{hash:08x}]"))
    }
}

impl<'de> Deserialize<'de> for Media<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Media<'de>, D::Error> {
        struct MediaVisitor;
        impl<'de> Visitor<'de> for MediaVisitor {
            type Value = Media<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an image, a sound or a file")
            }

            fn visit_borrowed_str<E>(self, data: &'de str) -> Result<Media<'de>, E> {
                Ok(Media::of(Cow::Borrowed(data), false))
            }

            fn visit_str<E>(self, data: &str) -> Result<Media<'de>, E> {
                Ok(Media::of(Cow::Owned(data.to_owned()), false))
            }

            fn visit_unit<E>(self) -> Result<Media<'de>, E> {
                Ok(Media::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Media<'de>, E> {
                Ok(Media::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Media<'de>, E> {
                Ok(Media::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Media<'de>, E> {
                Ok(Media::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Media<'de>, E> {
                Ok(Media::default())
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Media<'de>, S::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Media::default())
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Media<'de>, M::Error> {
                let (mut media, mut kind) = (Media::default(), Cow::Borrowed(""));
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "type" => kind = map.next_value::<Text<'de>>()?.0,
                        "url" | "uri" | "fileUri" | "file_uri" | "file_id" | "id" => {
                            media.add(Media::of(map.next_value::<Text<'de>>()?.0, false));
                        }
                        "data" | "file_data" => media.add(Media::of(map.next_value::<Text<'de>>()?.0, true)),
                        "content" => media.said.add(map.next_value::<Body<'de>>()?.0),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                // A document that is plain text.
                if kind == "text" {
                    let text = std::mem::take(&mut media.data);
                    push_line(&mut media.said.text, text);
                }
                Ok(media)
            }
        }
        deserializer.deserialize_any(MediaVisitor)
    }
}

/// The beginning of a name.
pub(super) fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or("")
}

struct Calls<'a>(Vec<Call<'a>>);

impl<'de> Deserialize<'de> for Calls<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Calls<'de>, D::Error> {
        struct CallsVisitor;
        impl<'de> Visitor<'de> for CallsVisitor {
            type Value = Calls<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of calls")
            }

            fn visit_unit<E>(self) -> Result<Calls<'de>, E> {
                Ok(Calls(Vec::new()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Calls<'de>, M::Error> {
                Ok(Calls(vec![Call::read(map)?]))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Calls<'de>, S::Error> {
                let mut calls = Vec::new();
                while calls.len() < MAX_PARTS {
                    let Some(call) = seq.next_element()? else { return Ok(Calls(calls)) };
                    calls.push(call);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Calls(calls))
            }
        }
        deserializer.deserialize_any(CallsVisitor)
    }
}

impl<'de> Deserialize<'de> for Call<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Call<'de>, D::Error> {
        struct CallVisitor;
        impl<'de> Visitor<'de> for CallVisitor {
            type Value = Call<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a call of a tool")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Call<'de>, M::Error> {
                Call::read(map)
            }
        }
        deserializer.deserialize_map(CallVisitor)
    }
}

impl<'de> Call<'de> {
    fn read<M: MapAccess<'de>>(mut map: M) -> Result<Call<'de>, M::Error> {
        let mut call = Call::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "id" | "call_id" => call.id = map.next_value::<Text<'de>>()?.0,
                "name" => call.name = map.next_value::<Text<'de>>()?.0,
                "arguments" | "input" | "args" => call.arguments = arguments(map.next_value::<&'de RawValue>()?),
                // OpenAI's functions and custom tools, Gemini's calls.
                "function" | "custom" | "functionCall" | "function_call" => {
                    let inner = map.next_value::<Call<'de>>()?;
                    (call.name, call.arguments) = (inner.name, inner.arguments);
                    if !inner.id.is_empty() {
                        call.id = inner.id;
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as lines: role, text, reasoning, calls, the call that is answered, whether cut.
    fn read(raw: &str) -> Vec<String> {
        let said = Said::Json(raw.into());
        let line = |heard: &Heard<'_>| {
            let mut line = format!("{}: {}", heard.role, heard.text.replace('\n', "|"));
            if !heard.reasoning.is_empty() {
                line += &format!(" <{}>", heard.reasoning);
            }
            for call in &heard.tool_calls {
                line += &format!(" {}#{}({})", call.name, call.id, call.arguments);
            }
            if !heard.tool_call_id.is_empty() {
                line += &format!(" @{}", heard.tool_call_id);
            }
            if heard.is_cut {
                line += " CUT";
            }
            line
        };
        History::read(&said).messages.iter().map(line).collect()
    }

    #[test]
    fn messages_of_every_provider_become_the_same() {
        for (raw, want) in [
            (r#"[{"role":"user","content":"q \"x\""}]"#, vec![r#"user: q "x""#]),
            // Parts, of OpenAI and Anthropic.
            (
                r#"[{"content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,eA=="}},"p"],"role":"user"}]"#,
                vec!["user: look|[image_url 1 B #5e21d86b]|p"],
            ),
            // OpenAI's tools.
            (
                r#"[{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"w","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"7"}]"#,
                vec![r#"assistant:  <hm> w#c1({"a":1})"#, "tool: 7 @c1"],
            ),
            // Anthropic's.
            (
                r#"[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"ok"},{"type":"tool_use","id":"t1","name":"w","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"7"}]}]}]"#,
                vec![r#"assistant: ok <hm> w#t1({"a":1})"#, "user: 7 @t1"],
            ),
            // Gemini's, and the items of OpenAI's responses.
            (
                r#"[{"role":"model","parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}}]}]"#,
                vec!["assistant: a f#({})"],
            ),
            (
                r#"[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"7"}]"#,
                vec!["assistant:  f#c({})", "tool: 7 @c"],
            ),
            (
                r#"{"contents":[{"role":"user","parts":[{"text":"q"},{"inlineData":{"mimeType":"image/png","data":"eA=="}},{"fileData":{"fileUri":"gs://b/x"}}]},{"role":"model","parts":[{"text":"hm","thought":true},{"text":"a","thoughtSignature":"s"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":1}}},{"functionResponse":{"id":"i","name":"f","response":"7"}}]}],"systemInstruction":{"parts":[{"text":"brief"}]}}"#,
                vec![
                    "system: brief",
                    "user: q|[inlineData 1 B #5e21d86b]|[fileData #2e741d7b]",
                    "assistant: a <hm>",
                    r#"user: {"a":1} @f"#,
                    "user: 7 @i",
                ],
            ),
            // Anthropic's tools of the server, several results, documents.
            (
                r#"[{"role":"assistant","content":[{"type":"server_tool_use","id":"s1","name":"web","input":{"q":1}},{"type":"mcp_tool_use","id":"m1","name":"m","input":{}},{"type":"web_search_tool_result","tool_use_id":"s1","content":[{"type":"web_search_result","url":"u"}]}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"7"},{"type":"tool_result","tool_use_id":"t2"},{"type":"text","text":"go on"}]}]"#,
                vec![
                    r#"assistant:  web#s1({"q":1}) m#m1({})"#,
                    "assistant: [web_search_result] @s1",
                    "user: 7 @t1",
                    "user:  @t2",
                    "user: go on",
                ],
            ),
            (
                r#"[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"the text"}},{"type":"document","source":{"type":"content","content":[{"type":"text","text":"more"}]}},{"type":"document","source":{"type":"base64","data":"eA=="}}]}]"#,
                vec!["user: the text|more|[document 1 B #5e21d86b]"],
            ),
            // OpenAI's custom tools, reasoning of the responses, and the older functions.
            (
                r#"[{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"SELECT 1"}}]},{"type":"custom_tool_call","call_id":"d","name":"g","input":"x"},{"type":"custom_tool_call_output","call_id":"d","output":"y"},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"zz"},{"role":"function","name":"w","content":"7"}]"#,
                vec![
                    "assistant:  f#c(SELECT 1)",
                    "assistant:  g#d(x)",
                    "tool: y @d",
                    "assistant:  <hm>",
                    "function: 7 @w",
                ],
            ),
            (r#""just a string""#, vec!["user: just a string"]),
            (r#"{"role":"user","content":"q"}"#, vec!["user: q"]),
            // Odd values.
            (r#"[{"role":7,"content":true,"role":"user","x":[{}],"content":1.5}]"#, vec!["user: true|1.5"]),
            (r#"[{"content":{"text":"a"}},{}]"#, vec![": a", ": "]),
        ] {
            assert_eq!(read(raw), want, "{raw}");
        }
        assert!(read("[]").is_empty());
    }

    #[test]
    fn a_list_that_breaks_off_is_read_up_to_there() {
        for (raw, want) in [
            (
                r#"[{"role":"user","content":"q1"},{"role":"assistant","content":"par"#,
                vec!["user: q1", "assistant: par CUT"],
            ),
            (r#"[{"role":"user","content":"q1"},{"ro"#, vec!["user: q1", ":  CUT"]),
            (r#"[{"role":"user","content":"a\u4f"#, vec!["user: a CUT"]),
            (r#"[{"role":"user","content":[{"type":"text","text":"a"#, vec!["user: a CUT"]),
            (r#"[{"role":"user","content":"q1"},"#, vec!["user: q1 CUT"]),
            ("no list at all", vec![": no list at all CUT"]),
            // A message that is none among others.
            (r#"[7,{"role":"user","content":"q"}]"#, vec![": 7", "user: q CUT"]),
        ] {
            assert_eq!(read(raw), want, "{raw}");
        }
        let deep = format!("[{{\"role\":\"user\",\"content\":{}{}}}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep).len(), 1);
        let many = format!("[{}]", vec![r#"{"role":"user","content":"q"}"#; MAX_MESSAGES + 1].join(","));
        let said = Said::Json(many.into());
        let history = History::read(&said);
        assert_eq!((history.messages.len(), history.is_cut), (MAX_MESSAGES, true));
    }

    #[test]
    fn a_text_alone_is_a_question() {
        let said = Said::Text("just a string".into());
        let history = History::read(&said);
        assert_eq!((&*history.messages[0].role, history.is_cut, history.messages[0].is_cut), ("user", false, false));
    }

    #[test]
    fn two_images_are_two_messages_and_none_is_kept() {
        let message = |data: &str| {
            let raw = format!(
                r#"[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]"#
            );
            read(&raw).concat()
        };
        let (one, two) = ("QUJD".repeat(4_000), "QUJE".repeat(4_000));
        assert!(message(&one).starts_with("user: [image_url 12 kB #") && message(&one).len() < 40);
        assert_ne!(message(&one), message(&two));
        assert_eq!(message(&one), message(&one));
    }

    #[test]
    fn an_answer_may_be_text_parts_or_a_message() {
        for (said, want) in [
            (Said::Text("a".into()), "a"),
            (Said::Json(r#"[{"type":"text","text":"a"}]"#.into()), "a"),
            (Said::Json(r#"{"role":"assistant","content":"a"}"#.into()), "a"),
            (Said::Json("[{".into()), "[{"),
            (Said::Nothing, ""),
        ] {
            assert_eq!(text(&said).text, want);
        }
        for raw in [
            r#"{"id":"c","function":{"name":"f","arguments":"{}"}}"#,
            r#"[{"functionCall":{"id":"c","name":"f","args":{}}}]"#,
        ] {
            let said = Said::Json(raw.into());
            let (calls, is_cut) = calls(&said);
            assert_eq!(
                (&*calls[0].id, &*calls[0].name, &*calls[0].arguments, is_cut),
                ("c", "f", "{}", false),
                "{raw}"
            );
        }
        let said = Said::Json(r#"[{"index":1,"function":{"name":"f","arguments":"{\"q\":"#.into());
        let (calls, is_cut) = calls(&said);
        assert_eq!((calls.len(), &*calls[0].name, &*calls[0].arguments, is_cut), (1, "f", "{\"q\":", true));
    }
}
