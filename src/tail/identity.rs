//! A file's content becomes a few hashes by which it is known again: under another name, compressed, or copied. A device
//! and an inode alone miss reuse, a size alone misses a file that was truncated and grew. Deliberately no decision
//! about what a match means.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::name::Packing;

/// Bytes of a file's beginning by which it is known.
pub(super) const HEAD: usize = 1024;

/// Bytes before an offset by which the offset is known.
pub(super) const ANCHOR: usize = 1024;

/// Windows of more than 32 MiB are refused: memory is bounded on any input.
const ZSTD_WINDOW_LOG: u32 = 25;

/// How many bytes were hashed, and the first 128 bits of their SHA-256 in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Bytes hashed; 0 where nothing is known.
    pub len: u64,
    /// 32 hex digits, empty where nothing is known.
    pub hash: String,
}

impl Mark {
    pub(super) fn of(bytes: &[u8]) -> Mark {
        if bytes.is_empty() {
            return Mark::default();
        }
        let digest = Sha256::digest(bytes);
        let hash = digest.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')));
            text
        });
        Mark { len: bytes.len() as u64, hash }
    }

    /// Whether `bytes` is exactly what was hashed.
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        *self == Mark::of(bytes)
    }

    /// Whether `bytes` begins with what was hashed; never for an empty mark.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        len > 0 && bytes.get(..len).is_some_and(|start| self.matches(start))
    }
}

/// How far one file was read and how it is known again. The ledger keeps it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Stable id of the file, whatever becomes of its name.
    pub file: u64,
    /// Name of the source that owns it.
    pub source: String,
    /// Where it was last seen; not UTF-8 is written lossily.
    pub path: String,
    /// The log it is, or is a rotated file of.
    pub base: String,
    /// Whether it was the file being written, not a rotated one.
    pub live: bool,
    /// Device and inode when last seen.
    pub device: u64,
    /// See `device`.
    pub inode: u64,
    /// Its beginning, at most 1 KiB.
    pub head: Mark,
    /// Where reading goes on, in bytes of the unpacked content: the start of the earliest unfinished line.
    pub resume: u64,
    /// Every logical line that ends at or before this offset was handed on. At least `resume`.
    pub done: u64,
    /// At most 1 KiB before `done`.
    pub anchor: Mark,
    /// Size on disk when last seen, in bytes.
    pub size: u64,
    /// Modification time when last seen, in nanoseconds since the Unix epoch.
    pub modified: i64,
    /// Nothing more is expected of it.
    pub finished: bool,
    /// It is no longer at its path; its inode says nothing any more.
    pub gone: bool,
}

/// Reads `[at - len, at)` of a plain file; `None` when it is shorter.
pub(super) fn bytes_before(file: &File, at: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0).min(HEAD.max(ANCHOR))];
    let Some(from) = at.checked_sub(bytes.len() as u64) else { return Ok(None) };
    match file.read_exact_at(&mut bytes, from) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The unpacked content of a compressed file, from its beginning.
pub(super) struct Decoder {
    inner: Box<dyn Read + Send>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    /// Unpacks `file` from its present place. A plain file is passed through.
    pub(super) fn new(file: File, packing: Packing) -> io::Result<Decoder> {
        let file = BufReader::with_capacity(64 << 10, file);
        let inner: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(file),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        };
        Ok(Decoder { inner })
    }

    /// Fills `block` as far as the content goes.
    pub(super) fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..)
            && !rest.is_empty()
        {
            match self.inner.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What came before the error is handed on first; the error comes again.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// What one pass over a file's content found.
#[derive(Debug)]
pub(super) struct Pass {
    /// For each wanted offset the bytes before it, where the content reaches so far.
    pub(super) before: Vec<Option<Vec<u8>>>,
    /// Unpacked size in bytes, as far as it can be unpacked.
    pub(super) size: u64,
    /// The last bytes of the content, at most [`ANCHOR`].
    pub(super) tail: Vec<u8>,
    /// `false` when a compressed file ends too early or is damaged.
    pub(super) complete: bool,
}

/// A file opened to be known again.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) file: File,
    packing: Packing,
    /// The first bytes of the content, at most [`HEAD`].
    pub(super) head: Vec<u8>,
    /// `false` when a compressed file ends, or breaks, within its head.
    pub(super) head_complete: bool,
}

impl Probe {
    /// Opens `path` and reads its head.
    pub(super) fn open(path: &Path, packing: Packing) -> io::Result<Probe> {
        let file = File::open(path)?;
        let mut probe = Probe { file, packing, head: vec![0; HEAD], head_complete: true };
        let mut head = std::mem::take(&mut probe.head);
        let mut filled = 0;
        match packing {
            Packing::Plain => {
                while let Some(rest) = head.get_mut(filled..)
                    && !rest.is_empty()
                {
                    match probe.file.read_at(rest, filled as u64)? {
                        0 => break,
                        count => filled += count,
                    }
                }
            }
            Packing::Gzip | Packing::Zstd => {
                let mut decoder = Decoder::new(reopened(path)?, packing)?;
                while let Some(rest) = head.get_mut(filled..)
                    && !rest.is_empty()
                {
                    match decoder.read(rest) {
                        Ok(0) => break,
                        Ok(count) => filled += count,
                        Err(_) => {
                            probe.head_complete = false;
                            break;
                        }
                    }
                }
                // An empty file is no archive yet.
                probe.head_complete &= filled > 0 || probe.file.metadata()?.len() > 0;
            }
        }
        head.truncate(filled);
        probe.head = head;
        Ok(probe)
    }

    /// Reads the bytes before each wanted `(offset, length)` and what else tells contents apart.
    pub(super) fn pass(&self, path: &Path, wanted: &[(u64, u64)]) -> io::Result<Pass> {
        match self.packing {
            Packing::Plain => {
                let size = self.file.metadata()?.len();
                let before = wanted.iter().map(|(at, len)| bytes_before(&self.file, *at, *len));
                let before = before.collect::<io::Result<_>>()?;
                let tail = bytes_before(&self.file, size, size.min(ANCHOR as u64))?.unwrap_or_default();
                Ok(Pass { before, size, tail, complete: true })
            }
            Packing::Gzip | Packing::Zstd => unpack(Decoder::new(reopened(path)?, self.packing)?, wanted),
        }
    }
}

/// A handle of its own, because decoding moves the place that copies of a handle share.
fn reopened(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn unpack(mut decoder: Decoder, wanted: &[(u64, u64)]) -> io::Result<Pass> {
    let mut before: Vec<Option<Vec<u8>>> = vec![None; wanted.len()];
    let mut order: Vec<(u64, u64, usize)> = wanted.iter().enumerate().map(|(i, (at, len))| (*at, *len, i)).collect();
    order.sort_unstable();
    let mut order = VecDeque::from(order);
    // The window: the last bytes before the block, then the block.
    let mut window = vec![0; ANCHOR + (64 << 10)];
    let (mut kept, mut position, mut complete) = (0_usize, 0_u64, true);
    loop {
        while let Some((at, len, index)) = order.front().copied()
            && at <= position
        {
            order.pop_front();
            let end = usize::try_from(position - at).ok().and_then(|back| kept.checked_sub(back));
            let bytes = end.and_then(|end| {
                let from = end.checked_sub(usize::try_from(len).ok()?)?;
                window.get(from..end)
            });
            if let (Some(slot), Some(bytes)) = (before.get_mut(index), bytes) {
                *slot = Some(bytes.to_vec());
            }
        }
        if kept > ANCHOR {
            window.copy_within(kept - ANCHOR..kept, 0);
            kept = ANCHOR;
        }
        // A block ends where the next wanted offset is at the latest, so that its bytes are still in the window.
        let room = order.front().map_or(64 << 10, |(at, ..)| usize::try_from(at - position).unwrap_or(usize::MAX));
        let end = kept.saturating_add(room.min(64 << 10));
        match decoder.read(window.get_mut(kept..end).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => {
                kept += count;
                position += count as u64;
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                return Err(error);
            }
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    let tail = window.get(kept.saturating_sub(ANCHOR)..kept).unwrap_or_default().to_vec();
    Ok(Pass { before, size: position, tail, complete })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn content() -> Vec<u8> {
        (0..20_000).flat_map(|n| format!("line {n} of the content\n").into_bytes()).collect()
    }

    #[test]
    fn packed_content_is_known_by_the_same_marks() {
        let dir = tempfile::tempdir().unwrap();
        let content = content();
        let (plain, gz, zst) = (dir.path().join("a"), dir.path().join("a.gz"), dir.path().join("a.zst"));
        std::fs::write(&plain, &content).unwrap();
        // Two members, as when archives are appended to each other.
        let mut packed = Vec::new();
        for half in content.chunks(content.len() / 2 + 1) {
            let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
            encoder.write_all(half).unwrap();
            encoder.finish().unwrap();
        }
        std::fs::write(&gz, packed).unwrap();
        std::fs::write(&zst, zstd::encode_all(&content[..], 1).unwrap()).unwrap();
        let size = content.len() as u64;
        let wanted = [(size, 1024), (0, 0), (100, 100), (70_000, 1024), (70_000, 5), (size + 1, 10), (300_001, 1024)];
        for (path, packing) in [(plain, Packing::Plain), (gz, Packing::Gzip), (zst, Packing::Zstd)] {
            let probe = Probe::open(&path, packing).unwrap();
            assert_eq!(probe.head, content[..HEAD]);
            assert!(probe.head_complete);
            let pass = probe.pass(&path, &wanted).unwrap();
            assert!(pass.complete);
            assert_eq!((pass.size, &pass.tail[..]), (size, &content[content.len() - ANCHOR..]));
            for ((at, len), found) in wanted.iter().zip(pass.before) {
                let expected = (*at <= size)
                    .then(|| content[usize::try_from(at - len).unwrap()..usize::try_from(*at).unwrap()].to_vec());
                assert_eq!(found, expected, "{packing:?} before {at}");
            }
        }
    }

    #[test]
    fn a_half_written_archive_is_not_complete() {
        let dir = tempfile::tempdir().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&content()).unwrap();
        let gz = encoder.finish().unwrap();
        let zst = zstd::encode_all(&content()[..], 1).unwrap();
        for (name, packing, bytes) in [("a.gz", Packing::Gzip, gz), ("a.zst", Packing::Zstd, zst)] {
            let path = dir.path().join(name);
            std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
            let probe = Probe::open(&path, packing).unwrap();
            assert!(!probe.pass(&path, &[]).unwrap().complete, "{name}");
            std::fs::write(&path, &bytes[..5]).unwrap();
            assert!(!Probe::open(&path, packing).unwrap().head_complete, "{name}");
            std::fs::write(&path, b"").unwrap();
            assert!(!Probe::open(&path, packing).unwrap().head_complete, "{name}");
        }
    }

    #[test]
    fn a_mark_knows_its_bytes_and_no_others() {
        let mark = Mark::of(b"abc");
        assert_eq!((mark.len, mark.hash.as_str()), (3, "ba7816bf8f01cfea414140de5dae2223"));
        assert!(mark.begins(b"abcd") && !mark.begins(b"ab") && !mark.begins(b"abd"));
        assert!(!Mark::default().begins(b"abc") && Mark::default().matches(b""));
    }
}
