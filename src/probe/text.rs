//! An outcome becomes text for people: every phase with its length, and why it failed with what to look at.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::outcome::{Outcome, Phase};
use super::{Check, LookCost, Probe, Run};
use crate::record::{Failure, Micros, money};
use crate::wording::{escaped, grouped};

/// Length of the bar of the longest phase.
const BAR: u64 = 30;

/// The text of one look, several lines with an end each; `cost` is that of its completion.
#[must_use]
pub fn render(probe: &Probe, run: &Run, cost: Option<&LookCost>) -> String {
    let place = match &probe.target().check {
        Check::Http(http) => format!("{} {}", http.method, http.url),
        Check::Tcp(tcp) => tcp.address.clone(),
        Check::Chat(chat) => format!("{} ({})", chat.url, chat.model),
    };
    let mut text = format!("{} · {} · {}\n", escaped(probe.name()), probe.kind().label(), escaped(&place));
    match run {
        Run::Skipped(reason) => line(&mut text, format_args!("{reason}")),
        Run::Done(outcome) => outcome_text(&mut text, outcome, cost),
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "{arguments}");
}

fn outcome_text(text: &mut String, outcome: &Outcome, cost: Option<&LookCost>) {
    match outcome.failure {
        None => line(text, format_args!("up in {}", length(outcome.duration_micros))),
        Some(failure) => {
            line(text, format_args!("FAILED after {} · {}", length(outcome.duration_micros), failure.label()));
            line(text, format_args!("  {}", outcome.message));
            line(text, format_args!("  {}", advice(failure)));
        }
    }
    text.push('\n');
    let longest = Phase::ALL.iter().filter_map(|phase| outcome.phases.get(*phase)).max().unwrap_or(0).max(1);
    for phase in Phase::ALL {
        match outcome.phases.get(phase) {
            None => line(text, format_args!("  {:<12}{:>10}", phase.label(), "–")),
            Some(micros) => {
                let bar = usize::try_from(micros.saturating_mul(BAR).div_ceil(longest)).unwrap_or(0);
                let row = format!("  {:<12}{:>10}  {}", phase.label(), length(micros), "█".repeat(bar));
                line(text, format_args!("{}", row.trim_end()));
            }
        }
    }
    text.push('\n');
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line(text, format_args!("  {name:<14}{value}"));
        }
    };
    fact("address", outcome.address.map(|address| address.to_string()));
    fact(
        "status",
        outcome.status_code.map(|status| match outcome.http_version {
            Some(version) => format!("{status} ({version})"),
            None => status.to_string(),
        }),
    );
    fact("body", (outcome.body_bytes > 0).then(|| format!("{} bytes", grouped(outcome.body_bytes))));
    fact("tls", outcome.tls_version.map(str::to_owned));
    fact("certificate", outcome.tls_expiry.map(|expiry| certificate(expiry, outcome.started)));
    fact("first token", outcome.first_token_micros.map(length));
    fact("speed", outcome.tokens_per_second.map(|speed| format!("{speed:.1} tokens/s")));
    fact(
        "tokens",
        outcome.tokens.map(|tokens| {
            let reasoning = match tokens.reasoning {
                0 => String::new(),
                reasoning => format!(" ({} reasoning)", grouped(reasoning)),
            };
            format!("{} in, {} out{reasoning}", grouped(tokens.input()), grouped(tokens.output()))
        }),
    );
    fact("tokens", outcome.usage_missing.then(|| "not told by the endpoint: what it cost is not known".to_owned()));
    fact(
        "cost",
        cost.map(|cost| match cost.cost {
            Some(amount) => {
                let nanos = money::format_nanos(amount.nanos.into());
                format!("{nanos} {} ({})", amount.currency, escaped(&cost.provider))
            }
            None => "unpriced: no price row fits the model".to_owned(),
        }),
    );
}

/// What to look at first.
fn advice(failure: Failure) -> &'static str {
    match failure {
        Failure::Dns => "look at the name, and at the resolver of this machine",
        Failure::Refused => "nothing listens there: look whether the service runs, and at the port",
        Failure::Timeout => {
            "look at the longest phase below: network and firewall while connecting, the service after it"
        }
        Failure::Tls => "look at the certificate, its names and its authority",
        Failure::Status => "look at the log of the service for this moment",
        Failure::Body => "the service answers, but not with what is expected",
        Failure::Cut => "the service or a proxy before it ended the connection: look for restarts and its own timeouts",
        Failure::Other => "look at the message above, and at the network of this machine",
    }
}

fn certificate(expiry: Micros, now: Micros) -> String {
    let moment = Timestamp::from_microsecond(expiry)
        .map_or_else(|_| "at an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let days = (expiry - now).div_euclid(86_400_000_000);
    let unit = if days == 1 { "day" } else { "days" };
    if expiry < now { format!("expired {moment}") } else { format!("until {moment} ({} {unit})", grouped(days)) }
}

/// `850 µs`, `12.3 ms`, `1.234 s`.
fn length(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_the_unit_that_fits() {
        let cases = [(0, "0 µs"), (999, "999 µs"), (1_000, "1.0 ms"), (12_399, "12.3 ms"), (1_234_567, "1.234 s")];
        for (micros, want) in cases {
            assert_eq!(length(micros), want);
        }
    }

    #[test]
    fn a_certificate_tells_the_days_that_are_left() {
        let day = 86_400_000_000;
        assert_eq!(certificate(31 * day, day / 2), "until 1970-02-01 00:00:00 UTC (30 days)");
        assert_eq!(certificate(0, 1), "expired 1970-01-01 00:00:00 UTC");
    }
}
