//! An answer's status and body become a success, or the reason why they are not what was expected.

use std::ops::RangeInclusive;

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::build::Problem;
use super::config::{Http, JsonEquals, Match};
use super::outcome::Fault;
use crate::record::Failure;
use crate::wording::{quoted, shortened};

/// Most bytes of a body that are looked at.
pub(super) const MAX_BODY: usize = 1 << 20;

/// Most bytes that one compiled regular expression may take; 200 targets then stay far under 30 MiB, as theirs are short.
const REGEX_BYTES: usize = 1 << 20;

/// What is expected, ready to be compared.
#[derive(Debug)]
pub(super) struct Expect {
    status: Vec<RangeInclusive<u16>>,
    body: Option<Pattern>,
    json: Vec<(String, Vec<Step>, Value)>,
}

#[derive(Debug)]
enum Pattern {
    Text(String),
    Regex(Regex),
}

/// A step into a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Expect {
    /// Compiles what is expected.
    pub(super) fn build(http: &Http, problems: &mut Vec<Problem>) -> Expect {
        if http.expect_status.is_empty() {
            problems.push(Problem::new("expect_status", "expected at least one status such as 200 or 200-299"));
        }
        for (index, range) in http.expect_status.iter().enumerate() {
            if range.is_empty() || *range.start() < 100 || *range.end() > 599 {
                let message =
                    format!("expected statuses from 100 to 599, found {}", statuses(std::slice::from_ref(range)));
                problems.push(Problem::new(format!("expect_status[{index}]"), message));
            }
        }
        let body = match &http.expect_body {
            None => None,
            Some(Match::Text(text) | Match::Regex(text)) if text.is_empty() => {
                problems.push(Problem::new("expect_body", "expected a text that is not empty"));
                None
            }
            Some(Match::Text(text)) => Some(Pattern::Text(text.clone())),
            Some(Match::Regex(text)) => {
                let built = RegexBuilder::new(text).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
                let why = |error: regex::Error| match error {
                    regex::Error::CompiledTooBig(_) => "larger than 1 MiB when compiled".to_owned(),
                    // The last line of several says what is wrong; those before it draw where.
                    error => error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                };
                built
                    .map_err(|error| {
                        let message = format!("expected a regular expression, found {}: {}", quoted(text), why(error));
                        problems.push(Problem::new("expect_body", message));
                    })
                    .ok()
                    .map(Pattern::Regex)
            }
        };
        let json = http.expect_json.iter().enumerate().filter_map(|(index, JsonEquals { path, equals })| {
            let steps = steps(path)
                .map_err(|message| problems.push(Problem::new(format!("expect_json[{index}].path"), message)));
            Some((path.clone(), steps.ok()?, equals.clone()))
        });
        let json = json.collect();
        Expect { status: http.expect_status.clone(), body, json }
    }

    /// Whether the body has to be read at all.
    pub(super) fn wants_body(&self) -> bool {
        self.body.is_some() || !self.json.is_empty()
    }

    /// Judges a status; `location` is where a redirect points that is not followed.
    pub(super) fn status(&self, status: u16, location: Option<&str>) -> Result<(), Fault> {
        if self.status.iter().any(|range| range.contains(&status)) {
            return Ok(());
        }
        let expected = statuses(&self.status);
        let message = match location {
            None => format!("status {status}, expected {expected}"),
            Some(location) => {
                format!("status {status} to {}, expected {expected}; it is not followed further", quoted(location))
            }
        };
        Err(Fault::new(Failure::Status, message))
    }

    /// Judges a body of which no more than [`MAX_BODY`] was read; `whole` says whether that was all.
    pub(super) fn body(&self, body: &[u8], whole: bool) -> Result<(), Fault> {
        let fault = |message: String| Fault::new(Failure::Body, message);
        let found = match &self.body {
            None => true,
            Some(Pattern::Text(text)) => memmem::find(body, text.as_bytes()).is_some(),
            Some(Pattern::Regex(regex)) => regex.is_match(body),
        };
        if !found {
            let (what, text) = match &self.body {
                Some(Pattern::Regex(regex)) => ("no match of", regex.as_str()),
                Some(Pattern::Text(text)) => ("no", text.as_str()),
                None => ("no", ""),
            };
            let part = if whole { "the body" } else { "the first 1 MiB of the body" };
            let text = quoted(text);
            return Err(fault(format!("{part} has {what} {text}; it begins with {}", begin(body))));
        }
        if self.json.is_empty() {
            return Ok(());
        }
        if !whole {
            return Err(fault("the body is larger than 1 MiB, which is too large to be read as JSON".to_owned()));
        }
        let document: Value = serde_json::from_slice(body)
            .map_err(|error| fault(format!("the body is no JSON: {error}; it begins with {}", begin(body))))?;
        for (path, steps, want) in &self.json {
            let Some(found) = steps.iter().try_fold(&document, |value, step| match step {
                Step::Key(key) => value.get(key),
                Step::Index(index) => value.get(index),
            }) else {
                return Err(fault(format!("the body has nothing at {}, expected {}", quoted(path), json(want))));
            };
            if !equal(found, want) {
                return Err(fault(format!("{} is {}, expected {}", quoted(path), json(found), json(want))));
            }
        }
        Ok(())
    }
}

/// 1 and 1.0 are equal, also within lists and mappings.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn json(value: &Value) -> String {
    quoted(&value.to_string())
}

fn begin(body: &[u8]) -> String {
    let head = body.get(..256).unwrap_or(body);
    if head.is_empty() { "nothing: it is empty".to_owned() } else { quoted(&String::from_utf8_lossy(head)) }
}

/// `200-299, 304`.
fn statuses(ranges: &[RangeInclusive<u16>]) -> String {
    let shown = ranges.iter().map(|range| match (range.start(), range.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Reads `checks[0].state`.
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let expected = || format!("expected a path such as `checks[0].state`, found {}", quoted(path));
    let mut steps = Vec::new();
    for (number, part) in path.split('.').enumerate() {
        let (key, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        // A list at the top has no key.
        let listed = number == 0 && !indices.is_empty();
        if key.contains(']') || (key.is_empty() && !listed) {
            return Err(expected());
        }
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        while !indices.is_empty() {
            let (index, rest) = indices.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(expected)?;
            steps.push(Step::Index(index.parse().map_err(|_| expected())?));
            indices = rest;
        }
    }
    Ok(steps)
}

/// The text of a server, for a message: on one line and short.
pub(super) fn said(text: &str) -> String {
    format!("\"{}\"", shortened(text.trim()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expect(change: impl FnOnce(&mut Http)) -> Result<Expect, Vec<Problem>> {
        let mut http = Http::get("http://a/");
        change(&mut http);
        let mut problems = Vec::new();
        let expect = Expect::build(&http, &mut problems);
        if problems.is_empty() { Ok(expect) } else { Err(problems) }
    }

    #[test]
    fn a_status_outside_of_the_ranges_is_named_with_them() {
        let expect = expect(|http| http.expect_status = vec![200..=299, 304..=304]).expect("valid");
        for status in [200, 299, 304] {
            assert_eq!(expect.status(status, None), Ok(()), "{status}");
        }
        let fault = expect.status(502, None).expect_err("502");
        assert_eq!((fault.failure, fault.message.as_str()), (Failure::Status, "status 502, expected 200-299, 304"));
        let fault = expect.status(302, Some("/login\n")).expect_err("302");
        assert_eq!(fault.message, "status 302 to `/login\\n`, expected 200-299, 304; it is not followed further");
    }

    #[test]
    fn a_body_is_searched_for_a_text_or_an_expression() {
        let text = expect(|http| http.expect_body = Some(Match::Text("a.c".to_owned()))).expect("valid");
        let regex = expect(|http| http.expect_body = Some(Match::Regex("a.c".to_owned()))).expect("valid");
        assert_eq!(text.body(b"xx a.c \xff", true), Ok(()));
        assert_eq!(regex.body(b"xx abc \xff", true), Ok(()));
        let cases = [
            (text.body(b"abc", true), "the body has no `a.c`; it begins with `abc`"),
            (text.body(b"", true), "the body has no `a.c`; it begins with nothing: it is empty"),
            (regex.body(b"a\nc", true), "the body has no match of `a.c`; it begins with `a\\nc`"),
            (regex.body(b"x", false), "the first 1 MiB of the body has no match of `a.c`; it begins with `x`"),
        ];
        for (found, want) in cases {
            let fault = found.expect_err(want);
            assert_eq!((fault.failure, fault.message.as_str()), (Failure::Body, want));
        }
    }

    #[test]
    fn a_json_document_is_compared_at_each_path() {
        let equals = |path: &str, equals| JsonEquals { path: path.to_owned(), equals };
        let expect = expect(|http| {
            http.expect_json = vec![equals("status", json!("ok")), equals("db[1][0].n", json!([1, {"x": 2.0}]))];
        })
        .expect("valid");
        assert_eq!(expect.body(br#"{"status":"ok","db":[0,[{"n":[1.0,{"x":2}]}]]}"#, true), Ok(()));
        let cases = [
            (&br#"{"status":"down"}"#[..], true, "`status` is `\"down\"`, expected `\"ok\"`"),
            (br#"{"status":"ok"}"#, true, "the body has nothing at `db[1][0].n`, expected `[1,{\"x\":2.0}]`"),
            (br#"{"status":"ok","db":{"1":[]}}"#, true, "the body has nothing at `db[1][0].n`"),
            (b"<html>", true, "the body is no JSON: "),
            (b"{}", false, "the body is larger than 1 MiB"),
        ];
        for (body, whole, want) in cases {
            let fault = expect.body(body, whole).expect_err(want);
            assert_eq!(fault.failure, Failure::Body);
            assert!(fault.message.starts_with(want), "{}", fault.message);
        }
        let deep = "[".repeat(100_000);
        assert!(expect.body(deep.as_bytes(), true).is_err());
    }

    #[test]
    fn a_path_is_keys_and_indices() {
        let key = |text: &str| Step::Key(text.to_owned());
        assert_eq!(steps("a.b[0][12].c"), Ok(vec![key("a"), key("b"), Step::Index(0), Step::Index(12), key("c")]));
        assert_eq!(steps("[3].a"), Ok(vec![Step::Index(3), key("a")]));
        for path in ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a]0[", "a[0]b", "a.[0]"] {
            assert!(steps(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_expected_is_named() {
        let matches = |expected| Http { expect_body: Some(expected), ..Http::get("http://a/") };
        let regex = |text: &str| matches(Match::Regex(text.to_owned()));
        let statuses = |expect_status| Http { expect_status, ..Http::get("http://a/") };
        let path = JsonEquals { path: "a..b".to_owned(), equals: Value::Null };
        let cases = [
            (statuses(vec![]), "expect_status", "expected at least one status such as 200 or 200-299"),
            (statuses(vec![0..=99]), "expect_status[0]", "expected statuses from 100 to 599, found 0-99"),
            (matches(Match::Text(String::new())), "expect_body", "expected a text that is not empty"),
            (regex("("), "expect_body", "expected a regular expression, found `(`: error: unclosed group"),
            (
                regex("\\w{9999}"),
                "expect_body",
                "expected a regular expression, found `\\w{9999}`: larger than 1 MiB when compiled",
            ),
            (
                Http { expect_json: vec![path], ..Http::get("http://a/") },
                "expect_json[0].path",
                "expected a path such as `checks[0].state`, found `a..b`",
            ),
        ];
        for (changed, key, message) in cases {
            let problems = expect(|http| *http = changed).expect_err(key);
            assert_eq!(problems, [Problem::new(key, message)]);
        }
    }
}
