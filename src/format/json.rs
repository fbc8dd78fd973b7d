//! JSON text becomes keys and the raw text of their values, one level at a time.
//!
//! Values stay text until somebody asks for one: so no number is out of range, nothing recurses, and a value of many
//! megabytes that nobody asks for costs one pass over its bytes. Does not build trees.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting of a line that is read.
pub(crate) const MAX_DEPTH: usize = 128;

/// Calls `found` with each key of an object and the raw text of its value, in the order of the text, duplicates too.
///
/// # Errors
/// Where `text` is no JSON object, blanks around it aside. What stands before the fault was already handed to `found`.
pub(crate) fn read_object<'a>(
    text: &'a str,
    found: &mut dyn FnMut(Cow<'a, str>, &'a str),
) -> Result<(), serde_json::Error> {
    struct Object<'f, 'a>(&'f mut dyn FnMut(Cow<'a, str>, &'a str));
    impl<'a> Visitor<'a> for Object<'_, 'a> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
            while let Some(key) = map.next_key_seed(Key)? {
                self.0(key, map.next_value::<&RawValue>()?.get());
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Object(found))?;
    deserializer.end()
}

/// Calls `found` with the raw text of each element of an array, until it returns false.
///
/// # Errors
/// Where `text` is no JSON array. What stands before the fault was already handed to `found`.
pub(crate) fn read_array<'a>(text: &'a str, found: &mut dyn FnMut(&'a str) -> bool) -> Result<(), serde_json::Error> {
    struct Array<'f, 'a>(&'f mut dyn FnMut(&'a str) -> bool);
    impl<'a> Visitor<'a> for Array<'_, 'a> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON array")
        }

        fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<(), S::Error> {
            while let Some(element) = seq.next_element::<&RawValue>()? {
                if !self.0(element.get()) {
                    while seq.next_element::<IgnoredAny>()?.is_some() {}
                    break;
                }
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_seq(Array(found))?;
    deserializer.end()
}

/// A string or a key, borrowed where it has no escapes.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Decodes a JSON string, quotes included in `raw`; `None` where it is not one whole valid string.
pub(crate) fn try_decode_string(raw: &str) -> Option<Cow<'_, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let text = Key.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(text)
}

/// Decodes a string that was already read as valid JSON. One with half of a surrogate pair, which JSON's grammar
/// allows and no text can hold, is taken as it is written.
pub(crate) fn decode_string(raw: &str) -> Cow<'_, str> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(content) if !content.contains('\\') => Cow::Borrowed(content),
        Some(content) => try_decode_string(raw).unwrap_or(Cow::Borrowed(content)),
        None => Cow::Borrowed(raw),
    }
}

/// Takes one level of string escapes off `text`; what is no string content stays as it is.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    match try_decode_string(&format!("\"{text}\"")) {
        Some(plain) => Cow::Owned(plain.into_owned()),
        None => Cow::Borrowed(text),
    }
}

/// The JSON object or array that a string holds: as it is, escaped once more, or as a JSON string again. `None` where
/// the string holds something else.
pub(crate) fn embedded(mut text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    // Each round takes a level of escapes off, so that a few are enough for any chain of loggers.
    for _ in 0..4 {
        let trimmed = text.trim_start();
        let escaped = match trimmed.as_bytes() {
            [b'{' | b'[', rest @ ..] => match rest.trim_ascii_start() {
                [b'\\', ..] => true,
                _ => return Some(text),
            },
            [b'"', ..] => false,
            _ => return None,
        };
        text = Cow::Owned(if escaped {
            try_decode_string(&format!("\"{trimmed}\""))?.into_owned()
        } else {
            try_decode_string(trimmed)?.into_owned()
        });
    }
    None
}

/// Whether objects and arrays nest deeper than [`MAX_DEPTH`], strings left out. Right for valid JSON.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Writes null for each bare `NaN`, `Infinity` and `-Infinity`, which some loggers print although JSON has no such
/// numbers; `None` where there is none.
pub(crate) fn without_nan(text: &str) -> Option<String> {
    let mut clean = String::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let rest = text.get(at..).unwrap_or("");
                if let Some(token) = ["NaN", "Infinity", "-Infinity", "-NaN"].iter().find(|t| rest.starts_with(**t)) {
                    clean.push_str(text.get(copied..at).unwrap_or(""));
                    clean.push_str("null");
                    at += token.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    clean.push_str(text.get(copied..).unwrap_or(""));
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> (Vec<(String, String)>, bool) {
        let mut found = Vec::new();
        let whole = read_object(text, &mut |key, raw| found.push((key.into_owned(), raw.to_owned()))).is_ok();
        (found, whole)
    }

    #[test]
    fn an_object_is_read_one_level_deep_with_numbers_as_text() {
        let (found, whole) = keys(r#" {"a" : 1e400 ,"b\u0063":{"x":[1]},"a":"\ud800"} "#);
        assert!(whole);
        let want = [("a", "1e400"), ("bc", r#"{"x":[1]}"#), ("a", r#""\ud800""#)];
        assert_eq!(found, want.map(|(key, raw)| (key.to_owned(), raw.to_owned())));
    }

    #[test]
    fn what_stands_before_a_fault_is_read() {
        let (found, whole) = keys(r#"{"a":1,"b":"x"#);
        assert!(!whole);
        assert_eq!(found, [("a".to_owned(), "1".to_owned())]);
        for bad in ["", "[]", "1", "{} x", "{\"a\":NaN}", "{\"a\" 1}"] {
            assert!(!keys(bad).1, "{bad}");
        }
    }

    #[test]
    fn a_very_deep_value_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(keys(&deep).1);
        assert!(is_too_deep(&deep));
        assert!(!is_too_deep(&format!("{}\"[[[[\\\"{{\"{}", "[".repeat(128), "]".repeat(128))));
        assert!(is_too_deep(&"[".repeat(129)));
    }

    #[test]
    fn json_in_a_string_is_found_however_often_it_is_escaped() {
        for text in [r#"{"a":1}"#, r#"{\"a\":1}"#, r#""{\"a\":1}""#, r#"{\\\"a\\\":1}"#] {
            assert_eq!(embedded(Cow::Borrowed(text)).as_deref(), Some(r#"{"a":1}"#), "{text}");
        }
        for text in ["", "-", "plain", "\"", "{\\x}", "12"] {
            assert_eq!(embedded(Cow::Borrowed(text)), None, "{text}");
        }
    }

    #[test]
    fn bare_nan_outside_strings_becomes_null() {
        assert_eq!(
            without_nan(r#"{"a":NaN,"b":"NaN\"NaN","c":[-Infinity,-1]}"#).as_deref(),
            Some(r#"{"a":null,"b":"NaN\"NaN","c":[null,-1]}"#)
        );
        assert_eq!(without_nan(r#"{"a":-1,"b":"NaN"}"#), None);
    }

    #[test]
    fn an_array_can_be_left_early() {
        let mut seen = Vec::new();
        let whole = read_array("[1, {\"a\":2}, 3]", &mut |raw| {
            seen.push(raw);
            seen.len() < 2
        });
        assert!(whole.is_ok());
        assert_eq!(seen, ["1", "{\"a\":2}"]);
    }
}
