//! JSON that breaks off becomes whole JSON: what is open is closed.

use std::borrow::Cow;

/// Deepest nesting that is closed; what is deeper is no message.
const MAX_DEPTH: usize = 120;

/// What stands between two places that gateways cut the middle out of.
const GAP: &str = " [truncated] ";

/// Where the text is within an object or a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    List,
    /// Before a key.
    Key,
    /// Behind a key.
    Colon,
    /// Before or behind a value.
    Value,
}

/// The text with everything closed that is open at its end, or at the gap in it. A key without a value gets null, half an
/// escape goes. What is no JSON stays no JSON.
pub(super) fn close(text: &str) -> Cow<'_, str> {
    let text = text.find(GAP).and_then(|gap| text.get(..gap)).unwrap_or(text);
    let mut levels: Vec<Open> = Vec::new();
    let bytes = text.as_bytes();
    let (mut at, mut in_string, mut escape, mut bare) = (0, false, None, None);
    // Where the text is whole up to, without the value that is being read.
    while let Some(byte) = bytes.get(at) {
        if in_string {
            match byte {
                b'\\' => {
                    escape = Some(at);
                    let length = if bytes.get(at + 1) == Some(&b'u') { 6 } else { 2 };
                    if at + length <= bytes.len() {
                        escape = None;
                    }
                    at += length;
                    continue;
                }
                b'"' => {
                    in_string = false;
                    if let Some(level @ Open::Key) = levels.last_mut() {
                        *level = Open::Colon;
                    }
                }
                _ => {}
            }
            at += 1;
            continue;
        }
        match byte {
            b'"' => (in_string, bare) = (true, None),
            b'{' | b'[' => {
                if levels.len() >= MAX_DEPTH {
                    return Cow::Borrowed(text);
                }
                levels.push(if *byte == b'{' { Open::Key } else { Open::List });
                bare = None;
            }
            b'}' | b']' => {
                levels.pop();
                bare = None;
            }
            b':' => {
                if let Some(level) = levels.last_mut() {
                    *level = Open::Value;
                }
                bare = None;
            }
            b',' => {
                if let Some(level @ Open::Value) = levels.last_mut() {
                    *level = Open::Key;
                }
                bare = None;
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => bare = bare.or(Some(at)),
        }
        at += 1;
    }
    if levels.is_empty() {
        return Cow::Borrowed(text);
    }
    let end = escape.or(bare).unwrap_or(text.len());
    let mut whole = text.get(..end).unwrap_or(text).to_owned();
    if in_string {
        whole.push('"');
        if let Some(level @ Open::Key) = levels.last_mut() {
            *level = Open::Colon;
        }
    }
    let trimmed = whole.trim_end().len();
    whole.truncate(trimmed);
    if whole.ends_with(',') {
        whole.pop();
    }
    if levels.last() == Some(&Open::Colon) {
        whole.push_str(":null");
    } else if whole.ends_with(':') && !in_string {
        whole.push_str("null");
    }
    for level in levels.iter().rev() {
        whole.push(if *level == Open::List { ']' } else { '}' });
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_open_is_closed() {
        for (cut, want) in [
            (r#"[{"a":"b"#, r#"[{"a":"b"}]"#),
            (r#"[{"a":"b\"#, r#"[{"a":"b"}]"#),
            (r#"[{"a":"b\u12"#, r#"[{"a":"b"}]"#),
            (r#"[{"a":"b\u1234"#, r#"[{"a":"b\u1234"}]"#),
            (r#"[{"a"#, r#"[{"a":null}]"#),
            (r#"[{"a" "#, r#"[{"a":null}]"#),
            (r#"[{"a":"#, r#"[{"a":null}]"#),
            (r#"[{"a":tru"#, r#"[{"a":null}]"#),
            (r#"[{"a":1,"#, r#"[{"a":1}]"#),
            (r#"[{"a":1},"#, r#"[{"a":1}]"#),
            (r#"[{"a":[1,{"b":":"#, r#"[{"a":[1,{"b":":"}]}]"#),
            ("[", "[]"),
            ("{", "{}"),
            (r#"[{"a":"b [truncated] c"}]"#, r#"[{"a":"b"}]"#),
            ("", ""),
            ("text", "text"),
        ] {
            assert_eq!(close(cut), want, "{cut}");
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i32>().prop_map(Into::into),
            any::<String>().prop_map(Into::into)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-z\\\\\"]{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_beginning_of_a_list_becomes_json(items in prop::collection::vec(value(), 0..4), at in any::<prop::sample::Index>()) {
            let text = serde_json::Value::from(items).to_string();
            let at = text.floor_char_boundary(1 + at.index(text.len()));
            let closed = close(&text[..at.max(1)]);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&closed).is_ok(), "{} of {}", closed, text);
        }

        #[test]
        fn no_text_panics(text in "[\\[{\\]}\",:\\\\u0a-c \u{4e2d}]{0,24}") {
            let _ = close(&text);
        }
    }
}
