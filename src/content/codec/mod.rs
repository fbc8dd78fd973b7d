//! An exchange's JSON becomes a body: compressed with a built-in dictionary and, under a key, encrypted; and back.
//!
//! The dictionary is text of our own: one that was trained on what users say would keep pieces of it beyond erasure. It is never
//! changed, as bodies on disk need it; a better one gets a number of its own.
//!
//! Under a key each body is encrypted with AES-256-GCM under a key of its own, derived from the file's key and 128 fresh random
//! bits: so no two bodies share key and nonce, however many there are, and none needs a counter that survives a crash.

use std::path::Path;
use std::sync::LazyLock;

use parking_lot::Mutex;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, get_frame_content_size};

use super::error::Error;
use super::exchange::Exchange;

/// A body's first byte: a frame of zstd with dictionary 1.
const PLAIN: u8 = 1;
/// A salt, and such a frame encrypted under the key that follows from it, with its tag.
const ENCRYPTED: u8 = 2;

/// Bytes of a salt.
const SALT: usize = 16;
/// Fewest bytes of a key file.
const LEAST_KEY: usize = 16;
/// Largest exchange that is opened, in bytes of JSON: what a changed file may make us take of memory.
const MAX_EXCHANGE: u64 = 256 << 20;

const DICTIONARY: &[u8] = include_bytes!("dictionary-1.txt");
/// Where ratio and time meet: with a dictionary higher levels gain about a hundredth each.
const LEVEL: i32 = 6;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// The key under which content is encrypted.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads a key file: any bytes, the same ones each time.
    ///
    /// # Errors
    /// It cannot be read, or holds fewer than 16 bytes.
    pub fn read(path: &Path) -> Result<Key, Error> {
        let failed = |message: String| Error::KeyFile { path: path.to_owned(), message };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        if bytes.len() < LEAST_KEY {
            return Err(failed("it holds fewer than 16 bytes; fill it with 32 random ones".to_owned()));
        }
        Ok(Key::new(&bytes))
    }

    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Key {
        let extract = hmac::Key::new(hmac::HMAC_SHA256, b"tokentail content");
        Key(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&extract, bytes).as_ref()))
    }

    /// The key of one body.
    fn of_body(&self, salt: &[u8]) -> Result<LessSafeKey, Error> {
        let key = hmac::sign(&self.0, salt);
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| Error::Seal("its key cannot be derived"))?;
        Ok(LessSafeKey::new(key))
    }
}

/// The nonce of every body: each has a key of its own.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Seals and opens bodies; one for each thread.
pub struct Codec {
    compressor: Compressor<'static>,
    decompressor: Mutex<Decompressor<'static>>,
    key: Option<Key>,
    random: SystemRandom,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Codec {
    /// A codec that encrypts where a key is given.
    ///
    /// # Errors
    /// The compressor cannot be set up.
    pub fn build(key: Option<&Key>) -> Result<Codec, Error> {
        let failed = |_| Error::Seal("the compressor cannot be set up");
        let mut compressor = Compressor::with_prepared_dictionary(&ENCODER).map_err(failed)?;
        // Which dictionary it was tells the body's first byte.
        compressor.set_parameter(CParameter::DictIdFlag(false)).map_err(failed)?;
        let decompressor = Decompressor::with_prepared_dictionary(&DECODER).map_err(failed)?;
        Ok(Codec { compressor, decompressor: Mutex::new(decompressor), key: key.cloned(), random: SystemRandom::new() })
    }

    /// Whether it encrypts.
    #[must_use]
    pub fn is_encrypting(&self) -> bool {
        self.key.is_some()
    }

    /// Appends the body of an exchange, given as JSON.
    ///
    /// # Errors
    /// There is no memory, or no random number; nothing was appended.
    pub fn seal(&mut self, exchange_json: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut frame = self.compressor.compress(exchange_json).map_err(|_| Error::Seal("it cannot be compressed"))?;
        if self.key.is_some() {
            return self.encrypt(frame, out);
        }
        out.push(PLAIN);
        out.append(&mut frame);
        Ok(())
    }

    /// Something that only the same key opens.
    pub(super) fn key_check(&self) -> Result<Vec<u8>, Error> {
        let frame = zstd::bulk::compress(b"{}", LEVEL).map_err(|_| Error::Seal("it cannot be compressed"))?;
        let mut check = Vec::new();
        self.encrypt(frame, &mut check)?;
        Ok(check)
    }

    fn encrypt(&self, mut frame: Vec<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(key) = &self.key else { return Err(Error::Seal("there is no key")) };
        let mut salt = [0; SALT];
        self.random.fill(&mut salt).map_err(|_| Error::Seal("the system has no random numbers"))?;
        key.of_body(&salt)?
            .seal_in_place_append_tag(nonce(), Aad::from([ENCRYPTED]), &mut frame)
            .map_err(|_| Error::Seal("it cannot be encrypted"))?;
        out.push(ENCRYPTED);
        out.extend_from_slice(&salt);
        out.append(&mut frame);
        Ok(())
    }

    /// The exchange of a body.
    ///
    /// # Errors
    /// The body was changed, or is encrypted under another key or none is given.
    pub fn open(&self, body: &[u8]) -> Result<Exchange, Error> {
        serde_json::from_slice(&self.open_json(body)?).map_err(|_| Error::Body("it is no exchange"))
    }

    /// The JSON of a body.
    pub(super) fn open_json(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        match body {
            [PLAIN, frame @ ..] => self.decompress(frame),
            [ENCRYPTED, rest @ ..] => {
                let Some(key) = &self.key else { return Err(Error::Body("it is encrypted, and no key is given")) };
                let (salt, frame) =
                    rest.split_first_chunk::<SALT>().ok_or(Error::Body("it is too short to be encrypted"))?;
                let mut frame = frame.to_vec();
                let frame = key
                    .of_body(salt)?
                    .open_in_place(nonce(), Aad::from([ENCRYPTED]), &mut frame)
                    .map_err(|_| Error::Body("it was changed on disk, or is encrypted under another key"))?;
                self.decompress(frame)
            }
            _ => Err(Error::Body("its form is unknown")),
        }
    }

    fn decompress(&self, frame: &[u8]) -> Result<Vec<u8>, Error> {
        const CHANGED: Error = Error::Body("it was changed on disk");
        let size = get_frame_content_size(frame).ok().flatten().filter(|size| *size <= MAX_EXCHANGE);
        let size = size.and_then(|size| usize::try_from(size).ok()).ok_or(CHANGED)?;
        self.decompressor.lock().decompress(frame, size).map_err(|_| CHANGED)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::{Message, ToolCall};

    fn exchange() -> Exchange {
        let message = |role: &str, text: &str| Message { role: role.into(), text: text.into(), ..Message::default() };
        let call = ToolCall { id: "call_1".into(), name: "search".into(), arguments: "{\"query\":\"退款\"}".into() };
        Exchange {
            messages: vec![message("user", "请问怎么退款？")],
            answer: Some(Message { tool_calls: vec![call], ..message("assistant", "Let me look.") }),
        }
    }

    fn json() -> Vec<u8> {
        serde_json::to_vec(&exchange()).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_again_with_and_without_a_key() {
        for key in [None, Some(Key::new(b"0123456789abcdef"))] {
            let mut codec = Codec::build(key.as_ref()).unwrap();
            let mut out = b"before".to_vec();
            codec.seal(&json(), &mut out).unwrap();
            let body = out.strip_prefix(b"before").unwrap();
            assert_eq!(codec.open(body).unwrap(), exchange());
            assert!(body.len() < json().len());
        }
    }

    #[test]
    fn an_encrypted_body_needs_its_key_and_every_bit_of_it() {
        let mut codec = Codec::build(Some(&Key::new(b"0123456789abcdef"))).unwrap();
        let (mut body, mut again) = (Vec::new(), Vec::new());
        codec.seal(&json(), &mut body).unwrap();
        codec.seal(&json(), &mut again).unwrap();
        assert_ne!(body, again, "the same text twice must not look the same");
        let none = Codec::build(None).unwrap().open(&body).unwrap_err().to_string();
        assert!(none.contains("no key"), "{none}");
        let other = Codec::build(Some(&Key::new(b"fedcba9876543210"))).unwrap().open(&body).unwrap_err().to_string();
        assert!(other.contains("another key"), "{other}");
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert!(codec.open(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn short_texts_shrink_with_the_dictionary() {
        let mut codec = Codec::build(None).unwrap();
        let mut body = Vec::new();
        codec.seal(&json(), &mut body).unwrap();
        let without = zstd::bulk::compress(&json(), LEVEL).unwrap();
        assert!(body.len() * 10 < without.len() * 7, "{} of {}", body.len(), without.len());
    }

    #[test]
    fn a_key_file_must_exist_and_be_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("content.key");
        assert!(Key::read(&path).unwrap_err().to_string().contains("content.key"));
        std::fs::write(&path, "short").unwrap();
        assert!(Key::read(&path).unwrap_err().to_string().contains("fewer than 16"));
        std::fs::write(&path, [7; 32]).unwrap();
        Key::read(&path).unwrap();
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_body_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let codec = Codec::build(Some(&Key::new(b"0123456789abcdef"))).unwrap();
            let _ = codec.open(&bytes);
        }
    }
}
