//! Why a question is not answered: a status, a code for programs and a sentence for people.

use axum::http::StatusCode;

use crate::ledger;
use crate::wording::{listed, nearest, quoted};
use crate::{content, report::conversations};

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Stable.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, code, message: message.into() }
    }

    /// A parameter's value that is not allowed; `expected` says what is.
    pub(super) fn value(name: &str, value: &str, expected: &str) -> Problem {
        let message = format!("the parameter `{name}` has the value {}: expected {expected}", quoted(value));
        Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    /// A parameter that this path does not take.
    pub(super) fn unknown(name: &str, known: &[&str]) -> Problem {
        let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let known = if known.is_empty() {
            "this path takes none".to_owned()
        } else {
            format!("this path takes {}", listed(known.iter().copied()))
        };
        let message = format!("there is no parameter {}{}; {known}", quoted(name), near.unwrap_or_default());
        Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    /// A question that cannot be answered as it is put.
    pub(super) fn bad(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    /// A body that is no object of JSON.
    pub(super) fn body(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_body", message)
    }

    /// A body that is longer than is read.
    pub(super) fn too_large(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// A body that came too slowly.
    pub(super) fn timeout(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    }

    /// There is no such thing.
    pub(super) fn not_found(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Not now, or not in this instance.
    pub(super) fn unavailable(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Too many questions at one time.
    pub(super) fn busy() -> Problem {
        let message = "too many questions at one time; ask again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// A defect or a damaged ledger; the log says what.
    pub(super) fn internal() -> Problem {
        let message = "the answer failed; the log says more";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl From<ledger::Error> for Problem {
    fn from(error: ledger::Error) -> Problem {
        let told = format!("failed to {error}");
        match error {
            ledger::Error::TooSlow => return Problem::new(StatusCode::GATEWAY_TIMEOUT, "too_slow", told),
            ledger::Error::TooManyGroups(_) => return Problem::new(StatusCode::BAD_REQUEST, "too_many_groups", told),
            ledger::Error::Cursor => return Problem::bad(format!("the parameter `cursor`: {told}")),
            _ if error.is_misuse() => return Problem::unavailable(told),
            _ => {}
        }
        tracing::error!("an answer of the API failed: failed to {error}");
        Problem::internal()
    }
}

impl From<content::Error> for Problem {
    fn from(error: content::Error) -> Problem {
        let told = format!("failed to {error}");
        match error {
            content::Error::TooSlow => Problem::new(StatusCode::GATEWAY_TIMEOUT, "too_slow", told),
            content::Error::Cursor => Problem::bad(format!("the parameter `cursor`: {told}")),
            content::Error::NoWord(_) | content::Error::TooManyWords(_) => {
                Problem::bad(format!("the parameter `q`: {told}"))
            }
            content::Error::NoIndex => Problem::unavailable(told),
            error => {
                tracing::error!("an answer of the API failed: failed to {error}");
                Problem::internal()
            }
        }
    }
}

impl From<conversations::Error> for Problem {
    fn from(error: conversations::Error) -> Problem {
        match error {
            conversations::Error::Ledger(error) => error.into(),
            conversations::Error::Content(error) => error.into(),
            error @ conversations::Error::Write(_) => {
                tracing::error!("an answer of the API failed: failed to {error}");
                Problem::internal()
            }
        }
    }
}
