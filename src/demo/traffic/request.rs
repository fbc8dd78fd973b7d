//! A moment and an application become one finished request: the session it belongs to, its tokens, how it ended.
//!
//! Keeps the open conversations and nothing else; when requests come is decided by the caller.

use std::sync::Arc;

use super::Line;
use super::calendar::{MINUTE, SECOND, active};
use super::company::{Company, Consumer, Incident, Model, Trouble};
use super::line::{AiLog, Outer, Usage, render};
use super::talk::{Talk, Talks};
use crate::demo::random::{Random, whole};
use crate::record::{CountingFamily, Micros};

/// A conversation that may go on.
#[derive(Clone, Debug)]
struct Session {
    id: String,
    user: Option<usize>,
    model: usize,
    address: String,
    rounds: u32,
    turns_left: u64,
    /// Tokens of everything said so far.
    context: u64,
    /// Tokens of it that the provider's cache holds.
    cached: u64,
    /// When the next question is ready to be asked.
    ready_at: Micros,
    /// What was said so far.
    talk: Talk,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Answered,
    /// Answered, by a provider in trouble.
    AnsweredSlowly,
    /// The provider refuses (429).
    RateLimited,
    /// The gateway's token limit refuses (429).
    TokenLimited,
    /// 400.
    BadRequest,
    /// 504 `UT`.
    TimedOut,
    /// 503 `UF`.
    Unreachable,
    /// 503 `UH`.
    NoHealthyHost,
    /// The client went away before the answer began: code 0, `DC`.
    GoneEarly,
    /// The client went away in the middle of a stream: 200, `DC`.
    GoneLate,
    /// 404 `NR`.
    NoRoute,
}

/// How an ending shows in the access log.
struct Shape {
    code: u16,
    flags: &'static str,
    details: &'static str,
    failure: &'static str,
    /// Whether a connection to the provider was made.
    connected: bool,
}

impl Ending {
    fn shape(self) -> Shape {
        let shape = |code, flags, details, failure, connected| Shape { code, flags, details, failure, connected };
        match self {
            Ending::Answered | Ending::AnsweredSlowly => shape(200, "-", "via_upstream", "-", true),
            Ending::RateLimited => shape(429, "-", "via_upstream", "-", true),
            Ending::TokenLimited => shape(429, "-", "via_wasm::ai-token-ratelimit", "-", false),
            Ending::BadRequest => shape(400, "-", "via_upstream", "-", true),
            Ending::TimedOut => shape(504, "UT", "upstream_response_timeout", "-", true),
            Ending::Unreachable => shape(
                503,
                "UF",
                "upstream_reset_before_response_started{connection_failure}",
                "delayed_connect_error:_111",
                true,
            ),
            Ending::NoHealthyHost => shape(503, "UH", "no_healthy_upstream", "-", false),
            Ending::GoneEarly => shape(0, "DC", "downstream_remote_disconnect", "-", true),
            Ending::GoneLate => shape(200, "DC", "downstream_remote_disconnect", "-", true),
            Ending::NoRoute => shape(404, "NR", "route_not_found", "-", false),
        }
    }

    fn answered(self) -> bool {
        matches!(self, Ending::Answered | Ending::AnsweredSlowly)
    }

    /// Whether an answer came at least in parts.
    fn began(self) -> bool {
        self.answered() || self == Ending::GoneLate
    }
}

/// Requests that reach the gateway and are no model requests.
const OTHER_PATHS: [(&str, &str, u16); 4] =
    [("GET", "/healthz", 200), ("GET", "/v1/models", 200), ("GET", "/favicon.ico", 404), ("OPTIONS", "/v1/chat", 204)];

/// User agents that break the outer JSON, since Envoy puts them in raw.
const BREAKING_AGENTS: [&str; 2] = [r#"weird"agent/1.0"#, r"C:\Tools\chat\client.exe"];

/// Largest number of open conversations an application keeps; older ones are forgotten.
const MAX_OPEN: usize = 64;
/// A context longer than this many tokens is compacted by the application.
const MAX_CONTEXT: u64 = 110_000;
/// What a provider gives up after, in milliseconds.
const UPSTREAM_TIMEOUT_MS: i64 = 60_000;

/// The time cut to whole milliseconds, which is all that the log has.
fn whole_ms(at: Micros) -> Micros {
    at - at.rem_euclid(1_000)
}

/// One turn of a conversation, before it is known how it ends.
struct Turn {
    session: Option<Session>,
    model: usize,
    user: Option<usize>,
    address: String,
    round: u32,
    question: u64,
    context: u64,
    cached: u64,
}

/// Makes requests, one at a time, for times that never go back.
pub(super) struct Generator {
    pub(super) company: Arc<Company>,
    pub(super) incidents: Vec<Incident>,
    random: Random,
    /// For what is said alone, so that a company that says nothing has the same requests.
    talk_random: Random,
    /// From here on the log has what is said.
    pub(super) talks_from: Micros,
    /// No request ends after this; one that would is started so much earlier.
    latest: Micros,
    /// Open conversations by application.
    open: Vec<Vec<Session>>,
    scratch: String,
}

impl Generator {
    pub(super) fn new(company: Company, incidents: Vec<Incident>, random: [Random; 2], latest: Micros) -> Generator {
        let open = vec![Vec::new(); company.consumers.len()];
        let [random, talk_random] = random;
        Generator {
            company: Arc::new(company),
            incidents,
            random,
            talk_random,
            talks_from: Micros::MIN,
            latest: whole_ms(latest),
            open,
            scratch: String::new(),
        }
    }

    /// The request of one application that starts at `start`, which is cut to whole milliseconds.
    pub(super) fn request(&mut self, start: Micros, consumer: usize) -> Option<Line> {
        let start = whole_ms(start);
        if self.random.chance(self.company.without_ai) {
            return Some(self.other(start));
        }
        let company = Arc::clone(&self.company);
        let app = company.consumers.get(consumer)?;
        let turn = self.turn(start, consumer, app);
        let model = company.models.get(turn.model)?;
        let ending = self.ending(start, consumer, app, model);
        Some(self.finish(start, consumer, app, model, turn, ending))
    }

    fn address(&mut self) -> String {
        format!("10.{}.{}.{}", self.random.between(30, 39), self.random.below(256), self.random.between(1, 254))
    }

    fn id(&mut self) -> u128 {
        u128::from(self.random.bits()) << 64 | u128::from(self.random.bits())
    }

    /// A line without AI data.
    fn other(&mut self, start: Micros) -> Line {
        let (method, path, code) = self.random.pick(&OTHER_PATHS).copied().unwrap_or(("GET", "/", 200));
        let duration = i64::try_from(self.random.between(0, 6)).unwrap_or(0);
        let start = start.min(self.latest - duration * 1_000);
        let address = self.address();
        let outer = Outer {
            authority: self.company.authority,
            bytes_received: 0,
            bytes_sent: self.random.between(2, 900),
            local_port: 0,
            remote_address: &format!("{address}:{}", self.random.between(32_768, 60_999)),
            duration_ms: duration,
            method,
            path,
            request_id: self.id(),
            response_code: code,
            response_flags: "-",
            route: "default",
            start,
            trace_id: None,
            provider: "console",
            upstream_host: "10.42.0.8:8080",
            upstream_service_ms: Some(duration),
            transport_failure: "-",
            user_agent: "kube-probe/1.31",
            forwarded_for: &address,
            details: "via_upstream",
        };
        let text = render(&outer, None, self.company.full_template, &mut self.scratch);
        Line { at: start + duration * 1_000, text }
    }

    /// The next turn of a conversation that is ready, else the first turn of a new one.
    fn turn(&mut self, start: Micros, consumer: usize, app: &Consumer) -> Turn {
        let resumed = self.resume(start, consumer, app);
        let fresh = resumed.is_none();
        let mut session = match resumed {
            Some(session) => session,
            None => self.begin(app),
        };
        let (first, further) = app.question_tokens;
        let median = if fresh || app.turns == 0.0 { first } else { further };
        let question = whole(self.random.lognormal(median, 0.5)).max(3);
        if session.context > if app.endless_sessions.is_some() { 24_000 } else { MAX_CONTEXT } {
            session.context = session.context.min(MAX_CONTEXT) / 6;
            session.cached = 0;
        }
        session.rounds += 1;
        Turn {
            model: session.model,
            user: session.user,
            address: session.address.clone(),
            round: session.rounds,
            question,
            context: session.context,
            // Now and then the cache has forgotten.
            cached: if self.random.chance(0.88) { session.cached } else { 0 },
            session: (app.turns > 0.0).then_some(session),
        }
    }

    /// Takes a conversation out of those that are open, if one is ready to go on.
    fn resume(&mut self, start: Micros, consumer: usize, app: &Consumer) -> Option<Session> {
        let open = self.open.get_mut(consumer)?;
        if let Some(number) = app.endless_sessions {
            return (open.len() >= number).then(|| open.swap_remove(self.random.below(open.len())));
        }
        for _ in 0..4 {
            let index = self.random.below(open.len());
            let Some(session) = open.get(index) else { break };
            if session.ready_at > start {
                continue;
            }
            let session = open.swap_remove(index);
            // Few people come back to a conversation of hours ago.
            if start - session.ready_at < 20 * MINUTE || self.random.chance(0.15) {
                return Some(session);
            }
        }
        None
    }

    fn begin(&mut self, app: &Consumer) -> Session {
        let mut share = self.random.unit() * app.models.iter().map(|(_, share)| share).sum::<f64>();
        let mut model = 0;
        for &(index, of) in &app.models {
            model = index;
            share -= of;
            if share < 0.0 {
                break;
            }
        }
        // People are not equally keen: the square favours the first ones.
        let keen = self.random.unit() * self.random.unit();
        let user = (app.has_users && self.company.users > 0).then(|| {
            let users = u32::try_from(self.company.users).unwrap_or(1);
            usize::try_from(whole((keen * f64::from(users)).floor())).unwrap_or(0) + 1
        });
        let number = self.random.bits();
        Session {
            id: if app.turns > 0.0 { format!("{}{:012x}", app.session_prefix, number >> 16) } else { String::new() },
            user,
            model,
            address: match user {
                // Everybody has a desk.
                Some(user) => format!("10.30.{}.{}", user / 20, 10 + user % 20),
                None => self.address(),
            },
            rounds: 0,
            turns_left: whole(self.random.exponential(app.turns)).max(1),
            context: 0,
            cached: 0,
            ready_at: 0,
            talk: Talk::default(),
        }
    }

    /// Draws how a request ends.
    fn ending(&mut self, start: Micros, consumer: usize, app: &Consumer, model: &Model) -> Ending {
        let draw = self.random.unit();
        for trouble in active(&self.incidents, start) {
            match trouble {
                Trouble::Outage(provider) if provider == model.provider => {
                    return match draw {
                        d if d < 0.42 => Ending::Unreachable,
                        d if d < 0.58 => Ending::NoHealthyHost,
                        d if d < 0.72 => Ending::TimedOut,
                        _ => Ending::AnsweredSlowly,
                    };
                }
                Trouble::Storm(wild) if wild == consumer && draw < 0.86 => return Ending::TokenLimited,
                Trouble::Outage(_) | Trouble::Storm(_) => {}
            }
        }
        let mut left = draw;
        let gone_late = if app.streams > 0.5 { 0.007 } else { 0.0 };
        for (share, ending) in [
            (model.rate_limited, Ending::RateLimited),
            (model.failed * 0.4, Ending::TimedOut),
            (model.failed * 0.35, Ending::Unreachable),
            (model.failed * 0.25, Ending::NoHealthyHost),
            (0.004, Ending::BadRequest),
            (0.003, Ending::TokenLimited),
            (0.002, Ending::GoneEarly),
            (gone_late, Ending::GoneLate),
            (0.000_6, Ending::NoRoute),
        ] {
            left -= share;
            if left < 0.0 {
                return ending;
            }
        }
        Ending::Answered
    }

    /// What a whole answer counts: the model's own way of caching included.
    fn usage(&mut self, app: &Consumer, model: &Model, turn: &Turn) -> Usage {
        let input = turn.context + turn.question;
        let (cache_read, cache_write) = match model.family {
            _ if !model.caches || input < 1_024 => (0, 0),
            CountingFamily::Anthropic => {
                (turn.cached, (input - turn.cached).saturating_sub(self.random.between(3, 20)))
            }
            // OpenAI and those that follow it cache in steps of 128 tokens.
            CountingFamily::OpenAi | CountingFamily::Gemini => (turn.cached / 128 * 128, 0),
        };
        let reasoning = if self.random.chance(model.reasoning) { whole(self.random.lognormal(340.0, 0.7)) } else { 0 };
        Usage {
            family: model.family,
            caches: model.caches,
            uncached_input: input - cache_read - cache_write,
            cache_read,
            cache_write,
            visible_output: whole(self.random.lognormal(app.answer_tokens, 0.75)).clamp(1, 16_000),
            reasoning,
        }
    }

    /// Milliseconds to the first token and to the end of the answer, as the model would take for them.
    fn answer_ms(&mut self, model: &Model, ending: Ending, usage: &Usage) -> (i64, i64) {
        let tokens = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let slow = if ending == Ending::AnsweredSlowly { 7.0 } else { 1.0 };
        let fresh = tokens(usage.uncached_input + usage.cache_write);
        let first = self.random.lognormal(model.first_token_ms, model.sigma) * (1.0 + fresh / 40_000.0) * slow;
        let speed = self.random.lognormal(model.tokens_per_second, model.sigma * 0.6) / slow;
        let output = tokens(usage.visible_output + usage.reasoning) * 1_000.0 / speed;
        let ms = |value: f64| i64::try_from(whole(value)).unwrap_or(i64::MAX).clamp(2, 590_000);
        (ms(first), ms(first + output))
    }

    fn finish(
        &mut self,
        start: Micros,
        consumer: usize,
        app: &Consumer,
        model: &Model,
        mut turn: Turn,
        ending: Ending,
    ) -> Line {
        let usage = self.usage(app, model, &turn);
        let (first_ms, answer_ms) = self.answer_ms(model, ending, &usage);
        let stream = self.random.chance(app.streams);
        let quick = |random: &mut Random, low, high| i64::try_from(random.between(low, high)).unwrap_or(0);
        let duration_ms = match ending {
            Ending::Answered | Ending::AnsweredSlowly => answer_ms,
            Ending::RateLimited | Ending::BadRequest => quick(&mut self.random, 40, 400),
            Ending::TokenLimited | Ending::NoHealthyHost | Ending::NoRoute => quick(&mut self.random, 0, 4),
            Ending::TimedOut => UPSTREAM_TIMEOUT_MS + quick(&mut self.random, 0, 9),
            Ending::Unreachable => quick(&mut self.random, 3, 5_020),
            Ending::GoneEarly => first_ms / 2,
            Ending::GoneLate => first_ms + (answer_ms - first_ms) * quick(&mut self.random, 5, 80) / 100,
        };
        let start = start.min(self.latest - duration_ms * 1_000);
        let input = usage.uncached_input + usage.cache_read + usage.cache_write;
        let output = usage.visible_output;
        let bytes_sent = match ending {
            Ending::Answered | Ending::AnsweredSlowly if stream => 320 + output * 186,
            Ending::Answered | Ending::AnsweredSlowly => 640 + output * 4,
            Ending::GoneLate => 186 * (1 + output / 3),
            Ending::GoneEarly => 0,
            _ => self.random.between(19, 310),
        };
        // Some old clients do not ask for the usage of a stream, so the log has none.
        let counted = ending.answered() && !(stream && self.random.chance(0.006));
        let tool_calls = if counted && self.random.chance(app.tool_share) { self.tools(app) } else { Vec::new() };
        let shape = ending.shape();
        let session_id = turn.session.as_ref().map(|session| session.id.clone()).unwrap_or_default();
        let reached = ending != Ending::TokenLimited && ending != Ending::NoRoute;
        let reasons = usage.reasoning > 0;
        let talks = if reached && start >= self.talks_from { app.talks } else { Talks::Nothing };
        let mut talk = turn.session.as_mut().map(|session| std::mem::take(&mut session.talk)).unwrap_or_default();
        let said = talk.turn(&mut self.talk_random, talks, reasons);
        let answer = said.as_ref().filter(|_| ending.answered()).map(|said| said.answer.as_str());
        talk.answered(&mut self.talk_random, talks, answer, &tool_calls);
        let ai_log = AiLog {
            chat_id: ending.began().then(|| (model.chat_prefix, self.random.bits())),
            chat_round: reached.then_some(turn.round),
            consumer: &app.name,
            first_token_ms: (stream && ending.began()).then_some(first_ms),
            service_ms: (reached && ending.began() && ending.answered() || shape.details == "via_upstream")
                .then_some(duration_ms.max(2) - 1),
            usage: counted.then_some((model.name, usage)),
            response_type: match ending {
                Ending::TimedOut | Ending::Unreachable | Ending::NoHealthyHost | Ending::TokenLimited => "",
                _ if stream && ending.began() => "stream",
                _ => "normal",
            },
            session_id: &session_id,
            limited: ending == Ending::TokenLimited,
            tool_calls,
            user: turn.user,
            said: said.as_ref().map(|said| (said, ending.answered())),
        };
        let broken = self.random.chance(self.company.broken);
        let outer = Outer {
            authority: self.company.authority,
            bytes_received: 380 + input * 4,
            bytes_sent,
            local_port: self.random.between(32_768, 60_999),
            remote_address: &format!("{}:{}", turn.address, self.random.between(32_768, 60_999)),
            duration_ms,
            method: "POST",
            path: app.path,
            request_id: self.id(),
            response_code: shape.code,
            response_flags: shape.flags,
            route: if ending == Ending::NoRoute { "-" } else { app.route },
            start,
            trace_id: self.random.chance(app.traced).then(|| self.id()),
            provider: model.provider,
            upstream_host: if shape.connected { model.upstream_host } else { "-" },
            upstream_service_ms: (ending.began() || shape.details == "via_upstream").then_some(if stream {
                first_ms.min(duration_ms)
            } else {
                duration_ms.max(2) - 1
            }),
            transport_failure: shape.failure,
            user_agent: if broken {
                self.random.pick(&BREAKING_AGENTS).copied().unwrap_or_default()
            } else {
                app.user_agent
            },
            forwarded_for: &turn.address,
            details: shape.details,
        };
        let text = render(&outer, Some(&ai_log), self.company.full_template, &mut self.scratch);
        let at = start + duration_ms * 1_000;
        if let Some(mut session) = turn.session.take() {
            session.talk = talk;
            if ending.answered() {
                session.context = input + output;
                // The provider keeps the prompt that it has just read; a short one is not worth it.
                session.cached = if model.caches && input >= 1_024 { input } else { 0 };
            }
            self.keep(consumer, app, session, at);
        }
        Line { at, text }
    }

    /// Names, arguments and ids of the calls of one answer.
    fn tools(&mut self, app: &Consumer) -> Vec<(&'static str, &'static str, u64)> {
        let calls = if self.random.chance(0.2) { 2 } else { 1 };
        (0..calls)
            .filter_map(|_| {
                let (name, arguments) = self.random.pick(app.tools).copied()?;
                Some((name, arguments, self.random.bits() >> 16))
            })
            .collect()
    }

    /// Puts a conversation back among the open ones, unless it is over.
    fn keep(&mut self, consumer: usize, app: &Consumer, mut session: Session, at: Micros) {
        session.turns_left = session.turns_left.saturating_sub(1);
        if session.turns_left == 0 && app.endless_sessions.is_none() {
            return;
        }
        let think = i64::try_from(whole(self.random.lognormal(app.think_seconds, 0.8))).unwrap_or(0);
        session.ready_at = at + think * SECOND;
        let Some(open) = self.open.get_mut(consumer) else { return };
        if open.len() >= MAX_OPEN {
            let index = self.random.below(open.len());
            open.swap_remove(index);
        }
        open.push(session);
    }
}
