//! Words become keys and tokens of services, told by how they begin or by the name that they are given.

use std::ops::Range;

use memchr::memmem;

use super::{CLOSE, OPEN, PAD, Seen, is_word};

/// Beginnings of keys, and how many characters follow at least; one of these is a digit, or the key a long row of letters.
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

/// What kind of value a name has: how it is told from other text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// May be digits alone.
    Password,
    Secret,
    /// So long that it is no count, and no word.
    Token,
    /// A scheme and what follows it.
    Authorization,
}

/// Names behind which a secret stands, in lower case, hyphens as underscores; they end the name.
const NAMES: [(&[u8], Value); 16] = [
    (b"api_key", Value::Secret),
    (b"apikey", Value::Secret),
    (b"secret_key", Value::Secret),
    (b"secretkey", Value::Secret),
    (b"access_key", Value::Secret),
    (b"access_token", Value::Secret),
    (b"auth_token", Value::Secret),
    (b"refresh_token", Value::Secret),
    (b"client_secret", Value::Secret),
    (b"secret", Value::Secret),
    (b"private_key", Value::Secret),
    (b"password", Value::Password),
    (b"passwd", Value::Password),
    (b"pwd", Value::Password),
    (b"token", Value::Token),
    (b"authorization", Value::Authorization),
];
/// The same in Chinese.
const HAN_NAMES: [(&str, Value); 3] = [("密码", Value::Password), ("口令", Value::Password), ("密钥", Value::Secret)];

/// The last byte of a mark's end.
const LAST_OF_CLOSE: u8 = 0xba;
/// Longest name that is looked at.
const MAX_NAME: usize = 40;
/// Fewest characters of a value that is a secret; of a password.
const MIN_VALUE: usize = 8;
const MIN_PASSWORD: usize = 6;
const MIN_TOKEN: usize = 16;
/// Fewest characters of a name and password in base64.
const MIN_BASIC: usize = 8;
/// Fewest letters in a row of a key that has no digit.
const MIN_LETTERS: usize = 20;
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
            let head = seen.bytes.get(start..start + decided)?;
            let is_long = || {
                *beginning == b"sk-"
                    && head.split(|byte| !byte.is_ascii_alphanumeric()).any(|row| row.len() >= MIN_LETTERS)
            };
            (decided >= *least && (has_digit(seen, start..start + decided) || is_long()))
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
    let ends_with = |known: &[u8]| {
        let tail = name.len().checked_sub(known.len()).and_then(|at| name.get(at..)).unwrap_or_default();
        let same = |(is, want): (&u8, &u8)| is.to_ascii_lowercase() == *want || (*is == b'-' && *want == b'_');
        tail.len() == known.len() && tail.iter().zip(known).all(same)
    };
    let named = NAMES.iter().find(|(known, _)| ends_with(known)).map(|(_, kind)| *kind);
    let in_han = || {
        HAN_NAMES
            .iter()
            .find(|(known, _)| seen.bytes.get(seen.from..end).is_some_and(|text| text.ends_with(known.as_bytes())))
    };
    let kind = named.or_else(|| in_han().map(|(_, kind)| *kind))?;
    let mut start = at + 1 + seen.run_within(at + 1, 6, |byte| is_quote(byte) || matches!(byte, b'=' | b'>'));
    if kind == Value::Authorization {
        let scheme = seen.run_within(start, MAX_NAME, |byte| byte.is_ascii_alphabetic());
        let blanks = seen.run_within(start + scheme, 4, |byte| byte == b' ');
        if scheme > 0 && blanks > 0 {
            let value = start + scheme + blanks;
            if seen.bytes.get(start..start + scheme)?.eq_ignore_ascii_case(b"basic") {
                return basic(seen, value);
            }
            start = value;
        }
    }
    // Neither `=` nor `:`, so that a row of them is looked at once.
    let in_value = |byte: u8| byte.is_ascii_graphic() && !b"\"'`\\,;:=<>(){}[]&".contains(&byte);
    let mut length = seen.run(start, in_value);
    length += seen.run_within(start + length, 2, |byte| byte == b'=');
    let least = match kind {
        Value::Password => MIN_PASSWORD,
        Value::Secret => MIN_VALUE,
        Value::Token | Value::Authorization => MIN_TOKEN,
    };
    let value = seen.bytes.get(start..start + length)?;
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    (length >= least && has_digit(seen, start..start + length) && (letters || kind == Value::Password))
        .then_some(start..start + length)
}

/// A name and password in base64, which prose about them is not: a digit, a `=` or a capital letter stands in it.
fn basic(seen: Seen<'_>, start: usize) -> Option<Range<usize>> {
    let length = seen.run(start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    let rest = seen.bytes.get(start + 1..start + length)?;
    let is_one = rest.iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'=');
    (length >= MIN_BASIC && is_one).then_some(start..start + length)
}

/// The password of a URL, behind the `:` at `at`, if one is there: `postgres://admin:hunter2@host/db`.
pub(super) fn in_url(seen: Seen<'_>, at: usize) -> Option<Range<usize>> {
    if seen.get(at) != Some(b':') {
        return None;
    }
    // A mark ends it too, so that it is the same before and behind what becomes one.
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"/?#\"'`<>\xe2".contains(&byte);
    let is_user = |byte: u8| !ends(byte) && byte != b':' && byte != LAST_OF_CLOSE;
    let mut user = at;
    if at == seen.from && seen.mark < at {
        user = seen.mark;
    } else if let Some(mark) = mark_before(seen, at) {
        user = mark;
    } else {
        while seen.before(user).is_some_and(is_user) {
            user -= 1;
        }
    }
    let scheme = user.checked_sub(3).and_then(|start| seen.bytes.get(start..user));
    if scheme != Some(b"://") {
        return None;
    }
    let authority = seen.run_within(at + 1, DECIDED * 2, |byte| !ends(byte));
    let authority = seen.bytes.get(at + 1..at + 1 + authority)?;
    let password = authority.get(..authority.iter().rposition(|byte| *byte == b'@')?)?;
    // What stands for a password that is put in later, and what is left of one of a single character.
    let is_place = matches!(password, [] | [b'{', .., b'}'] | [b'$', b'{', .., b'}'] | [b'[', .., b']'])
        || password.iter().all(|byte| *byte == b'*')
        || password == PAD.as_bytes();
    (!is_place).then_some(at + 1..at + 1 + password.len())
}

/// Start of the mark that ends at `at`.
fn mark_before(seen: Seen<'_>, at: usize) -> Option<usize> {
    let inside = seen.bytes.get(seen.from..at)?.strip_suffix(CLOSE.as_bytes())?;
    let is_inside = |byte: &&u8| is_token(**byte) || PAD.as_bytes().contains(*byte);
    let length = inside.iter().rev().take_while(is_inside).count();
    let before = inside.get(..inside.len() - length)?;
    before.ends_with(OPEN.as_bytes()).then(|| seen.from + before.len() - OPEN.len())
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
