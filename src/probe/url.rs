//! The text of an address becomes what a connection and a request need of it.
//!
//! Only `http` and `https`, and names in ASCII: what a probe asks is written by an operator, not by a browser's user.

use std::net::Ipv6Addr;

use hyper::http::uri::{Scheme, Uri};

use crate::wording::quoted;

/// Longest address in bytes.
const MAX_BYTES: usize = 8 << 10;

/// Where to ask for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Whether over TLS.
    pub(super) secure: bool,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query; begins with `/`.
    pub(super) target: String,
}

impl Url {
    /// Reads an absolute address.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(super) fn parse(text: &str) -> Result<Url, String> {
        let expected = |what: &str| format!("expected {what}, found {}", quoted(text));
        if text.len() > MAX_BYTES {
            return Err(expected("at most 8 KiB"));
        }
        // A fragment is for the reader of the answer and is never sent.
        let (address, _) = text.split_once('#').unwrap_or((text, ""));
        let uri: Uri = address.parse().map_err(|_| expected("an address such as `http://127.0.0.1:3210/health`"))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(expected("`http://` or `https://`")),
        };
        let Some(authority) = uri.authority() else { return Err(expected("a host")) };
        if authority.as_str().contains('@') {
            return Err("expected no user or password in the address: use a header with its value in a file".to_owned());
        }
        let host = bare(authority.host()).ok_or_else(|| expected("a host"))?;
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => {
                digits.parse().ok().filter(|port| *port > 0).ok_or_else(|| expected("a port from 1 to 65535"))?
            }
            _ if secure => 443,
            _ => 80,
        };
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { secure, host, port, target })
    }

    /// Where a redirect to `location` leads.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(super) fn join(&self, location: &str) -> Result<Url, String> {
        let scheme = if self.secure { "https" } else { "http" };
        let authority = self.authority();
        if location.starts_with("//") {
            return Url::parse(&format!("{scheme}:{location}"));
        }
        if location.starts_with('/') {
            return Url::parse(&format!("{scheme}://{authority}{location}"));
        }
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        if location.starts_with('?') {
            return Url::parse(&format!("{scheme}://{authority}{path}{location}"));
        }
        // A scheme ends with a colon before any slash.
        let head = location.split(['/', '?', '#']).next().unwrap_or(location);
        if head.contains(':') {
            return Url::parse(location);
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Url::parse(&format!("{scheme}://{authority}{folder}/{location}"))
    }

    /// The host, in brackets where it is an IPv6 address, and the port where it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.secure { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether a secret for one may be told to the other.
    pub(super) fn same_origin(&self, other: &Url) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }
}

/// Reads `host:port`.
///
/// # Errors
///
/// What was expected.
pub(super) fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let expected = |what: &str| format!("expected {what}, found {}", quoted(text));
    let (host, port) = text.rsplit_once(':').ok_or_else(|| expected("`host:port`"))?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| expected("a port from 1 to 65535"))?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(expected("an IPv6 address in brackets, as in `[::1]:443`"));
    }
    Ok((bare(host).ok_or_else(|| expected("a host before the port"))?, port))
}

/// The host without brackets; `None` where it is none.
fn bare(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().ok().map(|address| address.to_string());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(fits)).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(secure: bool, host: &str, port: u16, target: &str) -> Url {
        Url { secure, host: host.to_owned(), port, target: target.to_owned() }
    }

    #[test]
    fn an_address_is_taken_apart() {
        let cases = [
            ("http://a", url(false, "a", 80, "/")),
            ("https://A.example/x?y=1#z", url(true, "a.example", 443, "/x?y=1")),
            ("http://127.0.0.1:3210/api", url(false, "127.0.0.1", 3210, "/api")),
            ("https://[::1]:8443?a", url(true, "::1", 8443, "/?a")),
            ("http://[::1]/", url(false, "::1", 80, "/")),
        ];
        for (text, want) in cases {
            assert_eq!(Url::parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_what_was_expected() {
        let long = format!("http://a/{}", "x".repeat(9_000));
        let cases = [
            ("", "expected an address such as"),
            ("/health", "expected `http://` or `https://`"),
            ("ftp://a", "expected `http://` or `https://`"),
            ("localhost:3210", "expected `http://` or `https://`"),
            ("http://u:p@a/", "expected no user or password"),
            ("http://a:0/", "expected a port from 1 to 65535"),
            ("http://a:/", "expected a port from 1 to 65535"),
            ("http://a:99999/", "expected a"),
            ("http://[::g]/", "expected a"),
            ("http://a b/", "expected an address such as"),
            (long.as_str(), "expected at most 8 KiB"),
        ];
        for (text, want) in cases {
            let error = Url::parse(text).expect_err(text);
            assert!(error.starts_with(want), "{text}: {error}");
            assert!(!error.contains("u:p"), "{error}");
        }
    }

    #[test]
    fn a_redirect_is_read_from_where_it_was_given() {
        let base = url(true, "::1", 8443, "/a/b?c=/d");
        let cases = [
            ("http://b/x", url(false, "b", 80, "/x")),
            ("//b/x", url(true, "b", 443, "/x")),
            ("/x:y", url(true, "::1", 8443, "/x:y")),
            ("x?y=1:2", url(true, "::1", 8443, "/a/x?y=1:2")),
            ("?z", url(true, "::1", 8443, "/a/b?z")),
        ];
        for (location, want) in cases {
            assert_eq!(base.join(location), Ok(want), "{location}");
        }
        assert!(base.join("file:///etc/passwd").is_err());
    }

    #[test]
    fn the_authority_leaves_out_what_the_scheme_says() {
        assert_eq!(url(true, "a", 443, "/").authority(), "a");
        assert_eq!(url(false, "a", 443, "/").authority(), "a:443");
        assert_eq!(url(true, "::1", 8443, "/").authority(), "[::1]:8443");
    }

    #[test]
    fn a_host_and_a_port_are_taken_apart() {
        assert_eq!(host_and_port("Redis:6379"), Ok(("redis".to_owned(), 6379)));
        assert_eq!(host_and_port("[::1]:1"), Ok(("::1".to_owned(), 1)));
        for text in ["", "redis", "redis:", "redis:0", ":6379", "::1:6379", "a/b:1"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
