//! Text becomes what it is looked at as: without escapes, and with the usual width of its letters.
//!
//! `\n` in JSON is a line's end and no letter, `\u0040` and `%40` are an `@`, `１３８` is `138` and a no-break space is a space.
//! What is found in the view is blotted out in the text itself, whole escapes at a time, so that JSON stays JSON.

use std::borrow::Cow;
use std::ops::Range;

/// What of a text is replaced in its view.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Escapes; for expressions that name wide characters themselves.
    Escapes,
    /// Escapes, `%40`, wide characters, and special spaces, hyphens and quotes.
    All,
}

/// A text as it is looked at.
pub(super) struct View<'t> {
    pub(super) text: Cow<'t, str>,
    /// Places behind each replaced piece: in the view, and in the text.
    behind: Vec<(usize, usize)>,
}

impl<'t> View<'t> {
    pub(super) fn of(text: &'t str, sight: Sight) -> View<'t> {
        let bytes = text.as_bytes();
        let (mut seen, mut copied, mut at) = (String::new(), 0, 0);
        let mut behind = Vec::new();
        while let Some(byte) = bytes.get(at) {
            let replaced = match byte {
                b'\\' => match escape(bytes, at) {
                    (end, Some(character)) => Some((end, character)),
                    (end, None) => {
                        at = end;
                        continue;
                    }
                },
                b'%' if sight == Sight::All && bytes.get(at + 1..at + 3) == Some(b"40") => Some((at + 3, '@')),
                0xc2 | 0xe2 | 0xe3 | 0xef if sight == Sight::All => text
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .and_then(|wide| Some((at + wide.len_utf8(), narrow(wide)?))),
                _ => None,
            };
            let Some((end, character)) = replaced else {
                at += 1;
                continue;
            };
            seen.push_str(text.get(copied..at).unwrap_or(""));
            seen.push(character);
            behind.push((seen.len(), end));
            (at, copied) = (end, end);
        }
        if behind.is_empty() {
            return View { text: Cow::Borrowed(text), behind };
        }
        seen.push_str(text.get(copied..).unwrap_or(""));
        View { text: Cow::Owned(seen), behind }
    }

    /// The range of the text that a range of the view stands for. `passed` is kept between calls from left to right.
    pub(super) fn in_text(&self, range: &Range<usize>, passed: &mut usize) -> Range<usize> {
        let mut place = |at: usize| {
            while self.behind.get(*passed).is_some_and(|(seen, _)| *seen <= at) {
                *passed += 1;
            }
            let last = passed.checked_sub(1).and_then(|last| self.behind.get(last));
            last.map_or(at, |(seen, text)| text + (at - seen))
        };
        place(range.start)..place(range.end)
    }
}

/// End of the backslashes at `at`, and with what they escape the character it stands for. Backslashes that are escaped themselves
/// are those of JSON within JSON.
fn escape(bytes: &[u8], at: usize) -> (usize, Option<char>) {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = at + rest.iter().take_while(|byte| **byte == b'\\').count();
    match bytes.get(end) {
        Some(b'n' | b'r') => (end + 1, Some('\n')),
        Some(b't') => (end + 1, Some('\t')),
        Some(b'b' | b'f') => (end + 1, Some(' ')),
        Some(b'u') => match bytes.get(end + 1..end + 5).and_then(code) {
            Some(code) => (end + 5, Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))),
            None => (end, None),
        },
        _ => (end, None),
    }
}

/// The number of four hexadecimal digits.
fn code(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
}

/// The usual form of a wide or special character that numbers, addresses and names of values are written with.
fn narrow(wide: char) -> Option<char> {
    Some(match wide {
        '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '＠' | '．' | '：' | '＝' | '＋' | '－' | '＿' | '（' | '）' => {
            char::from_u32(u32::from(wide) - 0xfee0)?
        }
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2014}' => '-',
        '“' | '”' => '"',
        _ => return None,
    })
}
