//! What one look at a target gave, and the notes that are taken while it runs.

use std::net::SocketAddr;
use std::time::Instant;

use serde::{Serialize, Serializer};

use crate::clock::Clock;
use crate::record::{Failure, Micros, Tokens};
use crate::wording::escaped;

/// Longest message in characters; what a server says may be in it.
const MOST_MESSAGE: usize = 300;

/// What one look at a target gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// When it began, in wall time.
    pub started: Micros,
    /// From begin to end.
    pub duration_micros: u64,
    /// Why it failed; `None` for a success.
    #[serde(serialize_with = "label")]
    pub failure: Option<Failure>,
    /// One line for people that says why it failed; empty for a success.
    pub message: String,
    /// How long each part took.
    pub phases: Phases,
    /// The address that was connected to.
    pub address: Option<SocketAddr>,
    /// The status of the last answer.
    pub status_code: Option<u16>,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub http_version: Option<&'static str>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub tls_version: Option<&'static str>,
    /// When the first certificate of the chain expires; also where it is expired already.
    pub tls_expiry: Option<Micros>,
    /// Bytes of the body that were read.
    pub body_bytes: u64,
    /// From the sending of the request to the first token, reasoning included.
    pub first_token_micros: Option<u64>,
    /// The model of a completion, and by whose prices it is priced, as configured.
    pub model: Option<String>,
    /// See there; `None` for the maker of the model.
    pub provider: Option<String>,
    /// What the completion used, as its endpoint says; accounted under the purpose `probe`.
    #[serde(serialize_with = "tokens")]
    pub tokens: Option<Tokens>,
    /// A completion was begun and its endpoint told no usage: what it cost is not known.
    pub usage_missing: bool,
    /// Output tokens after the first over the time after the first, where the endpoint told its usage.
    pub tokens_per_second: Option<f64>,
}

fn label<S: Serializer>(failure: &Option<Failure>, serializer: S) -> Result<S::Ok, S::Error> {
    failure.map(Failure::label).serialize(serializer)
}

fn tokens<S: Serializer>(tokens: &Option<Tokens>, serializer: S) -> Result<S::Ok, S::Error> {
    /// Counted as everywhere outside: subsets within their wholes.
    #[derive(Serialize)]
    struct Shown {
        input: u64,
        output: u64,
        cache_read: u64,
        reasoning: u64,
    }
    let shown = tokens.map(|tokens| Shown {
        input: tokens.input(),
        output: tokens.output(),
        cache_read: tokens.cache_read,
        reasoning: tokens.reasoning,
    });
    shown.serialize(serializer)
}

/// How long each part of a look took, in microseconds; `None` for a part that was not reached or not needed. A part that
/// the timeout ended has the time until then. With redirects each is a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// From the name to its addresses; not needed for an address.
    pub resolve: Option<u64>,
    /// Until one of the addresses accepts.
    pub connect: Option<u64>,
    /// The TLS handshake.
    pub tls: Option<u64>,
    /// From the sending of the request to the end of the answer's head.
    pub processing: Option<u64>,
    /// The body.
    pub transfer: Option<u64>,
}

impl Phases {
    /// The time of one phase.
    #[must_use]
    pub fn get(&self, phase: Phase) -> Option<u64> {
        match phase {
            Phase::Resolve => self.resolve,
            Phase::Connect => self.connect,
            Phase::Tls => self.tls,
            Phase::Processing => self.processing,
            Phase::Transfer => self.transfer,
        }
    }

    fn slot(&mut self, phase: Phase) -> &mut Option<u64> {
        match phase {
            Phase::Resolve => &mut self.resolve,
            Phase::Connect => &mut self.connect,
            Phase::Tls => &mut self.tls,
            Phase::Processing => &mut self.processing,
            Phase::Transfer => &mut self.transfer,
        }
    }
}

/// A part of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name to addresses.
    Resolve,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Waiting for the answer.
    Processing,
    /// Reading the body.
    Transfer,
}

impl Phase {
    /// All phases in their order.
    pub const ALL: [Phase; 5] = [Phase::Resolve, Phase::Connect, Phase::Tls, Phase::Processing, Phase::Transfer];

    /// The value of the label `phase`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Tls => "tls",
            Phase::Processing => "processing",
            Phase::Transfer => "transfer",
        }
    }

    /// What is being done, for a message.
    fn doing(self) -> &'static str {
        match self {
            Phase::Resolve => "resolving the name",
            Phase::Connect => "connecting",
            Phase::Tls => "shaking hands over TLS",
            Phase::Processing => "waiting for the answer",
            Phase::Transfer => "reading the answer",
        }
    }
}

/// Why a look failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Fault {
    pub(super) failure: Failure,
    pub(super) message: String,
}

impl Fault {
    /// The message is made one line of bounded length.
    pub(super) fn new(failure: Failure, message: impl AsRef<str>) -> Fault {
        let message: String = escaped(message.as_ref()).chars().take(MOST_MESSAGE).collect();
        Fault { failure, message }
    }
}

/// The notes of a look that runs: they outlive it, so that a timeout can say how far it came.
#[derive(Debug)]
pub(super) struct Trace<'a> {
    clock: &'a Clock,
    began: Instant,
    phase: Option<(Phase, Instant)>,
    pub(super) outcome: Outcome,
}

impl<'a> Trace<'a> {
    pub(super) fn start(clock: &'a Clock) -> Trace<'a> {
        let outcome = Outcome { started: clock.now(), ..Outcome::default() };
        Trace { clock, began: clock.instant(), phase: None, outcome }
    }

    /// Ends the phase before and begins this one.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.leave();
        self.phase = Some((phase, self.clock.instant()));
    }

    /// Ends the phase that runs.
    pub(super) fn leave(&mut self) {
        if let Some((phase, since)) = self.phase.take() {
            let slot = self.outcome.phases.slot(phase);
            *slot = Some(slot.unwrap_or(0).saturating_add(micros(self.clock, since)));
        }
    }

    /// Monotonic time.
    pub(super) fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// What is being done.
    pub(super) fn doing(&self) -> &'static str {
        self.phase.map_or("beginning", |(phase, _)| phase.doing())
    }

    /// The outcome of a look that ended like this.
    pub(super) fn finish(mut self, result: Result<(), Fault>) -> Outcome {
        self.leave();
        self.outcome.duration_micros = micros(self.clock, self.began);
        if let Err(fault) = result {
            self.outcome.failure = Some(fault.failure);
            self.outcome.message = fault.message;
        }
        self.outcome
    }
}

fn micros(clock: &Clock, since: Instant) -> u64 {
    u64::try_from(clock.instant().saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX)
}
