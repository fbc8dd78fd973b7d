//! What stands around an `@` becomes an address of mail, or none.
//!
//! Letters of any alphabet count. Chinese, which has no blanks between words, counts before the `@` only where nothing else stands
//! there, and behind it only up to a top-level domain that there is: `联系ann@example.com谢谢` is prose around an address.

use std::ops::Range;

use super::Seen;

/// Most bytes of a local part in Chinese.
const MAX_HAN: usize = 60;

/// Top-level domains in Chinese that addresses are seen under.
const HAN_DOMAINS: [&str; 16] = [
    "中国",
    "中國",
    "公司",
    "网络",
    "網絡",
    "香港",
    "台湾",
    "台灣",
    "网址",
    "在线",
    "商城",
    "集团",
    "中文网",
    "新加坡",
    "商店",
    "网店",
];

/// Whether it is a letter of a language that has no blanks between words.
fn is_han(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && !is_han(c)
}

fn is_local(c: char) -> bool {
    is_letter(c) || matches!(c, '_' | '.' | '%' | '+' | '-' | '\'')
}

/// Bytes at the end of a text whose characters fulfil a condition.
fn back(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.chars().rev().take_while(|c| is(*c)).map(char::len_utf8).sum()
}

/// The same at the beginning.
fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.chars().take_while(|c| is(*c)).map(char::len_utf8).sum()
}

/// The address around the `@` at `at` of a text.
pub(super) fn email(text: &str, seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    let before = text.get(seen.from..at)?;
    let mut start = at - back(before, is_local);
    // Punctuation before an address is not part of it.
    start += run(text.get(start..at)?, |c| !is_letter(c) && c != '_');
    if start == at && !before.ends_with(is_local) {
        let near = before.get(before.ceil_char_boundary(before.len().saturating_sub(MAX_HAN))..)?;
        start = at - back(near, |c| is_han(c) && c.is_alphabetic());
    }
    if start == at {
        return None;
    }
    let (mut end, mut next, mut dots) = (None, at + 1, 0);
    loop {
        let rest = text.get(next..)?;
        if dots > 0
            && let Some(domain) = HAN_DOMAINS.iter().find(|domain| rest.starts_with(**domain))
        {
            end = Some(next + domain.len());
            break;
        }
        let letters = run(rest, |c| is_letter(c) && c.is_alphabetic());
        let mut label = run(rest, |c| is_letter(c) || c == '-');
        if label == 0 {
            label = run(rest, |c| is_han(c) && c.is_alphabetic());
        } else if dots > 0 && rest.chars().take(2).filter(|c| is_letter(*c) && c.is_alphabetic()).count() == 2 {
            // Digits behind a letter that is none of ASCII may be a number of their own.
            let is_ascii = rest.get(..letters)?.ends_with(|c: char| c.is_ascii());
            let ends = !is_ascii || !rest.get(letters..)?.starts_with(is_letter);
            end = if ends { Some(next + letters) } else { end };
        }
        if label == 0 || rest.starts_with('-') || !text.get(next + label..)?.starts_with('.') {
            break;
        }
        (next, dots) = (next + label + 1, dots + 1);
    }
    end.map(|end| start..end)
}
