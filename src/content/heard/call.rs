//! Calls of tools.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Text;
use super::{Call, MAX_PARTS};

/// Arguments of a call: the text of a string, else the JSON itself.
pub(super) fn arguments(raw: &RawValue) -> Cow<'_, str> {
    let raw = raw.get();
    if raw.starts_with('"')
        && let Ok(text) = serde_json::from_str::<Text<'_>>(raw)
    {
        return text.0;
    }
    Cow::Borrowed(if raw == "null" { "" } else { raw })
}

/// A list of calls, or one.
pub(super) struct Calls<'a>(pub(super) Vec<Call<'a>>);

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
