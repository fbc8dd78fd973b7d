//! `tokentail probe once`: one look at a target, with every phase and why it failed. Keeps nothing.

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{self, Failure};
use super::{ConfigArgs, SourceArgs};
use crate::clock::Clock;
use crate::daemon;
use crate::probe::{self, Kind, Run, Trust, text};
use crate::record::{PROBE_PURPOSE, money};
use crate::wording::{listed, nearest, quoted};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Look once at a target and show every phase; exit code 0 if it is up, 1 if not
    #[command(after_help = "Example: tokentail probe once chat --probe chat=http://127.0.0.1:3210/api/v1/health")]
    Once(Once),
}

#[derive(Debug, Args)]
pub(super) struct Once {
    /// Name of the target, as `probes` or --probe has it; a completion that is not enabled is looked at too
    name: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// A target beside those of the configuration
    #[arg(long = "probe", env = "TOKENTAIL_PROBE", value_name = "NAME=URL", value_delimiter = None)]
    probes: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Once(arguments) => once(arguments),
    }
}

fn once(arguments: &Once) -> Result<(), Failure> {
    let sources =
        SourceArgs { config: arguments.config.clone(), probes: arguments.probes.clone(), ..SourceArgs::default() };
    let config = sources.load()?;
    let clock = Clock::system();
    config.build_probes(&clock)?;
    let targets = &config.probes.targets;
    let Some(target) = targets.iter().find(|target| target.name == arguments.name) else {
        return Err(unknown(&arguments.name, targets.iter().map(|target| target.name.as_str())));
    };
    // Everything was built once already, so no problem is left but a file that has just gone.
    let gone = |problem: &dyn std::fmt::Display| Failure::misuse(format!("probes: {problem}"));
    let mut trust = Trust::load(config.probes.roots_file.as_deref(), &clock).map_err(|problem| gone(&problem))?;
    let probe = target
        .build(&mut trust)
        .map_err(|problems| problems.first().map_or_else(|| gone(&"the target changed"), |problem| gone(problem)))?;
    // Before the look, so that prices that cannot be read cost nothing.
    let table = if probe.kind() == Kind::Chat { Some(daemon::load_prices(&config)?) } else { None };
    let run = super::run::runtime()?.block_on(probe.run(&clock));
    let cost = match (&table, &run) {
        (Some(table), Run::Done(outcome)) => probe::cost(table, outcome),
        _ => None,
    };
    if arguments.json {
        let (outcome, skipped) = match &run {
            Run::Done(outcome) => (Some(outcome), None),
            Run::Skipped(reason) => (None, Some(reason)),
        };
        let kind = probe.kind().label();
        let cost = cost.map(|look| {
            let amount = look.cost.map(|cost| money::format_nanos(cost.nanos.into()));
            let currency = look.cost.map(|cost| cost.currency.to_string());
            json!({"purpose": PROBE_PURPOSE, "provider": look.provider, "cost": amount, "currency": currency})
        });
        output::json(
            &json!({"target": target.name, "kind": kind, "outcome": outcome, "cost": cost, "skipped": skipped}),
        )?;
    } else {
        let shown = output::visible(&text::render(&probe, &run, cost.as_ref()));
        std::io::stdout().lock().write_all(shown.as_bytes())?;
    }
    match run {
        Run::Done(outcome) if outcome.failure.is_none() => Ok(()),
        Run::Done(_) | Run::Skipped(_) => Err(Failure { code: 1, message: String::new() }),
    }
}

/// Says which targets there are.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let there_are = match (nearest(name, known.clone()), known.clone().next()) {
        (Some(near), _) => format!("did you mean {}?", quoted(near)),
        (None, Some(_)) => format!("there are {}", listed(known)),
        (None, None) => "there is none; configure one under `probes`, or give --probe NAME=URL".to_owned(),
    };
    Failure::misuse(format!("no target has the name {}; {there_are}", quoted(name)))
}
