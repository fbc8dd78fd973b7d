//! YAML text becomes nodes that know their line, with numbers left as the text that was written.
//!
//! Only what price files need: one document of maps, lists and scalars. Tags are refused, nesting is bounded.

use std::borrow::Cow;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::problem::Problem;

/// Largest file that is read, in bytes.
const LARGEST: usize = 16 << 20;

/// Nodes nested deeper than this are refused. The library recurses, so the text is looked at before.
const DEEPEST: usize = 64;

/// A value and the line on which it begins, from 1.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    pub(super) line: u32,
    pub(super) value: Value<'t>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Value<'t> {
    Null,
    /// A scalar as it was written, without quotes.
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    /// Entries in the order of the file; keys are text.
    Map(Vec<(Node<'t>, Node<'t>)>),
}

impl Node<'_> {
    /// What it is, with an article.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads one document; an empty text is a null node.
pub(super) fn parse<'t>(file: &str, text: &'t str) -> Result<Node<'t>, Problem> {
    let problem = |line: usize, message: String, remedy: &str| Problem {
        file: file.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        key: String::new(),
        message,
        remedy: remedy.to_owned(),
    };
    if text.len() > LARGEST {
        return Err(problem(0, format!("the file has {} bytes", text.len()), "a price file has at most 16 MiB"));
    }
    let deep = text.lines().position(|line| {
        line.chars().take_while(|character| matches!(character, ' ' | '\t' | '-' | '?' | ':')).nth(DEEPEST).is_some()
    });
    if let Some(line) = deep {
        let message = format!("the line begins with more than {DEEPEST} characters of indentation");
        return Err(problem(line + 1, message, "indent less deeply"));
    }
    let mut documents = MarkedYaml::load_from_str(text)
        .map_err(|error| problem(error.marker().line(), error.info().to_owned(), "correct the YAML"))?;
    let document = documents.pop();
    if !documents.is_empty() {
        return Err(problem(1, "the file holds more than one document".to_owned(), "take out the `---` between them"));
    }
    let Some(document) = document else { return Ok(Node { line: 1, value: Value::Null }) };
    let lines: Vec<&str> = text.lines().collect();
    convert(document, &lines).map_err(|(line, message)| problem(line, message, "write plain YAML"))
}

fn convert<'t>(node: MarkedYaml<'t>, lines: &[&'t str]) -> Result<Node<'t>, (usize, String)> {
    let (start, end) = (node.span.start, node.span.end);
    let line = u32::try_from(start.line()).unwrap_or(u32::MAX);
    let value = match node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::String(text)) => Value::Text(text),
        YamlData::Value(_) => {
            // The library has made a number or a boolean of it; what was written is still in the line.
            let source = lines.get(start.line().saturating_sub(1)).copied().unwrap_or_default();
            let byte = |column: usize| source.char_indices().nth(column).map_or(source.len(), |(byte, _)| byte);
            let written = source.get(byte(start.col())..byte(end.col())).unwrap_or_default();
            Value::Text(Cow::Borrowed(written.trim()))
        }
        YamlData::Sequence(items) => {
            Value::List(items.into_iter().map(|item| convert(item, lines)).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Ok((convert(key, lines)?, convert(value, lines)?)))
                .collect::<Result<_, (usize, String)>>()?,
        ),
        YamlData::Tagged(..) | YamlData::BadValue | YamlData::Alias(_) | YamlData::Representation(..) => {
            return Err((start.line(), "a tag or an alias stands where a value is expected".to_owned()));
        }
    };
    Ok(Node { line, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry<'n>(node: &'n Node<'_>, name: &str) -> &'n Node<'n> {
        let Value::Map(entries) = &node.value else { panic!("no map") };
        &entries.iter().find(|(key, _)| key.text() == Some(name)).unwrap().1
    }

    #[test]
    fn numbers_stay_as_they_were_written_and_lines_are_known() {
        let node = parse(
            "f",
            "# comment\na: 2.50\nb: {c: 1.5e-07, d: 00012 }\n备注: 7\ne: [ 3.0, \"4.0\" ]\nf: true\ng: 2026-11-01\nh:\n",
        )
        .unwrap();
        assert_eq!(entry(&node, "a").text(), Some("2.50"));
        assert_eq!(entry(&node, "a").line, 2);
        assert_eq!(entry(entry(&node, "b"), "c").text(), Some("1.5e-07"));
        assert_eq!(entry(entry(&node, "b"), "d").text(), Some("00012"));
        assert_eq!(entry(&node, "备注").text(), Some("7"));
        let Value::List(items) = &entry(&node, "e").value else { panic!("no list") };
        assert_eq!(items.iter().map(|item| item.text().unwrap()).collect::<Vec<_>>(), ["3.0", "4.0"]);
        assert_eq!((entry(&node, "f").text(), entry(&node, "g").text()), (Some("true"), Some("2026-11-01")));
        assert_eq!(entry(&node, "h").kind(), "nothing");
        assert_eq!(entry(&node, "g").line, 7);
    }

    #[test]
    fn anchors_are_followed_and_what_is_no_plain_yaml_is_refused() {
        let node = parse("f", "a: &x {n: 1.50}\nb: *x\n").unwrap();
        assert_eq!(entry(entry(&node, "b"), "n").text(), Some("1.50"));
        assert_eq!(parse("f", "").unwrap().kind(), "nothing");
        for (text, line) in
            [("a: 1\na: 2\n", 2), ("a: [1\n", 2), ("---\na: 1\n---\nb: 2\n", 1), ("x: 1\na: !mine 1\n", 2)]
        {
            let problem = parse("f", text).unwrap_err();
            assert_eq!((problem.file.as_str(), problem.line), ("f", line), "{text:?} {problem}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_followed() {
        assert!(parse("f", &"- ".repeat(100_000)).is_err());
        assert!(parse("f", &"[".repeat(100_000)).is_err());
        assert!(parse("f", &"{a: ".repeat(100_000)).is_err());
        assert!(parse("f", &"? ".repeat(100_000)).is_err());
        for part in
            ["- &a ", "- !t ", "? &a ", "- ? &a - ", "a: &a - ", "!t [", "&a {a: ", "- \"\"\n- ", "-\n ", "- a: &a - "]
        {
            let _ = parse("f", &part.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[-a{}\\[\\]:,&*!|>'\"#% \n\t0-9?.]{0,60}") {
            let _ = parse("f", &text);
        }
    }
}
