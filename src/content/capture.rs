//! What was said in a request becomes a sealed body: only what is new of it, redacted and bounded.

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::captured::Captured;
use super::codec::Codec;
use super::config::{Capture, Config};
use super::delta::{Known, Lists, Prefix, field};
use super::error::Error;
use super::exchange::{Exchange, Message, ToolCall};
use super::heard::{self, Call, Heard, History};
use super::legible::legible;
use super::redact::Redactor;
use crate::record::{Content, Record, Said};

/// Bytes behind the bound of a text that are redacted with it, so that the cut does not split what the walk looks for.
const MARGIN: usize = 4 << 10;

/// Room for the JSON of a request that is kept for the next one.
const MAX_KEPT: usize = 1 << 20;

/// Captures on the reader's thread. Remembers which lists of messages are stored already.
#[derive(Debug)]
pub struct Capturer {
    capture: Capture,
    max_size: usize,
    redactor: Redactor,
    codec: Codec,
    /// Keys the hashes, so that a stored one cannot be guessed from what was said.
    key: Vec<u8>,
    known: Known,
    lists: Lists,
    counts: Vec<u32>,
    json: Vec<u8>,
}

impl Capturer {
    /// A capturer that seals by `codec`, hashes under `key` and knows these lists from before, the oldest first.
    #[must_use]
    pub fn build(config: &Config, codec: Codec, key: &[u8], known: impl IntoIterator<Item = [u8; 16]>) -> Capturer {
        let mut capturer = Capturer {
            capture: Capture::default(),
            max_size: 0,
            redactor: Redactor::build(config),
            codec,
            key: key.to_vec(),
            known: Known::default(),
            lists: Lists::default(),
            counts: Vec::new(),
            json: Vec::new(),
        };
        known.into_iter().for_each(|list| capturer.known.insert(list));
        capturer.configure(config);
        capturer
    }

    /// Exchanges the configuration; what is stored stays known.
    pub fn configure(&mut self, config: &Config) {
        self.capture.clone_from(&config.capture);
        self.max_size = usize::try_from(config.max_size).unwrap_or(usize::MAX);
        self.redactor = Redactor::build(config);
        self.counts = vec![0; self.redactor.names().len()];
    }

    /// Appends the body of what a request of this gateway said to `out`. `None` where it is not captured, or says nothing.
    ///
    /// # Errors
    /// The body cannot be sealed; nothing was appended.
    pub fn capture(
        &mut self,
        gateway: &str,
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Captured>, Error> {
        let Some(content) = record.content.as_deref() else { return Ok(None) };
        if !self.capture.covers(gateway, &record.consumer) {
            return Ok(None);
        }
        let (history, is_whole) = history(content);
        let answer = answer(content);
        if history.messages.is_empty() && answer.is_none() {
            return Ok(None);
        }
        self.lists.read(self.salt(gateway, record), &history.messages);
        // Without a history a question that is asked again would be taken for the same conversation.
        let (prefix, list) = if is_whole {
            let prefix = self.known.longest(&self.lists, !record.session_id.is_empty());
            (prefix, self.known.add(&self.lists, answer.as_ref()))
        } else {
            (None, self.lists.stored(answer.as_ref()))
        };
        let new = new(&history.messages, self.lists.head(), prefix.as_ref());
        let earlier = history.messages.len() - new.len();
        let (exchange, was_cut) = self.exchange(&new, answer.as_ref());
        self.json.clear();
        // Nothing of it can fail: texts and lists only, into memory.
        if serde_json::to_writer(&mut self.json, &exchange).is_err() {
            return Err(Error::Seal("it does not become JSON"));
        }
        let start = out.len();
        self.codec.seal(&self.json, out)?;
        if self.json.capacity() > MAX_KEPT {
            self.json = Vec::new();
        }
        let at = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Ok(Some(Captured {
            body: at(start)..at(out.len()),
            list,
            prefix: prefix.as_ref().map(|prefix| prefix.list),
            is_anew: prefix.is_some_and(|prefix| !prefix.has_answer),
            messages: at(history.messages.len()),
            earlier: at(earlier),
            logged_bytes: logged(content),
            is_cut: history.is_cut || was_cut,
            redactions: self.take_counts(),
        }))
    }

    /// What tells whose conversation it is: without a session all that else tells who asks.
    fn salt(&self, gateway: &str, record: &Record<'_>) -> [u8; 32] {
        let mut sum = Sha256::new();
        for text in [gateway, &record.consumer, &record.user, &record.session_id] {
            field(&mut sum, text);
        }
        if record.session_id.is_empty() {
            field(&mut sum, &record.client_address);
            field(&mut sum, &record.user_agent);
        }
        let who = sum.finalize();
        // A key may have any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return who.into() };
        mac.update(&who);
        mac.finalize().into_bytes().into()
    }

    /// The new messages and the answer, redacted, within the bound of a conversation; whether something did not fit.
    fn exchange(&mut self, new: &[&Heard<'_>], answer: Option<&Heard<'_>>) -> (Exchange, bool) {
        let asked: usize = new.iter().map(|message| message.len()).sum();
        // The answer has at least half, and what the messages leave.
        let mut room = (self.max_size / 2).max(self.max_size.saturating_sub(asked));
        let granted = room;
        let answer = answer.map(|answer| self.message(answer, &mut room));
        let mut room = self.max_size - (granted - room);
        let messages: Vec<Message> = new.iter().map(|message| self.message(message, &mut room)).collect();
        let is_cut = messages.iter().chain(&answer).any(|message| message.is_cut);
        (Exchange { messages, answer }, is_cut)
    }

    /// A message as it is kept, which takes its bytes of the room.
    fn message(&mut self, heard: &Heard<'_>, room: &mut usize) -> Message {
        let mut is_cut = heard.is_cut;
        let is_result = !heard.tool_call_id.is_empty() || matches!(&*heard.role, "tool" | "function");
        let text = if is_result { legible(&heard.text) } else { Cow::Borrowed(&*heard.text) };
        let text = self.keep(&text, room, &mut is_cut);
        let reasoning = self.keep(&heard.reasoning, room, &mut is_cut);
        let mut tool_calls = Vec::new();
        for Call { id, name, arguments } in &heard.tool_calls {
            let (id, name) = (self.name(id), self.name(name));
            tool_calls.push(ToolCall { id, name, arguments: self.keep(&legible(arguments), room, &mut is_cut) });
        }
        let (role, tool_call_id) = (self.name(&heard.role), self.name(&heard.tool_call_id));
        Message { role, text, reasoning, tool_calls, tool_call_id, is_cut }
    }

    /// A role, an id or the name of a tool: whatever the client says it is.
    fn name(&mut self, text: &str) -> String {
        let near = text.get(..text.floor_char_boundary(2 * heard::MAX_NAME)).unwrap_or(text);
        heard::short(&self.redactor.redact(near, &mut self.counts)).to_owned()
    }

    fn keep(&mut self, text: &str, room: &mut usize, is_cut: &mut bool) -> String {
        let near = text.get(..text.floor_char_boundary(room.saturating_add(MARGIN))).unwrap_or(text);
        let redacted = if *room == 0 { Cow::Borrowed("") } else { self.redactor.redact(near, &mut self.counts) };
        let kept = redacted.get(..redacted.floor_char_boundary(*room)).unwrap_or("");
        *is_cut |= kept.len() < redacted.len() || near.len() < text.len() || (*room == 0 && !text.is_empty());
        *room -= kept.len();
        if kept.len() == redacted.len() { redacted.into_owned() } else { kept.to_owned() }
    }

    fn take_counts(&mut self) -> Vec<(Arc<str>, u32)> {
        let counted = self.redactor.names().iter().zip(&mut self.counts);
        counted
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| (Arc::clone(name), std::mem::take(count)))
            .collect()
    }
}

/// The messages that a request adds. Instructions that changed stand where they begin to hold: behind the answer and the results
/// of tools that belong to the question before.
fn new<'a, 'b>(messages: &'a [Heard<'b>], head: usize, prefix: Option<&Prefix>) -> Vec<&'a Heard<'b>> {
    let Some(prefix) = prefix else { return messages.iter().collect() };
    let mut new: Vec<&Heard<'_>> = messages.iter().skip(head + prefix.messages).collect();
    let is_before = |message: &&&Heard<'_>| matches!(&*message.role, "assistant" | "model" | "tool" | "function");
    let at = new.iter().take_while(is_before).count();
    let instructions: Vec<&Heard<'_>> = prefix.head.iter().filter_map(|index| messages.get(*index)).collect();
    new.splice(at..at, instructions);
    new
}

/// The messages of a request, and whether they are a history that later requests repeat. A gateway that logs none may log
/// the last question and the instructions.
fn history<'a>(content: &'a Content<'_>) -> (History<'a>, bool) {
    let is_whole = !content.messages.is_nothing();
    let mut history = History::read(&content.messages);
    let system = Heard { role: "system".into(), ..heard::text(&content.system) };
    let question = Heard { role: "user".into(), ..heard::text(&content.question) };
    let is_system = |message: &Heard<'_>| matches!(&*message.role, "system" | "developer");
    if !system.is_empty() && !history.messages.iter().any(is_system) {
        history.messages.insert(0, system);
    }
    // Messages that break off may not reach the question.
    let is_missing = || history.is_cut && !history.messages.iter().any(|message| message.text == question.text);
    if !question.is_empty() && (!is_whole || is_missing()) {
        history.messages.push(question);
    }
    (history, is_whole)
}

fn answer<'a>(content: &'a Content<'_>) -> Option<Heard<'a>> {
    let mut answer = Heard { role: "assistant".into(), ..heard::text(&content.answer) };
    let reasoning = heard::text(&content.reasoning);
    for said in [reasoning.reasoning, reasoning.text] {
        if !said.is_empty() {
            answer.reasoning = said;
        }
    }
    let (calls, is_cut) = heard::calls(&content.tool_calls);
    if !calls.is_empty() {
        answer.tool_calls = calls;
    }
    answer.is_cut |= is_cut;
    (!answer.is_empty()).then_some(answer)
}

/// Bytes of all that the log has.
fn logged(content: &Content<'_>) -> u64 {
    let Content { messages, system, question, answer, reasoning, tool_calls } = content;
    let bytes = [messages, system, question, answer, reasoning, tool_calls].map(|said| match said {
        Said::Nothing => 0,
        Said::Text(text) | Said::Json(text) => text.len(),
    });
    u64::try_from(bytes.iter().sum::<usize>()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
