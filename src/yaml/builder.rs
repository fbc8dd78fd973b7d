//! The parser's events become a tree, without recursion, so that nesting costs no stack.
//!
//! Counts as it builds: the bounds hold before anything is copied.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Tag};

use super::{Entry, Fault, MAX_COPIED, MAX_DEPTH, MAX_NODES, Node, Value};
use crate::wording::quoted;

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
pub(super) struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Bytes of text that anchors and aliases have copied.
    copied: usize,
    root: Option<Node>,
    documents: usize,
}

impl Builder {
    /// The tree of all events so far.
    pub(super) fn finish(self) -> Node {
        self.root.unwrap_or(Node { line: 1, value: Value::Null })
    }

    /// Takes one event; `true` at the end of the text.
    pub(super) fn observe(&mut self, event: Event<'_>, line: usize) -> Result<bool, Fault> {
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
                let Some(extent) = self.anchors.get(&anchor).map(measure) else {
                    return Err(Fault::new(line, "an alias inside its own anchor", "write the value out"));
                };
                if self.open.len() + extent.depth > MAX_DEPTH {
                    return Err(too_deep(line));
                }
                self.count_copy(&extent, line)?;
                if let Some(Node { value, .. }) = self.anchors.get(&anchor).cloned() {
                    self.close(Node { line, value }, 0)?;
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

    fn count_copy(&mut self, extent: &Extent, line: usize) -> Result<(), Fault> {
        self.count(extent.nodes, line)?;
        self.copied = self.copied.saturating_add(extent.bytes);
        if self.copied > MAX_COPIED {
            return Err(Fault::new(
                line,
                "more than 4 MiB of text behind anchors and aliases",
                "shorten it, or use fewer aliases",
            ));
        }
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.count(1, node.line)?;
        if anchor > 0 {
            self.count_copy(&measure(&node), node.line)?;
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

/// What a copy of a tree costs.
#[derive(Debug)]
struct Extent {
    nodes: usize,
    /// Of text, keys included.
    bytes: usize,
    depth: usize,
}

/// Measures a tree that is at most [`MAX_DEPTH`] deep.
fn measure(node: &Node) -> Extent {
    let over = |children: &mut dyn Iterator<Item = (&Node, usize)>| {
        let mut whole = Extent { nodes: 1, bytes: 0, depth: 0 };
        for (child, key) in children {
            let child = measure(child);
            whole.nodes += child.nodes;
            whole.bytes += child.bytes + key;
            whole.depth = whole.depth.max(child.depth);
        }
        Extent { depth: whole.depth + 1, ..whole }
    };
    match &node.value {
        Value::Null => Extent { nodes: 1, bytes: 0, depth: 0 },
        Value::Scalar { text, .. } => Extent { nodes: 1, bytes: text.len(), depth: 0 },
        Value::List(nodes) => over(&mut nodes.iter().map(|node| (node, 0))),
        Value::Map(entries) => over(&mut entries.iter().map(|entry| (&entry.node, entry.key.len()))),
    }
}
