//! A stream of bytes becomes whole logical lines: cut at newlines, container wrappers taken off, parts joined, over-long
//! lines skipped in bounded memory. Deliberately no files and no positions of its own: it only says, in offsets of the
//! stream, how far everything was handed on and from where the unfinished has to be read again.

use std::io::{self, Read};

use memchr::memchr_iter;

use super::Sink;
use super::wrapper::{self, Stream, Wrapped};

/// Bytes asked of the system at once.
pub(super) const BLOCK: usize = 256 << 10;

/// Room for a wrapper around the longest logical line. Docker escapes, but cuts at 16 KiB, so that this is ample.
const WRAPPER_ROOM: usize = 128 << 10;

/// A buffer larger than this is given back once it is empty.
const KEPT_CAPACITY: usize = 256 << 10;

/// A part whose end has not come within so many bytes of the other stream is handed on as it is: otherwise an output
/// that died within a line would pin the position for ever.
const STALE_AFTER: u64 = 64 << 20;

/// What the cutter hands on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// A logical line without its line end.
    Line(&'a [u8]),
    /// A line beyond the bound, with its length in bytes.
    TooLong(u64),
}

/// The unfinished logical line of one container stream.
#[derive(Clone, Debug, Default)]
struct Part {
    start: Option<u64>,
    text: Vec<u8>,
    bytes: u64,
    /// It begins in the file before this one.
    led: bool,
}

/// The unfinished logical lines of a stream that was read to its end: another one may go on with them.
#[derive(Debug)]
pub(super) struct Lead {
    out: Part,
    err: Part,
}

/// Cuts one stream. Offsets count the stream's bytes from its beginning.
#[derive(Debug)]
pub(super) struct Cutter {
    max_line: usize,
    /// The unfinished physical line.
    carry: Vec<u8>,
    /// Bytes of the unfinished physical line once it is over the bound and no longer kept; else 0.
    skipped: u64,
    start: u64,
    at: u64,
    out: Part,
    err: Part,
    decoded: Vec<u8>,
    mute: u64,
}

impl Cutter {
    /// Goes on at `resume`; lines that end at or before `done` were handed on by an earlier run and stay silent.
    pub(super) fn new(max_line: usize, resume: u64, done: u64) -> Cutter {
        Cutter {
            max_line,
            carry: Vec::new(),
            skipped: 0,
            start: resume,
            at: resume,
            out: Part::default(),
            err: Part::default(),
            decoded: Vec::new(),
            mute: done.max(resume),
        }
    }

    /// Offset of the next byte to feed.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Every logical line that ends at or before this offset was handed on.
    pub(super) fn done(&self) -> u64 {
        self.start.max(self.mute)
    }

    /// Where reading has to begin again to see every unfinished line whole. Never beyond [`Cutter::done`].
    pub(super) fn resume(&self) -> u64 {
        let parts = self.out.start.into_iter().chain(self.err.start);
        parts.fold(self.start, u64::min)
    }

    /// The lines that the end of the stream has cut between two parts; `None` where there is none, where the end is within
    /// a physical line, and where a line already began in the stream before.
    pub(super) fn lead(&self) -> Option<Lead> {
        self.has_lead().then(|| Lead { out: self.out.clone(), err: self.err.clone() })
    }

    /// Whether [`Cutter::lead`] gives something.
    pub(super) fn has_lead(&self) -> bool {
        let is_open = self.out.start.is_some() || self.err.start.is_some();
        is_open && self.carry.is_empty() && self.skipped == 0 && !self.is_led()
    }

    /// Goes on with the unfinished lines of the stream before, at the beginning of this one. They pin its resume offset.
    pub(super) fn follow(&mut self, lead: Lead) {
        for (part, led) in [(&mut self.out, lead.out), (&mut self.err, lead.err)] {
            if led.start.is_some() {
                *part = Part { start: Some(0), led: true, ..led };
            }
        }
    }

    /// Whether a line of the stream before is not finished yet.
    pub(super) fn is_led(&self) -> bool {
        self.out.led || self.err.led
    }

    /// Hands on what the stream before began as it is: its end will not come.
    pub(super) fn flush_led(&mut self, mut each: impl FnMut(Cut<'_>)) {
        for stream in [Stream::Out, Stream::Err] {
            let part = match stream {
                Stream::Out => &mut self.out,
                Stream::Err => &mut self.err,
            };
            if part.led {
                let part = std::mem::take(part);
                self.hand(&part.text, part.bytes, &mut each);
            }
        }
    }

    /// Bytes held for unfinished lines.
    pub(super) fn held(&self) -> usize {
        self.carry.capacity() + self.out.text.capacity() + self.err.text.capacity() + self.decoded.capacity()
    }

    /// Takes the next bytes of the stream.
    pub(super) fn feed(&mut self, block: &[u8], mut each: impl FnMut(Cut<'_>)) {
        let mut from = 0;
        for newline in memchr_iter(b'\n', block) {
            let segment = block.get(from..newline).unwrap_or_default();
            from = newline + 1;
            self.at += segment.len() as u64 + 1;
            self.close(segment, &mut each);
        }
        let rest = block.get(from..).unwrap_or_default();
        self.at += rest.len() as u64;
        self.keep(rest);
    }

    /// The stream ends for good: what is left counts as a line.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Cut<'_>)) {
        if !self.carry.is_empty() || self.skipped > 0 {
            self.close(&[], &mut each);
        }
        self.start = self.at;
        let mut open = [std::mem::take(&mut self.out), std::mem::take(&mut self.err)];
        open.sort_by_key(|part| part.start);
        for part in open {
            // What is still open was never handed on, wherever an earlier run stood.
            if part.start.is_some() {
                self.hand(&part.text, part.bytes, &mut each);
            }
        }
    }

    fn keep(&mut self, segment: &[u8]) {
        if self.skipped > 0 {
            self.skipped += segment.len() as u64;
            return;
        }
        // A writer without O_APPEND leaves a hole of zeros behind where its file was truncated.
        let zeros = if self.carry.is_empty() { leading_zeros(segment) } else { 0 };
        let segment = segment.get(zeros..).unwrap_or_default();
        let bound = self.max_line.saturating_add(WRAPPER_ROOM);
        let length = self.carry.len().saturating_add(segment.len());
        if length > bound {
            self.skipped = length as u64;
            self.carry = Vec::new();
            return;
        }
        if length > self.carry.capacity() {
            let target = (self.carry.capacity() * 2).min(bound).max(length);
            self.carry.reserve_exact(target - self.carry.len());
        }
        self.carry.extend_from_slice(segment);
    }

    /// The physical line that ends at `self.at` is `carry` + `segment`.
    fn close(&mut self, segment: &[u8], each: &mut impl FnMut(Cut<'_>)) {
        if self.carry.is_empty() && self.skipped == 0 {
            self.physical(segment.get(leading_zeros(segment)..).unwrap_or_default(), each);
        } else {
            self.keep(segment);
            if self.skipped > 0 {
                if self.at > self.mute {
                    each(Cut::TooLong(self.skipped));
                }
                self.skipped = 0;
            } else {
                let mut carry = std::mem::take(&mut self.carry);
                self.physical(&carry, each);
                carry.clear();
                if carry.capacity() <= KEPT_CAPACITY {
                    self.carry = carry;
                }
            }
        }
        self.start = self.at;
    }

    fn physical(&mut self, line: &[u8], each: &mut impl FnMut(Cut<'_>)) {
        let end = self.at;
        self.flush_stale(end, each);
        let mut decoded = std::mem::take(&mut self.decoded);
        match wrapper::parse(line, &mut decoded) {
            Wrapped::Plain => self.emit(line, line.len() as u64, end, each),
            Wrapped::Part { stream, last, text } => self.join(stream, last, text, each),
        }
        if decoded.capacity() <= KEPT_CAPACITY {
            self.decoded = decoded;
        }
    }

    fn join(&mut self, stream: Stream, last: bool, text: &[u8], each: &mut impl FnMut(Cut<'_>)) {
        let (start, end, max_line) = (self.start, self.at, self.max_line);
        let part = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        if last && part.start.is_none() {
            self.emit(text, text.len() as u64, end, each);
            return;
        }
        part.start.get_or_insert(start);
        part.bytes += text.len() as u64;
        // One byte over the bound is what tells `emit`; the carriage return of the line end may be that byte.
        if part.bytes <= max_line as u64 + 1 {
            part.text.extend_from_slice(text);
        } else {
            part.text = Vec::new();
        }
        if last {
            let part = std::mem::take(part);
            self.emit(&part.text, part.bytes, end, each);
        }
    }

    fn flush_stale(&mut self, end: u64, each: &mut impl FnMut(Cut<'_>)) {
        let stale = |part: &Part| part.start.is_some_and(|start| end.saturating_sub(start) > STALE_AFTER);
        if stale(&self.out) {
            let part = std::mem::take(&mut self.out);
            self.emit(&part.text, part.bytes, end, each);
        }
        if stale(&self.err) {
            let part = std::mem::take(&mut self.err);
            self.emit(&part.text, part.bytes, end, each);
        }
    }

    fn emit(&self, text: &[u8], bytes: u64, end: u64, each: &mut impl FnMut(Cut<'_>)) {
        if end > self.mute {
            self.hand(text, bytes, each);
        }
    }

    fn hand(&self, text: &[u8], bytes: u64, each: &mut impl FnMut(Cut<'_>)) {
        let line = text.strip_suffix(b"\r").unwrap_or(text);
        if bytes > text.len() as u64 || line.len() > self.max_line {
            each(Cut::TooLong(bytes));
        } else {
            each(Cut::Line(line));
        }
    }
}

fn leading_zeros(segment: &[u8]) -> usize {
    if segment.first() == Some(&0) { segment.iter().take_while(|byte| **byte == 0).count() } else { 0 }
}

/// Cuts any reader (standard input) into logical lines with the unwrapping and the bounds of the tail.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    source: usize,
    cutter: Cutter,
    block: Vec<u8>,
    finished: bool,
}

impl<R: Read> Lines<R> {
    /// Lines of `reader`, handed on as lines of `source`; at most `max_line` bytes each.
    pub fn new(reader: R, source: usize, max_line: usize) -> Lines<R> {
        Lines { reader, source, cutter: Cutter::new(max_line, 0, 0), block: vec![0; BLOCK], finished: false }
    }

    /// Reads one block (at most 256 KiB) and hands its whole lines to `sink`. `false` when the reader has ended; a last
    /// line without newline was handed on then.
    ///
    /// # Errors
    ///
    /// Those of the reader; the lines before were handed on. Calling again goes on behind them.
    pub fn step(&mut self, sink: &mut dyn Sink) -> io::Result<bool> {
        if self.finished {
            return Ok(false);
        }
        let source = self.source;
        let count = match self.reader.read(&mut self.block) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        if count == 0 {
            self.finished = true;
            self.cutter.finish(|cut| hand(sink, source, cut));
            return Ok(false);
        }
        self.cutter.feed(self.block.get(..count).unwrap_or_default(), |cut| hand(sink, source, cut));
        Ok(true)
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.cutter.at()
    }
}

pub(super) fn hand(sink: &mut dyn Sink, source: usize, cut: Cut<'_>) {
    match cut {
        Cut::Line(line) => sink.line(source, line),
        Cut::TooLong(bytes) => sink.too_long(source, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cut: &Cut<'_>) -> String {
        match cut {
            Cut::Line(line) => String::from_utf8_lossy(line).into_owned(),
            Cut::TooLong(bytes) => format!("<{bytes}>"),
        }
    }

    /// Feeds `input` in pieces of `size` and finishes where `end` says so.
    fn cut(input: &[u8], size: usize, max_line: usize, end: bool) -> Vec<String> {
        let mut cutter = Cutter::new(max_line, 0, 0);
        let mut lines = Vec::new();
        for piece in input.chunks(size) {
            cutter.feed(piece, |cut| lines.push(text(&cut)));
        }
        if end {
            cutter.finish(|cut| lines.push(text(&cut)));
        }
        lines
    }

    #[test]
    fn lines_are_the_same_wherever_the_blocks_are_cut() {
        let cri = "2026-02-01T09:30:15.1Z ";
        let input = format!(
            "plain\r\n\nx\0\n\0\0hole\n{cri}stdout P one \n{cri}stderr P err \n{cri}stdout F two\n{cri}stderr F end\r\n{}{}rest",
            "{\"log\":\"half \",\"stream\":\"stdout\",\"time\":\"t\"}\n",
            "{\"log\":\"whole\\n\",\"stream\":\"stdout\",\"time\":\"t\"}\n"
        );
        let expected = ["plain", "", "x\0", "hole", "one two", "err end", "half whole"];
        for size in 1..input.len() + 1 {
            assert_eq!(cut(input.as_bytes(), size, 1000, false), expected, "pieces of {size}");
        }
        assert_eq!(cut(input.as_bytes(), 7, 1000, true).last().unwrap(), "rest");
    }

    #[test]
    fn a_line_over_the_bound_is_counted_once_and_its_neighbours_stay() {
        assert_eq!(cut(b"1234\n12345\n1234\r\n", 3, 4, false), ["1234", "<5>", "1234"]);
        let mut long = vec![b'x'; WRAPPER_ROOM * 3];
        long.extend_from_slice(b"\nok\n");
        assert_eq!(cut(&long, 1000, 4, false), [format!("<{}>", WRAPPER_ROOM * 3), "ok".into()]);
        let cri = "2026-02-01T09:30:15.1Z stdout ";
        let joined = format!("{cri}P 123\n{cri}P 456\n{cri}P 789\n{cri}F 0\n{cri}F ok\n");
        assert_eq!(cut(joined.as_bytes(), 1000, 4, false), ["<10>", "ok"]);
    }

    #[test]
    fn memory_does_not_grow_without_newlines() {
        let mut cutter = Cutter::new(1 << 20, 0, 0);
        let block = vec![b'x'; BLOCK];
        for _ in 0..64 {
            cutter.feed(&block, |_| panic!("nothing is whole yet"));
            assert!(cutter.held() <= (1 << 20) + WRAPPER_ROOM);
        }
        let mut lines = Vec::new();
        cutter.feed(b"\n", |cut| lines.push(text(&cut)));
        assert_eq!(lines, [format!("<{}>", 64 * BLOCK)]);
        assert_eq!(cutter.held(), 0);
    }

    #[test]
    fn a_restart_within_interleaved_parts_repeats_and_loses_nothing() {
        let cri = "2026-02-01T09:30:15.1Z ";
        let input = format!(
            "a\n{cri}stderr P e1 \n{cri}stdout P o1 \nb\n{cri}stderr F e2\n{cri}stdout P o2 \n{cri}stderr F e3\nc\n{cri}stdout F o3\nd\n"
        );
        let whole = cut(input.as_bytes(), 1000, 1000, false);
        for stop in 0..input.len() {
            let (before, _) = input.as_bytes().split_at(stop);
            let mut lines = Vec::new();
            let mut first = Cutter::new(1000, 0, 0);
            first.feed(before, |cut| lines.push(text(&cut)));
            let (resume, done) = (first.resume(), first.done());
            assert!(resume <= done);
            let mut second = Cutter::new(1000, resume, done);
            let from = usize::try_from(resume).unwrap();
            second.feed(&input.as_bytes()[from..], |cut| lines.push(text(&cut)));
            assert_eq!(lines, whole, "stopped at {stop}");
        }
    }

    #[test]
    fn a_part_that_never_ends_does_not_pin_the_position() {
        let mut cutter = Cutter::new(1000, 0, 0);
        let mut lines = 0_u64;
        cutter.feed(b"2026-02-01T09:30:15.1Z stdout P lost\n", |_| panic!("a part is no line"));
        let mut block = vec![b'x'; 999];
        block.push(b'\n');
        let mut fragment = false;
        while cutter.at() <= STALE_AFTER + 1000 {
            cutter.feed(&block, |cut| {
                fragment |= cut == Cut::Line(b"lost");
                lines += 1;
            });
        }
        assert!(fragment);
        assert_eq!(cutter.resume(), cutter.done());
    }

    #[test]
    fn a_reader_is_cut_to_its_very_end() {
        struct Kept(Vec<String>);
        impl Sink for Kept {
            fn line(&mut self, source: usize, line: &[u8]) {
                self.0.push(format!("{source}:{}", String::from_utf8_lossy(line)));
            }
            fn too_long(&mut self, source: usize, bytes: u64) {
                self.0.push(format!("{source}:<{bytes}>"));
            }
        }
        let mut kept = Kept(Vec::new());
        let mut lines = Lines::new(&b"one\ntwo"[..], 3, 10);
        while lines.step(&mut kept).unwrap() {}
        assert!(!lines.step(&mut kept).unwrap());
        assert_eq!(kept.0, ["3:one", "3:two"]);
        assert_eq!(lines.read_bytes(), 7);
    }
}
