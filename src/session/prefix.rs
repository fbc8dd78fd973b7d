//! The messages of a request become hashes, by which a later request of the same conversation is known.
//!
//! A chat sends its history with every question, so that a request begins as the one before it did. What is compared is
//! role and content of each message; everything else, and markers that a client moves from message to message, are left
//! out. Keeps no text. The hashes are stored and compared after a restart, so they are those of SHA-256.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// Most messages of a request that are hashed; a longer list counts as its first so many.
pub const MAX_MESSAGES: usize = 512;
/// Bytes of a message in the packed form.
const PACKED: usize = 16;

/// Hashes of one message: its own, and that of the list up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hashes {
    pub(super) own: u64,
    pub(super) list: u64,
}

/// Hashes of a request's messages, in their order, at most [`MAX_MESSAGES`]. None where the log has no messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages(Vec<Hashes>);

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl Messages {
    /// Reads the JSON text of a list of messages. None come of what is no whole list of objects: where a cut list ends
    /// says more about the log's bound than about the conversation.
    #[must_use]
    pub fn read(raw: &str) -> Messages {
        let mut messages = Messages::default();
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        let read = (&mut deserializer).deserialize_seq(List(&mut messages)).and_then(|()| deserializer.end());
        if read.is_ok() { messages } else { Messages::default() }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends a form of 16 bytes a message.
    pub fn pack(&self, into: &mut Vec<u8>) {
        for Hashes { own, list } in &self.0 {
            into.extend_from_slice(&own.to_le_bytes());
            into.extend_from_slice(&list.to_le_bytes());
        }
    }

    /// The inverse of [`Messages::pack`]; what is no whole message is left out.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Messages {
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let hashes = |message: &[u8]| {
            let (own, list) = message.split_at(PACKED / 2);
            Hashes { own: number(own), list: number(list) }
        };
        Messages(packed.chunks_exact(PACKED).take(MAX_MESSAGES).map(hashes).collect())
    }

    pub(super) fn hashes(&self) -> &[Hashes] {
        &self.0
    }

    fn push(&mut self, message: &Message<'_>) {
        let mut sum = Sha256::new();
        field(&mut sum, b"role", message.role.map_or("", RawValue::get));
        content(&mut sum, message.content.map_or("", RawValue::get));
        let own = head(sum);
        let before = self.0.last().map_or(0, |hashes| hashes.list);
        let mut sum = Sha256::new();
        sum.update(before.to_le_bytes());
        sum.update(own.to_le_bytes());
        self.0.push(Hashes { own, list: head(sum) });
    }
}

struct List<'m>(&'m mut Messages);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        while self.0.0.len() < MAX_MESSAGES {
            let Some(message) = seq.next_element::<Message<'de>>()? else { return Ok(()) };
            self.0.push(&message);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Hashes a content: a text the same whether it stands alone or as the one text part of a list.
fn content(sum: &mut Sha256, raw: &str) {
    if !raw.starts_with('[') {
        return field(sum, b"text", raw);
    }
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(raw) else { return field(sum, b"list", raw) };
    for part in parts {
        let raw = part.get();
        let Ok(mut members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(raw) else {
            field(sum, b"text", raw);
            continue;
        };
        // Clients move the mark of what the provider shall cache to the end of each new request.
        members.remove("cache_control");
        let is_text = members.get("type").is_some_and(|kind| kind.get() == "\"text\"");
        match members.get("text") {
            Some(text) if is_text => field(sum, b"text", text.get()),
            _ => {
                for (name, value) in members {
                    field(sum, b"name", &name);
                    field(sum, b"value", value.get());
                }
            }
        }
    }
}

fn field(sum: &mut Sha256, kind: &[u8], text: &str) {
    sum.update(kind);
    sum.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
    sum.update(text.as_bytes());
}

fn head(sum: Sha256) -> u64 {
    sum.finalize().first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(raw: &str) -> Vec<u64> {
        Messages::read(raw).0.iter().map(|hashes| hashes.list).collect()
    }

    #[test]
    fn a_longer_list_begins_with_the_hashes_of_the_shorter() {
        let short = lists(r#"[{"role":"user","content":"q1"}]"#);
        let long = lists(
            r#"[{"role":"user","content":"q1"},{"role":"assistant","content":"a1"},{"role":"user","content":"q2"}]"#,
        );
        assert_eq!((short.len(), long.len()), (1, 3));
        assert_eq!(short[0], long[0]);
        assert!(long[0] != long[1] && long[1] != long[2]);
    }

    #[test]
    fn what_does_not_make_a_message_is_left_out() {
        let plain = lists(r#"[{"role":"user","content":"q"}]"#);
        for same in [
            r#" [ {"content":"q","role":"user","name":"x","id":7} ] "#,
            r#"[{"role":"user","content":[{"type":"text","text":"q"}]}]"#,
            r#"[{"role":"user","content":[{"cache_control":{"type":"ephemeral"},"text":"q","type":"text"}]}]"#,
        ] {
            assert_eq!(lists(same), plain, "{same}");
        }
        for other in [
            r#"[{"role":"system","content":"q"}]"#,
            r#"[{"role":"user","content":"q "}]"#,
            r#"[{"role":"user"}]"#,
            r#"[{"role":"user","content":{"text":"q"}}]"#,
            r#"[{"role":"user","content":[{"type":"image","url":"q"}]}]"#,
            r#"[{"role":"user","content":["q","q"]}]"#,
            "[{}]",
        ] {
            let other_hashes = lists(other);
            assert!(other_hashes.len() == 1 && other_hashes != plain, "{other}");
        }
        let image = |url: &str| lists(&format!(r#"[{{"role":"user","content":[{{"type":"image","url":"{url}"}}]}}]"#));
        assert_ne!(image("a"), image("b"));
    }

    #[test]
    fn what_is_no_list_of_messages_gives_none() {
        for raw in ["", "null", "{}", "\"q\"", "[1]", r#"[{"role":"user","content":"q"},{"ro"#, "[{}] x", "-"] {
            assert!(Messages::read(raw).is_empty(), "{raw}");
        }
        assert!(Messages::read("[]").is_empty());
        let deep = format!("[{{\"content\":{}{}}}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(lists(&deep).len(), 1);
    }

    #[test]
    fn a_very_long_list_counts_as_its_head_and_packing_loses_nothing() {
        let message = r#"{"role":"user","content":"q"}"#;
        let of = |count: usize| Messages::read(&format!("[{}]", vec![message; count].join(",")));
        let (long, longer) = (of(MAX_MESSAGES), of(MAX_MESSAGES + 9));
        assert_eq!((long.0.len(), &long), (MAX_MESSAGES, &longer));
        let mut packed = Vec::new();
        long.pack(&mut packed);
        assert_eq!(Messages::unpack(&packed), long);
        assert_eq!(Messages::unpack(&packed[..20]).0.len(), 1);
    }
}
