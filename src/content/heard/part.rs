//! What a message says: a text, or parts of many kinds.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::call::{Calls, arguments};
use super::text::{Text, push_line};
use super::{Call, Heard, MAX_PARTS, short};

/// What a content says: a text, a part, or a list of parts.
pub(super) struct Body<'a>(pub(super) Heard<'a>);

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
