//! One known file: its identity, how far it was read, and the block reading that moves this on. Deliberately no decision
//! about which file is which (that is the tail's) and no state on disk.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use super::discovery::{Candidate, Inode, Stamp, identity};
use super::identity::{ANCHOR, Decoder, HEAD, Mark, Position, Probe, bytes_before};
use super::lines::{BLOCK, Cut, Cutter};
use super::name::{self, Age, Packing};

/// Where the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At its path.
    Present,
    /// No longer at a path that is known, but still open.
    Detached,
    /// Known from an earlier run and not looked for yet.
    Unseen,
    /// Only its position is known; its inode says nothing any more.
    Gone,
}

/// What came of one read.
#[derive(Debug)]
pub(super) enum Read {
    /// A block was read.
    Some,
    /// Everything that is there was read.
    End,
    /// The file is not what it was: look at it anew.
    Suspect,
    /// Not now.
    Failed(io::Error),
}

/// Whether a file at hand is the one that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// The same beginning, but it ends before the offset.
    Shrunk,
    Different,
}

/// A known file.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) id: u64,
    /// Index of the source that reads it; `None` while no configured source does.
    pub(super) owner: Option<usize>,
    pub(super) source: String,
    pub(super) path: PathBuf,
    pub(super) base: PathBuf,
    pub(super) age: Age,
    pub(super) inode: Inode,
    pub(super) stamp: Stamp,
    pub(super) place: Place,
    pub(super) finished: bool,
    /// There may be something to read.
    pub(super) unread: bool,
    /// Its content was found to be what the position says, in this run.
    pub(super) verified: bool,
    pub(super) suspect: bool,
    /// Its position changed since it was last taken.
    pub(super) dirty: bool,
    /// When it was last seen to grow, or to change its place.
    pub(super) changed: Instant,
    /// The size that it had when it was found at start, until it is reached.
    pub(super) first_end: Option<u64>,
    /// Compressed bytes read.
    packed_read: u64,
    /// Size that this content had for certain: what lies between the offset and it is lost if the content goes.
    extent: u64,
    head: Mark,
    head_bytes: Vec<u8>,
    /// Bytes before the place of the next read.
    before: Vec<u8>,
    anchor: Mark,
    /// Bytes of `anchor` while its hash is not asked for.
    anchor_bytes: Vec<u8>,
    pub(super) cutter: Cutter,
    /// The file whose last line goes on in this one, until that line is whole.
    pub(super) lead_from: Option<u64>,
    /// The last read found nothing more.
    pub(super) at_end: bool,
    file: Option<File>,
    decoder: Option<Decoder>,
}

impl Follower {
    /// A file that was never seen before, to be read from its first byte.
    pub(super) fn new(id: u64, found: &Candidate, probe: Probe, max_line: usize, now: Instant) -> Follower {
        let packing = packing(found);
        Follower {
            id,
            owner: None,
            source: String::new(),
            path: found.path.clone(),
            base: found.base.clone(),
            age: found.age.clone(),
            inode: found.inode,
            stamp: found.stamp,
            place: Place::Present,
            finished: false,
            unread: true,
            verified: true,
            suspect: false,
            dirty: true,
            changed: now,
            first_end: None,
            packed_read: 0,
            extent: found.stamp.size,
            head: Mark::of(&probe.head),
            head_bytes: probe.head,
            before: Vec::new(),
            anchor: Mark::default(),
            anchor_bytes: Vec::new(),
            cutter: Cutter::new(max_line, 0, 0),
            lead_from: None,
            at_end: false,
            file: (packing == Packing::Plain).then_some(probe.file),
            decoder: None,
        }
    }

    /// A file that an earlier run knew.
    pub(super) fn from_position(position: Position, max_line: usize, now: Instant) -> Follower {
        let done = position.done.max(position.resume);
        Follower {
            id: position.file,
            owner: None,
            source: position.source,
            path: PathBuf::from(position.path),
            base: PathBuf::from(position.base),
            age: if position.live { Age::Live } else { Age::Unknown },
            inode: Inode { device: position.device, number: position.inode },
            stamp: Stamp { size: position.size, modified: position.modified },
            place: if position.gone { Place::Gone } else { Place::Unseen },
            finished: position.finished,
            unread: false,
            verified: false,
            suspect: false,
            dirty: false,
            changed: now,
            first_end: None,
            packed_read: 0,
            extent: position.size,
            head: position.head,
            head_bytes: Vec::new(),
            before: Vec::new(),
            anchor: position.anchor,
            anchor_bytes: Vec::new(),
            cutter: Cutter::new(max_line, position.resume, done),
            lead_from: None,
            at_end: false,
            file: None,
            decoder: None,
        }
    }

    /// What the ledger keeps.
    pub(super) fn position(&mut self) -> Position {
        self.head();
        self.anchor();
        Position {
            file: self.id,
            source: self.source.clone(),
            path: self.path.to_string_lossy().into_owned(),
            base: self.base.to_string_lossy().into_owned(),
            live: self.is_live(),
            device: self.inode.device,
            inode: self.inode.number,
            head: self.head.clone(),
            resume: self.cutter.resume(),
            done: self.cutter.done(),
            anchor: self.anchor.clone(),
            size: if self.finished { self.stamp.size } else { self.extent },
            modified: self.stamp.modified,
            finished: self.finished,
            gone: self.place == Place::Gone,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.age == Age::Live
    }

    pub(super) fn packing(&self) -> Packing {
        name::unpacked(&self.path.to_string_lossy()).1
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn is_decoding(&self) -> bool {
        self.decoder.is_some()
    }

    /// The file's beginning, as a mark.
    pub(super) fn head(&mut self) -> &Mark {
        if !self.head_bytes.is_empty() && self.head.len != self.head_bytes.len() as u64 {
            self.head = Mark::of(&self.head_bytes);
        }
        &self.head
    }

    /// The bytes before `done`, as a mark.
    pub(super) fn anchor(&mut self) -> Mark {
        if !self.anchor_bytes.is_empty() {
            self.anchor = Mark::of(&self.anchor_bytes);
            self.anchor_bytes = Vec::new();
        }
        self.anchor.clone()
    }

    /// Bytes that are known to have existed and were not handed on; 0 where that cannot be told.
    pub(super) fn unread_bytes(&self) -> u64 {
        match self.packing() {
            Packing::Plain if !self.finished => self.extent.saturating_sub(self.cutter.done()),
            _ => 0,
        }
    }

    /// Bytes on disk that were read.
    pub(super) fn read_bytes(&self) -> u64 {
        match self.packing() {
            _ if self.finished => self.stamp.size,
            Packing::Plain => self.cutter.at().min(self.stamp.size),
            Packing::Gzip | Packing::Zstd => self.packed_read.min(self.stamp.size),
        }
    }

    /// Bytes on disk that were not handed on yet.
    pub(super) fn lag(&self) -> u64 {
        match self.packing() {
            _ if self.finished => 0,
            Packing::Plain => self.stamp.size.saturating_sub(self.cutter.done()),
            Packing::Gzip | Packing::Zstd => self.stamp.size.saturating_sub(self.packed_read),
        }
    }

    /// Whether the end that was found at start was reached.
    pub(super) fn reached_first_end(&self) -> bool {
        self.finished
            || self.place == Place::Gone
            || self.first_end.is_none_or(|end| self.packing() == Packing::Plain && self.cutter.at() >= end)
    }

    /// Looks at the open file, or at the path. `true` when it changed since it was last looked at.
    pub(super) fn check_growth(&mut self) -> bool {
        let meta = match &self.file {
            Some(file) => file.metadata(),
            None => std::fs::metadata(&self.path),
        };
        let Ok(meta) = meta else { return false };
        let (inode, stamp) = identity(&meta);
        if inode != self.inode || stamp == self.stamp {
            return false;
        }
        self.suspect |= stamp.size < self.stamp.size || self.packing() != Packing::Plain;
        self.stamp = stamp;
        true
    }

    /// Whether another file than this one is now where the log is written (or none).
    pub(super) fn is_displaced(&self) -> bool {
        std::fs::metadata(&self.base).map_or(true, |meta| identity(&meta).0 != self.inode)
    }

    /// Begins at the end instead of the first byte: that of the last whole line where the file still grows.
    pub(super) fn skip_to_end(&mut self, max_line: usize) -> io::Result<()> {
        if self.packing() != Packing::Plain {
            self.finished = true;
            self.unread = false;
            return Ok(());
        }
        let Some(file) = &self.file else { return Ok(()) };
        let size = file.metadata()?.len();
        let mut block = vec![0; BLOCK];
        let (mut end, mut start) = (size, size);
        while self.is_live() && end > 0 && size - end <= max_line as u64 {
            let from = end.saturating_sub(BLOCK as u64);
            let part = block.get_mut(..usize::try_from(end - from).unwrap_or(0)).unwrap_or_default();
            file.read_exact_at(part, from)?;
            if let Some(newline) = memchr::memrchr(b'\n', part) {
                start = from + newline as u64 + 1;
                break;
            }
            end = from;
            start = if end == 0 { 0 } else { size };
        }
        self.cutter = Cutter::new(max_line, start, start);
        self.before = bytes_before(file, start, start.min(ANCHOR as u64))?.unwrap_or_default();
        self.anchor = Mark::of(&self.before);
        self.anchor_bytes = Vec::new();
        Ok(())
    }

    /// Compares the plain or packed file at `probe` with what is known of this one.
    pub(super) fn compare(&mut self, probe: &Probe, packing: Packing) -> io::Result<Verdict> {
        // Nothing is known of a file that was empty: its inode, used again, may now be that of another known file, and
        // an empty archive may have been written over.
        if self.head().len == 0 && (self.file.is_none() || packing != Packing::Plain)
            || self.head.len > 0 && !self.head.begins(&probe.head)
        {
            return Ok(Verdict::Different);
        }
        if packing != Packing::Plain {
            return Ok(Verdict::Same);
        }
        let anchor = self.anchor();
        match bytes_before(&probe.file, self.cutter.done(), anchor.len)? {
            Some(bytes) if anchor.matches(&bytes) => Ok(Verdict::Same),
            None if self.head.len > 0 => Ok(Verdict::Shrunk),
            _ => Ok(Verdict::Different),
        }
    }

    /// Goes on with the file at `found`, from where it stood: verified, moved, copied or packed.
    pub(super) fn bind(&mut self, found: &Candidate, probe: Probe, max_line: usize, now: Instant) -> io::Result<()> {
        self.path.clone_from(&found.path);
        self.base.clone_from(&found.base);
        self.age = found.age.clone();
        self.inode = found.inode;
        self.stamp = found.stamp;
        self.extent = self.extent.max(found.stamp.size);
        self.place = Place::Present;
        self.changed = now;
        self.verified = true;
        self.suspect = false;
        self.dirty = true;
        self.anchor();
        if probe.head.len() >= self.head_bytes.len() {
            let known = usize::try_from(self.head.len.max(self.cutter.done())).unwrap_or(HEAD).min(probe.head.len());
            self.head_bytes = probe.head.get(..known).unwrap_or_default().to_vec();
        }
        self.decoder = None;
        self.file = (self.packing() == Packing::Plain).then_some(probe.file);
        self.rewind(max_line)
    }

    /// Begins again at the resume offset: what was read beyond it is dropped and will be read again.
    pub(super) fn rewind(&mut self, max_line: usize) -> io::Result<()> {
        let resume = self.cutter.resume();
        self.begin(Cutter::new(max_line, resume, self.cutter.done()));
        self.decoder = None;
        self.before.clear();
        if let Some(file) = &self.file {
            self.before = bytes_before(file, resume, resume.min(ANCHOR as u64))?.unwrap_or_default();
        }
        Ok(())
    }

    fn begin(&mut self, cutter: Cutter) {
        self.cutter = cutter;
        self.lead_from = None;
        self.at_end = false;
    }

    /// The line that its end has cut became whole in the next file: nothing is open here any more.
    pub(super) fn hand_over(&mut self, max_line: usize) -> io::Result<()> {
        let (done, at_end) = (self.cutter.done(), self.at_end);
        self.begin(Cutter::new(max_line, done, done));
        self.dirty = true;
        self.rewind(max_line)?;
        self.at_end = at_end;
        Ok(())
    }

    /// Goes on at the end of a file that lost its last bytes. Returns how many were lost.
    pub(super) fn shrink(&mut self, max_line: usize) -> io::Result<u64> {
        let (size, done) = (self.stamp.size, self.cutter.done());
        self.begin(Cutter::new(max_line, size, size));
        self.extent = size;
        self.dirty = true;
        self.before.clear();
        if let Some(file) = &self.file {
            self.before = bytes_before(file, size, size.min(ANCHOR as u64))?.unwrap_or_default();
        }
        self.anchor = Mark::of(&self.before);
        self.anchor_bytes = Vec::new();
        Ok(done.saturating_sub(size))
    }

    /// Only the position stays.
    pub(super) fn release(&mut self, max_line: usize) {
        self.anchor();
        self.begin(Cutter::new(max_line, self.cutter.resume(), self.cutter.done()));
        self.place = Place::Gone;
        self.unread = false;
        self.dirty = true;
        self.close();
        self.before = Vec::new();
    }

    /// No configured source reads it any more; it is looked for again when one does.
    pub(super) fn suspend(&mut self, max_line: usize) {
        if self.place != Place::Gone {
            self.release(max_line);
            self.place = Place::Unseen;
        }
        self.owner = None;
        self.verified = false;
        self.first_end = None;
    }

    /// Whether the first `size` bytes of this plain file are what begins with `head` and ends with `tail`: then that
    /// other file is a copy of it, whole or still being made.
    pub(super) fn covers(&self, head: &[u8], size: u64, tail: &[u8]) -> bool {
        if size == 0 || !self.may_cover(head) {
            return false;
        }
        let opened;
        let file = match &self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) if file.metadata().is_ok_and(|meta| identity(&meta).0 == self.inode) => {
                    opened = file;
                    &opened
                }
                _ => return false,
            },
        };
        let equal = |at: u64, bytes: &[u8]| matches!(bytes_before(file, at, bytes.len() as u64), Ok(Some(found)) if found == bytes);
        equal(head.len() as u64, head) && equal(size, tail)
    }

    /// Whether the file is still what was read of it.
    pub(super) fn is_intact(&mut self) -> bool {
        let (head, anchor, done) = (self.head().clone(), self.anchor(), self.cutter.done());
        let opened;
        let file = match &self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => {
                    opened = file;
                    &opened
                }
                Err(_) => return false,
            },
        };
        let is_same =
            |at: u64, mark: &Mark| matches!(bytes_before(file, at, mark.len), Ok(Some(bytes)) if mark.matches(&bytes));
        file.metadata().is_ok_and(|meta| identity(&meta).0 == self.inode)
            && (self.packing() != Packing::Plain || is_same(head.len, &head) && is_same(done, &anchor))
    }

    /// A cheap look whether [`Follower::covers`] can be true.
    pub(super) fn may_cover(&self, head: &[u8]) -> bool {
        let both = head.len().min(self.head_bytes.len());
        matches!(self.place, Place::Present | Place::Detached)
            && self.packing() == Packing::Plain
            && head.get(..both) == self.head_bytes.get(..both)
    }

    /// Gives the descriptor back; the file is opened again when it is read.
    pub(super) fn close(&mut self) {
        self.file = None;
        self.decoder = None;
    }

    /// What is left counts as a line, and nothing more is expected.
    pub(super) fn finish(&mut self, each: impl FnMut(Cut<'_>)) {
        let (at, done) = (self.cutter.at(), self.cutter.done());
        self.cutter.finish(each);
        if at > done {
            self.anchor_bytes.clone_from(&self.before);
        }
        self.finished = true;
        self.unread = false;
        self.first_end = None;
        self.dirty = true;
        self.close();
        if self.packing() == Packing::Plain {
            self.stamp.size = self.stamp.size.max(self.cutter.done());
        }
        self.position();
        self.head_bytes = Vec::new();
        self.before = Vec::new();
    }

    /// Reads the next block into `block` and hands its lines to `each`.
    pub(super) fn read(&mut self, block: &mut [u8], each: impl FnMut(Cut<'_>)) -> Read {
        let result = match self.packing() {
            Packing::Plain => self.read_plain(block, each),
            Packing::Gzip | Packing::Zstd => self.read_packed(block, each),
        };
        let read = result.unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => Read::Suspect,
            _ => Read::Failed(error),
        });
        self.at_end = matches!(read, Read::End);
        read
    }

    fn read_plain(&mut self, block: &mut [u8], each: impl FnMut(Cut<'_>)) -> io::Result<Read> {
        if self.file.is_none() {
            let file = File::open(&self.path)?;
            if identity(&file.metadata()?).0 != self.inode {
                return Ok(Read::Suspect);
            }
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(Read::Suspect) };
        let at = self.cutter.at();
        let known = self.before.len();
        let from = at - known as u64;
        // The anchor and the block come in one read, so that the anchor is checked at no cost.
        let got = file.read_at(block, from)?;
        let window = block.get(..got).unwrap_or_default();
        let Some((anchor, fresh)) = window.split_at_checked(known) else { return Ok(Read::Suspect) };
        if anchor != self.before {
            return Ok(Read::Suspect);
        }
        if let Some(head) = usize::try_from(at).ok().and_then(|at| self.head_bytes.get(at..)) {
            let both = head.len().min(fresh.len());
            if head.get(..both) != fresh.get(..both) {
                return Ok(Read::Suspect);
            }
        }
        if fresh.is_empty() {
            return Ok(if file.metadata()?.len() < at { Read::Suspect } else { Read::End });
        }
        // Had the file been truncated while it was read, the block could be half old and half new.
        let checked = (known + ANCHOR).min(got);
        let mut again = [0; ANCHOR * 2];
        let again = again.get_mut(..checked).unwrap_or_default();
        let size = file.metadata()?.len();
        if file.read_exact_at(again, from).is_err() || Some(&*again) != window.get(..checked) {
            return Ok(Read::Suspect);
        }
        // Long values make anchors alike; the beginning tells a rewritten file all the same.
        let mut start = [0; HEAD];
        let start = start.get_mut(..self.head_bytes.len()).unwrap_or_default();
        if file.read_exact_at(start, 0).is_err() || *start != *self.head_bytes {
            return Ok(Read::Suspect);
        }
        let count = fresh.len() as u64;
        self.extent = size.max(at + count);
        self.take(block, known, got, each);
        Ok(Read::Some)
    }

    fn read_packed(&mut self, block: &mut [u8], each: impl FnMut(Cut<'_>)) -> io::Result<Read> {
        if self.suspect {
            return Ok(Read::Suspect);
        }
        if self.decoder.is_none() {
            let file = File::open(&self.path)?;
            // It may have been written over since it was compared.
            if identity(&file.metadata()?) != (self.inode, self.stamp) {
                self.suspect = true;
                return Ok(Read::Suspect);
            }
            let mut decoder = Decoder::new(file.try_clone()?, self.packing())?;
            let mut skip = self.cutter.at();
            let mut before = Vec::new();
            while skip > 0 {
                let part = block.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
                let count = decoder.read(block.get_mut(..part).unwrap_or_default())?;
                if count == 0 {
                    let text = "the archive is shorter than what was read of it";
                    return Err(io::Error::new(ErrorKind::InvalidData, text));
                }
                skip -= count as u64;
                before.extend_from_slice(block.get(..count).unwrap_or_default());
                before.drain(..before.len().saturating_sub(ANCHOR));
            }
            self.before = before;
            self.file = Some(file);
            self.decoder = Some(decoder);
        }
        let Some(decoder) = &mut self.decoder else { return Ok(Read::Suspect) };
        let known = self.before.len();
        if let Some(start) = block.get_mut(..known) {
            start.copy_from_slice(&self.before);
        }
        let read = decoder.read(block.get_mut(known..).unwrap_or_default());
        if let Some(mut file) = self.file.as_ref() {
            self.packed_read = io::Seek::stream_position(&mut file).unwrap_or(self.packed_read);
        }
        let count = read.inspect_err(|_| self.decoder = None)?;
        if count == 0 {
            return Ok(Read::End);
        }
        self.take(block, known, known + count, each);
        Ok(Read::Some)
    }

    /// Cuts `block[known..got]`, where `block[..known]` are the bytes before it.
    fn take(&mut self, block: &[u8], known: usize, got: usize, each: impl FnMut(Cut<'_>)) {
        let at = self.cutter.at();
        let from = at - known as u64;
        let done = self.cutter.done();
        self.cutter.feed(block.get(known..got).unwrap_or_default(), each);
        let last = |end: usize| block.get(end.saturating_sub(ANCHOR)..end).unwrap_or_default().to_vec();
        if self.cutter.done() > done
            && let Some(end) = self.cutter.done().checked_sub(from)
        {
            self.anchor_bytes = last(usize::try_from(end).unwrap_or(got).min(got));
            self.dirty = true;
        }
        self.before = last(got);
        if let Some(next) = usize::try_from((self.head_bytes.len() as u64).wrapping_sub(from)).ok()
            && self.head_bytes.len() < HEAD
            && let Some(more) = block.get(next..got)
        {
            let room = (HEAD - self.head_bytes.len()).min(more.len());
            self.head_bytes.extend_from_slice(more.get(..room).unwrap_or_default());
            self.dirty = true;
        }
    }
}

/// How a file on disk is packed.
pub(super) fn packing(found: &Candidate) -> Packing {
    name::unpacked(&found.path.to_string_lossy()).1
}
