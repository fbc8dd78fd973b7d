//! A secret and a time become the signature that a robot asks for.
//!
//! DingTalk and Feishu take the same ingredients in different places: the one keys the HMAC with the secret and signs
//! the time, the other keys it with both and signs nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// DingTalk's: HMAC-SHA-256 of `"{milliseconds}\n{secret}"` under the secret, base64, percent-encoded for a query
/// (<https://open.dingtalk.com/document/robots/customize-robot-security-settings>).
pub(super) fn dingtalk(secret: &str, millis: i64) -> String {
    let signature = mac(secret.as_bytes(), format!("{millis}\n{secret}").as_bytes());
    // The three characters of base64 that mean something else in a query.
    signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Feishu's: HMAC-SHA-256 of nothing under `"{seconds}\n{secret}"`, base64
/// (<https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>).
pub(super) fn feishu(secret: &str, seconds: i64) -> String {
    mac(format!("{seconds}\n{secret}").as_bytes(), b"")
}

fn mac(key: &[u8], message: &[u8]) -> String {
    // A key of any length is taken: the error is for other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac`, `base64` and `urllib.parse.quote_plus`.
    #[test]
    fn signatures_are_those_of_another_implementation() {
        for (secret, millis, want) in [
            ("SEC3a5f0c7e9b1d", 1_793_491_200_000, "IIbQn0XB2zwwjyUUl1UyL25fMLd5I23tv2320qafwBA%3D"),
            ("SEC3a5f0c7e9b1d", 1_793_491_200_004, "6wp226Jn2nh435D0%2B79yV7tUv9CiAH%2B70x%2FNptgpi3k%3D"),
            ("密钥", 1_700_000_000_123, "iyce6INBKwv6TKZlfc6cpAfWx%2FoMPXwTbDvebXKUMLQ%3D"),
        ] {
            assert_eq!(dingtalk(secret, millis), want);
        }
        for (secret, seconds, want) in [
            ("SEC3a5f0c7e9b1d", 1_793_491_200, "Fv08vqDHsWxMakfUF5MFz0/RxQOw7ctXyTgpV+df4+k="),
            ("密钥", 1_700_000_000, "cyn+2wyXar1IIl3eihT1dIzSxsVv1BFWCgy6prBcWJM="),
        ] {
            assert_eq!(feishu(secret, seconds), want);
        }
    }
}
