//! Words of a message: a stranger's text made safe to show, numbers for people, and a misspelt word's likely meaning.
//!
//! Knows nothing of what is being read; where a message goes and what it says is for the reader's own part.

/// Most characters of a stranger's own text that a message repeats.
pub const MOST_SHOWN: usize = 60;

/// Longest text in characters that is compared letter by letter, since the time is the product of the lengths.
const MOST_COMPARED: usize = 128;

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A whole number with its thousands apart: `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(count: impl ToString) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A stranger's text for a message: on one line, cut after [`MOST_SHOWN`] characters, in backticks.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// A stranger's text for a message or a key path: on one line, cut after [`MOST_SHOWN`] characters.
#[must_use]
pub fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(MOST_SHOWN).collect();
    let dots = if chars.next().is_some() { "…" } else { "" };
    format!("{}{dots}", escaped(&head))
}

/// The text with control characters written as escapes, so that it is one line and moves no cursor.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Text with control characters made visible, so that nothing from a log can drive a terminal. Line ends stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let is_direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\n') || is_direction {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// One line of visible text.
#[must_use]
pub fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// Names in a sentence: `a`, `b`, `c`.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The candidate that a misspelt `word` most likely means: the fewest edits, letter case aside, at most a third of its
/// letters and never more than 3; else one that begins as the word does or the other way round. None for words of
/// fewer than 3 letters or more than [`MOST_SHOWN`].
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Looked at no further than needed: the word may be a whole log line.
    let length = word.chars().take(MOST_SHOWN + 1).count();
    // Anything is near a shorter word.
    if !(3..=MOST_SHOWN).contains(&length) {
        return None;
    }
    let most = (length / 3).clamp(1, 3);
    let lower = word.to_lowercase();
    let candidates: Vec<&str> = candidates.into_iter().filter(|candidate| !candidate.is_empty()).collect();
    let close = candidates
        .iter()
        .filter_map(|candidate| Some((distance(&lower, &candidate.to_lowercase(), most)?, *candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate);
    let begins = |candidate: &&str| candidate.starts_with(word) || word.starts_with(candidate);
    close.or_else(|| candidates.iter().copied().find(begins))
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other (optimal string
/// alignment), where that takes at most `most` of them. None for texts of more than 128 characters: they are no slips
/// of each other.
#[must_use]
pub fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let letters = |text: &str| text.chars().take(MOST_COMPARED + 1).collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    if a.len().max(b.len()) > MOST_COMPARED || a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, &ca) in a.iter().enumerate() {
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
    above.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_swaps_as_one_and_ends_at_the_bound() {
        for (a, b, want) in
            [("", "", 0), ("", "abc", 3), ("fromat", "format", 1), ("kitten", "sitting", 3), ("a", "b", 1)]
        {
            assert_eq!(distance(a, b, 3), Some(want), "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting", 2), None);
        assert_eq!(distance("", "abcd", 3), None);
        assert_eq!(distance(&"é".repeat(128), &"é".repeat(128), 3), Some(0));
        assert_eq!(distance(&"é".repeat(129), &"é".repeat(129), 3), None);
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_finds_none() {
        let known = ["format", "from", "path", ""];
        assert_eq!(nearest("fromat", known), Some("format"));
        assert_eq!(nearest("Path", known), Some("path"));
        assert_eq!(nearest("path_to_log", known), Some("path"));
        assert_eq!(nearest("form", known), Some("from"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("pa", known), None);
        assert_eq!(nearest(&"f".repeat(100_000), known), None);
        let kinds = ["input", "output", "cache_read"];
        assert_eq!(nearest("inptu", kinds), Some("input"));
        assert_eq!(nearest("cache_reed", kinds), Some("cache_read"));
        assert_eq!(nearest("colour", kinds), None);
    }

    #[test]
    fn a_strangers_text_is_short_and_on_one_line() {
        assert_eq!(quoted("1\n\u{1b}[2J"), "`1\\n\\u{1b}[2J`");
        assert_eq!(quoted(&"é".repeat(61)), format!("`{}…`", "é".repeat(60)));
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
    }
}
