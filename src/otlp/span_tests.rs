//! Spans compared attribute by attribute.

use super::*;
use crate::record::{Anomalies, Anomaly, Assumed, Cost, ErrorReason, Outcome};

fn origin() -> Attributes {
    Attributes {
        gateway: "higress".into(),
        provider: "mistral".into(),
        model: "m-1".into(),
        consumer: "sales".into(),
        mode: Mode::Stream,
        dimensions: vec![("agent".into(), "main".into())],
        ..Attributes::default()
    }
}

fn row() -> Row {
    let mut anomalies = Anomalies::default();
    anomalies.insert(Anomaly::TotalMismatch);
    Row {
        start: 1_700_000_000_000_000,
        duration: Some(1_500_000),
        first_token: Some(250_000),
        status: 200,
        counted: true,
        tokens: Tokens {
            uncached_input: 5,
            cache_read: 3,
            cache_write_5m: 1,
            cache_write_1h: 1,
            visible_output: 6,
            reasoning: 4,
        },
        cost: Some(Cost { nanos: 5_625_000, currency: Currency::CNY }),
        assumed: Assumed::PROVIDER,
        anomalies,
        trace_id: Some([9; 16]),
        ..Row::default()
    }
}

fn request<'a>(row: &'a Row, attributes: &'a Attributes, tools: &'a [String]) -> RequestSpan<'a> {
    let session = SessionName { text: "s-1", derived: false };
    let (trace_id, span_id, parent_id) = ([1; 16], [2; 8], Some([3; 8]));
    RequestSpan { trace_id, span_id, parent_id, row, attributes, user: "u-1", session, tools, content: None }
}

fn listed(span: &SpanData) -> Vec<String> {
    span.attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect()
}

#[test]
fn a_request_becomes_a_client_span_with_the_attributes_of_the_conventions() {
    let tools = ["search".to_owned(), "search".to_owned()];
    let span = Maker::default().request(&request(&row(), &origin(), &tools));
    assert_eq!((span.name.as_ref(), &span.span_kind), ("chat m-1", &SpanKind::Client));
    assert_eq!(span.span_context.trace_id().to_bytes(), [1; 16]);
    assert_eq!(span.span_context.span_id().to_bytes(), [2; 8]);
    assert_eq!(span.parent_span_id.to_bytes(), [3; 8]);
    assert_eq!(span.start_time, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_millis(1500));
    assert_eq!(span.status, Status::Unset);
    assert_eq!(
        listed(&span),
        [
            "gen_ai.operation.name=chat",
            "gen_ai.provider.name=mistral_ai",
            "gen_ai.request.model=m-1",
            "gen_ai.response.model=m-1",
            "gen_ai.request.stream=true",
            "gen_ai.response.time_to_first_chunk=0.25",
            "session.id=s-1",
            "gen_ai.conversation.id=s-1",
            "user.id=u-1",
            "gen_ai.usage.input_tokens=10",
            "gen_ai.usage.output_tokens=10",
            "gen_ai.usage.cache_read.input_tokens=3",
            "gen_ai.usage.cache_creation.input_tokens=2",
            "gen_ai.usage.reasoning.output_tokens=4",
            "gen_ai.usage.cost=0.005625",
            "tokentail.cost.currency=CNY",
            "tokentail.cost.amount=0.005625",
            "http.response.status_code=200",
            "tokentail.gateway=higress",
            "tokentail.consumer=sales",
            "tokentail.price.assumed=[\"provider\"]",
            "tokentail.anomalies=[\"total_mismatch\"]",
            "tokentail.dimension.agent=main",
            "tokentail.gateway.trace_id=09090909090909090909090909090909",
        ]
    );
    assert_eq!(span.events.len(), 2);
    assert_eq!(span.events[0].attributes, [KeyValue::new("gen_ai.tool.name", "search")]);
    assert_eq!(span.events[0].timestamp, span.end_time);
    assert_eq!(span.links[0].span_context.trace_id().to_bytes(), [9; 16]);
}

#[test]
fn a_failure_has_its_reason_as_status_and_type() {
    let row = Row { outcome: Outcome::Error(ErrorReason::RateLimited), status: 429, ..Row::default() };
    let span = Maker::default().request(&request(&row, &Attributes::default(), &[]));
    assert_eq!(span.status, Status::error("rate_limited"));
    assert_eq!(span.name, "chat");
    let all = listed(&span);
    assert!(all.contains(&"error.type=rate_limited".to_owned()), "{all:?}");
    for absent in ["gen_ai.usage", "gen_ai.response", "gen_ai.request", "tokentail.gateway"] {
        assert!(!all.iter().any(|pair| pair.starts_with(absent)), "{absent}: {all:?}");
    }
}

#[test]
fn a_derived_session_is_no_conversation_and_a_joined_trace_needs_no_link() {
    let (row, origin) = (row(), origin());
    let session = SessionName { text: "d-1", derived: true };
    let derived = RequestSpan { session, trace_id: [9; 16], ..request(&row, &origin, &[]) };
    let span = Maker::default().request(&derived);
    let all = listed(&span);
    assert!(all.contains(&"session.id=d-1".to_owned()) && all.contains(&"tokentail.session.derived=true".to_owned()));
    assert!(!all.iter().any(|pair| pair.contains("conversation")), "{all:?}");
    assert!(span.links.is_empty());
}

#[test]
fn a_part_of_a_session_is_a_root_whose_sums_are_not_usage() {
    let part = SessionSpan {
        trace_id: [1; 16],
        span_id: [3; 8],
        session: SessionName { text: "s-1", derived: false },
        gateway: "higress",
        consumer: "",
        user: "",
        start: 1_000_000,
        end: 61_000_000,
        part: 1,
        revision: 2,
        reason: "idle",
        turns: 3,
        requests: 4,
        errors: 1,
        tool_calls: 0,
        tokens: row().tokens,
        costs: &[(Currency::USD, 1_500_000_000), (Currency::CNY, 2)],
        models: &["m-1".to_owned(), "m-2".to_owned()],
        dimensions: &[("agent".to_owned(), "main".to_owned())],
    };
    let span = Maker::default().session(&part);
    assert_eq!((span.name.as_ref(), &span.span_kind), ("session", &SpanKind::Internal));
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_secs(60));
    let all = listed(&span);
    for want in [
        "session.id=s-1",
        "tokentail.session.part=1",
        "tokentail.session.revision=2",
        "tokentail.session.close_reason=idle",
        "tokentail.session.turns=3",
        "tokentail.session.requests=4",
        "tokentail.session.errors=1",
        "tokentail.session.input_tokens=10",
        "tokentail.session.cache_write_input_tokens=2",
        "tokentail.session.cost.USD=1.5",
        "tokentail.session.cost.CNY=0.000000002",
        "tokentail.session.models=[\"m-1\",\"m-2\"]",
        "tokentail.dimension.agent=main",
    ] {
        assert!(all.contains(&want.to_owned()), "{want}: {all:?}");
    }
    assert!(!all.iter().any(|pair| pair.starts_with("gen_ai.usage")), "{all:?}");
}

#[test]
fn the_service_has_a_name_that_no_other_attribute_replaces() {
    let mut config = Config::new("x", "http://h/".parse().unwrap());
    config.resource =
        vec![("deployment.environment.name".into(), "prod".into()), ("service.version".into(), "9".into())];
    let made = resource(&config);
    let get = |key: &'static str| made.get(&key.into()).map(|value| value.to_string());
    assert_eq!(get("service.name").as_deref(), Some("tokentail"));
    assert_eq!(get("service.version").as_deref(), Some("9"));
    assert_eq!(get("deployment.environment.name").as_deref(), Some("prod"));
}

#[test]
fn what_was_said_is_there_only_where_it_is_handed_in() {
    use crate::content::{Conversation, Exchange, Message};
    let message = |role: &str, text: &str| Message { role: role.into(), text: text.into(), ..Message::default() };
    let exchange = Exchange { messages: vec![message("user", "why?")], answer: Some(message("assistant", "so")) };
    let shown = (Conversation { earlier: 2, is_cut: true, ..Conversation::default() }, exchange);
    let (row, origin) = (row(), origin());
    let with = Maker::default().request(&RequestSpan { content: Some(&shown), ..request(&row, &origin, &[]) });
    let without = listed(&Maker::default().request(&request(&row, &origin, &[])));
    let added: Vec<String> = listed(&with).into_iter().filter(|text| !without.contains(text)).collect();
    assert_eq!(
        added,
        [
            r#"gen_ai.input.messages=[{"parts":[{"content":"why?","type":"text"}],"role":"user"}]"#,
            r#"gen_ai.output.messages=[{"finish_reason":"unknown","parts":[{"content":"so","type":"text"}],"role":"assistant"}]"#,
            "tokentail.content.earlier_messages=2",
            "tokentail.content.cut=true",
        ]
    );
    let erased = (Conversation { is_erased: true, ..Conversation::default() }, Exchange::default());
    let erased = Maker::default().request(&RequestSpan { content: Some(&erased), ..request(&row, &origin, &[]) });
    assert_eq!(listed(&erased), without);
}
