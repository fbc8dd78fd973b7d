//! A configured target becomes a probe that can run, or every problem with it at once.
//!
//! Expressions are compiled, addresses taken apart, and files of certificates and secrets read here and nowhere else, so
//! that a look itself opens no file. A reload builds anew and so reads them again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use rustls_pki_types::ServerName;
use tokio_rustls::rustls::ClientConfig;

use super::chat::Chat;
use super::config::{self, Check, Config, Header, IpProtocol, Secret, Target, Tls};
use super::dial::Endpoint;
use super::expect::Expect;
use super::http::{Ask, Http, header_value, reserved};
use super::trust::{self, Trust};
use super::url::{Url, host_and_port};
use super::{Built, Probe};
use crate::clock::Clock;
use crate::wording::quoted;

/// Largest file of a secret in bytes.
const MAX_SECRET: u64 = 16 << 10;

/// Shortest interval: below it the looks themselves would be a load.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Longest interval.
const MAX_INTERVAL: Duration = Duration::from_secs(86_400);

/// Longest name of a target in bytes.
const MAX_NAME: usize = 100;

/// Most targets: each is several series.
const MAX_TARGETS: usize = 1_000;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Problem {
    /// Path of the key: below the target where [`Target::build`] tells it (`tls.ca_file`), below the section where
    /// [`build`] does (`[2].tls.ca_file`, or `roots_file`).
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { key: key.into(), message: message.into() }
    }
}

/// Builds every target that is enabled, in the order of the configuration. Those that are not enabled are checked too.
///
/// # Errors
///
/// Every problem of every target; never empty.
pub fn build(config: &Config, clock: &Clock) -> Result<Vec<Probe>, Vec<Problem>> {
    let mut trust = Trust::load(config.roots_file.as_deref(), clock).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut probes = Vec::new();
    let mut names = HashSet::new();
    if config.targets.len() > MAX_TARGETS {
        let message = format!("expected at most {MAX_TARGETS} targets, found {}", config.targets.len());
        return Err(vec![Problem::new("", message)]);
    }
    for (index, target) in config.targets.iter().enumerate() {
        if !names.insert(target.name.as_str()) {
            let message = format!("expected a name of its own, {} is given twice", quoted(&target.name));
            problems.push(Problem::new(format!("[{index}].name"), message));
        }
        match target.build(&mut trust) {
            Ok(probe) if target.enabled() => probes.push(probe),
            Ok(_) => {}
            Err(found) => problems.extend(
                found.into_iter().map(|problem| Problem::new(format!("[{index}].{}", problem.key), problem.message)),
            ),
        }
    }
    if problems.is_empty() { Ok(probes) } else { Err(problems) }
}

impl Target {
    /// Checks everything and reads the files that are named.
    ///
    /// # Errors
    ///
    /// Every problem at once; never empty.
    pub fn build(&self, trust: &mut Trust) -> Result<Probe, Vec<Problem>> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() || self.name.len() > MAX_NAME || self.name.chars().any(char::is_control) {
            let message =
                format!("expected 1 to {MAX_NAME} bytes without control characters, found {}", quoted(&self.name));
            problems.push(Problem::new("name", message));
        }
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&self.interval) {
            problems.push(Problem::new("interval", format!("expected 1s to 1d, found {:?}", self.interval)));
        }
        if self.timeout.is_zero() || self.timeout > self.interval {
            let message = format!(
                "expected more than 0 and at most the interval of {:?}, found {:?}",
                self.interval, self.timeout
            );
            problems.push(Problem::new("timeout", message));
        }
        let mut builder = Builder { ip_protocol: self.ip_protocol, trust, problems };
        let built = match &self.check {
            Check::Http(http) => builder.http(http).map(Built::Http),
            Check::Tcp(tcp) => builder.tcp(tcp).map(Built::Tcp),
            Check::Chat(chat) => builder.chat(chat).map(Built::Chat),
        };
        match built {
            Some(built) if builder.problems.is_empty() => {
                Ok(Probe { name: Arc::from(self.name.as_str()), target: self.clone(), built })
            }
            _ => Err(builder.problems),
        }
    }
}

/// Where to connect, and with what, should a redirect lead to TLS.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) endpoint: Endpoint,
    client: Arc<ClientConfig>,
}

impl Site {
    /// The same client for another address.
    pub(super) fn move_to(&mut self, url: &Url) -> Result<(), String> {
        let same = url.host == self.endpoint.host && self.endpoint.tls.is_some();
        let tls = match &self.endpoint.tls {
            Some((_, name)) if same && url.secure => Some(name.clone()),
            _ if url.secure => Some(server_name(&url.host)?),
            _ => None,
        };
        self.endpoint.tls = tls.map(|name| (Arc::clone(&self.client), name));
        self.endpoint.host.clone_from(&url.host);
        self.endpoint.port = url.port;
        Ok(())
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| format!("expected a host name or an address, found {}", quoted(text)))
}

/// Headers that every request has, unless the user gives others.
pub(super) fn own_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tokentail/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers
}

/// Collects the problems of one target.
struct Builder<'a> {
    ip_protocol: IpProtocol,
    trust: &'a mut Trust,
    problems: Vec<Problem>,
}

impl Builder<'_> {
    fn problem(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(key, message));
    }

    fn http(&mut self, http: &config::Http) -> Option<Http> {
        let place = self.place(&http.url, &http.tls);
        let method = Method::from_bytes(http.method.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
        if method.is_none() {
            self.problem("method", format!("expected a method such as `GET`, found {}", quoted(&http.method)));
        }
        let mut headers = own_headers();
        self.headers(&http.headers, &mut headers);
        let expect = Expect::build(http, &mut self.problems);
        let ((url, site), method) = place.zip(method)?;
        let body = http.body.clone().unwrap_or_default();
        Some(Http { ask: Ask { site, url, method, headers, body }, expect, follow_redirects: http.follow_redirects })
    }

    fn tcp(&mut self, tcp: &config::Tcp) -> Option<Endpoint> {
        let place = host_and_port(&tcp.address).map_err(|message| self.problem("address", message)).ok();
        let tls = match &tcp.tls {
            None => None,
            Some(tls) => {
                let client = self.client(tls, false);
                let (host, _) = place.as_ref()?;
                Some((client?, self.name(tls, host)?))
            }
        };
        let (host, port) = place?;
        Some(Endpoint { host, port, ip_protocol: self.ip_protocol, tls })
    }

    fn chat(&mut self, chat: &config::Chat) -> Option<Chat> {
        let place = self.place(&chat.url, &chat.tls);
        if let Some((url, _)) = &place {
            let path = url.target.split_once('?').map_or(url.target.as_str(), |(path, _)| path);
            let path = path.trim_end_matches('/');
            if path.is_empty() || path.ends_with("/v1") {
                let message = format!(
                    "expected the whole address such as `https://example.com/v1/chat/completions`, found {}",
                    quoted(&chat.url)
                );
                self.problem("url", message);
            }
        }
        for (key, text) in [("model", &chat.model), ("prompt", &chat.prompt)] {
            if text.trim().is_empty() || text.len() > 64 << 10 {
                self.problem(key, "expected a text of 1 byte to 64 KiB".to_owned());
            }
        }
        if chat.max_tokens == 0 {
            self.problem("max_tokens", "expected at least 1; reasoning models need some hundred".to_owned());
        }
        let worst = Chat::worst(chat);
        if chat.daily_tokens < worst {
            let message =
                format!("expected at least the {worst} tokens that one look may use, found {}", chat.daily_tokens);
            self.problem("daily_tokens", message);
        }
        let mut headers = own_headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(text) = chat.api_key.as_ref().and_then(|key| self.secret("api_key", key)) {
            match header_value(&AUTHORIZATION, &format!("Bearer {text}")) {
                Ok(value) => drop(headers.insert(AUTHORIZATION, value)),
                Err(message) => self.problem("api_key", message),
            }
        }
        self.headers(&chat.headers, &mut headers);
        let (url, site) = place?;
        let ask = Ask { site, url, method: Method::POST, headers, body: Chat::body(chat) };
        Some(Chat::new(ask, worst, chat.daily_tokens))
    }

    /// What an address and the settings of TLS say about where to connect.
    fn place(&mut self, text: &str, tls: &Tls) -> Option<(Url, Site)> {
        let url = Url::parse(text).map_err(|message| self.problem("url", message)).ok();
        let client = self.client(tls, true);
        let url = url?;
        let name = if url.secure { Some(self.name(tls, &url.host)?) } else { None };
        let client = client?;
        let tls = name.map(|name| (Arc::clone(&client), name));
        let endpoint = Endpoint { host: url.host.clone(), port: url.port, ip_protocol: self.ip_protocol, tls };
        Some((url, Site { endpoint, client }))
    }

    fn client(&mut self, tls: &Tls, http: bool) -> Option<Arc<ClientConfig>> {
        self.trust.client(tls, http).map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn name(&mut self, tls: &Tls, host: &str) -> Option<ServerName<'static>> {
        let (key, text) = tls.server_name.as_deref().map_or(("url", host), |name| ("tls.server_name", name));
        server_name(text).map_err(|message| self.problem(key, message)).ok()
    }

    /// The user's headers take the place of our own and add to each other.
    fn headers(&mut self, given: &[Header], headers: &mut HeaderMap) {
        let mut all: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (index, header) in given.iter().enumerate() {
            let name = match HeaderName::from_bytes(header.name.as_bytes()) {
                Ok(name) if !reserved(&name) => name,
                Ok(name) => {
                    self.problem(
                        &format!("headers[{index}].name"),
                        format!("expected another header: {} is set by the connection", quoted(name.as_str())),
                    );
                    continue;
                }
                Err(_) => {
                    self.problem(
                        &format!("headers[{index}].name"),
                        format!("expected the name of a header, found {}", quoted(&header.name)),
                    );
                    continue;
                }
            };
            let key = format!("headers[{index}].value");
            let Some(text) = self.secret(&key, &header.value) else { continue };
            match header_value(&name, &text) {
                Ok(value) => all.push((name, value)),
                Err(message) => self.problem(&key, message),
            }
        }
        for (name, _) in &all {
            headers.remove(name);
        }
        for (name, value) in all {
            headers.append(name, value);
        }
    }

    fn secret(&mut self, key: &str, secret: &Secret) -> Option<String> {
        let file = match secret {
            Secret::Text(text) => return Some(text.clone()),
            Secret::File(file) => file,
        };
        let text = trust::read(file, MAX_SECRET).and_then(|bytes| {
            let text = String::from_utf8(bytes).ok().map(|text| text.trim_end().to_owned());
            text.filter(|text| !text.is_empty()).ok_or_else(|| format!("{}: expected one line of text", file.display()))
        });
        text.map_err(|message| self.problem(&format!("{key}_file"), message)).ok()
    }
}
