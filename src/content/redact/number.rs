//! Digits become telephone numbers and numbers of payment cards, or neither.
//!
//! A telephone number is a mobile number of China (11 digits from 13 to 19, also with 86 or a word such as `tel` in front), an international one behind
//! a `+`, or one of North America in its usual form. A card's number has the beginning and the length of an issuer's and
//! passes [Luhn's check](https://www.itu.int/rec/T-REC-E.118). Dates, times since the epoch, counts, amounts and UUIDs are
//! neither.

use std::ops::Range;

use super::{Seen, is_word};

/// Most groups of digits of a number.
const MAX_GROUPS: usize = 5;
/// Digits of an international number (E.164), and how many there are at least.
const INTERNATIONAL: (usize, usize) = (10, 15);
/// Digits of a card's number.
const CARD: (usize, usize) = (13, 19);

/// Words directly before a telephone number, in English and as Chinese is typed; the longest.
const LABELS: [&[u8]; 19] = [
    b"tel",
    b"telephone",
    b"phone",
    b"mobile",
    b"mob",
    b"cell",
    b"call",
    b"sms",
    b"fax",
    b"qq",
    b"wx",
    b"vx",
    b"wechat",
    b"weixin",
    b"whatsapp",
    b"alipay",
    b"dianhua",
    b"shouji",
    b"sj",
];
const MAX_LABEL: usize = 9;

/// Groups of digits with a hyphen, a dot, or one or two blanks between.
struct Groups {
    lengths: [usize; MAX_GROUPS],
    starts: [usize; MAX_GROUPS],
    count: usize,
    separator: Option<u8>,
}

impl Groups {
    fn read(seen: Seen<'_>, start: usize) -> Groups {
        let mut groups = Groups { lengths: [0; MAX_GROUPS], starts: [0; MAX_GROUPS], count: 0, separator: None };
        let mut at = start;
        for (length, start) in groups.lengths.iter_mut().zip(&mut groups.starts) {
            let digits = seen.run(at, |byte| byte.is_ascii_digit());
            if digits == 0 {
                break;
            }
            (*length, *start) = (digits, at);
            groups.count += 1;
            at += digits;
            let separator = seen.get(at).filter(|byte| matches!(byte, b' ' | b'-' | b'.'));
            if separator.is_none() || groups.separator.is_some_and(|known| Some(known) != separator) {
                break;
            }
            groups.separator = separator;
            at += if separator == Some(b' ') { seen.run_within(at, 2, |byte| byte == b' ') } else { 1 };
        }
        groups
    }

    /// Where a number of these lengths ends, if it begins the groups.
    fn end_of(&self, seen: Seen<'_>, lengths: &[usize]) -> Option<usize> {
        let fits = lengths.len() <= self.count && self.lengths.iter().zip(lengths).all(|(is, want)| is == want);
        let last = lengths.len().checked_sub(1).filter(|_| fits)?;
        let end = self.starts.get(last)? + self.lengths.get(last)?;
        ends(seen, end).then_some(end)
    }
}

/// Whether a number may end before `at`: no letter, digit, or fraction follows, and no address.
fn ends(seen: Seen<'_>, at: usize) -> bool {
    match seen.get(at) {
        Some(b'.') => !seen.get(at + 1).is_some_and(|byte| byte.is_ascii_digit()),
        Some(byte) => !is_word(byte) && byte != b'@',
        None => true,
    }
}

/// Whether a number may begin at `at`: it is no fraction.
fn begins(seen: Seen<'_>, at: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    !(seen.before(at) == Some(b'.') && at > 0 && seen.before(at - 1).is_some_and(is_digit))
}

/// The card's number that begins at `at`.
pub(super) fn card(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    if !begins(seen, at) {
        return None;
    }
    let groups = Groups::read(seen, at);
    let first = *groups.lengths.first()?;
    let end = if (CARD.0..=CARD.1).contains(&first) {
        groups.end_of(seen, &[first])?
    } else {
        let forms: [&[usize]; 7] =
            [&[4, 4, 4, 4, 3], &[4, 4, 4, 4, 2], &[4, 4, 4, 4, 1], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[6, 13]];
        forms.iter().find_map(|form| groups.end_of(seen, form).filter(|end| is_card(seen, at..*end)))?
    };
    is_card(seen, at..end).then_some(at..end)
}

fn is_card(seen: Seen<'_>, range: Range<usize>) -> bool {
    let (mut digits, mut count) = ([0_u8; CARD.1], 0);
    let bytes = seen.bytes.get(range).unwrap_or_default();
    for (slot, byte) in digits.iter_mut().zip(bytes.iter().filter(|byte| byte.is_ascii_digit())) {
        *slot = byte - b'0';
        count += 1;
    }
    let digits = digits.get(..count).unwrap_or_default();
    let head =
        digits.iter().chain(std::iter::repeat(&0)).take(4).fold(0_u32, |head, digit| head * 10 + u32::from(*digit));
    let fits = match head {
        4000..=4999 => matches!(count, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => count == 16,
        3400..=3499 | 3700..=3799 => count == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => count == 14,
        6011 | 6440..=6599 | 6200..=6299 | 3528..=3589 | 2200..=2204 => (16..=19).contains(&count),
        _ => false,
    };
    fits && luhn(digits)
}

/// Whether the last digit is the check digit of those before it.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The telephone number without a sign in front that begins at `at`.
pub(super) fn phone(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    if !begins(seen, at) {
        return None;
    }
    let groups = Groups::read(seen, at);
    let mobile = |at: usize| matches!(seen.rest(at), [b'1', b'3'..=b'9', ..]);
    let area = |at: usize| matches!(seen.rest(at), [b'2'..=b'9', ..]);
    let second = groups.starts.get(1).copied().filter(|start| *start > at).unwrap_or(usize::MAX);
    let chinese: [(&[usize], usize); 8] = [
        (&[11], at),
        (&[3, 4, 4], at),
        (&[13], at + 2),
        (&[15], at + 4),
        (&[2, 11], second),
        (&[4, 11], second),
        (&[2, 3, 4, 4], second),
        (&[4, 3, 4, 4], second),
    ];
    let found = chinese.iter().find_map(|(form, begin)| {
        let end = groups.end_of(seen, form).filter(|_| mobile(*begin))?;
        // What stands before it is the country's code.
        let code = seen.bytes.get(at..*begin).unwrap_or_default().trim_ascii_end();
        matches!(code, b"" | b"86" | b"86-" | b"0086" | b"0086-").then_some(end)
    });
    let american = || {
        let end = groups.end_of(seen, &[3, 3, 4])?;
        (groups.separator == Some(b'-') && area(at) && area(at + 4)).then_some(end)
    };
    found.or_else(american).map(|end| at..end)
}

/// The telephone number directly behind the word at `at` that says it is one: `tel13800138000`.
pub(super) fn labelled_phone(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    // Within an address it is none of its own.
    if seen.before(at).is_some_and(|byte| matches!(byte, b'.' | b'@' | b'-')) {
        return None;
    }
    let length = seen.run_within(at, MAX_LABEL, |byte| byte.is_ascii_alphabetic());
    if !matches!(seen.get(at + length), Some(b'0' | b'1' | b'8')) {
        return None;
    }
    let label = seen.bytes.get(at..at + length)?;
    let is_one = LABELS.iter().any(|known| label.eq_ignore_ascii_case(known));
    is_one.then(|| phone(seen, at + length))?
}

/// The telephone number that begins with the `+` or `(` at `at`.
pub(super) fn marked_phone(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    if seen.before(at).is_some_and(is_word) {
        return None;
    }
    if seen.get(at) == Some(b'(') {
        return bracketed(seen, at);
    }
    let (mut digits, mut next, mut end) = (0, at + 1, at);
    if !matches!(seen.get(next), Some(b'1'..=b'9')) {
        return None;
    }
    for _ in 0..=MAX_GROUPS {
        let group = seen.run(next, |byte| byte.is_ascii_digit());
        if group == 0
            || digits + group > INTERNATIONAL.1
            || !ends(seen, next + group) && seen.get(next + group) != Some(b'.')
        {
            break;
        }
        (digits, next) = (digits + group, next + group);
        end = next;
        // A mobile number of China is whole: digits behind it are something else.
        if digits == 13 && seen.rest(at).starts_with(b"+86") {
            break;
        }
        next += seen.run_within(next, 2, |byte| matches!(byte, b' ' | b'(' | b')' | b'-' | b'.'));
    }
    (digits >= INTERNATIONAL.0 && ends(seen, end)).then_some(at..end)
}

/// `(415) 555-2671`
fn bracketed(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    let digits = |at: usize| seen.run_within(at, 5, |byte| byte.is_ascii_digit());
    let area = |at: usize| matches!(seen.get(at), Some(b'2'..=b'9'));
    let close = at + 4;
    let exchange = close + 1 + seen.run_within(close + 1, 1, |byte| byte == b' ');
    let last = exchange + 4;
    let fits = digits(at + 1) == 3
        && area(at + 1)
        && seen.get(close) == Some(b')')
        && digits(exchange) == 3
        && area(exchange)
        && seen.get(exchange + 3) == Some(b'-')
        && digits(last) == 4
        && ends(seen, last + 4);
    fits.then_some(at..last + 4)
}
