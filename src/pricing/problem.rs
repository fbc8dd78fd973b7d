//! What is wrong with a price file: where, what, and what to do about it. Knows no format.

use std::fmt;

use crate::yaml::Fault;

/// One problem of a file or of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named; empty where the problem lies in the configuration itself.
    pub file: String,
    /// The line, from 1; 0 where it is not known.
    pub line: u32,
    /// The key, such as `prices[3].tiers[0].above`.
    pub key: String,
    /// What is wrong, lower case.
    pub message: String,
    /// What to do about it, lower case; may be empty.
    pub remedy: String,
}

impl Problem {
    /// Why a file is no YAML that can be read.
    pub(super) fn of_fault(file: &str, fault: Fault) -> Problem {
        let Fault { line, message, remedy } = fault;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Problem { file: file.to_owned(), line, key: String::new(), message, remedy }
    }
}

impl fmt::Display for Problem {
    /// `file:line: key: message; remedy`, without the parts that are not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
            if self.line > 0 {
                write!(f, "{}:", self.line)?;
            }
            f.write_str(" ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_line() {
        let problem = Problem {
            file: "my-prices.yaml".into(),
            line: 7,
            key: "prices[0].inptu".into(),
            message: "unknown key".into(),
            remedy: "did you mean `input`?".into(),
        };
        assert_eq!(problem.to_string(), "my-prices.yaml:7: prices[0].inptu: unknown key; did you mean `input`?");
        let problem = Problem { file: String::new(), line: 0, remedy: String::new(), ..problem };
        assert_eq!(problem.to_string(), "prices[0].inptu: unknown key");
    }
}
