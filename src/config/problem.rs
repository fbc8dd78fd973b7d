//! What is wrong with a configuration, said so that it can be put right without opening a manual.
//!
//! Collects findings and orders them by line. It does not judge anything: the sections do.

use std::fmt;
use std::path::PathBuf;

/// Most problems that are kept; further ones are only counted, so that a hostile file cannot fill memory.
const MOST: usize = 100;

/// Most characters of a user's own text that a message repeats.
const MOST_SHOWN: usize = 60;

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file; empty for a flag.
    pub file: PathBuf,
    /// Line in the file, from 1; 0 where no line is to blame.
    pub line: usize,
    /// Dotted path of the key, such as `sources[1].format`, or the flag, such as `--log`; empty for the whole file.
    pub key: String,
    /// What is wrong and what was expected; no final period.
    pub message: String,
    /// What to do; no final period.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = escaped(&self.file.to_string_lossy());
        match (file.is_empty(), self.line) {
            (true, _) => {}
            (false, 0) => write!(f, "{file}: ")?,
            (false, line) => write!(f, "{file}:{line}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

/// All that is wrong, by line; never empty where it is returned as an error. Prints one line a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// The problems, by line; at most 100.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// How many more there were beyond [`Problems::list`].
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects problems while a configuration is read.
#[derive(Debug)]
pub(super) struct Report {
    file: PathBuf,
    list: Vec<Problem>,
    omitted: usize,
}

impl Report {
    /// An empty report about `file`; an empty path for flags.
    pub(super) fn new(file: impl Into<PathBuf>) -> Report {
        Report { file: file.into(), list: Vec::new(), omitted: 0 }
    }

    /// Adds a problem; see [`Problem`] for the wording.
    pub(super) fn add(&mut self, line: usize, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        if self.list.len() >= MOST {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        let (file, key) = (self.file.clone(), key.to_owned());
        self.list.push(Problem { file, line, key, message: message.into(), remedy: remedy.into() });
    }

    /// `value` where nothing was wrong.
    pub(super) fn check<T>(mut self, value: T) -> Result<T, Problems> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|problem| problem.line);
        Err(Problems { list: self.list, omitted: self.omitted })
    }
}

/// A user's own text for a message: on one line, cut, in backticks.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// A user's own text for a message or a key path: on one line, cut.
pub(super) fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(MOST_SHOWN).collect();
    let dots = if chars.next().is_some() { "…" } else { "" };
    format!("{}{dots}", escaped(&head))
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Names in a sentence: `a`, `b`, `c`.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The candidate that a misspelt `word` most likely means: the fewest edits, at most a third of its letters and
/// never more than 3; else one that begins as the word does or the other way round.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // Anything is near a shorter word.
    if !(3..=MOST_SHOWN).contains(&length) {
        return None;
    }
    let bound = (length / 3).clamp(1, 3);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let close = candidates
        .iter()
        .map(|candidate| (edits(&word.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate);
    let begins = |candidate: &&str| candidate.starts_with(word) || word.starts_with(candidate);
    close.or_else(|| candidates.iter().copied().find(begins))
}

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, ca) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        let mut left = row + 1;
        for (column, &cb) in b.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&above, column) + usize::from(ca != cb)).min(at(&above, column + 1) + 1).min(left + 1);
            let swapped = column > 0 && last_a == Some(cb) && b.get(column - 1) == Some(&ca);
            if swapped {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            current.push(cost);
            left = cost;
        }
        before = std::mem::replace(&mut above, current);
        last_a = Some(ca);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_swaps_as_one() {
        for (a, b, want) in
            [("", "", 0), ("", "abc", 3), ("fromat", "format", 1), ("kitten", "sitting", 3), ("a", "b", 1)]
        {
            assert_eq!(edits(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_finds_none() {
        let known = ["format", "from", "path"];
        assert_eq!(nearest("fromat", known), Some("format"));
        assert_eq!(nearest("Path", known), Some("path"));
        assert_eq!(nearest("path_to_log", known), Some("path"));
        assert_eq!(nearest("form", known), Some("from"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest(&"f".repeat(100_000), known), None);
    }

    #[test]
    fn a_problem_is_one_line_whatever_the_text() {
        let mut report = Report::new("a\nb.yaml");
        report.add(3, "x", format!("{} is wrong", quoted("1\n\u{1b}[2J")), "write 2");
        let problems = report.check(()).expect_err("a problem was added");
        assert_eq!(problems.to_string(), "a\\nb.yaml:3: x: `1\\n\\u{1b}[2J` is wrong; write 2");
    }

    #[test]
    fn problems_beyond_the_bound_are_counted() {
        let mut report = Report::new("a.yaml");
        for line in (1..=MOST + 5).rev() {
            report.add(line, "", "wrong", "right");
        }
        let problems = report.check(()).expect_err("problems were added");
        assert_eq!((problems.list().len(), problems.omitted()), (MOST, 5));
        assert!(problems.list().is_sorted_by_key(|problem| problem.line));
        assert!(problems.to_string().ends_with("\nand 5 more"));
    }
}
