//! One attempt to deliver spans, and what became of it.
//!
//! Which answers are worth another attempt follows the [OTLP specification], with two additions that keep spans from
//! being thrown away for what is no fault of theirs: answers that mean a wrong address or credentials (401, 403, 404 and
//! the like) wait for whoever sets that right, and so does a receiver that fails by itself (500).
//!
//! [OTLP specification]: https://opentelemetry.io/docs/specs/otlp/

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use hyper::header::HeaderMap;
use opentelemetry_sdk::trace::SpanData;

use super::{Config, Protocol, grpc, header, http};
use crate::clock::Clock;

/// Longest text of a receiver that is kept for messages, in characters.
const MOST_TEXT: usize = 200;

/// Longest wait that a receiver may ask for; then it is asked again.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has the spans.
    Delivered {
        /// Of which it threw away so many; sending them again would not help.
        rejected: u64,
        /// What it says about that; often empty.
        message: String,
    },
    /// The same spans may be delivered later.
    Retry {
        /// Why they were not.
        reason: Reason,
        /// The wait that the receiver asked for, bounded.
        after: Option<Duration>,
        /// For the log.
        message: String,
    },
    /// The receiver will not take these spans: at least one of them is bad.
    Refused {
        /// HTTP status or gRPC code; 0 where the request could not even be made.
        status: u16,
        /// For the log.
        message: String,
    },
}

impl Attempt {
    pub(super) fn retry(reason: Reason, message: impl AsRef<str>) -> Attempt {
        Attempt::Retry { reason, after: None, message: clipped(message.as_ref()) }
    }
}

/// A receiver's text, for a message: short and on one line.
pub(super) fn clipped(text: &str) -> String {
    let head: String = text.trim().chars().take(MOST_TEXT).collect();
    crate::wording::escaped(&head)
}

/// Why an export failed: the label `reason` of `otlp_failed_exports_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The receiver cannot be reached, or the connection broke.
    Network,
    /// TLS could not be agreed on.
    Tls,
    /// No answer in time.
    Timeout,
    /// The receiver asks for fewer requests.
    Throttled,
    /// The receiver, or what is before or behind it, fails.
    Unavailable,
    /// The receiver does not take the request: bad spans, a wrong address or missing rights.
    Refused,
    /// The receiver took the request and threw some of its spans away.
    Partial,
}

impl Reason {
    /// The whole list.
    pub const ALL: [Reason; 7] = [
        Reason::Network,
        Reason::Tls,
        Reason::Timeout,
        Reason::Throttled,
        Reason::Unavailable,
        Reason::Refused,
        Reason::Partial,
    ];

    /// The label value that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Reason::Network => "network",
            Reason::Tls => "tls",
            Reason::Timeout => "timeout",
            Reason::Throttled => "throttled",
            Reason::Unavailable => "unavailable",
            Reason::Refused => "refused",
            Reason::Partial => "partial",
        }
    }

    /// Position in [`Reason::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Sends spans, one request for one call.
pub trait Export: Send + 'static {
    /// Sends these spans once. Ends within the configured timeout.
    fn export(&mut self, spans: Vec<SpanData>) -> impl Future<Output = Attempt> + Send;
}

/// A sink's connection.
#[derive(Debug)]
pub struct Exporter(Kind);

#[derive(Debug)]
enum Kind {
    Http(Box<http::Exporter>),
    Grpc(Box<grpc::Exporter>),
}

/// Why an exporter cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of certificates, keys or headers; the text names it.
    #[error("{0}")]
    File(String),
    /// What the exporter's package does not accept.
    #[error("build the exporter of {endpoint}: {message}")]
    Package {
        /// Where it was to send to.
        endpoint: String,
        /// What the package says.
        message: String,
    },
}

impl Exporter {
    /// Reads the files that `config` names and makes an exporter; connects at the first request. Must be called within
    /// a tokio runtime.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or used.
    pub fn build(config: &Config, clock: Clock) -> Result<Exporter, Error> {
        let headers = headers(config).map_err(Error::File)?;
        Ok(Exporter(match config.protocol {
            Protocol::HttpProtobuf => Kind::Http(Box::new(http::Exporter::build(config, headers, clock)?)),
            Protocol::Grpc => Kind::Grpc(Box::new(grpc::Exporter::build(config, headers)?)),
        }))
    }
}

impl Export for Exporter {
    async fn export(&mut self, spans: Vec<SpanData>) -> Attempt {
        match &mut self.0 {
            Kind::Http(exporter) => exporter.export(spans).await,
            Kind::Grpc(exporter) => exporter.export(spans).await,
        }
    }
}

fn headers(config: &Config) -> Result<HeaderMap, String> {
    let mut all: HeaderMap = config.headers.iter().cloned().collect();
    if let Some(file) = &config.headers_file {
        for (line, text) in read(file)?.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let pair = text.split_once(':').map(|(name, value)| header(name, value));
            let (name, value) = match pair {
                Some(Ok(pair)) => pair,
                Some(Err(error)) => return Err(format!("{}:{}: {error}", file.display(), line + 1)),
                None => return Err(format!("{}:{}: expected `name: value`", file.display(), line + 1)),
            };
            all.insert(name, value);
        }
    }
    Ok(all)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_headers_wins_and_a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        let mut config = Config::new("x", "http://h/".parse().unwrap());
        config.headers = vec![header("a", "1").unwrap(), header("b", "2").unwrap()];
        config.headers_file = Some(file.clone());
        std::fs::write(&file, "A: x:y\n\n c : 3\n").unwrap();
        let found = headers(&config).unwrap();
        assert_eq!(
            (&found["a"], &found["b"], &found["c"], found.len()),
            (&"x:y".parse().unwrap(), &"2".parse().unwrap(), &"3".parse().unwrap(), 3)
        );
        for (text, want) in [("a: 1\nsecret", ":2: expected `name: value`"), ("host: x", ":1: expected another header")]
        {
            std::fs::write(&file, text).unwrap();
            let error = headers(&config).expect_err(want);
            assert!(error.contains(want) && !error.contains("secret"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(headers(&config).expect_err("no file").contains("headers: No such file"));
    }
}
