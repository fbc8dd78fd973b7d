//! JSON text becomes JSON with its letters written out: `{"city":"\u5317\u4eac"}` is `{"city":"北京"}`.
//!
//! For arguments and results of tools, which many clients write in ASCII: what is searched for and read is the text. Everything else
//! stays byte for byte: the order of keys, numbers, blanks, and escapes that JSON cannot do without.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::cut;

/// The text with needless escapes written out, if it is JSON or the beginning of it.
pub(super) fn legible(text: &str) -> Cow<'_, str> {
    let is_needed = text.contains("\\u") || text.contains("\\/");
    if !is_needed || !text.trim_start().starts_with(['{', '[', '"']) || !is_json(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escaped) = rest.split_at(at);
        out.push_str(before);
        let (length, plain) = escape(escaped);
        match plain {
            Some(plain) => out.push(plain),
            None => out.push_str(escaped.get(..length).unwrap_or(escaped)),
        }
        rest = escaped.get(length..).unwrap_or("");
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_json(text: &str) -> bool {
    let is = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    is(text) || is(&cut::close(text))
}

/// Length of the escape that a text begins with, and what it is written out as, unless it is needed. Backslashes stand in strings
/// alone, so that every one begins an escape or is the second of one.
fn escape(text: &str) -> (usize, Option<char>) {
    let code = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    if text.starts_with("\\/") {
        return (2, Some('/'));
    }
    match code(0) {
        Some(high @ 0xd800..=0xdbff) => match code(6) {
            Some(low @ 0xdc00..=0xdfff) => (12, char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))),
            _ => (6, None),
        },
        Some(code) => (6, char::from_u32(code).filter(|plain| !plain.is_control() && !matches!(plain, '"' | '\\'))),
        None => (2, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn letters_are_written_out_and_the_rest_stays() {
        for (text, want) in [
            (r#"{"b": "\u5317\u4eac", "a":1.50}"#, r#"{"b": "北京", "a":1.50}"#),
            (r#"["ann\u0040example.com\n","\/","\ud83d\ude00"]"#, r#"["ann@example.com\n","/","😀"]"#),
            // What JSON needs, half a pair, and what is escaped twice.
            (r#"["\u0022\u005c\u000a\u0000\"\\"]"#, r#"["\u0022\u005c\u000a\u0000\"\\"]"#),
            (r#"["\ud83d\u5317 \\u5317"]"#, r#"["\ud83d北 \\u5317"]"#),
            // JSON that breaks off, and text that is none.
            (r#"{"a":"\u5317\u4e"#, r#"{"a":"北\u4e"#),
            (r#"{"a":"\u5317"#, r#"{"a":"北"#),
            (r#"[x] print("\u5317")"#, r#"[x] print("\u5317")"#),
            (r"say \u5317", r"say \u5317"),
            ("", ""),
        ] {
            assert_eq!(legible(text), want, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_value_stays(texts in prop::collection::vec(any::<String>(), 0..4)) {
            let escaped = |text: &String| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            let json = format!("[{}]", texts.iter().map(|text| format!("\"{}\"", escaped(text))).collect::<Vec<_>>().join(","));
            let plain = legible(&json).into_owned();
            prop_assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), Value::from(texts));
            prop_assert_eq!(legible(&plain), plain.as_str());
        }
    }
}
