//! What all commands share in printing: failures, visible text, tables, numbers, colour on a terminal only.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

pub(super) use crate::report::document::{plain_table as table, time_text as time};
pub(super) use crate::wording::{grouped, one_line, visible};
use crate::{config, daemon, ledger};

/// How a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// 1 failed while running, 2 wrong use.
    pub(super) code: u8,
    /// What to say; empty where it was said already.
    pub(super) message: String,
}

impl Failure {
    /// Wrong use or configuration.
    pub(super) fn misuse(message: impl Into<String>) -> Failure {
        Failure { code: 2, message: message.into() }
    }

    /// Failed while running.
    pub(super) fn failed(message: impl Into<String>) -> Failure {
        Failure { code: 1, message: message.into() }
    }
}

impl From<config::Problems> for Failure {
    fn from(problems: config::Problems) -> Failure {
        Failure::misuse(format!("the configuration cannot be used:\n{problems}"))
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Failure {
        Failure { code: if error.is_misuse() { 2 } else { 1 }, message: format!("failed to {error}") }
    }
}

impl From<daemon::Error> for Failure {
    fn from(error: daemon::Error) -> Failure {
        Failure { code: if error.is_misuse() { 2 } else { 1 }, message: format!("failed to {error}") }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever read the output has seen enough, as `head` does.
            return Failure { code: 0, message: String::new() };
        }
        Failure::failed(format!("failed to write the output: {error}"))
    }
}

/// Prints one JSON document.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Bytes in the largest binary unit that keeps a number above 1: `1.5 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scale = 1_u64;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or("B");
    for next in units {
        if count / scale < 1024 {
            break;
        }
        scale *= 1024;
        unit = next;
    }
    let tenths = count.saturating_mul(10) / scale;
    if scale == 1 { format!("{count} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// So many things: `1 source`, `1,365 sources`.
pub(super) fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A duration in microseconds for people: `1.955 s`, `309 ms`.
pub(super) fn duration(micros: i64) -> String {
    if micros >= 1_000_000 {
        format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000)
    } else if micros % 1_000 == 0 || micros >= 10_000 {
        format!("{} ms", micros / 1_000)
    } else {
        format!("{micros} µs")
    }
}

/// Whether standard output is a terminal that wants colour.
pub(super) fn wants_colour() -> bool {
    io::stdout().is_terminal() && no_color().is_none()
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn no_color() -> Option<std::ffi::OsString> {
    std::env::var_os("NO_COLOR").filter(|value| !value.is_empty())
}

/// Paints text where colour is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_log_drives_a_terminal() {
        assert_eq!(visible("a\x1b[31m\u{202e}b\nc"), "a\\u{1b}[31m\\u{202e}b\nc");
        assert_eq!(one_line("a\nb"), "a\\nb");
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (number, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (18_705, "18,705"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), want);
        }
        for (count, want) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(bytes(count), want);
        }
        for (micros, want) in [(1_955_000, "1.955 s"), (309_000, "309 ms"), (1_234, "1234 µs"), (0, "0 ms")] {
            assert_eq!(duration(micros), want);
        }
    }
}
