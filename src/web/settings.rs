//! YAML text becomes a flat list of settings with their lines.
//!
//! The web configuration file is three mappings deep at most, so a path and a text per setting are all its reader
//! needs. Nothing is interpreted here, lists are only named (no setting of the format that is understood is a list),
//! and nesting, size and aliases are refused before they cost anything.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Largest file in bytes; a thousand users need 100 KiB.
pub(super) const MAX_BYTES: usize = 1 << 20;

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
    pub(super) path: Vec<String>,
    /// Line of its key.
    pub(super) line: usize,
    pub(super) value: Value,
}

impl Setting {
    pub(super) fn key(&self) -> String {
        self.path.join(".")
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
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(Fault::new(0, "", "larger than 1 MiB"));
    }
    // The parser takes a NUL for the end of the text, which would cut users off silently.
    if let Some(at) = text.find('\0') {
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        return Err(Fault::new(line, "", "a NUL character"));
    }
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            Fault::new(error.marker().line().max(1), "", format!("not valid YAML: {}", error.info()))
        })?;
        if matches!(event, Event::StreamEnd) {
            break;
        }
        reader.observe(event, span.start.line().max(1))?;
    }
    Ok(reader.settings)
}

/// A mapping that is not closed yet.
#[derive(Debug)]
struct Open {
    /// The key that waits for its value, and its line.
    key: Option<(String, usize)>,
    /// How many settings there were before it.
    before: usize,
}

/// Follows the parser's events.
#[derive(Debug, Default)]
struct Reader {
    settings: Vec<Setting>,
    open: Vec<Open>,
    /// Line of each path that was given.
    given: HashMap<Vec<String>, usize>,
    /// Lists and mappings open inside a list, which are passed over.
    passed: usize,
    documents: usize,
}

impl Reader {
    fn observe(&mut self, event: Event<'_>, line: usize) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::new(line, "", "more than one YAML document"));
                }
            }
            Event::Alias(_) => return Err(self.fault(line, "aliases are not supported: write the value out")),
            Event::SequenceStart(..) | Event::MappingStart(..) if self.passed > 0 => self.passed += 1,
            Event::SequenceEnd | Event::MappingEnd if self.passed > 0 => self.passed -= 1,
            Event::Scalar(..) if self.passed > 0 => {}
            Event::Scalar(text, style, ..) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                match self.open.last_mut() {
                    None if null => {}
                    None => return Err(Fault::new(line, "", "expected a mapping such as `basic_auth_users:`")),
                    Some(Open { key: Some(_), .. }) => {
                        self.close(if null { Value::Null } else { Value::Text(text.into_owned()) });
                    }
                    Some(Open { key, .. }) => {
                        *key = Some((text.into_owned(), line));
                        if let Some(first) = self.given.insert(self.path(), line) {
                            return Err(self.fault(line, &format!("given twice, first on line {first}")));
                        }
                    }
                }
            }
            Event::SequenceStart(..) => {
                if !matches!(self.open.last(), Some(Open { key: Some(_), .. })) {
                    return Err(self.fault(line, "expected a mapping of keys to values"));
                }
                self.close(Value::List);
                self.passed = 1;
            }
            Event::MappingStart(..) => {
                if matches!(self.open.last(), Some(Open { key: None, .. })) {
                    return Err(self.fault(line, "expected a key"));
                }
                if self.open.len() >= MAX_DEPTH {
                    return Err(self.fault(line, "nested too deep"));
                }
                self.open.push(Open { key: None, before: self.settings.len() });
            }
            Event::MappingEnd => {
                let empty = self.open.pop().is_some_and(|open| open.before == self.settings.len());
                if empty && !self.open.is_empty() {
                    // An empty mapping is a setting without a value, so that its key is judged too.
                    self.close(Value::Null);
                } else if let Some(open) = self.open.last_mut() {
                    open.key = None;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn path(&self) -> Vec<String> {
        self.open.iter().filter_map(|open| open.key.as_ref()).map(|(key, _)| key.clone()).collect()
    }

    fn fault(&self, line: usize, message: &str) -> Fault {
        Fault::new(line, self.path().join("."), message)
    }

    /// The key that is open has this value.
    fn close(&mut self, value: Value) {
        let path = self.path();
        let line = self.open.last_mut().and_then(|open| open.key.take()).map_or(1, |(_, line)| line);
        self.settings.push(Setting { path, line, value });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    fn what_is_no_tree_of_settings_is_refused_with_its_line() {
        let cases = [
            ("a:\n  b: 1\n  b: 2\n", 3, "a.b", "given twice, first on line 2"),
            ("a: {b: 1}\na: {c: 1}\n", 2, "a", "given twice, first on line 1"),
            ("a: 1\nb: \u{0}\n", 2, "", "a NUL character"),
            ("a: {b: {c: {d: 1}}}\n", 1, "a.b.c", "nested too deep"),
            ("a: &x 1\nb: *x\n", 2, "b", "aliases are not supported: write the value out"),
            ("- a\n", 1, "", "expected a mapping of keys to values"),
            ("word\n", 1, "", "expected a mapping such as `basic_auth_users:`"),
            ("a: 1\n---\nb: 2\n", 2, "", "more than one YAML document"),
            ("? {a: b}\n: c\n", 1, "", "expected a key"),
        ];
        for (text, line, key, message) in cases {
            assert_eq!(parse(text), Err(Fault::new(line, key, message)), "{text:?}");
        }
        assert!(parse("a: [\n").expect_err("unclosed").message.starts_with("not valid YAML: "));
        assert_eq!(parse(&" ".repeat(MAX_BYTES + 1)), Err(Fault::new(0, "", "larger than 1 MiB")));
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
