//! The key of the pseudonyms: read from a file, made on first use.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Error;
use crate::ledger::DataDir;

/// Name of the key file in the data directory.
const FILE: &str = "privacy.key";
/// Bytes of a key that is made here.
const SIZE: usize = 32;

/// Reads the key. The default file is made with fresh random bytes, readable by its owner only; a configured one must
/// exist, because one key serves a fleet. Without a data directory the key lives as long as the process.
///
/// # Errors
/// The file cannot be read or made, or holds fewer than 16 bytes.
pub fn load(configured: Option<&Path>, data_dir: &DataDir) -> Result<Vec<u8>, Error> {
    if let Some(path) = configured {
        return read(path);
    }
    let DataDir::Path(folder) = data_dir else { return random(Path::new("/dev/urandom")) };
    let path = folder.join(FILE);
    if path.exists() {
        return read(&path);
    }
    let failed = |action| move |source| Error::Key { action, path: path_of(folder), source };
    fs::create_dir_all(folder).map_err(|source| Error::DataDir { path: folder.clone(), source })?;
    let key = random(&path)?;
    // Written aside and moved into place, so that a crash leaves a whole key or none.
    let aside = folder.join(format!("{FILE}.{}", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
    written.and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all())).map_err(failed("write"))?;
    fs::rename(&aside, &path).map_err(failed("write"))?;
    read(&path)
}

/// Reads the key as [`load`] does and makes none: `None` where there is nothing to read, as in a folder that nobody has
/// written to.
///
/// # Errors
/// The file cannot be read, or holds fewer than 16 bytes.
pub fn load_made(configured: Option<&Path>, data_dir: &DataDir) -> Result<Option<Vec<u8>>, Error> {
    let path = match (configured, data_dir) {
        (Some(path), _) => path.to_owned(),
        (None, DataDir::Path(folder)) => path_of(folder),
        (None, DataDir::None) => return Ok(None),
    };
    if configured.is_none() && !path.exists() {
        return Ok(None);
    }
    read(&path).map(Some)
}

fn path_of(folder: &Path) -> std::path::PathBuf {
    folder.join(FILE)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Key { action: "read", path: path.to_owned(), source };
    let key = fs::read(path).map_err(failed)?;
    if key.len() < 16 {
        let short = std::io::Error::other("it holds fewer than 16 bytes; fill it with 32 random ones");
        return Err(failed(short));
    }
    Ok(key)
}

fn random(path: &Path) -> Result<Vec<u8>, Error> {
    let mut key = vec![0; SIZE];
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut key)).map_err(|source| Error::Key {
        action: "draw",
        path: path.to_owned(),
        source,
    })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_default_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::Path(folder.path().join("data"));
        let key = load(None, &data_dir).unwrap();
        assert_eq!((key.len(), load(None, &data_dir).unwrap()), (SIZE, key));
        let mode = fs::metadata(folder.path().join("data").join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_configured_key_must_exist_and_be_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.key");
        let error = load(Some(&path), &DataDir::None).unwrap_err().to_string();
        assert!(error.contains("fleet.key"), "{error}");
        fs::write(&path, "short").unwrap();
        let error = load(Some(&path), &DataDir::None).unwrap_err().to_string();
        assert!(error.contains("fewer than 16 bytes"), "{error}");
    }
}
