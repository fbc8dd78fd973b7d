//! YAML text becomes a tree with line numbers, within fixed bounds.
//!
//! It knows nothing of the configuration's keys, and deliberately leaves scalars as text: whether `1.10` is a number, a
//! price or a name is for the reader of the key to say. The parser's own loader is not used, because it recurses as
//! deep as the text is nested and lets a key be given twice.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::problem::{quoted, shortened};

/// Largest configuration file in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting of lists and mappings; the configuration itself needs 5.
const MAX_DEPTH: usize = 32;

/// Most values once aliases are written out; some 100 bytes each. An alias bomb holds billions.
const MAX_NODES: usize = 1 << 18;

/// A value and the line it starts on, from 1.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text; `plain` where it was written without quotes, so that it may be a number or a boolean.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file, a key given twice included.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Why a text is no tree.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { line, message: message.into(), remedy: remedy.into() }
    }
}

/// Reads one YAML document; an empty text is [`Value::Null`].
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(Fault::new(0, "larger than 1 MiB", "move long tables into price files, or shorten it"));
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
    Ok(builder.root.unwrap_or(Node { line: 1, value: Value::Null }))
}

/// The parser takes a NUL for the end of the text, which would cut a configuration silently.
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

/// A list or mapping that is not closed yet.
#[derive(Debug)]
struct Open {
    line: usize,
    anchor: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, usize)> },
}

/// Builds the tree without recursion.
#[derive(Debug, Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

impl Builder {
    /// Takes one event; `true` at the end of the text.
    fn observe(&mut self, event: Event<'_>, line: usize) -> Result<bool, Fault> {
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => return Ok(true),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::new(
                        line,
                        "more than one YAML document",
                        "keep one document and remove the `---` between them",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text_tag(tag.as_deref(), line)?;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Scalar { text: text.into_owned(), plain } };
                self.close(Node { line, value }, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                is_text_tag(tag.as_deref(), line)?;
                self.start(Open { line, anchor, content: Content::List(Vec::new()) })?;
            }
            Event::MappingStart(anchor, tag) => {
                is_text_tag(tag.as_deref(), line)?;
                self.start(Open { line, anchor, content: Content::Map { entries: Vec::new(), key: None } })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { line, anchor, content }) = self.open.pop() {
                    let value = match content {
                        Content::List(nodes) => Value::List(nodes),
                        Content::Map { entries, .. } => Value::Map(entries),
                    };
                    self.close(Node { line, value }, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                // An alias inside its own anchor finds nothing: the anchor is registered when it is complete.
                let Some((nodes, depth)) = self.anchors.get(&anchor).map(measure) else {
                    return Err(Fault::new(line, "an alias inside its own anchor", "write the value out"));
                };
                if self.open.len() + depth > MAX_DEPTH {
                    return Err(too_deep(line));
                }
                self.count(nodes, line)?;
                if let Some(node) = self.anchors.get(&anchor).cloned() {
                    self.close(node, 0)?;
                }
            }
        }
        Ok(false)
    }

    fn start(&mut self, open: Open) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(open.line));
        }
        self.open.push(open);
        Ok(())
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Fault::new(
                line,
                "more than 262,144 values, aliases written out",
                "shorten it, or use fewer aliases",
            ));
        }
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.count(1, node.line)?;
        if anchor > 0 {
            let (nodes, _) = measure(&node);
            self.count(nodes, node.line)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(nodes)) => nodes.push(node),
            Some(Content::Map { entries, key }) => match (key.take(), node) {
                (Some((key, line)), node) => entries.push(Entry { key, line, node }),
                (None, Node { line, value: Value::Scalar { text, .. } }) => *key = Some((text, line)),
                (None, Node { line, .. }) => {
                    return Err(Fault::new(
                        line,
                        "a key that is not text",
                        "write keys as plain text, as in `key: value`",
                    ));
                }
            },
        }
        Ok(())
    }
}

fn too_deep(line: usize) -> Fault {
    Fault::new(line, format!("nested deeper than {MAX_DEPTH} levels"), "flatten it")
}

/// Whether the tag says that a scalar is text; an error for tags of the user's own, which would mean nothing here.
fn is_text_tag(tag: Option<&Tag>, line: usize) -> Result<bool, Fault> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(true),
        Some(tag) => {
            Err(Fault::new(line, format!("the tag {} means nothing here", quoted(&tag.to_string())), "remove it"))
        }
    }
}

/// Number of values and depth of a tree that is at most [`MAX_DEPTH`] deep.
fn measure(node: &Node) -> (usize, usize) {
    let over = |children: &mut dyn Iterator<Item = &Node>| {
        let (nodes, depth) = children
            .map(measure)
            .fold((0, 0), |(nodes, depth), (more, deep)| (nodes + more, std::cmp::max(depth, deep)));
        (nodes + 1, depth + 1)
    };
    match &node.value {
        Value::Null | Value::Scalar { .. } => (1, 0),
        Value::List(nodes) => over(&mut nodes.iter()),
        Value::Map(entries) => over(&mut entries.iter().map(|entry| &entry.node)),
    }
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

    #[test]
    fn a_key_given_twice_is_kept_twice() {
        let Value::Map(entries) = parse("a: 1\na: 2\n").expect("valid").value else { panic!("a mapping") };
        assert_eq!(entries.len(), 2);
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
