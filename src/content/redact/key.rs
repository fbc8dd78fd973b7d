//! Words become keys and tokens of services, told by how they begin or by the name that they are given.

use std::ops::Range;

use memchr::memmem;

use super::{Seen, is_word};

/// Beginnings of keys, and how many characters follow at least; one of these is a digit.
const BEGINNINGS: [(&[u8], usize); 26] = [
    // OpenAI, Anthropic, DeepSeek and many that follow them.
    (b"sk-", 16),
    // Stripe.
    (b"sk_live_", 16),
    (b"sk_test_", 16),
    (b"rk_live_", 16),
    // GitHub and GitLab.
    (b"ghp_", 20),
    (b"gho_", 20),
    (b"ghu_", 20),
    (b"ghs_", 20),
    (b"ghr_", 20),
    (b"github_pat_", 22),
    (b"glpat-", 16),
    // Amazon, Google, Alibaba, Tencent.
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"AIza", 30),
    (b"ya29.", 20),
    (b"LTAI", 12),
    (b"AKID", 24),
    // Slack.
    (b"xoxb-", 10),
    (b"xoxp-", 10),
    (b"xoxa-", 10),
    (b"xapp-", 10),
    // Hugging Face, xAI, Groq, npm, PyPI.
    (b"hf_", 20),
    (b"xai-", 20),
    (b"gsk_", 20),
    (b"npm_", 20),
    (b"pypi-", 20),
];

/// Names behind which a secret stands, in lower case, hyphens as underscores; they end the name.
const NAMES: [&[u8]; 14] = [
    b"api_key",
    b"apikey",
    b"secret_key",
    b"secretkey",
    b"access_key",
    b"access_token",
    b"auth_token",
    b"refresh_token",
    b"client_secret",
    b"secret",
    b"private_key",
    b"password",
    b"passwd",
    b"pwd",
];

/// Longest name that is looked at.
const MAX_NAME: usize = 40;
/// Fewest characters of a value that is a secret; of a password.
const MIN_VALUE: usize = 8;
const MIN_PASSWORD: usize = 6;
/// Fewest characters of a token behind `Bearer`, and of a part of a JSON web token.
const MIN_BEARER: usize = 16;
const MIN_PART: usize = 8;
/// Within so many characters it is decided whether something is a key, so that a text that nearly is one at every place takes
/// no longer than any other.
const DECIDED: usize = 128;

fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// The key that begins at `at`, the start of a word.
pub(super) fn token(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    let rest = seen.rest(at);
    // Most words are none: one look at their first letter tells.
    match rest.first()? {
        b'e' if rest.starts_with(b"eyJ") => web_token(seen, at),
        b'b' | b'B' => bearer(seen, at),
        b's' | b'r' | b'g' | b'A' | b'y' | b'L' | b'x' | b'h' | b'n' | b'p' => {
            let (beginning, least) = BEGINNINGS.iter().find(|(beginning, _)| rest.starts_with(beginning))?;
            let start = at + beginning.len();
            let decided = seen.run_within(start, DECIDED, is_token);
            (decided >= *least && has_digit(seen, start..start + decided))
                .then(|| at..start + seen.run(start, is_token))
        }
        _ => None,
    }
}

/// A JSON web token: parts with dots between; two of them already tell it.
fn web_token(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    let head = seen.run_within(at, DECIDED * 2, is_token);
    let body = at + head + 1;
    let is_one =
        head >= MIN_PART && seen.get(at + head) == Some(b'.') && seen.run_within(body, MIN_PART, is_token) == MIN_PART;
    is_one.then(|| body + seen.run(body, |byte| is_token(byte) || byte == b'.')).map(|end| at..end)
}

/// What follows `Bearer`.
fn bearer(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    const WORD: &[u8] = b"bearer";
    if !seen.rest(at).get(..WORD.len())?.eq_ignore_ascii_case(WORD) {
        return None;
    }
    let blanks = seen.run_within(at + WORD.len(), 4, |byte| byte == b' ');
    let start = at + WORD.len() + blanks;
    let in_token = |byte: u8| is_token(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=');
    let decided = seen.run_within(start, DECIDED, in_token);
    (blanks > 0 && decided >= MIN_BEARER && has_digit(seen, start..start + decided))
        .then(|| start..start + seen.run(start, in_token))
}

/// The value behind the `=` or `:` at `at`, where the name before it is that of a secret.
pub(super) fn assigned(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    let is_quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b' ');
    let mut end = at;
    while at - end < 4 && seen.before(end).is_some_and(is_quote) {
        end -= 1;
    }
    let mut name = end;
    while end - name < MAX_NAME && seen.before(name).is_some_and(is_token) {
        name -= 1;
    }
    let name = seen.bytes.get(name..end)?;
    let ends_with = |known: &&&[u8]| {
        let tail = name.len().checked_sub(known.len()).and_then(|at| name.get(at..)).unwrap_or_default();
        let same = |(is, want): (&u8, &u8)| is.to_ascii_lowercase() == *want || (*is == b'-' && *want == b'_');
        tail.len() == known.len() && tail.iter().zip(**known).all(same)
    };
    let known = NAMES.iter().find(ends_with)?;
    let is_password = matches!(*known, b"password" | b"passwd" | b"pwd");
    let start = at + 1 + seen.run_within(at + 1, 6, |byte| is_quote(byte) || matches!(byte, b'=' | b'>'));
    // Neither `=` nor `:`, so that a row of them is looked at once.
    let in_value = |byte: u8| byte.is_ascii_graphic() && !b"\"'`\\,;:=<>(){}[]&".contains(&byte);
    let mut length = seen.run(start, in_value);
    length += seen.run_within(start + length, 2, |byte| byte == b'=');
    let least = if is_password { MIN_PASSWORD } else { MIN_VALUE };
    let value = seen.bytes.get(start..start + length)?;
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    (length >= least && has_digit(seen, start..start + length) && (letters || is_password))
        .then_some(start..start + length)
}

/// The private key in PEM form that begins at `at`; one that is cut off ends with the text.
pub(super) fn private(text: &str, at: usize) -> Option<Range<usize>> {
    const BEGIN: &str = "-----BEGIN ";
    const KIND: &str = "PRIVATE KEY-----";
    const LONGEST_KIND: usize = 48;
    let rest = text.get(at..)?.strip_prefix(BEGIN)?;
    let kind = rest.as_bytes().get(..LONGEST_KIND.min(rest.len()))?;
    memmem::find(kind, KIND.as_bytes())?;
    let end = memmem::find(rest.as_bytes(), b"-----END ").and_then(|end| {
        let tail = rest.get(end..)?;
        let close = memmem::find(tail.as_bytes().get(..(LONGEST_KIND * 2).min(tail.len()))?, KIND.as_bytes())?;
        Some(at + BEGIN.len() + end + close + KIND.len())
    });
    Some(at..end.unwrap_or(text.len()))
}

fn has_digit(seen: Seen<'_>, range: Range<usize>) -> bool {
    seen.bytes.get(range).unwrap_or_default().iter().any(u8::is_ascii_digit)
}
