//! A configuration becomes the running relay: files read, address bound, one lane for each receiver.
//!
//! Receivers, token and zone change with [`Handle::reload`], without losing what waits; the address does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::alert::{Alert, Labels, Notification, Status};
use super::budget::Budget;
use super::client::Client;
use super::config::{Config, Receiver};
use super::counter::{Counter, Outcome};
use super::lane::{Lane, Limits, Robot};
use super::route::router;
use super::secret::{Secret, word};
use crate::clock::Clock;
use crate::record::Micros;
use crate::web;
use crate::wording::{listed, quoted};

/// Why the relay does not start, does not reload, or has delivered nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings, or files that they name, cannot be used; never empty.
    #[error("use the relay's settings: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// No receiver has this name.
    #[error("find the receiver {name}: relay.receivers has {known}")]
    UnknownReceiver {
        /// As asked for, quoted.
        name: String,
        /// The names that there are, or that there are none.
        known: String,
    },
    /// The address cannot be listened on, or no more.
    #[error(transparent)]
    Web(#[from] web::Error),
}

impl Error {
    /// Whether the configuration is to blame.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        match self {
            Error::Settings(_) | Error::UnknownReceiver { .. } => true,
            Error::Web(error) => !matches!(error, web::Error::Stopped { .. }),
        }
    }
}

/// What the paths work with.
pub(super) struct Shared {
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
    token: Mutex<Arc<Secret>>,
    /// What was read from `ca_file`.
    authorities: Mutex<Option<Vec<u8>>>,
    pub(super) counter: Counter,
    limits: Limits,
    clock: Clock,
}

impl Shared {
    pub(super) fn lane(&self, name: &str) -> Option<Arc<Lane>> {
        self.lanes.lock().get(name).cloned()
    }

    pub(super) fn token(&self) -> String {
        let token = Arc::clone(&self.token.lock());
        token.current()
    }
}

/// A configuration with all its files read.
struct Opened {
    token: Secret,
    authorities: Option<Vec<u8>>,
    robots: Vec<Robot>,
}

impl Opened {
    fn read(config: &Config) -> Result<Opened, Vec<String>> {
        let mut problems = Vec::new();
        let token = match &config.token_file {
            None => {
                Err("relay.token_file: name a file with a token: without one anybody could send messages".to_owned())
            }
            Some(file) => Secret::open(file, word).map_err(|error| format!("relay.token_file: {error}")),
        };
        if config.receivers.is_empty() {
            problems.push("relay.receivers: name at least one robot".to_owned());
        }
        let token = token.map_err(|error| problems.push(error)).ok();
        let (client, authorities) = match client(config) {
            Ok((client, authorities)) => (Some(client), authorities),
            Err(error) => {
                problems.push(error);
                (None, None)
            }
        };
        let mut robots = Vec::new();
        for receiver in &config.receivers {
            let Some(client) = &client else { break };
            match Robot::open(receiver, &config.timezone, client) {
                Ok(robot) => robots.push(robot),
                Err(error) => problems.push(error),
            }
        }
        match token {
            Some(token) if problems.is_empty() => Ok(Opened { token, authorities, robots }),
            _ => Err(problems),
        }
    }
}

/// The client, and what was read from `ca_file`.
fn client(config: &Config) -> Result<(Client, Option<Vec<u8>>), String> {
    let keyed = |error: String| match &config.ca_file {
        Some(file) => format!("relay.ca_file: {}: {error}", file.display()),
        None => error,
    };
    let read = config.ca_file.as_ref().map(std::fs::read).transpose();
    let authorities = read.map_err(|error| keyed(error.to_string()))?;
    let client = Client::build(authorities.as_deref()).map_err(keyed)?;
    Ok((client, authorities))
}

/// Everything that keeps the relay from starting, files included, without binding anything.
#[must_use]
pub fn check(config: &Config) -> Vec<String> {
    Opened::read(config).err().unwrap_or_default()
}

/// The relay, bound and not yet answering.
pub struct Relay {
    bound: web::Bound,
    shared: Arc<Shared>,
    listen: String,
}

/// Reloads a relay that runs.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    listen: String,
}

impl Relay {
    /// Reads every file that the configuration names, and binds. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Every problem at once; nothing runs then.
    pub async fn build(config: &Config, clock: Clock) -> Result<Relay, Error> {
        Relay::build_with(config, Limits::default(), clock).await
    }

    pub(super) async fn build_with(config: &Config, limits: Limits, clock: Clock) -> Result<Relay, Error> {
        let Opened { token, authorities, robots } = Opened::read(config).map_err(Error::Settings)?;
        let bound = web::bind(&web::Config { listen: vec![config.listen.clone()], ..web::Config::default() }).await?;
        if bound.addresses().iter().any(|address| !address.ip().is_loopback()) {
            tracing::warn!(
                "listening beyond loopback without TLS: the token of relay.token_file goes over the network as it is"
            );
        }
        let shared = Arc::new(Shared {
            lanes: Mutex::default(),
            token: Mutex::new(Arc::new(token)),
            authorities: Mutex::new(authorities),
            counter: Counter::default(),
            limits,
            clock,
        });
        shared.take(robots, false);
        Ok(Relay { bound, shared, listen: config.listen.clone() })
    }

    /// The address that Alertmanager posts below, such as `http://127.0.0.1:13211/`.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.bound.urls()
    }

    /// For reloads while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared), listen: self.listen.clone() }
    }

    /// Answers until `shutdown`, then lets notifications under way end for some seconds.
    ///
    /// # Errors
    /// A listener ended by itself.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        Ok(web::serve_router(self.bound, router(&self.shared), shutdown).await?)
    }
}

impl Shared {
    /// Starts lanes for these robots and no others; one that is the same as before keeps its lane, unless `anew`.
    fn take(&self, robots: Vec<Robot>, anew: bool) {
        let mut lanes = self.lanes.lock();
        let mut before = std::mem::take(&mut *lanes);
        for robot in robots {
            let name = robot.receiver.name.clone();
            self.counter.add_receiver(&name);
            let kept = before.remove(&name).filter(|lane| !anew && lane.robot.is_same(&robot));
            let lane = kept.unwrap_or_else(|| Arc::new(Lane::start(robot, self.limits.clone(), self.clock.clone())));
            lanes.insert(name, lane);
        }
    }
}

#[cfg(test)]
impl Handle {
    /// Notifications that wait for a receiver.
    pub(super) fn waiting(&self, name: &str) -> usize {
        self.shared.lane(name).map_or(0, |lane| lane.waiting())
    }
}

impl Handle {
    /// Takes a new configuration; secrets are read again. What waits for a receiver that has gone is still sent. Must be
    /// called within a tokio runtime. Returns what takes effect only at the next start.
    ///
    /// # Errors
    /// Every problem at once; the old configuration stays then.
    pub fn reload(&self, config: &Config) -> Result<Vec<&'static str>, Error> {
        let Opened { token, authorities, robots } = Opened::read(config).map_err(Error::Settings)?;
        let anew = *self.shared.authorities.lock() != authorities;
        *self.shared.token.lock() = Arc::new(token);
        *self.shared.authorities.lock() = authorities;
        self.shared.take(robots, anew);
        Ok(if config.listen == self.listen { Vec::new() } else { vec!["relay.listen"] })
    }
}

/// Sends one firing and one resolved alert, made up, to a receiver. `Ok` is whether the robot accepted them, and its
/// answer.
///
/// # Errors
/// The receiver is unknown, or its files cannot be used.
pub async fn send_sample(config: &Config, name: &str, clock: &Clock) -> Result<(bool, String), Error> {
    let Some(receiver) = config.receivers.iter().find(|receiver| receiver.name == name) else {
        let names = listed(config.receivers.iter().map(|receiver| receiver.name.as_str()));
        let known = if names.is_empty() { "none".to_owned() } else { names };
        return Err(Error::UnknownReceiver { name: quoted(name), known });
    };
    let robot = client(config).and_then(|(client, _)| Robot::open(receiver, &config.timezone, &client));
    let robot = robot.map_err(|error| Error::Settings(vec![error]))?;
    let limits = Limits::default();
    let mut budget = Budget::new(limits.burst, limits.refill);
    let delivery = robot.send(&[sample(receiver, clock.now())], &limits, &mut budget, clock).await;
    Ok((delivery.outcome == Outcome::Delivered, delivery.message))
}

/// A notification that nobody takes for a real one.
pub(super) fn sample(receiver: &Receiver, now: Micros) -> Notification {
    let texts = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let at = |minutes_ago: i64| jiff::Timestamp::from_microsecond(now - minutes_ago * 60_000_000).ok();
    let alert = |status, target: &str, ends_at| Alert {
        status,
        labels: texts(&[("alertname", "TokentailRelayTest"), ("severity", "info"), ("target", target)]),
        annotations: texts(&[
            ("summary", "A test of tokentail relay, nothing has happened"),
            ("description", "If you can read this, alerts arrive here."),
        ]),
        starts_at: at(12),
        ends_at,
        fingerprint: String::new(),
    };
    Notification {
        version: "4".to_owned(),
        status: Status::Firing,
        group_labels: texts(&[("alertname", "TokentailRelayTest"), ("receiver", &receiver.name)]),
        external_url: String::new(),
        alerts: vec![alert(Status::Firing, "first", None), alert(Status::Resolved, "second", at(2))],
        truncated_alerts: 0,
    }
}
