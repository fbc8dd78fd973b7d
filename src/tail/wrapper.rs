//! One physical line becomes the text that a container runtime wrapped: CRI (`<time> stdout F <text>`) and docker
//! json-file (`{"log":"…\n","stream":"stdout",…}`) are told line by line, by their first bytes.
//! Deliberately no joining of parts (the cutter does that) and no look at what the text says.

use memchr::{memchr, memchr2, memmem};

/// Which of the container's two outputs a part belongs to: parts of both interleave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// What one physical line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrapped<'a> {
    /// Not wrapped: the line itself.
    Plain,
    /// A part of a stream's text; `last` when it ends the logical line.
    Part { stream: Stream, last: bool, text: &'a [u8] },
}

const DOCKER: &[u8] = b"{\"log\":\"";

/// Reads the wrapper in front of `line` (without its newline). Docker's escaped text is decoded into `decoded`.
pub(super) fn parse<'a>(line: &'a [u8], decoded: &'a mut Vec<u8>) -> Wrapped<'a> {
    let part = match line.first() {
        Some(b'{') if line.starts_with(DOCKER) => docker(line, decoded),
        Some(b'0'..=b'9') => cri(line),
        _ => None,
    };
    part.unwrap_or(Wrapped::Plain)
}

fn cri(line: &[u8]) -> Option<Wrapped<'_>> {
    // `2026-02-01T09:30:15.123456789Z` up to `…+08:00`; the fixed places are looked at first because every plain
    // line that begins with a digit comes through here.
    if line.get(4) != Some(&b'-') || line.get(10) != Some(&b'T') {
        return None;
    }
    let space = memchr(b' ', line.get(..line.len().min(40))?)?;
    if space < 20 {
        return None;
    }
    let rest = line.get(space + 1..)?;
    let (stream, rest) = if let Some(rest) = rest.strip_prefix(b"stdout ") {
        (Stream::Out, rest)
    } else {
        (Stream::Err, rest.strip_prefix(b"stderr ")?)
    };
    // Tags are separated by colons and the first one says whether the line goes on.
    let last = match rest.first()? {
        b'F' => true,
        b'P' => false,
        _ => return None,
    };
    let text = match rest.get(1) {
        None => &[][..],
        Some(b' ') => rest.get(2..)?,
        Some(b':') => rest.get(memchr(b' ', rest)? + 1..)?,
        Some(_) => return None,
    };
    Some(Wrapped::Part { stream, last, text })
}

fn docker<'a>(line: &'a [u8], decoded: &'a mut Vec<u8>) -> Option<Wrapped<'a>> {
    decoded.clear();
    let mut rest = line.get(DOCKER.len()..)?;
    loop {
        let stop = memchr2(b'"', b'\\', rest)?;
        decoded.extend_from_slice(rest.get(..stop)?);
        let escaped = rest.get(stop) == Some(&b'\\');
        rest = rest.get(stop + 1..)?;
        if !escaped {
            break;
        }
        rest = unescape(rest, decoded)?;
    }
    let at = memmem::find(rest, b"\"stream\":\"")?;
    let name = rest.get(at + 10..)?;
    let stream = if name.starts_with(b"stdout\"") {
        Stream::Out
    } else if name.starts_with(b"stderr\"") {
        Stream::Err
    } else {
        return None;
    };
    let last = decoded.last() == Some(&b'\n');
    let text = decoded.strip_suffix(b"\n").unwrap_or(decoded);
    Some(Wrapped::Part { stream, last, text })
}

/// Decodes the escape whose backslash was just passed and returns what follows it.
fn unescape<'a>(rest: &'a [u8], decoded: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&kind, mut rest) = rest.split_first()?;
    let plain = match kind {
        b'"' | b'\\' | b'/' => kind,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'u' => {
            let mut code = hex(rest)?;
            rest = rest.get(4..)?;
            if (0xD800..0xDC00).contains(&code)
                && let Some(low) = rest.strip_prefix(b"\\u").and_then(hex)
                && (0xDC00..0xE000).contains(&low)
            {
                code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                rest = rest.get(6..)?;
            }
            let text = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            decoded.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    decoded.push(plain);
    Some(rest)
}

fn hex(rest: &[u8]) -> Option<u32> {
    let mut code = 0;
    for &digit in rest.get(..4)? {
        code = code * 16 + char::from(digit).to_digit(16)?;
    }
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_told_by_their_first_bytes() {
        use Stream::{Err, Out};
        let part = |stream, last, text| Wrapped::Part { stream, last, text };
        let cases: &[(&[u8], Wrapped)] = &[
            (b"2026-02-01T09:30:15.123456789Z stdout F {\"a\":1}", part(Out, true, b"{\"a\":1}")),
            (b"2026-02-01T09:30:15.123456789+08:00 stderr P half", part(Err, false, b"half")),
            (b"2026-02-01T09:30:15.1Z stdout F:tag text", part(Out, true, b"text")),
            (b"2026-02-01T09:30:15.1Z stdout F ", part(Out, true, b"")),
            (b"2026-02-01T09:30:15.1Z stdout F", part(Out, true, b"")),
            (b"2026-02-01T09:30:15.1Z stdin F x", Wrapped::Plain),
            (b"2026-02-01T09:30:15.1Z stdout Full x", Wrapped::Plain),
            (b"2026-02-01 09:30:15 INFO stdout F x", Wrapped::Plain),
            (b"20", Wrapped::Plain),
            (b"", Wrapped::Plain),
            (br#"{"log":"a\tb\"c\\\n","stream":"stdout","time":"t"}"#, part(Out, true, b"a\tb\"c\\")),
            (br#"{"log":"half","stream":"stderr","time":"t"}"#, part(Err, false, b"half")),
            (
                br#"{"log":"\u003c\u4e2d\ud83d\ude00\ud83d\n","stream":"stdout"}"#,
                part(Out, true, "<中😀\u{fffd}".as_bytes()),
            ),
            (br#"{"log":"x\n","level":"info"}"#, Wrapped::Plain),
            (br#"{"log":"cut"#, Wrapped::Plain),
            (br#"{"log":"bad \q\n","stream":"stdout"}"#, Wrapped::Plain),
            (br#"{"ai_log":"{\"api\":\"-\"}","stream":"stdout"}"#, Wrapped::Plain),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line, &mut Vec::new()), *expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
