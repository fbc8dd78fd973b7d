//! What is wrong with a price file: where, what, and what to do about it. Knows no format.

use std::fmt;

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

/// The known name that is nearest to what was written, where one is near enough to be a slip.
pub(super) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let reach = (written.chars().count() / 3).max(2);
    known
        .into_iter()
        .filter_map(|name| distance(written, name, reach).map(|distance| (distance, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance, where it is at most `reach`.
pub(super) fn distance(left: &str, right: &str, reach: usize) -> Option<usize> {
    // Longer texts are no slips of each other, and the time is the product of the lengths.
    if left.len() > 128 || right.len() > 128 || left.len().abs_diff(right.len()) > 4 * reach {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        if let Some(first) = row.first_mut() {
            *first = previous;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(right.chars()) {
            let substituted = diagonal + usize::from(a != b);
            diagonal = *cell;
            previous = substituted.min(diagonal + 1).min(previous + 1);
            *cell = previous;
        }
    }
    row.last().copied().filter(|distance| *distance <= reach)
}

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

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["input", "output", "cache_read"];
        assert_eq!(nearest("inptu", known), Some("input"));
        assert_eq!(nearest("cache_reed", known), Some("cache_read"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(distance("kitten", "sitting", 3), Some(3));
        assert_eq!(distance("", "ab", 2), Some(2));
    }
}
