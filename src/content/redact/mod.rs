//! Text loses what should not be kept: addresses, numbers and keys become marks of the same length.
//!
//! ```text
//! write to ann@example.org or +1 415 555 2671  ─▶  write to ‹email········› or ‹phone·······›
//! ```
//!
//! A mark has as many characters as what it stands for, names the kind, and is itself never redacted, so that redacting twice
//! is redacting once. The user's own expressions come first, then one walk over the text looks for all the others: it takes
//! time in proportion to the text, whatever a hostile text holds. What is found is a question of form alone: what only looks
//! like a telephone number goes, and one that is written out in words stays.

mod email;
mod key;
mod number;
#[cfg(test)]
mod tests;
mod view;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;

use self::view::{Sight, View};
use super::config::{Config, OwnPattern, Pattern};

/// Longest piece of a line that a user's own expression sees at once, in bytes: some expressions take quadratic time on
/// hostile text.
const MAX_PIECE: usize = 8 << 10;
/// Most bytes that an own expression may take in memory when it is compiled.
const MAX_COMPILED: usize = 1 << 20;

const OPEN: &str = "‹";
const CLOSE: &str = "›";
const PAD: &str = "·";

/// Compiles a user's own expression, within the bounds that the configuration is checked by.
fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build()
}

/// Finds and blots out.
#[derive(Clone, Debug)]
pub struct Redactor {
    /// Names of the kinds, those of the user last.
    names: Arc<[Arc<str>]>,
    built_in: [Option<usize>; Pattern::ALL.len()],
    own: Vec<(usize, Regex)>,
}

impl Redactor {
    /// What a configuration asks for. An own expression that is none, which the configuration's check refuses, finds nothing.
    #[must_use]
    pub fn build(config: &Config) -> Redactor {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut built_in = [None; Pattern::ALL.len()];
        for ((pattern, name), place) in Pattern::ALL.iter().zip(&mut built_in) {
            if config.redact.contains(pattern) {
                *place = Some(names.len());
                names.push((*name).into());
            }
        }
        let mut own = Vec::new();
        for OwnPattern { name, regex } in &config.redact_patterns {
            if let Ok(regex) = compile(regex) {
                own.push((names.len(), regex));
            }
            names.push(name.as_str().into());
        }
        Redactor { names: names.into(), built_in, own }
    }

    /// Names of the kinds, as `counts` of [`Redactor::redact`] has them.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The text with marks; `counts`, one a kind, gains one for each.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str, counts: &mut [u32]) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for (index, regex) in &self.own {
            if let Some(redacted) = self.redact_own(&text, *index, regex, counts) {
                text = Cow::Owned(redacted);
            }
        }
        match self.walk(&text, counts) {
            Some(redacted) => Cow::Owned(redacted),
            None => text,
        }
    }

    /// Blots out what one own expression finds outside of marks; `None` where it finds nothing.
    fn redact_own(&self, text: &str, index: usize, regex: &Regex, counts: &mut [u32]) -> Option<String> {
        let view = View::of(text, Sight::Escapes);
        let mut edit = Edit::new(text, &view);
        let text = &*view.text;
        let mut rest = 0..0;
        while rest.start < text.len() {
            rest.end = piece_end(text, rest.start);
            let mut at = rest.start;
            while at < rest.end {
                // The next mark, or the end of the piece.
                let line = text.get(at..rest.end).unwrap_or("");
                let mark = line.match_indices(OPEN).find_map(|(offset, _)| {
                    let end = self.mark_end(text, at + offset)?;
                    Some(at + offset..end)
                });
                let until = mark.as_ref().map_or(rest.end, |mark| mark.start);
                for found in regex.find_iter(text.get(at..until).unwrap_or("")).filter(|found| !found.is_empty()) {
                    edit.blot(at + found.start()..at + found.end(), self.name(index));
                    count(counts, index);
                }
                at = mark.map_or(rest.end, |mark| mark.end);
            }
            rest.start = at;
        }
        edit.finish()
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", AsRef::as_ref)
    }

    fn index(&self, pattern: Pattern) -> Option<usize> {
        let place = Pattern::ALL.iter().position(|(known, _)| *known == pattern)?;
        self.built_in.get(place).copied().flatten()
    }

    /// Looks for the built-in kinds in one walk; `None` where there is nothing.
    fn walk(&self, text: &str, counts: &mut [u32]) -> Option<String> {
        let (mail, phone) = (self.index(Pattern::Email), self.index(Pattern::Phone));
        let (card, key) = (self.index(Pattern::Card), self.index(Pattern::Key));
        if [mail, phone, card, key] == [None; 4] {
            return None;
        }
        let view = View::of(text, Sight::All);
        let mut edit = Edit::new(text, &view);
        let text = &*view.text;
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let seen = Seen { bytes, from: edit.seen, mark: edit.mark };
            let found = match byte {
                b'@' => mail.and_then(|index| Some((index, email::email(text, seen, at)?))),
                b'0'..=b'9' => {
                    let found = card.and_then(|index| Some((index, number::card(seen, at)?)));
                    found.or_else(|| Some((phone?, number::phone(seen, at)?)))
                }
                b'+' | b'(' => phone.and_then(|index| Some((index, number::marked_phone(seen, at)?))),
                b'A'..=b'Z' | b'a'..=b'z' => {
                    let found = key.and_then(|index| Some((index, key::token(seen, at)?)));
                    found.or_else(|| Some((phone?, number::labelled_phone(seen, at)?)))
                }
                b'=' | b':' => key.and_then(|index| {
                    let found = key::in_url(seen, at).or_else(|| key::assigned(seen, at));
                    Some((index, found?))
                }),
                b'-' => key.and_then(|index| Some((index, key::private(text, at)?))),
                0xe2 => {
                    at = self.mark_end(text, at).unwrap_or(at + OPEN.len());
                    continue;
                }
                _ => None,
            };
            match found {
                Some((index, range)) => {
                    at = range.end;
                    edit.blot(range, self.name(index));
                    count(counts, index);
                }
                // The rest of a word tells nothing that its beginning did not.
                None if is_word(*byte) => at += word_len(bytes, at),
                None => at += 1,
            }
        }
        edit.finish()
    }

    /// End of the mark that begins at `at`; `None` where there is none.
    fn mark_end(&self, text: &str, at: usize) -> Option<usize> {
        let inside = text.get(at..)?.strip_prefix(OPEN)?;
        let end = |rest: &str| rest.starts_with(CLOSE).then(|| text.len() - rest.len() + CLOSE.len());
        self.names.iter().find_map(|name| match inside.strip_prefix(&**name) {
            Some(rest) => end(rest.trim_start_matches(PAD)),
            // A short mark has only the beginning of the name.
            None => end(inside.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
                .filter(|end| text.get(at + OPEN.len()..end - CLOSE.len()).is_some_and(|part| name.starts_with(part))),
        })
    }
}

fn count(counts: &mut [u32], index: usize) {
    if let Some(count) = counts.get_mut(index) {
        *count = count.saturating_add(1);
    }
}

/// End of the piece that begins at `start`: of the line, or where a long line has a blank.
fn piece_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or("");
    let end = rest.floor_char_boundary(MAX_PIECE);
    let line = rest.as_bytes().get(..end).and_then(|piece| memchr::memchr(b'\n', piece));
    if let Some(newline) = line {
        return start + newline + 1;
    }
    if end == rest.len() {
        return text.len();
    }
    let blank = rest.get(..end).and_then(|piece| piece.rfind(' ')).map_or(end, |at| at + 1);
    start + blank
}

/// Text in which ranges of its view become marks, from left to right.
struct Edit<'t> {
    text: &'t str,
    view: &'t View<'t>,
    /// Replaced pieces of the view that are done with.
    passed: usize,
    out: String,
    /// Up to here the text is done with.
    copied: usize,
    /// The same place in the view, and where the mark that ends there begins.
    seen: usize,
    mark: usize,
}

impl<'t> Edit<'t> {
    fn new(text: &'t str, view: &'t View<'t>) -> Edit<'t> {
        Edit { text, view, passed: 0, out: String::new(), copied: 0, seen: 0, mark: 0 }
    }

    fn blot(&mut self, seen: Range<usize>, name: &str) {
        let range = self.view.in_text(&seen, &mut self.passed);
        self.out.push_str(self.text.get(self.copied..range.start).unwrap_or(""));
        let length = self.text.get(range.clone()).map_or(0, |part| part.chars().count());
        match length {
            0 | 1 => self.out.extend(std::iter::repeat_n(PAD, length)),
            _ => {
                // Names are ASCII, so that a byte is a character.
                let name = name.get(..length - 2).unwrap_or(name);
                self.out.push_str(OPEN);
                self.out.push_str(name);
                self.out.extend(std::iter::repeat_n(PAD, length - 2 - name.len()));
                self.out.push_str(CLOSE);
            }
        }
        (self.copied, self.seen, self.mark) = (range.end, seen.end, seen.start);
    }

    fn finish(mut self) -> Option<String> {
        if self.copied == 0 {
            return None;
        }
        self.out.push_str(self.text.get(self.copied..).unwrap_or(""));
        Some(self.out)
    }
}

/// The text that the walk looks at: what is before `from` has become marks, or is not to be looked at again.
#[derive(Clone, Copy)]
struct Seen<'t> {
    bytes: &'t [u8],
    from: usize,
    /// Where the last mark, which ends at `from`, begins.
    mark: usize,
}

impl<'t> Seen<'t> {
    fn get(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The byte before `at`, if it is still there.
    fn before(self, at: usize) -> Option<u8> {
        at.checked_sub(1).filter(|before| *before >= self.from).and_then(|before| self.get(before))
    }

    fn rest(self, at: usize) -> &'t [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// How many bytes from `at` on fulfil a condition.
    fn run(self, at: usize, is: impl Fn(u8) -> bool) -> usize {
        self.run_within(at, usize::MAX, is)
    }

    /// The same of at most so many bytes.
    fn run_within(self, at: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
        self.rest(at).iter().take(most).take_while(|byte| is(**byte)).count()
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word_len(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_word(**byte)).count()
}
