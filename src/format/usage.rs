//! Token counts as providers write them become one usage: which family counts how, and whether the total fits.
//!
//! The arithmetic of disjoint kinds is the record's; here is decided which rule applies. Shared by all gateways that
//! hand on the provider's own names.

use super::scalar::Scalar;
use crate::record::{Anomalies, Anomaly, CountingFamily, Logged, MAX_TOKENS, Outcome, Tokens, Usage};

/// Counts of one request with the family that says how they relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How the provider counts.
    pub(crate) family: CountingFamily,
    /// Input as logged.
    pub(crate) input: Option<u64>,
    /// Output as logged.
    pub(crate) output: Option<u64>,
    /// Total as logged, only checked.
    pub(crate) total: Option<u64>,
    /// Cache reads.
    pub(crate) cache_read: Option<u64>,
    /// Cache writes for 5 minutes or an unknown time.
    pub(crate) cache_write_5m: Option<u64>,
    /// Cache writes for 1 hour; where it is known, the log tells both apart.
    pub(crate) cache_write_1h: Option<u64>,
    /// Reasoning, thinking or thoughts.
    pub(crate) reasoning: Option<u64>,
}

impl Counts {
    /// The usage of a request that ended so. `answered`: the provider had begun to answer. Without input and output,
    /// usage is missing where it should be there: after a success, and after a disconnect in the middle of an answer.
    pub(crate) fn usage(&self, outcome: Outcome, answered: bool, anomalies: &mut Anomalies) -> Usage {
        if self.input.is_none() && self.output.is_none() {
            return match outcome.error() {
                None => Usage::Missing,
                Some(crate::record::ErrorReason::Disconnect) if answered => Usage::Missing,
                Some(_) => Usage::None,
            };
        }
        let logged = Logged {
            input: self.input.unwrap_or(0),
            output: self.output.unwrap_or(0),
            cache_read: self.cache_read.unwrap_or(0),
            cache_write_5m: self.cache_write_5m.unwrap_or(0),
            cache_write_1h: self.cache_write_1h.unwrap_or(0),
            reasoning: self.reasoning.unwrap_or(0),
        };
        let tokens = Tokens::from_logged(self.family, &logged, anomalies);
        // Where a family leaves kinds out of input or output, some write the total with them and some without.
        if self.total.is_some_and(|total| total != logged.input + logged.output && total != tokens.total()) {
            anomalies.insert(Anomaly::TotalMismatch);
        }
        Usage::Counted { tokens, family: self.family, logged, cache_ttl_known: self.cache_write_1h.is_some() }
    }
}

/// The providers' own names of counts that are a part of input or output.
#[derive(Debug, Default)]
pub(crate) struct Details<'a> {
    pub(crate) cached_tokens: Scalar<'a>,
    pub(crate) reasoning_tokens: Scalar<'a>,
    pub(crate) cache_creation_input_tokens: Scalar<'a>,
    pub(crate) cache_read_input_tokens: Scalar<'a>,
    pub(crate) thinking_tokens: Scalar<'a>,
    pub(crate) cached_content_token_count: Scalar<'a>,
    pub(crate) thoughts_token_count: Scalar<'a>,
}

impl<'a> Details<'a> {
    /// The slot of a key, if it is one of these.
    pub(crate) fn slot(&mut self, key: &str) -> Option<&mut Scalar<'a>> {
        Some(match key {
            "cached_tokens" => &mut self.cached_tokens,
            "reasoning_tokens" => &mut self.reasoning_tokens,
            "cache_creation_input_tokens" => &mut self.cache_creation_input_tokens,
            "cache_read_input_tokens" => &mut self.cache_read_input_tokens,
            "thinking_tokens" => &mut self.thinking_tokens,
            "cached_content_token_count" => &mut self.cached_content_token_count,
            "thoughts_token_count" => &mut self.thoughts_token_count,
            _ => return None,
        })
    }

    /// Decides the family by which keys have a value:
    ///
    /// | has | family |
    /// |---|---|
    /// | `cache_creation_input_tokens` or `cache_read_input_tokens` | Anthropic, but see below |
    /// | `thoughts_token_count` or `cached_content_token_count` | Gemini |
    /// | neither | OpenAI |
    ///
    /// Providers that speak OpenAI's protocol and bill cache writes (DashScope, OpenRouter) write `cached_tokens` and
    /// `cache_creation_input_tokens` side by side, and count both within the input. They are told by that, as long as
    /// the parts fit into the input and the total is not the one that only Anthropic's rule gives.
    pub(crate) fn counts(
        &self,
        input: Option<u64>,
        output: Option<u64>,
        total: Option<u64>,
        anomalies: &mut Anomalies,
    ) -> Counts {
        let mut count = |value: &Scalar<'_>| value.count(MAX_TOKENS, anomalies);
        let cached = count(&self.cached_tokens);
        let created = count(&self.cache_creation_input_tokens);
        let read = count(&self.cache_read_input_tokens);
        let cached_content = count(&self.cached_content_token_count);
        let thoughts = count(&self.thoughts_token_count);
        let reasoning = count(&self.reasoning_tokens).or(count(&self.thinking_tokens));
        let parts = created.unwrap_or(0) + read.or(cached).unwrap_or(0);
        let (whole_input, whole_output) = (input.unwrap_or(0), output.unwrap_or(0));
        let within_input = cached.is_some()
            && parts <= whole_input
            && (parts == 0 || total != Some(whole_input + parts + whole_output));
        let family = if (created.is_some() || read.is_some()) && !within_input {
            CountingFamily::Anthropic
        } else if thoughts.is_some() || cached_content.is_some() {
            CountingFamily::Gemini
        } else {
            CountingFamily::OpenAi
        };
        Counts {
            family,
            input,
            output,
            total,
            cache_read: read.or(cached).or(cached_content),
            cache_write_5m: created,
            cache_write_1h: None,
            reasoning: thoughts.or(reasoning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(details: &str, input: u64, output: u64, total: Option<u64>) -> (Tokens, CountingFamily, Anomalies) {
        let mut read = Details::default();
        super::super::json::read_object(details, &mut |key, raw| {
            if let Some(slot) = read.slot(&key) {
                *slot = Scalar::from_json(raw);
            }
        })
        .unwrap();
        let mut anomalies = Anomalies::default();
        let counts = read.counts(Some(input), Some(output), total, &mut anomalies);
        let usage = counts.usage(Outcome::Success, true, &mut anomalies);
        (usage.tokens(), counts.family, anomalies)
    }

    #[test]
    fn the_family_follows_the_keys() {
        use CountingFamily::{Anthropic, Gemini, OpenAi};
        for (details, family) in [
            ("{}", OpenAi),
            (r#"{"cached_tokens":80,"reasoning_tokens":5}"#, OpenAi),
            (r#"{"cache_read_input_tokens":0}"#, Anthropic),
            (r#"{"cache_creation_input_tokens":"475"}"#, Anthropic),
            (r#"{"cache_creation_input_tokens":null,"cache_read_input_tokens":null}"#, OpenAi),
            (r#"{"thoughts_token_count":3}"#, Gemini),
            (r#"{"cached_content_token_count":3}"#, Gemini),
            (r#"{"cached_tokens":0,"cache_creation_input_tokens":40}"#, OpenAi),
            (r#"{"cached_tokens":0,"cache_creation_input_tokens":400}"#, Anthropic),
        ] {
            assert_eq!(counts(details, 100, 50, None).1, family, "{details}");
        }
    }

    #[test]
    fn input_is_whole_in_every_family() {
        for (details, input, output, total, want_input, want_output) in [
            (r#"{"cached_tokens":80,"reasoning_tokens":25}"#, 100, 50, 150, 100, 50),
            (
                r#"{"cache_creation_input_tokens":475,"cache_read_input_tokens":18218}"#,
                12,
                1_182,
                19_887,
                18_705,
                1_182,
            ),
            (r#"{"cache_creation_input_tokens":475,"cache_read_input_tokens":18218}"#, 12, 1_182, 1_194, 18_705, 1_182),
            (r#"{"cached_content_token_count":60,"thoughts_token_count":300}"#, 100, 20, 420, 100, 320),
            (r#"{"cached_tokens":30,"cache_creation_input_tokens":40}"#, 100, 50, 150, 100, 50),
            (r#"{"cached_tokens":30,"cache_creation_input_tokens":40}"#, 100, 50, 220, 170, 50),
        ] {
            let (tokens, _, anomalies) = counts(details, input, output, Some(total));
            assert_eq!((tokens.input(), tokens.output()), (want_input, want_output), "{details} {total}");
            assert!(anomalies.is_empty(), "{details} {total}: {anomalies:?}");
        }
    }

    #[test]
    fn a_total_that_fits_no_rule_and_a_part_beyond_its_whole_are_flagged() {
        let (_, _, anomalies) = counts("{}", 10, 69, Some(80));
        assert!(anomalies.contains(Anomaly::TotalMismatch));
        let (tokens, _, anomalies) = counts(r#"{"reasoning_tokens":500}"#, 10, 80, Some(90));
        assert_eq!((tokens.output(), tokens.reasoning), (80, 80));
        assert!(anomalies.contains(Anomaly::SubsetExceedsTotal) && !anomalies.contains(Anomaly::TotalMismatch));
    }

    #[test]
    fn missing_usage_is_expected_only_where_something_was_answered() {
        use crate::record::ErrorReason::{Disconnect, RateLimited, Timeout};
        let none = Counts::default();
        for (outcome, answered, missing) in [
            (Outcome::Success, false, true),
            (Outcome::Error(Disconnect), true, true),
            (Outcome::Error(Disconnect), false, false),
            (Outcome::Error(RateLimited), true, false),
            (Outcome::Error(Timeout), false, false),
        ] {
            let usage = none.usage(outcome, answered, &mut Anomalies::default());
            assert_eq!(usage.is_missing(), missing, "{outcome:?} {answered}");
        }
        let zero = Counts { input: Some(0), output: Some(0), ..Counts::default() };
        assert!(matches!(
            zero.usage(Outcome::Error(RateLimited), false, &mut Anomalies::default()),
            Usage::Counted { .. }
        ));
    }
}
