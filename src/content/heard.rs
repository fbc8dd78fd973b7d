//! The JSON of messages becomes messages, whichever provider's form they have.
//!
//! OpenAI's chat and responses, Anthropic's and Gemini's parts. What is text is kept as text; a part that is none stands in it
//! as `[image_url]` and the like. Reads in one pass and borrows from the log wherever no escape is in the way. A list that
//! breaks off, or that has odd messages in it, is read as far as it can be.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::cut;
use crate::record::Said;

/// Most messages of a request that are read; the rest counts as cut off.
pub(super) const MAX_MESSAGES: usize = 4_096;
/// Most parts of a message's content, and most calls of tools.
const MAX_PARTS: usize = 1_024;
/// Longest role, id and name of a tool, in bytes.
pub(super) const MAX_NAME: usize = 256;

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
                messages.push(match serde_json::from_str::<Heard<'_>>(item.get()) {
                    Ok(message) => message.into_owned(),
                    // Too deep, or no message at all: its text is all there is to know.
                    Err(_) => Heard { text: Cow::Owned(item.get().to_owned()), ..Heard::default() },
                });
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
            Ok(body) => body.0,
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

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<List<'de>, S::Error> {
                let mut messages = Vec::new();
                while messages.len() < MAX_MESSAGES {
                    let Some(message) = seq.next_element()? else { return Ok(List(messages, false)) };
                    messages.push(message);
                }
                let mut more = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    more = true;
                }
                Ok(List(messages, more))
            }
        }
        deserializer.deserialize_seq(ListVisitor)
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

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Heard<'de>, M::Error> {
        let mut message = Heard::default();
        let (mut kind, mut call) = (Cow::Borrowed(""), Call::default());
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "role" => message.role = map.next_value::<Text<'de>>()?.0,
                "content" | "parts" | "output" | "refusal" => message.add(map.next_value::<Body<'de>>()?.0),
                "reasoning_content" | "reasoning" | "thinking" => message.reasoning = map.next_value::<Text<'de>>()?.0,
                "tool_calls" => message.tool_calls.append(&mut map.next_value::<Calls<'de>>()?.0),
                "function_call" => message.tool_calls.push(map.next_value::<Call<'de>>()?),
                "tool_call_id" | "call_id" => message.tool_call_id = map.next_value::<Text<'de>>()?.0,
                "type" => kind = map.next_value::<Text<'de>>()?.0,
                "name" => call.name = map.next_value::<Text<'de>>()?.0,
                "arguments" => call.arguments = arguments(map.next_value::<&'de RawValue>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        // Items of OpenAI's responses that are no messages, but have their place among them.
        match &*kind {
            "function_call" => {
                call.id = std::mem::take(&mut message.tool_call_id);
                message.tool_calls.push(call);
                message.role = Cow::Borrowed("assistant");
            }
            "function_call_output" => message.role = Cow::Borrowed("tool"),
            _ => {}
        }
        Ok(message)
    }
}

impl<'a> Heard<'a> {
    fn add(&mut self, other: Heard<'a>) {
        push_line(&mut self.text, other.text);
        push_line(&mut self.reasoning, other.reasoning);
        self.tool_calls.extend(other.tool_calls);
        if !other.tool_call_id.is_empty() {
            self.tool_call_id = other.tool_call_id;
        }
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
        let mut part = Heard::default();
        let (mut kind, mut call) = (Cow::Borrowed(""), Call::default());
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "type" => kind = map.next_value::<Text<'de>>()?.0,
                "text" | "refusal" | "content" | "parts" | "output" => part.add(map.next_value::<Body<'de>>()?.0),
                "thinking" | "reasoning" => part.reasoning = map.next_value::<Text<'de>>()?.0,
                "id" => call.id = map.next_value::<Text<'de>>()?.0,
                "name" => call.name = map.next_value::<Text<'de>>()?.0,
                "input" | "arguments" => call.arguments = arguments(map.next_value::<&'de RawValue>()?),
                "tool_use_id" => part.tool_call_id = map.next_value::<Text<'de>>()?.0,
                "functionCall" => part.tool_calls.push(map.next_value::<Call<'de>>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match &*kind {
            "tool_use" => part.tool_calls.push(call),
            _ if part.is_empty() && !kind.is_empty() => part.text = Cow::Owned(format!("[{}]", short(&kind))),
            _ => {}
        }
        Ok(part)
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

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Call<'de>, M::Error> {
                let mut call = Call::default();
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "id" | "call_id" => call.id = map.next_value::<Text<'de>>()?.0,
                        "name" => call.name = map.next_value::<Text<'de>>()?.0,
                        "arguments" | "input" | "args" => {
                            call.arguments = arguments(map.next_value::<&'de RawValue>()?);
                        }
                        "function" => {
                            let function = map.next_value::<Call<'de>>()?;
                            (call.name, call.arguments) = (function.name, function.arguments);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(call)
            }
        }
        deserializer.deserialize_map(CallVisitor)
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
                r#"[{"content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:x"}},"p"],"role":"user"}]"#,
                vec!["user: look|[image_url]|p"],
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
                vec!["model: a f#({})"],
            ),
            (
                r#"[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"7"}]"#,
                vec!["assistant:  f#c({})", "tool: 7 @c"],
            ),
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
        let said = Said::Json(r#"[{"index":1,"function":{"name":"f","arguments":"{\"q\":"#.into());
        let (calls, is_cut) = calls(&said);
        assert_eq!((calls.len(), &*calls[0].name, &*calls[0].arguments, is_cut), (1, "f", "{\"q\":", true));
    }
}
