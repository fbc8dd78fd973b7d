//! Looks at targets from outside, as a client would: one look becomes an outcome with every phase and why it failed.
//!
//! [`build`](fn@build) turns a [`Config`] into [`Probe`]s or every problem at once, [`Probe::run`] looks once, and [`Schedule`] looks
//! again and again and hands each [`Observation`] on through a bounded channel. In reading order: `config`, `build`,
//! `outcome`, then a look from inside out: `url`, `trust` and `expiry`, `dial`, `expect`, the kinds `tcp`, `http`, `chat`
//! (with `stream`), `schedule`, [`cost`](fn@cost) for what a completion cost, and [`text`] for people.
//!
//! Deliberately knows nothing of availability: three failures in a row are just three outcomes here. A new kind is a row of
//! [`Kind`], a variant of [`Check`] and a file with a `run`.

mod build;
mod chat;
mod config;
mod cost;
mod dial;
mod expect;
mod expiry;
mod http;
mod outcome;
mod schedule;
mod stream;
mod tcp;
pub mod text;
mod trust;
mod url;

pub use build::{Problem, build};
pub use config::{Chat, Check, Config, Header, Http, IpProtocol, JsonEquals, Limit, Match, Secret, Target, Tcp, Tls};
pub use cost::{LookCost, cost};
pub use outcome::{Outcome, Phase, Phases};
pub use schedule::{Observation, Schedule};
pub use trust::Trust;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::record::{Failure, Micros};
use outcome::{Fault, Trace};

/// How a target is looked at: the table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One HTTP request.
    Http,
    /// One TCP connection.
    Tcp,
    /// One streamed completion.
    Chat,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Http, Kind::Tcp, Kind::Chat];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.row().0
    }

    /// One sentence for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    /// Default of [`Target::interval`]. A single lost probe of many decides nothing at 15 s; a completion costs money
    /// and is asked for every 5 minutes.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs(self.row().2)
    }

    /// Default of [`Target::timeout`]; a reasoning model may think for long.
    #[must_use]
    pub fn timeout(self) -> Duration {
        Duration::from_secs(self.row().3)
    }

    /// Label, meaning, interval and timeout in seconds.
    fn row(self) -> (&'static str, &'static str, u64, u64) {
        match self {
            Kind::Http => ("http", "An HTTP request whose status and body are as expected.", 15, 5),
            Kind::Tcp => ("tcp", "A TCP connection that is accepted, with TLS where asked for.", 15, 5),
            Kind::Chat => ("chat", "A streamed completion that begins and ends properly.", 300, 30),
        }
    }
}

/// A target that is checked and can be looked at. Its debug form shows no secret.
pub struct Probe {
    name: Arc<str>,
    target: Target,
    built: Built,
}

/// What a kind needs for a look.
enum Built {
    Http(http::Http),
    Tcp(dial::Endpoint),
    Chat(chat::Chat),
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// What came of an attempt to look.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    /// The target was looked at.
    Done(Box<Outcome>),
    /// It was not, and why, for people. It is no result, neither good nor bad.
    Skipped(String),
}

impl Probe {
    /// The `target` label.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// As it was configured.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How it looks.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.target.check.kind()
    }

    /// Looks once, for no longer than the timeout.
    pub async fn run(&self, clock: &Clock) -> Run {
        if let Built::Chat(chat) = &self.built
            && let Err(reason) = chat.reserve(clock.now())
        {
            return Run::Skipped(reason);
        }
        let mut trace = Trace::start(clock);
        let look = async {
            match &self.built {
                Built::Http(http) => http::run(http, &mut trace).await,
                Built::Tcp(endpoint) => tcp::run(endpoint, &mut trace).await,
                Built::Chat(chat) => chat::run(chat, &mut trace).await,
            }
        };
        // Bound to a name, so that the look and its hold on the notes end before they are read.
        let ended = tokio::time::timeout(self.target.timeout, look).await;
        let result = ended.unwrap_or_else(|_| {
            let message = format!("no success within {:?}: still {}", self.target.timeout, trace.doing());
            Err(Fault::new(Failure::Timeout, message))
        });
        let mut outcome = trace.finish(result);
        if let Built::Chat(chat) = &self.built {
            let used = chat::used(&outcome);
            outcome.usage_missing = used.is_none();
            chat.settle(used);
        }
        if let Check::Chat(chat) = &self.target.check {
            outcome.model = Some(chat.model.clone());
            outcome.provider.clone_from(&chat.provider);
        }
        Run::Done(Box::new(outcome))
    }

    /// Tokens that this probe has spent on the UTC day of `now`; 0 for kinds that spend none.
    #[must_use]
    pub fn spent(&self, now: Micros) -> u64 {
        match &self.built {
            Built::Chat(chat) => chat.spent(now),
            Built::Http(_) | Built::Tcp(_) => 0,
        }
    }

    /// Tells what was spent on the UTC day of `now` before this probe was built, so that a restart gives no second cap.
    pub fn resume(&self, now: Micros, tokens: u64) {
        if let Built::Chat(chat) = &self.built {
            chat.resume(now, tokens);
        }
    }
}

#[cfg(test)]
mod tests;
