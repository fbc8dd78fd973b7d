//! Looks at targets flow from the schedule to the ledger's writer.
//!
//! ```text
//! Schedule ─bounded channel─▶ deliver: what the clocks say of it ─batches─▶ the writer
//! ```
//!
//! What comes within a moment is handed over together, so that many targets cost few transactions. While the writer waits
//! for the disk the channel fills, ticks are missed, and the time is unknown: nothing is made up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::ledger::writer::Handle;
use crate::ledger::{ProbeResult, ProbeUse};
use crate::meter::Look;
use crate::pricing::Table;
use crate::probe::{self, Outcome, Phase, Probe, Run, Schedule, Target};
use crate::record::{Micros, Observation};

/// Looks that may wait.
const WAITING: usize = 256;
/// How long looks are gathered before they are handed over.
const GATHER: Duration = Duration::from_millis(250);

/// What the clocks said at the latest look of a target that gave a result.
#[derive(Clone, Copy, Debug)]
struct Before {
    at: Micros,
    /// How far wall time has gone beyond monotonic time since.
    parted: Micros,
}

/// By target; without an entry there is nothing to compare with.
type Clocks = Arc<Mutex<BTreeMap<Arc<str>, Before>>>;

/// The price table in force, with the ledger's ids of its rows.
#[derive(Clone, Debug)]
pub(super) struct LookPrices {
    pub(super) table: Arc<Table>,
    /// By index of the row in the table.
    pub(super) ids: Arc<[u32]>,
}

/// The schedule that runs, to be exchanged at a reload.
#[derive(Debug)]
pub(super) struct Prober {
    clock: Clock,
    runtime: runtime::Handle,
    clocks: Clocks,
    prices: Arc<Mutex<LookPrices>>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    schedule: Schedule,
    targets: BTreeMap<Arc<str>, Target>,
}

impl Prober {
    /// Starts with these targets; to be called within a runtime. The task ends after [`Prober::stop`].
    pub(super) fn start(
        probes: Vec<Probe>,
        prices: LookPrices,
        clock: Clock,
        writer: Handle,
    ) -> (Arc<Prober>, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let clocks = Clocks::default();
        let prices = Arc::new(Mutex::new(prices));
        let delivering = tokio::spawn(deliver(receiver, Arc::clone(&clocks), Arc::clone(&prices), writer));
        let schedule = Schedule::new(clock.clone(), sender);
        let running = Mutex::new(Some(Running { schedule, targets: BTreeMap::new() }));
        let prober = Arc::new(Prober { clock, runtime: runtime::Handle::current(), clocks, prices, running });
        prober.look_at(probes);
        (prober, delivering)
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Looks at these and no others from now on, and prices by this table.
    pub(super) fn exchange(&self, probes: Vec<Probe>, prices: LookPrices) {
        *self.prices.lock() = prices;
        self.look_at(probes);
    }

    fn look_at(&self, probes: Vec<Probe>) {
        let _entered = self.runtime.enter();
        let mut running = self.running.lock();
        let Some(running) = running.as_mut() else { return };
        let targets: BTreeMap<_, _> =
            probes.iter().map(|probe| (Arc::clone(probe.name()), probe.target().clone())).collect();
        // A target that begins anew has a new rhythm, whose clocks were not compared with those of the old one.
        self.clocks.lock().retain(|name, _| targets.get(name) == running.targets.get(name));
        running.schedule.exchange(probes);
        running.targets = targets;
    }

    /// Ends all looks.
    pub(super) fn stop(&self) {
        *self.running.lock() = None;
    }
}

/// Hands looks over until the schedule or the writer has ended.
async fn deliver(
    mut looks: mpsc::Receiver<probe::Observation>,
    clocks: Clocks,
    prices: Arc<Mutex<LookPrices>>,
    writer: Handle,
) {
    let mut gathered = Vec::new();
    while looks.recv_many(&mut gathered, WAITING).await > 0 {
        tokio::time::sleep(GATHER).await;
        while gathered.len() < WAITING
            && let Ok(look) = looks.try_recv()
        {
            gathered.push(look);
        }
        let results: Vec<ProbeResult> = {
            let prices = prices.lock().clone();
            let mut clocks = clocks.lock();
            gathered.drain(..).filter_map(|look| result(look, &mut clocks, &prices)).collect()
        };
        if results.is_empty() {
            continue;
        }
        let writer = writer.clone();
        let sent = tokio::task::spawn_blocking(move || writer.send_probes(results)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// What the ledger keeps of a look; `None` for one that was left out, which is no result.
fn result(
    look: probe::Observation,
    clocks: &mut BTreeMap<Arc<str>, Before>,
    prices: &LookPrices,
) -> Option<ProbeResult> {
    let parted = look.clock_parted_micros.unwrap_or(0);
    let outcome = match look.run {
        Run::Done(outcome) => outcome,
        Run::Skipped(reason) => {
            tracing::warn!(target = &*look.target, "{reason}");
            if let Some(before) = clocks.get_mut(&look.target) {
                before.parted = before.parted.saturating_add(parted);
            }
            return None;
        }
    };
    let before = clocks.insert(Arc::clone(&look.target), Before { at: look.at, parted: 0 });
    let since_previous =
        before.map(|before| look.at.saturating_sub(before.at).saturating_sub(before.parted).saturating_sub(parted));
    Some(ProbeResult {
        target: look.target.to_string(),
        seen: Observation {
            at: look.at,
            interval: Micros::try_from(look.interval.as_micros()).unwrap_or(Micros::MAX),
            since_previous,
            failure: outcome.failure,
            answer: answer(&outcome),
        },
        duration_micros: outcome.duration_micros,
        look: Look {
            success: outcome.failure.is_none(),
            phases: Phase::ALL.map(|phase| outcome.phases.get(phase)),
            status_code: outcome.status_code,
            tls_expiry: outcome.tls_expiry,
        },
        used: used(&outcome, prices),
        message: outcome.message,
    })
}

/// What a completion used and cost; `None` where none was begun.
fn used(outcome: &Outcome, prices: &LookPrices) -> Option<ProbeUse> {
    let model = outcome.model.clone()?;
    match probe::cost(&prices.table, outcome) {
        Some(look) => Some(ProbeUse {
            provider: look.provider,
            model,
            tokens: outcome.tokens,
            cost: look.cost,
            price_row: look.row.and_then(|row| prices.ids.get(usize::try_from(row).ok()?).copied()).unwrap_or(0),
        }),
        None if outcome.usage_missing => {
            let provider = prices.table.provider(outcome.provider.as_deref().unwrap_or_default());
            Some(ProbeUse { provider, model, tokens: None, cost: None, price_row: 0 })
        }
        None => None,
    }
}

/// Begin to the first byte of the answer: of a completion to the first token, of a connection until it stands.
fn answer(outcome: &Outcome) -> Option<Micros> {
    if outcome.failure.is_some() && outcome.status_code.is_none() {
        return None;
    }
    let phases = &outcome.phases;
    let before = [phases.resolve, phases.connect, phases.tls].into_iter().flatten().fold(0, u64::saturating_add);
    let waited = outcome.first_token_micros.or(phases.processing).unwrap_or(0);
    Micros::try_from(before.saturating_add(waited)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Kind, Phases};
    use crate::record::Tokens;

    const SECOND: Micros = 1_000_000;

    fn look(at: Micros, parted: Option<Micros>, run: Run) -> probe::Observation {
        probe::Observation {
            target: "chat".into(),
            kind: Kind::Http,
            interval: Duration::from_secs(15),
            at,
            clock_parted_micros: parted,
            run,
        }
    }

    #[test]
    fn the_time_since_the_look_before_is_monotonic_over_those_that_were_left_out() {
        let mut clocks = BTreeMap::new();
        let prices = prices();
        let done = || Run::Done(Box::default());
        let skipped = || Run::Skipped("enough for today".to_owned());
        let cases = [
            (look(0, None, done()), Some(None)),
            (look(15 * SECOND, None, done()), Some(Some(15 * SECOND))),
            (look(90 * SECOND, Some(60 * SECOND), done()), Some(Some(15 * SECOND))),
            (look(45 * SECOND, Some(-60 * SECOND), skipped()), None),
            (look(60 * SECOND, None, done()), Some(Some(30 * SECOND))),
        ];
        for (look, want) in cases {
            let at = look.at;
            assert_eq!(result(look, &mut clocks, &prices).map(|result| result.seen.since_previous), want, "{at}");
        }
    }

    fn prices() -> LookPrices {
        let table = Arc::new(Table::builtin());
        LookPrices { ids: (1..=table.rows().len()).map(|id| u32::try_from(id).unwrap()).collect(), table }
    }

    #[test]
    fn what_a_completion_used_is_priced_or_told_to_be_unknown() {
        let tokens = Tokens { uncached_input: 1_000, visible_output: 100, ..Tokens::default() };
        let chat = Outcome {
            started: 1_795_000_000_000_000,
            model: Some("gpt-4o".to_owned()),
            tokens: Some(tokens),
            ..Outcome::default()
        };
        let found = used(&chat, &prices()).unwrap();
        assert_eq!((found.provider.as_str(), found.model.as_str(), found.tokens), ("openai", "gpt-4o", Some(tokens)));
        assert_eq!(found.cost.map(|cost| cost.nanos), Some(3_500_000), "0.0025 and 0.001");
        assert!(found.price_row > 0);
        let cut = Outcome { tokens: None, usage_missing: true, ..chat.clone() };
        assert_eq!(used(&cut, &prices()).map(|found| (found.tokens, found.cost)), Some((None, None)));
        assert_eq!(used(&Outcome { tokens: None, ..chat }, &prices()), None, "none was begun");
        assert_eq!(used(&Outcome::default(), &prices()), None, "no completion at all");
    }

    #[test]
    fn an_answer_starts_with_its_first_byte_or_its_first_token() {
        let phases =
            Phases { resolve: Some(1), connect: Some(10), tls: None, processing: Some(100), transfer: Some(1_000) };
        let outcome = Outcome { phases, status_code: Some(200), ..Outcome::default() };
        assert_eq!(answer(&outcome), Some(111));
        assert_eq!(answer(&Outcome { first_token_micros: Some(500), ..outcome.clone() }), Some(511));
        let failure = Some(crate::record::Failure::Timeout);
        assert_eq!(answer(&Outcome { failure, status_code: None, ..outcome }), None);
    }
}
