//! A web configuration file of the Prometheus exporter-toolkit becomes what it asks for: TLS, users, headers.
//!
//! Understands the keys that this server can honour. Every other key of the format, and every unknown one, is an error
//! that names file, line and key: a security setting is never ignored in silence. Reads no certificate; `tls` does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use axum::http::{HeaderName, HeaderValue};

use super::settings::{self, Fault, Setting, Value};

/// Dearest bcrypt cost that is accepted: 16 takes some seconds, and each further one doubles it.
const MAX_COST: u32 = 16;

/// What the file asks for; all empty without a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Toolkit {
    pub(super) tls: Option<Tls>,
    /// Name → bcrypt hash.
    pub(super) users: BTreeMap<String, String>,
    /// Headers of every answer; `None` takes a header away that would be there otherwise.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
}

/// The section `tls_server_config`, paths made relative to the folder of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tls {
    pub(super) cert_file: PathBuf,
    pub(super) key_file: PathBuf,
    pub(super) client: Client,
    /// TLS 1.2 is spoken.
    pub(super) tls12: bool,
    /// TLS 1.3 is spoken.
    pub(super) tls13: bool,
    /// The server's order of cipher suites counts.
    pub(super) server_order: bool,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Client {
    /// Anybody: `NoClientCert`.
    Any,
    /// A certificate is verified where one is sent: `VerifyClientCertIfGiven`.
    Verified(PathBuf),
    /// `RequireAndVerifyClientCert`.
    Required(PathBuf),
}

/// Reads the text of a web configuration file that lies in `folder`; all faults at once, by line.
pub(super) fn parse(text: &str, folder: &Path) -> Result<Toolkit, Vec<Fault>> {
    let settings = settings::parse(text).map_err(|fault| vec![fault])?;
    let mut reader = Reader { toolkit: Toolkit::default(), faults: Vec::new() };
    let mut tls = Draft::default();
    for setting in &settings {
        if let Err(message) = reader.observe(setting, &mut tls) {
            reader.faults.push(Fault::new(setting.line, setting.key(), message));
        }
    }
    match tls.check(folder) {
        Ok(tls) => reader.toolkit.tls = tls,
        Err(fault) => reader.faults.push(fault),
    }
    reader.faults.sort_by_key(|fault| fault.line);
    if reader.faults.is_empty() { Ok(reader.toolkit) } else { Err(reader.faults) }
}

#[derive(Debug)]
struct Reader {
    toolkit: Toolkit,
    faults: Vec<Fault>,
}

impl Reader {
    fn observe(&mut self, setting: &Setting, tls: &mut Draft) -> Result<(), String> {
        let path: Vec<&str> = setting.path.iter().map(|key| &**key).collect();
        let value = || match &setting.value {
            Value::Text(text) => Ok(text.as_str()),
            Value::Null => Err("expected a value".to_owned()),
            Value::List => Err("expected text, not a list".to_owned()),
        };
        match path.as_slice() {
            ["tls_server_config" | "basic_auth_users" | "http_server_config"] | ["http_server_config", "headers"] => {
                match setting.value {
                    Value::Null => Ok(()),
                    _ => Err("expected a mapping".to_owned()),
                }
            }
            ["tls_server_config", key] => tls.observe(key, setting, value),
            ["basic_auth_users", user] => self.observe_user(user, value()?),
            ["http_server_config", "headers", name] => {
                let value = if setting.value == Value::Null { "" } else { value()? };
                self.toolkit.headers.push(header(name, value)?);
                Ok(())
            }
            ["http_server_config", "http2"] => match value()? {
                "false" => Ok(()),
                "true" => Err("HTTP/2 is not served here; write `false` or leave it out".to_owned()),
                _ => Err("expected `true` or `false`".to_owned()),
            },
            ["rate_limit", ..] => Err("not supported here; limit the rate in a proxy".to_owned()),
            ["tls_server_config" | "basic_auth_users", ..] => Err("expected a value, not a mapping".to_owned()),
            ["http_server_config", ..] => Err("unknown key; expected `http2` or `headers`".to_owned()),
            _ => {
                Err("unknown key; expected `tls_server_config`, `basic_auth_users` or `http_server_config`".to_owned())
            }
        }
    }

    fn observe_user(&mut self, user: &str, hash: &str) -> Result<(), String> {
        if user.is_empty() || user.contains(':') {
            return Err("a user name is neither empty nor has a colon".to_owned());
        }
        let parts = bcrypt::HashParts::from_str(hash)
            .map_err(|_| "not a bcrypt hash; make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`".to_owned())?;
        if !(4..=MAX_COST).contains(&parts.get_cost()) {
            return Err(format!("expected a bcrypt cost of 4 to {MAX_COST}, found {}", parts.get_cost()));
        }
        self.toolkit.users.insert(user.to_owned(), hash.to_owned());
        Ok(())
    }
}

/// A header of the closed list of the format, with its value; blank takes the header away.
fn header(name: &str, value: &str) -> Result<(HeaderName, Option<HeaderValue>), String> {
    let values: &[&str] = match name {
        "X-Frame-Options" => &["deny", "sameorigin"],
        "X-Content-Type-Options" => &["nosniff"],
        "Content-Security-Policy" | "Strict-Transport-Security" | "X-XSS-Protection" => &[],
        _ => {
            return Err("this header cannot be set; expected `Content-Security-Policy`, `Strict-Transport-Security`, \
                        `X-Content-Type-Options`, `X-Frame-Options` or `X-XSS-Protection`"
                .to_owned());
        }
    };
    if !value.is_empty() && !values.is_empty() && !values.contains(&value) {
        return Err(format!("expected `{}`", values.join("` or `")));
    }
    let name = HeaderName::from_str(name).map_err(|_| "not a header name".to_owned())?;
    if value.is_empty() {
        return Ok((name, None));
    }
    let value = HeaderValue::from_str(value).map_err(|_| "not a header value".to_owned())?;
    Ok((name, Some(value)))
}

/// `tls_server_config` as far as it was read.
#[derive(Debug, Default)]
struct Draft {
    /// Line of the first key; 0 where the section is absent.
    line: usize,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<(PathBuf, usize)>,
    client_auth_type: Option<(ClientAuth, usize)>,
    min: Option<Version>,
    max: Option<(Version, usize)>,
    client_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ClientAuth {
    No,
    IfGiven,
    Require,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Version {
    Tls12,
    Tls13,
}

impl Draft {
    fn observe<'a>(
        &mut self,
        key: &str,
        setting: &Setting,
        value: impl Fn() -> Result<&'a str, String>,
    ) -> Result<(), String> {
        let line = setting.line;
        if self.line == 0 {
            self.line = line;
        }
        match key {
            "cert_file" => self.cert_file = Some(value()?.into()),
            "key_file" => self.key_file = Some(value()?.into()),
            "client_ca_file" => self.client_ca_file = Some((value()?.into(), line)),
            "client_auth_type" => {
                let kind = match value()? {
                    "NoClientCert" => ClientAuth::No,
                    "VerifyClientCertIfGiven" => ClientAuth::IfGiven,
                    "RequireAndVerifyClientCert" => ClientAuth::Require,
                    "RequestClientCert" | "RequireAnyClientCert" => {
                        return Err("asks for certificates and verifies none, which protects nothing; \
                                    use `RequireAndVerifyClientCert`"
                            .to_owned());
                    }
                    _ => {
                        return Err(
                            "expected `NoClientCert`, `VerifyClientCertIfGiven` or `RequireAndVerifyClientCert`"
                                .to_owned(),
                        );
                    }
                };
                self.client_auth_type = Some((kind, line));
            }
            "min_version" => self.min = Some(version(value()?)?),
            "max_version" => self.max = Some((version(value()?)?, line)),
            "prefer_server_cipher_suites" => {
                self.client_order = match value()? {
                    "true" => false,
                    "false" => true,
                    _ => return Err("expected `true` or `false`".to_owned()),
                }
            }
            "cert" | "key" | "client_ca" => {
                return Err(format!("not supported here; write it to a file and name that in `{key}_file`"));
            }
            "cipher_suites" | "curve_preferences" => {
                return Err("not supported here; leave it out: every suite and curve that is offered is a strong one"
                    .to_owned());
            }
            "client_allowed_sans" => {
                return Err("not supported here; let the file in `client_ca_file` vouch for the allowed clients only"
                    .to_owned());
            }
            _ => {
                return Err("unknown key; expected `cert_file`, `key_file`, `client_auth_type`, `client_ca_file`, \
                            `min_version`, `max_version` or `prefer_server_cipher_suites`"
                    .to_owned());
            }
        }
        Ok(())
    }

    fn check(self, folder: &Path) -> Result<Option<Tls>, Fault> {
        if self.line == 0 {
            return Ok(None);
        }
        let missing = |key: &str| Fault::new(self.line, format!("tls_server_config.{key}"), "missing");
        let cert_file = self.cert_file.as_ref().ok_or_else(|| missing("cert_file"))?;
        let key_file = self.key_file.as_ref().ok_or_else(|| missing("key_file"))?;
        let min = self.min.unwrap_or(Version::Tls12);
        let (max, max_line) = self.max.unwrap_or((Version::Tls13, self.line));
        if min > max {
            return Err(Fault::new(max_line, "tls_server_config.max_version", "lower than `min_version`"));
        }
        let client = match (self.client_auth_type, &self.client_ca_file) {
            (None | Some((ClientAuth::No, _)), None) => Client::Any,
            (None | Some((ClientAuth::No, _)), Some((_, line))) => {
                return Err(Fault::new(
                    *line,
                    "tls_server_config.client_ca_file",
                    "has no effect without `client_auth_type: RequireAndVerifyClientCert`",
                ));
            }
            (Some((ClientAuth::IfGiven, _)), Some((file, _))) => Client::Verified(folder.join(file)),
            (Some((ClientAuth::Require, _)), Some((file, _))) => Client::Required(folder.join(file)),
            (Some((_, line)), None) => {
                return Err(Fault::new(line, "tls_server_config.client_auth_type", "needs `client_ca_file`"));
            }
        };
        Ok(Some(Tls {
            cert_file: folder.join(cert_file),
            key_file: folder.join(key_file),
            client,
            tls12: min == Version::Tls12,
            tls13: max == Version::Tls13,
            server_order: !self.client_order,
        }))
    }
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "TLS12" => Ok(Version::Tls12),
        "TLS13" => Ok(Version::Tls13),
        "TLS10" | "TLS11" => {
            Err("this version is broken and not supported here; expected `TLS12` or `TLS13`".to_owned())
        }
        _ => Err("expected `TLS12` or `TLS13`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

    #[test]
    fn a_full_file_is_understood() {
        let text = format!(
            "tls_server_config:\n  cert_file: server.pem\n  key_file: /etc/key.pem\n  client_auth_type: \
             RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  min_version: TLS13\n  max_version: TLS13\n  \
             prefer_server_cipher_suites: false\nhttp_server_config:\n  http2: false\n  headers:\n    \
             Strict-Transport-Security: max-age=31536000\n    X-Frame-Options: sameorigin\n    X-XSS-Protection:\n\
             basic_auth_users:\n  alice: {HASH}\n  7: {HASH}\n"
        );
        let toolkit = parse(&text, Path::new("/conf")).expect("valid");
        let tls = toolkit.tls.expect("a TLS section");
        assert_eq!(tls.cert_file, Path::new("/conf/server.pem"));
        assert_eq!(tls.key_file, Path::new("/etc/key.pem"));
        assert_eq!(tls.client, Client::Required("/conf/ca.pem".into()));
        assert_eq!((tls.tls12, tls.tls13, tls.server_order), (false, true, false));
        assert_eq!(toolkit.users.keys().collect::<Vec<_>>(), ["7", "alice"]);
        let headers: Vec<_> = toolkit.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
        assert_eq!(
            headers,
            [
                ("strict-transport-security", Some(&HeaderValue::from_static("max-age=31536000"))),
                ("x-frame-options", Some(&HeaderValue::from_static("sameorigin"))),
                ("x-xss-protection", None),
            ]
        );
    }

    #[test]
    fn an_empty_file_asks_for_nothing() {
        for text in ["", "tls_server_config:\nbasic_auth_users: {}\nhttp_server_config:\n  headers:\n"] {
            assert_eq!(parse(text, Path::new("/conf")), Ok(Toolkit::default()), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_honoured_is_refused_by_line_and_key() {
        let tls = "tls_server_config:\n  cert_file: a\n  key_file: b\n";
        let cases = [
            ("rate_limit:\n  interval: 1s\n".to_owned(), 2, "rate_limit.interval", "not supported here"),
            ("basic_auth:\n  a: b\n".to_owned(), 2, "basic_auth.a", "unknown key; expected `tls_server_config`"),
            ("http_server_config:\n  http2: true\n".to_owned(), 2, "http_server_config.http2", "HTTP/2 is not served"),
            ("http_server_config:\n  http3: true\n".to_owned(), 2, "http_server_config.http3", "unknown key"),
            (
                "http_server_config:\n  headers:\n    Server: x\n".to_owned(),
                3,
                "http_server_config.headers.Server",
                "this header cannot be set",
            ),
            (
                "http_server_config:\n  headers:\n    X-Frame-Options: maybe\n".to_owned(),
                3,
                "http_server_config.headers.X-Frame-Options",
                "expected `deny` or `sameorigin`",
            ),
            ("basic_auth_users:\n  alice: secret\n".to_owned(), 2, "basic_auth_users.alice", "not a bcrypt hash"),
            (
                format!("basic_auth_users:\n  alice: {}\n", HASH.replace("$10$", "$31$")),
                2,
                "basic_auth_users.alice",
                "expected a bcrypt cost of 4 to 16, found 31",
            ),
            ("basic_auth_users: [a]\n".to_owned(), 1, "basic_auth_users", "expected a mapping"),
            ("basic_auth_users:\n  alice:\n".to_owned(), 2, "basic_auth_users.alice", "expected a value"),
            ("tls_server_config:\n  cert_file: a\n".to_owned(), 2, "tls_server_config.key_file", "missing"),
            (format!("{tls}  cipher_suites: [X]\n"), 4, "tls_server_config.cipher_suites", "not supported here"),
            (
                format!("{tls}  curve_preferences: [X]\n"),
                4,
                "tls_server_config.curve_preferences",
                "not supported here",
            ),
            (format!("{tls}  client_allowed_sans: [X]\n"), 4, "tls_server_config.client_allowed_sans", "not supported"),
            (format!("{tls}  cert: x\n"), 4, "tls_server_config.cert", "not supported here; write it to a file"),
            (format!("{tls}  certfile: x\n"), 4, "tls_server_config.certfile", "unknown key"),
            (format!("{tls}  min_version: TLS11\n"), 4, "tls_server_config.min_version", "this version is broken"),
            (
                format!("{tls}  min_version: TLS13\n  max_version: TLS12\n"),
                5,
                "tls_server_config.max_version",
                "lower than `min_version`",
            ),
            (
                format!("{tls}  client_auth_type: RequireAnyClientCert\n"),
                4,
                "tls_server_config.client_auth_type",
                "asks for certificates and verifies none",
            ),
            (
                format!("{tls}  client_auth_type: RequireAndVerifyClientCert\n"),
                4,
                "tls_server_config.client_auth_type",
                "needs `client_ca_file`",
            ),
            (
                format!("{tls}  client_ca_file: ca.pem\n"),
                4,
                "tls_server_config.client_ca_file",
                "has no effect without",
            ),
        ];
        for (text, line, key, message) in cases {
            let faults = parse(&text, Path::new("/conf")).expect_err(&text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert_eq!((faults[0].line, faults[0].key.as_str()), (line, key), "{text}");
            assert!(faults[0].message.starts_with(message), "{text}: {}", faults[0].message);
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults =
            parse("basic_auth_users:\n  a: x\nrate_limit:\n  burst: 1\n", Path::new("/")).expect_err("two faults");
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 4]);
    }
}
