//! Values of a line that hold something said: text, lists of messages, calls of tools.
//!
//! The same for all formats. Looks only as far into lists as names of tools need it.

use std::borrow::Cow;

use super::draft::MAX_TOOL_CALLS;
use super::json;
use super::scalar::Scalar;
use crate::record::Said;

/// A question, an answer and the like. A value that is left as it stands (see [`Scalar::Nested`]) is decoded here.
pub(super) fn text(value: Scalar<'_>) -> Said<'_> {
    let value = match value {
        Scalar::Escaped(raw) => match plain(raw) {
            Some(plain) => Scalar::from_text(plain),
            None => decoded(json::unescape(raw)),
        },
        Scalar::Nested(raw) => decoded(raw),
        value => value,
    };
    match value {
        Scalar::Absent | Scalar::Missing => Said::Nothing,
        Scalar::Nested(json) => Said::Json(json),
        other => Said::Text(other.into_text()),
    }
}

/// A list of messages or of called tools, also from inside a string; where the string is cut short, JSON that breaks off.
pub(super) fn list(value: Scalar<'_>) -> Said<'_> {
    match text(value) {
        Said::Text(text) => match json::embedded(Cow::Borrowed(&text)) {
            Some(Cow::Borrowed(_)) => Said::Json(text),
            Some(Cow::Owned(json)) => Said::Json(Cow::Owned(json)),
            None => Said::Text(text),
        },
        said => said,
    }
}

/// The content of a string that is escaped once and has no escapes of its own.
fn plain(raw: &str) -> Option<&str> {
    let content = raw.strip_prefix("\\\"")?.strip_suffix("\\\"")?;
    (!content.contains('\\')).then_some(content)
}

/// The value of a JSON text of any kind.
fn decoded(raw: Cow<'_, str>) -> Scalar<'_> {
    match raw {
        Cow::Borrowed(raw) => Scalar::from_json(raw),
        Cow::Owned(raw) if raw.starts_with(['{', '[']) => Scalar::Nested(Cow::Owned(raw)),
        Cow::Owned(raw) => Scalar::from_json(&raw).into_owned(),
    }
}

/// The names of called tools: `[{"function":{"name":…}}, …]`, also inside a string.
pub(super) fn tool_names<'a>(value: Scalar<'a>) -> Vec<Cow<'a, str>> {
    let text = match value {
        Scalar::Escaped("[]") => return Vec::new(),
        Scalar::Escaped(text) => json::unescape(text),
        Scalar::Nested(text) => text,
        Scalar::Text(text) => match json::embedded(text) {
            Some(text) => text,
            None => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let mut names = Vec::new();
    let _ = json::read_array(&text, &mut |call| {
        let mut name = Scalar::Absent;
        let _ = json::read_object(call, &mut |key, raw| match &*key {
            "name" => name = Scalar::from_json(raw),
            // OpenAI's functions and custom tools, Gemini's calls.
            "function" | "custom" | "functionCall" | "function_call" => {
                let _ = json::read_object(raw, &mut |key, raw| {
                    if key == "name" {
                        name = Scalar::from_json(raw);
                    }
                });
            }
            _ => {}
        });
        if name.is_present() {
            names.push(Cow::Owned(name.into_text().into_owned()));
        }
        names.len() < MAX_TOOL_CALLS
    });
    names
}

/// The array of messages as JSON text, also from inside a string; empty where there is none or it was cut short.
pub(super) fn messages(value: Scalar<'_>) -> Cow<'_, str> {
    match value {
        Scalar::Escaped(text) => json::unescape(text),
        Scalar::Nested(text) => text,
        Scalar::Text(text) => json::embedded(text).unwrap_or_default(),
        _ => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn called_tools_have_names_in_every_form() {
        let calls = r#"[{"index":0,"function":{"arguments":"{}","name":"a"}},{"type":"custom","custom":{"name":"b","input":"x"}},
            {"functionCall":{"name":"c","args":{"name":"no"}}},{"type":"tool_use","name":"d","input":{}},{"id":"e"},7]"#;
        assert_eq!(tool_names(Scalar::from_json(calls)), ["a", "b", "c", "d"]);
        let quoted = serde_json::to_string(calls).unwrap();
        assert_eq!(tool_names(Scalar::from_json(&quoted)).len(), 4);
        assert!(tool_names(Scalar::from_json("[]")).is_empty());
    }
}
