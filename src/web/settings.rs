//! YAML text becomes a flat list of settings with their lines.
//!
//! The web configuration file is three mappings deep at most, so a path and a text per setting are all its reader
//! needs. Nothing is interpreted here, and lists are only named: no setting of the format that is understood is a list.

use std::rc::Rc;

use crate::wording::shortened;
use crate::yaml::{self, Entry};

/// Deepest path: `http_server_config.headers.X-Frame-Options`.
const MAX_DEPTH: usize = 3;

/// Where something is wrong and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1; 0 for the whole file.
    pub(super) line: usize,
    /// Dotted path of the key; empty for none.
    pub(super) key: String,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(line: usize, key: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { line, key: key.into(), message: message.into() }
    }
}

/// A setting: the end of a path of keys.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    /// Shared between the settings of a section, since a key may be long and have many below it.
    pub(super) path: Vec<Rc<str>>,
    /// Line of its key.
    pub(super) line: usize,
    pub(super) value: Value,
}

impl Setting {
    pub(super) fn key(&self) -> String {
        joined(&self.path)
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`; also an empty mapping.
    Null,
    Text(String),
    List,
}

/// Reads a file's settings in their order; an empty file has none.
pub(super) fn parse(text: &str) -> Result<Vec<Setting>, Fault> {
    let root = yaml::parse(text)
        .map_err(|fault| Fault::new(fault.line, "", format!("{}; {}", fault.message, fault.remedy)))?;
    let mut settings = Vec::new();
    match root.value {
        yaml::Value::Null => {}
        yaml::Value::Map(entries) => flatten(&entries, &[], &mut settings)?,
        yaml::Value::List(_) => return Err(Fault::new(root.line, "", "expected a mapping of keys to values")),
        yaml::Value::Scalar { .. } => {
            return Err(Fault::new(root.line, "", "expected a mapping such as `basic_auth_users:`"));
        }
    }
    Ok(settings)
}

/// Adds the settings below the path `above`; goes no deeper than [`MAX_DEPTH`].
fn flatten(entries: &[Entry], above: &[Rc<str>], settings: &mut Vec<Setting>) -> Result<(), Fault> {
    for (entry, first) in yaml::with_repeats(entries) {
        let mut path = above.to_vec();
        path.push(Rc::from(entry.key.as_str()));
        if let Some(first) = first {
            return Err(Fault::new(entry.line, joined(&path), format!("given twice, first on line {first}")));
        }
        let value = match &entry.node.value {
            yaml::Value::Map(_) if path.len() >= MAX_DEPTH => {
                return Err(Fault::new(entry.node.line, joined(&path), "nested too deep"));
            }
            yaml::Value::Map(inner) if !inner.is_empty() => {
                flatten(inner, &path, settings)?;
                continue;
            }
            // An empty mapping is a setting without a value, so that its key is judged too.
            yaml::Value::Map(_) | yaml::Value::Null => Value::Null,
            yaml::Value::Scalar { text, .. } => Value::Text(text.clone()),
            yaml::Value::List(_) => Value::List,
        };
        settings.push(Setting { path, line: entry.line, value });
    }
    Ok(())
}

fn joined(path: &[Rc<str>]) -> String {
    path.iter().map(|key| shortened(key)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::MAX_BYTES;

    #[test]
    fn every_setting_has_its_path_line_and_text() {
        let text = "# note\nbasic_auth_users:\n  alice: $2y$10$abc\n  12: 'x'\nhttp_server_config:\n  headers: {A: b}\n  \
                    http2: false\nempty:\nnone: {}\nlist: [a, {b: c}]\n";
        let settings = parse(text).expect("valid");
        let seen: Vec<_> = settings.iter().map(|setting| (setting.key(), setting.line, &setting.value)).collect();
        let text = |text: &str| Value::Text(text.to_owned());
        let want = [
            ("basic_auth_users.alice", 3, text("$2y$10$abc")),
            ("basic_auth_users.12", 4, text("x")),
            ("http_server_config.headers.A", 6, text("b")),
            ("http_server_config.http2", 7, text("false")),
            ("empty", 8, Value::Null),
            ("none", 9, Value::Null),
            ("list", 10, Value::List),
        ];
        assert_eq!(seen, want.iter().map(|(key, line, value)| ((*key).to_owned(), *line, value)).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_file_has_no_settings() {
        for text in ["", "\u{feff}", "# only a comment\n", "---\n", "{}"] {
            assert_eq!(parse(text), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn an_alias_is_the_value_of_its_anchor_and_a_shown_key_is_short() {
        let settings = parse("a: &x 1\nb: *x\n").expect("valid");
        assert_eq!(settings.get(1).map(|b| (b.line, &b.value)), Some((2, &Value::Text("1".to_owned()))));
        let settings = parse(&format!("{}: 1\n", "k".repeat(1_000))).expect("valid");
        assert_eq!(settings.first().map(Setting::key), Some(format!("{}…", "k".repeat(60))));
    }

    #[test]
    fn what_is_no_tree_of_settings_is_refused_with_its_line() {
        let cases = [
            ("a:\n  b: 1\n  b: 2\n", 3, "a.b", "given twice, first on line 2"),
            ("a: {b: 1}\na: {c: 1}\n", 2, "a", "given twice, first on line 1"),
            (
                "a: 1\nb: \u{0}\n",
                2,
                "",
                "not valid YAML: control character U+0000; remove it, or write it as an escape in double quotes",
            ),
            ("a: {b: {c: {d: 1}}}\n", 1, "a.b.c", "nested too deep"),
            ("a: {b: {c: {}}}\n", 1, "a.b.c", "nested too deep"),
            ("- a\n", 1, "", "expected a mapping of keys to values"),
            ("word\n", 1, "", "expected a mapping such as `basic_auth_users:`"),
            (
                "a: 1\n---\nb: 2\n",
                2,
                "",
                "more than one YAML document; keep one document and remove the `---` between them",
            ),
            ("? {a: b}\n: c\n", 1, "", "a key that is not text; write keys as plain text, as in `key: value`"),
        ];
        for (text, line, key, message) in cases {
            assert_eq!(parse(text), Err(Fault::new(line, key, message)), "{text:?}");
        }
        assert!(parse("a: [\n").expect_err("unclosed").message.starts_with("not valid YAML: "));
        assert_eq!(parse(&" ".repeat(MAX_BYTES + 1)), Err(Fault::new(0, "", "larger than 1 MiB; shorten it")));
        for unit in ["- ", "[", "{a: ", "? "] {
            assert!(parse(&unit.repeat(MAX_BYTES / unit.len())).is_err(), "{unit}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a-c0:\\[\\]{}#&*!|>'\"%@`,?~. \t\r\n\\\\é]{0,120}") {
            let _ = parse(&text);
        }
    }
}
