//! The kind `chat`: streams of models that reason or do not, ends proper and not, and the cap.

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":9,\
                     \"completion_tokens_details\":{\"reasoning_tokens\":4}}}\n\n";

fn delta(field: &str, text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"{field}\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n")
}

fn finish(reason: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n")
}

fn target(address: SocketAddr) -> Target {
    let mut chat = Chat::new(format!("http://{address}/v1/chat/completions"), "qwen-max");
    chat.enabled = true;
    chat.api_key = Some(Secret::Text("sk-secret".to_owned()));
    Target::new("model", Check::Chat(chat))
}

/// A look at an endpoint that streams this.
async fn stream(body: &str) -> Outcome {
    look(&target(answers(format!("{HEAD}{body}")).await)).await
}

#[tokio::test]
async fn a_completion_tells_its_first_token_and_its_usage() {
    let body = [&delta("content", ""), &delta("content", "o"), &delta("content", "k"), &finish("stop"), USAGE];
    let outcome = stream(&(body.concat() + "data: [DONE]\n\n")).await;
    assert_eq!(failed(&outcome), (None, ""));
    assert_eq!(reached(&outcome), ["connect", "processing", "transfer"]);
    assert!(outcome.first_token_micros >= outcome.phases.processing, "{outcome:?}");
    let want = Tokens { uncached_input: 12, visible_output: 5, reasoning: 4, ..Tokens::default() };
    assert_eq!(outcome.tokens, Some(want));
    let json = serde_json::to_value(&outcome).expect("JSON");
    assert_eq!(json["tokens"], serde_json::json!({"input": 12, "output": 9, "cache_read": 0, "reasoning": 4}));
    assert_eq!((&json["model"], &json["usage_missing"]), (&"qwen-max".into(), &false.into()));
}

#[tokio::test]
async fn a_look_tells_what_its_completion_cost_or_that_it_is_not_known() {
    let table = crate::pricing::Table::builtin();
    let told = stream(&([&delta("content", "ok"), &finish("stop"), USAGE].concat() + "data: [DONE]\n\n")).await;
    let untold = stream(&(delta("content", "ok") + &finish("stop") + "data: [DONE]\n\n")).await;
    assert_eq!((told.usage_missing, untold.usage_missing), (false, true));
    let (known, unpriced) = (cost(&table, &told), Outcome { model: Some("made-up".to_owned()), ..told.clone() });
    assert!(known.as_ref().is_some_and(|look| look.cost.is_some()), "{known:?}");
    let probe = probe_at(&target("127.0.0.1:1".parse().expect("an address")), &Clock::system());
    let last = |outcome: &Outcome, look: Option<&LookCost>| {
        let text = text::render(&probe, &Run::Done(Box::new(outcome.clone())), look);
        text.lines().last().unwrap_or_default().to_owned()
    };
    let amount = last(&told, known.as_ref());
    assert!(amount.starts_with("  cost          0.0000") && amount.ends_with(')'), "{amount}");
    assert_eq!(
        last(&unpriced, cost(&table, &unpriced).as_ref()),
        "  cost          unpriced: no price row fits the model"
    );
    assert_eq!(last(&untold, None), "  tokens        not told by the endpoint: what it cost is not known");
}

#[tokio::test]
async fn the_request_is_a_stream_with_usage_and_room_to_reason() {
    let heard = Arc::new(parking_lot::Mutex::new(String::new()));
    let ear = Arc::clone(&heard);
    let address = serve(move |mut stream| {
        let ear = Arc::clone(&ear);
        async move {
            *ear.lock() = hear(&mut stream).await;
            let _ = stream
                .write_all(b"HTTP/1.1 401 No\r\ncontent-length: 35\r\n\r\n{\"error\":{\"message\":\"no such key\"}} ")
                .await;
        }
    })
    .await;
    let outcome = look(&target(address)).await;
    assert_eq!(failed(&outcome), (Some(Failure::Status), "status 401, expected 200-299: \"no such key\""));
    let heard = heard.lock().clone();
    assert!(heard.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("authorization: Bearer sk-secret\r\n"), "{heard}");
    let (_, body) = heard.split_once("\r\n\r\n").expect("a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert_eq!(body["max_tokens"], 1_024);
    assert_eq!(body["model"], "qwen-max");
}

#[tokio::test]
async fn a_model_that_only_reasons_until_its_bound_is_a_success() {
    for field in ["reasoning_content", "reasoning"] {
        let outcome = stream(&format!("{}{}", delta(field, "hm"), finish("length"))).await;
        assert_eq!(failed(&outcome), (None, ""), "{field}");
        assert!(outcome.first_token_micros.is_some(), "{field}");
    }
    // Reasoning that is not shown: only the usage knows of it.
    let outcome = stream(&format!("{}{USAGE}data: [DONE]\n\n", finish("length"))).await;
    assert_eq!((outcome.failure, outcome.first_token_micros), (None, None));
}

#[tokio::test]
async fn a_stream_that_ends_without_saying_so_is_cut() {
    let outcome = stream(&delta("content", "o")).await;
    let want = "the stream ended without `[DONE]` or a finish reason (1 chunks with tokens before)";
    assert_eq!(failed(&outcome), (Some(Failure::Cut), want));
    let head = HEAD.replace("\r\n\r\n", "\r\ncontent-length: 9000\r\n\r\n");
    let outcome = look(&target(answers(format!("{head}{}", delta("content", "o"))).await)).await;
    assert_eq!(outcome.failure, Some(Failure::Cut), "{outcome:?}");
    // All was said before the connection broke.
    let outcome = look(&target(answers(format!("{head}{}{}", delta("content", "o"), finish("stop"))).await)).await;
    assert_eq!(outcome.failure, None, "{outcome:?}");
}

#[tokio::test]
async fn an_error_inside_of_an_answer_is_a_failure_of_its_body() {
    let cases = [
        (
            "data: {\"error\":{\"message\":\"overloaded\\n\",\"code\":500}}\n\n",
            "the stream holds an error: \"overloaded\"",
        ),
        ("data: {\"error\":\"quota\"}\n\n", "the stream holds an error: \"quota\""),
        ("data: <html>\n\n", "an event is neither JSON nor `[DONE]`"),
        ("data: [DONE]\n\n", "the stream ended properly and held no token"),
    ];
    for (body, want) in cases {
        let outcome = stream(body).await;
        assert_eq!(outcome.failure, Some(Failure::Body), "{body}");
        assert!(outcome.message.starts_with(want), "{}", outcome.message);
    }
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let outcome = look(&target(answers(format!("{json}{{\"error\":{{\"message\":\"no\"}}}}")).await)).await;
    assert_eq!(failed(&outcome), (Some(Failure::Body), "status 200 with an error inside: \"no\""));
    let outcome = look(&target(answers(format!("{json}{{}}")).await)).await;
    assert_eq!(failed(&outcome), (Some(Failure::Body), "expected an event stream, found `application/json`"));
    let outcome = stream(&format!("data: {}", "x".repeat(300_000))).await;
    assert_eq!(failed(&outcome), (Some(Failure::Body), "an event of the stream is larger than 256 KiB"));
}

#[tokio::test]
async fn beyond_the_cap_there_is_no_look_until_the_next_day() {
    let body = format!("{HEAD}{}{}{USAGE}", delta("content", "o"), finish("stop"));
    let mut target = target(answers(body).await);
    let Check::Chat(chat) = &mut target.check else { panic!("a chat") };
    (chat.prompt, chat.max_tokens, chat.daily_tokens) = ("12345678".to_owned(), 28, 120);
    let clock = Clock::manual(1_000);
    let probe = probe_at(&target, &clock);
    // 28 + 8 + 64 at most for a look, and 21 in fact: the second finds 21 of 120 used.
    assert!(matches!(probe.run(&clock).await, Run::Done(_)));
    assert_eq!(probe.spent(clock.now()), 21);
    let want = "skipped: 21 of 120 tokens of the day (UTC) are used, and one look may use 100";
    assert_eq!(probe.run(&clock).await, Run::Skipped(want.to_owned()));
    assert_eq!(probe.spent(clock.now()), 21);
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(probe.spent(clock.now()), 0);
    assert!(matches!(probe.run(&clock).await, Run::Done(_)));
    // What was spent before a restart counts.
    let again = probe_at(&target, &clock);
    again.resume(clock.now(), 21);
    assert!(matches!(again.run(&clock).await, Run::Skipped(_)));
}

#[tokio::test]
async fn what_a_look_used_without_saying_so_counts_as_the_worst_case() {
    let clock = Clock::manual(1_000);
    let cut = target(answers(format!("{HEAD}{}", delta("content", "o"))).await);
    let probe = probe_at(&cut, &clock);
    probe.run(&clock).await;
    assert_eq!(probe.spent(clock.now()), 1_024 + Chat::PROMPT.len() as u64 + 64);
    let refused = answers("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n").await;
    let probe = probe_at(&target(refused), &clock);
    probe.run(&clock).await;
    assert_eq!(probe.spent(clock.now()), 0);
}

#[tokio::test]
async fn the_first_token_is_timed_from_the_sending_of_the_request() {
    let clock = Clock::manual(0);
    let moved = clock.clone();
    let address = serve(move |mut stream| {
        let moved = moved.clone();
        async move {
            hear(&mut stream).await;
            moved.advance(Duration::from_millis(300));
            let _ = stream.write_all(HEAD.as_bytes()).await;
            let _ = stream.write_all(delta("content", "a").as_bytes()).await;
            let _ = stream.write_all(format!("{}{USAGE}data: [DONE]\n\n", finish("stop")).as_bytes()).await;
        }
    })
    .await;
    let Run::Done(outcome) = probe_at(&target(address), &clock).run(&clock).await else { panic!("skipped") };
    assert_eq!((outcome.failure, outcome.first_token_micros), (None, Some(300_000)));
    // All tokens came in one chunk: there is no time to divide by.
    assert_eq!(outcome.tokens_per_second, None);
    assert_eq!((outcome.phases.processing, outcome.duration_micros), (Some(300_000), 300_000));
}
