//! What to look at, how, and what is expected there.
//!
//! Plain values as a user writes them. Nothing is read or checked here: `build` does that.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Kind;

/// The section `probes` of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The targets; their names differ.
    pub targets: Vec<Target>,
    /// Certificates in PEM form that replace the built-in public authorities, as `SSL_CERT_FILE` names them.
    pub roots_file: Option<PathBuf>,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The `target` label.
    pub name: String,
    /// From the begin of one look to the begin of the next; at least 1 s.
    pub interval: Duration,
    /// For one look as a whole; at most the interval.
    pub timeout: Duration,
    /// Which addresses of the name count.
    pub ip_protocol: IpProtocol,
    /// How to look.
    pub check: Check,
}

impl Target {
    /// A target with the interval and timeout of its kind.
    #[must_use]
    pub fn new(name: impl Into<String>, check: Check) -> Target {
        let kind = check.kind();
        let (interval, timeout) = (kind.interval(), kind.timeout());
        Target { name: name.into(), interval, timeout, ip_protocol: IpProtocol::Any, check }
    }

    /// Whether it is probed: always, but for `chat`, which costs money and has to be switched on.
    #[must_use]
    pub fn enabled(&self) -> bool {
        match &self.check {
            Check::Chat(chat) => chat.enabled,
            Check::Http(_) | Check::Tcp(_) => true,
        }
    }
}

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpProtocol {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl IpProtocol {
    /// All choices with the names that the configuration uses.
    pub const ALL: [(IpProtocol, &'static str); 3] =
        [(IpProtocol::Any, "any"), (IpProtocol::V4, "4"), (IpProtocol::V6, "6")];
}

/// How to look at a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// One HTTP request.
    Http(Http),
    /// One connection, with TLS where it is asked for.
    Tcp(Tcp),
    /// One streamed completion.
    Chat(Chat),
}

impl Check {
    /// The row of the table of kinds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Check::Http(_) => Kind::Http,
            Check::Tcp(_) => Kind::Tcp,
            Check::Chat(_) => Kind::Chat,
        }
    }
}

/// One HTTP request and what its answer must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `http://` or `https://`, with port, path and query where needed.
    pub url: String,
    /// `GET` unless it is said otherwise.
    pub method: String,
    /// Sent with the request, besides `host`, `user-agent` and `accept`, which may be replaced.
    pub headers: Vec<Header>,
    /// Sent as it is.
    pub body: Option<String>,
    /// Statuses that are fine; 200 to 299 unless it is said otherwise.
    pub expect_status: Vec<RangeInclusive<u16>>,
    /// What the first MiB of the body must contain.
    pub expect_body: Option<Match>,
    /// What the body, read as JSON, must hold.
    pub expect_json: Vec<JsonEquals>,
    /// Whether to go where a redirect points, at most 5 times; else its status is judged as any other.
    pub follow_redirects: bool,
    /// For `https`.
    pub tls: Tls,
}

impl Http {
    /// A GET that expects 200 to 299.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Http {
        Http {
            url: url.into(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            expect_status: vec![200..=299],
            expect_body: None,
            expect_json: Vec::new(),
            follow_redirects: false,
            tls: Tls::default(),
        }
    }
}

/// One connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Tcp {
    /// `host:port`; an IPv6 address in brackets.
    pub address: String,
    /// Shakes hands and watches the certificate where this is given.
    pub tls: Option<Tls>,
}

/// One streamed completion of an OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// Off by default, since every look costs money.
    pub enabled: bool,
    /// The whole address, such as `https://example.com/v1/chat/completions`.
    pub url: String,
    /// As the endpoint names it.
    pub model: String,
    /// By whose prices it is priced; `None` for the maker of the model.
    pub provider: Option<String>,
    /// The only message.
    pub prompt: String,
    /// Bound of the answer's tokens, reasoning included.
    pub max_tokens: u32,
    /// Under which name the bound is sent.
    pub limit: Limit,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Sent besides those that a completion needs.
    pub headers: Vec<Header>,
    /// Most tokens of a day in UTC; a look that could exceed it is skipped.
    pub daily_tokens: u64,
    /// For `https`.
    pub tls: Tls,
}

impl Chat {
    /// Default of [`Chat::max_tokens`]: a reasoning model spends some hundred tokens before its first visible one, and
    /// fails or answers nothing where it may not. A model that does not reason stops by itself long before.
    pub const MAX_TOKENS: u32 = 1_024;
    /// Default of [`Chat::daily_tokens`]: every five minutes, some 340 tokens each time.
    pub const DAILY_TOKENS: u64 = 100_000;
    /// Default of [`Chat::prompt`].
    pub const PROMPT: &'static str = "Answer with the single word: ok";

    /// A completion that is not switched on yet.
    #[must_use]
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Chat {
        Chat {
            enabled: false,
            url: url.into(),
            model: model.into(),
            provider: None,
            prompt: Chat::PROMPT.to_owned(),
            max_tokens: Chat::MAX_TOKENS,
            limit: Limit::MaxTokens,
            api_key: None,
            headers: Vec::new(),
            daily_tokens: Chat::DAILY_TOKENS,
            tls: Tls::default(),
        }
    }
}

/// Under which name the bound of an answer's tokens is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// What most endpoints know.
    #[default]
    MaxTokens,
    /// What OpenAI's own reasoning models want instead.
    MaxCompletionTokens,
}

impl Limit {
    /// All choices with the names that the configuration and the endpoint use.
    pub const ALL: [(Limit, &'static str); 2] =
        [(Limit::MaxTokens, "max_tokens"), (Limit::MaxCompletionTokens, "max_completion_tokens")];

    /// The name that is sent.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Limit::MaxTokens => "max_tokens",
            Limit::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In any letter case.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// A text that may be secret; its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// As written in the configuration.
    Text(String),
    /// The content of a file, without white space at its end; read when the target is built, so again at each reload.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Text(_) => f.write_str("Text(…)"),
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// What a body must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// These bytes.
    Text(String),
    /// A match of this regular expression.
    Regex(String),
}

/// What a JSON document must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonEquals {
    /// Keys with dots between them and indices in brackets: `checks[0].state`. A key with a dot cannot be named.
    pub path: String,
    /// What stands there; 1 and 1.0 are equal.
    pub equals: serde_json::Value,
}

/// How to trust a server, and how to be trusted by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities in PEM form, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The name that the certificate must have, where it is not the host of the address.
    pub server_name: Option<String>,
    /// Our own certificate chain in PEM form; with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// The key of our own certificate.
    pub key_file: Option<PathBuf>,
}
