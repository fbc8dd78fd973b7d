//! One receiver's queue: notifications wait for the robot's budget, what waits together goes as one message, and
//! everybody hears what became of it.
//!
//! Nothing is kept when the time is over: the answer says so, and Alertmanager tries again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::alert::Notification;
use super::budget::{BURST, Budget, REFILL};
use super::client::{Client, Failure, Target};
use super::config::Receiver;
use super::counter::Outcome;
use super::message::{Style, compose};
use super::robot::{Access, Verdict, verdict};
use super::secret::{Secret, word};
use crate::clock::Clock;

/// Notifications that wait for one robot; a further one is told to come back.
const QUEUE: usize = 16;

/// Most tries at one message, where the network fails.
const TRIES: u32 = 3;

/// How long a robot is left alone that says that it got too many messages.
const THROTTLED: Duration = Duration::from_secs(30);

/// What one lane takes on; all of it together stays under the 10 s in which people expect an answer.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Messages at once.
    pub(super) burst: u32,
    /// Between messages after that.
    pub(super) refill: Duration,
    /// Longest wait for the budget.
    pub(super) wait: Duration,
    /// Longest time for a message with all its tries.
    pub(super) send: Duration,
    /// Between two tries.
    pub(super) pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            burst: BURST,
            refill: REFILL,
            wait: Duration::from_millis(4_500),
            send: Duration::from_secs(5),
            pause: Duration::from_millis(300),
        }
    }
}

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) outcome: Outcome,
    /// For people; holds no secret.
    pub(super) message: String,
    /// When to try again, where that is known.
    pub(super) retry_after: Option<Duration>,
}

impl Delivery {
    fn busy(wait: Duration) -> Delivery {
        Delivery {
            outcome: Outcome::Busy,
            message: "the robot takes 20 messages a minute, and others wait already".to_owned(),
            retry_after: Some(wait),
        }
    }
}

struct Job {
    notification: Notification,
    since: Instant,
    reply: oneshot::Sender<Delivery>,
}

/// The way to one robot; ends when it is dropped, after the message under way.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) robot: Arc<Robot>,
    queue: mpsc::Sender<Job>,
    limits: Limits,
    clock: Clock,
}

impl Lane {
    /// Starts the task that sends. Must be called within a tokio runtime.
    pub(super) fn start(robot: Robot, limits: Limits, clock: Clock) -> Lane {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let robot = Arc::new(robot);
        tokio::spawn(work(Arc::clone(&robot), jobs, limits.clone(), clock.clone()));
        Lane { robot, queue, limits, clock }
    }

    /// Waits until the robot has accepted a message with this notification, or until it is clear that it will not.
    pub(super) async fn deliver(&self, notification: Notification) -> Delivery {
        let (reply, answer) = oneshot::channel();
        let job = Job { notification, since: self.clock.instant(), reply };
        if self.queue.try_send(job).is_err() {
            return Delivery::busy(self.limits.refill);
        }
        // A message that is under way is waited for: it was begun within `wait` and ends within `send`.
        let most = self.limits.wait + self.limits.send + self.limits.pause;
        match timeout(most, answer).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(_)) | Err(_) => Delivery::busy(self.limits.refill),
        }
    }

    /// Notifications that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        QUEUE - self.queue.capacity()
    }
}

async fn work(robot: Arc<Robot>, mut queue: mpsc::Receiver<Job>, limits: Limits, clock: Clock) {
    let mut budget = Budget::new(limits.burst, limits.refill);
    while let Some(first) = queue.recv().await {
        let mut jobs = vec![first];
        let wait = budget.wait(clock.instant());
        if wait <= limits.wait {
            sleep(wait).await;
        }
        // What came meanwhile goes with it.
        while let Ok(job) = queue.try_recv() {
            jobs.push(job);
        }
        let now = clock.instant();
        let left = budget.wait(now);
        let is_late = |job: &Job| now.saturating_duration_since(job.since) > limits.wait || left > limits.wait;
        // Whoever has gone will come again, and would then hear of it twice.
        let (late, jobs): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().filter(|job| !job.reply.is_closed()).partition(is_late);
        answer(late, &Delivery::busy(left.max(limits.refill)));
        if jobs.is_empty() {
            continue;
        }
        let (notifications, replies): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.notification, job.reply)).unzip();
        let delivery = robot.send(&notifications, &limits, &mut budget, &clock).await;
        for reply in replies {
            let _ = reply.send(delivery.clone());
        }
    }
}

/// Nobody may be left to hear it.
fn answer(jobs: Vec<Job>, delivery: &Delivery) {
    for job in jobs {
        let _ = job.reply.send(delivery.clone());
    }
}

/// A receiver with its secrets opened.
#[derive(Debug)]
pub(super) struct Robot {
    pub(super) receiver: Receiver,
    zone: TimeZone,
    url: Secret,
    secret: Option<Secret>,
    client: Client,
}

impl Robot {
    /// Reads the files that the receiver names.
    ///
    /// # Errors
    /// Key, file and what is wrong with it.
    pub(super) fn open(receiver: &Receiver, zone: &TimeZone, client: &Client) -> Result<Robot, String> {
        let keyed = |key: &str, error: String| format!("relay.receivers: {}: {key}: {error}", receiver.name);
        let url = Secret::open(&receiver.url_file, |text| Target::parse(text).map(|_| ()))
            .map_err(|error| keyed("url_file", error))?;
        let secret = receiver.secret_file.as_ref().map(|file| Secret::open(file, word)).transpose();
        let secret = secret.map_err(|error| keyed("secret_file", error))?;
        Ok(Robot { receiver: receiver.clone(), zone: zone.clone(), url, secret, client: client.clone() })
    }

    /// Whether it does the same as another; secrets are followed by themselves.
    pub(super) fn is_same(&self, other: &Robot) -> bool {
        self.receiver == other.receiver && self.zone == other.zone
    }

    /// Sends one message about all of the notifications, again where the network fails.
    pub(super) async fn send(
        &self,
        notifications: &[Notification],
        limits: &Limits,
        budget: &mut Budget,
        clock: &Clock,
    ) -> Delivery {
        let Receiver { name, kind, language, keyword, at_mobiles, .. } = &self.receiver;
        let style =
            Style { kind: *kind, language: *language, zone: &self.zone, keyword: keyword.as_deref(), at_mobiles };
        let message = compose(notifications, &style);
        let access = Access { url: self.url.current(), secret: self.secret.as_ref().map(Secret::current) };
        let start = clock.instant();
        let mut failure = String::new();
        for tried in 0..TRIES {
            if tried > 0 {
                sleep(limits.pause).await;
            }
            let left = limits.send.saturating_sub(clock.instant().saturating_duration_since(start));
            if left.is_zero() {
                break;
            }
            // Signed anew: a signature is good for its time only.
            let (url, body) = access.request(*kind, &message, clock.now());
            let target = match Target::parse(&url) {
                Ok(target) => target,
                Err(error) => return delivery(Outcome::Failed, format!("url_file: {error}")),
            };
            let answer = self.client.post(&target, body, left).await;
            if !matches!(answer, Err(Failure::Unreached { .. })) {
                budget.spend(clock.instant());
            }
            match answer {
                Ok(answer) => {
                    let text = access.scrub(&String::from_utf8_lossy(&answer.body));
                    return self.judge(verdict(*kind, answer.status, text.as_bytes()), budget, clock);
                }
                Err(error) => failure = access.scrub(&error.to_string()),
            }
        }
        tracing::warn!(receiver = name, "a message was not delivered: failed to {failure}");
        delivery(Outcome::Failed, format!("failed to {failure}"))
    }

    fn judge(&self, verdict: Verdict, budget: &mut Budget, clock: &Clock) -> Delivery {
        let Receiver { name, kind, .. } = &self.receiver;
        match verdict {
            Verdict::Accepted => {
                tracing::debug!(receiver = name, "a message was delivered");
                delivery(Outcome::Delivered, "the robot accepted the message".to_owned())
            }
            Verdict::Throttled(why) => {
                budget.pause(clock.instant(), THROTTLED);
                tracing::warn!(receiver = name, "the {} robot takes no more messages for a while: {why}", kind.label());
                let message = format!("the robot takes no more messages for a while: {why}");
                Delivery { outcome: Outcome::Throttled, message, retry_after: Some(THROTTLED) }
            }
            Verdict::Refused(why) => {
                tracing::warn!(receiver = name, "the {} robot refused a message: {why}", kind.label());
                delivery(Outcome::Refused, format!("the robot refused the message: {why}"))
            }
        }
    }
}

fn delivery(outcome: Outcome, message: String) -> Delivery {
    Delivery { outcome, message, retry_after: None }
}
