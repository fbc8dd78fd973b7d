//! Bytes of an event stream become the data of its events.
//!
//! As the HTML standard has it (9.2), for what completions send: fields other than `data` and comments are skipped.
//! Bounded by [`MAX_EVENT`], whatever a server sends.

/// Largest event in bytes; a chunk of a completion has some hundred.
pub(super) const MAX_EVENT: usize = 256 << 10;

/// An event beyond the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than 256 KiB")]
pub(super) struct TooLarge;

/// What was read and is no whole event yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    /// The data of the event under way, each line with its end.
    data: Vec<u8>,
}

impl Events {
    /// The events that these bytes complete, as text.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLarge> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() + self.data.len() > MAX_EVENT {
                return Err(TooLarge);
            }
            if piece.ends_with(b"\n") {
                events.extend(self.end_line());
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let data = data.strip_suffix(b"\n")?;
            return Some(String::from_utf8_lossy(data).into_owned());
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.data.push(b'\n');
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_arrive() {
        let text =
            ": hello\r\ndata: {\"a\":1}\r\n\r\nevent: x\nid: 3\ndata:b\ndata: c\n\n\n\ndata: [DONE]\n\ndata: half";
        let want = ["{\"a\":1}", "b\nc", "[DONE]"];
        for size in [1, 2, 3, 7, text.len()] {
            let mut events = Events::default();
            let found: Vec<_> =
                text.as_bytes().chunks(size).flat_map(|chunk| events.push(chunk).expect("small")).collect();
            assert_eq!(found, want, "{size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut line = Events::default();
        assert_eq!(line.push(&vec![b'x'; MAX_EVENT + 1]), Err(TooLarge));
        let mut lines = Events::default();
        assert_eq!(lines.push("data: xxxxxxxxxxxxxxxx\n".repeat(MAX_EVENT / 16).as_bytes()), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Events::default().push(&bytes);
        }
    }
}
