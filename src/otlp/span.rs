//! A committed request, or a part of a session that has closed, becomes a span.
//!
//! Attribute names follow the semantic conventions for generative AI, version 1.41 ([GenAI spans]); what they have no
//! name for is under `tokentail.`. Sums of a session are under `tokentail.session.`, since a receiver that adds up
//! `gen_ai.usage.` over a trace would otherwise count each token twice. Ids are handed in, never made.
//!
//! [GenAI spans]: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-spans.md

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::Config;
use super::said::Said;
use crate::content::Shown;
use crate::record::money::{NANOS, format_nanos};
use crate::record::{Attributes, Currency, Micros, Mode, Row, Tokens};
use crate::wording::hex;

/// A session's name, and where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionName<'a> {
    /// Empty where the request has no session.
    pub text: &'a str,
    /// Found by us and not logged: never sent as a conversation's id.
    pub derived: bool,
}

/// A committed request.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpan<'a> {
    /// Of the trace that it is sent in.
    pub trace_id: [u8; 16],
    /// Its own.
    pub span_id: [u8; 8],
    /// The session's span, where the trace has one.
    pub parent_id: Option<[u8; 8]>,
    /// Numbers; its dictionary ids are not looked at.
    pub row: &'a Row,
    /// Origin and dimensions.
    pub attributes: &'a Attributes,
    /// The user's pseudonym; empty where there is none.
    pub user: &'a str,
    /// The session.
    pub session: SessionName<'a>,
    /// Tools that the answer calls, in order.
    pub tools: &'a [String],
    /// What was said, where the sink asks for it and it is captured.
    pub content: Option<&'a Shown>,
}

/// A part of a session that has closed.
#[derive(Clone, Copy, Debug)]
pub struct SessionSpan<'a> {
    /// Of the session and window.
    pub trace_id: [u8; 16],
    /// The parent of the part's requests.
    pub span_id: [u8; 8],
    /// The session.
    pub session: SessionName<'a>,
    /// Configured name of the source.
    pub gateway: &'a str,
    /// Owner of the key; empty where unknown.
    pub consumer: &'a str,
    /// The user's pseudonym; empty where there is none.
    pub user: &'a str,
    /// First start.
    pub start: Micros,
    /// Last end.
    pub end: Micros,
    /// Number of the part in its session, from 1.
    pub part: u32,
    /// How often it has closed before: a receiver keeps the span with the highest.
    pub revision: u32,
    /// Why it closed, as a label.
    pub reason: &'static str,
    /// Turns of the conversation.
    pub turns: u64,
    /// Requests, retries and failures included.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Sums over the requests.
    pub tokens: Tokens,
    /// Sums in nano-units, a currency once.
    pub costs: &'a [(Currency, i128)],
    /// Models that answered.
    pub models: &'a [String],
    /// Dimension name and value.
    pub dimensions: &'a [(String, String)],
}

/// What the spans come from.
#[must_use]
pub fn resource(config: &Config) -> Resource {
    let own = config.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(own)
        .with_attribute(KeyValue::new("service.name", config.service_name.clone()))
        .build()
}

/// Makes spans; it only holds what all of them share.
#[derive(Clone, Debug)]
pub struct Maker {
    scope: InstrumentationScope,
}

impl Default for Maker {
    fn default() -> Maker {
        let scope = InstrumentationScope::builder("tokentail")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url("https://opentelemetry.io/schemas/1.41.0");
        Maker { scope: scope.build() }
    }
}

impl Maker {
    /// The span of a request: `chat {model}`, kind client, from its start to its end.
    #[must_use]
    pub fn request(&self, request: &RequestSpan<'_>) -> SpanData {
        let (row, origin) = (request.row, request.attributes);
        let end = time(row.start.saturating_add(row.duration.unwrap_or(0)));
        let mut list = List::with_capacity(32 + origin.dimensions.len());
        list.text("gen_ai.operation.name", "chat");
        list.text("gen_ai.provider.name", provider(&origin.provider));
        list.text("gen_ai.request.model", &origin.model);
        let error = row.outcome.error();
        if error.is_none() {
            list.text("gen_ai.response.model", &origin.model);
        }
        match origin.mode {
            Mode::Unknown => {}
            Mode::Normal => list.add("gen_ai.request.stream", false),
            Mode::Stream => list.add("gen_ai.request.stream", true),
        }
        if let Some(first) = row.first_token {
            list.add("gen_ai.response.time_to_first_chunk", seconds(first));
        }
        list.session(request.session, request.user);
        if row.counted {
            list.add("gen_ai.usage.input_tokens", count(row.tokens.input()));
            list.add("gen_ai.usage.output_tokens", count(row.tokens.output()));
            list.add("gen_ai.usage.cache_read.input_tokens", count(row.tokens.cache_read));
            list.add("gen_ai.usage.cache_creation.input_tokens", count(row.tokens.cache_write()));
            list.add("gen_ai.usage.reasoning.output_tokens", count(row.tokens.reasoning));
        }
        if let Some(cost) = row.cost {
            list.add("gen_ai.usage.cost", units(i128::from(cost.nanos)));
            list.text("tokentail.cost.currency", cost.currency.as_str());
            list.add("tokentail.cost.amount", format_nanos(i128::from(cost.nanos)));
        }
        if row.status != 0 {
            list.add("http.response.status_code", i64::from(row.status));
        }
        if let Some(reason) = error {
            list.add("error.type", reason.label());
        }
        list.text("tokentail.gateway", &origin.gateway);
        list.text("tokentail.route", &origin.route);
        list.text("tokentail.consumer", &origin.consumer);
        list.text("tokentail.upstream", &origin.upstream);
        list.text("tokentail.service_tier", origin.service_tier.label());
        if row.chat_round > 0 {
            list.add("tokentail.chat_round", i64::from(row.chat_round));
        }
        if row.usage_missing {
            list.add("tokentail.usage_missing", true);
        }
        if row.unpriced {
            list.add("tokentail.unpriced", true);
        }
        list.texts("tokentail.price.assumed", row.assumed.names());
        list.texts("tokentail.anomalies", row.anomalies.iter().map(|anomaly| anomaly.label()));
        list.dimensions(&origin.dimensions);
        if let Some(content) = request.content {
            list.content(content);
        }
        // The log tells the trace and not the span in it, so the link names none.
        let link = row.trace_id.filter(|id| *id != request.trace_id).map(|id| {
            list.add("tokentail.gateway.trace_id", hex(&id));
            Link::with_context(context(id, [0; 8], true))
        });
        // The log does not tell when a tool was called, only that it was by the end.
        let events = request.tools.iter().map(|tool| {
            let name = KeyValue::new("gen_ai.tool.name", tool.clone());
            Event::new("tokentail.tool_call", end, vec![name], 0)
        });
        let name = if origin.model.is_empty() { "chat".into() } else { format!("chat {}", origin.model).into() };
        SpanData {
            events: with_events(events.collect()),
            links: with_links(link.into_iter().collect()),
            status: error.map_or(Status::Unset, |reason| Status::error(reason.label())),
            ..self.span(
                (request.trace_id, request.span_id, request.parent_id),
                SpanKind::Client,
                name,
                (time(row.start), end),
                list,
            )
        }
    }

    /// The span of a session's part: `session`, kind internal, from its first start to its last end.
    #[must_use]
    pub fn session(&self, part: &SessionSpan<'_>) -> SpanData {
        let mut list = List::with_capacity(24 + part.costs.len() + part.dimensions.len());
        list.session(part.session, part.user);
        list.text("tokentail.gateway", part.gateway);
        list.text("tokentail.consumer", part.consumer);
        list.add("tokentail.session.part", i64::from(part.part));
        list.add("tokentail.session.revision", i64::from(part.revision));
        list.add("tokentail.session.close_reason", part.reason);
        for (key, value) in [
            ("tokentail.session.turns", part.turns),
            ("tokentail.session.requests", part.requests),
            ("tokentail.session.errors", part.errors),
            ("tokentail.session.tool_calls", part.tool_calls),
            ("tokentail.session.input_tokens", part.tokens.input()),
            ("tokentail.session.output_tokens", part.tokens.output()),
            ("tokentail.session.cache_read_input_tokens", part.tokens.cache_read),
            ("tokentail.session.cache_write_input_tokens", part.tokens.cache_write()),
            ("tokentail.session.reasoning_output_tokens", part.tokens.reasoning),
        ] {
            list.add(key, count(value));
        }
        for (currency, nanos) in part.costs {
            list.0.push(KeyValue::new(format!("tokentail.session.cost.{currency}"), units(*nanos)));
        }
        list.texts("tokentail.session.models", part.models.iter().cloned());
        list.dimensions(part.dimensions);
        let times = (time(part.start), time(part.end));
        self.span((part.trace_id, part.span_id, None), SpanKind::Internal, "session".into(), times, list)
    }

    fn span(
        &self,
        (trace, span, parent): ([u8; 16], [u8; 8], Option<[u8; 8]>),
        span_kind: SpanKind,
        name: Cow<'static, str>,
        (start_time, end): (SystemTime, SystemTime),
        list: List,
    ) -> SpanData {
        SpanData {
            span_context: context(trace, span, false),
            parent_span_id: parent.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: false,
            span_kind,
            name,
            start_time,
            end_time: end.max(start_time),
            attributes: list.0,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Attributes, without those that are empty.
struct List(Vec<KeyValue>);

impl List {
    fn with_capacity(capacity: usize) -> List {
        List(Vec::with_capacity(capacity))
    }

    fn add(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(key, value));
    }

    fn text(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.add(key, value.to_owned());
        }
    }

    fn texts(&mut self, key: &'static str, values: impl Iterator<Item = impl Into<StringValue>>) {
        let values: Vec<StringValue> = values.map(Into::into).collect();
        if !values.is_empty() {
            self.add(key, Value::Array(Array::String(values)));
        }
    }

    fn session(&mut self, session: SessionName<'_>, user: &str) {
        self.text("session.id", session.text);
        if session.derived {
            self.add("tokentail.session.derived", true);
        } else {
            self.text("gen_ai.conversation.id", session.text);
        }
        self.text("user.id", user);
    }

    fn content(&mut self, (conversation, exchange): &Shown) {
        let said = Said::new(&exchange.messages, exchange.answer.as_ref());
        for (key, value) in [
            ("gen_ai.system_instructions", said.instructions),
            ("gen_ai.input.messages", said.input),
            ("gen_ai.output.messages", said.output),
        ] {
            self.text(key, &value.unwrap_or_default());
        }
        if conversation.earlier > 0 {
            self.add("tokentail.content.earlier_messages", i64::from(conversation.earlier));
        }
        if said.is_cut || conversation.is_cut {
            self.add("tokentail.content.cut", true);
        }
    }

    fn dimensions(&mut self, dimensions: &[(String, String)]) {
        for (name, value) in dimensions {
            self.0.push(KeyValue::new(format!("tokentail.dimension.{name}"), value.clone()));
        }
    }
}

fn context(trace: [u8; 16], span: [u8; 8], remote: bool) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(trace), SpanId::from_bytes(span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, remote, TraceState::NONE)
}

fn with_events(events: Vec<Event>) -> SpanEvents {
    let mut list = SpanEvents::default();
    list.events = events;
    list
}

fn with_links(links: Vec<Link>) -> SpanLinks {
    let mut list = SpanLinks::default();
    list.links = links;
    list
}

/// Times before 1970 become its start; the log's reader refuses them anyway.
fn time(micros: Micros) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn units(nanos: i128) -> f64 {
    nanos as f64 / NANOS as f64
}

/// The conventions' own value for a provider where they have one, else our name.
fn provider(name: &str) -> &str {
    match name {
        "azure" | "azure-openai" => "azure.ai.openai",
        "azure-ai" => "azure.ai.inference",
        "bedrock" | "aws-bedrock" => "aws.bedrock",
        "gemini" | "google-ai-studio" => "gcp.gemini",
        "vertex" | "vertex-ai" | "vertexai" => "gcp.vertex_ai",
        "google" => "gcp.gen_ai",
        "mistral" | "mistralai" => "mistral_ai",
        "watsonx" => "ibm.watsonx.ai",
        "xai" | "x-ai" | "grok" => "x_ai",
        other => other,
    }
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
