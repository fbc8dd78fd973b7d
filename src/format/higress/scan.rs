//! The usual line in one pass, in place: a flat object of strings with `ai_log` escaped once.
//!
//! Gives up at anything odd (blanks, escapes where none belong, values that are no strings, a key twice, deep nesting,
//! control characters, a fault of any kind), and the slower path then decides. What it accepts is valid JSON on both levels,
//! down to the last byte, so that both paths always agree: a property test holds them to it.

use super::{Inner, InnerIndex, Outer, OuterIndex};
use crate::format::json;
use crate::format::scalar::Scalar;
use crate::format::usage::Details;

/// Deepest nesting that is followed here: the bits of a `u64`, well under the bound of the slower path.
const MAX_DEPTH: u32 = 60;

/// A key that is looked for, as the line goes on behind its opening quote.
struct Known<I> {
    anchor: &'static [u8],
    /// The first 8 bytes of the anchor, big-endian, so that their order is that of the keys.
    word: u64,
    /// Which bits of a word belong to the anchor.
    mask: u64,
    slot: Option<I>,
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within a checked bound")]
const fn known<I>(anchor: &'static [u8], slot: Option<I>) -> Known<I> {
    let (mut word, mut at) = (0, 0);
    while at < 8 {
        word = word << 8 | if at < anchor.len() { anchor[at] as u64 } else { 0 };
        at += 1;
    }
    let mask = if anchor.len() < 8 { u64::MAX << (64 - anchor.len() * 8) } else { u64::MAX };
    Known { anchor, word, mask, slot }
}

/// Keys of the template, in its order, which is that of the alphabet but for the last.
const OUTER: [Known<OuterIndex>; 26] = [
    known(b"ai_log\":\"", Some(OuterIndex::ai_log)),
    known(b"authority\":\"", None),
    known(b"bytes_received\":\"", None),
    known(b"bytes_sent\":\"", Some(OuterIndex::bytes_sent)),
    known(b"downstream_local_address\":\"", None),
    known(b"downstream_remote_address\":\"", Some(OuterIndex::downstream_remote_address)),
    known(b"duration\":\"", Some(OuterIndex::duration)),
    known(b"istio_policy_status\":\"", None),
    known(b"method\":\"", None),
    known(b"path\":\"", None),
    known(b"protocol\":\"", None),
    known(b"request_id\":\"", Some(OuterIndex::request_id)),
    known(b"requested_server_name\":\"", None),
    known(b"response_code\":\"", Some(OuterIndex::response_code)),
    known(b"response_flags\":\"", Some(OuterIndex::response_flags)),
    known(b"route_name\":\"", Some(OuterIndex::route_name)),
    known(b"start_time\":\"", Some(OuterIndex::start_time)),
    known(b"trace_id\":\"", Some(OuterIndex::trace_id)),
    known(b"upstream_cluster\":\"", Some(OuterIndex::upstream_cluster)),
    known(b"upstream_host\":\"", None),
    known(b"upstream_local_address\":\"", None),
    known(b"upstream_service_time\":\"", None),
    known(b"upstream_transport_failure_reason\":\"", None),
    known(b"user_agent\":\"", Some(OuterIndex::user_agent)),
    known(b"x_forwarded_for\":\"", Some(OuterIndex::x_forwarded_for)),
    known(b"response_code_details\":\"", Some(OuterIndex::response_code_details)),
];

/// Keys of `ai_log`, which Higress sorts, as they go on with its escaped quotes.
const INNER: [Known<InnerIndex>; 20] = [
    known(b"api\\\":", None),
    known(b"cached_tokens\\\":", Some(InnerIndex::cached_tokens)),
    known(b"chat_id\\\":", Some(InnerIndex::chat_id)),
    known(b"chat_round\\\":", Some(InnerIndex::chat_round)),
    known(b"consumer\\\":", Some(InnerIndex::consumer)),
    known(b"input_token\\\":", Some(InnerIndex::input_token)),
    known(b"input_token_details\\\":", Some(InnerIndex::input_token_details)),
    known(b"llm_first_token_duration\\\":", Some(InnerIndex::llm_first_token_duration)),
    known(b"llm_service_duration\\\":", Some(InnerIndex::llm_service_duration)),
    known(b"messages\\\":", Some(InnerIndex::messages)),
    known(b"model\\\":", Some(InnerIndex::model)),
    known(b"output_token\\\":", Some(InnerIndex::output_token)),
    known(b"output_token_details\\\":", Some(InnerIndex::output_token_details)),
    known(b"reasoning_tokens\\\":", Some(InnerIndex::reasoning_tokens)),
    known(b"response_type\\\":", Some(InnerIndex::response_type)),
    known(b"session_id\\\":", Some(InnerIndex::session_id)),
    known(b"token_ratelimit_status\\\":", Some(InnerIndex::token_ratelimit_status)),
    known(b"tool_calls\\\":", Some(InnerIndex::tool_calls)),
    known(b"total_token\\\":", Some(InnerIndex::total_token)),
    known(b"user_id\\\":", Some(InnerIndex::user_id)),
];

/// Fills the slots from a line and returns its text; `None`, with some slots filled, where it is not of the usual shape.
pub(super) fn scan<'a>(line: &'a [u8], outer: &mut Outer<'a>, inner: &mut Inner<'a>) -> Option<&'a str> {
    if !line.starts_with(b"{\"") || has_control(line) {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let mut has_ai_log = false;
    let mut expected = OUTER.as_slice();
    let mut cursor = Cursor { text, bytes: line, at: 2 };
    loop {
        let index = match cursor.known(&mut expected) {
            Some(slot) => slot,
            None => {
                let key = cursor.plain_until_quote()?;
                cursor.expect(b":\"")?;
                Outer::index(key)
            }
        };
        if let Some(OuterIndex::ai_log) = index {
            if has_ai_log {
                return None;
            }
            has_ai_log = true;
            // An empty object is no AI data, which the slower path says.
            cursor.expect(b"{\\")?;
            cursor.at -= 1;
            cursor.ai_log(inner)?;
            cursor.expect(b"\"")?;
        } else {
            let value = cursor.plain_until_quote()?;
            if let Some(index) = index {
                let slot = outer.at(index);
                // The slower path knows what a key that comes twice means.
                if !matches!(slot, Scalar::Absent) {
                    return None;
                }
                *slot = Scalar::from_text(value);
            }
        }
        match cursor.next()? {
            b',' => cursor.expect(b"\"")?,
            b'}' if cursor.at == line.len() => break,
            _ => return None,
        }
    }
    has_ai_log.then_some(text)
}

/// Decodes a string with escapes of its own.
#[cold]
fn decode<'a>(escaped: &str) -> Scalar<'a> {
    Scalar::from_json(&json::unescape(escaped)).into_owned()
}

/// Reads the counts of a details object that [`scan`] accepted; `None` where it has a key that only the slower path reads.
pub(super) fn read_details<'a>(escaped: &'a str, details: &mut Details<'a>) -> Option<()> {
    let mut cursor = Cursor { text: escaped, bytes: escaped.as_bytes(), at: 0 };
    cursor.expect(b"{")?;
    if cursor.peek()? == b'}' {
        return Some(());
    }
    loop {
        cursor.expect(b"\\\"")?;
        match details.slot(cursor.key()?) {
            Some(slot) => *slot = cursor.value()?,
            None => cursor.skip_value()?,
        }
        match cursor.next()? {
            b',' => {}
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

/// Whether a control character is among the bytes; JSON has none within strings, and a log line has none between.
fn has_control(line: &[u8]) -> bool {
    // Without an early exit within a block, so that the compiler makes vector instructions of it.
    let mut blocks = line.chunks_exact(64);
    blocks.any(|block| block.iter().fold(false, |found, byte| found | (*byte < 0x20)))
        || blocks.remainder().iter().any(|byte| *byte < 0x20)
}

/// Words of 8 bytes that are searched before the vector search.
const SHORT_WORDS: usize = 4;
const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of each zero byte, exact up to the first one:
/// [Bit Twiddling Hacks](https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord).
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Whether `text` begins with `wanted`, which is at most a few words long: compared in place, as the call of a library costs
/// more than the comparison.
#[inline(always)]
fn begins(text: &[u8], wanted: &[u8]) -> bool {
    let Some(text) = text.get(..wanted.len()) else { return false };
    match (text.last_chunk::<8>(), wanted.last_chunk::<8>()) {
        (Some(end), Some(wanted_end)) => {
            end == wanted_end && text.as_chunks::<8>().0.iter().eq(wanted.as_chunks::<8>().0)
        }
        _ => text == wanted,
    }
}

struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        rest.starts_with(wanted).then(|| self.at += wanted.len())
    }

    /// Passes the key at the cursor if it is one of the expected, and says which slot it has. Keys that come before it in the
    /// order of the alphabet are not there, and are no longer expected.
    #[inline(always)]
    fn known<I: Copy>(&mut self, expected: &mut &[Known<I>]) -> Option<Option<I>> {
        let rest = self.bytes.get(self.at..)?;
        let word = u64::from_be_bytes(*rest.first_chunk::<8>()?);
        while let [known, later @ ..] = *expected {
            if known.word > word & known.mask {
                return None;
            }
            *expected = later;
            if known.word == word & known.mask && begins(rest, known.anchor) {
                self.at += known.anchor.len();
                return Some(known.slot);
            }
        }
        None
    }

    /// The object of `ai_log`, behind its `{`.
    fn ai_log(&mut self, inner: &mut Inner<'a>) -> Option<()> {
        let mut expected = INNER.as_slice();
        loop {
            self.expect(b"\\\"")?;
            let slot = match self.known(&mut expected) {
                Some(slot) => slot,
                None => Inner::index(self.key()?),
            };
            match slot {
                Some(slot) if slot.is_said() => {
                    let start = self.at;
                    self.skip_value()?;
                    *inner.at(slot) = Scalar::Escaped(self.text.get(start..self.at)?);
                }
                Some(slot) => *inner.at(slot) = self.value()?,
                None => self.skip_value()?,
            }
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// The rest of a key behind its opening quote, and the colon.
    fn key(&mut self) -> Option<&'a str> {
        let start = self.at;
        // A key with an escape of its own might be one of ours in disguise.
        if self.skip_string()? {
            return None;
        }
        let key = self.text.get(start..self.at - 2)?;
        self.expect(b":")?;
        Some(key)
    }

    /// Moves to the next `"` or `\` and returns which it is.
    #[inline(always)]
    fn seek(&mut self) -> Option<u8> {
        // Most texts are short: a few words at a time, before the vector search is worth its call.
        for _ in 0..SHORT_WORDS {
            let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
            let word = u64::from_le_bytes(*word);
            let found = zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes(word ^ (ONES * b'\\' as u64));
            if found != 0 {
                self.at += found.trailing_zeros() as usize / 8;
                return self.peek();
            }
            self.at += 8;
        }
        let rest = self.bytes.get(self.at..)?;
        self.at += memchr::memchr2(b'"', b'\\', rest)?;
        self.peek()
    }

    /// Text up to a `"`, which is passed; none if a `\` comes first.
    #[inline(always)]
    fn plain_until_quote(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.seek()? != b'"' {
            return None;
        }
        self.at += 1;
        self.text.get(start..self.at - 1)
    }

    /// The value at the cursor. Objects and arrays are left as they are: most are never looked into.
    #[inline]
    fn value(&mut self) -> Option<Scalar<'a>> {
        let start = self.at;
        Some(match self.peek()? {
            b'\\' => {
                self.expect(b"\\\"")?;
                if self.skip_string()? {
                    decode(self.text.get(start..self.at)?)
                } else {
                    Scalar::from_text(self.text.get(start + 2..self.at - 2)?)
                }
            }
            b'{' | b'[' => {
                self.skip_nested()?;
                Scalar::Escaped(self.text.get(start..self.at)?)
            }
            _ => {
                self.skip_bare()?;
                Scalar::from_json(self.text.get(start..self.at)?)
            }
        })
    }

    /// Passes the value at the cursor.
    fn skip_value(&mut self) -> Option<()> {
        match self.peek()? {
            b'\\' => {
                self.expect(b"\\\"")?;
                self.skip_string().map(|_| ())
            }
            b'{' | b'[' => self.skip_nested(),
            _ => self.skip_bare(),
        }
    }

    /// Passes the rest of a string, its closing quote included; whether it has escapes of its own.
    fn skip_string(&mut self) -> Option<bool> {
        let mut escapes = false;
        loop {
            // A bare quote would end the outer string in the middle of the inner one.
            if self.seek()? == b'"' {
                return None;
            }
            match self.bytes.get(self.at + 1)? {
                b'"' => {
                    self.at += 2;
                    return Some(escapes);
                }
                b'\\' => {
                    escapes = true;
                    self.at += 2;
                    self.skip_escape()?;
                }
                _ => return None,
            }
        }
    }

    /// Passes what follows an inner backslash.
    fn skip_escape(&mut self) -> Option<()> {
        match self.next()? {
            b'\\' => matches!(self.next()?, b'"' | b'\\').then_some(()),
            b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// Passes a number, `true`, `false` or `null`.
    fn skip_bare(&mut self) -> Option<()> {
        match self.peek()? {
            b't' => self.expect(b"true"),
            b'f' => self.expect(b"false"),
            b'n' => self.expect(b"null"),
            _ => self.skip_number(),
        }
    }

    /// Passes a number of JSON's grammar.
    fn skip_number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Some(())
    }

    fn skip_digits(&mut self) -> Option<()> {
        let digits = self.bytes.get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        (digits > 0).then_some(())
    }

    /// Passes an object or an array, without recursion.
    fn skip_nested(&mut self) -> Option<()> {
        // One bit for each open level, the innermost lowest: 1 for an object.
        let (mut levels, mut depth) = (0_u64, 0_u32);
        loop {
            // At the beginning of a value.
            let opened = match self.peek()? {
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return None;
                    }
                    levels = levels << 1 | u64::from(open == b'{');
                    // An empty one is closed below.
                    !matches!((open, self.peek()?), (b'{', b'}') | (b'[', b']'))
                }
                b'\\' => {
                    self.expect(b"\\\"")?;
                    self.skip_string()?;
                    false
                }
                _ => {
                    self.skip_bare()?;
                    false
                }
            };
            if !opened {
                // Behind a value.
                loop {
                    match (self.next()?, levels & 1) {
                        (b',', _) => break,
                        (b'}', 1) | (b']', 0) => {
                            levels >>= 1;
                            depth -= 1;
                            if depth == 0 {
                                return Some(());
                            }
                        }
                        _ => return None,
                    }
                }
            }
            if levels & 1 == 1 {
                self.expect(b"\\\"")?;
                self.skip_string()?;
                self.expect(b":")?;
            }
        }
    }
}
