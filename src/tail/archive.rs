//! A finished log, compressed or not, as a stream of its content.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::identity::Decoder;
use super::name::unpacked;

/// Opens a log for reading from its beginning; `.gz` and `.zst` are unpacked on the way, in bounded memory.
///
/// # Errors
/// The file cannot be opened. An archive that is broken fails while it is read.
pub fn open(path: &Path) -> io::Result<impl Read + use<>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (_, packing) = unpacked(&name);
    Decoder::new(File::open(path)?, packing)
}

impl Read for Decoder {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        Decoder::read(self, block)
    }
}
