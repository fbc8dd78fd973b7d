//! A name and a password from a request become a yes or no.
//!
//! bcrypt is slow on purpose, so it runs beside the server's threads, few at a time, and a password that was verified
//! is remembered as a keyed hash until the configuration changes. Knows nothing of roles.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio_rustls::rustls::crypto::ring;

use super::live::Loaded;

/// bcrypt computations at one time: strangers who guess passwords cost this many cores at most.
const AT_ONCE: usize = 2;

/// Verifies passwords and remembers which were right.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Random for each process; without randomness nothing is remembered.
    key: Option<[u8; 32]>,
    turns: Semaphore,
}

impl Verifier {
    pub(super) fn new() -> Verifier {
        let mut key = [0; 32];
        let random = ring::default_provider().secure_random.fill(&mut key).is_ok();
        Verifier { key: random.then_some(key), turns: Semaphore::new(AT_ONCE) }
    }

    /// Whether this user has this password. A name that is unknown takes as long as one that is known.
    pub(super) async fn verify(&self, loaded: &Arc<Loaded>, user: &str, password: Vec<u8>) -> bool {
        let known = loaded.toolkit.users.get(user);
        let hash = known.cloned().unwrap_or_else(|| decoy(loaded));
        let mac = self.mac(user, &hash, &password);
        if let Some(mac) = &mac {
            let remembered = loaded.verified.lock().get(user).copied();
            // `verify_slice` compares in constant time.
            if remembered.is_some_and(|tag| mac.clone().verify_slice(&tag).is_ok()) {
                return true;
            }
        }
        let Ok(_turn) = self.turns.acquire().await else { return false };
        let right = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let right = right.await.unwrap_or(false) && known.is_some();
        if let (true, Some(mac)) = (right, mac) {
            loaded.verified.lock().insert(user.to_owned(), mac.finalize().into_bytes().into());
        }
        right
    }

    fn mac(&self, user: &str, hash: &str, password: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key?).ok()?;
        for part in [user.as_bytes(), hash.as_bytes(), password] {
            mac.update(&part.len().to_le_bytes());
            mac.update(part);
        }
        Some(mac)
    }
}

/// A hash for names that do not exist, as dear as the dearest that does. It fits a password at one cost, which must not
/// help whoever knows that.
fn decoy(loaded: &Loaded) -> String {
    let costs = loaded.toolkit.users.values().filter_map(|hash| hash.get(4..6));
    format!("$2y${}$TdaHG9ESQLjSvjfRKsz3yeQ3iZrQPOwxOqC60MXHSMWCyyvz18BsK", costs.max().unwrap_or("10"))
}

/// The name and password of basic authentication; `None` where there are none, or where there are several.
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    let (user, password) = decoded.split_at_checked(colon)?;
    Some((String::from_utf8(user.to_vec()).ok()?, password.get(1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::super::toolkit::Toolkit;
    use super::*;

    fn loaded(password: &str) -> Arc<Loaded> {
        let hash = bcrypt::hash(password, 4).expect("a hash");
        let users = [("alice".to_owned(), hash)].into();
        Arc::new(Loaded { toolkit: Toolkit { users, ..Toolkit::default() }, ..Loaded::default() })
    }

    #[tokio::test]
    async fn the_right_password_of_a_known_user_counts_and_nothing_else() {
        let verifier = Verifier::new();
        let loaded = loaded("secret");
        for round in ["computed", "remembered"] {
            assert!(verifier.verify(&loaded, "alice", b"secret".to_vec()).await, "{round}");
            assert!(!verifier.verify(&loaded, "alice", b"Secret".to_vec()).await, "{round}");
            assert!(!verifier.verify(&loaded, "alice", Vec::new()).await, "{round}");
            assert!(!verifier.verify(&loaded, "bob", b"secret".to_vec()).await, "{round}");
        }
        assert_eq!(loaded.verified.lock().len(), 1, "only what was right is remembered");
    }

    #[tokio::test]
    async fn a_remembered_password_needs_no_turn_and_a_wrong_one_waits_for_one() {
        let verifier = Verifier::new();
        let loaded = loaded("secret");
        assert!(verifier.verify(&loaded, "alice", b"secret".to_vec()).await);
        let _every_turn =
            verifier.turns.acquire_many(u32::try_from(AT_ONCE).expect("a small number")).await.expect("open");
        assert!(verifier.verify(&loaded, "alice", b"secret".to_vec()).await);
        for (user, password) in [("alice", "wrong"), ("bob", "secret")] {
            let mut waiting = std::pin::pin!(verifier.verify(&loaded, user, password.as_bytes().to_vec()));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await;
            assert!(polled.is_pending(), "{user} must take bcrypt's time");
        }
    }

    #[tokio::test]
    async fn what_is_remembered_ends_with_the_hash() {
        let verifier = Verifier::new();
        let old = loaded("secret");
        assert!(verifier.verify(&old, "alice", b"secret".to_vec()).await);
        let new = loaded("changed");
        *new.verified.lock() = old.verified.lock().clone();
        assert!(!verifier.verify(&new, "alice", b"secret".to_vec()).await);
    }

    #[tokio::test]
    async fn the_decoy_is_a_hash_as_dear_as_the_users_own_and_opens_nothing() {
        let loaded = loaded("secret");
        let decoy = decoy(&loaded);
        assert!(bcrypt::verify("decoy", &decoy).expect("a hash"), "the decoy's password at this cost");
        assert!(!Verifier::new().verify(&loaded, "bob", b"decoy".to_vec()).await);
        assert_eq!(decoy.parse::<bcrypt::HashParts>().expect("a hash").get_cost(), 4);
    }

    #[test]
    fn basic_credentials_are_read_from_one_header() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
            }
            basic(&headers).map(|(user, password)| (user, String::from_utf8_lossy(&password).into_owned()))
        };
        let alice = |password: &str| Some(("alice".to_owned(), password.to_owned()));
        assert_eq!(read(&["Basic YWxpY2U6c2VjcmV0"]), alice("secret"));
        assert_eq!(read(&["basic YWxpY2U6YTpi"]), alice("a:b"));
        assert_eq!(read(&["Basic YWxpY2U6"]), alice(""));
        for values in [
            &[][..],
            &["Bearer YWxpY2U6c2VjcmV0"],
            &["Basic"],
            &["Basic !!!"],
            &["Basic YWxpY2U="],
            &["Basic YWxpY2U6c2VjcmV0", "Basic YWxpY2U6c2VjcmV0"],
        ] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
