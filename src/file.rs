//! The path of a file that a user wrote becomes its text, of bounded size, or its certificates. What they mean is for others.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Reads a file as UTF-8. At most `most` bytes are ever held, whatever the path names: a device, a pipe, a file that grows.
///
/// # Errors
/// `FileTooLarge` and `InvalidData` with a text that says the bound or the first line that is no UTF-8; else what the
/// system says.
pub fn read_text(path: &Path, most: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let unit = 1 << 20;
        let text = if most.is_multiple_of(unit) { format!("{} MiB", most / unit) } else { format!("{most} bytes") };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {text}")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', good).count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8, first on line {line}"))
    })
}

/// Reads a file whole; the error names it.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads the certificates of a file in PEM form, at least one; the error names it and says what was expected.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |what: &str| format!("{}: expected certificates in PEM form: {what}", path.display());
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read_bytes(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(&error.to_string()))?;
    if certificates.is_empty() { Err(fault("found none")) } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_and_what_is_no_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let read = |path: &Path, most| read_text(path, most).map_err(|error| error.to_string());
        assert_eq!(read(&path("good", "é\n".as_bytes()), 3), Ok("é\n".to_owned()));
        assert_eq!(read(&path("long", b"1234"), 3), Err("larger than 3 bytes".to_owned()));
        assert_eq!(read(&path("latin1", b"a\n\xe9"), 3), Err("not UTF-8, first on line 2".to_owned()));
        assert_eq!(read(Path::new("/dev/zero"), 1 << 20), Err("larger than 1 MiB".to_owned()));
        assert!(read(folder.path(), 3).unwrap_err().contains("directory"));
    }
}
