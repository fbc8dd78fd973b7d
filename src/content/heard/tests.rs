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
            r#"[{"content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,eA=="}},"p"],"role":"user"}]"#,
            vec!["user: look|[image_url 1 B #5e21d86b]|p"],
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
            vec!["assistant: a f#({})"],
        ),
        (
            r#"[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"7"}]"#,
            vec!["assistant:  f#c({})", "tool: 7 @c"],
        ),
        (
            r#"{"contents":[{"role":"user","parts":[{"text":"q"},{"inlineData":{"mimeType":"image/png","data":"eA=="}},{"fileData":{"fileUri":"gs://b/x"}}]},{"role":"model","parts":[{"text":"hm","thought":true},{"text":"a","thoughtSignature":"s"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":1}}},{"functionResponse":{"id":"i","name":"f","response":"7"}}]}],"systemInstruction":{"parts":[{"text":"brief"}]}}"#,
            vec![
                "system: brief",
                "user: q|[inlineData 1 B #5e21d86b]|[fileData #2e741d7b]",
                "assistant: a <hm>",
                r#"user: {"a":1} @f"#,
                "user: 7 @i",
            ],
        ),
        // Anthropic's tools of the server, several results, documents.
        (
            r#"[{"role":"assistant","content":[{"type":"server_tool_use","id":"s1","name":"web","input":{"q":1}},{"type":"mcp_tool_use","id":"m1","name":"m","input":{}},{"type":"web_search_tool_result","tool_use_id":"s1","content":[{"type":"web_search_result","url":"u"}]}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"7"},{"type":"tool_result","tool_use_id":"t2"},{"type":"text","text":"go on"}]}]"#,
            vec![
                r#"assistant:  web#s1({"q":1}) m#m1({})"#,
                "assistant: [web_search_result] @s1",
                "user: 7 @t1",
                "user:  @t2",
                "user: go on",
            ],
        ),
        (
            r#"[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"the text"}},{"type":"document","source":{"type":"content","content":[{"type":"text","text":"more"}]}},{"type":"document","source":{"type":"base64","data":"eA=="}}]}]"#,
            vec!["user: the text|more|[document 1 B #5e21d86b]"],
        ),
        // OpenAI's custom tools, reasoning of the responses, and the older functions.
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"SELECT 1"}}]},{"type":"custom_tool_call","call_id":"d","name":"g","input":"x"},{"type":"custom_tool_call_output","call_id":"d","output":"y"},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"zz"},{"role":"function","name":"w","content":"7"}]"#,
            vec!["assistant:  f#c(SELECT 1)", "assistant:  g#d(x)", "tool: y @d", "assistant:  <hm>", "function: 7 @w"],
        ),
        (
            r#"{"model":"m","instructions":"brief","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]}]}"#,
            vec!["system: brief", "user: q"],
        ),
        (r#"{"input":"q","instructions":null}"#, vec!["user: q"]),
        (r#""just a string""#, vec!["user: just a string"]),
        (r#"{"role":"user","content":"q"}"#, vec!["user: q"]),
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
fn a_text_alone_is_a_question() {
    let said = Said::Text("just a string".into());
    let history = History::read(&said);
    assert_eq!((&*history.messages[0].role, history.is_cut, history.messages[0].is_cut), ("user", false, false));
}

#[test]
fn two_images_are_two_messages_and_none_is_kept() {
    let message = |data: &str| {
        let raw = format!(
            r#"[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]"#
        );
        read(&raw).concat()
    };
    let (one, two) = ("QUJD".repeat(4_000), "QUJE".repeat(4_000));
    assert!(message(&one).starts_with("user: [image_url 12 kB #") && message(&one).len() < 40);
    assert_ne!(message(&one), message(&two));
    assert_eq!(message(&one), message(&one));
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
    for raw in [
        r#"{"id":"c","function":{"name":"f","arguments":"{}"}}"#,
        r#"[{"functionCall":{"id":"c","name":"f","args":{}}}]"#,
    ] {
        let said = Said::Json(raw.into());
        let (calls, is_cut) = calls(&said);
        assert_eq!((&*calls[0].id, &*calls[0].name, &*calls[0].arguments, is_cut), ("c", "f", "{}", false), "{raw}");
    }
    let said = Said::Json(r#"[{"index":1,"function":{"name":"f","arguments":"{\"q\":"#.into());
    let (calls, is_cut) = calls(&said);
    assert_eq!((calls.len(), &*calls[0].name, &*calls[0].arguments, is_cut), (1, "f", "{\"q\":", true));
}
