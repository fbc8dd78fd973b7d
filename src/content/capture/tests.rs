//! Turns of conversations, as gateways log them, through the capturer and the codec and back.

use serde_json::{Value, json};

use super::*;

const KEY: &[u8] = b"a key of the tests";

fn config() -> Config {
    Config { capture: Capture { gateways: vec!["*".into()], consumers: Vec::new() }, ..Config::default() }
}

struct World {
    capturer: Capturer,
    lists: Vec<[u8; 16]>,
}

impl World {
    fn new(config: &Config) -> World {
        World::knowing(config, Vec::new())
    }

    fn knowing(config: &Config, known: Vec<[u8; 16]>) -> World {
        World { capturer: Capturer::build(config, Codec::build(None).unwrap(), KEY, known), lists: Vec::new() }
    }

    fn capture(&mut self, record: &Record<'_>) -> Option<(Captured, Exchange)> {
        let mut out = b"text of the batch".to_vec();
        let captured = self.capturer.capture("g", record, &mut out).unwrap()?;
        assert_eq!(captured.body.end as usize, out.len());
        self.lists.push(captured.list);
        let body = &out[captured.body.start as usize..];
        let exchange = Codec::build(None).unwrap().open(body).unwrap();
        Some((captured, exchange))
    }

    fn said(&mut self, content: Content<'_>) -> (Captured, Exchange) {
        let record = Record { session_id: "s".into(), content: Some(Box::new(content)), ..Record::default() };
        self.capture(&record).unwrap()
    }

    /// A turn of a chat: its messages, given as `role text`, and its answer.
    fn turn(&mut self, messages: &[&str], answer: &str) -> (Captured, Exchange) {
        self.said(Content { messages: list(messages), answer: text(answer), ..Content::default() })
    }
}

fn list(messages: &[&str]) -> Said<'static> {
    let message = |message: &&str| {
        let (role, text) = message.split_once(' ').unwrap();
        json!({"role": role, "content": text})
    };
    Said::Json(Value::from(messages.iter().map(message).collect::<Vec<_>>()).to_string().into())
}

fn text(text: &str) -> Said<'static> {
    if text.is_empty() { Said::Nothing } else { Said::Text(text.to_owned().into()) }
}

fn texts(exchange: &Exchange) -> Vec<String> {
    exchange.messages.iter().chain(&exchange.answer).map(|m| format!("{} {}", m.role, m.text)).collect()
}

#[test]
fn the_turns_of_a_conversation_are_stored_once() {
    let mut world = World::new(&config());
    let (first, exchange) = world.turn(&["system be brief", "user q1"], "a1");
    assert_eq!(texts(&exchange), ["system be brief", "user q1", "assistant a1"]);
    assert_eq!((first.messages, first.earlier, first.prefix), (2, 0, None));
    let (second, exchange) = world.turn(&["system be brief", "user q1", "assistant a1", "user q2"], "a2");
    assert_eq!(texts(&exchange), ["user q2", "assistant a2"]);
    assert_eq!((second.messages, second.earlier, second.prefix), (4, 3, Some(first.list)));
    let known = world.lists.clone();
    let third = ["system be brief", "user q1", "assistant a1", "user q2", "assistant a2", "user q3"];
    let (captured, exchange) = world.turn(&third, "a3");
    assert_eq!(texts(&exchange), ["user q3", "assistant a3"]);
    assert_eq!((captured.earlier, captured.prefix), (5, Some(second.list)));
    assert!(captured.logged_bytes > 200 && !captured.is_cut);
    // After a restart the lists that are stored are known again.
    let (again, exchange) = World::knowing(&config(), known).turn(&third, "a3");
    assert_eq!((texts(&exchange).len(), again.prefix, again.list), (2, Some(second.list), captured.list));
}

#[test]
fn instructions_that_change_with_every_request_are_stored_alone() {
    let mut world = World::new(&config());
    let (first, _) = world.turn(&["system rules", "system it is 9:00", "user q1"], "a1");
    let messages = ["system rules", "system it is 9:01", "user q1", "assistant a1", "user q2"];
    let (second, exchange) = world.turn(&messages, "a2");
    assert_eq!(texts(&exchange), ["system it is 9:01", "user q2", "assistant a2"]);
    assert_eq!((second.messages, second.earlier, second.prefix, second.is_anew), (5, 3, Some(first.list), false));
    // The next one under the same instructions; then a retry under others, which is a branch of its own.
    let messages = [&messages[..], &["assistant a2", "user q3"]].concat();
    let (third, exchange) = world.turn(&messages, "a3");
    assert_eq!((texts(&exchange).len(), third.earlier, third.prefix), (2, 6, Some(second.list)));
    let retry = [&["system rules", "system it is 9:03"], &messages[2..]].concat();
    let (captured, exchange) = world.turn(&retry, "a3, otherwise");
    assert_eq!(texts(&exchange), ["system it is 9:03", "user q3", "assistant a3, otherwise"]);
    assert_eq!((captured.prefix, captured.is_anew), (Some(second.list), false));
    // The same question under other instructions is another conversation.
    let (captured, _) = world.turn(&["system other rules", "user q1"], "a1");
    assert_eq!((captured.prefix, captured.earlier), (None, 0));
    // After a restart all of the head counts as changed.
    let known = world.lists.clone();
    let messages =
        ["system rules", "system it is 9:09", "user q1", "assistant a1", "user q2", "assistant a2", "user q4"];
    let (captured, exchange) = World::knowing(&config(), known).turn(&messages, "a4");
    assert_eq!(texts(&exchange), ["system rules", "system it is 9:09", "user q4", "assistant a4"]);
    assert_eq!((captured.prefix, captured.earlier), (Some(second.list), 4));
}

#[test]
fn changed_instructions_stand_behind_the_results_of_tools() {
    let mut world = World::new(&config());
    world.turn(&["system 9:00", "user q1"], "let me look");
    let (_, exchange) = world.turn(&["system 9:01", "user q1", "assistant let me look", "tool found", "user q2"], "a2");
    assert_eq!(texts(&exchange), ["tool found", "system 9:01", "user q2", "assistant a2"]);
}

#[test]
fn of_a_window_only_what_is_new_is_stored() {
    let mut world = World::new(&config());
    let said: Vec<String> =
        (0..40).map(|n| if n % 2 == 0 { format!("user q{n}") } else { format!("assistant a{n}") }).collect();
    let mut before = None;
    for n in (0..40).step_by(2) {
        let clock = format!("system it is 9:{n:02}");
        let window: Vec<&str> =
            [clock.as_str()].into_iter().chain(said[n.max(7) - 7..=n].iter().map(String::as_str)).collect();
        let (captured, exchange) = world.turn(&window, &format!("a{}", n + 1));
        assert_eq!(texts(&exchange), [clock.clone(), said[n].clone(), said[n + 1].clone()], "{n}");
        assert_eq!((captured.prefix, captured.is_anew), (before, false));
        assert_eq!((captured.messages as usize, captured.earlier as usize), (window.len(), window.len() - 2));
        before = Some(captured.list);
    }
}

#[test]
fn a_changed_history_starts_anew_where_it_changed_and_a_repeated_line_has_nothing_new() {
    let mut world = World::new(&config());
    let (first, _) = world.turn(&["user q1"], "a1");
    let (_, exchange) = world.turn(&["user q1"], "a1");
    assert_eq!(
        texts(&exchange),
        ["assistant a1"],
        "the ledger drops a duplicate line; a retry has an answer of its own"
    );
    let (_, exchange) = world.turn(&["user q1, said otherwise", "assistant a1", "user q2"], "a2");
    assert_eq!(texts(&exchange).len(), 4);
    // An answer that the client changed, or the log did not have, is new.
    let (captured, exchange) = world.turn(&["user q1", "assistant shortened", "user q2"], "a2");
    assert_eq!(texts(&exchange), ["assistant shortened", "user q2", "assistant a2"]);
    assert_eq!(captured.prefix, Some(first.list));
}

#[test]
fn nobody_else_s_conversation_is_known() {
    let mut world = World::new(&config());
    let content = || Some(Box::new(Content { messages: list(&["user q1"]), ..Content::default() }));
    let base = Record { session_id: "s".into(), consumer: "c".into(), user: "u".into(), ..Record::default() };
    let anonymous = Record { session_id: "".into(), client_address: "10.0.0.1".into(), ..base.clone() };
    for other in [
        base.clone(),
        Record { session_id: "t".into(), ..base.clone() },
        Record { consumer: "d".into(), ..base.clone() },
        Record { user: "v".into(), ..base.clone() },
        anonymous.clone(),
        Record { client_address: "10.0.0.2".into(), ..anonymous.clone() },
    ] {
        let (captured, exchange) = world.capture(&Record { content: content(), ..other }).unwrap();
        assert_eq!((captured.prefix, exchange.messages.len()), (None, 1));
    }
    // An address says nothing where there is a session.
    let moved = Record { client_address: "10.0.0.9".into(), content: content(), ..base };
    assert!(world.capture(&moved).unwrap().0.prefix.is_some());
    let lists: std::collections::BTreeSet<_> = world.lists.iter().collect();
    assert_eq!(lists.len(), world.lists.len() - 1);
    let mut other_key = Capturer::build(&config(), Codec::build(None).unwrap(), b"another key", []);
    let record = Record { content: content(), ..anonymous };
    let captured = other_key.capture("g", &record, &mut Vec::new()).unwrap().unwrap();
    assert!(!lists.contains(&captured.list));
}

#[test]
fn only_who_is_named_is_captured() {
    let capture = Capture { gateways: vec!["a".into()], consumers: vec!["c".into()] };
    let mut capturer = Capturer::build(&Config { capture, ..Config::default() }, Codec::build(None).unwrap(), KEY, []);
    let record = |consumer: &'static str| Record {
        consumer: consumer.into(),
        content: Some(Box::new(Content { question: text("q"), ..Content::default() })),
        ..Record::default()
    };
    let mut out = Vec::new();
    for (gateway, consumer, captured) in [("a", "", true), ("b", "c", true), ("b", "", false), ("b", "d", false)] {
        assert_eq!(capturer.capture(gateway, &record(consumer), &mut out).unwrap().is_some(), captured);
    }
    out.clear();
    capturer.configure(&Config::default());
    assert_eq!(capturer.capture("a", &record("c"), &mut out).unwrap(), None);
    assert_eq!(capturer.capture("a", &Record::default(), &mut out).unwrap(), None);
    assert!(out.is_empty());
}

#[test]
fn a_message_of_12_mb_is_cut_and_marked_and_the_answer_keeps_its_place() {
    let mut world = World::new(&Config { max_size: 64 << 10, ..config() });
    let long = format!("user {}", "长 text ".repeat(1_500_000));
    assert!(long.len() > 12 << 20);
    let (captured, exchange) = world.turn(&[&long, "user and this"], "the answer");
    assert!(captured.is_cut && captured.logged_bytes > 12 << 20);
    let size: usize = exchange.messages.iter().chain(&exchange.answer).map(|m| m.text.len()).sum();
    assert!((60 << 10..=64 << 10).contains(&size), "{size}");
    assert_eq!(exchange.messages.iter().map(|m| m.is_cut).collect::<Vec<_>>(), [true, true]);
    let answer = exchange.answer.unwrap();
    assert_eq!((answer.text.as_str(), answer.is_cut), ("the answer", false));
    // A long answer has half where the messages want it all.
    let (_, exchange) = world.turn(&[&long, "user more"], &"word ".repeat(100_000));
    assert_eq!(exchange.answer.map(|m| (m.text.len(), m.is_cut)), Some((32 << 10, true)));
}

#[test]
fn what_is_cut_by_the_log_is_kept_up_to_there_with_the_question() {
    let mut world = World::new(&config());
    let (captured, exchange) = world.said(Content {
        messages: Said::Json(r#"[{"role":"user","content":"q1"},{"role":"assistant","content":"a very lo"#.into()),
        question: text("q2"),
        answer: text("a2"),
        ..Content::default()
    });
    assert!(captured.is_cut);
    assert_eq!(texts(&exchange), ["user q1", "assistant a very lo", "user q2", "assistant a2"]);
    assert!(exchange.messages[1].is_cut && !exchange.messages[2].is_cut);
}

#[test]
fn a_log_of_questions_and_answers_alone_is_captured_turn_by_turn() {
    let mut world = World::new(&config());
    for _ in 0..2 {
        let (captured, exchange) = world.said(Content {
            system: text("be brief"),
            question: text("go on"),
            answer: text("a"),
            ..Content::default()
        });
        assert_eq!(texts(&exchange), ["system be brief", "user go on", "assistant a"]);
        assert_eq!((captured.messages, captured.earlier, captured.prefix), (2, 0, None));
    }
    let nothing = Record { content: Some(Box::default()), ..Record::default() };
    assert!(world.capture(&nothing).is_none());
}

#[test]
fn tools_and_reasoning_are_kept_and_everything_is_redacted() {
    let mut world = World::new(&config());
    let calls = r#"[{"id":"c1","function":{"name":"mail","arguments":"{\"to\":\"ann@example.org\"}"}}]"#;
    let (captured, exchange) = world.said(Content {
        messages: list(&["user call 13800138000"]),
        system: text("key sk-0123456789abcdefghij"),
        reasoning: text("the card 4111111111111111"),
        tool_calls: Said::Json(calls.into()),
        ..Content::default()
    });
    let answer = exchange.answer.unwrap();
    assert_eq!(answer.tool_calls[0].arguments, r#"{"to":"‹email········›"}"#);
    assert_eq!((answer.tool_calls[0].name.as_str(), answer.tool_calls[0].id.as_str()), ("mail", "c1"));
    assert_eq!(answer.reasoning, "the card ‹card··········›");
    assert_eq!(exchange.messages[0].role, "system");
    assert_eq!(exchange.messages[1].text, "call ‹phone····›");
    let counts: Vec<_> = captured.redactions.iter().map(|(name, count)| (&**name, *count)).collect();
    assert_eq!(counts, [("email", 1), ("phone", 1), ("card", 1), ("key", 1)]);
    assert!(world.turn(&["user hello"], "").0.redactions.is_empty());
    // What the next turn sends back is known, although it is kept redacted, and its ids and reasoning are not there.
    let raw = json!([
        {"role": "user", "content": "call 13800138000"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "mail", "arguments": "{\"to\":\"ann@example.org\"}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "sent"},
    ]);
    let (captured, exchange) = world.said(Content {
        messages: Said::Json(raw.to_string().into()),
        system: text("key sk-0123456789abcdefghij"),
        ..Content::default()
    });
    assert_eq!((captured.messages, captured.earlier), (4, 3));
    assert_eq!((exchange.messages[0].text.as_str(), exchange.messages[0].tool_call_id.as_str()), ("sent", "c1"));
}

#[test]
fn json_of_tools_is_read_with_its_escapes_and_stays_json() {
    let mut world = World::new(&config());
    let arguments = r#"{"z": "\u5317\u4eac\n13800138000", "a":1.50,"to":"ann\u0040example.com","k":"\tsk-proj-abc123DEF456ghi789"}"#;
    let raw = json!([
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "c1", "content": r#"{"city":"\u4e0a\u6d77","card":"\n4111111111111111"}"#},
        {"role": "user", "content": r#"{"as":"\u5199"}"#},
    ]);
    let (captured, exchange) =
        world.said(Content { messages: Said::Json(raw.to_string().into()), ..Content::default() });
    let kept = &exchange.messages[0].tool_calls[0].arguments;
    assert_eq!(
        kept,
        r#"{"z": "北京\n‹phone····›", "a":1.50,"to":"‹email········›","k":"\t‹key·····················›"}"#
    );
    assert!(serde_json::from_str::<Value>(kept).is_ok());
    assert_eq!(exchange.messages[1].text, r#"{"city":"上海","card":"\n‹card··········›"}"#);
    assert_eq!(exchange.messages[2].text, r#"{"as":"\u5199"}"#, "what a user writes stays as written");
    let counts: Vec<_> = captured.redactions.iter().map(|(name, count)| (&**name, *count)).collect();
    assert_eq!(counts, [("email", 1), ("phone", 1), ("card", 1), ("key", 1)]);
}

#[test]
fn roles_ids_and_names_are_redacted_too() {
    let mut world = World::new(&config());
    let raw = json!([
        {"role": "ann@example.org", "content": "q"},
        {"role": "assistant", "tool_calls": [{"id": "13800138000", "function": {"name": "sk-proj-abc123DEF456ghi789"}}]},
        {"role": "tool", "tool_call_id": "13800138000", "content": "7"},
    ]);
    let (captured, exchange) =
        world.said(Content { messages: Said::Json(raw.to_string().into()), ..Content::default() });
    let call = &exchange.messages[1].tool_calls[0];
    assert_eq!(exchange.messages[0].role, "‹email········›");
    assert_eq!((call.id.as_str(), call.name.as_str()), ("‹phone····›", "‹key·····················›"));
    assert_eq!(exchange.messages[2].tool_call_id, "‹phone····›");
    let counts: Vec<_> = captured.redactions.iter().map(|(name, count)| (&**name, *count)).collect();
    assert_eq!(counts, [("email", 1), ("phone", 2), ("key", 1)]);
}

#[test]
fn reasoning_may_be_a_list_of_parts_and_a_call_stand_alone() {
    let (_, exchange) = World::new(&config()).said(Content {
        messages: text("just a string"),
        answer: text("a"),
        reasoning: Said::Json(r#"[{"type":"thinking","thinking":"T"}]"#.into()),
        tool_calls: Said::Json(r#"{"id":"c","function":{"name":"f","arguments":"{}"}}"#.into()),
        ..Content::default()
    });
    assert_eq!(texts(&exchange), ["user just a string", "assistant a"]);
    let answer = exchange.answer.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.tool_calls[0].name.as_str(), answer.is_cut), ("T", "f", false));
}
