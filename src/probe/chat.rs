//! The kind `chat`: a streamed completion becomes the time of its first token, its speed and what it cost.
//!
//! It costs money at each look, so it has to be switched on and has a cap for each day: a look whose worst case could
//! exceed the cap is not begun. What is said in the answer does not matter, only that it comes and ends properly.

use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::config;
use super::expect::said;
use super::http::{Answer, Ask, exchange};
use super::outcome::{Fault, Phase, Trace};
use super::stream::Events;
use crate::record::{Anomalies, CountingFamily, Failure, Logged, MAX_TOKENS, Micros, Tokens};
use crate::wording::{grouped, quoted};

/// Largest stream in bytes: far beyond what the bound of tokens allows.
const MAX_STREAM: u64 = 8 << 20;

/// Most bytes of an answer that is no stream.
const MAX_ERROR: usize = 64 << 10;

/// Tokens that an endpoint adds around a prompt.
const AROUND_PROMPT: u64 = 64;

const DAY: Micros = 86_400_000_000;

/// What the kind needs, and what it spent today.
#[derive(Debug)]
pub(super) struct Chat {
    ask: Ask,
    worst: u64,
    daily: u64,
    spent: Mutex<Spent>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    /// Days since 1970, in UTC.
    day: i64,
    tokens: u64,
}

impl Chat {
    pub(super) fn new(ask: Ask, worst: u64, daily: u64) -> Chat {
        Chat { ask, worst, daily, spent: Mutex::default() }
    }

    /// Most tokens that one look may use. A token has at least one byte.
    pub(super) fn worst(chat: &config::Chat) -> u64 {
        u64::from(chat.max_tokens) + chat.prompt.len() as u64 + AROUND_PROMPT
    }

    /// The request. Neither temperature nor other knobs: some reasoning models refuse them.
    pub(super) fn body(chat: &config::Chat) -> String {
        let mut body = json!({
            "model": chat.model,
            "messages": [{"role": "user", "content": chat.prompt}],
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if let Some(fields) = body.as_object_mut() {
            fields.insert(chat.limit.label().to_owned(), chat.max_tokens.into());
        }
        body.to_string()
    }

    /// Sets the worst case aside, or says why there is no look.
    pub(super) fn reserve(&self, now: Micros) -> Result<(), String> {
        let mut spent = self.spent.lock();
        let day = now.div_euclid(DAY);
        if spent.day != day {
            *spent = Spent { day, tokens: 0 };
        }
        if spent.tokens.saturating_add(self.worst) > self.daily {
            return Err(format!(
                "skipped: {} of {} tokens of the day (UTC) are used, and one look may use {}",
                grouped(spent.tokens),
                grouped(self.daily),
                grouped(self.worst)
            ));
        }
        spent.tokens += self.worst;
        Ok(())
    }

    /// Gives back what a look did not use. What is not known counts as the worst case.
    pub(super) fn settle(&self, used: Option<u64>) {
        let mut spent = self.spent.lock();
        spent.tokens = spent.tokens.saturating_sub(self.worst).saturating_add(used.unwrap_or(self.worst));
    }

    /// Tokens of the UTC day of `now`.
    pub(super) fn spent(&self, now: Micros) -> u64 {
        let spent = self.spent.lock();
        if spent.day == now.div_euclid(DAY) { spent.tokens } else { 0 }
    }

    /// Goes on from what is known to have been spent on the day of `now`.
    pub(super) fn resume(&self, now: Micros, tokens: u64) {
        *self.spent.lock() = Spent { day: now.div_euclid(DAY), tokens };
    }
}

/// What a look used as far as its outcome can tell: nothing where no completion was begun.
pub(super) fn used(outcome: &super::Outcome) -> Option<u64> {
    match (outcome.tokens, outcome.status_code, outcome.phases.processing) {
        (Some(tokens), ..) => Some(tokens.total()),
        (None, Some(status), _) if !(200..300).contains(&status) => Some(0),
        (None, _, None) => Some(0),
        _ => None,
    }
}

/// Looks once.
pub(super) async fn run(chat: &Chat, trace: &mut Trace<'_>) -> Result<(), Fault> {
    let mut answer = exchange(&chat.ask, trace).await?;
    // The request is sent when the phase begins, which the length of the phase tells.
    let waited = trace.outcome.phases.processing.unwrap_or(0);
    let answered = trace.instant();
    trace.enter(Phase::Transfer);
    let status = answer.head.status;
    if !status.is_success() {
        let text = whole(&mut answer, trace).await.unwrap_or_default();
        let why = error_of(&text).map(|error| format!(": {error}")).unwrap_or_default();
        return Err(Fault::new(Failure::Status, format!("status {}, expected 200-299{why}", status.as_u16())));
    }
    let media_type = answer.media_type();
    if media_type != "text/event-stream" {
        let text = whole(&mut answer, trace).await?;
        let message = match error_of(&text) {
            Some(error) => format!("status {} with an error inside: {error}", status.as_u16()),
            None => format!("expected an event stream, found {}", quoted(&media_type)),
        };
        return Err(Fault::new(Failure::Body, message));
    }
    let mut reading = Reading::new(waited, answered);
    let mut events = Events::default();
    let result = loop {
        let bytes = match answer.next(trace).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break reading.end(),
            // All that matters was said already.
            Err(_) if reading.finished => break reading.end(),
            Err(mut fault) => {
                fault.message = format!("{} ({} chunks with tokens before)", fault.message, reading.chunks);
                break Err(fault);
            }
        };
        if trace.outcome.body_bytes > MAX_STREAM {
            break Err(Fault::new(Failure::Body, "the stream is larger than 8 MiB"));
        }
        let now = trace.instant();
        let found = match events.push(&bytes) {
            Ok(found) => found,
            Err(error) => break Err(Fault::new(Failure::Body, error.to_string())),
        };
        let mut step = Ok(false);
        for data in found {
            step = reading.observe(&data, now);
            if !matches!(step, Ok(false)) {
                break;
            }
        }
        trace.outcome.first_token_micros = reading.first_token();
        match step {
            Ok(false) => {}
            Ok(true) => break reading.end(),
            Err(fault) => break Err(fault),
        }
    };
    trace.outcome.tokens = reading.usage;
    trace.outcome.tokens_per_second = reading.speed();
    result
}

/// What a stream has said so far.
struct Reading {
    /// Microseconds from the sending of the request to `answered`.
    waited: u64,
    answered: Instant,
    first: Option<Instant>,
    last: Instant,
    /// Chunks that carried tokens.
    chunks: u64,
    /// Whether a reason for its end was given.
    finished: bool,
    done: bool,
    usage: Option<Tokens>,
}

impl Reading {
    fn new(waited: u64, answered: Instant) -> Reading {
        Reading { waited, answered, first: None, last: answered, chunks: 0, finished: false, done: false, usage: None }
    }

    /// Reads one event; true after the last one.
    fn observe(&mut self, data: &str, now: Instant) -> Result<bool, Fault> {
        if data.trim() == "[DONE]" {
            self.done = true;
            return Ok(true);
        }
        let fault = |message: String| Fault::new(Failure::Body, message);
        let chunk: Value = serde_json::from_str(data).map_err(|error| {
            fault(format!("an event is neither JSON nor `[DONE]`: {error}; it is {}", quoted(data)))
        })?;
        if let Some(error) = told(&chunk) {
            return Err(fault(format!("the stream holds an error: {error}")));
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = Some(tokens(usage));
        }
        // The chunk of the usage has no choice.
        let Some(choice) = chunk.pointer("/choices/0") else { return Ok(false) };
        let filled = |value: &Value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => false,
        };
        let delta = choice.get("delta");
        let kinds = ["content", "reasoning_content", "reasoning", "tool_calls", "refusal"];
        if kinds.iter().any(|kind| delta.and_then(|delta| delta.get(kind)).is_some_and(filled)) {
            self.first.get_or_insert(now);
            self.last = now;
            self.chunks += 1;
        }
        match choice.get("finish_reason").and_then(Value::as_str) {
            Some("error") => return Err(fault("the stream ended with the finish reason `error`".to_owned())),
            Some(reason) if !reason.is_empty() => self.finished = true,
            _ => {}
        }
        Ok(false)
    }

    /// Judges the end of the stream.
    fn end(&self) -> Result<(), Fault> {
        if !self.finished && !self.done {
            let message = format!(
                "the stream ended without `[DONE]` or a finish reason ({} chunks with tokens before)",
                self.chunks
            );
            return Err(Fault::new(Failure::Cut, message));
        }
        // Some models reason without showing it, and only the usage tells.
        if self.chunks == 0 && self.usage.is_none_or(|usage| usage.output() == 0) {
            return Err(Fault::new(Failure::Body, "the stream ended properly and held no token"));
        }
        Ok(())
    }

    /// From the sending of the request, in microseconds.
    fn first_token(&self) -> Option<u64> {
        let after = self.first?.saturating_duration_since(self.answered);
        Some(self.waited.saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
    }

    /// (output − 1) / (last token − first token).
    #[expect(clippy::cast_precision_loss, reason = "a count of tokens is far below 2^53")]
    fn speed(&self) -> Option<f64> {
        let output = self.usage?.output();
        let seconds = self.last.saturating_duration_since(self.first?).as_secs_f64();
        (output > 1 && seconds > 0.0).then(|| (output - 1) as f64 / seconds)
    }
}

/// Counts as OpenAI counts: input includes cached, output includes reasoning.
fn tokens(usage: &Value) -> Tokens {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0).min(MAX_TOKENS);
    let logged = Logged {
        input: count("/prompt_tokens"),
        output: count("/completion_tokens"),
        cache_read: count("/prompt_tokens_details/cached_tokens"),
        reasoning: count("/completion_tokens_details/reasoning_tokens"),
        ..Logged::default()
    };
    Tokens::from_logged(CountingFamily::OpenAi, &logged, &mut Anomalies::default())
}

/// The body of an answer that is no stream, as far as it is worth reading.
async fn whole(answer: &mut Answer, trace: &mut Trace<'_>) -> Result<String, Fault> {
    let mut body = Vec::new();
    while body.len() < MAX_ERROR {
        let Some(bytes) = answer.next(trace).await? else { break };
        body.extend_from_slice(&bytes);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// What an error object in a JSON text says.
fn error_of(text: &str) -> Option<String> {
    told(&serde_json::from_str(text).ok()?)
}

/// What an error object says, in the forms that endpoints use: an object with a message, or a text.
fn told(value: &Value) -> Option<String> {
    let error = value.get("error").filter(|error| !error.is_null())?;
    let text = error.get("message").and_then(Value::as_str).or(error.as_str());
    Some(text.map_or_else(|| said(&error.to_string()), said))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_speed_is_of_the_tokens_after_the_first() {
        let clock = Clock::manual(0);
        let mut reading = Reading::new(200_000, clock.instant());
        let content = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        for _ in 0..3 {
            clock.advance(Duration::from_millis(500));
            assert_eq!(reading.observe(content, clock.instant()), Ok(false));
        }
        assert_eq!(reading.speed(), None);
        clock.advance(Duration::from_secs(9));
        let usage = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":41}}"#;
        assert_eq!(reading.observe(usage, clock.instant()), Ok(false));
        // 40 tokens in the second between the first chunk and the third.
        assert_eq!((reading.first_token(), reading.speed()), (Some(700_000), Some(40.0)));
    }
}
