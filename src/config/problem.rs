//! What is wrong with a configuration, said so that it can be put right without opening a manual.
//!
//! Collects findings and orders them by line. It does not judge anything: the sections do.

use std::fmt;
use std::path::PathBuf;

use crate::wording::escaped;

/// Most problems that are kept; further ones are only counted, so that a hostile file cannot fill memory.
const MOST: usize = 100;

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

    /// The file that problems are about.
    pub(super) fn file(&self) -> &std::path::Path {
        &self.file
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::quoted;

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
