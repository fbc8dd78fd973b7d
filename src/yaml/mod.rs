//! YAML text becomes a tree of nodes that know their line, within fixed bounds: the one reader of the configuration, of
//! price files and of web configuration files.
//!
//! ```text
//! text ─saphyr_parser─▶ events ─builder─▶ Node
//! ```
//!
//! It knows nothing of anybody's keys, and deliberately leaves scalars as text: whether `1.10` is a number, a price or a
//! name is for the reader of the key to say. The parser's companion with a loader is not used, because that recurses as
//! deep as the text is nested.

mod builder;

use std::collections::HashMap;
use std::collections::hash_map;

use saphyr_parser::{Parser, ScanError};

use self::builder::Builder;
use crate::wording::shortened;

/// Largest text in bytes; some 6,000 price rows.
pub const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting of lists and mappings; price files need 8, the configuration 5.
pub const MAX_DEPTH: usize = 32;

/// Most values once aliases are written out; some 100 bytes each. An alias bomb holds billions.
pub const MAX_NODES: usize = 1 << 18;

/// Most bytes of text that anchors and aliases copy: a long text can be repeated by many short aliases.
pub const MAX_COPIED: usize = 4 << 20;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Line on which it starts, from 1; for an alias the line of the alias, below it those of the anchor's value.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar.
    Scalar {
        /// Its text, without quotes and with escapes resolved.
        text: String,
        /// Whether it was written without quotes, so that it may be a number or a boolean.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the text, a key given twice included: see [`with_repeats`].
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key, always text.
    pub key: String,
    /// Line of the key, from 1.
    pub line: usize,
    /// The value.
    pub node: Node,
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read line {line}: {message}; {remedy}")]
pub struct Fault {
    /// From 1; 0 for the whole text.
    pub line: usize,
    /// What is wrong; no final period.
    pub message: String,
    /// What to do; no final period.
    pub remedy: String,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { line, message: message.into(), remedy: remedy.into() }
    }
}

/// Reads one YAML document; an empty text is [`Value::Null`]. A byte order mark is passed over.
///
/// # Errors
/// The first thing that is no YAML, is not understood (several documents, tags of the user's own, keys that are not
/// text) or is beyond [`MAX_BYTES`], [`MAX_DEPTH`], [`MAX_NODES`] or [`MAX_COPIED`].
pub fn parse(text: &str) -> Result<Node, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(Fault::new(0, "larger than 1 MiB", "shorten it"));
    }
    refuse_control_characters(text)?;
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax_fault(text, &error))?;
        if builder.observe(event, span.start.line().max(1))? {
            break;
        }
    }
    Ok(builder.finish())
}

/// Each entry of a mapping, with the line of the first entry of the same key where that is another one.
pub fn with_repeats(entries: &[Entry]) -> impl Iterator<Item = (&Entry, Option<usize>)> {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    entries.iter().map(move |entry| match lines.entry(&entry.key) {
        hash_map::Entry::Occupied(first) => (entry, Some(*first.get())),
        hash_map::Entry::Vacant(slot) => {
            slot.insert(entry.line);
            (entry, None)
        }
    })
}

/// The parser takes a NUL for the end of the text, which would cut the rest off silently.
fn refuse_control_characters(text: &str) -> Result<(), Fault> {
    for (index, line) in text.split('\n').enumerate() {
        if let Some(found) = line.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\u{85}')) {
            let message = format!("not valid YAML: control character U+{:04X}", u32::from(found));
            return Err(Fault::new(index + 1, message, "remove it, or write it as an escape in double quotes"));
        }
    }
    Ok(())
}

fn syntax_fault(text: &str, error: &ScanError) -> Fault {
    let line = error.marker().line().max(1);
    let indent = |number: usize| {
        let line = text.split('\n').nth(number.saturating_sub(1)).unwrap_or("");
        line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t')
    };
    // The parser stops at the token before the tab, at the tab or after it.
    if let Some(tab) = [line, line + 1, line - 1].into_iter().find(|number| *number > 0 && indent(*number)) {
        return Fault::new(tab, "not valid YAML: a tab in the indentation", "indent with spaces");
    }
    let column = error.marker().col() + 1;
    Fault::new(
        line,
        format!("not valid YAML: {}", shortened(error.info())),
        format!("look at the indentation, quotes and brackets before column {column}"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> String {
        match parse(text) {
            Ok(node) => panic!("{node:?}"),
            Err(fault) => format!("{}: {}", fault.line, fault.message),
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let Node { value: Value::Map(entries), .. } = parse("a: 1\n\n# note\nb:\n  - x\n  - 'y'\n").expect("valid")
        else {
            panic!("a mapping");
        };
        let lines: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 4)]);
        let Some(Value::List(items)) = entries.get(1).map(|entry| &entry.node.value) else { panic!("a list") };
        let items: Vec<_> =
            items.iter().map(|item| (item.line, matches!(item.value, Value::Scalar { plain, .. } if plain))).collect();
        assert_eq!(items, [(5, true), (6, false)]);
    }

    fn entries(text: &str) -> Vec<Entry> {
        let Value::Map(entries) = parse(text).expect("valid").value else { panic!("a mapping") };
        entries
    }

    #[test]
    fn a_key_given_twice_is_kept_twice_and_known() {
        let entries = entries("a: 1\nb: 1\na: 2\na: 3\n");
        let seen: Vec<_> = with_repeats(&entries).map(|(entry, first)| (entry.key.as_str(), first)).collect();
        assert_eq!(seen, [("a", None), ("b", None), ("a", Some(1)), ("a", Some(1))]);
    }

    #[test]
    fn scalars_stay_as_they_were_written() {
        let text =
            "a: 2.50\nb: 1.5e-07 # note\nc: 00012\n备注: 7\nd: true\ne: 2026-11-01\n'f': \"4.0\\t\"\n7: |\n  x\n  y\n";
        let entries = entries(text);
        let seen: Vec<_> =
            entries.iter().map(|entry| (entry.key.as_str(), entry.node.text().unwrap_or("none"))).collect();
        let want = [("a", "2.50"), ("b", "1.5e-07"), ("c", "00012"), ("备注", "7"), ("d", "true"), ("e", "2026-11-01")];
        assert_eq!(seen, [want.as_slice(), &[("f", "4.0\t"), ("7", "x\ny\n")]].concat());
    }

    #[test]
    fn an_alias_stands_on_its_own_line() {
        let entries = entries("a: &x\n  - 1\n\nb: *x\n");
        let lines: Vec<_> = entries.iter().map(|entry| (entry.line, entry.node.line)).collect();
        assert_eq!(lines, [(1, 1), (4, 4)]);
    }

    #[test]
    fn a_long_text_is_not_copied_without_end() {
        let text = format!("a: &x {}\nb: [{}]\n", "y".repeat(1 << 16), "*x, ".repeat(10_000));
        assert_eq!(fault(&text), "2: more than 4 MiB of text behind anchors and aliases");
        let text = format!("a: &x {{{}: 1}}\nb: [{}]\n", "y".repeat(1_000), "*x, ".repeat(10_000));
        assert_eq!(fault(&text), "2: more than 4 MiB of text behind anchors and aliases");
    }

    #[test]
    fn an_empty_text_is_nothing() {
        for text in ["", "\u{feff}", "# only a comment\n", "---\n"] {
            assert!(matches!(parse(text).expect("valid").value, Value::Null), "{text:?}");
        }
    }

    #[test]
    fn aliases_are_written_out_within_bounds() {
        let Value::Map(entries) = parse("a: &x [1, 2]\nb: *x\n").expect("valid").value else { panic!("a mapping") };
        assert!(matches!(entries.get(1).map(|entry| &entry.node.value), Some(Value::List(items)) if items.len() == 2));
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..10 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(fault(&bomb).contains("more than 262,144 values"), "{}", fault(&bomb));
        let mut tower = format!("a0: &a0 {}{}\n", "[".repeat(20), "]".repeat(20));
        tower.push_str(&format!("a1: {}*a0{}\n", "[".repeat(20), "]".repeat(20)));
        assert_eq!(fault(&tower), "2: nested deeper than 32 levels");
        assert_eq!(fault("a: &x [*x]\n"), "1: an alias inside its own anchor");
    }

    #[test]
    fn deep_nesting_is_refused_in_every_style() {
        for unit in ["- ", "[", "{a: ", "? "] {
            let text = unit.repeat(MAX_BYTES / unit.len());
            assert!(fault(&text).starts_with("1: "), "{unit:?}");
        }
        for unit in ["- &a ", "- !!seq ", "? &a ", "- ? &a - ", "a: &a - ", "!!seq [", "&a {a: ", "-\n ", "- a: &a - "]
        {
            assert!(parse(&unit.repeat(MAX_BYTES / unit.len())).is_err(), "{unit:?}");
        }
        let blocks: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert_eq!(fault(&blocks), "33: nested deeper than 32 levels");
    }

    #[test]
    fn what_would_be_cut_or_misread_is_refused() {
        assert_eq!(fault("a: 1\nb: \u{0}\nc: 2\n"), "2: not valid YAML: control character U+0000");
        assert!(fault(&" ".repeat(MAX_BYTES + 1)).contains("larger than 1 MiB"));
        assert_eq!(fault("a: !secret x\n"), "1: the tag `!secret` means nothing here");
        assert_eq!(fault("[a, b]: 1\n"), "1: a key that is not text");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a-c0:\\[\\]{}#&*!|>'\"%@`,?~. \t\r\n\\\\é]{0,120}") {
            let _ = parse(&text);
        }
    }
}
