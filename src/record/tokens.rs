//! Token counts in disjoint kinds, and how each provider family's counts become them.

use super::{Anomalies, Anomaly};

/// The largest count of one kind that is believed; a larger one is a bad number. Far beyond any context window, and
/// small enough that sums over 10^9 requests stay within 64 bits.
pub const MAX_TOKENS: u64 = 1_000_000_000;

/// How a provider's log relates subsets to totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountingFamily {
    /// Input includes cached tokens, output includes reasoning.
    #[default]
    OpenAi,
    /// Input excludes cache reads and writes, output includes thinking.
    Anthropic,
    /// Input includes cached tokens, output excludes thoughts.
    Gemini,
}

impl CountingFamily {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            CountingFamily::OpenAi => "openai",
            CountingFamily::Anthropic => "anthropic",
            CountingFamily::Gemini => "gemini",
        }
    }
}

/// Tokens of one request. Every token is in exactly one field, so that sums and prices never count one twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Input read anew.
    pub uncached_input: u64,
    /// Input served from the provider's cache.
    pub cache_read: u64,
    /// Input written to the cache for 5 minutes (or for an unknown time).
    pub cache_write_5m: u64,
    /// Input written to the cache for 1 hour.
    pub cache_write_1h: u64,
    /// Output that the client sees.
    pub visible_output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
}

impl Tokens {
    /// All input, cache reads and writes included.
    #[must_use]
    pub fn input(&self) -> u64 {
        self.uncached_input + self.cache_read + self.cache_write()
    }

    /// All output, reasoning included.
    #[must_use]
    pub fn output(&self) -> u64 {
        self.visible_output + self.reasoning
    }

    /// Both kinds of cache write.
    #[must_use]
    pub fn cache_write(&self) -> u64 {
        self.cache_write_5m + self.cache_write_1h
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Tokens) {
        let Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning } = self;
        *uncached_input += other.uncached_input;
        *cache_read += other.cache_read;
        *cache_write_5m += other.cache_write_5m;
        *cache_write_1h += other.cache_write_1h;
        *visible_output += other.visible_output;
        *reasoning += other.reasoning;
    }

    /// Input and output.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.input() + self.output()
    }

    /// Brings logged counts to disjoint kinds.
    ///
    /// All arguments are counts as logged; a subset that was not logged is 0. A subset larger than its whole is cut to
    /// the whole and flagged in `anomalies`. Where cache reads and writes together exceed the input, reads are kept first.
    #[must_use]
    pub fn from_logged(family: CountingFamily, logged: &Logged, anomalies: &mut Anomalies) -> Tokens {
        let mut cut = |subset: u64, whole: u64| {
            if subset > whole {
                anomalies.insert(Anomaly::SubsetExceedsTotal);
            }
            subset.min(whole)
        };
        let (uncached_input, cache_read, cache_write_5m, cache_write_1h) = if family == CountingFamily::Anthropic {
            (logged.input, logged.cache_read, logged.cache_write_5m, logged.cache_write_1h)
        } else {
            let read = cut(logged.cache_read, logged.input);
            let write_5m = cut(logged.cache_write_5m, logged.input - read);
            let write_1h = cut(logged.cache_write_1h, logged.input - read - write_5m);
            (logged.input - read - write_5m - write_1h, read, write_5m, write_1h)
        };
        let (visible_output, reasoning) = if family == CountingFamily::Gemini {
            (logged.output, logged.reasoning)
        } else {
            let reasoning = cut(logged.reasoning, logged.output);
            (logged.output - reasoning, reasoning)
        };
        Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning }
    }
}

/// Counts exactly as a line has them, before they are brought to disjoint kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Input as the provider counts it.
    pub input: u64,
    /// Output as the provider counts it.
    pub output: u64,
    /// Cache reads.
    pub cache_read: u64,
    /// Cache writes for 5 minutes or an unknown time.
    pub cache_write_5m: u64,
    /// Cache writes for 1 hour.
    pub cache_write_1h: u64,
    /// Reasoning or thinking.
    pub reasoning: u64,
}

/// What a record says about token usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// The request failed before anything could be counted: none is expected.
    #[default]
    None,
    /// Usage should be there and is not.
    Missing,
    /// What was counted. `family` and `logged` say where it comes from, for explanations.
    Counted {
        /// Disjoint kinds.
        tokens: Tokens,
        /// How the provider counts.
        family: CountingFamily,
        /// The counts as logged.
        logged: Logged,
        /// Whether the log told apart 5-minute and 1-hour cache writes.
        cache_ttl_known: bool,
    },
}

impl Usage {
    /// The tokens, zero where none were counted.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        match self {
            Usage::Counted { tokens, .. } => *tokens,
            Usage::None | Usage::Missing => Tokens::default(),
        }
    }

    /// Whether usage should be there and is not.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Usage::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_becomes_disjoint_kinds() {
        let cases = [
            (
                CountingFamily::OpenAi,
                Logged { input: 650, output: 450, cache_read: 400, reasoning: 50, ..Logged::default() },
                Tokens {
                    uncached_input: 250,
                    cache_read: 400,
                    visible_output: 400,
                    reasoning: 50,
                    ..Tokens::default()
                },
                false,
            ),
            (
                CountingFamily::Anthropic,
                Logged { input: 12, output: 1182, cache_read: 18_218, cache_write_5m: 475, ..Logged::default() },
                Tokens {
                    uncached_input: 12,
                    cache_read: 18_218,
                    cache_write_5m: 475,
                    visible_output: 1182,
                    ..Tokens::default()
                },
                false,
            ),
            (
                CountingFamily::Gemini,
                Logged { input: 100, output: 20, cache_read: 60, reasoning: 300, ..Logged::default() },
                Tokens { uncached_input: 40, cache_read: 60, visible_output: 20, reasoning: 300, ..Tokens::default() },
                false,
            ),
            (
                CountingFamily::OpenAi,
                Logged { input: 10, output: 80, reasoning: 500, ..Logged::default() },
                Tokens { uncached_input: 10, reasoning: 80, ..Tokens::default() },
                true,
            ),
        ];
        for (family, logged, want, flagged) in cases {
            let mut anomalies = Anomalies::default();
            let got = Tokens::from_logged(family, &logged, &mut anomalies);
            assert_eq!(got, want, "{family:?} {logged:?}");
            assert_eq!(anomalies.contains(Anomaly::SubsetExceedsTotal), flagged, "{family:?} {logged:?}");
        }
    }
}
